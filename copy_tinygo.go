//go:build tinygo.wasm

package wasio

import "unsafe"

// copyShort is copy into a dst that has room for src. TinyGo makes copy one instruction,
// for which Wasmtime leaves the guest: some 15 ns, in which a loop has copied 100 bytes.
// The loop that Go makes is no faster than that.
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
