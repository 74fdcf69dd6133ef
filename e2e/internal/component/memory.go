// Package component compiles Go packages to components, with Go and with TinyGo.
package component

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	header        = "\x00asm\x01\x00\x00\x00"
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
	rest, ok := bytes.CutPrefix(module, []byte(header))
	if !ok {
		return nil, errors.New("not a core module")
	}
	for len(rest) > 0 {
		at := len(module) - len(rest)
		id := rest[0]
		size, n := uleb(rest[1:])
		if n == 0 || size > uint64(len(rest)-1-n) {
			return nil, fmt.Errorf("section at %#x is truncated", at)
		}
		body := rest[1+n:][:size]
		rest = rest[1+n:][size:]
		if id != memorySection {
			continue
		}
		raised, err := raise(body, pages)
		if err != nil {
			return nil, err
		}
		out := append([]byte(nil), module[:at]...)
		out = append(out, memorySection)
		out = binary.AppendUvarint(out, uint64(len(raised)))
		out = append(out, raised...)
		return append(out, rest...), nil
	}
	return nil, errors.New("the module defines no memory")
}

// raise returns a copy of the body of a memory section with a minimum of at least the given
// pages. The body consists of the number of memories, which must be one, and of flags, the
// minimum and, if bit 0 of the flags is set, the maximum.
func raise(body []byte, pages uint32) ([]byte, error) {
	count, n := uleb(body)
	if n == 0 || count != 1 || len(body) < n+2 {
		return nil, fmt.Errorf("the module has %d memories instead of one", count)
	}
	flags, limits := body[n], body[n+1:]
	if flags > 1 {
		return nil, fmt.Errorf("unsupported flags %#x of the memory", flags)
	}
	minimum, m := uleb(limits)
	if m == 0 {
		return nil, errors.New("the memory section is truncated")
	}
	if flags == 1 {
		maximum, k := uleb(limits[m:])
		if k == 0 {
			return nil, errors.New("the memory section is truncated")
		}
		if maximum < uint64(pages) {
			return nil, fmt.Errorf("the maximum of the memory is %d pages", maximum)
		}
	}
	out := append([]byte(nil), body[:n+1]...)
	out = binary.AppendUvarint(out, max(minimum, uint64(pages)))
	return append(out, limits[m:]...), nil
}

// uleb decodes an unsigned LEB128 of 32 bits. It returns the value and the number of bytes
// read, or n == 0 if p does not start with such a number.
func uleb(p []byte) (value uint64, n int) {
	value, n = binary.Uvarint(p[:min(len(p), 5)])
	if n <= 0 || value >= 1<<32 {
		return 0, 0
	}
	return value, n
}
