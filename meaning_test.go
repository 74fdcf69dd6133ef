//go:build !module.std

package wasio_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// Bytes that a Splice has moved are not lost if it times out: the next call that flushes delivers
// them.
func TestSpliceThatTimesOutOwesAFlush(t *testing.T) {
	for name, flush := range map[string]func(w *wasio.Writer, b *wasio.BufWriter) error{
		"Close":           func(w *wasio.Writer, _ *wasio.BufWriter) error { return w.Close() },
		"Flush":           func(w *wasio.Writer, _ *wasio.BufWriter) error { return w.Flush() },
		"BufWriter.Flush": func(_ *wasio.Writer, b *wasio.BufWriter) error { return b.Flush() },
		"BufWriter.Close": func(_ *wasio.Writer, b *wasio.BufWriter) error { return b.Close() },
		"Write":           func(w *wasio.Writer, _ *wasio.BufWriter) error { _, err := w.WriteString("!"); return err },
		"ReadFrom": func(w *wasio.Writer, _ *wasio.BufWriter) error {
			_, err := w.ReadFrom(strings.NewReader(""))
			return err
		},
	} {
		for whose, plans := range map[string][2]wasiotest.Plan{
			"src": {{Hold: true}, {Permits: []uint64{4, 0}, Delay: time.Hour}},
			"w":   {{Hold: true, Permits: []uint64{100, 4, 0}, Delay: time.Hour}, {}},
		} {
			t.Run(name+"/"+whose, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEcho(t, plans[0], plans[1], strings.NewReader("abcdefgh"))
					_, err := e.w.WriteString("before ") // which is flushed
					require.NoError(t, err)
					require.NoError(t, e.w.SetWriteDeadline(time.Now().Add(time.Second)))
					moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
					require.ErrorIs(t, err, os.ErrDeadlineExceeded)
					require.EqualValues(t, 4, moved)
					assert.Equal(t, "before ", e.String(), "the host holds the rest")
					require.NoError(t, e.w.SetWriteDeadline(time.Time{}))
					require.NoError(t, flush(e.w, wasio.NewBufWriter(e.w)))
					assert.Equal(t, "before abcd", strings.TrimSuffix(e.String(), "!"))
				})
			})
		}
	}
}

// The timeout of a Splice names the stream that it waited for, and sticks for neither. After the
// deadline is extended, a Write and another Splice succeed.
func TestTimeoutOfASpliceNamesItsOwner(t *testing.T) {
	for op, plans := range map[string][2]wasiotest.Plan{
		"read":        {{}, {Permits: []uint64{4, 0}, Delay: 2 * time.Second}},
		"check-write": {{Permits: []uint64{4, 0}, Delay: 2 * time.Second}, {}},
	} {
		for _, standard := range []bool{false, true} {
			t.Run(fmt.Sprint(op, standard), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w *wasio.Writer
					var s *wasiotest.Stream
					if standard {
						s = wasiotest.SetStdout(t, plans[0])
						w = wasio.Stdout()
					} else {
						w, s = newWriter(t, plans[0])
					}
					in := s.NewInput(t, plans[1], strings.NewReader("abcdefgh"))
					defer in.Drop()
					start := time.Now()
					require.NoError(t, w.SetWriteDeadline(start.Add(time.Second)))
					moved, err := wasio.Splice(w, in.Handle(), -1)
					assert.EqualValues(t, 4, moved)
					assert.EqualError(t, err, "wasio: "+op+": i/o timeout")
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					assert.True(t, err.(net.Error).Timeout())
					assert.Equal(t, time.Second, time.Since(start))

					require.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Minute)))
					n, err := w.WriteString("-")
					require.NoError(t, err)
					assert.Equal(t, 1, n)
					moved, err = wasio.Splice(w, in.Handle(), -1)
					require.NoError(t, err)
					assert.EqualValues(t, 4, moved)
					assert.Equal(t, "abcd-efgh", s.String())
				})
			})
		}
	}
}

// If src makes no progress, the bytes moved before are flushed all the same.
func TestSpliceFromASourceThatStopsFlushesWhatItMoved(t *testing.T) {
	for _, flushWaits := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			e := newEcho(t, wasiotest.Plan{Hold: true, FlushWaits: []int{flushWaits}},
				wasiotest.Plan{Permits: append([]uint64{4}, times(1000, 0)...)}, strings.NewReader("abcdefgh"))
			moved, err := e.splice(t, -1)
			assert.EqualValues(t, 4, moved)
			assert.ErrorIs(t, err, io.ErrNoProgress)
			assert.Equal(t, "abcd", e.String())
			assert.Equal(t, 1, e.Count("flush"))
			e.wantError(t, err, "read", "input stream is ready, but has no bytes", false)
		})
	}
}

