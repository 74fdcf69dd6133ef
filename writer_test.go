package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

var (
	_ io.WriteCloser  = (*wasio.Writer)(nil)
	_ io.StringWriter = (*wasio.Writer)(nil)
	_ io.ReaderFrom   = (*wasio.Writer)(nil)
)

// In bindings by wit-bindgen-go, a handle has a type of its own. In those by wit-bindgen it is an
// int32, which is negative if the highest bit is set.
func TestNewWriterTakesTheHandlesOfAllBindings(t *testing.T) {
	type ownOutputStream uint32
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	for int32(s.Handle()) >= 0 {
		require.NoError(t, wasio.NewWriter(s.Handle()).Close())
		s = wasiotest.NewStream(t, wasiotest.Plan{})
	}
	for _, w := range []*wasio.Writer{
		wasio.NewWriter(ownOutputStream(wasiotest.NewStream(t, wasiotest.Plan{}).Handle())),
		wasio.NewWriter(int32(s.Handle())),
	} {
		_, err := w.Write([]byte("hello"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	assert.Equal(t, "hello", s.String())
}

func TestShortWriteOnSynchronousHostIsFourCalls(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	n, err := w.Write([]byte("hello\n"))
	require.NoError(t, err)
	assert.Equal(t, 6, n)
	assert.Equal(t, "hello\n", s.String())
	assert.Equal(t, []string{"check-write = 1048576", "write(6)", "flush", "check-write = 1048576"}, callsOf(s))
}

func TestEmptyWriteMakesNoCall(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	for _, p := range [][]byte{nil, {}} {
		n, err := w.Write(p)
		require.NoError(t, err)
		assert.Zero(t, n)
	}
	n, err := w.WriteString("")
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, s.Calls())
}

func TestWriteOfOneMiBIsOneWrite(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{1 << 20}})
	p := pattern(1 << 20)
	n, err := w.Write(p)
	require.NoError(t, err)
	assert.Equal(t, len(p), n)
	assert.Equal(t, []string{string(p)}, s.Records())
	assert.Len(t, s.Calls(), 4)
}

func TestLargeWriteAtSmallPermitsWithStallsAndSpuriousWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		var permits []uint64
		for range 1000 {
			permits = append(permits, make([]uint64, r.IntN(4))...)
			permits = append(permits, 7)
		}
		w, s := newWriter(t, wasiotest.Plan{Permits: permits, FlushWaits: []int{2}, Hold: true})
		p := pattern(100 << 10)
		n, err := w.Write(p)
		require.NoError(t, err)
		assert.Equal(t, len(p), n)
		assert.True(t, bytes.Equal(p, s.Bytes()), "every byte once and in order")
		for _, record := range s.Records() {
			require.LessOrEqual(t, len(record), 7)
		}
	})
}

func TestRandomPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(200) {
			w, s := newWriter(t, wasiotest.RandomPlan(seed))
			p := pattern(1 + int(seed)*13)
			n, err := w.Write(p)
			require.NoError(t, err, "seed %d", seed)
			require.Equal(t, len(p), n, "seed %d", seed)
			require.True(t, bytes.Equal(p, s.Bytes()), "seed %d", seed)
		}
	})
}

func TestWriteStringAndFormattedOutput(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{3}})
	n, err := w.WriteString("héllo, ")
	require.NoError(t, err)
	assert.Equal(t, 8, n)
	n, err = fmt.Fprintf(w, "%d %s\n", 42, "wörld")
	require.NoError(t, err)
	assert.Equal(t, 10, n)
	log.New(w, "log: ", 0).Print("line")
	assert.Equal(t, "héllo, 42 wörld\nlog: line\n", s.String())
}

func TestWriteLeavesArgumentAlone(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{2, 0}, FlushWaits: []int{1}, Hold: true})
	p := []byte("abcdef")
	_, err := w.Write(p)
	require.NoError(t, err)
	assert.Equal(t, "abcdef", string(p))
	for i := range p {
		p[i] = 'x' // the caller may reuse p
	}
	require.NoError(t, w.Close())
	assert.Equal(t, "abcdef", s.String())
}

// Reads that fill the buffer of ReadFrom are flushed once at the end. Shorter ones are flushed at
// once, since the next Read may wait.
func TestReadFromFlushes(t *testing.T) {
	p := pattern(64<<10 + 100)
	for name, c := range map[string]struct {
		r       io.Reader
		flushes int
	}{
		"full pieces":                 {bytes.NewReader(p[:64<<10]), 1},
		"full pieces and a short one": {bytes.NewReader(p), 1},
		"nothing":                     {strings.NewReader(""), 0},
		"the last with the end":       {iotest.DataErrReader(strings.NewReader("x")), 1},
		"one byte each":               {iotest.OneByteReader(bytes.NewReader(p[:100])), 100},
		"half of what is asked for":   {iotest.HalfReader(bytes.NewReader(p[:64<<10])), 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{Hold: true})
				n, err := w.ReadFrom(c.r)
				require.NoError(t, err)
				assert.Len(t, s.Bytes(), int(n), "all bytes are flushed")
				assert.Equal(t, c.flushes, s.Count("flush"))
			})
		})
	}
}

