package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// writerMethods lists the methods of a Writer that take its lock.
var writerMethods = []struct {
	name string
	call func(w *wasio.Writer) error
}{
	{"Write", func(w *wasio.Writer) error { _, err := w.Write([]byte("x\n")); return err }},
	{"Write of nothing", func(w *wasio.Writer) error { _, err := w.Write(nil); return err }},
	{"WriteString", func(w *wasio.Writer) error { _, err := w.WriteString("x\n"); return err }},
	{"ReadFrom", func(w *wasio.Writer) error { _, err := w.ReadFrom(strings.NewReader("x\n")); return err }},
	{"ReadFrom of nothing", func(w *wasio.Writer) error { _, err := w.ReadFrom(strings.NewReader("")); return err }},
	{"Flush", (*wasio.Writer).Flush},
	{"Close", (*wasio.Writer).Close},
	{"SetErrorDecoder", func(w *wasio.Writer) error { w.SetErrorDecoder(nil); return nil }},
}

// bufWriterMethods lists the methods of a BufWriter that take its lock.
var bufWriterMethods = []struct {
	name string
	call func(b *wasio.BufWriter) error
}{
	{"Write", func(b *wasio.BufWriter) error { _, err := b.Write([]byte("x\n")); return err }},
	{"Write of nothing", func(b *wasio.BufWriter) error { _, err := b.Write(nil); return err }},
	{"Write of more than the buffer holds", func(b *wasio.BufWriter) error { _, err := b.Write(pattern(40)); return err }},
	{"WriteString", func(b *wasio.BufWriter) error { _, err := b.WriteString("x\n"); return err }},
	{"WriteByte", func(b *wasio.BufWriter) error { return b.WriteByte('\n') }},
	{"WriteRune", func(b *wasio.BufWriter) error { _, err := b.WriteRune('\n'); return err }},
	{"ReadFrom", func(b *wasio.BufWriter) error { _, err := b.ReadFrom(strings.NewReader("x\n")); return err }},
	{"ReadFrom of nothing", func(b *wasio.BufWriter) error { _, err := b.ReadFrom(strings.NewReader("")); return err }},
	{"Flush", (*wasio.BufWriter).Flush},
	{"Close", (*wasio.BufWriter).Close},
	{"SetLineMode", func(b *wasio.BufWriter) error { b.SetLineMode(true); return nil }},
	{"Reset", func(b *wasio.BufWriter) error { b.Reset(nil); return nil }},
	{"Size", func(b *wasio.BufWriter) error { b.Size(); return nil }},
	{"Buffered", func(b *wasio.BufWriter) error { b.Buffered(); return nil }},
	{"Available", func(b *wasio.BufWriter) error { b.Available(); return nil }},
}

// testTakesTurn checks that f neither calls the host nor returns while underWay waits for
// the host, and that f returns afterwards.
func testTakesTurn(t *testing.T, s *wasiotest.Stream, underWay, f func()) {
	t.Helper()
	first := start(underWay)
	require.False(t, first(), "the first call waits for the host")
	before := len(s.Calls())
	second := start(f)
	assert.False(t, second(), "the second call waits for the first")
	assert.Len(t, s.Calls(), before, "no host call while another one is under way")
	time.Sleep(time.Hour)
	assert.True(t, first())
	assert.True(t, second())
}

func TestEveryMethodOfWriterTakesTheLock(t *testing.T) {
	for _, m := range writerMethods {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, slowFlush)
				testTakesTurn(t, s,
					func() { w.WriteString("first\n") },
					func() { assert.NoError(t, m.call(w)) })
			})
		})
	}
}

func TestEveryMethodOfBufWriterTakesTheLock(t *testing.T) {
	for _, m := range bufWriterMethods {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, s := newBufWriter(t, 16, slowFlush)
				b.WriteString("first\n")
				testTakesTurn(t, s,
					func() { b.Flush() },
					func() { assert.NoError(t, m.call(b)) })
				assert.Equal(t, 1, strings.Count(s.String(), "first\n"))
			})
		})
	}
}

