package p3_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/p3"
)

func pointer(event *[2]uint32) unsafe.Pointer { return unsafe.Pointer(event) }

// attach gives the readable end of a stream to a reader that takes all.
func attach(reader int32) {
	builtins.Current().Attach(uint32(reader), builtins.Keen{}, io.Discard)
}

// A script is a reader that does one step after the other, and then takes everything.
type script struct {
	steps []builtins.Step
	code  int // -1 is none
	after time.Duration
	sizes []int // of the writes
}

func (s *script) Step(at builtins.Point, n int, _ time.Duration) builtins.Step {
	if at == builtins.AtWrite {
		s.sizes = append(s.sizes, n)
	}
	if len(s.steps) == 0 {
		return builtins.Step{Take: n}
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	if step.Take < 0 || step.Take > n {
		step.Take = n
	}
	return step
}

func (s *script) Result() (code int, after time.Duration) { return s.code, s.after }

// Steps of a script.
var (
	blocks   = builtins.Step{Status: builtins.Blocked}
	stalls   = builtins.Step{After: builtins.Never}
	goes     = builtins.Step{Status: builtins.Dropped}
	takesAll = builtins.Step{Take: -1, After: time.Millisecond}
)

func takes(n int) builtins.Step { return builtins.Step{Take: n} }

func cancelled(n int) builtins.Step { return builtins.Step{Take: n, Status: builtins.Cancelled} }

// A bench is a host and what its readers took.
type bench struct {
	*builtins.Host
	*script
	out   bytes.Buffer
	calls []string
}

// newBench makes a new host the current one until the test ends.
func newBench(t *testing.T, steps ...builtins.Step) *bench {
	b := &bench{Host: builtins.New(), script: &script{steps: steps, code: -1}}
	before := builtins.Use(b.Host)
	t.Cleanup(func() { builtins.Use(before) })
	b.Host.Call = func(name string, _ uint32) { b.calls = append(b.calls, name) }
	return b
}

// stream returns a Writer on a new stream.
func (b *bench) stream() *p3.Writer {
	w, reader := p3.NewStream()
	b.Attach(uint32(reader), b.script, &b.out)
	b.calls = nil
	return w
}

// stdout returns a Writer on a new standard output.
func (b *bench) stdout() *p3.Writer {
	b.SetStdio(1, b.script, &b.out)
	return p3.NewStdout()
}

func TestALineIsOneCall(t *testing.T) {
	b := newBench(t)
	w := b.stream()
	for i := range 100 {
		n, err := fmt.Fprintln(w, "line", i)
		require.NoError(t, err)
		assert.Equal(t, len(fmt.Sprintln("line", i)), n)
	}
	assert.Equal(t, 100, b.Count("stream.write"))
	assert.Len(t, b.calls, 100)
	require.NoError(t, w.Close())
	assert.Equal(t, "stream.drop-writable", b.calls[100])
	assert.Len(t, b.calls, 101)
	assert.Empty(t, b.Live())
}

func TestNoAllocation(t *testing.T) {
	b := newBench(t)
	w, reader := p3.NewStream()
	b.Attach(uint32(reader), builtins.Keen{}, io.Discard)
	b.Host.Call = nil
	line := []byte("line\n")
	assert.Zero(t, testing.AllocsPerRun(1000, func() { w.Write(line) }))
	assert.Zero(t, testing.AllocsPerRun(1000, func() { w.WriteString("line\n") }))
	w.SetWriteDeadline(time.Now().Add(time.Hour))
	assert.Zero(t, testing.AllocsPerRun(1000, func() { w.Write(line) }))
}

// A wait costs one set, which is dropped, and with a deadline a clock.
func TestCallsOfAWait(t *testing.T) {
	b := newBench(t, blocks, takesAll)
	w := b.stream()
	_, err := w.WriteString("abc")
	require.NoError(t, err)
	wait := []string{"stream.write", "waitable-set.new", "waitable.join", "waitable-set.wait", "waitable.join", "waitable-set.drop"}
	assert.Equal(t, wait, b.calls)

	w.SetWriteDeadline(time.Now().Add(time.Hour))
	b.calls, b.steps = nil, []builtins.Step{blocks, takesAll}
	_, err = w.WriteString("abc")
	require.NoError(t, err)
	assert.Equal(t, []string{"now", "stream.write", "waitable-set.new", "waitable.join", "now", "wait-for", "waitable.join",
		"waitable-set.wait", "waitable.join", "subtask.cancel", "subtask.drop", "waitable.join", "waitable-set.drop"}, b.calls)

	b.calls, b.steps = nil, []builtins.Step{blocks, stalls, cancelled(1)}
	n, err := w.WriteString("abc")
	assert.Equal(t, 1, n)
	assertTimeout(t, err)
	assert.Equal(t, []string{"now", "stream.write", "waitable-set.new", "waitable.join", "now", "wait-for", "waitable.join",
		"waitable-set.wait", "waitable.join", "subtask.drop", "waitable.join", "waitable-set.drop", "stream.cancel-write", "now"}, b.calls)
	assert.InDelta(t, float64(time.Hour), float64(b.Now()), float64(time.Second))
}

// assertTimeout checks that err is a timeout.
func assertTimeout(t *testing.T, err error) {
	t.Helper()
	var failed *wasio.Error
	require.ErrorAs(t, err, &failed)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.True(t, failed.Timeout())
	assert.Contains(t, err.Error(), "i/o timeout")
}

// assertNotOpen checks the error of a call on a Writer that is not open.
func assertNotOpen(t *testing.T, err error, op string) {
	t.Helper()
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.EqualError(t, err, "wasio: "+op+": writer is not open")
	var failed *wasio.Error
	require.ErrorAs(t, err, &failed)
	assert.False(t, failed.Timeout())
}

func TestLargeWrite(t *testing.T) {
	b := newBench(t)
	w, reader := p3.NewStream()
	b.Attach(uint32(reader), b.script, io.Discard)
	n, err := w.Write(make([]byte, 1<<28))
	require.NoError(t, err)
	assert.Equal(t, 1<<28, n)
	assert.Equal(t, []int{1<<28 - 1, 1}, b.sizes)
}

func TestPieces(t *testing.T) {
	b := newBench(t, takes(3), takes(0), blocks, takes(4), takes(1))
	w := b.stream()
	n, err := w.WriteString("a line of text")
	require.NoError(t, err)
	assert.Equal(t, 14, n)
	assert.Equal(t, "a line of text", b.out.String())
	assert.Equal(t, []int{14, 11, 11, 7, 6}, b.sizes)
}

// A host that says a hundred times in a row that it took nothing is given up.
func TestNoProgress(t *testing.T) {
	b := newBench(t, takes(1))
	for range 200 {
		b.steps = append(b.steps, takes(0))
	}
	w := b.stream()
	n, err := w.WriteString("abc")
	assert.Equal(t, 1, n)
	assert.ErrorIs(t, err, io.ErrNoProgress)
	assert.Len(t, b.calls, 101)
	_, again := w.WriteString("abc")
	assert.Same(t, err, again)
	assert.Same(t, err, w.Close())
	assert.Empty(t, b.Live())
}

// Progress starts the count anew.
func TestSlowProgress(t *testing.T) {
	b := newBench(t)
	for range 3 {
		for range 99 {
			b.steps = append(b.steps, takes(0))
		}
		b.steps = append(b.steps, takes(1))
	}
	n, err := b.stream().WriteString("abc")
	assert.NoError(t, err)
	assert.Equal(t, 3, n)
}

func TestEmptyWriteMakesNoCall(t *testing.T) {
	b := newBench(t)
	for _, w := range []*p3.Writer{b.stream(), b.stdout()} {
		n, err := w.Write(nil)
		assert.NoError(t, err)
		assert.Zero(t, n)
	}
	assert.Empty(t, b.calls)
}

func TestNotOpen(t *testing.T) {
	b := newBench(t)
	closed := b.stream()
	require.NoError(t, closed.Close())
	b.calls = nil
	for _, w := range []*p3.Writer{new(p3.Writer), closed} {
		n, err := w.Write([]byte("x"))
		assert.Zero(t, n)
		assertNotOpen(t, err, "write")
		_, err = w.Write(nil)
		assertNotOpen(t, err, "write")
		_, err = w.WriteString("x")
		assertNotOpen(t, err, "write")
		_, err = w.ReadFrom(iotest.ErrReader(errors.New("not to be read")))
		assertNotOpen(t, err, "flush")
		assertNotOpen(t, w.Flush(), "flush")
		assertNotOpen(t, w.SetWriteDeadline(time.Now()), "set-write-deadline")
		assert.NoError(t, w.Close())
	}
	assert.Empty(t, b.calls)
}

// A reader that goes as it takes the last byte fails the next Write, and nothing else.
func TestReaderGoesAtTheEnd(t *testing.T) {
	for name, write := range map[string]func(w *p3.Writer) error{
		"Write":    func(w *p3.Writer) error { _, err := w.Write([]byte("d")); return err },
		"ReadFrom": func(w *p3.Writer) error { _, err := w.ReadFrom(strings.NewReader("d")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, builtins.Step{Take: 3, Status: builtins.Dropped})
			w := b.stream()
			_, err := w.WriteString("abc")
			assert.NoError(t, err)
			assert.NoError(t, w.Flush())
			_, err = w.Write(nil)
			assert.NoError(t, err)
			err = write(w)
			assert.ErrorIs(t, err, io.ErrClosedPipe)
			assert.Same(t, err, w.Flush())
			_, again := w.Write(nil)
			assert.Same(t, err, again)
			assert.Same(t, err, w.Close())
			assert.Len(t, b.calls, 2)
			assert.Empty(t, b.Live())
		})
	}
	b := newBench(t, builtins.Step{Take: 3, Status: builtins.Dropped})
	w := b.stream()
	_, err := w.WriteString("abc")
	assert.NoError(t, err)
	assert.NoError(t, w.Close())
}

