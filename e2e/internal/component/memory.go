// Package component makes components of Go packages, with both toolchains.
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

// RaiseMemory returns the core module with at least so many pages of 64 KiB as the
// initial size of its memory.
//
// A program of Go needs it in a component. Its allocator believes that nobody else grows
// the memory, and dies once the adapter for preview 1 has done so: "grew heap, but no
// adequate free space found". It does not grow what is large enough from the start.
func RaiseMemory(module []byte, pages uint32) ([]byte, error) {
	if pages > maxPages {
		return nil, fmt.Errorf("%d pages are more than a memory can have", pages)
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
			return nil, fmt.Errorf("section at %#x is cut short", at)
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
	return nil, errors.New("the module has no memory of its own")
}

// raise does so in the body of a memory section: the number of memories, and for the
// only one flags, the minimum, and the maximum if bit 0 of the flags is set.
func raise(body []byte, pages uint32) ([]byte, error) {
	count, n := uleb(body)
	if n == 0 || count != 1 || len(body) < n+2 {
		return nil, fmt.Errorf("the module has %d memories, not one", count)
	}
	flags, limits := body[n], body[n+1:]
	if flags > 1 {
		return nil, fmt.Errorf("a memory with the flags %#x is not an ordinary one", flags)
	}
	least, m := uleb(limits)
	if m == 0 {
		return nil, errors.New("the memory section is cut short")
	}
	if flags == 1 {
		most, k := uleb(limits[m:])
		if k == 0 {
			return nil, errors.New("the memory section is cut short")
		}
		if most < uint64(pages) {
			return nil, fmt.Errorf("the module allows itself %d pages at most", most)
		}
	}
	out := append([]byte(nil), body[:n+1]...)
	out = binary.AppendUvarint(out, max(least, uint64(pages)))
	return append(out, limits[m:]...), nil
}

// uleb reads an unsigned LEB128 of 32 bits and returns how many bytes it has; 0: none.
func uleb(p []byte) (value uint64, n int) {
	value, n = binary.Uvarint(p[:min(len(p), 5)])
	if n <= 0 || value >= 1<<32 {
		return 0, 0
	}
	return value, n
}