// A call of a BufWriter takes the lock of the Writer only if it reaches the host, not if it
// only fills the buffer.
func TestBufWriterTakesTheLockOfItsWriter(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(b *wasio.BufWriter, w *wasio.Writer)
		waits bool
	}{
		"Flush":              {func(b *wasio.BufWriter, _ *wasio.Writer) { b.Flush() }, true},
		"Flush of nothing":   {func(b *wasio.BufWriter, w *wasio.Writer) { b.Reset(w); b.Flush() }, true},
		"Close of nothing":   {func(b *wasio.BufWriter, w *wasio.Writer) { b.Reset(w); b.Close() }, true},
		"Close":              {func(b *wasio.BufWriter, _ *wasio.Writer) { b.Close() }, true},
		"large Write":        {func(b *wasio.BufWriter, _ *wasio.Writer) { b.Write(pattern(40)) }, true},
		"WriteByte, full":    {func(b *wasio.BufWriter, _ *wasio.Writer) { b.WriteString("0123456789"); b.WriteByte('x') }, true},
		"ReadFrom, full":     {func(b *wasio.BufWriter, _ *wasio.Writer) { b.ReadFrom(bytes.NewReader(pattern(16))) }, true},
		"line":               {func(b *wasio.BufWriter, _ *wasio.Writer) { b.SetLineMode(true); b.WriteString("x\n") }, true},
		"WriteByte, newline": {func(b *wasio.BufWriter, _ *wasio.Writer) { b.SetLineMode(true); b.WriteByte('\n') }, true},
		"small Write":        {func(b *wasio.BufWriter, _ *wasio.Writer) { b.WriteString("x") }, false},
		"WriteByte":          {func(b *wasio.BufWriter, _ *wasio.Writer) { b.WriteByte('x') }, false},
		"WriteRune":          {func(b *wasio.BufWriter, _ *wasio.Writer) { b.WriteRune('x') }, false},
		"ReadFrom":           {func(b *wasio.BufWriter, _ *wasio.Writer) { b.ReadFrom(strings.NewReader("x")) }, false},
		"Reset":              {func(b *wasio.BufWriter, _ *wasio.Writer) { b.Reset(nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, slowFlush)
				b := wasio.NewBufWriterSize(w, 16)
				b.WriteString("before")
				if c.waits {
					testTakesTurn(t, s, func() { w.WriteString("first\n") }, func() { c.call(b, w) })
					return
				}
				first := start(func() { w.WriteString("first\n") })
				require.False(t, first())
				assert.True(t, start(func() { c.call(b, w) })())
			})
		})
	}
}

// A goroutine that waits for its turn is durably blocked, so time can pass in a bubble of
// testing/synctest. A goroutine that waits for a sync.Mutex is not.
func TestWaitForATurnInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{2, 0}, FlushWaits: []int{1}, Delay: time.Hour})
		b := wasio.NewBufWriterSize(w, 16)
		b.SetLineMode(true)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { w.WriteString("written\n") })
			wg.Go(func() { b.WriteString("buffered\n") })
		}
		wg.Wait()
		assert.Equal(t, 2, strings.Count(s.String(), "written\n"))
		assert.Equal(t, 2, strings.Count(s.String(), "buffered\n"))
		assert.Len(t, s.String(), 34)
	})
}

// Goroutines get their turn in the order in which they asked for it.
func TestTurnsAreInOrder(t *testing.T) {
	for name, output := range map[string]func(w *wasio.Writer) io.StringWriter{
		"Writer": func(w *wasio.Writer) io.StringWriter { return w },
		"BufWriter": func(w *wasio.Writer) io.StringWriter {
			b := wasio.NewBufWriter(w)
			b.SetLineMode(true)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour})
				out := output(w)
				var want strings.Builder
				for i := range 20 {
					text := fmt.Sprintln("line", i)
					want.WriteString(text)
					go out.WriteString(text)
					synctest.Wait()
				}
				time.Sleep(20 * time.Hour)
				synctest.Wait()
				assert.Equal(t, want.String(), s.String())
			})
		})
	}
}

