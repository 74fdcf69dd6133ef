package engine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
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

// cache has what was compiled once.
var cache = wazero.NewCompilationCache()

const (
	i32 = wasmtest.I32
	i64 = wasmtest.I64
)

// imports are those of the modules here: all of WASI 0.2, and some of preview 1.
var imports = append(append([]wasmtest.Import(nil), wasmtest.WASI...),
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: []wasmtest.Type{i32, i32, i32, i32}, Results: []wasmtest.Type{i32}},
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "poll_oneoff", Params: []wasmtest.Type{i32, i32, i32, i32}, Results: []wasmtest.Type{i32}},
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []wasmtest.Type{i32}},
)

// number returns the number of an imported function.
func number(name string) uint64 {
	for i, f := range imports {
		if f.Name == name || strings.HasSuffix(f.Name, "."+name) {
			return uint64(i)
		}
	}
	panic("no import " + name)
}

// call appends a call to the code whose result, if any, is dropped.
func call(c wasmtest.Code, name string, args ...uint64) wasmtest.Code {
	n := number(name)
	for i, t := range imports[n].Params {
		c = c.Push(t, args[i])
	}
	c = c.Call(n)
	if imports[n].Results != nil {
		c = c.Drop()
	}
	return c
}

// calls is code that opens standard output, whose handle is 1, and makes some calls.
type calls struct {
	name string
	args []uint64
}

func program(list ...calls) wasmtest.Code {
	c := call(nil, "get-stdout")
	for _, l := range list {
		c = call(c, l.name, l.args...)
	}
	return c
}

func do(name string, args ...uint64) calls { return calls{name, args} }

// start returns a module of one page of memory that runs the code.
func start(c wasmtest.Code) wasmtest.Module {
	return wasmtest.Module{
		Imports: imports,
		Pages:   1,
		Globals: 1,
		Funcs:   []wasmtest.Func{{Export: "_start", Code: c}},
	}
}

// with adds a cabi_realloc with the code, and its parameters, results and locals.
func with(m wasmtest.Module, params, results []wasmtest.Type, c wasmtest.Code) wasmtest.Module {
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "cabi_realloc", Params: params, Results: results, Code: c})
	return m
}

var iiii, i = []wasmtest.Type{i32, i32, i32, i32}, []wasmtest.Type{i32}

// bump allocates one thing after another, from the address 1024.
var bump = wasmtest.Code{}.GlobalGet(0).GlobalGet(0).Get(3).Add32().GlobalSet(0).I32(1024).Add32()

// grow allocates in a page that it adds to the memory, so that that may move.
var grow = wasmtest.Code{}.I32(1).MemoryGrow().Drop().I32(1 << 16)

// returns allocates at an address.
func returns(at uint32) wasmtest.Code { return wasmtest.Code{}.I32(at) }

// run runs a module with its standard output on a stream of the plan, and returns what
// was written there and to the standard output of preview 1.
func run(t *testing.T, m wasmtest.Module, o host.Options, p host.Plan) (exit int, out, out1 string, err error) {
	t.Helper()
	if o.Clock == nil {
		o.Clock = new(host.VirtualClock)
	}
	h := host.New(o)
	var stream, stdout bytes.Buffer
	h.SetStdio(host.Stdout, p.Behavior(), &stream, true)
	exit, err = engine.Run(t.Context(), engine.Guest{Module: m.Bytes(), Host: h, Stdout: &stdout, Cache: cache})
	return exit, stream.String(), stdout.String(), err
}

var failing = host.Plan{Faults: []host.PlannedFault{{At: host.AtFlush, Fault: host.Fault{Text: "disk full"}}}}