func TestStandardStreams(t *testing.T) {
	b := newBench(t)
	var log bytes.Buffer
	out, errs := b.stdout(), p3.NewStderr()
	b.SetStdio(2, builtins.Keen{}, &log)
	require.NoError(t, out.Flush())
	require.NoError(t, out.Close())
	assert.Empty(t, b.calls, "nothing is opened until something is written")
	fmt.Fprint(out, "one ")
	fmt.Fprint(errs, "log")
	require.NoError(t, out.Close())
	require.NoError(t, out.Close())
	assert.Equal(t, 1, b.Count("future.read"))
	fmt.Fprint(out, "two")
	require.NoError(t, out.Close())
	require.NoError(t, errs.Close())
	assert.Equal(t, "one two", b.out.String())
	assert.Equal(t, "log", log.String())
	assert.Empty(t, b.Live())
	assert.Same(t, p3.Stdout(), p3.Stdout())
	assert.Same(t, p3.Stderr(), p3.Stderr())
	assert.NotSame(t, p3.Stdout(), p3.Stderr())
}

// If standard output has failed, it stays so.
func TestStandardStreamFails(t *testing.T) {
	for name, c := range map[string]struct {
		steps []builtins.Step
		code  int
		text  string
	}{
		"disk full":             {[]builtins.Step{goes}, 0, "wasio: write: input/output error"},
		"disk full at the end":  {[]builtins.Step{{Take: 1, Status: builtins.Dropped}}, 0, "wasio: write: input/output error"},
		"broken pipe":           {[]builtins.Step{goes}, 2, "wasio: write: stream closed by the reader"},
		"no reason":             {[]builtins.Step{goes}, -1, "wasio: write: stream closed by the reader"},
		"text":                  {[]builtins.Step{goes}, 1, "wasio: write: illegal byte sequence"},
		"unknown":               {[]builtins.Step{goes}, 3, "wasio: write: stream closed by the reader"},
		"while the guest waits": {[]builtins.Step{blocks, goes}, 0, "wasio: write: input/output error"},
		"only Close tells":      {nil, 0, "wasio: close: input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.steps...)
			b.code = c.code
			w := b.stdout()
			n, err := w.WriteString("x")
			if c.steps == nil {
				assert.NoError(t, err)
				assert.Equal(t, 1, n)
				err = w.Close()
			}
			assert.EqualError(t, err, c.text)
			assert.Equal(t, strings.Contains(c.text, "closed"), errors.Is(err, io.ErrClosedPipe))
			calls := len(b.calls)
			_, again := w.WriteString("x")
			assert.Same(t, err, again)
			assert.Same(t, err, w.Flush())
			assert.Len(t, b.calls, calls)
			assert.Same(t, err, w.Close())
			assert.Same(t, err, w.Close())
			_, again = w.WriteString("x")
			assert.Same(t, err, again)
			assert.Empty(t, b.Live())
		})
	}
}