// A stream that wakes the program 60 times in vain before each piece is slow, but not stuck. No
// call gives up on it, although the pauses between the pieces add up to more than a second.
func TestSlowStreamsAreNotGivenUp(t *testing.T) {
	slowly := wasiotest.Plan{Permits: append(times(60, 0), 1)}
	slowFlushes := wasiotest.Plan{FlushWaits: []int{60}}
	text := strings.Repeat("slow ", 8)
	write := func(e *echo) error { _, err := e.w.WriteString(text); return err }
	splice := func(e *echo) error { _, err := wasio.Splice(e.w, e.in.Handle(), -1); return err }
	for name, c := range map[string]struct {
		out, in wasiotest.Plan
		call    func(e *echo) error
	}{
		"Write":                 {slowly, wasiotest.Plan{}, write},
		"ReadFrom":              {slowly, wasiotest.Plan{}, func(e *echo) error { _, err := e.w.ReadFrom(strings.NewReader(text)); return err }},
		"Splice, w":             {slowly, wasiotest.Plan{}, splice},
		"Splice, src":           {wasiotest.Plan{}, slowly, splice},
		"Splice, both":          {slowly, slowly, splice},
		"Splice, src, recheck":  {wasiotest.Plan{}, slowly, func(e *echo) error { e.w.SetRecheckInterval(time.Hour); return splice(e) }},
		"Splice, both, recheck": {slowly, slowly, func(e *echo) error { e.w.SetRecheckInterval(time.Hour); return splice(e) }},
		"Flush": {slowFlushes, wasiotest.Plan{}, func(e *echo) error {
			for i := range text {
				if err := e.w.Flush(); err != nil {
					return fmt.Errorf("flush %d: %w", i, err)
				}
			}
			return write(e)
		}},
		"flush of each Write": {slowFlushes, wasiotest.Plan{}, func(e *echo) error {
			for i := range text {
				if _, err := e.w.WriteString(text[i : i+1]); err != nil {
					return fmt.Errorf("Write %d: %w", i, err)
				}
			}
			return nil
		}},
		"flush of each Splice": {slowFlushes, wasiotest.Plan{}, func(e *echo) error {
			for i := range text {
				if _, err := wasio.Splice(e.w, e.in.Handle(), 1); err != nil {
					return fmt.Errorf("Splice %d: %w", i, err)
				}
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t, c.out, c.in, strings.NewReader(text))
				began := time.Now()
				require.NoError(t, c.call(e))
				assert.Equal(t, text, e.String())
				assert.Greater(t, time.Since(began), 2*time.Second)
			})
		})
	}
}

// A stream that makes the program wait is not given up, however often a call checks it.
func TestShortRecheckIsPatient(t *testing.T) {
	for _, recheck := range []time.Duration{100 * µ, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := newTimed(t, host.Plan{Permits: []uint64{0, 1}, Delay: 3 * time.Second})
			w.SetRecheckInterval(recheck)
			start := time.Now()
			_, err := w.WriteString("x")
			require.NoError(t, err)
			assert.InDelta(t, 6*time.Second, time.Since(start), float64(time.Millisecond)*4)
		})
	}
}

// Bytes that bypassed the buffer of a BufWriter are out before a message that goes through Tie,
// even if the program ends right after the message.
func TestTieFlushesWhatHasLeftTheBuffer(t *testing.T) {
	for name, buffered := range map[string]string{"nothing buffered": "", "some buffered": " and this"} {
		w, s := newWriter(t, wasiotest.Plan{Hold: true, FlushWaits: []int{1}})
		b := wasio.NewBufWriterSize(w, 16)
		large := string(pattern(100))
		var seen string
		tied := wasio.Tie(b, writerFunc(func(p []byte) (int, error) {
			seen = s.String() // all that is out if the program ends here
			return len(p), nil
		}))
		b.WriteString(large)
		b.WriteString(buffered)
		assert.Empty(t, s.String(), name)
		fmt.Fprint(tied, "fatal")
		assert.Equal(t, large+buffered, seen, name)
	}
}

