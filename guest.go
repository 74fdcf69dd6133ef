//go:build wasm || tinygo.wasm

package wasio

// transfer is transferLocked with the lock. A trap ends the program, so there is nothing to
// defer, which would cost 15 ns.
func (w *Writer) transfer(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	n, err = w.transferLocked(p, flush)
	w.mu.Unlock()
	return n, err
}