// Close waits for the future until the deadline. A timeout does not stick.
func TestCloseWaits(t *testing.T) {
	b := newBench(t)
	b.after = time.Hour
	w := b.stdout()
	fmt.Fprint(w, "one")
	require.NoError(t, w.Close())
	assert.Equal(t, time.Hour, b.Now())

	fmt.Fprint(w, " two")
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	assertTimeout(t, w.Close())
	assert.InDelta(t, float64(61*time.Minute), float64(b.Now()), float64(time.Second))
	assert.Equal(t, 1, b.Count("future.cancel-read"))
	assert.Empty(t, b.Live())

	w.SetWriteDeadline(time.Time{})
	fmt.Fprint(w, " three")
	require.NoError(t, w.Close())
	assert.Equal(t, "one two three", b.out.String())
}

func TestSetResult(t *testing.T) {
	full := errors.New("disk full")
	for _, gone := range []bool{false, true} {
		for _, reason := range []error{nil, full} {
			t.Run(fmt.Sprint(gone, reason), func(t *testing.T) {
				b := newBench(t)
				w := b.stream()
				asked := 0
				w.SetResult(func() error {
					asked++
					assert.Equal(t, !gone, b.Count("stream.drop-writable") == 1, "Close drops before it asks")
					return reason
				})
				if gone {
					b.steps = []builtins.Step{goes}
				}
				_, err := w.WriteString("x")
				cerr := w.Close()
				switch {
				case gone && reason == nil:
					assert.ErrorIs(t, err, io.ErrClosedPipe)
					assert.Same(t, err, cerr)
				case gone:
					assert.EqualError(t, err, "wasio: write: disk full")
					assert.ErrorIs(t, err, full)
					assert.Same(t, err, cerr)
				case reason == nil:
					assert.NoError(t, err)
					assert.NoError(t, cerr)
				default:
					assert.NoError(t, err)
					assert.EqualError(t, cerr, "wasio: close: disk full")
				}
				assert.NoError(t, w.Close())
				assert.Equal(t, 1, asked)
				assert.Empty(t, b.Live())
			})
		}
	}
}

