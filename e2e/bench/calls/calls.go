// Package calls counts the host calls of the counting variant of the guest. In the variant
// that is timed nothing calls One.
package calls

// A Count says how many host calls a program has made.
type Count struct {
	All   uint64
	Waits uint64 // subscriptions to an output stream, each of which begins a wait

	// InWaits is All without the calls that move bytes: with a Writer, the calls of its
	// waits.
	InWaits uint64
}

// Total counts the calls since the program began.
var Total Count

// One counts a call of an imported function, by its name in the WIT.
func One(function string) {
	Total.All++
	switch function {
	case "[method]output-stream.check-write", "[method]output-stream.write", "[method]output-stream.flush",
		"[method]output-stream.blocking-write-and-flush":
		return
	case "[method]output-stream.subscribe":
		Total.Waits++
	}
	Total.InWaits++
}

// Since returns the calls since the count was before.
func (c Count) Since(before Count) Count {
	return Count{c.All - before.All, c.Waits - before.Waits, c.InWaits - before.InWaits}
}
