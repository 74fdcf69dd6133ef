package engine_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// The input-stream functions have names that output-stream has, too.
const (
	subscribeInput = "[method]input-stream.subscribe"
	dropInput      = "[resource-drop]input-stream"
)

// reader returns code that opens standard output and standard input, whose handles are 1 and
// 2, and makes the calls.
func reader(calls ...hostCall) wasmtest.Code {
	return program(append([]hostCall{do("get-stdin")}, calls...)...)
}

// allocating adds a cabi_realloc that always allocates at the same address.
func allocating(c wasmtest.Code, at uint32) wasmtest.Module {
	return withRealloc(newModule(c), fourI32, oneI32, allocAt(at))
}

var (
	readFails  = host.Plan{Faults: []host.Fault{{At: host.AtRead, Text: "disk full"}}}
	readCloses = host.Plan{Faults: []host.Fault{{At: host.AtRead, Closed: true}}}
)

// TestInputResultsInMemory is like TestResultsInMemory.
func TestInputResultsInMemory(t *testing.T) {
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		plan   host.Plan // of the input
		output host.Plan
		want   string // the memory, where . stands for 0xff and trailing 0xff are omitted
	}{
		{name: "read", module: allocating(reader(do("read", 2, 100, 4)), 20),
			want: "....\x00...\x14\x00\x00\x00\x07\x00\x00\x00....content"},
		{name: "read of fewer", module: allocating(reader(do("read", 2, 3, 0)), 13),
			want: "\x00...\x0d\x00\x00\x00\x03\x00\x00\x00.con"},
		{name: "read of what there is", module: allocating(reader(do("read", 2, 100, 0)), 13),
			plan: host.Plan{Permits: []uint64{2}},
			want: "\x00...\x0d\x00\x00\x00\x02\x00\x00\x00.co"},
		{name: "read when there is nothing", module: allocating(reader(do("read", 2, 100, 0)), 13),
			plan: host.Plan{Permits: []uint64{0, 2}},
			want: "\x00...\x0d\x00\x00\x00\x00\x00\x00\x00"},
		{name: "read of nothing", module: allocating(reader(do("read", 2, 0, 0)), 13),
			want: "\x00...\x0d\x00\x00\x00\x00\x00\x00\x00"},
		{name: "read of the largest length", module: allocating(reader(do("read", 2, 1<<64-1, 0)), 13),
			want: "\x00...\x0d\x00\x00\x00\x07\x00\x00\x00.content"},
		{name: "read failed", module: allocating(reader(do("read", 2, 100, 4)), 20), plan: readFails,
			want: "....\x01...\x00...\x03\x00\x00\x00"},
		{name: "read closed", module: allocating(reader(do("read", 2, 100, 0)), 20), plan: readCloses,
			want: "\x01...\x01"},
		{name: "read at the end", module: allocating(reader(do("skip", 2, 100, 1024), do("read", 2, 100, 0)), 20),
			want: "\x01...\x01"},
		{name: "read that fails needs no cabi_realloc", module: newModule(reader(do("read", 2, 100, 0))), plan: readCloses,
			want: "\x01...\x01"},
		{name: "read when cabi_realloc grows the memory",
			module: withRealloc(newModule(reader(do("read", 2, 100, 8))), fourI32, oneI32, growAlloc),
			want:   "........\x00...\x00\x00\x01\x00\x07\x00\x00\x00"},
		{name: "two reads",
			module: withRealloc(newModule(reader(do("read", 2, 3, 0), do("read", 2, 9, 16))), fourI32, oneI32, bumpAlloc),
			want:   "\x00...\x00\x04\x00\x00\x03\x00\x00\x00....\x00...\x03\x04\x00\x00\x04\x00\x00\x00"},
		{name: "blocking-read", module: allocating(reader(do("blocking-read", 2, 100, 0)), 13),
			plan: host.Plan{Permits: []uint64{0, 2}},
			want: "\x00...\x0d\x00\x00\x00\x02\x00\x00\x00.co"},
		{name: "blocking-read failed", module: allocating(reader(do("blocking-read", 2, 100, 0)), 13), plan: readFails,
			want: "\x01...\x00...\x03\x00\x00\x00"},

		{name: "skip", module: newModule(reader(do("skip", 2, 5, 8))),
			want: "........\x00.......\x05\x00\x00\x00\x00\x00\x00\x00"},
		{name: "skip of the largest length", module: newModule(reader(do("skip", 2, 1<<64-1, 0))),
			want: "\x00.......\x07\x00\x00\x00\x00\x00\x00\x00"},
		{name: "skip failed", module: newModule(reader(do("skip", 2, 5, 0))),
			plan: readFails, want: "\x01.......\x00...\x03\x00\x00\x00"},
		{name: "skip closed", module: newModule(reader(do("skip", 2, 5, 8))),
			plan: readCloses, want: "........\x01.......\x01"},
		{name: "blocking-skip", module: newModule(reader(do("blocking-skip", 2, 5, 0))),
			plan: host.Plan{Permits: []uint64{0, 2}},
			want: "\x00.......\x02\x00\x00\x00\x00\x00\x00\x00"},

		{name: "splice", module: newModule(reader(do("splice", 1, 2, 5, 8))),
			want: "........\x00.......\x05\x00\x00\x00\x00\x00\x00\x00"},
		{name: "splice of the largest length", module: newModule(reader(do("splice", 1, 2, 1<<64-1, 0))),
			want: "\x00.......\x07\x00\x00\x00\x00\x00\x00\x00"},
		{name: "splice without a permit", module: newModule(reader(do("splice", 1, 2, 5, 0))),
			output: host.Plan{Permits: []uint64{0, 1}},
			want:   "\x00.......\x00\x00\x00\x00\x00\x00\x00\x00"},
		{name: "splice failed", module: newModule(reader(do("splice", 1, 2, 5, 0))),
			plan: readFails, want: "\x01.......\x00...\x03\x00\x00\x00"},
		{name: "splice closed", module: newModule(reader(do("splice", 1, 2, 5, 0))),
			plan: readCloses, want: "\x01.......\x01"},
		{name: "splice to a stream that closes", module: newModule(reader(do("splice", 1, 2, 5, 0))), output: host.Plan{
			Faults: []host.Fault{{At: host.AtWrite, Closed: true}}}, want: "\x01.......\x01"},
		{name: "blocking-splice", module: newModule(reader(do("blocking-splice", 1, 2, 5, 0))),
			plan: host.Plan{Permits: []uint64{0, 3}}, output: host.Plan{Permits: []uint64{0, 2}},
			want: "\x00.......\x02\x00\x00\x00\x00\x00\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, stdout, err := runWithInput(t, dump(c.module), host.Options{}, c.output, c.plan)
			require.NoError(t, err)
			want := strings.ReplaceAll(c.want, ".", "\xff") + strings.Repeat("\xff", 32-len(c.want))
			assert.Equal(t, want, stdout)
		})
	}
}