// Bytes from a Read that had to wait are out before the next Read, even if they filled the buffer.
func TestReadFromShowsWhatIsLive(t *testing.T) {
	for name, output := range map[string]func(w *wasio.Writer) io.ReaderFrom{
		"Writer":    func(w *wasio.Writer) io.ReaderFrom { return w },
		"BufWriter": func(w *wasio.Writer) io.ReaderFrom { return wasio.NewBufWriterSize(w, 32<<10) },
	} {
		for _, size := range []int{1, 100, 32 << 10} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, s := newWriter(t, wasiotest.Plan{Hold: true})
					read := 0
					n, err := output(w).ReadFrom(readerFunc(func(p []byte) (int, error) {
						assert.Len(t, s.Bytes(), read, "earlier bytes are out")
						time.Sleep(time.Millisecond)
						if read >= 5*size {
							return 0, io.EOF
						}
						n := min(size, len(p))
						read += n
						return n, nil
					}))
					require.NoError(t, err)
					assert.EqualValues(t, read, n)
				})
			})
		}
	}
}

func TestReadFromReturnsReadersErrorAndFlushes(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Hold: true})
	broken := errors.New("broken reader")
	n, err := w.ReadFrom(io.MultiReader(strings.NewReader("so far"), iotest.ErrReader(broken)))
	assert.Same(t, broken, err)
	assert.EqualValues(t, 6, n)
	assert.Equal(t, "so far", s.String())
	_, err = w.Write([]byte(" so good")) // the stream is not to blame
	require.NoError(t, err)
}

func TestReadFromLetsOthersWriteWhileItReads(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	r, feed := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := w.ReadFrom(r)
		done <- err
	}()
	fmt.Fprint(feed, "one ")
	w.WriteString("two ") // would deadlock under a lock held while reading
	fmt.Fprint(feed, "three")
	feed.Close()
	require.NoError(t, <-done)
	assert.Len(t, s.String(), len("one two three"))
}

func TestReadFromThroughCopy(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("copied")})
	require.NoError(t, err)
	assert.EqualValues(t, 6, n)
	assert.Equal(t, "copied", s.String())
}

func TestFlushFlushesWhatOthersWrote(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{FlushWaits: []int{1}})
	require.NoError(t, w.Flush())
	assert.Equal(t, sequence("flush", "check-write = 0", wait, "check-write = 1048576"), callsOf(s))
}

func TestCloseFlushesAndDropsOnce(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	w := wasio.NewWriter(s.Handle())
	require.NoError(t, w.Close())
	want := []string{"flush", "check-write = 1048576", "drop"}
	assert.Equal(t, want, callsOf(s))
	require.NoError(t, w.Close(), "again")
	assert.Equal(t, want, callsOf(s))
}

func TestCloseDoesNotFlushTwice(t *testing.T) {
	for _, way := range ways {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		w := wasio.NewWriter(s.Handle())
		_, err := way.write(w, []byte("flushed"))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		assert.Equal(t, 1, s.Count("flush"), way.name)
	}
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	b := wasio.NewBufWriterSize(wasio.NewWriter(s.Handle()), 16)
	b.WriteString("more than the buffer holds")
	require.NoError(t, b.Close())
	assert.Equal(t, []string{"check-write = 1048576", "write(26)", "flush", "check-write = 1048576", "drop"}, callsOf(s))
}

func TestUseAfterClose(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	require.NoError(t, w.Close())
	before := len(s.Calls())
	testNotOpen(t, w)
	assert.Len(t, s.Calls(), before)
}

func TestZeroWriterIsClosed(t *testing.T) {
	testNotOpen(t, new(wasio.Writer))
	testNotOpen(t, wasio.NewWriter(uint32(0)))
	assert.NoError(t, new(wasio.Writer).Close())
}

func testNotOpen(t *testing.T, w *wasio.Writer) {
	t.Helper()
	n, err := w.Write([]byte("late"))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.EqualError(t, err, "wasio: write: writer is not open")
	_, err = w.Write(nil)
	assert.ErrorIs(t, err, os.ErrClosed)
	_, err = w.WriteString("late")
	assert.ErrorIs(t, err, os.ErrClosed)
	m, err := w.ReadFrom(strings.NewReader("late"))
	assert.Zero(t, m)
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, w.Flush(), os.ErrClosed)
	assert.NotErrorIs(t, err, io.ErrClosedPipe)
}

