package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// cache holds the compiled modules of all tests.
var cache = wazero.NewCompilationCache()

const (
	i32 = wasmtest.I32
	i64 = wasmtest.I64
)

// imports are the imports of every test module: all of WASI 0.2 and some of preview 1.
var imports = append(append([]wasmtest.Import(nil), wasmtest.WASI...),
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: []wasmtest.Type{i32, i32, i32, i32}, Results: []wasmtest.Type{i32}},
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "poll_oneoff", Params: []wasmtest.Type{i32, i32, i32, i32}, Results: []wasmtest.Type{i32}},
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []wasmtest.Type{i32}},
)

// importIndex returns the index of an imported function.
func importIndex(name string) uint64 {
	for i, f := range imports {
		if f.Name == name || strings.HasSuffix(f.Name, "."+name) {
			return uint64(i)
		}
	}
	panic("no import " + name)
}

// call appends to c a call of an imported function. It drops the result, if any.
func call(c wasmtest.Code, name string, args ...uint64) wasmtest.Code {
	index := importIndex(name)
	for i, t := range imports[index].Params {
		c = c.Push(t, args[i])
	}
	c = c.Call(index)
	if imports[index].Results != nil {
		c = c.Drop()
	}
	return c
}

// A hostCall is a call of an imported function.
type hostCall struct {
	name string
	args []uint64
}

func do(name string, args ...uint64) hostCall { return hostCall{name, args} }

// program returns code that opens standard output, whose handle is 1, and makes the calls.
func program(calls ...hostCall) wasmtest.Code {
	c := call(nil, "get-stdout")
	for _, hc := range calls {
		c = call(c, hc.name, hc.args...)
	}
	return c
}

// newModule returns a module with one page of memory whose _start runs the code.
func newModule(c wasmtest.Code) wasmtest.Module {
	return wasmtest.Module{
		Imports: imports,
		Pages:   1,
		Globals: 1,
		Funcs:   []wasmtest.Func{{Export: "_start", Code: c}},
	}
}

// withRealloc adds an exported cabi_realloc of the given type to the module.
func withRealloc(m wasmtest.Module, params, results []wasmtest.Type, c wasmtest.Code) wasmtest.Module {
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "cabi_realloc", Params: params, Results: results, Code: c})
	return m
}

// fourI32 and oneI32 are the parameters and results of cabi_realloc.
var fourI32, oneI32 = []wasmtest.Type{i32, i32, i32, i32}, []wasmtest.Type{i32}

// The bodies of cabi_realloc that follow differ in where they allocate.

// bumpAlloc allocates consecutive addresses from 1024 on.
var bumpAlloc = wasmtest.Code{}.GlobalGet(0).GlobalGet(0).Get(3).Add32().GlobalSet(0).I32(1024).Add32()

// growAlloc allocates in a new page. Growing the memory may move it.
var growAlloc = wasmtest.Code{}.I32(1).MemoryGrow().Drop().I32(1 << 16)

// allocAt always allocates at the same address.
func allocAt(at uint32) wasmtest.Code { return wasmtest.Code{}.I32(at) }

// run runs a module whose standard output is a stream that follows the plan p. It returns
// the output of that stream and of the standard output of preview 1.
func run(t *testing.T, m wasmtest.Module, o host.Options, p host.Plan) (exit int, stream, stdout string, err error) {
	t.Helper()
	return runWithInput(t, m, o, p, host.Plan{})
}

// runWithInput is like run. The standard input of the module is the text "content", in a
// stream that follows the plan input.
func runWithInput(t *testing.T, m wasmtest.Module, o host.Options, p, input host.Plan) (exit int, stream, stdout string, err error) {
	t.Helper()
	if o.Clock == nil {
		o.Clock = new(host.VirtualClock)
	}
	h := host.New(o)
	var streamOut, stdoutOut bytes.Buffer
	p.Terminal = true
	h.SetStdio(host.Stdout, p, &streamOut)
	h.SetStdin(input, strings.NewReader("content"))
	exit, err = engine.Run(t.Context(), engine.Guest{Module: m.Bytes(), Host: h, Stdout: &stdoutOut, Cache: cache})
	return exit, streamOut.String(), stdoutOut.String(), err
}

// flushFails is a plan whose every flush fails.
var flushFails = host.Plan{Faults: []host.Fault{{At: host.AtFlush, Text: "disk full"}}}

