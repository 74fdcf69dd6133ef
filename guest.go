//go:build wasm || tinygo.wasm

package wasio

// transfer locks w and calls transferLocked. A deferred unlock would cost 15 ns, and is not
// needed, since a trap ends the program.
func (w *Writer) transfer(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	n, err = w.transferLocked(p, flush)
	w.mu.Unlock()
	return n, err
}