// A standard stream has a future of its own, which says more. No function is asked instead, not even
// after the stream has failed.
func TestSetResultOfStdout(t *testing.T) {
	for _, fails := range []bool{false, true} {
		b := newBench(t)
		if fails {
			b.steps = []builtins.Step{goes}
		}
		w := b.stdout()
		w.SetResult(func() error { return errors.New("not to be asked") })
		_, err := w.WriteString("x")
		assert.Equal(t, fails, errors.Is(err, io.ErrClosedPipe), "%v", err)
		w.SetResult(func() error { assert.Fail(t, "asked"); return nil })
		assert.Equal(t, err, w.Close())
		assert.Empty(t, b.Live())
	}
}

func TestReadFrom(t *testing.T) {
	b := newBench(t, takes(10), blocks, takesAll)
	w := b.stream()
	text := strings.Repeat("All work and no play makes Jack a dull boy. ", 2000)
	n, err := w.ReadFrom(strings.NewReader(text))
	require.NoError(t, err)
	assert.EqualValues(t, len(text), n)
	assert.Equal(t, text, b.out.String())
	assert.Equal(t, []int{32 << 10, 32<<10 - 10, 32 << 10, len(text) - 64<<10}, b.sizes)

	b.steps = []builtins.Step{goes}
	n, err = w.ReadFrom(strings.NewReader("abc"))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	_, again := w.ReadFrom(iotest.ErrReader(errors.New("not to be read")))
	assert.Same(t, err, again)
}