// TestHostileCallsTrap checks that every call that violates the ABI or the contract ends in
// a trap that says why.
func TestHostileCallsTrap(t *testing.T) {
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		plan   host.Plan
		reason string
		call   string
	}{
		{name: "return area past the end of memory", module: newModule(program(do("check-write", 1, 1<<16))),
			reason: "16 bytes at 0x10000 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "return area across the end of memory", module: newModule(program(do("check-write", 1, 1<<16-8))),
			reason: "16 bytes at 0xfff8 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "return area at the end of the address space", module: newModule(program(do("flush", 1, 1<<32-4))),
			reason: "12 bytes at 0xfffffffc are not in the guest's memory", call: "output-stream.flush = trap"},
		{name: "misaligned return area of check-write", module: newModule(program(do("check-write", 1, 4))),
			reason: "pointer 0x4 is not aligned to 8 bytes", call: "output-stream.check-write = trap"},
		{name: "misaligned return area of write", module: newModule(program(do("write", 1, 0, 0, 2))),
			reason: "pointer 0x2 is not aligned to 4 bytes", call: "output-stream.write(0) = trap"},
		{name: "misaligned return area of an option", module: newModule(program(do("get-terminal-stdout", 1))),
			reason: "pointer 0x1 is not aligned to 4 bytes", call: "terminal-stdout.get-terminal-stdout = trap"},
		{name: "bytes across the end of memory", module: newModule(program(do("check-write", 1, 0), do("write", 1, 1<<16-6, 7, 0))),
			reason: "7 bytes at 0xfffa are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "zero bytes past the end of memory", module: newModule(program(do("check-write", 1, 0), do("write", 1, 1<<16+1, 0, 0))),
			reason: "0 bytes at 0x10001 are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "largest pointer and length", module: newModule(program(do("check-write", 1, 0), do("write", 1, 1<<32-1, 1<<32-1, 0))),
			reason: "4294967295 bytes at 0xffffffff are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "pointer plus length overflows", module: newModule(program(do("blocking-write-and-flush", 1, 1<<32-4, 8, 0))),
			reason: "8 bytes at 0xfffffffc are not in the guest's memory", call: "output-stream.blocking-write-and-flush(0) = trap"},
		{name: "blocking write beyond its limit", module: newModule(program(do("blocking-write-and-flush", 1, 0, 4097, 0))),
			reason: "blocking-write-and-flush of 4097 bytes; 4096 is the most", call: "output-stream(1).blocking-write-and-flush(4097) = trap"},
		{name: "2^64-1 zeroes", module: newModule(program(do("check-write", 1, 0), do("write-zeroes", 1, 1<<64-1, 0))),
			reason: "write of 18446744073709551615 bytes on a permit of 1048576",
			call:   "output-stream(1).write-zeroes(18446744073709551615) = trap"},
		{name: "write without a permit", module: newModule(program(do("write", 1, 0, 1, 0))),
			reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap"},
		{name: "no memory", module: wasmtest.Module{Imports: imports, Funcs: newModule(program(do("check-write", 1, 0))).Funcs},
			reason: "16 bytes at 0x0 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "no memory exported", module: wasmtest.Module{Imports: imports, Pages: 1, HideMemory: true, Funcs: newModule(program(do("check-write", 1, 0))).Funcs},
			reason: "16 bytes at 0x0 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "handle 0", module: newModule(program(do("check-write", 0, 0))),
			reason: "handle 0 is unknown, or was dropped", call: "output-stream.check-write = trap"},
		{name: "unknown handle", module: newModule(program(do("[resource-drop]error", 1<<32-1))),
			reason: "handle 4294967295 is unknown, or was dropped", call: "error(4294967295).drop = trap"},
		{name: "dropped handle", module: newModule(program(do("[resource-drop]output-stream", 1), do("subscribe", 1))),
			reason: "handle 1 is unknown, or was dropped", call: "output-stream(1).subscribe = trap"},
		{name: "handle of the wrong type", module: newModule(program(do("block", 1))),
			reason: "handle 1 is of a resource output-stream, not pollable", call: "pollable(1).block = trap"},
		{name: "stream dropped before its pollable", module: newModule(program(do("subscribe", 1), do("[resource-drop]output-stream", 1))),
			reason: "output-stream dropped while it has live pollables: 1", call: "output-stream(1).drop = trap"},
		{name: "too many pollables of a stream", plan: host.Plan{Handles: 1000},
			module: newModule(call(call(nil, "get-stdout").Loop(), "subscribe", 1).Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live", call: "output-stream(1).subscribe = trap"},
		{name: "too many timers", plan: host.Plan{Handles: 1000},
			module: newModule(call(call(nil, "get-stdout").Loop(), "subscribe-duration", 1<<64-1).Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live",
			call:   "monotonic-clock.subscribe-duration(-1ns) = trap"},
		{name: "spinning", plan: host.Plan{Permits: []uint64{0, 1}},
			module: newModule(call(call(nil, "get-stdout").Loop(), "check-write", 1, 0).Br(0).End()),
			reason: "the guest spins: it asked 100000 times in a row without waiting on a pollable",
			call:   "output-stream(1).check-write = trap"},
		{name: "waiting forever", module: newModule(program(do("subscribe-instant", 1<<64-1), do("block", 2))),
			reason: "the guest hangs: it waits for a wake-up that never comes", call: "pollable(2).block = trap"},

		{name: "poll of an empty list", module: newModule(program(do("poll", 0, 0, 0))),
			reason: "poll of an empty list", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list that exceeds the address space", module: newModule(program(do("poll", 0, 1<<30, 0))),
			reason: "a list of 1073741824 pollables exceeds the address space", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list across the end of memory", module: newModule(program(do("poll", 1<<16-4, 2, 0))),
			reason: "8 bytes at 0xfffc are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list at the end of the address space", module: newModule(program(do("poll", 1<<32-4, 1<<30-1, 0))),
			reason: "4294967292 bytes at 0xfffffffc are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a misaligned list", module: newModule(program(do("poll", 2, 1, 0))),
			reason: "pointer 0x2 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "poll with a misaligned return area", module: newModule(program(do("poll", 0, 1, 7))),
			reason: "pointer 0x7 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of an invalid handle", module: newModule(program(do("poll", 0, 1, 8))),
			reason: "handle 0 is unknown, or was dropped", call: "poll.poll(1 pollables) = trap"},

		{name: "poll without cabi_realloc", module: pollOnce(newModule(nil)),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc without parameters", module: pollOnce(withRealloc(newModule(nil), nil, oneI32, allocAt(1024))),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc without a result", module: pollOnce(withRealloc(newModule(nil), fourI32, nil, nil)),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc with a result of the wrong type", module: pollOnce(withRealloc(newModule(nil), fourI32, []wasmtest.Type{i64}, wasmtest.Code{}.I64(1024))),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns a misaligned pointer", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, allocAt(1026))),
			reason: "pointer 0x402 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns a pointer past the end of memory", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, allocAt(1<<16))),
			reason: "4 bytes at 0x10000 are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns -1 for a string", plan: flushFails,
			module: withRealloc(newModule(program(do("flush", 1, 0), do("to-debug-string", 2, 0))), fourI32, oneI32, allocAt(1<<32-1)),
			reason: "9 bytes at 0xffffffff are not in the guest's memory", call: "error.to-debug-string = trap"},
		{name: "string without cabi_realloc", plan: flushFails, module: newModule(program(do("flush", 1, 0), do("to-debug-string", 2, 0))),
			reason: noRealloc, call: "error.to-debug-string = trap"},
		{name: "call in cabi_realloc", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, call(nil, "flush", 1, 0).I32(1024))),
			reason: "cabi_realloc calls [method]output-stream.flush: it may not call the host", call: "wasi.call = trap"},
		{name: "invalid call in the start section", module: startSection(program(do("check-write", 9, 0))),
			reason: "handle 9 is unknown, or was dropped", call: "output-stream(9).check-write = trap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, out, _, err := run(t, c.module, host.Options{}, c.plan)
			assert.Zero(t, exit)
			assert.Empty(t, out)
			var trap *host.Trap
			require.ErrorAs(t, err, &trap)
			assert.Equal(t, c.reason, trap.Reason)
			assert.Equal(t, c.call, trap.Calls[len(trap.Calls)-1].String())
			line, _, _ := strings.Cut(err.Error(), "\n")
			assert.Equal(t, "wasi host: trap: "+c.reason, line)
		})
	}
}

