package engine

import "github.com/tetratelabs/wazero/experimental"

// allocate returns a memory for a guest. If the system can reserve addresses for all of it, it
// grows in place: a copy would take twice the memory that the guest may have, for a moment.
func allocate(_, maximum uint64) experimental.LinearMemory {
	if m := reserve(maximum); m != nil {
		return m
	}
	return new(movable)
}

// movable is a memory that may move as it grows.
type movable struct{ bytes []byte }

func (m *movable) Reallocate(size uint64) []byte {
	m.bytes = append(m.bytes, make([]byte, size-uint64(len(m.bytes)))...)
	return m.bytes
}

func (m *movable) Free() { m.bytes = nil }
