//go:build wasm && !tinygo.wasm

package platform

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// What only some programs need is behind variables, so that the others neither link it nor
// import what it takes from the host.
var (
	// Await is nil unless the program has called UseLimits or UseHost: all waits are Block then.
	Await func(p poll.Pollable, bound int64, round int) (ready bool)

	// TextOf is nil unless the program has called UseHost.
	TextOf func(err uint32) string

	pollTwo func(p, clock poll.Pollable) (ready, fired bool)
)

// UseLimits must be called before a wait has a bound.
func UseLimits() {
	if Await == nil {
		Await = awaitPausing
	}
}

// UseHost makes waits exact and errors complete, with two functions of the host that return a
// list and a string, which package componentize knows how to call: poll, for two pollables,
// and to-debug-string.
func UseHost(poll func(p, clock poll.Pollable) (ready, fired bool), toDebugString func(err uint32) string) {
	Await, pollTwo = await, poll
	TextOf = func(err uint32) string { return firstLine(toDebugString(err)) }
}