// A Reset while ReadFrom reads does not touch the part of the buffer that it reads into.
func TestResetWhileItReadsDoesNotShareTheBuffer(t *testing.T) {
	for _, buffered := range []string{"", "discarded"} {
		b, s := newBufWriter(t, 32, wasiotest.Plan{})
		w2, s2 := newWriter(t, wasiotest.Plan{})
		b.WriteString(buffered)
		n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
			for i := range p {
				p[i] = '.'
			}
			b.Reset(w2)
			assert.LessOrEqual(t, b.Available()+len(p), 32)
			_, err := b.WriteString("a text of more than 32 bytes, in pieces: ")
			assert.NoError(t, err)
			for _, c := range []byte("byte by byte, which fill any buffer, ") {
				assert.NoError(t, b.WriteByte(c))
			}
			assert.Equal(t, strings.Repeat(".", len(p)), string(p), "only the reader writes there")
			return copy(p, "and what was read"), io.EOF
		}))
		require.NoError(t, err)
		assert.EqualValues(t, 17, n)
		assert.Equal(t, 32, b.Size())
		require.NoError(t, b.Flush())
		assert.Equal(t, 32, b.Available(), "the whole buffer is back")
		assert.Empty(t, s.String())
		assert.Equal(t, "a text of more than 32 bytes, in pieces: byte by byte, which fill any buffer, and what was read", s2.String())
	}
}

// limits lists ways to bound the waits of a Writer. With each, a stream that makes no progress is
// noticed as without.
var limits = map[string]func(w *wasio.Writer){
	"none":                        func(*wasio.Writer) {},
	"SetRecheckInterval":          func(w *wasio.Writer) { w.SetRecheckInterval(time.Hour) },
	"SetRecheckInterval, short":   func(w *wasio.Writer) { w.SetRecheckInterval(100 * µ) },
	"SetRecheckInterval, removed": func(w *wasio.Writer) { w.SetRecheckInterval(time.Hour); w.SetRecheckInterval(0) },
	"deadline, removed":           func(w *wasio.Writer) { w.SetWriteDeadline(time.Now().Add(time.Hour)); w.SetWriteDeadline(time.Time{}) },
	"deadline of another Writer":  func(*wasio.Writer) { wasio.NewWriter(uint32(1)).SetWriteDeadline(time.Now().Add(time.Hour)) },
}

// testNoProgress checks that w and src give up after about a second.
func testNoProgress(t *testing.T, limit func(w *wasio.Writer)) {
	never := wasiotest.Plan{Permits: []uint64{0}}
	for name, c := range map[string]struct {
		out, in wasiotest.Plan
		call    func(e *echo) error
	}{
		"Write":       {never, wasiotest.Plan{}, func(e *echo) error { _, err := e.w.WriteString("x"); return err }},
		"Flush":       {wasiotest.Plan{FlushWaits: []int{1 << 30}}, wasiotest.Plan{}, func(e *echo) error { return e.w.Flush() }},
		"Splice, w":   {never, wasiotest.Plan{}, func(e *echo) error { _, err := wasio.Splice(e.w, e.in.Handle(), -1); return err }},
		"Splice, src": {wasiotest.Plan{}, never, func(e *echo) error { _, err := wasio.Splice(e.w, e.in.Handle(), -1); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t, c.out, c.in, strings.NewReader("x"))
				limit(e.w)
				// So that the test ends in any case:
				time.AfterFunc(time.Minute, func() { e.w.SetWriteDeadline(time.Now()) })
				start := time.Now()
				err := c.call(e)
				assert.ErrorIs(t, err, io.ErrNoProgress)
				assert.GreaterOrEqual(t, time.Since(start), time.Second)
				assert.Less(t, time.Since(start), time.Second+10*time.Millisecond)
				assert.Less(t, e.Count("check-write"), 1000, "a pause takes a millisecond on most hosts")
			})
		})
	}
}

func TestNoProgressIsNoticedWithAnyLimit(t *testing.T) {
	for name, limit := range limits {
		t.Run(name, func(t *testing.T) { testNoProgress(t, limit) })
	}
}

// The first bound in a program takes effect like any later one. Each is tested as the first one in
// a process of its own.
func TestFirstLimitOfAProgram(t *testing.T) {
	skipInGuest(t)
	const variable, deadline = "WASIO_TEST_FIRST_LIMIT", "deadline"
	switch name := os.Getenv(variable); name {
	case "":
	case deadline:
		synctest.Test(t, func(t *testing.T) {
			w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{0}, Delay: time.Hour})
			start := time.Now()
			w.SetWriteDeadline(start.Add(time.Second))
			_, err := w.WriteString("x")
			assertTimeout(t, err)
			assert.Equal(t, time.Second, time.Since(start))
		})
		return
	default:
		testNoProgress(t, limits[name])
		return
	}
	for _, name := range append(slices.Sorted(maps.Keys(limits)), deadline) {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestFirstLimitOfAProgram$", "-test.v", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), variable+"="+name)
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)
			assert.Contains(t, string(output), "--- PASS: TestFirstLimitOfAProgram")
		})
	}
}

