// Package component compiles Go packages to components, with Go and with TinyGo.
package component

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/wasio-dev/wasio/internal/wasm"
)

const (
	memorySection = 5
	maxPages      = 1 << 16
)

// RaiseMemory returns a copy of a core module whose memory has an initial size of at least
// the given number of pages of 64 KiB.
//
// A Go program needs this in a component. The allocator of Go assumes that nothing else
// grows the memory, but the adapter for preview 1 does, and the program dies with "grew
// heap, but no adequate free space found". If the initial memory is large enough, the
// allocator never grows it.
func RaiseMemory(module []byte, pages uint32) ([]byte, error) {
	if pages > maxPages {
		return nil, fmt.Errorf("%d pages exceed the maximum of a memory", pages)
	}
	if !bytes.HasPrefix(module, []byte(wasm.ModuleHeader)) {
		return nil, errors.New("not a core module")
	}
	sections, ok := wasm.Sections(module)
	if !ok {
		return nil, errors.New("the module is truncated")
	}
	raised := false
	out := []byte(wasm.ModuleHeader)
	for _, s := range sections {
		if s.ID == memorySection {
			content, err := raise(s.Content, pages)
			if err != nil {
				return nil, err
			}
			s.Content, raised = content, true
		}
		out = wasm.AppendSection(out, s.ID, s.Content)
	}
	if !raised {
		return nil, errors.New("the module defines no memory")
	}
	return out, nil
}

// raise returns a memory section with a minimum of at least the given pages. The section
// consists of the number of memories, which must be one, and of flags, the minimum and, if
// bit 0 of the flags is set, the maximum.
func raise(section []byte, pages uint32) ([]byte, error) {
	r := wasm.NewReader(section)
	count, flags, minimum := r.Uint(), r.Byte(), r.Uint()
	rest := r.Rest()
	maximum := uint64(maxPages)
	if flags == 1 {
		maximum = r.Uint()
	}
	switch {
	case !r.OK():
		return nil, errors.New("the memory section is truncated")
	case count != 1:
		return nil, fmt.Errorf("the module has %d memories instead of one", count)
	case flags > 1:
		return nil, fmt.Errorf("unsupported flags %#x of the memory", flags)
	case maximum < uint64(pages):
		return nil, fmt.Errorf("the maximum of the memory is %d pages", maximum)
	}
	out := wasm.AppendUint([]byte{1, flags}, max(minimum, uint64(pages)))
	return append(out, rest...), nil
}
