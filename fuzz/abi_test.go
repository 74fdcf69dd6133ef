package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// The guest of FuzzABI reads a program from standard input, makes its calls, and writes its
// whole memory to standard output.
const (
	programAt = 32 << 10 // where the program is read to
	programTo = 48 << 10
	vectorAt  = 60 << 10 // parameters of fd_read and fd_write
	opSize    = 40       // the number of a function, and four arguments of 64 bits
	pageSize  = 64 << 10
)

// abiImports are the functions that a program can call, by number, and the two that the guest
// needs itself.
var abiImports = append(append([]wasmtest.Import(nil), wasmtest.WASI...),
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_read", Params: fourI32, Results: fourI32[:1]},
	wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: fourI32, Results: fourI32[:1]})

var fourI32 = []wasmtest.Type{wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32}

// abiAllocateAt is the number of an operation that is not a function: it sets what cabi_realloc
// returns next.
var abiAllocateAt = len(wasmtest.WASI)

func abiGuest() []byte {
	fdRead := uint64(len(wasmtest.WASI))
	const p, end = 0, 1 // local variables
	c := wasmtest.Code{}.
		I32(vectorAt).I32(programAt).Store32(0).I32(vectorAt).I32(programTo - programAt).Store32(4).
		I32(0).I32(vectorAt).I32(1).I32(vectorAt + 8).Call(fdRead).Drop().
		I32(programAt).Tee(p).I32(vectorAt).Load32(8).Add32().Set(end).
		Loop().Get(p).Get(end).LessU32().If()
	for n, f := range wasmtest.WASI {
		c = c.Get(p).Load32(0).I32(uint32(n)).Eq32().If()
		for i, t := range f.Params {
			if t == wasmtest.I64 {
				c = c.Get(p).Load64(uint64(8 + 8*i))
			} else {
				c = c.Get(p).Load32(uint64(8 + 8*i))
			}
		}
		if c = c.Call(uint64(n)); f.Results != nil {
			c = c.Drop()
		}
		c = c.End()
	}
	c = c.Get(p).Load32(0).I32(uint32(abiAllocateAt)).Eq32().If().Get(p).Load32(8).GlobalSet(0).End()
	c = c.Get(p).I32(opSize).Add32().Set(p).Br(1).End().End().
		I32(vectorAt).I32(0).Store32(0).I32(vectorAt).I32(pageSize).Store32(4).
		I32(1).I32(vectorAt).I32(1).I32(vectorAt + 8).Call(fdRead + 1).Drop()
	return wasmtest.Module{
		Imports: abiImports,
		Pages:   1,
		Globals: 1,
		Funcs: []wasmtest.Func{
			{Export: "_start", Locals: []wasmtest.Type{wasmtest.I32, wasmtest.I32}, Code: c},
			{Export: "cabi_realloc", Params: fourI32, Results: fourI32[:1],
				Code: wasmtest.Code{}.GlobalGet(0).GlobalGet(0).Get(3).Add32().GlobalSet(0)},
		},
	}.Bytes()
}

// abiPlans are the plans of hosts that a program can run on.
var abiPlans = []host.Plan{
	{},
	{Permits: []uint64{0, 3, 70_000}, FlushWaits: []int{1}, Hold: true},
	{Permits: []uint64{math.MaxUint64, 0}, Background: true, Delay: time.Second},
	{Capacity: 40},
	{FlushWaits: []int{2}, LoseWakeups: true, Delay: time.Second},
	{Faults: []host.Fault{{At: host.AtFlush, Call: 2, Text: "a text to allocate", Then: host.ThenAgain}}},
	{Faults: []host.Fault{{At: host.AtWrite, Call: 1, Then: host.ThenWorks}, {At: host.AtFlushed, Closed: true}}},
	{Permits: []uint64{0, 5}, Faults: []host.Fault{{At: host.AtRead, Call: 3, Text: "a text to allocate", Then: host.ThenWorks}}},
}

// abiInput is what the guest can read.
var abiInput = strings.Repeat("some input ", 50)

