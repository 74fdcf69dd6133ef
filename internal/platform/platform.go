// Package platform has what differs between the platforms of package wasio: locks and atomic
// fields, waits and clocks, and the host functions that each toolchain can import.
package platform

// Durations are in nanoseconds, without package time, which adds 46 KB to a guest with TinyGo.
const (
	MinPause int64 = 20_000    // the first of a series of pauses
	MaxPause int64 = 5_000_000 // the longest pause

	Never = 1<<63 - 1 // longer than any wait
)

// firstLine returns the first line of text that is not empty, or "". Wasmtime appends a
// backtrace to the text of an error if RUST_BACKTRACE is set.
func firstLine(text string) string {
	start := 0
	for i := range len(text) {
		if text[i] != '\n' && text[i] != '\r' {
			continue
		}
		if i > start {
			return text[start:i]
		}
		start = i + 1
	}
	return text[start:]
}
