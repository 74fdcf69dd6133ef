//go:build unix && (amd64 || arm64)

package engine

import (
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// reserved is a memory at an address that stays the same. The system provides its pages when
// they are first touched.
type reserved []byte

func reserve(size uint64) experimental.LinearMemory {
	if size == 0 {
		return nil
	}
	m, err := syscall.Mmap(-1, 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return reserved(m)
}

func (m reserved) Reallocate(size uint64) []byte { return m[:size:size] }

func (m reserved) Free() { syscall.Munmap(m) }