// A source may return its last bytes together with its end.
func TestReadFromFailsAtTheEnd(t *testing.T) {
	b := newBench(t, goes)
	w := b.stream()
	n, err := w.ReadFrom(iotest.DataErrReader(strings.NewReader("abc")))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrClosedPipe)

	b = newBench(t, blocks, stalls, cancelled(1))
	w = b.stream()
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	n, err = w.ReadFrom(iotest.DataErrReader(strings.NewReader("abc")))
	assert.EqualValues(t, 3, n)
	assertTimeout(t, err)
}

func TestReadFromFails(t *testing.T) {
	b := newBench(t)
	w := b.stream()
	broken := errors.New("broken")
	n, err := w.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	assert.EqualValues(t, 3, n)
	assert.Same(t, broken, err)
	reads := 0
	n, err = w.ReadFrom(reader(func([]byte) (int, error) { reads++; return 0, nil }))
	assert.Zero(t, n)
	assert.Same(t, io.ErrNoProgress, err)
	assert.Equal(t, 100, reads)
	reads = 0
	n, err = w.ReadFrom(reader(func(p []byte) (int, error) {
		if reads++; reads%100 == 0 {
			return copy(p, "x"), nil
		} else if reads > 250 {
			return 0, io.EOF
		}
		return 0, nil
	}))
	assert.EqualValues(t, 2, n)
	assert.NoError(t, err, "a Read of something begins the count anew")
	_, err = w.WriteString("d")
	assert.NoError(t, err, "an error of the source does not stick")
	assert.Equal(t, "abcxxd", b.out.String())
}

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// The next call first writes what a ReadFrom read but could not write before a deadline.
func TestReadFromMeetsTheDeadline(t *testing.T) {
	for name, next := range map[string]func(w *p3.Writer) error{
		"Write":    func(w *p3.Writer) error { _, err := w.WriteString("!"); return err },
		"Flush":    (*p3.Writer).Flush,
		"Close":    (*p3.Writer).Close,
		"ReadFrom": func(w *p3.Writer) error { _, err := w.ReadFrom(strings.NewReader("!")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, takes(2), blocks, stalls, cancelled(1))
				w := b.stream()
				w.SetWriteDeadline(time.Now().Add(time.Minute))
				n, err := w.ReadFrom(strings.NewReader("abcdef"))
				assert.EqualValues(t, 6, n, "what was read")
				assertTimeout(t, err)
				assert.Equal(t, "abc", b.out.String())
				calls := len(b.sizes)
				n, err = w.ReadFrom(iotest.ErrReader(errors.New("not to be read")))
				assert.Zero(t, n)
				assertTimeout(t, err)
				assertTimeout(t, w.Flush())
				m, err := w.WriteString("?")
				assert.Zero(t, m)
				assertTimeout(t, err)
				m, err = w.Write(nil)
				assert.Zero(t, m)
				assert.NoError(t, err)
				assert.Len(t, b.sizes, calls)

				w.SetWriteDeadline(time.Now().Add(time.Minute))
				b.steps = []builtins.Step{takes(1), blocks, stalls, cancelled(0)}
				_, err = w.WriteString("?")
				assertTimeout(t, err)
				assert.Equal(t, "abcd", b.out.String())

				w.SetWriteDeadline(time.Time{})
				require.NoError(t, next(w))
				assert.Equal(t, "abcdef", strings.TrimSuffix(b.out.String(), "!"))
				require.NoError(t, w.Close())
				assert.Empty(t, b.Live())
			})
		})
	}
}

// If the deadline has passed, Close drops what a ReadFrom could not write in time.
func TestCloseAfterTheDeadline(t *testing.T) {
	b := newBench(t, blocks, stalls, cancelled(1))
	w := b.stream()
	leaveRest(t, w)
	assertTimeout(t, w.Close())
	assert.Equal(t, "a", b.out.String())
	assert.Empty(t, b.Live())
	assert.NoError(t, w.Close())
	_, err := w.Write([]byte("x"))
	assertNotOpen(t, err, "write")
}

