//go:build wasm && !tinygo.wasm

package platform

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// Functions that only some programs need are called through variables, so that other programs
// neither link them nor import what they need from the host.
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

// UseHost makes waits exact and gives errors the host's text. It takes two functions of the
// host, which package componentize knows how to call although they return a list and a string:
// poll, for two pollables, and to-debug-string.
func UseHost(poll func(p, clock poll.Pollable) (ready, fired bool), toDebugString func(err uint32) string) {
	limited, pollTwo = await, poll
	text = func(err uint32) string { return firstLine(toDebugString(err)) }
}

// Await waits until p is ready, or for bound nanoseconds at most, and reports whether p is
// ready. It may return earlier. It is called for wait number round, counted from 0, since the
// stream last moved a byte.
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