// abiNumbers are arguments at the edges of memory, of a type or of a limit.
var abiNumbers = []uint64{
	128, 4095, 4096, 4097, pageSize - 16, pageSize - 12, pageSize - 8, pageSize - 4, pageSize - 1, pageSize, pageSize + 1,
	1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 16, 1<<32 - 8, 1<<32 - 4, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, math.MaxUint64,
}

// abiOp is one operation of a program.
type abiOp struct {
	function int
	args     [4]uint64
}

// abiProgram makes a program of random bytes. The first one chooses the plan. Each operation
// takes five more.
func abiProgram(data []byte) (host.Plan, []abiOp) {
	if len(data) == 0 {
		return abiPlans[0], nil
	}
	plan := abiPlans[int(data[0])%len(abiPlans)]
	var ops []abiOp
	for b := range slices.Chunk(data[1:], 5) {
		if len(b) < 5 || len(ops) == (programTo-programAt)/opSize {
			break
		}
		op := abiOp{function: int(b[0]) % (len(wasmtest.WASI) + 1)}
		for i, n := range b[1:] {
			op.args[i] = uint64(n)
			if n >= 128 {
				op.args[i] = abiNumbers[int(n)%len(abiNumbers)]
			} else if i > 0 {
				op.args[i] *= 4 // pointers and lengths rather than handles
			}
		}
		ops = append(ops, op)
	}
	return plan, ops
}

// FuzzABI runs a guest that makes random calls with random arguments. It must trap or succeed. If
// it succeeds, its memory must not have changed, except where results are stored.
func FuzzABI(f *testing.F) {
	cache := wazero.NewCompilationCache()
	f.Cleanup(func() { cache.Close(context.Background()) })
	const getStdout, checkWrite, write, zeroes, flush, blockingWrite, subscribe, block, poll, dropPollable, debugString, dropError, terminal = 0, 2, 3, 4, 5, 6, 9, 12, 13, 14, 15, 16, 17
	const getStdin, read, blockingRead, skip, blockingSkip, subscribeInput, dropInput, splice, blockingSplice = 23, 24, 25, 26, 27, 28, 29, 30, 31
	for _, program := range [][]byte{
		{0, getStdout, 0, 0, 0, 0, checkWrite, 1, 2, 0, 0, write, 1, 0, 9, 8, flush, 1, 4, 0, 0, checkWrite, 1, 2, 0, 0},
		{1, getStdout, 0, 0, 0, 0, checkWrite, 1, 2, 0, 0, subscribe, 1, 0, 0, 0, block, 2, 0, 0, 0, dropPollable, 2, 0, 0, 0, zeroes, 1, 1, 0, 0},
		{2, getStdout, 0, 0, 0, 0, checkWrite, 1, 136, 0, 0, write, 1, 137, 138, 139},
		{3, getStdout, 0, 0, 0, 0, blockingWrite, 1, 0, 12, 20, blockingWrite, 1, 0, 12, 20},
		{0, getStdout, 0, 0, 0, 0, subscribe, 1, 0, 0, 0, byte(abiAllocateAt), 40, 0, 0, 0, poll, 0, 1, 4, 0},
		{5, getStdout, 0, 0, 0, 0, flush, 1, 0, 0, 0, flush, 1, 0, 0, 0, byte(abiAllocateAt), 144, 0, 0, 0, debugString, 2, 16, 0, 0, dropError, 2, 0, 0, 0},
		{6, getStdout, 0, 0, 0, 0, checkWrite, 1, 4, 0, 0, write, 1, 0, 1, 8, terminal, 8, 0, 0, 0},
		{4, getStdout, 0, 0, 0, 0, flush, 1, 0, 0, 0, subscribe, 1, 0, 0, 0, block, 2, 0, 0, 0},
		{0, checkWrite, 149, 149, 149, 149, poll, 140, 141, 142, 143, 19, 1, 0, 0, 0},
		{0, getStdout, 0, 0, 0, 0, getStdin, 0, 0, 0, 0, splice, 1, 2, 5, 2, skip, 2, 1, 6, 0, dropInput, 2, 0, 0, 0},
		{7, getStdin, 0, 0, 0, 0, byte(abiAllocateAt), 40, 0, 0, 0, read, 1, 9, 4, 0, subscribeInput, 1, 0, 0, 0, block, 2, 0, 0, 0, read, 1, 9, 4, 0},
		{7, getStdin, 0, 0, 0, 0, skip, 1, 9, 4, 0, subscribeInput, 1, 0, 0, 0, block, 2, 0, 0, 0, dropPollable, 2, 0, 0, 0, skip, 1, 9, 4, 0, skip, 1, 9, 8, 0, dropError, 3, 0, 0, 0},
		{1, getStdout, 0, 0, 0, 0, getStdin, 0, 0, 0, 0, blockingSplice, 1, 2, 149, 2, blockingSkip, 2, 9, 6, 0, splice, 1, 2, 9, 2, flush, 1, 20, 0, 0, splice, 1, 2, 9, 2},
		{3, getStdin, 0, 0, 0, 0, byte(abiAllocateAt), 149, 0, 0, 0, blockingRead, 1, 149, 4, 0},
		{0, getStdout, 0, 0, 0, 0, checkWrite, 1, 2, 0, 0, splice, 1, 1, 149, 140, read, 1, 2, 141, 0},
	} {
		f.Add(program)
	}
	guest := abiGuest()
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, ops := abiProgram(data)
		var program []byte
		for _, op := range ops {
			program = binary.LittleEndian.AppendUint64(program, uint64(op.function))
			for _, a := range op.args {
				program = binary.LittleEndian.AppendUint64(program, a)
			}
		}
		h := host.New(host.Options{Clock: new(host.VirtualClock)})
		plan.Terminal, plan.Handles = true, 32
		h.SetStdio(host.Stdout, plan, io.Discard)
		h.SetStdio(host.Stderr, plan, io.Discard)
		h.SetStdin(plan, strings.NewReader(abiInput))
		var memory bytes.Buffer
		exit, err := engine.Run(t.Context(), engine.Guest{Module: guest, Host: h,
			Stdin: bytes.NewReader(program), Stdout: &memory, Stderr: os.Stderr, Cache: cache})
		var trap *host.Trap
		if errors.As(err, &trap) {
			require.Same(t, h.Trapped(), trap)
			require.NotEmpty(t, trap.Calls)
			return
		}
		require.NoError(t, err)
		require.Zero(t, exit)
		checkMemory(t, memory.Bytes(), program, ops)
	})
}