// TestHostileInputCallsTrap is like TestHostileCallsTrap.
func TestHostileInputCallsTrap(t *testing.T) {
	for _, c := range []struct {
		name   string
		module wasmtest.Module
		plan   host.Plan // of the input
		output host.Plan
		reason string
		call   string
	}{
		{name: "misaligned return area of read", module: allocating(reader(do("read", 2, 1, 2)), 1024),
			reason: "pointer 0x2 is not aligned to 4 bytes", call: "input-stream.read(0) = trap"},
		{name: "misaligned return area of blocking-read", module: allocating(reader(do("blocking-read", 2, 1, 3)), 1024),
			reason: "pointer 0x3 is not aligned to 4 bytes", call: "input-stream.blocking-read(0) = trap"},
		{name: "misaligned return area of skip", module: newModule(reader(do("skip", 2, 1, 4))),
			reason: "pointer 0x4 is not aligned to 8 bytes", call: "input-stream.skip(0) = trap"},
		{name: "misaligned return area of blocking-skip", module: newModule(reader(do("blocking-skip", 2, 1, 12))),
			reason: "pointer 0xc is not aligned to 8 bytes", call: "input-stream.blocking-skip(0) = trap"},
		{name: "misaligned return area of splice", module: newModule(reader(do("splice", 1, 2, 1, 4))),
			reason: "pointer 0x4 is not aligned to 8 bytes", call: "output-stream.splice(input-stream(0), 0) = trap"},
		{name: "misaligned return area of blocking-splice", module: newModule(reader(do("blocking-splice", 1, 2, 1, 1))),
			reason: "pointer 0x1 is not aligned to 8 bytes", call: "output-stream.blocking-splice(input-stream(0), 0) = trap"},
		{name: "return area of read across the end of memory", module: allocating(reader(do("read", 2, 1, 1<<16-8)), 1024),
			reason: "12 bytes at 0xfff8 are not in the guest's memory", call: "input-stream.read(0) = trap"},
		{name: "return area of read at the end of the address space",
			module: allocating(reader(do("read", 2, 1, 1<<32-4)), 1024),
			reason: "12 bytes at 0xfffffffc are not in the guest's memory", call: "input-stream.read(0) = trap"},
		{name: "return area of skip across the end of memory", module: newModule(reader(do("skip", 2, 1, 1<<16-8))),
			reason: "16 bytes at 0xfff8 are not in the guest's memory", call: "input-stream.skip(0) = trap"},
		{name: "return area of splice past the end of memory", module: newModule(reader(do("splice", 1, 2, 1, 1<<16))),
			reason: "16 bytes at 0x10000 are not in the guest's memory",
			call:   "output-stream.splice(input-stream(0), 0) = trap"},
		{name: "no memory",
			module: wasmtest.Module{Imports: imports, Funcs: newModule(reader(do("splice", 1, 2, 1, 0))).Funcs},
			reason: "16 bytes at 0x0 are not in the guest's memory", call: "output-stream.splice(input-stream(0), 0) = trap"},

		{name: "read without cabi_realloc", module: newModule(reader(do("read", 2, 1, 0))),
			reason: noRealloc, call: "input-stream.read(0) = trap"},
		{name: "read of nothing without cabi_realloc", module: newModule(reader(do("read", 2, 0, 0))),
			reason: noRealloc, call: "input-stream.read(0) = trap"},
		{name: "blocking-read with a cabi_realloc of another type",
			module: withRealloc(newModule(reader(do("blocking-read", 2, 1, 0))), oneI32, oneI32, allocAt(1024)),
			reason: noRealloc, call: "input-stream.blocking-read(0) = trap"},
		{name: "read to memory past the end", module: allocating(reader(do("read", 2, 100, 0)), 1<<16),
			reason: "7 bytes at 0x10000 are not in the guest's memory", call: "input-stream.read(0) = trap"},
		{name: "read to memory across the end", module: allocating(reader(do("read", 2, 100, 0)), 1<<16-6),
			reason: "7 bytes at 0xfffa are not in the guest's memory", call: "input-stream.read(0) = trap"},
		{name: "read to memory at -1", module: allocating(reader(do("read", 2, 100, 0)), 1<<32-1),
			reason: "7 bytes at 0xffffffff are not in the guest's memory", call: "input-stream.read(0) = trap"},
		{name: "read in cabi_realloc",
			module: withRealloc(newModule(reader(do("read", 2, 1, 0))), fourI32, oneI32, call(nil, "read", 2, 1, 0).I32(1024)),
			reason: "cabi_realloc calls [method]input-stream.read: it may not call the host", call: "wasi.call = trap"},

		{name: "output-stream as input-stream", module: newModule(reader(do("skip", 1, 1, 0))),
			reason: "handle 1 is of a resource output-stream, not input-stream", call: "input-stream(1).skip(1) = trap"},
		{name: "input-stream as output-stream", module: newModule(reader(do("check-write", 2, 0))),
			reason: "handle 2 is of a resource input-stream, not output-stream", call: "output-stream(2).check-write = trap"},
		{name: "splice with its streams exchanged", module: newModule(reader(do("splice", 2, 1, 1, 0))),
			reason: "handle 2 is of a resource input-stream, not output-stream",
			call:   "output-stream(2).splice(input-stream(1), 1) = trap"},
		{name: "splice of a stream to itself", module: newModule(reader(do("splice", 1, 1, 1, 0))),
			reason: "handle 1 is of a resource output-stream, not input-stream",
			call:   "output-stream(1).splice(input-stream(1), 1) = trap"},
		{name: "splice from handle 0", module: newModule(reader(do("splice", 1, 0, 1, 0))),
			reason: "handle 0 is unknown, or was dropped", call: "output-stream(1).splice(input-stream(0), 1) = trap"},
		{name: "read after the drop", module: newModule(reader(do(dropInput, 2), do("read", 2, 1, 0))),
			reason: "handle 2 is unknown, or was dropped", call: "input-stream(2).read(1) = trap"},
		{name: "stream dropped before its pollable", module: newModule(reader(do(subscribeInput, 2), do(dropInput, 2))),
			reason: "input-stream dropped while it has live pollables: 1", call: "input-stream(2).drop = trap"},
		{name: "too many pollables of a stream", output: host.Plan{Handles: 1000},
			module: newModule(call(reader().Loop(), subscribeInput, 2).Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live", call: "input-stream(2).subscribe = trap"},
		{name: "too many streams", output: host.Plan{Handles: 1000},
			module: newModule(call(reader().Loop(), "get-stdin").Br(0).End()),
			reason: "the handle table is full: all 1000 handles are live", call: "stdin.get-stdin = trap"},
		{name: "spinning", plan: host.Plan{Permits: []uint64{0, 1}},
			module: newModule(call(reader().Loop(), "splice", 1, 2, 1, 0).Br(0).End()),
			reason: "the guest spins: it asked 100000 times in a row without waiting on a pollable",
			call:   "output-stream(1).splice(input-stream(2), 1) = trap"},
		{name: "write on the permit from before a splice",
			module: newModule(reader(do("check-write", 1, 0), do("splice", 1, 2, 0, 0), do("write", 1, 0, 1, 0))),
			reason: "write of 1 bytes without a permit: check-write must come right before it",
			call:   "output-stream(1).write(1) = trap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, out, _, err := runWithInput(t, c.module, host.Options{}, c.output, c.plan)
			assert.Zero(t, exit)
			assert.Empty(t, out)
			var trap *host.Trap
			require.ErrorAs(t, err, &trap)
			assert.Equal(t, c.reason, trap.Reason)
			assert.Equal(t, c.call, trap.Calls[len(trap.Calls)-1].String())
		})
	}
}

// TestInputResultsReturned is like TestResultsReturned.
func TestInputResultsReturned(t *testing.T) {
	for _, c := range []struct {
		name string
		code wasmtest.Code
		plan host.Plan
		want int
	}{
		{"get-stdin", wasmtest.Code{}.Call(importIndex("get-stdin")), host.Plan{}, 1},
		{"get-stdin again", reader().Call(importIndex("get-stdin")), host.Plan{}, 3},
		{"subscribe", reader().I32(2).Call(importIndex(subscribeInput)), host.Plan{}, 3},
		{"ready", reader(do(subscribeInput, 2)).I32(3).Call(importIndex("ready")), host.Plan{}, 1},
		{"not ready", reader(do("skip", 2, 1, 0), do(subscribeInput, 2)).I32(3).Call(importIndex("ready")),
			host.Plan{Permits: []uint64{0, 1}, Delay: time.Second}, 0},
		{"ready after block",
			reader(do("skip", 2, 1, 0), do(subscribeInput, 2), do("block", 3)).I32(3).Call(importIndex("ready")),
			host.Plan{Permits: []uint64{0, 1}, Delay: time.Second}, 1},
		{"get-stdin after the drop", reader(do(subscribeInput, 2), do("[resource-drop]pollable", 3), do(dropInput, 2)).
			Call(importIndex("get-stdin")), host.Plan{}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModule(c.code.Call(importIndex("proc_exit")))
			exit, _, _, err := runWithInput(t, m, host.Options{}, host.Plan{}, c.plan)
			require.NoError(t, err)
			assert.Equal(t, c.want, exit)
		})
	}
}