func TestDeadlineInThePast(t *testing.T) {
	b := newBench(t)
	w := b.stream()
	w.SetWriteDeadline(time.Unix(1, 0))
	n, err := w.WriteString("x")
	assert.Zero(t, n)
	assertTimeout(t, err)
	assert.EqualError(t, err, "wasio: write: i/o timeout")
	assert.EqualError(t, w.Flush(), "wasio: flush: i/o timeout")
	assert.NoError(t, w.Close(), "nothing is left to be written")
	assert.Zero(t, b.Count("stream.write"))
}

// A deadline is never the clock's time 0.
func TestDeadlineAtTheStartOfTheClock(t *testing.T) {
	b := newBench(t, blocks, builtins.Step{Take: 1, After: 1})
	w := b.stream()
	for range 3 {
		w.SetWriteDeadline(time.Unix(1, 0))
		_, err := w.WriteString("x")
		assertTimeout(t, err)
		w.SetWriteDeadline(time.Time{})
		b.steps = []builtins.Step{blocks, {Take: 1, After: 1}}
		_, err = w.WriteString("x")
		assert.NoError(t, err)
	}
	assert.EqualValues(t, 3, b.Now())
}

func TestFarDeadline(t *testing.T) {
	b := newBench(t, blocks, takesAll)
	w := b.stream()
	w.SetWriteDeadline(time.Unix(1<<40, 0))
	_, err := w.WriteString("x")
	assert.NoError(t, err)
}

// A deadline is checked after other goroutines have run between two pieces.
func TestDeadlineBetweenPieces(t *testing.T) {
	b := newBench(t)
	for range 10 {
		b.steps = append(b.steps, blocks, builtins.Step{Take: 1, After: time.Second})
	}
	b.steps = append(b.steps, cancelled(0))
	w := b.stream()
	w.SetWriteDeadline(time.Now().Add(9500 * time.Millisecond))
	n, err := w.Write(make([]byte, 100))
	assert.Equal(t, 9, n)
	assertTimeout(t, err)
}

// Writes are never interleaved, and the caller may reuse p when Write returns.
func TestConcurrentWrites(t *testing.T) {
	b := newBench(t)
	w := b.stream()
	for range 2000 {
		b.steps = append(b.steps, takes(7), blocks, takes(3), takes(1))
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			p := make([]byte, 64)
			for range 50 {
				line := strings.Repeat(string(rune('a'+g)), 63) + "\n"
				n, err := w.Write(append(p[:0], line...))
				assert.NoError(t, err)
				assert.Equal(t, 64, n)
				clear(p)
			}
		})
	}
	wg.Wait()
	require.NoError(t, w.Close())
	lines := strings.SplitAfter(b.out.String(), "\n")
	assert.Len(t, lines, 401)
	for _, line := range lines[:400] {
		assert.Equal(t, strings.Repeat(line[:1], 63)+"\n", line)
	}
}

// A goroutine that writes in a loop lets others run, and before a wait, too.
func TestOthersRun(t *testing.T) {
	line := make([]byte, 100)
	for name, write := range map[string]func(w *p3.Writer){
		"lines":  func(w *p3.Writer) { w.Write(line) },
		"errors": func(w *p3.Writer) { new(p3.Writer).Write(line) },
		"flush":  func(w *p3.Writer) { w.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			b := newBench(t)
			w := b.stream()
			var ran atomic.Bool
			go ran.Store(true)
			writes := 0
			for ; !ran.Load() && writes < 10_000; writes++ {
				write(w)
			}
			assert.LessOrEqual(t, writes, 2*512)
		})
	}
	t.Run("large", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		b := newBench(t)
		w := b.stream()
		for range 512 {
			w.Write(line) // so that the count begins anew at some point
		}
		var ran atomic.Bool
		go ran.Store(true)
		large, writes := make([]byte, 4<<20), 0
		for ; !ran.Load() && writes < 100; writes++ {
			w.Write(large)
		}
		// Once in 61 times the scheduler resumes the goroutine that has just yielded.
		assert.LessOrEqual(t, writes, 4)
	})
	t.Run("wait", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		b := newBench(t)
		for range 10 {
			b.steps = append(b.steps, blocks, takes(1))
		}
		w := b.stream()
		var ran atomic.Bool
		waits := 0 // until another goroutine has run
		call := b.Call
		b.Call = func(name string, handle uint32) {
			call(name, handle)
			if name == "waitable-set.wait" && !ran.Load() {
				waits++
			}
		}
		go ran.Store(true)
		w.Write(line[:10])
		assert.True(t, ran.Load())
		assert.Less(t, waits, 10)
	})
}

