// Package builtins has what the component model gives a guest of WASI 0.3 to write with: streams,
// futures, subtasks and waitable sets, a clock, and the write-via-stream functions of wasi:cli. In
// a guest these are imports, and the same ones for Go and TinyGo. Natively a model, [Host], is
// behind them.
//
// The model is strict. What the canonical ABI traps on is a panic with a [*Trap]: a write on a
// stream that has one under way or whose reader is known to have gone, a cancel of an operation
// whose end is in a waitable set, a drop of an end with an operation under way, a set that is
// dropped with something in it, a handle that is not there. A wait that nothing can end is a trap,
// too. What the other end of a stream does, a [Script] says.
package builtins
