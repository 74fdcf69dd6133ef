// Package platform has what differs between the platforms that package wasio runs on:
// atomic fields, and what the toolchains can import from a host.
package platform

// Durations are numbers of nanoseconds: with TinyGo, package time adds 46 KB to a guest.
const (
	MinPause int64 = 20_000    // the first of a series of pauses
	MaxPause int64 = 5_000_000 // the longest pause

	Never = 1<<63 - 1 // longer than any wait
)

// firstLine returns the first line of a host's text that is not empty, or "". Wasmtime appends
// a backtrace if RUST_BACKTRACE is set.
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
