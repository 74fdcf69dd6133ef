// Package wasmtest assembles small WebAssembly modules for tests, such as guests that no
// compiler would produce.
package wasmtest

import "github.com/wasio-dev/wasio/internal/wasm"

// A Type is a WebAssembly value type.
type Type byte

// The value types.
const (
	I32 Type = 0x7f
	I64 Type = 0x7e
	F64 Type = 0x7c
)

// An Import is a function that a module imports.
type Import struct {
	Module, Name    string
	Params, Results []Type
}

// A Func is a function of a module.
type Func struct {
	Export                  string // if empty, the function is not exported
	Params, Results, Locals []Type
	Code                    Code // without the final end
}

// A Module is a module to assemble. Function indices count the imports first, then Funcs.
type Module struct {
	Imports      []Import
	Pages        uint64 // initial size of the memory, in pages; 0 means no memory
	MaxPages     uint64 // 0 means no limit
	ImportMemory bool   // whether to import a memory from env
	HideMemory   bool   // whether not to export the memory
	Data         []byte // stored at address 0
	Globals      int    // number of mutable variables of type i32
	Funcs        []Func
	Start        *uint64 // index of the start function, if any
}

// Bytes returns the module in the binary format.
func (m Module) Bytes() []byte {
	var types, imports, funcs, exports, codes [][]byte
	addType := func(params, results []Type) uint64 {
		types = append(types, join([]byte{0x60}, valueTypes(params), valueTypes(results)))
		return uint64(len(types) - 1)
	}
	for _, i := range m.Imports {
		imports = append(imports, join(name(i.Module), name(i.Name), []byte{0}, uleb(addType(i.Params, i.Results))))
	}
	firstFunc := uint64(len(m.Imports))
	if m.ImportMemory {
		imports = append(imports, join(name("env"), name("memory"), []byte{2, 0, 1}))
	}
	for i, f := range m.Funcs {
		funcs = append(funcs, uleb(addType(f.Params, f.Results)))
		if f.Export != "" {
			exports = append(exports, join(name(f.Export), []byte{0}, uleb(firstFunc+uint64(i))))
		}
		locals := uleb(uint64(len(f.Locals)))
		for _, l := range f.Locals {
			locals = append(locals, 1, byte(l))
		}
		body := join(locals, f.Code, []byte{0x0b})
		codes = append(codes, wasm.AppendBytes(nil, body))
	}
	var memories, globals, data [][]byte
	if m.Pages > 0 {
		limits := join([]byte{0}, uleb(m.Pages))
		if m.MaxPages > 0 {
			limits = join([]byte{1}, uleb(m.Pages), uleb(m.MaxPages))
		}
		memories = append(memories, limits)
	}
	if m.Pages > 0 && !m.HideMemory {
		exports = append(exports, join(name("memory"), []byte{2, 0}))
	}
	for range m.Globals {
		globals = append(globals, []byte{byte(I32), 1, 0x41, 0, 0x0b})
	}
	if m.Data != nil {
		data = append(data, join([]byte{0, 0x41, 0, 0x0b}, name(string(m.Data))))
	}

	b := []byte(wasm.ModuleHeader)
	section := func(id byte, content []byte) { b = wasm.AppendSection(b, id, content) }
	section(1, vector(types))
	section(2, vector(imports))
	section(3, vector(funcs))
	section(5, vector(memories))
	section(6, vector(globals))
	section(7, vector(exports))
	if m.Start != nil {
		section(8, uleb(*m.Start))
	}
	section(10, vector(codes))
	section(11, vector(data))
	return b
}

func uleb(n uint64) []byte { return wasm.AppendUint(nil, n) }

func name(s string) []byte { return wasm.AppendBytes(nil, []byte(s)) }

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// vector encodes items with their number in front.
func vector(items [][]byte) []byte { return join(uleb(uint64(len(items))), join(items...)) }