// Close takes its turn, too: calls that began before it succeed, later ones fail.
func TestCloseTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour, Hold: true})
		b := wasio.NewBufWriterSize(w, 16)
		b.WriteString("lost")
		first := start(func() { w.WriteString("first, ") })
		second := start(func() { w.WriteString("second") })
		closed := start(func() { assert.NoError(t, w.Close()) })
		third := start(func() {
			n, err := w.WriteString("third")
			assert.Zero(t, n)
			assertNotOpen(t, "write", err, "Write")
		})
		flush := start(func() { assertNotOpen(t, "write", b.Flush(), "Flush") })
		again := start(func() { assert.NoError(t, w.Close()) })
		time.Sleep(time.Hour)
		require.True(t, first())
		require.False(t, second() || closed() || third() || flush() || again())
		time.Sleep(time.Hour)
		require.True(t, second() && closed() && third() && flush() && again())
		assert.Equal(t, "first, second", s.String())
		assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
	})
}

// While no call has to wait, others run now and then, but not at each call, which would cost more
// than a short Write.
func TestOthersRunNowAndThen(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const calls = 12_800
	long := pattern(16 << 10)
	for name, c := range map[string]struct {
		call  func(w *wasio.Writer)
		turns int // of the other goroutine
	}{
		"Flush":       {func(w *wasio.Writer) { w.Flush() }, calls / 128},
		"short Write": {func(w *wasio.Writer) { w.Write(long[:1]) }, calls / 128},
		"long Write":  {func(w *wasio.Writer) { w.Write(long) }, 3 * calls / 128},
	} {
		t.Run(name, func(t *testing.T) {
			h := host.New(host.Options{})
			w := wasio.NewWriter(expose(t, h) | h.NewStream(host.Plan{}, io.Discard))
			defer w.Close()
			var done atomic.Bool
			turns := make(chan int)
			go func() {
				n := 0
				for ; !done.Load(); n++ {
					runtime.Gosched()
				}
				turns <- n
			}()
			for range calls {
				c.call(w)
			}
			done.Store(true)
			// The scheduler may resume the goroutine that has just yielded, or preempt one.
			n := <-turns
			assert.Greater(t, n, c.turns/2)
			assert.Less(t, n, calls/8)
		})
	}
}

// A goroutine that writes in a loop does not keep others out, even if the host makes each
// Write wait.
func TestWriteLoopKeepsNobodyOut(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"flushes wait":     {FlushWaits: []int{1}, Delay: time.Millisecond},
		"writes wait":      {Permits: []uint64{2, 0}, Delay: time.Millisecond},
		"everything waits": {Permits: []uint64{1, 0}, FlushWaits: []int{2}, Delay: time.Millisecond},
	} {
		for _, through := range []string{"Writer", "BufWriter", "Stdout"} {
			t.Run(name+"/"+through, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var s *wasiotest.Stream
					var w *wasio.Writer
					var out io.StringWriter
					switch through {
					case "Writer":
						w, s = newWriter(t, plan)
						out = w
					case "BufWriter":
						b, stream := newBufWriter(t, 16, plan)
						b.SetLineMode(true)
						out, s = b, stream
					case "Stdout":
						s = wasiotest.SetStdout(t, plan)
						out = wasio.Stdout()
					}
					const writes = 1000
					loop := start(func() {
						for range writes {
							out.WriteString("1\n")
						}
					})
					time.Sleep(10*time.Millisecond + 500*time.Microsecond)
					require.False(t, loop(), "the loop runs")
					before := strings.Count(s.String(), "1\n")
					out.WriteString("2\n")
					after := strings.Count(s.String(), "1\n")
					assert.Contains(t, s.String(), "2\n")
					assert.LessOrEqual(t, after-before, 2, "only a Write or two of the loop come first")
					require.False(t, loop(), "the loop runs")
					time.Sleep(time.Minute)
					require.True(t, loop())
					assert.Equal(t, writes, strings.Count(s.String(), "1\n"))
				})
			})
		}
	}
}

