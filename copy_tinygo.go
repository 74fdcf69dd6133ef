//go:build tinygo.wasm

package wasio

import "unsafe"

// copyShort is copy into a dst that has room for src. Copy is one instruction of
// WebAssembly, for which Wasmtime leaves the guest: some 15 ns, in which the loop that
// TinyGo makes has copied 100 bytes, and that of Go fewer.
func copyShort(dst, src []byte) int {
	n := len(src)
	if n < 8 || n > 256 {
		return copy(dst, src)
	}
	d, s := unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(unsafe.SliceData(src))
	for i := 0; i < n-8; i += 8 {
		*(*uint64)(unsafe.Add(d, i)) = *(*uint64)(unsafe.Add(s, i))
	}
	*(*uint64)(unsafe.Add(d, n-8)) = *(*uint64)(unsafe.Add(s, n-8)) // may overlap the last
	return n
}
