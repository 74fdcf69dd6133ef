//go:build !module.std

package wasio_test

import (
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// callsUntilOthersRun returns how many calls a goroutine makes in a loop until another one runs:
// the median of some rounds, since once in 61 times the scheduler resumes the goroutine that has
// just yielded, and it may preempt one.
func callsUntilOthersRun(call func()) int {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	counts := make([]int, 21)
	for i := range counts {
		var ran atomic.Bool
		go ran.Store(true)
		for !ran.Load() && counts[i] < 50_000 {
			call()
			counts[i]++
		}
	}
	slices.Sort(counts)
	return counts[len(counts)/2]
}

// promptStream returns a Writer on a host that never makes it wait, and a source on that host that
// always has a byte.
func promptStream(t *testing.T, plan host.Plan) (w *wasio.Writer, in uint32, h *host.Host) {
	t.Helper()
	h = host.New(host.Options{Keep: 1})
	base := expose(t, h)
	w = wasio.NewWriter(base | h.NewStream(plan, io.Discard))
	t.Cleanup(func() { w.Close() })
	return w, base | h.NewInput(host.Plan{Permits: []uint64{1}}, endless{}), h
}

// A goroutine that calls any method in a loop, which the host never makes wait, lets others run
// once in 128 calls or 1 MiB.
func TestOthersRunInAnyLoop(t *testing.T) {
	line, large := []byte(strings.Repeat("x", 99)+"\n"), pattern(1<<20)
	for name, c := range map[string]struct {
		call func(w *wasio.Writer, b *wasio.BufWriter, in uint32)
		most int
	}{
		"Write":       {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(line) }, 128},
		"8 KiB":       {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(large[:8<<10]) }, 64},
		"1 MiB":       {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(large) }, 1},
		"WriteString": {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.WriteString("x") }, 128},
		"ReadFrom":    {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.ReadFrom(strings.NewReader("x")) }, 128},
		"no bytes":    {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(nil) }, 128},
		"Flush":       {func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Flush() }, 128},
		"Splice":      {func(w *wasio.Writer, _ *wasio.BufWriter, in uint32) { wasio.Splice(w, in, 1) }, 128},
		"line":        {func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.SetLineMode(true); b.Write(line) }, 128},
		"b.Flush":     {func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Flush() }, 128},
		"large, b":    {func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Write(large) }, 1},
		"b.ReadFrom, late": {func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) {
			b.SetWriteDeadline(time.Now().Add(-time.Second))
			b.ReadFrom(strings.NewReader("x"))
		}, 128},
		"small, b":     {func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Write(line) }, 5000}, // as in TestFair
		"after an end": {func(*wasio.Writer, *wasio.BufWriter, uint32) { new(wasio.Writer).Write(line) }, 128},
	} {
		t.Run(name, func(t *testing.T) {
			w, in, _ := promptStream(t, host.Plan{})
			b := wasio.NewBufWriter(w)
			assert.LessOrEqual(t, callsUntilOthersRun(func() { c.call(w, b, in) }), c.most)
		})
	}
}

// So does one long Splice.
func TestOthersRunDuringASplice(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w, in, h := promptStream(t, host.Plan{})
	_, err := w.Write(pattern(1 << 20)) // after this the count begins anew
	require.NoError(t, err)
	seen := make(chan uint64, 1)
	go func() { seen <- h.Count(host.OpSplice) }()
	moved, err := wasio.Splice(w, in, 30_000)
	require.NoError(t, err)
	assert.EqualValues(t, 30_000, moved)
	assert.LessOrEqual(t, <-seen, uint64(2*128)) // once in 61 times the scheduler resumes the one that yields
}

// A loop that ignores errors makes no host call at all. It lets others run, too.
func TestOthersRunInALoopThatIgnoresErrors(t *testing.T) {
	line := []byte("a line\n")
	fails := host.Plan{Faults: []host.Fault{{At: host.AtCheckWrite, Closed: true}}}
	for name, c := range map[string]struct {
		closed bool
		call   func(w *wasio.Writer, b *wasio.BufWriter, in uint32)
	}{
		"Write":            {false, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(line) }},
		"Flush":            {false, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Flush() }},
		"ReadFrom":         {false, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.ReadFrom(strings.NewReader("x")) }},
		"Splice":           {false, func(w *wasio.Writer, _ *wasio.BufWriter, in uint32) { wasio.Splice(w, in, 1) }},
		"Write, closed":    {true, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Write(line) }},
		"Flush, closed":    {true, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.Flush() }},
		"ReadFrom, closed": {true, func(w *wasio.Writer, _ *wasio.BufWriter, _ uint32) { w.ReadFrom(strings.NewReader("x")) }},
		"Splice, closed":   {true, func(w *wasio.Writer, _ *wasio.BufWriter, in uint32) { wasio.Splice(w, in, 1) }},
		"b.Write":          {false, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Write(line) }},
		"b.WriteByte":      {false, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.WriteByte('x') }},
		"b.Flush":          {false, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Flush() }},
		"b.ReadFrom":       {false, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.ReadFrom(strings.NewReader("x")) }},
		"b.Write, closed":  {true, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Write(line) }},
		"b.Flush, closed":  {true, func(_ *wasio.Writer, b *wasio.BufWriter, _ uint32) { b.Flush() }},
	} {
		t.Run(name, func(t *testing.T) {
			w, in, _ := promptStream(t, fails)
			b := wasio.NewBufWriterSize(w, 16)
			b.WriteString("x")
			require.Error(t, b.Flush())
			if c.closed {
				b.Close()
			}
			assert.LessOrEqual(t, callsUntilOthersRun(func() { c.call(w, b, in) }), 128)
		})
	}
}

// Other goroutines run before the first wait of a call, not after it: the host may block the
// program for an hour.
func TestOthersRunBeforeTheFirstWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, c := range map[string]struct {
		out, in host.Plan
		call    func(w *wasio.Writer, in uint32) error
	}{
		"write": {host.Plan{Permits: []uint64{0, 100}}, host.Plan{}, func(w *wasio.Writer, _ uint32) error { _, err := w.WriteString("x"); return err }},
		"flush": {host.Plan{FlushWaits: []int{1}}, host.Plan{}, func(w *wasio.Writer, _ uint32) error { return w.Flush() }},
		"splice": {host.Plan{}, host.Plan{Permits: []uint64{0, 1}}, func(w *wasio.Writer, in uint32) error {
			_, err := wasio.Splice(w, in, 1)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := host.New(host.Options{Keep: 1})
			base := expose(t, h)
			w := wasio.NewWriter(base | h.NewStream(c.out, io.Discard))
			defer w.Close()
			in := base | h.NewInput(c.in, endless{})
			waits := make([]uint64, 21) // before another goroutine ran
			for i := range waits {
				before := h.Count(host.OpBlock)
				seen := make(chan uint64, 1)
				go func() { seen <- h.Count(host.OpBlock) }()
				require.NoError(t, c.call(w, in))
				require.Greater(t, h.Count(host.OpBlock), before, "the call waits")
				waits[i] = <-seen - before
			}
			// Once in 61 times the scheduler resumes the goroutine that has just yielded.
			slices.Sort(waits)
			assert.Zero(t, waits[len(waits)/2])
		})
	}
}
