// Package builtins has the functions by which a guest of WASI 0.3 writes: those for streams,
// futures, subtasks, waitable sets and clocks, and write-via-stream of wasi:cli. In a guest they
// are imports, the same ones for Go and TinyGo. Natively a model, [Host], implements them.
//
// The model is strict. Whatever traps in the canonical ABI panics with a [*Trap]: a write on a
// stream that has one under way or whose reader is known to have gone, a cancel of an operation
// whose end is in a waitable set, a drop of an end with an operation under way, a drop of a set
// that is not empty, an unknown handle. A wait that nothing can end is a trap, too. A [Script]
// says what the other end of a stream does.
package builtins