// checkMemory fails the test if memory has changed where no result is stored.
func checkMemory(t *testing.T, memory, program []byte, ops []abiOp) {
	require.Equal(t, pageSize, len(memory))
	want := make([]byte, pageSize)
	copy(want[programAt:], program)
	free := make([]bool, pageSize) // bytes that may have any value
	mark := func(at, size uint64) {
		for at &= math.MaxUint32; size > 0 && at < pageSize; at, size = at+1, size-1 {
			free[at] = true
		}
	}
	mark(vectorAt, 12)
	for _, op := range ops {
		if op.function == abiAllocateAt {
			return // it is not known where results were allocated
		}
		f := wasmtest.WASI[op.function]
		switch f.Name {
		case "poll", "[method]error.to-debug-string", "[method]input-stream.read", "[method]input-stream.blocking-read":
			return
		}
		if n := len(f.Params); n > 0 && f.Results == nil {
			mark(op.args[n-1], resultSizes[f.Name])
		}
	}
	for i := range memory {
		if memory[i] != want[i] && !free[i] {
			require.Failf(t, "a byte outside of results has changed", "address %#x has %#x, had %#x", i, memory[i], want[i])
		}
	}
}

// resultSizes has the size of the result of each function that stores it in memory.
var resultSizes = map[string]uint64{
	"[method]output-stream.check-write":                     16,
	"[method]output-stream.write":                           12,
	"[method]output-stream.write-zeroes":                    12,
	"[method]output-stream.flush":                           12,
	"[method]output-stream.blocking-write-and-flush":        12,
	"[method]output-stream.blocking-write-zeroes-and-flush": 12,
	"[method]output-stream.blocking-flush":                  12,
	"[method]output-stream.splice":                          16,
	"[method]output-stream.blocking-splice":                 16,
	"[method]input-stream.skip":                             16,
	"[method]input-stream.blocking-skip":                    16,
	"get-terminal-stdout":                                   8,
	"get-terminal-stderr":                                   8,
}