// No lock stays held if the host traps in a flush that is owed, in a drain of a full buffer, or
// anywhere in a Splice.
func TestTrapOfAnOwedFlushLeavesNothingLocked(t *testing.T) {
	skipInGuest(t)
	full := func(b *wasio.BufWriter) {
		for b.Available() > 0 {
			b.WriteByte('x')
		}
	}
	owed := func(b *wasio.BufWriter) { b.Write(pattern(100)) }
	for name, c := range map[string]struct {
		before func(b *wasio.BufWriter)
		calls  int // the least number of host calls
		call   func(b *wasio.BufWriter, w *wasio.Writer, in uint32) error
	}{
		"BufWriter.Flush": {owed, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error { return b.Flush() }},
		"BufWriter.Sync":  {owed, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error { return b.Sync() }},
		"BufWriter.Close": {owed, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error { return b.Close() }},
		"Tie": {owed, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error {
			_, err := wasio.Tie(b, io.Discard).Write([]byte("x"))
			return err
		}},
		"BufWriter.WriteByte": {full, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error { return b.WriteByte('x') }},
		"BufWriter.WriteRune": {full, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error { _, err := b.WriteRune('é'); return err }},
		"BufWriter.ReadFrom": {full, 3, func(b *wasio.BufWriter, _ *wasio.Writer, _ uint32) error {
			_, err := b.ReadFrom(strings.NewReader("x"))
			return err
		}},
		"Writer.ReadFrom": {owed, 3, func(_ *wasio.BufWriter, w *wasio.Writer, _ uint32) error {
			_, err := w.ReadFrom(strings.NewReader(""))
			return err
		}},
		"Writer.Close": {owed, 3, func(_ *wasio.BufWriter, w *wasio.Writer, _ uint32) error { return w.Close() }},
		"Splice": {owed, 6, func(_ *wasio.BufWriter, w *wasio.Writer, in uint32) error {
			_, err := wasio.Splice(w, in, -1)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := 1
			for again := true; again; n++ {
				synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
					h := host.New(host.Options{})
					script := new(trapScript)
					base := expose(t, h)
					w := wasio.NewWriter(base | h.NewStream(host.Scripted(host.Plan{}, script), io.Discard))
					in := base | h.NewInput(host.Scripted(host.Plan{}, script), strings.NewReader("text"))
					b := wasio.NewBufWriterSize(w, 16)
					c.before(b)
					script.n = n
					var err error
					again, err = traps(func() error { return c.call(b, w, in) })
					assert.NoError(t, err)
					script.n = 0
					if !again {
						return
					}
					_, err = w.WriteString("written")
					assert.NoError(t, err)
					assert.NoError(t, b.WriteByte('b'))
					assert.NoError(t, b.Flush())
					assert.NoError(t, b.Close())
					assert.Len(t, h.Live(), 1, "the input stream")
				})
			}
			assert.Greater(t, n, c.calls, "each host call trapped once")
		})
	}
}

// Close of a standard stream flushes only if something was written since the last flush.
func TestCloseOfAStandardStreamFlushesOnce(t *testing.T) {
	for _, c := range standardStreams {
		for name, before := range map[string]struct {
			call    func(w *wasio.Writer)
			flushes int // that the first Close makes
		}{
			"nothing": {func(*wasio.Writer) {}, 1},
			"Flush":   {func(w *wasio.Writer) { w.Flush() }, 0},
			"Write":   {func(w *wasio.Writer) { w.WriteString("x") }, 0},
			"a Write that is not flushed": {func(w *wasio.Writer) {
				w.Flush()
				wasio.NewBufWriterSize(w, 16).Write(pattern(100))
			}, 1},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				s := c.set(t, wasiotest.Plan{Hold: true, FlushWaits: []int{1}})
				w := c.get()
				before.call(w)
				flushes := s.Count("flush")
				require.NoError(t, w.Close())
				assert.Equal(t, before.flushes, s.Count("flush")-flushes, "flushes of the first Close")
				calls := len(s.Calls())
				for range 3 {
					require.NoError(t, w.Close())
				}
				assert.Len(t, s.Calls(), calls, "no call of later ones")
				_, err := w.WriteString("still open")
				require.NoError(t, err)
				require.NoError(t, w.Close())
				assert.Equal(t, before.flushes+1, s.Count("flush")-flushes)
				assert.True(t, strings.HasSuffix(s.String(), "still open"))
			})
		}
	}
}