const noRealloc = "the guest exports no cabi_realloc of the right type, which the result needs"

// pollOnce makes _start poll a pollable of standard output. The list is at address 512,
// the return area at 0.
func pollOnce(m wasmtest.Module) wasmtest.Module {
	c := program(do("subscribe", 1)).I32(512).I32(2).Store32(0)
	m.Funcs[0].Code = call(c, "poll", 512, 1, 0)
	return m
}

// startSection returns a module that runs the code in its start section.
func startSection(c wasmtest.Code) wasmtest.Module {
	m := newModule(c)
	index := uint64(len(imports)) // the first function after the imports
	m.Start = &index
	return m
}

// dump sets the first 32 bytes of memory to 0xff and makes _start write them, at its end,
// to the standard output of preview 1.
func dump(m wasmtest.Module) wasmtest.Module {
	m.Data = bytes.Repeat([]byte{0xff}, 32)
	m.Funcs[0].Code = call(m.Funcs[0].Code.I32(1000).I32(0).Store32(0).I32(1004).I32(32).Store32(0), "fd_write", 1, 1000, 1, 1008)
	return m
}

// TestResultsInMemory checks every byte of the results that functions store in memory, and
// that they change no other byte.
func TestResultsInMemory(t *testing.T) {
	closing := host.Plan{Faults: []host.Fault{{At: host.AtWrite, Closed: true}}}
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		plan   host.Plan
		want   string // the memory, where . stands for 0xff and trailing 0xff are omitted
	}{
		{name: "check-write", module: newModule(program(do("check-write", 1, 8))), plan: host.Plan{Permits: []uint64{0x0102030405060708}},
			want: "........" + "\x00.......\x08\x07\x06\x05\x04\x03\x02\x01"},
		{name: "check-write closed", module: newModule(program(do("check-write", 1, 1024), do("write", 1, 0, 0, 16), do("check-write", 1, 0))),
			plan: closing, want: "\x01.......\x01......." + "\x01...\x01..."},
		{name: "check-write failed", plan: host.Plan{Faults: []host.Fault{{At: host.AtCheckWrite}}},
			module: newModule(program(do("check-write", 1, 0))), want: "\x01.......\x00...\x02\x00\x00\x00"},
		{name: "write", module: newModule(program(do("check-write", 1, 16), do("write", 1, 0, 3, 4))), want: "....\x00...........\x00.......\x00\x00\x10\x00\x00\x00\x00\x00"},
		{name: "write-zeroes", module: newModule(program(do("check-write", 1, 16), do("write-zeroes", 1, 3, 0))),
			want: "\x00...............\x00.......\x00\x00\x10\x00\x00\x00\x00\x00"},
		{name: "blocking-write-and-flush", module: newModule(program(do("blocking-write-and-flush", 1, 0, 3, 0))), want: "\x00"},
		{name: "blocking-write-zeroes-and-flush", module: newModule(program(do("blocking-write-zeroes-and-flush", 1, 3, 0))), want: "\x00"},
		{name: "blocking-flush", module: newModule(program(do("blocking-flush", 1, 0))), want: "\x00"},
		{name: "flush", module: newModule(program(do("flush", 1, 0))), want: "\x00"},
		{name: "flush failed", module: newModule(program(do("flush", 1, 0))), plan: flushFails, want: "\x01...\x00...\x02\x00\x00\x00"},
		{name: "flush closed", module: newModule(program(do("flush", 1, 16), do("flush", 1, 0))), plan: flushFails,
			want: "\x01...\x01..........." + "\x01...\x00...\x02\x00\x00\x00"},
		{name: "terminal", module: newModule(program(do("get-terminal-stdout", 0))), want: "\x01...\x02\x00\x00\x00"},
		{name: "terminal dropped", module: newModule(program(do("get-terminal-stdout", 0), do("[resource-drop]terminal-output", 2), do("get-terminal-stdout", 8))),
			want: "\x01...\x02\x00\x00\x00\x01...\x03\x00\x00\x00"},
		{name: "no terminal", module: newModule(program(do("get-terminal-stderr", 0))), want: "\x00"},
		{name: "poll", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, bumpAlloc)), want: "\x00\x04\x00\x00\x01\x00\x00\x00"},
		{name: "poll with a result next to its return area", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, allocAt(16))),
			want: "\x10\x00\x00\x00\x01\x00\x00\x00........\x00\x00\x00\x00"},
		{name: "poll when cabi_realloc grows the memory", module: pollOnce(withRealloc(newModule(nil), fourI32, oneI32, growAlloc)), want: "\x00\x00\x01\x00\x01\x00\x00\x00"},
		{name: "to-debug-string", plan: flushFails, module: withRealloc(newModule(program(do("flush", 1, 0), do("to-debug-string", 2, 0))), fourI32, oneI32, allocAt(13)),
			want: "\x0d\x00\x00\x00\x09\x00\x00\x00\x02\x00\x00\x00.disk full"},
		{name: "to-debug-string when cabi_realloc grows the memory", plan: flushFails,
			module: withRealloc(newModule(program(do("flush", 1, 16), do("to-debug-string", 2, 0))), fourI32, oneI32, growAlloc),
			want:   "\x00\x00\x01\x00\x09\x00\x00\x00........\x01...\x00...\x02\x00\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, stdout, err := run(t, dump(c.module), host.Options{}, c.plan)
			require.NoError(t, err)
			want := strings.ReplaceAll(c.want, ".", "\xff") + strings.Repeat("\xff", 32-len(c.want))
			assert.Equal(t, want, stdout)
		})
	}
}