// A line of one goroutine never lands inside a longer Write of another.
func TestNoWriteLandsInsideAnother(t *testing.T) {
	const longs, shorts = 10, 100
	long := strings.Repeat("long ", 30) + "\n"
	lineMode := func(w *wasio.Writer) *wasio.BufWriter {
		b := wasio.NewBufWriterSize(w, 16)
		b.SetLineMode(true)
		return b
	}
	for name, outputs := range map[string]func(w *wasio.Writer) (long, short io.StringWriter){
		"Writer": func(w *wasio.Writer) (long, short io.StringWriter) { return w, w },
		"BufWriter in line mode": func(w *wasio.Writer) (long, short io.StringWriter) {
			b := lineMode(w)
			return b, b
		},
		"two BufWriters in line mode":       func(w *wasio.Writer) (long, short io.StringWriter) { return lineMode(w), lineMode(w) },
		"Writer and BufWriter in line mode": func(w *wasio.Writer) (long, short io.StringWriter) { return w, lineMode(w) },
		"BufWriter in line mode and Writer": func(w *wasio.Writer) (long, short io.StringWriter) { return lineMode(w), w },
		"BufWriter": func(w *wasio.Writer) (long, short io.StringWriter) {
			b := wasio.NewBufWriterSize(w, 16)
			return b, b
		},
	} {
		for _, plan := range []wasiotest.Plan{
			{},
			{Permits: []uint64{7, 0}, FlushWaits: []int{1}, Delay: time.Millisecond},
			{Permits: []uint64{1 << 20, 0}, FlushWaits: []int{0, 1}, Hold: true, Delay: time.Microsecond},
		} {
			t.Run(fmt.Sprint(name, plan.Permits), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := wasiotest.SetStdout(t, plan)
					a, b := outputs(wasio.Stdout())
					var wg sync.WaitGroup
					wg.Go(func() {
						for range longs {
							a.WriteString(long)
							time.Sleep(time.Nanosecond)
						}
					})
					wg.Go(func() {
						for range shorts {
							b.WriteString("short\n")
							time.Sleep(time.Nanosecond)
						}
					})
					wg.Wait()
					if b, ok := b.(*wasio.BufWriter); ok {
						require.NoError(t, b.Flush())
					}
					seen := make(map[string]int)
					for line := range strings.Lines(s.String()) {
						seen[line]++
					}
					assert.Equal(t, map[string]int{long: longs, "short\n": shorts}, seen)
				})
			})
		}
	}
}

// trapScript is the script of a host that never waits and traps once, at its nth choice.
type trapScript struct{ n int }

func (s *trapScript) next() {
	if s.n--; s.n == 0 {
		panic(errTrapped)
	}
}

var errTrapped = errors.New("trap")

func (s *trapScript) Permit(uint64) uint64                  { s.next(); return 5 }
func (s *trapScript) FlushWaits() int                       { s.next(); return 0 }
func (s *trapScript) Fault(string, int, uint64) *host.Fault { s.next(); return nil }

// traps calls f. It reports whether f trapped and returns the error of f.
func traps(f func() error) (yes bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if r != any(errTrapped) {
				panic(r)
			}
			yes = true
		}
	}()
	return false, f()
}