// Errors match by identity, not by text.
func TestErrorsAreNotMatchedByText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for kind, err := range errorsOf(t) {
			for _, e := range []error{err, errors.Unwrap(err), errors.Unwrap(errors.Unwrap(err))} {
				if e == nil {
					continue
				}
				for _, target := range []error{
					errors.New(e.Error()), net.InvalidAddrError(e.Error()), net.UnknownNetworkError(e.Error()), fmt.Errorf("%s", e),
					&wasio.Error{Op: "check-write", Err: errors.New(e.Error())},
				} {
					assert.NotErrorIs(t, err, target, "%s: %v", kind, target)
				}
			}
			for _, target := range []error{
				errors.New("file already closed"), net.InvalidAddrError("i/o timeout"), net.UnknownNetworkError("i/o timeout"),
				errors.New("i/o timeout"), errors.New("io: read/write on closed pipe"), errors.New("multiple Read calls return no data or error"),
			} {
				assert.NotErrorIs(t, err, target, "%s: %v", kind, target)
			}
			assert.Equal(t, strings.HasPrefix(kind, "closed") && kind != "closed by host", errors.Is(err, os.ErrClosed), kind)
			assert.Equal(t, kind == "timeout", errors.Is(err, os.ErrDeadlineExceeded), kind)
			assert.Equal(t, kind == "closed by host", errors.Is(err, io.ErrClosedPipe), kind)
			assert.Equal(t, kind == "no progress", errors.Is(err, io.ErrNoProgress), kind)
		}
	})
}

// A caller may change an error that it gets. That does not change the errors of other calls.
func TestErrorsMayBeChanged(t *testing.T) {
	source := func(plan wasiotest.Plan, limit time.Duration) func(t *testing.T) error {
		return func(t *testing.T) error {
			e := newEcho(t, wasiotest.Plan{}, plan, strings.NewReader("x"))
			if limit > 0 {
				e.w.SetWriteDeadline(time.Now().Add(limit))
			}
			_, err := wasio.Splice(e.w, e.in.Handle(), -1)
			return err
		}
	}
	kinds := map[string]func(t *testing.T) error{
		"timeout of src":     source(wasiotest.Plan{Permits: []uint64{0}, Delay: time.Hour}, time.Second),
		"no progress of src": source(wasiotest.Plan{Permits: []uint64{0}}, 0),
		"timeout in a wait": func(t *testing.T) error {
			w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{0}, Delay: time.Hour})
			w.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := w.WriteString("x")
			return err
		},
		"closed ReadFrom": func(*testing.T) error { _, err := new(wasio.Writer).ReadFrom(strings.NewReader("x")); return err },
		"closed Splice":   func(*testing.T) error { _, err := wasio.Splice(new(wasio.Writer), uint32(1), -1); return err },
	}
	for _, kind := range []string{"closed", "timeout", "closed by host", "no progress", "failed", "closed BufWriter"} {
		kinds[kind] = func(t *testing.T) error { return errorsOf(t)[kind] }
	}
	for kind, get := range kinds {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := get(t)
				text, timeout, reason := err.Error(), err.(net.Error).Timeout(), errors.Unwrap(errors.Unwrap(err))
				var e *wasio.Error
				require.ErrorAs(t, err, &e)
				e.Op = "page 1"
				e.Err = fmt.Errorf("page 1: %w", e.Err)
				assert.NotEqual(t, text, err.Error())

				later := get(t)
				assert.EqualError(t, later, text)
				assert.Equal(t, timeout, later.(net.Error).Timeout())
				if reason != nil {
					assert.ErrorIs(t, later, reason)
				}
			})
		})
	}
	t.Run("timeouts of one Writer", func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{})
		b := wasio.NewBufWriterSize(w, 16)
		b.WriteString("x")
		w.SetWriteDeadline(time.Now())
		for _, call := range []func() error{w.Flush, b.Flush, w.Flush, b.Flush} {
			err := call()
			assertTimeout(t, err)
			err.(*wasio.Error).Err = errors.New("changed")
		}
		w.SetWriteDeadline(time.Time{})
		assert.NoError(t, b.Flush(), "none sticks")
	})
}