// TestResultsReturned checks the results that functions return directly. The guest exits
// with the result as its code.
func TestResultsReturned(t *testing.T) {
	const wrap = 0xa7 // the opcode of i32.wrap_i64
	for _, c := range []struct {
		name string
		code wasmtest.Code
		plan host.Plan
		want int
	}{
		{"get-stdout", wasmtest.Code{}.Call(importIndex("get-stdout")), host.Plan{}, 1},
		{"get-stderr", wasmtest.Code{}.Call(importIndex("get-stdout")).Drop().Call(importIndex("get-stderr")), host.Plan{}, 2},
		{"subscribe", program().I32(1).Call(importIndex("subscribe")), host.Plan{}, 2},
		{"ready", program(do("subscribe", 1)).I32(2).Call(importIndex("ready")), host.Plan{}, 1},
		{"not ready", program(do("subscribe", 1)).I32(2).Call(importIndex("ready")), host.Plan{NeverReady: true}, 0},
		{"subscribe-duration", program().I64(1).Call(importIndex("subscribe-duration")), host.Plan{}, 2},
		{"subscribe-instant", program().I64(1).Call(importIndex("subscribe-instant")), host.Plan{}, 2},
		{"subscribe after the drop of a pollable", program(do("subscribe", 1), do("block", 2), do("[resource-drop]pollable", 2)).I32(1).Call(importIndex("subscribe")), host.Plan{}, 3},
		{"subscribe after the drop of an error", program(do("flush", 1, 0), do("[resource-drop]error", 2)).I32(1).Call(importIndex("subscribe")), flushFails, 3},
		{"now", append(program(do("subscribe-duration", 41), do("block", 2)).Call(importIndex("now")), wrap), host.Plan{}, 41},
		{"exit code with the high bit set", program().I32(1 << 31), host.Plan{}, 1 << 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, _, _, err := run(t, newModule(c.code.Call(importIndex("proc_exit"))), host.Options{}, c.plan)
			require.NoError(t, err)
			assert.Equal(t, c.want, exit)
		})
	}
}