// What a guest of bad will can try. All of it ends in a trap that says what was wrong.
func TestHostileCallsTrap(t *testing.T) {
	for _, c := range []struct {
		name    string
		module  wasmtest.Module
		plan    host.Plan
		options host.Options
		reason  string
		call    string
	}{
		{name: "return area behind the memory", module: start(program(do("check-write", 1, 1<<16))),
			reason: "16 bytes at 0x10000 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "return area over the end", module: start(program(do("check-write", 1, 1<<16-8))),
			reason: "16 bytes at 0xfff8 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "return area at the end of what can be", module: start(program(do("flush", 1, 1<<32-4))),
			reason: "12 bytes at 0xfffffffc are not in the guest's memory", call: "output-stream.flush = trap"},
		{name: "return area of check-write not aligned", module: start(program(do("check-write", 1, 4))),
			reason: "pointer 0x4 is not aligned to 8 bytes", call: "output-stream.check-write = trap"},
		{name: "return area of write not aligned", module: start(program(do("write", 1, 0, 0, 2))),
			reason: "pointer 0x2 is not aligned to 4 bytes", call: "output-stream.write(0) = trap"},
		{name: "return area of an option not aligned", module: start(program(do("get-terminal-stdout", 1))),
			reason: "pointer 0x1 is not aligned to 4 bytes", call: "terminal-stdout.get-terminal-stdout = trap"},
		{name: "bytes over the end", module: start(program(do("check-write", 1, 0), do("write", 1, 1<<16-6, 7, 0))),
			reason: "7 bytes at 0xfffa are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "no bytes behind the end", module: start(program(do("check-write", 1, 0), do("write", 1, 1<<16+1, 0, 0))),
			reason: "0 bytes at 0x10001 are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "pointer and length overflow", module: start(program(do("check-write", 1, 0), do("write", 1, 1<<32-1, 1<<32-1, 0))),
			reason: "4294967295 bytes at 0xffffffff are not in the guest's memory", call: "output-stream.write(0) = trap"},
		{name: "sum of pointer and length is small", module: start(program(do("blocking-write-and-flush", 1, 1<<32-4, 8, 0))),
			reason: "8 bytes at 0xfffffffc are not in the guest's memory", call: "output-stream.blocking-write-and-flush(0) = trap"},
		{name: "blocking write of too much", module: start(program(do("blocking-write-and-flush", 1, 0, 4097, 0))),
			reason: "blocking-write-and-flush of 4097 bytes; 4096 is the most", call: "output-stream(1).blocking-write-and-flush(4097) = trap"},
		{name: "zeroes without number", module: start(program(do("check-write", 1, 0), do("write-zeroes", 1, 1<<64-1, 0))),
			reason: "write of 18446744073709551615 bytes on a permit of 1048576",
			call:   "output-stream(1).write-zeroes(18446744073709551615) = trap"},
		{name: "write without a permit", module: start(program(do("write", 1, 0, 1, 0))),
			reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap"},
		{name: "no memory", module: wasmtest.Module{Imports: imports, Funcs: start(program(do("check-write", 1, 0))).Funcs},
			reason: "16 bytes at 0x0 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "no memory exported", module: wasmtest.Module{Imports: imports, Pages: 1, HideMemory: true, Funcs: start(program(do("check-write", 1, 0))).Funcs},
			reason: "16 bytes at 0x0 are not in the guest's memory", call: "output-stream.check-write = trap"},
		{name: "handle 0", module: start(program(do("check-write", 0, 0))),
			reason: "handle 0 is unknown, or was dropped", call: "output-stream.check-write = trap"},
		{name: "unknown handle", module: start(program(do("[resource-drop]error", 1<<32-1))),
			reason: "handle 4294967295 is unknown, or was dropped", call: "error(4294967295).drop = trap"},
		{name: "dropped handle", module: start(program(do("[resource-drop]output-stream", 1), do("subscribe", 1))),
			reason: "handle 1 is unknown, or was dropped", call: "output-stream(1).subscribe = trap"},
		{name: "handle of the wrong type", module: start(program(do("block", 1))),
			reason: "handle 1 is of a resource output-stream, not pollable", call: "pollable(1).block = trap"},
		{name: "stream dropped before its pollable", module: start(program(do("subscribe", 1), do("[resource-drop]output-stream", 1))),
			reason: "output-stream dropped while it has live pollables: 1", call: "output-stream(1).drop = trap"},
		{name: "as many handles as there are", options: host.Options{Handles: 1000},
			module: start(call(call(nil, "get-stdout").Loop(), "subscribe", 1).Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live", call: "output-stream(1).subscribe = trap"},
		{name: "timers without end", options: host.Options{Handles: 1000},
			module: start(call(call(nil, "get-stdout").Loop(), "subscribe-duration", 1<<64-1).Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live",
			call:   "monotonic-clock.subscribe-duration(-1ns) = trap"},
		{name: "spinning", plan: host.Plan{Permits: []uint64{0, 1}},
			module: start(call(call(nil, "get-stdout").Loop(), "check-write", 1, 0).Br(0).End()),
			reason: "the guest spins: it asked 100000 times in a row without waiting on a pollable",
			call:   "output-stream(1).check-write = trap"},
		{name: "waiting for ever", module: start(program(do("subscribe-instant", 1<<64-1), do("block", 2))),
			reason: "the guest hangs: it waits for a wake-up that never comes", call: "pollable(2).block = trap"},

		{name: "poll of nothing", module: start(program(do("poll", 0, 0, 0))),
			reason: "poll of an empty list", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list longer than any memory", module: start(program(do("poll", 0, 1<<30, 0))),
			reason: "a list of 1073741824 pollables is longer than any memory", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list over the end", module: start(program(do("poll", 1<<16-4, 2, 0))),
			reason: "8 bytes at 0xfffc are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list at the end of what can be", module: start(program(do("poll", 1<<32-4, 1<<30-1, 0))),
			reason: "4294967292 bytes at 0xfffffffc are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of a list not aligned", module: start(program(do("poll", 2, 1, 0))),
			reason: "pointer 0x2 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "poll with a return area not aligned", module: start(program(do("poll", 0, 1, 7))),
			reason: "pointer 0x7 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "poll of handles that are none", module: start(program(do("poll", 0, 1, 8))),
			reason: "handle 0 is unknown, or was dropped", call: "poll.poll(1 pollables) = trap"},

		{name: "poll without cabi_realloc", module: pollOnce(start(nil)),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc without parameters", module: pollOnce(with(start(nil), nil, i, returns(1024))),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc without result", module: pollOnce(with(start(nil), iiii, nil, nil)),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc with a result of another type", module: pollOnce(with(start(nil), iiii, []wasmtest.Type{i64}, wasmtest.Code{}.I64(1024))),
			reason: noRealloc, call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns what is not aligned", module: pollOnce(with(start(nil), iiii, i, returns(1026))),
			reason: "pointer 0x402 is not aligned to 4 bytes", call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns what is behind the memory", module: pollOnce(with(start(nil), iiii, i, returns(1<<16))),
			reason: "4 bytes at 0x10000 are not in the guest's memory", call: "poll.poll(0 pollables) = trap"},
		{name: "cabi_realloc returns -1 for a text", plan: failing,
			module: with(start(program(do("flush", 1, 0), do("to-debug-string", 2, 0))), iiii, i, returns(1<<32-1)),
			reason: "9 bytes at 0xffffffff are not in the guest's memory", call: "error.to-debug-string = trap"},
		{name: "text without cabi_realloc", plan: failing, module: start(program(do("flush", 1, 0), do("to-debug-string", 2, 0))),
			reason: noRealloc, call: "error.to-debug-string = trap"},
		{name: "a call from cabi_realloc", module: pollOnce(with(start(nil), iiii, i, call(nil, "flush", 77, 0).I32(1024))),
			reason: "handle 77 is unknown, or was dropped", call: "output-stream(77).flush = trap"},
		{name: "in the start section", module: startSection(program(do("check-write", 9, 0))),
			reason: "handle 9 is unknown, or was dropped", call: "output-stream(9).check-write = trap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, out, _, err := run(t, c.module, c.options, c.plan)
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

const noRealloc = "the guest exports no cabi_realloc of the right type, which its result needs"

// pollOnce has a module poll a pollable of standard output. The list is at 512 and the
// return area at 0.
func pollOnce(m wasmtest.Module) wasmtest.Module {
	c := program(do("subscribe", 1)).I32(512).I32(2).Store32(0)
	m.Funcs[0].Code = call(c, "poll", 512, 1, 0)
	return m
}

func startSection(c wasmtest.Code) wasmtest.Module {
	m := start(c)
	n := uint64(len(imports))
	m.Start = &n
	return m
}

// dump appends to the code that it writes its first 32 bytes of memory to the standard
// output of preview 1; which are all 0xff at first.
func dump(m wasmtest.Module) wasmtest.Module {
	m.Data = bytes.Repeat([]byte{0xff}, 32)
	m.Funcs[0].Code = call(m.Funcs[0].Code.I32(1000).I32(0).Store32(0).I32(1004).I32(32).Store32(0), "fd_write", 1, 1000, 1, 1008)
	return m
}

// What the functions store in memory, byte by byte, and what they leave alone.
func TestResultsInMemory(t *testing.T) {
	closing := host.Plan{Faults: []host.PlannedFault{{At: host.AtWrite, Fault: host.Fault{Closed: true}}}}
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		plan   host.Plan
		want   string // the rest is 0xff
	}{
		{name: "check-write", module: start(program(do("check-write", 1, 8))), plan: host.Plan{Permits: []uint64{0x0102030405060708}},
			want: "........" + "\x00.......\x08\x07\x06\x05\x04\x03\x02\x01"},
		{name: "check-write closed", module: start(program(do("check-write", 1, 1024), do("write", 1, 0, 0, 16), do("check-write", 1, 0))),
			plan: closing, want: "\x01.......\x01......." + "\x01...\x01..."},
		{name: "check-write failed", plan: host.Plan{Faults: []host.PlannedFault{{At: host.AtCheckWrite}}},
			module: start(program(do("check-write", 1, 0))), want: "\x01.......\x00...\x02\x00\x00\x00"},
		{name: "write", module: start(program(do("check-write", 1, 16), do("write", 1, 0, 3, 4))), want: "....\x00...........\x00.......\x00\x00\x10\x00\x00\x00\x00\x00"},
		{name: "write-zeroes", module: start(program(do("check-write", 1, 16), do("write-zeroes", 1, 3, 0))),
			want: "\x00...............\x00.......\x00\x00\x10\x00\x00\x00\x00\x00"},
		{name: "blocking-write-and-flush", module: start(program(do("blocking-write-and-flush", 1, 0, 3, 0))), want: "\x00"},
		{name: "blocking-write-zeroes-and-flush", module: start(program(do("blocking-write-zeroes-and-flush", 1, 3, 0))), want: "\x00"},
		{name: "blocking-flush", module: start(program(do("blocking-flush", 1, 0))), want: "\x00"},
		{name: "flush", module: start(program(do("flush", 1, 0))), want: "\x00"},
		{name: "flush failed", module: start(program(do("flush", 1, 0))), plan: failing, want: "\x01...\x00...\x02\x00\x00\x00"},
		{name: "flush closed", module: start(program(do("flush", 1, 16), do("flush", 1, 0))), plan: failing,
			want: "\x01...\x01..........." + "\x01...\x00...\x02\x00\x00\x00"},
		{name: "terminal", module: start(program(do("get-terminal-stdout", 0))), want: "\x01...\x02\x00\x00\x00"},
		{name: "terminal dropped", module: start(program(do("get-terminal-stdout", 0), do("[resource-drop]terminal-output", 2), do("get-terminal-stdout", 8))),
			want: "\x01...\x02\x00\x00\x00\x01...\x03\x00\x00\x00"},
		{name: "no terminal", module: start(program(do("get-terminal-stderr", 0))), want: "\x00"},
		{name: "poll", module: pollOnce(with(start(nil), iiii, i, bump)), want: "\x00\x04\x00\x00\x01\x00\x00\x00"},
		{name: "poll and its list", module: pollOnce(with(start(nil), iiii, i, returns(16))),
			want: "\x10\x00\x00\x00\x01\x00\x00\x00........\x00\x00\x00\x00"},
		{name: "poll when the memory grows", module: pollOnce(with(start(nil), iiii, i, grow)), want: "\x00\x00\x01\x00\x01\x00\x00\x00"},
		{name: "to-debug-string", plan: failing, module: with(start(program(do("flush", 1, 0), do("to-debug-string", 2, 0))), iiii, i, returns(13)),
			want: "\x0d\x00\x00\x00\x09\x00\x00\x00\x02\x00\x00\x00.disk full"},
		{name: "to-debug-string when the memory grows", plan: failing,
			module: with(start(program(do("flush", 1, 16), do("to-debug-string", 2, 0))), iiii, i, grow),
			want:   "\x00\x00\x01\x00\x09\x00\x00\x00........\x01...\x00...\x02\x00\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, out1, err := run(t, dump(c.module), host.Options{}, c.plan)
			require.NoError(t, err)
			want := strings.ReplaceAll(c.want, ".", "\xff") + strings.Repeat("\xff", 32-len(c.want))
			assert.Equal(t, want, out1)
		})
	}
}

// What the functions return, as the exit code of the guest.
func TestResultsReturned(t *testing.T) {
	for _, c := range []struct {
		name string
		code wasmtest.Code
		plan host.Plan
		want int
	}{
		{"get-stdout", wasmtest.Code{}.Call(number("get-stdout")), host.Plan{}, 1},
		{"get-stderr", wasmtest.Code{}.Call(number("get-stdout")).Drop().Call(number("get-stderr")), host.Plan{}, 2},
		{"subscribe", program().I32(1).Call(number("subscribe")), host.Plan{}, 2},
		{"ready", program(do("subscribe", 1)).I32(2).Call(number("ready")), host.Plan{}, 1},
		{"not ready", program(do("subscribe", 1)).I32(2).Call(number("ready")), host.Plan{Traits: host.Traits{NeverReady: true}}, 0},
		{"subscribe-duration", program().I64(1).Call(number("subscribe-duration")), host.Plan{}, 2},
		{"subscribe-instant", program().I64(1).Call(number("subscribe-instant")), host.Plan{}, 2},
		{"a pollable dropped", program(do("subscribe", 1), do("block", 2), do("[resource-drop]pollable", 2)).I32(1).Call(number("subscribe")), host.Plan{}, 3},
		{"an error dropped", program(do("flush", 1, 0), do("[resource-drop]error", 2)).I32(1).Call(number("subscribe")), failing, 3},
		{"now", append(program(do("subscribe-duration", 41), do("block", 2)).Call(number("now")), 0xa7), host.Plan{}, 41}, // i32.wrap_i64
		{"the high half of a handle's register", program().I32(1 << 31), host.Plan{}, 1 << 31},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, _, _, err := run(t, start(c.code.Call(number("proc_exit"))), host.Options{}, c.plan)
			require.NoError(t, err)
			assert.Equal(t, c.want, exit)
		})
	}
}

// The bytes of a write are those of the memory.
func TestBytesOfWrites(t *testing.T) {
	m := start(program(
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
	exit, out, _, err := run(t, start(program(do("check-write", 1, 1<<16-16), do("write", 1, 0, 1<<16, 1<<16-12))), host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Zero(t, exit)
	assert.Len(t, out, 1<<16)
}

// What is wrong in the guest itself stops it, in one line.
func TestCrash(t *testing.T) {
	self := uint64(len(imports))
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		want   string
	}{
		{"unreachable", start(wasmtest.Code{}.Unreachable()), "wasm error: unreachable"},
		{"endless recursion", start(wasmtest.Code{}.Call(self)), "stack overflow"},
		{"load behind the memory", start(wasmtest.Code{}.I32(1 << 16).Load32(0).Drop()), "wasm error: out of bounds memory access"},
		{"store behind the memory", start(wasmtest.Code{}.I32(1<<32 - 1).I32(0).Store32(1<<32 - 1)), "wasm error: out of bounds memory access"},
		{"cabi_realloc is unreachable", pollOnce(with(start(nil), iiii, i, wasmtest.Code{}.Unreachable())), "wasm error: unreachable"},
		{"cabi_realloc calls itself", pollOnce(with(start(nil), iiii, i, wasmtest.Code{}.I32(0).I32(0).I32(0).I32(0).Call(self+1))), "wasm error: stack overflow"},
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
	exit, _, _, err := run(t, pollOnce(with(start(nil), iiii, i, call(nil, "proc_exit", 7).I32(0))), host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Equal(t, 7, exit)
}

// A pollable that is polled with others, and all that are ready are told.
func TestPollOfSeveral(t *testing.T) {
	c := program(do("subscribe-duration", 1<<40), do("subscribe", 1), do("subscribe-duration", 0))
	for i, handle := range []uint32{2, 3, 4} {
		c = c.I32(uint32(512 + 4*i)).I32(handle).Store32(0)
	}
	m := dump(with(start(call(c, "poll", 512, 3, 0)), iiii, i, returns(8)))
	_, _, out1, err := run(t, m, host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Equal(t, "\x08\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00", out1[:16])
}

// version returns the imports of another version.
func version(v string) []wasmtest.Import {
	other := append([]wasmtest.Import(nil), imports...)
	for i := range other {
		other[i].Module = strings.Replace(other[i].Module, "@0.2.0", v, 1)
	}
	return other
}

func TestVersions(t *testing.T) {
	for _, v := range []string{"@0.2.0", "@0.2.1", "@0.2.12"} {
		m := start(program().I32(5).Call(number("proc_exit")))
		m.Imports = version(v)
		exit, _, _, err := run(t, m, host.Options{}, host.Plan{})
		require.NoError(t, err, v)
		assert.Equal(t, 5, exit, v)
	}
	for _, v := range []string{"@0.3.0", "@0.1.0", "@0.2", "@", "", "@0.20.0", "@1.0.2.0"} {
		m := start(program())
		m.Imports = version(v)
		_, _, _, err := run(t, m, host.Options{}, host.Plan{})
		assert.EqualError(t, err, "the guest imports something unknown: get-stdout of wasi:cli/stdout"+v)
	}
}

// Modules that cannot be run are refused in one line, and do not count as crashes.
func TestModulesThatCannotBeRun(t *testing.T) {
	importing := func(f wasmtest.Import) []byte {
		return wasmtest.Module{Imports: []wasmtest.Import{f}, Pages: 1, Funcs: []wasmtest.Func{{Export: "_start"}}}.Bytes()
	}
	valid := start(program()).Bytes()
	for _, c := range []struct {
		name   string
		module []byte
		want   string // the beginning
	}{
		{"nothing", nil, "not a WebAssembly module"},
		{"text", []byte("package main\n"), "not a WebAssembly module"},
		{"half a header", valid[:5], "a WebAssembly binary of an unknown version"},
		{"only a header", valid[:8], "a library, not a program: it exports no function _start without parameters"},
		{"half a module", valid[:len(valid)/2], "not a valid module: "},
		{"garbage after a header", append(append([]byte(nil), valid[:8]...), "\xff\xff\xff\xff\xff\xff"...), "not a valid module: "},
		{"ill-typed code", start(wasmtest.Code{}.I64(1).Load32(0)).Bytes(), "not a valid module: "},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "a component, not a core module (build the guest with "},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "a WebAssembly binary of an unknown version"},
		{"unknown module", importing(wasmtest.Import{Module: "env", Name: "print"}), "the guest imports something unknown: print of env"},
		{"unknown interface", importing(wasmtest.Import{Module: "wasi:http/types@0.2.0", Name: "x"}),
			"the guest imports something unknown: x of wasi:http/types@0.2.0"},
		{"unknown function", importing(wasmtest.Import{Module: "wasi:io/streams@0.2.0", Name: "[method]output-stream.splice"}),
			"the guest imports something unknown: [method]output-stream.splice of wasi:io/streams@0.2.0"},
		{"unknown function of preview 1", importing(wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_dance"}),
			"cannot be instantiated: "},
		{"wrong parameters", importing(wasmtest.Import{Module: "wasi:io/poll@0.2.0", Name: "[method]pollable.block", Params: []wasmtest.Type{i64}}),
			"cannot be instantiated: "},
		{"wrong result", importing(wasmtest.Import{Module: "wasi:cli/stdout@0.2.0", Name: "get-stdout"}), "cannot be instantiated: "},
		{"memory from elsewhere", wasmtest.Module{ImportMemory: true, Funcs: []wasmtest.Func{{Export: "_start"}}}.Bytes(), "cannot be instantiated: "},
		{"start section that is unreachable", startSection(wasmtest.Code{}.Unreachable()).Bytes(), "cannot be instantiated: "},
		{"no _start", wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{{Export: "main"}}}.Bytes(), "a library, not a program: "},
		{"_start with a parameter", wasmtest.Module{Funcs: []wasmtest.Func{{Export: "_start", Params: i}}}.Bytes(), "a library, not a program: "},
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
	// The exit code is the number of pages that it has grown by, one at a time.
	grower := start(wasmtest.Code{}.Loop().I32(1).MemoryGrow().I32(1<<32 - 1).Eq32().If().
		GlobalGet(0).Call(number("proc_exit")).End().
		GlobalGet(0).I32(1).Add32().GlobalSet(0).Br(0).End())
	g := engine.Guest{Module: grower.Bytes(), Host: host.New(host.Options{}), MemoryPages: 16, Cache: cache}
	exit, err := engine.Run(t.Context(), g)
	require.NoError(t, err)
	assert.Equal(t, 15, exit)

	large := start(nil)
	large.Pages = 17
	g.Module = large.Bytes()
	_, err = engine.Run(t.Context(), g)
	require.ErrorContains(t, err, "not a valid module: ")
	assert.ErrorContains(t, err, "over limit of 16 pages")
	assert.NotContains(t, err.Error(), "\n")
}

// stopping returns a host with the clock of a context, and a context that is done when
// the guest flushes.
func stopping(t *testing.T) (context.Context, *host.Host) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	h := host.New(host.Options{Clock: engine.Clock(ctx), OnCall: func(c *host.Call) {
		if c.Op == host.OpFlush {
			cancel()
		}
	}})
	h.SetStdio(host.Stdout, host.Plan{FlushWaits: []int{1}, Traits: host.Traits{Delay: 24 * time.Hour}}.Behavior(), &bytes.Buffer{}, false)
	return ctx, h
}

// However a guest spends its time, it ends when the context does. Were it not so, the
// test would not end.
func TestContextEndsGuest(t *testing.T) {
	// A subscription of poll_oneoff for a day, at 256: user data, tag, and from 16 on
	// clock, time, precision and flags.
	const day = uint64(24 * time.Hour)
	sleep := call(program(do("flush", 1, 0)).
		I32(256+16).I32(1).Store32(0).
		I32(256+24).I32(uint32(day&(1<<32-1))).Store32(0).
		I32(256+28).I32(uint32(day>>32)).Store32(0),
		"poll_oneoff", 256, 512, 1, 640)
	for name, code := range map[string]wasmtest.Code{
		"in a loop":              program(do("flush", 1, 0)).Loop().Br(0).End(),
		"in block":               program(do("flush", 1, 0), do("subscribe", 1), do("block", 2)),
		"in poll":                call(program(do("flush", 1, 0), do("subscribe", 1)).I32(512).I32(2).Store32(0), "poll", 512, 1, 0),
		"in a timer":             program(do("flush", 1, 0), do("subscribe-duration", day), do("block", 2)),
		"in blocking-flush":      program(do("flush", 1, 0), do("blocking-flush", 1, 0)),
		"in preview 1's sleep":   sleep,
		"in a loop of host call": call(program(do("flush", 1, 0)).Loop(), "now").Br(0).End(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, h := stopping(t)
			_, err := engine.Run(ctx, engine.Guest{Module: start(code).Bytes(), Host: h, Cache: cache})
			assert.Equal(t, context.Canceled, err)
			assert.Nil(t, h.Trapped())
		})
	}
	t.Run("in cabi_realloc", func(t *testing.T) {
		ctx, h := stopping(t)
		m := pollOnce(with(start(nil), iiii, i, call(nil, "flush", 1, 0).Loop().Br(0).End().Unreachable()))
		_, err := engine.Run(ctx, engine.Guest{Module: m.Bytes(), Host: h, Cache: cache})
		assert.Equal(t, context.Canceled, err)
	})
	t.Run("before it begins", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		_, err := engine.Run(ctx, engine.Guest{Module: start(wasmtest.Code{}.Loop().Br(0).End()).Bytes(), Host: host.New(host.Options{}), Cache: cache})
		assert.Equal(t, context.DeadlineExceeded, err)
	})
}

// A trap is told as such, though the context is done by then.
func TestTrapComesBeforeContext(t *testing.T) {
	ctx, h := stopping(t)
	_, err := engine.Run(ctx, engine.Guest{Module: start(program(do("flush", 1, 0), do("block", 1))).Bytes(), Host: h, Cache: cache})
	assert.ErrorAs(t, err, new(*host.Trap))
}

// A sink that panics is a fault of this process, and not of the guest. It does not get
// lost, though it does not end the process either.
func TestSinkThatPanics(t *testing.T) {
	h := host.New(host.Options{})
	h.SetStdio(host.Stdout, host.Behavior{}, panicking{}, false)
	_, err := engine.Run(t.Context(), engine.Guest{Module: start(program(do("blocking-write-and-flush", 1, 0, 1, 0))).Bytes(), Host: h, Cache: cache})
	require.ErrorIs(t, err, engine.ErrCrash)
	assert.EqualError(t, err, "the guest crashed: sink (recovered by wazero)")
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic(errors.New("sink")) }

func TestMain(m *testing.M) {
	code := m.Run()
	cache.Close(context.Background())
	os.Exit(code)
}