// The text of an error is one line. Natively it is the host's text.
func TestTextOfAFailureIsTheHosts(t *testing.T) {
	for text, want := range map[string]string{
		"no space left on device":                            "no space left on device",
		"disk gone\n\nCaused by:\n    0: input/output error": "disk gone",
		"disk gone\n":           "disk gone",
		"\n\ndisk gone\r\nmore": "disk gone",
		"\r\n":                  "last operation failed",
		"":                      "last operation failed",
		strings.Repeat("a long line, ", 100) + "\nbacktrace\nmore": strings.Repeat("a long line, ", 100),
	} {
		for name, plan := range map[string]wasiotest.Plan{
			"wasio: check-write: ": {Faults: []wasiotest.Fault{{At: "check-write", Text: text}}},
			"wasio: write: ":       {Faults: []wasiotest.Fault{{At: "write", Text: text}}},
			"wasio: flush: ":       {Faults: []wasiotest.Fault{{At: "flush", Text: text}}},
		} {
			w, _ := newWriter(t, plan)
			_, err := w.WriteString("x")
			assert.EqualError(t, err, name+want)
		}
		e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read", Text: text}}}, strings.NewReader("x"))
		_, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.EqualError(t, err, "wasio: read: "+want)
	}
	h := host.New(host.Options{})
	w := wasio.NewWriter(expose(t, h) | h.NewStream(host.Plan{}, writerFunc(func([]byte) (int, error) { return 0, syscall.ENOSPC })))
	_, err := w.WriteString("x")
	assert.EqualError(t, err, "wasio: write: no space left on device")
	assert.Same(t, err, w.Close())
}

// switches returns about an eighth of how often the scheduler has started a goroutine.
func switches() (n uint64) {
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(samples)
	for _, c := range samples[0].Value.Float64Histogram().Counts {
		n += c
	}
	return n
}

// A thousand goroutines that wait for one Writer get their turn in the order in which they asked,
// and each one that is done wakes only the next one.
func TestThousandWaitInOrder(t *testing.T) {
	// The garbage collector has goroutines, which a busy machine starts thousands of times.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC() // ends the collection under way
	const goroutines, slow = 1000, 30
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
				w, s := newWriter(t, wasiotest.Plan{FlushWaits: slices.Concat(slices.Repeat([]int{1}, slow), make([]int, 2*goroutines)), Delay: time.Hour})
				out := output(w)
				first := start(func() { out.WriteString("holds the lock\n") })
				require.False(t, first())
				want := []string{"holds the lock\n"}
				var done atomic.Int32
				for i := range goroutines {
					line := fmt.Sprintln("line", i)
					want = append(want, line)
					go func() {
						out.WriteString(line)
						done.Add(1)
					}()
					synctest.Wait()
				}
				before := switches()
				for range slow {
					time.Sleep(time.Hour)
					synctest.Wait()
				}
				woken := switches() - before
				assert.True(t, first())
				assert.EqualValues(t, goroutines, done.Load())
				assert.True(t, slices.Equal(want, s.Records()), "in order")
				assert.Less(t, woken, uint64(goroutines), "if each one that is done woke all, it would be %d", slow*goroutines/8)
			})
		})
	}
}

// blocks waits until a goroutine of a synctest bubble waits in a function of package wasio.
func blocks(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	buf := make([]byte, 1<<20)
	for time.Now().Before(deadline) {
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			state, _, _ := strings.Cut(g, "\n")
			if strings.Contains(state, "synctest bubble") && strings.Contains(g, "/wasio.(*") &&
				!strings.Contains(state, "running") && !strings.Contains(state, "runnable") {
				return
			}
		}
		runtime.Gosched()
	}
	t.Error("no goroutine of a bubble waits")
}

