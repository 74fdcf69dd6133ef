package wasio

// NewShared returns a Writer as Stdout does, on a stream of the test's.
func NewShared(stream uint32) *Writer {
	w := NewWriter(stream)
	w.traits = shared
	return w
}