// TestBytesOfSplices checks that splices deliver the bytes of standard input, among those of
// writes.
func TestBytesOfSplices(t *testing.T) {
	m := newModule(reader(
		do("splice", 1, 2, 3, 1024),
		do("blocking-write-and-flush", 1, 0, 5, 1024),
		do("skip", 2, 1, 1024),
		do("blocking-splice", 1, 2, 100, 1024),
		do("splice", 1, 2, 100, 1024), // the end
		do(dropInput, 2),
		do("[resource-drop]output-stream", 1)))
	m.Data = []byte("-and-")
	exit, out, _, err := run(t, m, host.Options{}, host.Plan{})
	require.NoError(t, err)
	assert.Zero(t, exit)
	assert.Equal(t, "con-and-ent", out)
}

// TestContextEndsReader checks that a guest which waits for a silent standard input ends when
// its context does.
func TestContextEndsReader(t *testing.T) {
	for name, code := range map[string]wasmtest.Code{
		"in block":           reader(do(subscribeInput, 2), do("flush", 1, 0), do("block", 3)),
		"in blocking-read":   reader(do("flush", 1, 0), do("blocking-read", 2, 1, 0)),
		"in blocking-splice": reader(do("flush", 1, 0), do("blocking-splice", 1, 2, 1, 0)),
		"in poll": call(reader(do(subscribeInput, 2), do("flush", 1, 0)).I32(512).I32(3).Store32(0),
			"poll", 512, 1, 0),
		"in a loop of reads": call(reader(do("flush", 1, 0)).Loop(), "skip", 2, 1, 0).Br(0).End(),
	} {
		t.Run(name, func(t *testing.T) {
			in, typed := io.Pipe()
			defer typed.Close()
			ctx, h := cancelOn(t, host.OpFlush)
			h.SetStdio(host.Stdout, host.Plan{}, io.Discard)
			h.SetStdin(host.Plan{}, host.NewFeed(in))
			_, err := engine.Run(ctx, engine.Guest{Module: newModule(code).Bytes(), Host: h, Cache: cache})
			assert.Equal(t, context.Canceled, err)
			assert.Nil(t, h.Trapped())
		})
	}
}

// TestClockWakes checks that a sleep on the clock of a context ends when its time has come or
// when it is woken.
func TestClockWakes(t *testing.T) {
	clock := engine.Clock(t.Context())
	woken := make(chan struct{})
	close(woken)
	clock.Sleep(1<<63-1, woken, nil)
	before := clock.Now()
	clock.Sleep(time.Nanosecond, make(chan struct{}), nil)
	assert.Greater(t, clock.Now(), before)
}