// Others run, and not too often, as that would cost more than the Writes.
func TestOthersRunNowAndThen(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w := newBench(t).stream()
	var turns atomic.Int32
	var done atomic.Bool
	go func() {
		for ; !done.Load(); turns.Add(1) {
			runtime.Gosched()
		}
	}()
	for range 10 * 512 {
		w.WriteString("x")
	}
	done.Store(true)
	assert.GreaterOrEqual(t, turns.Load(), int32(8))
	assert.LessOrEqual(t, turns.Load(), int32(40))
}

// Others run after 512 Writes, and sooner if these are large.
func TestHowOftenOthersRun(t *testing.T) {
	for size, want := range map[int]int{0: 512, 1: 512, 8 << 10: 256, 24 << 10: 128, 4 << 20: 1} {
		for !p3.Yield(0) { // begin anew
		}
		for range 3 {
			calls := 1
			for !p3.Yield(size) {
				calls++
			}
			assert.Equal(t, want, calls, "Writes of %d bytes", size)
		}
	}
}

// A bufio.Writer is enough: there is no flush that another buffer could save.
func TestBufio(t *testing.T) {
	b := newBench(t)
	w := bufio.NewWriter(b.stdout())
	for range 1000 {
		fmt.Fprintln(w, "a line of text")
	}
	require.NoError(t, w.Flush())
	assert.Equal(t, strings.Repeat("a line of text\n", 1000), b.out.String())
	assert.Equal(t, 15000/4096+1, b.Count("stream.write"))
}

// If nobody reads the other end, a Write waits forever, which is a trap on the model.
func TestNobodyReads(t *testing.T) {
	newBench(t)
	w, _ := p3.NewStream()
	assert.PanicsWithError(t, "trap: a wait that nothing ends", func() { w.WriteString("x") })
	w, _ = p3.NewStream()
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	n, err := w.WriteString("x")
	assert.Zero(t, n)
	assertTimeout(t, err)
}

// On a real host a trap ends the program. Here it panics, and a test may recover. No lock stays
// held, whether the first host call of a method traps or its wait.
func TestTrapLeavesNothingLocked(t *testing.T) {
	for name, call := range map[string]func(w *p3.Writer) error{
		"Write":       func(w *p3.Writer) error { _, err := w.Write([]byte("x")); return err },
		"WriteString": func(w *p3.Writer) error { _, err := w.WriteString("x"); return err },
		"ReadFrom":    func(w *p3.Writer) error { _, err := w.ReadFrom(strings.NewReader("x")); return err },
		"Close": func(w *p3.Writer) error {
			w.SetResult(func() error { panic("trap: in the function of SetResult") })
			return w.Close()
		},
	} {
		for _, dropped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dropped %t", name, dropped), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
					b := newBench(t)
					w, reader := p3.NewStream()
					if dropped {
						b.StreamDropWritable(uint32(reader) - 1)
					}
					assert.Panics(t, func() { call(w) })
					w.SetResult(nil)
				})
			})
		}
	}
}

// While ReadFrom reads, other calls may use the Writer.
func TestReadFromLetsOthersWriteWhileItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
		b := newBench(t)
		w := b.stream()
		reads := 0
		n, err := w.ReadFrom(reader(func(p []byte) (int, error) {
			if reads++; reads == 2 {
				return 0, io.EOF
			}
			_, err := w.WriteString("written, ")
			assert.NoError(t, err)
			assert.NoError(t, w.Flush())
			return copy(p, "read"), nil
		}))
		require.NoError(t, err)
		assert.EqualValues(t, 4, n)
		assert.Equal(t, "written, read", b.out.String())
	})
}