// On a real host a trap ends the program. Here it panics, and a test may recover. No lock
// stays held, whichever host call of whichever method traps.
func TestTrapLeavesNothingLocked(t *testing.T) {
	skipInGuest(t)
	test := func(name string, most int, call func(w *wasio.Writer, b *wasio.BufWriter) error) {
		t.Run(name, func(t *testing.T) {
			n := 1
			for again := true; again; n++ {
				synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
					h := host.New(host.Options{})
					script := new(trapScript)
					w := wasio.NewWriter(expose(t, h) | h.NewStream(host.Scripted(host.Plan{}, script), io.Discard))
					b := wasio.NewBufWriterSize(w, 16)
					b.WriteString("before")
					b.SetLineMode(true)
					script.n = n
					var err error
					again, err = traps(func() error { return call(w, b) })
					assert.NoError(t, err)
					script.n = 0
					if again {
						b.SetLineMode(false)
						w.SetErrorDecoder(nil)
						assert.Equal(t, 16, b.Size())
						assert.Equal(t, 16, b.Available()+b.Buffered())
						_, err = w.WriteString("written")
						assert.NoError(t, err)
						_, err = b.WriteString("buffered")
						assert.NoError(t, err)
						assert.NoError(t, b.Flush())
						assert.NoError(t, w.Flush())
					}
					err = b.Close()
					assert.True(t, err == nil || !again, err)
					assert.NoError(t, w.Close())
					assert.Empty(t, h.Live())
				})
			}
			assert.Greater(t, n, most, "each host call trapped once")
		})
	}
	for _, m := range writerMethods {
		// These make no host call.
		if m.name != "Write of nothing" && m.name != "ReadFrom of nothing" && m.name != "SetErrorDecoder" {
			test("Writer/"+m.name, 3, func(w *wasio.Writer, _ *wasio.BufWriter) error { return m.call(w) })
		}
	}
	for _, m := range bufWriterMethods {
		switch m.name {
		case "Write", "WriteString", "WriteByte", "WriteRune", "ReadFrom", "Flush", "Close":
			test("BufWriter/"+m.name, 6, func(_ *wasio.Writer, b *wasio.BufWriter) error { return m.call(b) })
		case "Write of more than the buffer holds":
			test("BufWriter/"+m.name, 6, func(_ *wasio.Writer, b *wasio.BufWriter) error {
				b.SetLineMode(false)
				return m.call(b)
			})
		}
	}
}

// After a panic of the reader no lock is held and the buffer is whole.
func TestReaderThatPanicsLeavesNothingLocked(t *testing.T) {
	broken := errors.New("reader")
	panics := func(text string) io.Reader {
		return io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) { panic(broken) }))
	}
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{})
		b := wasio.NewBufWriterSize(w, 32)
		assert.PanicsWithValue(t, broken, func() { w.ReadFrom(struct{ io.Reader }{panics("one ")}) })
		b.WriteString("two ")
		assert.PanicsWithValue(t, broken, func() { b.ReadFrom(panics("three ")) })
		assert.Equal(t, 32, b.Size())
		assert.Equal(t, 10, b.Buffered())
		assert.Equal(t, 22, b.Available())
		_, err := b.WriteString("four ")
		require.NoError(t, err)
		n, err := b.ReadFrom(strings.NewReader("five "))
		require.NoError(t, err)
		assert.EqualValues(t, 5, n)
		assert.Equal(t, 20, b.Buffered(), "the whole buffer is in use")
		require.NoError(t, b.Flush())
		_, err = w.WriteString("six")
		require.NoError(t, err)
		assert.Equal(t, "one two three four five six", s.String())
	})
}

// The locks of a BufWriter and its Writer are always taken in the same order, so no mix of
// calls deadlocks.
func TestNoDeadlockBetweenBufWritersAndTheirWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{5, 0}, FlushWaits: []int{1}, Delay: time.Millisecond})
		b := []*wasio.BufWriter{wasio.NewBufWriterSize(w, 16), wasio.NewBufWriterSize(w, 16)}
		b[1].SetLineMode(true)
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				switch b := b[i%2]; i / 2 % 6 {
				case 0:
					b.WriteString("a line of text\n")
				case 1:
					b.Flush()
				case 2:
					w.WriteString("a line of text\n")
				case 3:
					b.ReadFrom(iotest.OneByteReader(strings.NewReader("a line of text\n")))
				case 4:
					w.ReadFrom(iotest.HalfReader(strings.NewReader("a line of text\n")))
				case 5:
					b.WriteRune('x')
					w.Flush()
				}
			})
		}
		wg.Wait()
		for _, b := range slices.Backward(b) {
			require.NoError(t, b.Flush())
		}
		assert.Len(t, s.String(), 40*15+10)
	})
}