// A goroutine in a synctest bubble that logs to a standard stream of the process may have to wait
// for one outside of the bubble. That is neither a deadlock nor a crash.
func TestBubbleWaitsForTheWorldOutside(t *testing.T) {
	skipInGuest(t)
	const variable = "WASIO_TEST_BUBBLE_ONLY"
	alone := os.Getenv(variable) != "" // in this process no test has set a standard stream
	if !alone {
		t.Run("in a process of its own", func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestBubbleWaitsForTheWorldOutside$", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), variable+"=1")
			output, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", output)
		})
	}
	for _, c := range standardStreams {
		for name, output := range map[string]func() io.StringWriter{
			"Writer":          func() io.StringWriter { return c.get() },
			"BufWriter":       func() io.StringWriter { return lineWriter(c.get()) },
			"BufWriter, full": func() io.StringWriter { return wasio.NewBufWriterSize(c.get(), 16) },
			"BufWriter that was on another Writer": func() io.StringWriter {
				w, _ := newWriter(t, wasiotest.Plan{})
				b := lineWriter(w)
				b.Reset(c.get())
				return b
			},
			"BufWriter in the bubble, Writer outside": nil,
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				if !alone {
					t.Run("on another stream", func(t *testing.T) { c.set(t, wasiotest.Plan{}) })
				}
				c.get() // before the file becomes a full pipe
				var inside, outside io.StringWriter
				if output != nil {
					inside = output()
					outside = inside
				} else {
					inside, outside = lineWriter(c.get()), c.get()
				}
				r, pipe, err := os.Pipe()
				require.NoError(t, err)
				before := *c.file
				*c.file = pipe
				defer func() { *c.file = before; pipe.Close(); r.Close() }()
				large := strings.Repeat("x", 1<<20-1) + "\n" // more than a pipe holds
				written := make(chan error)
				go func() {
					_, err := outside.WriteString(large)
					written <- err
				}()
				_, err = io.ReadFull(r, make([]byte, 1)) // the Write is under way
				require.NoError(t, err)
				drained := make(chan struct{})
				go func() {
					defer close(drained)
					blocks(t)
					io.CopyN(io.Discard, r, 1<<20-1)
				}()
				synctest.Test(t, func(t *testing.T) {
					_, err := inside.WriteString("in the bubble, by two goroutines\n")
					assert.NoError(t, err)
				})
				require.NoError(t, <-written)
				<-drained
				line := make([]byte, 33)
				_, err = io.ReadFull(r, line)
				require.NoError(t, err)
				assert.Equal(t, "in the bubble, by two goroutines\n", string(line))
			})
		}
	}
}

// lineWriter returns a BufWriter in line mode.
func lineWriter(w *wasio.Writer) *wasio.BufWriter {
	b := wasio.NewBufWriterSize(w, 16)
	b.SetLineMode(true)
	return b
}

// With a stream of wasiotest, a goroutine that waits for its turn at a standard stream is durably
// blocked, so time passes in the bubble.
func TestWaitForAStandardStreamOfATestIsDurable(t *testing.T) {
	for _, c := range standardStreams {
		for name, output := range map[string]func() io.StringWriter{
			"Writer":    func() io.StringWriter { return c.get() },
			"BufWriter": func() io.StringWriter { return lineWriter(c.get()) },
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				existing := output() // from before SetStdout
				synctest.Test(t, func(t *testing.T) {
					s := c.set(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour})
					for _, out := range []io.StringWriter{output(), existing} {
						began := time.Now()
						first := start(func() { out.WriteString("first\n") })
						second := start(func() { out.WriteString("second\n") })
						require.False(t, first() || second())
						time.Sleep(2 * time.Hour)
						require.True(t, first() && second())
						assert.Equal(t, 2*time.Hour, time.Since(began))
					}
					assert.Equal(t, "first\nsecond\nfirst\nsecond\n", s.String())
				})
			})
		}
	}
}

// waitsWithoutLimit lists calls that wait for an hour, on a Writer whose waits are not bounded.
var waitsWithoutLimit = map[string]struct {
	out, in wasiotest.Plan
	call    func(e *echo, b *wasio.BufWriter) error
}{
	"Write":       {slowWrites, wasiotest.Plan{}, func(e *echo, _ *wasio.BufWriter) error { _, err := e.w.WriteString("abcdefgh"); return err }},
	"Flush":       {slowFlush, wasiotest.Plan{}, func(e *echo, _ *wasio.BufWriter) error { return e.w.Flush() }},
	"BufWriter":   {slowFlush, wasiotest.Plan{}, func(_ *echo, b *wasio.BufWriter) error { b.WriteString("x"); return b.Flush() }},
	"large Write": {slowWrites, wasiotest.Plan{}, func(_ *echo, b *wasio.BufWriter) error { _, err := b.Write(pattern(100)); return err }},
	"Splice, src": {wasiotest.Plan{}, slowWrites, func(e *echo, _ *wasio.BufWriter) error { _, err := wasio.Splice(e.w, e.in.Handle(), -1); return err }},
	"Splice, w":   {slowWrites, wasiotest.Plan{}, func(e *echo, _ *wasio.BufWriter) error { _, err := wasio.Splice(e.w, e.in.Handle(), -1); return err }},
}

// slowWrites permits or delivers four bytes an hour.
var slowWrites = wasiotest.Plan{Permits: []uint64{4, 0}, Delay: time.Hour}