func valueTypes(types []Type) []byte {
	b := uleb(uint64(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// Code is a sequence of instructions. Its methods return the sequence with one more
// instruction appended.
type Code []byte

// op appends an opcode and its immediate operands.
func (c Code) op(code byte, immediates ...uint64) Code {
	c = append(c, code)
	for _, n := range immediates {
		c = wasm.AppendUint(c, n)
	}
	return c
}

// The instructions that the tests need.

func (c Code) Unreachable() Code          { return c.op(0x00) }
func (c Code) Loop() Code                 { return append(c, 0x03, 0x40) }
func (c Code) If() Code                   { return append(c, 0x04, 0x40) }
func (c Code) End() Code                  { return c.op(0x0b) }
func (c Code) Br(depth uint64) Code       { return c.op(0x0c, depth) }
func (c Code) BrIf(depth uint64) Code     { return c.op(0x0d, depth) }
func (c Code) Call(f uint64) Code         { return c.op(0x10, f) }
func (c Code) Drop() Code                 { return c.op(0x1a) }
func (c Code) Get(local uint64) Code      { return c.op(0x20, local) }
func (c Code) Set(local uint64) Code      { return c.op(0x21, local) }
func (c Code) Tee(local uint64) Code      { return c.op(0x22, local) }
func (c Code) GlobalGet(g uint64) Code    { return c.op(0x23, g) }
func (c Code) GlobalSet(g uint64) Code    { return c.op(0x24, g) }
func (c Code) Load32(offset uint64) Code  { return c.op(0x28, 0, offset) }
func (c Code) Load64(offset uint64) Code  { return c.op(0x29, 0, offset) }
func (c Code) Load8(offset uint64) Code   { return c.op(0x2d, 0, offset) }
func (c Code) Store32(offset uint64) Code { return c.op(0x36, 0, offset) }
func (c Code) MemoryGrow() Code           { return c.op(0x40, 0) }
func (c Code) I32(n uint32) Code          { return wasm.AppendInt(c.op(0x41), int64(int32(n))) }
func (c Code) I64(n uint64) Code          { return wasm.AppendInt(c.op(0x42), int64(n)) }
func (c Code) Eq32() Code                 { return c.op(0x46) }
func (c Code) LessU32() Code              { return c.op(0x49) }
func (c Code) Add32() Code                { return c.op(0x6a) }
func (c Code) Sub32() Code                { return c.op(0x6b) }

// Push appends an instruction that pushes the constant n of type t, I32 or I64.
func (c Code) Push(t Type, n uint64) Code {
	if t == I64 {
		return c.I64(n)
	}
	return c.I32(uint32(n))
}

// WASI lists every function of WASI 0.2.0 that guests of this project may import, with its
// signature in the canonical ABI.
var WASI = []Import{
	{"wasi:cli/stdout@0.2.0", "get-stdout", nil, i},
	{"wasi:cli/stderr@0.2.0", "get-stderr", nil, i},
	{"wasi:io/streams@0.2.0", "[method]output-stream.check-write", ii, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.write", iiii, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.write-zeroes", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.flush", ii, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush", iiii, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-zeroes-and-flush", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.blocking-flush", ii, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.subscribe", i, i},
	{"wasi:io/streams@0.2.0", "[resource-drop]output-stream", i, nil},
	{"wasi:io/poll@0.2.0", "[method]pollable.ready", i, i},
	{"wasi:io/poll@0.2.0", "[method]pollable.block", i, nil},
	{"wasi:io/poll@0.2.0", "poll", iii, nil},
	{"wasi:io/poll@0.2.0", "[resource-drop]pollable", i, nil},
	{"wasi:io/error@0.2.0", "[method]error.to-debug-string", ii, nil},
	{"wasi:io/error@0.2.0", "[resource-drop]error", i, nil},
	{"wasi:cli/terminal-stdout@0.2.0", "get-terminal-stdout", i, nil},
	{"wasi:cli/terminal-stderr@0.2.0", "get-terminal-stderr", i, nil},
	{"wasi:cli/terminal-output@0.2.0", "[resource-drop]terminal-output", i, nil},
	{"wasi:clocks/monotonic-clock@0.2.0", "now", nil, []Type{I64}},
	{"wasi:clocks/monotonic-clock@0.2.0", "subscribe-duration", []Type{I64}, i},
	{"wasi:clocks/monotonic-clock@0.2.0", "subscribe-instant", []Type{I64}, i},
	{"wasi:cli/stdin@0.2.0", "get-stdin", nil, i},
	{"wasi:io/streams@0.2.0", "[method]input-stream.read", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]input-stream.blocking-read", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]input-stream.skip", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]input-stream.blocking-skip", ili, nil},
	{"wasi:io/streams@0.2.0", "[method]input-stream.subscribe", i, i},
	{"wasi:io/streams@0.2.0", "[resource-drop]input-stream", i, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.splice", iili, nil},
	{"wasi:io/streams@0.2.0", "[method]output-stream.blocking-splice", iili, nil},
}

// The parameter and result types in WASI. The letter i stands for I32 and l for I64.
var (
	i    = []Type{I32}
	ii   = []Type{I32, I32}
	iii  = []Type{I32, I32, I32}
	iiii = []Type{I32, I32, I32, I32}
	ili  = []Type{I32, I64, I32}
	iili = []Type{I32, I32, I64, I32}
)
