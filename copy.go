//go:build !tinygo.wasm

package wasio

func copyShort(dst, src []byte) int { return copy(dst, src) }