// A deadline that is set during an unbounded wait ends it when it is due.
func TestDeadlineSetDuringAWaitWithoutLimit(t *testing.T) {
	for name, c := range waitsWithoutLimit {
		for _, through := range []string{"Writer", "BufWriter"} {
			t.Run(name+"/"+through, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEcho(t, c.out, c.in, strings.NewReader("abcdefgh"))
					b := wasio.NewBufWriterSize(e.w, 16)
					set := e.w.SetWriteDeadline
					if through == "BufWriter" {
						set = b.SetWriteDeadline
					}
					began := time.Now()
					var err error
					var took time.Duration
					call := start(func() {
						err = c.call(e, b)
						took = time.Since(began)
					})
					require.False(t, call())
					time.Sleep(time.Minute)
					require.False(t, call())
					assert.NoError(t, set(time.Now().Add(time.Hour-1))) // later than the wait takes
					assert.NoError(t, set(time.Now().Add(time.Second)))
					time.Sleep(time.Second - 1)
					require.False(t, call(), "not before it is due")
					time.Sleep(time.Second)
					require.True(t, call())
					assert.Equal(t, time.Minute+time.Second, took)
					assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
					e.w.SetWriteDeadline(time.Time{})
				})
			})
		}
	}
}

// SetRecheckInterval during an unbounded wait makes that wait check the stream, too.
func TestRecheckSetDuringAWaitWithoutLimit(t *testing.T) {
	for name, c := range waitsWithoutLimit {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t, c.out, c.in, strings.NewReader("abcdefgh"))
				b := wasio.NewBufWriterSize(e.w, 16)
				looks := func() int { return e.Count("pollable.ready") }
				call := start(func() { assert.NoError(t, c.call(e, b)) })
				time.Sleep(time.Minute)
				require.False(t, call())
				assert.Zero(t, looks())
				e.w.SetRecheckInterval(time.Second)
				for i := range 3 {
					before := looks()
					time.Sleep(time.Second)
					assert.Greater(t, looks(), before, "in second %d", i)
				}
				require.False(t, call())
				e.w.SetRecheckInterval(0)
				synctest.Wait()
				time.Sleep(time.Second)
				before := looks()
				time.Sleep(time.Minute)
				assert.Equal(t, before, looks(), "no more checks")
				time.Sleep(100 * time.Hour)
				assert.True(t, call())
			})
		})
	}
}

// Sync flushes, for loggers that call it.
func TestSyncFlushes(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Hold: true, FlushWaits: []int{1}})
	var out io.Writer = wasio.NewBufWriterSize(w, 16)
	syncer, ok := out.(interface{ Sync() error })
	require.True(t, ok)
	for i, text := range []string{"small", string(pattern(100)), string(pattern(16)), ""} {
		before := s.String()
		fmt.Fprint(out, text)
		require.NoError(t, syncer.Sync())
		assert.Equal(t, before+text, s.String(), "step %d", i)
	}
	b, _ := newBufWriter(t, 16, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
	b.WriteString("x")
	err := b.Sync()
	assert.ErrorContains(t, err, "wasio: flush: last operation failed")
	assert.Same(t, err, b.Flush())
	assertNotOpen(t, "flush", new(wasio.BufWriter).Sync(), "Sync")
}

// IsTerminal answers for the standard stream that it is asked about, and leaves no handle behind.
func TestIsTerminal(t *testing.T) {
	for i, c := range standardStreams {
		for _, isTerminal := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, isTerminal), func(t *testing.T) {
				s := c.set(t, wasiotest.Plan{Terminal: isTerminal, Handles: 2})
				other := standardStreams[1-i]
				s2 := other.set(t, wasiotest.Plan{Terminal: !isTerminal})
				for range 3 {
					assert.Equal(t, isTerminal, wasio.IsTerminal(c.get()))
				}
				assert.Equal(t, !isTerminal, wasio.IsTerminal(other.get()))
				function := "terminal-" + strings.ToLower(c.name) + ".get-terminal-" + strings.ToLower(c.name)
				assert.Equal(t, 3, countOf(s.Calls(), function))
				assert.Equal(t, 3*b2i(isTerminal), countOf(s.Calls(), "terminal-output(")-countOf(s.Calls(), "= terminal-output("))
				assert.Zero(t, countOf(s2.Calls(), function))
			})
		}
	}
	wasiotest.SetStdout(t, wasiotest.Plan{Terminal: true})
	wasiotest.SetStderr(t, wasiotest.Plan{Terminal: true})
	w, s := newWriter(t, wasiotest.Plan{})
	assert.False(t, wasio.IsTerminal(w))
	assert.Empty(t, s.Calls())
	assert.False(t, wasio.IsTerminal(new(wasio.Writer)))
}