// TestBytesOfWrites checks that writes deliver the bytes that are in memory.
func TestBytesOfWrites(t *testing.T) {
	m := newModule(program(
		do("check-write", 1, 1024), do("write", 1, 0, 5, 1024),
		do("check-write", 1, 1024), do("write-zeroes", 1, 2, 1024),
		do("blocking-write-and-flush", 1, 5, 6, 1024),
		do("blocking-write-zeroes-and-flush", 1, 1, 1024)))
	m.Data = []byte("hello world")
	exit, out, _, err := run(t, m, host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Zero(t, exit)
	assert.Equal(t, "hello\x00\x00 world\x00", out)
}

func TestWholeMemoryCanBeWritten(t *testing.T) {
	exit, out, _, err := run(t, newModule(program(do("check-write", 1, 1<<16-16), do("write", 1, 0, 1<<16, 1<<16-12))), host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Zero(t, exit)
	assert.Len(t, out, 1<<16)
}

// TestCrash checks that a fault in the guest stops it with an error of one line.
func TestCrash(t *testing.T) {
	self := uint64(len(imports))
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		want   string
	}{
		{"unreachable", newModule(wasmtest.Code{}.Unreachable()), "wasm error: unreachable"},
		{"endless recursion", newModule(wasmtest.Code{}.Call(self)), "stack overflow"},
		{"load past the end of memory", newModule(wasmtest.Code{}.I32(1 << 16).Load32(0).Drop()), "wasm error: out of bounds memory access"},
		{"store past the end of memory", newModule(wasmtest.Code{}.I32(1<<32 - 1).I32(0).Store32(1<<32 - 1)), "wasm error: out of bounds memory access"},
		{"unreachable in the start section", startSection(wasmtest.Code{}.Unreachable()), "start function[35] failed: wasm error: unreachable"},
		{"cabi_realloc is unreachable", pollOnce(withRealloc(newModule(nil), fourI32, oneI32, wasmtest.Code{}.Unreachable())), "wasm error: unreachable"},
		{"cabi_realloc calls itself", pollOnce(withRealloc(newModule(nil), fourI32, oneI32, wasmtest.Code{}.I32(0).I32(0).I32(0).I32(0).Call(self+1))), "wasm error: stack overflow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, _, _, err := run(t, c.module, host.Options{}, host.Plan{})
			assert.Zero(t, exit)
			require.ErrorIs(t, err, engine.ErrCrash)
			assert.EqualError(t, err, "the guest crashed: "+c.want)
		})
	}
}

