//go:build wasm && !tinygo.wasm

package platform

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// What only some programs need is behind variables, so that the others neither link it nor
// import what it takes from the host.
var (
	// limited is nil unless the program has called UseLimits or UseHost.
	limited func(p poll.Pollable, bound int64, round int) (ready bool)

	// text and pollTwo are nil unless the program has called UseHost.
	text    func(err uint32) string
	pollTwo func(p, clock poll.Pollable) (ready, fired bool)
)

// UseLimits must be called before a wait has a bound.
func UseLimits() {
	if limited == nil {
		limited = awaitPausing
	}
}

// UseHost makes waits exact and errors complete, with two functions of the host that return a
// list and a string, which package componentize knows how to call: poll, for two pollables,
// and to-debug-string.
func UseHost(poll func(p, clock poll.Pollable) (ready, fired bool), toDebugString func(err uint32) string) {
	limited, pollTwo = await, poll
	text = func(err uint32) string { return firstLine(toDebugString(err)) }
}

// Await waits until p is ready, or for bound nanoseconds at most, and reports whether p is
// ready. It may return earlier. The waits since the stream last moved a byte were round.
func Await(p poll.Pollable, bound int64, round int) (ready bool) {
	if limited != nil {
		return limited(p, bound, round)
	}
	p.Block()
	return true
}

// TextOf returns the first line of the host's text for a failure, or "".
func TextOf(err uint32) string {
	if text != nil {
		return text(err)
	}
	return ""
}