func TestCloseReportsFailedFlush(t *testing.T) {
	for _, at := range []string{"flush", "flushed"} {
		s := wasiotest.NewStream(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: at}}})
		w := wasio.NewWriter(s.Handle())
		err := w.Close()
		assert.ErrorAs(t, err, new(*wasio.Error))
		assert.ErrorContains(t, err, "last operation failed")
		assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
		assert.NoError(t, w.Close())
	}
}

func TestCloseReportsEarlierError(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Capacity: 3})
	w := wasio.NewWriter(s.Handle())
	_, werr := w.Write([]byte("four"))
	require.ErrorIs(t, werr, io.ErrClosedPipe)
	before := len(s.Calls())
	assert.Same(t, werr, w.Close())
	assert.Equal(t, []string{"drop"}, callsOf(s)[before:], "no flush of a closed stream")
}

func TestStreamThatClosesWithTheLastByteIsNoError(t *testing.T) {
	for name, finish := range map[string]func(*wasio.Writer) error{
		"Close": (*wasio.Writer).Close,
		"Flush": (*wasio.Writer).Flush,
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Capacity: 4})
			n, err := w.Write([]byte("body"))
			require.NoError(t, err)
			assert.Equal(t, 4, n)
			require.NoError(t, finish(w))
			assert.Equal(t, "body", s.String())
		})
	}
	t.Run("until a write is refused", func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{Capacity: 4})
		_, err := w.Write([]byte("body"))
		require.NoError(t, err)
		n, err := w.Write([]byte("more"))
		assert.Zero(t, n)
		require.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Same(t, err, w.Flush())
		assert.Same(t, err, w.Close())
	})
}

func TestErrorIsDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, plan := range map[string]wasiotest.Plan{
			"wasio: check-write: stream closed by the host":             {Faults: []wasiotest.Fault{{At: "check-write", Closed: true}}},
			"wasio: write: last operation failed":                       {Faults: []wasiotest.Fault{{At: "write"}}},
			"wasio: flush: last operation failed":                       {Faults: []wasiotest.Fault{{At: "flush"}}},
			"wasio: check-write: stream is ready, but permits no bytes": {Permits: []uint64{0}},
		} {
			w, _ := newWriter(t, plan)
			_, err := w.Write([]byte("x"))
			assert.EqualError(t, err, want)
			var e *wasio.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, strings.Fields(want)[1], e.Op+":")
			assert.Same(t, e.Err, errors.Unwrap(e))
		}
	})
}

func TestGenericHandleTypes(t *testing.T) {
	type Resource uint32
	type OutputStream Resource // as in bindings
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	w := wasio.NewWriter(OutputStream(s.Handle()))
	_, err := w.WriteString("typed")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, "typed", s.String())
}

func TestConcurrentWritesDoNotInterleave(t *testing.T) {
	const writers, lines = 8, 50
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{5, 0, 3}, FlushWaits: []int{0, 1}})
	line := func(i int) string { return strings.Repeat(string(rune('a'+i)), 20+i) + "\n" }
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			p := make([]byte, 0, 64)
			for range lines {
				p = append(p[:0], line(i)...)
				n, err := w.Write(p)
				assert.NoError(t, err)
				assert.Equal(t, len(p), n)
				clear(p) // if the host still needed p, -race would see it
			}
		})
	}
	wg.Wait()
	seen := make(map[string]int)
	for l := range strings.Lines(s.String()) {
		seen[l]++
	}
	for i := range writers {
		assert.Equal(t, lines, seen[line(i)], "lines of writer %d", i)
	}
	assert.Len(t, seen, writers)
}

func TestTwoHandlesOfOneStream(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{3, 0}, FlushWaits: []int{1}})
	a, b := wasio.NewWriter(s.Handle()), wasio.NewWriter(s.Another())
	for range 3 {
		fmt.Fprint(a, "aaaa ")
		fmt.Fprint(b, "bbbb ")
	}
	require.NoError(t, a.Close())
	fmt.Fprint(b, "b")
	require.NoError(t, b.Close())
	assert.Equal(t, strings.Repeat("aaaa bbbb ", 3)+"b", s.String())
}

func TestWriteDoesNotAllocate(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"synchronous": {},
		"with waits":  {Permits: []uint64{1, 0, 50}, FlushWaits: []int{1}, Background: true},
	} {
		w, _ := newWriter(t, plan)
		p := pattern(100)
		text := string(p)
		assert.Zero(t, testing.AllocsPerRun(1000, func() { w.Write(p) }), name)
		assert.Zero(t, testing.AllocsPerRun(1000, func() { w.WriteString(text) }), name)
	}
}

func TestPermitOf64BitsIsNotNarrowed(t *testing.T) {
	for _, permit := range []uint64{1 << 31, 1 << 32, 1<<32 + 1, 1 << 40, 1 << 63, math.MaxUint64} {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{permit}})
		n, err := w.WriteString("whole")
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		assert.Equal(t, []string{"whole"}, s.Records())
	}
}