func TestExitFromReallocIsAnExit(t *testing.T) {
	exit, _, _, err := run(t, pollOnce(withRealloc(newModule(nil), fourI32, oneI32, call(nil, "proc_exit", 7).I32(0))), host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Equal(t, 7, exit)
}

// TestPollOfSeveral checks that poll reports every pollable that is ready, by its index.
func TestPollOfSeveral(t *testing.T) {
	c := program(do("subscribe-duration", 1<<40), do("subscribe", 1), do("subscribe-duration", 0))
	for i, handle := range []uint32{2, 3, 4} {
		c = c.I32(uint32(512 + 4*i)).I32(handle).Store32(0)
	}
	m := dump(withRealloc(newModule(call(c, "poll", 512, 3, 0)), fourI32, oneI32, allocAt(8)))
	_, _, stdout, err := run(t, m, host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Equal(t, "\x08\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00", stdout[:16])
}

// importsWithVersion returns imports with version v in place of @0.2.0.
func importsWithVersion(v string) []wasmtest.Import {
	changed := append([]wasmtest.Import(nil), imports...)
	for i := range changed {
		changed[i].Module = strings.Replace(changed[i].Module, "@0.2.0", v, 1)
	}
	return changed
}

func TestVersions(t *testing.T) {
	for _, v := range []string{"@0.2.0", "@0.2.1", "@0.2.12"} {
		m := newModule(program().I32(5).Call(importIndex("proc_exit")))
		m.Imports = importsWithVersion(v)
		exit, _, _, err := run(t, m, host.Options{}, host.Plan{})
		require.NoError(t, err, v)
		assert.Equal(t, 5, exit, v)
	}
	for _, v := range []string{"@0.3.0", "@0.1.0", "@0.2", "@", "", "@0.20.0", "@1.0.2.0"} {
		m := newModule(program())
		m.Imports = importsWithVersion(v)
		_, _, _, err := run(t, m, host.Options{}, host.Plan{})
		assert.EqualError(t, err, fmt.Sprintf("unknown import: \"get-stdout\" of %q", "wasi:cli/stdout"+v))
	}
}

// TestModulesThatCannotBeRun checks that Run rejects a module that it cannot run, with an
// error of one line that is not [engine.ErrCrash].
func TestModulesThatCannotBeRun(t *testing.T) {
	importing := func(f wasmtest.Import) []byte {
		return wasmtest.Module{Imports: []wasmtest.Import{f}, Pages: 1, Funcs: []wasmtest.Func{{Export: "_start"}}}.Bytes()
	}
	valid := newModule(program()).Bytes()
	for _, c := range []struct {
		name   string
		module []byte
		want   string // prefix of the error
	}{
		{"empty", nil, "not a WebAssembly module"},
		{"text", []byte("package main\n"), "not a WebAssembly module"},
		{"half a header", valid[:5], "unknown version of WebAssembly"},
		{"only a header", valid[:8], "not a program: the module exports no function \"_start\" of the right type"},
		{"half a module", valid[:len(valid)/2], "invalid module: "},
		{"garbage after a header", append(append([]byte(nil), valid[:8]...), "\xff\xff\xff\xff\xff\xff"...), "invalid module: "},
		{"ill-typed code", newModule(wasmtest.Code{}.I64(1).Load32(0)).Bytes(), "invalid module: "},
		{"an empty component", []byte("\x00asm\x0d\x00\x01\x00"), "not a command: "},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "unknown version of WebAssembly"},
		{"unknown module", importing(wasmtest.Import{Module: "env", Name: "print"}), `unknown import: "print" of "env"`},
		{"unknown interface", importing(wasmtest.Import{Module: "wasi:http/types@0.2.0", Name: "x"}),
			`unknown import: "x" of "wasi:http/types@0.2.0"`},
		{"unknown function", importing(wasmtest.Import{Module: "wasi:io/streams@0.2.0", Name: "[method]output-stream.forward"}),
			`unknown import: "[method]output-stream.forward" of "wasi:io/streams@0.2.0"`},
		{"unknown function of preview 1", importing(wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_dance"}),
			"cannot instantiate the module: "},
		{"wrong parameters", importing(wasmtest.Import{Module: "wasi:io/poll@0.2.0", Name: "[method]pollable.block", Params: []wasmtest.Type{i64}}),
			"cannot instantiate the module: "},
		{"wrong result", importing(wasmtest.Import{Module: "wasi:cli/stdout@0.2.0", Name: "get-stdout"}), "cannot instantiate the module: "},
		{"imported memory", wasmtest.Module{ImportMemory: true, Funcs: []wasmtest.Func{{Export: "_start"}}}.Bytes(), "cannot instantiate the module: "},
		{"no _start", wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{{Export: "main"}}}.Bytes(), "not a program: "},
		{"_start with a parameter", wasmtest.Module{Funcs: []wasmtest.Func{{Export: "_start", Params: oneI32}}}.Bytes(), "not a program: "},
		{"_start with a result", wasmtest.Module{Funcs: []wasmtest.Func{{Export: "_start", Results: oneI32, Code: wasmtest.Code{}.I32(7)}}}.Bytes(), "not a program: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, err := engine.Run(t.Context(), engine.Guest{Module: c.module, Host: host.New(host.Options{}), Cache: cache})
			assert.Zero(t, exit)
			require.Error(t, err)
			assert.NotErrorIs(t, err, engine.ErrCrash)
			assert.True(t, strings.HasPrefix(err.Error(), c.want), err)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestExitInStartSection(t *testing.T) {
	exit, _, _, err := run(t, startSection(call(nil, "proc_exit", 9)), host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Equal(t, 9, exit)
}

func TestMemoryLimit(t *testing.T) {
	// grower adds pages one at a time and exits with the number that it could add.
	grower := newModule(wasmtest.Code{}.Loop().I32(1).MemoryGrow().I32(1<<32 - 1).Eq32().If().
		GlobalGet(0).Call(importIndex("proc_exit")).End().
		GlobalGet(0).I32(1).Add32().GlobalSet(0).Br(0).End())
	g := engine.Guest{Module: grower.Bytes(), Host: host.New(host.Options{}), MemoryPages: 16, Cache: cache}
	exit, err := engine.Run(t.Context(), g)
	require.NoError(t, err)
	assert.Equal(t, 15, exit)

	large := newModule(nil)
	large.Pages = 17
	g.Module = large.Bytes()
	_, err = engine.Run(t.Context(), g)
	require.ErrorContains(t, err, "invalid module: ")
	assert.ErrorContains(t, err, "over limit of 16 pages")
	assert.NotContains(t, err.Error(), "\n")
}

// TestMemoryGrowsInPlace checks that a memory that grows is not copied, so that the guest never
// takes more than its limit.
func TestMemoryGrowsInPlace(t *testing.T) {
	if bits.UintSize < 64 || runtime.GOOS == "windows" {
		t.Skip("the memory moves here")
	}
	const pages = 1024
	grower := newModule(wasmtest.Code{}.Loop().I32(1).MemoryGrow().I32(pages - 1).LessU32().BrIf(0).End())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := engine.Run(t.Context(), engine.Guest{Module: grower.Bytes(), Host: host.New(host.Options{}), MemoryPages: pages})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(pages<<16)/4)
}

// cancelOn returns a context that is canceled when the guest calls op, and a host with
// the clock of that context.
func cancelOn(t *testing.T, op host.Op) (context.Context, *host.Host) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	h := host.New(host.Options{Clock: engine.Clock(ctx), OnCall: func(c *host.Call) {
		if c.Op == op {
			cancel()
		}
	}})
	h.SetStdio(host.Stdout, host.Plan{FlushWaits: []int{1}, Delay: 24 * time.Hour}, &bytes.Buffer{})
	return ctx, h
}

// TestContextEndsGuest checks that a guest ends when its context does, whatever the guest
// is doing. If it did not, the test would hang.
func TestContextEndsGuest(t *testing.T) {
	// sleep passes poll_oneoff a subscription at address 256 that lasts a day. It consists of
	// user data, tag and, from offset 16, the clock, timeout, precision and flags.
	const day = uint64(24 * time.Hour)
	sleep := call(program(do("flush", 1, 0)).
		I32(256+16).I32(1).Store32(0).
		I32(256+24).I32(uint32(day&(1<<32-1))).Store32(0).
		I32(256+28).I32(uint32(day>>32)).Store32(0),
		"poll_oneoff", 256, 512, 1, 640)
	for name, code := range map[string]wasmtest.Code{
		"in a loop":               program(do("flush", 1, 0)).Loop().Br(0).End(),
		"in block":                program(do("flush", 1, 0), do("subscribe", 1), do("block", 2)),
		"in poll":                 call(program(do("flush", 1, 0), do("subscribe", 1)).I32(512).I32(2).Store32(0), "poll", 512, 1, 0),
		"in a timer":              program(do("flush", 1, 0), do("subscribe-duration", day), do("block", 2)),
		"in blocking-flush":       program(do("flush", 1, 0), do("blocking-flush", 1, 0)),
		"in preview 1's sleep":    sleep,
		"in a loop of host calls": call(program(do("flush", 1, 0)).Loop(), "now").Br(0).End(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, h := cancelOn(t, host.OpFlush)
			_, err := engine.Run(ctx, engine.Guest{Module: newModule(code).Bytes(), Host: h, Cache: cache})
			assert.Equal(t, context.Canceled, err)
			assert.Nil(t, h.Trapped())
		})
	}
	t.Run("in cabi_realloc", func(t *testing.T) {
		ctx, h := cancelOn(t, host.OpPoll)
		m := pollOnce(withRealloc(newModule(nil), fourI32, oneI32, wasmtest.Code{}.Loop().Br(0).End().Unreachable()))
		_, err := engine.Run(ctx, engine.Guest{Module: m.Bytes(), Host: h, Cache: cache})
		assert.Equal(t, context.Canceled, err)
	})
	t.Run("before it starts", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		_, err := engine.Run(ctx, engine.Guest{Module: newModule(wasmtest.Code{}.Loop().Br(0).End()).Bytes(), Host: host.New(host.Options{}), Cache: cache})
		assert.Equal(t, context.DeadlineExceeded, err)
	})
}

// TestTrapComesBeforeContext checks that Run returns a trap even if the context is done.
func TestTrapComesBeforeContext(t *testing.T) {
	ctx, h := cancelOn(t, host.OpFlush)
	_, err := engine.Run(ctx, engine.Guest{Module: newModule(program(do("flush", 1, 0), do("block", 1))).Bytes(), Host: h, Cache: cache})
	assert.ErrorAs(t, err, new(*host.Trap))
}

// TestSinkThatPanics checks that Run returns the panic of a sink as an error. Although the
// fault lies in this process and not in the guest, the panic does not end the process.
func TestSinkThatPanics(t *testing.T) {
	h := host.New(host.Options{})
	h.SetStdio(host.Stdout, host.Plan{}, panicWriter{})
	_, err := engine.Run(t.Context(), engine.Guest{Module: newModule(program(do("blocking-write-and-flush", 1, 0, 1, 0))).Bytes(), Host: h, Cache: cache})
	require.ErrorIs(t, err, engine.ErrCrash)
	assert.EqualError(t, err, "the guest crashed: sink (recovered by wazero)")
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic(errors.New("sink")) }

func TestMain(m *testing.M) {
	code := m.Run()
	cache.Close(context.Background())
	os.Exit(code)
}