// SetWriteDeadline does not wait for a call under way.
func TestSetWriteDeadlineDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, blocks, builtins.Step{Take: 3, After: time.Hour})
		loop := newBindings(t, b.Host)
		w := b.stream()
		go w.WriteString("abc")
		synctest.Wait()
		set := false
		go func() {
			assert.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Minute)))
			set = true
		}()
		synctest.Wait()
		assert.True(t, set)
		for loop.step() {
		}
		assert.Equal(t, "abc", b.out.String())
		require.NoError(t, w.Close())
	})
}

// leaveRest makes a ReadFrom of w time out that has written one byte of three.
func leaveRest(t *testing.T, w *p3.Writer) {
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	n, err := w.ReadFrom(strings.NewReader("abc"))
	assert.EqualValues(t, 3, n)
	assertTimeout(t, err)
}

// What Close has dropped does not get into the next stream of standard output.
func TestWhatCloseDropsIsNotWrittenLater(t *testing.T) {
	b := newBench(t, blocks, stalls, cancelled(1))
	w := b.stdout()
	leaveRest(t, w)
	assertTimeout(t, w.Close())
	w.SetWriteDeadline(time.Time{})
	_, err := w.WriteString("d")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, "ad", b.out.String())
	assert.Empty(t, b.Live())
}

// Other goroutines run before each wait, not after it: the host may block the instance for an hour.
func TestOthersRunBeforeTheFirstWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	waited := 0 // how many waits began before another goroutine had run
	for range 21 {
		b := newBench(t, blocks, takesAll)
		w := b.stream()
		var ran atomic.Bool
		b.Call = func(name string, _ uint32) {
			if name == "waitable-set.wait" && !ran.Load() {
				waited++
			}
		}
		go ran.Store(true)
		w.WriteString("x")
		require.Equal(t, 1, b.Count("waitable-set.wait"))
	}
	assert.LessOrEqual(t, waited, 2) // once in 61 times the scheduler resumes the goroutine that yields
}

// If the reader goes as it takes what a ReadFrom has left, the Write that comes after that is
// refused. Another write on the stream would trap.
func TestReaderGoesWithWhatReadFromLeft(t *testing.T) {
	b := newBench(t, blocks, stalls, cancelled(1))
	w := b.stream()
	leaveRest(t, w)
	w.SetWriteDeadline(time.Time{})
	b.steps = []builtins.Step{{Take: 2, Status: builtins.Dropped}}
	m, err := w.WriteString("d")
	assert.Zero(t, m)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Equal(t, "abc", b.out.String())
}

// A second Close does nothing, also if the reader has gone with the last byte.
func TestCloseTwiceAfterTheReaderHasGone(t *testing.T) {
	b := newBench(t, builtins.Step{Take: 3, Status: builtins.Dropped})
	w := b.stdout()
	_, err := w.WriteString("abc")
	require.NoError(t, err)
	assert.NoError(t, w.Close())
	assert.NoError(t, w.Close())
	assert.Empty(t, b.Live())
}

// Natively a Write fails as that of the file behind standard output does.
func TestStandardOutputFails(t *testing.T) {
	for _, c := range []struct{ err, want error }{{syscall.ENOSPC, nil}, {syscall.EPIPE, io.ErrClosedPipe}, {os.ErrClosed, io.ErrClosedPipe}} {
		b := newBench(t)
		b.SetStdio(1, builtins.Keen{}, writer(func(p []byte) (int, error) { return 1, c.err }))
		w := p3.NewStdout()
		n, err := w.WriteString("abc")
		assert.Equal(t, 1, n)
		if c.want != nil {
			assert.ErrorIs(t, err, c.want)
		} else {
			assert.EqualError(t, err, "wasio: write: input/output error")
		}
		assert.Same(t, err, w.Close())
	}
}

type writer func(p []byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }
