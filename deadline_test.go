//go:build !module.std

package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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

// slow permits four bytes at a time, with a minute in between.
var slow = wasiotest.Plan{Permits: []uint64{4, 0}, Delay: time.Minute}

func TestDeadlineEndsAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, slow)
		start := time.Now()
		require.NoError(t, w.SetWriteDeadline(start.Add(time.Second)))
		n, err := w.WriteString("abcdefghi")
		assertTimeout(t, err)
		assert.Equal(t, 4, n)
		assert.Equal(t, time.Second, time.Since(start), "neither sooner nor later")
		assert.Less(t, s.Count("pollable.ready"), 500, "pauses grow")

		n, err = w.WriteString("efghi")
		assertTimeout(t, err)
		assert.Zero(t, n)

		require.NoError(t, w.SetWriteDeadline(time.Time{}))
		n, err = w.WriteString("efghi")
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		assert.Equal(t, "abcdefghi", s.String())
	})
}

func TestDeadlineEndsAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Minute, Hold: true})
		w.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := w.WriteString("all of it")
		assertTimeout(t, err)
		assert.Equal(t, 9, n)
		assertTimeout(t, w.Flush())
		assert.Empty(t, s.String())
		w.SetWriteDeadline(time.Now().Add(2 * time.Minute))
		require.NoError(t, w.Flush())
		assert.Equal(t, "all of it", s.String())
	})
}

func TestDeadlineInThePastMakesNoCall(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	w.SetWriteDeadline(time.Now().Add(-time.Second))
	n, err := w.WriteString("x")
	assertTimeout(t, err)
	assert.Zero(t, n)
	assert.Empty(t, s.Calls())
	n, err = w.Write(nil)
	assert.NoError(t, err, "nothing had to wait")
	assert.Zero(t, n)
	w.SetWriteDeadline(time.Time{})
	_, err = w.WriteString("x")
	require.NoError(t, err)
}

func TestDeadlineNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a bubble, where no time passes before the Write
		w, s := newWriter(t, wasiotest.Plan{})
		w.SetWriteDeadline(time.Now())
		_, err := w.WriteString("x")
		assertTimeout(t, err)
		assert.Empty(t, s.Calls())
		w.SetWriteDeadline(time.Now().Add(1))
		_, err = w.WriteString("x")
		assert.NoError(t, err)
	})
}

func TestDeadlineFarAway(t *testing.T) {
	for _, past := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1<<55, 0), time.Now().Add(-1).Round(0)} {
		w, s := newWriter(t, wasiotest.Plan{})
		w.SetWriteDeadline(past.Add(1)) // not the zero Time
		_, err := w.WriteString("x")
		assertTimeout(t, err)
		assert.Empty(t, s.Calls(), past)
	}
	for _, future := range []time.Time{time.Unix(1<<55, 0), time.Now().AddDate(1000, 0, 0), time.Now().Add(time.Hour).Round(0)} {
		w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{1, 0}})
		w.SetWriteDeadline(future)
		_, err := w.WriteString("xyz")
		assert.NoError(t, err, future)
	}
}

func TestDeadlineThatIsNotReached(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"ready":       {Permits: []uint64{4, 0}, FlushWaits: []int{1}, Hold: true},
		"never ready": {Permits: []uint64{4, 0}, FlushWaits: []int{1}, NeverReady: true, Background: true},
		"slow":        {Permits: []uint64{4, 0}, Delay: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, plan)
				w.SetWriteDeadline(time.Now().Add(time.Hour))
				p := pattern(20)
				n, err := w.Write(p)
				require.NoError(t, err)
				assert.Equal(t, 20, n)
				assert.True(t, bytes.Equal(p, s.Bytes()))
				assert.Zero(t, s.Count("pollable.block"), "a bounded wait does not block in the host")
			})
		})
	}
}

func TestDeadlineSetWhileAWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWriter(t, slow)
		start := time.Now()
		w.SetWriteDeadline(start.Add(time.Minute / 2))
		go func() {
			time.Sleep(time.Second)
			w.SetWriteDeadline(time.Now())
		}()
		n, err := w.WriteString("abcdefghi")
		assertTimeout(t, err)
		assert.Equal(t, 4, n)
		assert.Less(t, time.Since(start), time.Second+10*time.Millisecond)
		synctest.Wait()
	})
}

// A host may block in flush while nobody reads the other end.
func TestDeadlineThatHasPassedFlushesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, slow)
		w.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := w.ReadFrom(strings.NewReader("abcdefghi"))
		assertTimeout(t, err)
		assert.EqualValues(t, 9, n, "all that was read: the Writer keeps what it could not write")
		assertTimeout(t, w.Flush())
		assertTimeout(t, w.Close())
		assert.Zero(t, s.Count("flush"))
		assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
	})
}

func TestBufWriterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 16, slow)
		require.NoError(t, b.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := b.WriteString("0123456789abcdef+")
		assertTimeout(t, err)
		assert.Equal(t, 4, n, "the Write bypasses the buffer")
		n, err = b.WriteString("456789")
		require.NoError(t, err, "a timeout does not stick, and the buffer has room")
		assert.Equal(t, 6, n)
		assertTimeout(t, b.Flush())
		assert.Equal(t, 6, b.Buffered())

		b.SetWriteDeadline(time.Now().Add(90 * time.Second)) // enough for one stall
		assertTimeout(t, b.Flush())
		assert.Equal(t, 2, b.Buffered(), "no byte is lost or written twice")
		b.SetWriteDeadline(time.Time{})
		require.NoError(t, b.Flush())
		assert.Equal(t, "0123456789", s.String())
		require.NoError(t, b.Close())
		assert.ErrorIs(t, b.SetWriteDeadline(time.Time{}), os.ErrClosed)
	})
}

func TestBufWriterOwesNoFlushForATimeout(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{})
	b.SetWriteDeadline(time.Now().Add(-time.Second))
	n, err := b.Write(pattern(100))
	assertTimeout(t, err)
	assert.Zero(t, n)
	b.SetWriteDeadline(time.Time{})
	require.NoError(t, b.Flush())
	assert.Empty(t, s.Calls())
}

// SetWriteDeadline and SetRecheckInterval do not wait for the call that they are meant to end.
func TestSettersOfLimitsDoNotWait(t *testing.T) {
	for name, set := range map[string]func(w *wasio.Writer, b *wasio.BufWriter){
		"SetWriteDeadline, now":           func(w *wasio.Writer, _ *wasio.BufWriter) { w.SetWriteDeadline(time.Now()) },
		"SetWriteDeadline, none":          func(w *wasio.Writer, _ *wasio.BufWriter) { w.SetWriteDeadline(time.Time{}) },
		"SetRecheckInterval":              func(w *wasio.Writer, _ *wasio.BufWriter) { w.SetRecheckInterval(time.Second) },
		"BufWriter.SetWriteDeadline, now": func(_ *wasio.Writer, b *wasio.BufWriter) { b.SetWriteDeadline(time.Now()) },
		"BufWriter.SetWriteDeadline, 0":   func(_ *wasio.Writer, b *wasio.BufWriter) { b.SetWriteDeadline(time.Time{}) },
	} {
		for _, underWay := range []string{"Write", "BufWriter.Flush"} {
			t.Run(name+"/"+underWay, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					plan := slowFlush
					plan.Delay = time.Second
					w, _ := newWriter(t, plan)
					b := wasio.NewBufWriterSize(w, 16)
					b.WriteString("buffered")
					call := start(func() {
						if underWay == "Write" {
							w.WriteString("x")
						} else {
							b.Flush()
						}
					})
					require.False(t, call(), "the call waits for the host")
					began := time.Now()
					set(w, b)
					assert.Equal(t, began, time.Now())
					if strings.HasSuffix(name, "now") {
						assert.True(t, call(), "it ends the call")
						return
					}
					require.False(t, call(), "the call still waits")
					time.Sleep(time.Second + 5*time.Millisecond) // a bounded wait pauses
					assert.True(t, call())
				})
			})
		}
	}
}

// BufWriter.SetWriteDeadline ends a call that waits.
func TestBufWriterDeadlineSetWhileACallWaits(t *testing.T) {
	for name, call := range map[string]func(b *wasio.BufWriter) error{
		"Flush":       (*wasio.BufWriter).Flush,
		"large Write": func(b *wasio.BufWriter) error { _, err := b.Write(pattern(100)); return err },
		"ReadFrom":    func(b *wasio.BufWriter) error { _, err := b.ReadFrom(bytes.NewReader(pattern(100))); return err },
		"Close":       (*wasio.BufWriter).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := newBufWriter(t, 16, slow)
				b.WriteString("0123456789")
				start := time.Now()
				b.SetWriteDeadline(start.Add(time.Hour))
				go func() {
					time.Sleep(time.Second)
					assert.NoError(t, b.SetWriteDeadline(time.Now()))
				}()
				assertTimeout(t, call(b))
				assert.GreaterOrEqual(t, time.Since(start), time.Second)
				assert.Less(t, time.Since(start), time.Second+10*time.Millisecond)
			})
		})
	}
}

// A deadline that is centuries away does not overflow, and it still bounds each wait.
func TestDeadlineInCenturies(t *testing.T) {
	for _, later := range []time.Time{
		time.Now().AddDate(99, 0, 0), time.Now().AddDate(200, 0, 0), time.Now().AddDate(300, 0, 0), time.Now().AddDate(1<<20, 0, 0), time.Unix(1<<62, 0),
	} {
		synctest.Test(t, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{1, 0}, Delay: 5 * time.Second})
			require.NoError(t, w.SetWriteDeadline(later))
			_, err := w.WriteString("xyz")
			require.NoError(t, err)
			assert.Zero(t, s.Count("pollable.block"))

			start := time.Now()
			go func() {
				time.Sleep(time.Second)
				w.SetWriteDeadline(time.Now()) // an unbounded wait would not see it
			}()
			_, err = w.WriteString("xyz")
			assertTimeout(t, err)
			assert.Less(t, time.Since(start), 2*time.Second)
		})
	}
}

// At a timeout, ReadFrom loses no byte that it has read and writes none twice.
func TestBufWriterReadFromAtATimeout(t *testing.T) {
	lines := strings.Repeat("123456789\n", 10)
	writesWait := wasiotest.Plan{Permits: []uint64{4, 0}, Delay: 10 * time.Millisecond}
	flushesWait := wasiotest.Plan{FlushWaits: []int{1}, Delay: 10 * time.Millisecond}
	for name, c := range map[string]struct {
		text  string
		lines bool
		wrap  func(io.Reader) io.Reader
		plan  wasiotest.Plan
	}{
		"at once":                 {text: string(pattern(100)), plan: writesWait},
		"by bytes":                {text: string(pattern(100)), plan: writesWait, wrap: iotest.OneByteReader},
		"by halves":               {text: string(pattern(100)), plan: writesWait, wrap: iotest.HalfReader},
		"with EOF":                {text: string(pattern(100)), plan: writesWait, wrap: iotest.DataErrReader},
		"line mode":               {text: lines, lines: true, plan: writesWait},
		"line mode, by bytes":     {text: lines, lines: true, plan: writesWait, wrap: iotest.OneByteReader},
		"line mode, by halves":    {text: lines, lines: true, plan: writesWait, wrap: iotest.HalfReader},
		"line mode, with EOF":     {text: lines, lines: true, plan: writesWait, wrap: iotest.DataErrReader},
		"line mode, in the flush": {text: lines, lines: true, plan: flushesWait},
	} {
		for _, size := range []int{16, 64, 99, 100, 4096} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, s := newBufWriter(t, size, c.plan)
					b.SetLineMode(c.lines)
					source := strings.NewReader(c.text)
					r := io.Reader(struct{ io.Reader }{source})
					if c.wrap != nil {
						r = c.wrap(r)
					}
					total, timeouts := int64(0), 0
					for {
						halfAWait := 5 * time.Millisecond
						require.NoError(t, b.SetWriteDeadline(time.Now().Add(halfAWait)))
						n, err := b.ReadFrom(r)
						total += n
						if c.wrap == nil {
							require.EqualValues(t, len(c.text)-source.Len(), total, "all that was read is counted")
						}
						if err == nil {
							break
						}
						assertTimeout(t, err)
						timeouts++
					}
					for {
						err := b.Flush()
						if err == nil {
							break
						}
						assertTimeout(t, err)
						timeouts++
						require.NoError(t, b.SetWriteDeadline(time.Now().Add(5*time.Millisecond)))
					}
					assert.EqualValues(t, len(c.text), total)
					assert.Equal(t, c.text, s.String())
					assert.Positive(t, timeouts)
				})
			})
		}
	}
}

// If writing a newline times out, the newline was not taken and can be written
// again. If only its flush was late, it was taken, and the flush stays owed.
func TestBufWriterNewlineAtATimeout(t *testing.T) {
	newlines := map[string]func(b *wasio.BufWriter) error{
		"WriteByte": func(b *wasio.BufWriter) error { return b.WriteByte('\n') },
		"WriteRune": func(b *wasio.BufWriter) error {
			n, err := b.WriteRune('\n')
			if err != nil && n != 0 || err == nil && n != 1 {
				return fmt.Errorf("%d with error %w", n, err)
			}
			return err
		},
	}
	for method, newline := range newlines {
		for name, c := range map[string]struct {
			plan wasiotest.Plan
			text string
			left []int // in the buffer after each timeout
		}{
			"nothing permitted":     {wasiotest.Plan{Permits: []uint64{0, 100}, Delay: time.Minute}, "text", []int{4}},
			"half of it permitted":  {wasiotest.Plan{Permits: []uint64{2, 0, 100}, Delay: time.Minute}, "text", []int{2}},
			"newline not permitted": {wasiotest.Plan{Permits: []uint64{4, 0, 100}, Delay: time.Minute}, "text", []int{0}},
			"full buffer":           {wasiotest.Plan{Permits: []uint64{8, 0, 100}, Delay: time.Minute}, "0123456789abcdef", []int{8}},
			"slow":                  {wasiotest.Plan{Permits: []uint64{3, 0}, Delay: time.Minute}, "0123456789", []int{7, 4, 1}},
		} {
			t.Run(method+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, s := newBufWriter(t, 16, c.plan)
					b.WriteString(c.text[:1])
					b.WriteString(c.text[1:])
					b.SetLineMode(true)
					for _, left := range c.left {
						b.SetWriteDeadline(time.Now().Add(30 * time.Second))
						assertTimeout(t, newline(b))
						assert.Equal(t, left, b.Buffered())
						time.Sleep(time.Minute) // the stream is ready
					}
					b.SetWriteDeadline(time.Time{})
					require.NoError(t, newline(b))
					assert.Zero(t, b.Buffered())
					assert.Equal(t, c.text+"\n", s.String())
				})
			})
		}
		t.Run(method+"/only the flush in time", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, s := newBufWriter(t, 16, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Minute, Hold: true})
				b.WriteString("text")
				b.SetLineMode(true)
				b.SetWriteDeadline(time.Now().Add(time.Second))
				require.NoError(t, newline(b), "the newline was taken")
				assert.Zero(t, b.Buffered())
				assert.Empty(t, s.String(), "not flushed yet")
				assertTimeout(t, b.Flush())
				b.SetWriteDeadline(time.Time{})
				require.NoError(t, b.Flush(), "the flush is owed")
				assert.Equal(t, "text\n", s.String())
				before := len(s.Calls())
				require.NoError(t, b.Flush())
				assert.Len(t, s.Calls(), before)
			})
		})
	}
}

// In line mode, a Write that times out returns how many bytes the buffer or the host took, and
// no byte is lost.
func TestBufWriterLineAtATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 16, slow)
		b.SetLineMode(true)
		b.SetWriteDeadline(time.Now().Add(time.Second))
		text := "a line\nand more"
		n, err := b.WriteString(text)
		assertTimeout(t, err)
		require.GreaterOrEqual(t, n, 4)
		require.LessOrEqual(t, n, len("a line\n"))
		assert.Equal(t, n-4, b.Buffered())
		b.SetWriteDeadline(time.Time{})
		m, err := b.WriteString(text[n:])
		require.NoError(t, err)
		assert.Equal(t, len(text)-n, m)
		require.NoError(t, b.Flush())
		assert.Equal(t, text, s.String())
	})
}

// A Write of whole lines to an empty buffer bypasses it.
func TestBufWriterLinesBypassAnEmptyBuffer(t *testing.T) {
	for _, text := range []string{"a line\n", "two\nlines\n", strings.Repeat("long ", 10) + "\n"} {
		synctest.Test(t, func(t *testing.T) {
			b, s := newBufWriter(t, 16, slow)
			b.SetLineMode(true)
			b.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := b.WriteString(text)
			assertTimeout(t, err)
			assert.Equal(t, 4, n, "what the host took")
			assert.Zero(t, b.Buffered())
			b.SetWriteDeadline(time.Time{})
			write(t, b, text[n:])
			assert.Equal(t, text, s.String())
			assert.Equal(t, 1, s.Count("flush"))
		})
	}
}

// A flush that timed out stays owed, whatever is called then, until any call flushes.
func TestOwedFlushSurvivesATimeout(t *testing.T) {
	for _, f := range flushers {
		for name, between := range map[string]func(b *wasio.BufWriter) error{
			"nothing":     func(*wasio.BufWriter) error { return nil },
			"Flush":       func(b *wasio.BufWriter) error { return b.Flush() },
			"large Write": func(b *wasio.BufWriter) error { _, err := b.Write(pattern(100)); return err },
			"line":        writeLine,
			"ReadFrom": func(b *wasio.BufWriter) error {
				_, err := b.ReadFrom(bytes.NewReader(pattern(100)))
				return err
			},
		} {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, s := newWriter(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Minute, Hold: true})
					b, other := wasio.NewBufWriterSize(w, 16), wasio.NewBufWriterSize(w, 16)
					_, err := w.WriteString("flushed")
					require.NoError(t, err)
					w.SetWriteDeadline(time.Now().Add(time.Second))
					b.Write(pattern(100)[:15])
					assertTimeout(t, b.Flush())
					assert.Zero(t, b.Buffered())
					assert.Len(t, s.Bytes(), 7)
					if err := between(b); name != "nothing" {
						assertTimeout(t, err)
					}
					w.SetWriteDeadline(time.Time{})
					b.SetLineMode(false)
					require.NoError(t, f.flush(b, other, w))
					if f.name[0] == 'b' {
						assert.Zero(t, b.Buffered())
					}
					assert.GreaterOrEqual(t, len(s.Bytes()), 22)
					require.NoError(t, b.Flush())
					before := len(s.Calls())
					require.NoError(t, b.Flush())
					require.NoError(t, other.Flush())
					assert.Len(t, s.Calls(), before, "nothing is owed any more")
					require.NoError(t, w.Close())
					assert.Equal(t, []string{"drop"}, callsOf(s)[before:])
				})
			})
		}
	}
}

// Close flushes again after a flush that timed out, even if an earlier one was complete.
func TestCloseAfterATimeoutFlushesAgain(t *testing.T) {
	for name, c := range map[string]struct {
		plan wasiotest.Plan
		call func(w *wasio.Writer) error
	}{
		"Flush": {wasiotest.Plan{FlushWaits: []int{0, 1}}, (*wasio.Writer).Flush},
		"Write, in the flush": {wasiotest.Plan{FlushWaits: []int{0, 1}},
			func(w *wasio.Writer) error { _, err := w.WriteString("more"); return err }},
		"Write, in the write": {wasiotest.Plan{Permits: []uint64{9, 2, 0}},
			func(w *wasio.Writer) error { _, err := w.WriteString("more"); return err }},
		"ReadFrom": {wasiotest.Plan{Permits: []uint64{9, 2, 0}},
			func(w *wasio.Writer) error { _, err := w.ReadFrom(strings.NewReader("more")); return err }},
		"BufWriter.Flush": {wasiotest.Plan{FlushWaits: []int{0, 1}}, func(w *wasio.Writer) error {
			b := wasio.NewBufWriter(w)
			b.WriteString("more")
			return b.Flush()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.plan.Hold, c.plan.Delay = true, time.Minute
				w, s := newWriter(t, c.plan)
				_, err := w.WriteString("flushed")
				require.NoError(t, err)
				w.SetWriteDeadline(time.Now().Add(time.Second))
				assertTimeout(t, c.call(w))
				w.SetWriteDeadline(time.Time{})
				before := s.Count("flush")
				require.NoError(t, w.Close())
				assert.Equal(t, 1, s.Count("flush")-before)
				taken := 0
				for _, record := range s.Records() {
					taken += len(record)
				}
				assert.Equal(t, s.String(), "flushedmore"[:taken])
			})
		})
	}
}

// If the deadline has passed, Close drops the stream without a flush. A standard stream
// stays open, and so does a BufWriter on it.
func TestCloseAtADeadline(t *testing.T) {
	plan := wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Minute, Hold: true}
	for name, pass := range map[string]time.Duration{"passed": 0, "passes in the flush": time.Second} {
		t.Run("NewWriter/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, plan)
				b := wasio.NewBufWriterSize(w, 16)
				b.WriteString("lost")
				w.SetWriteDeadline(time.Now().Add(pass))
				start := time.Now()
				assertTimeout(t, b.Close())
				assert.Equal(t, pass, time.Since(start))
				assert.Zero(t, b.Buffered())
				assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
				assert.Empty(t, s.String())
				_, err := b.WriteString("late")
				assert.ErrorIs(t, err, os.ErrClosed)
				_, err = w.WriteString("late")
				assert.ErrorIs(t, err, os.ErrClosed)
				assert.NoError(t, b.Close())
				assert.NoError(t, w.Close())
			})
		})
		for _, c := range standardStreams {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := c.set(t, plan)
					w := c.get()
					b := wasio.NewBufWriterSize(w, 16)
					b.WriteString("kept")
					w.SetWriteDeadline(time.Now().Add(pass))
					assertTimeout(t, b.Close())
					assert.Equal(t, pass == 0, b.Buffered() == 4)
					assert.Empty(t, s.String())
					assertTimeout(t, b.Close())
					require.NoError(t, b.SetWriteDeadline(time.Time{}))
					_, err := b.WriteString(", and more")
					require.NoError(t, err)
					require.NoError(t, b.Close())
					assert.Equal(t, "kept, and more", s.String())
					_, err = b.WriteString("late")
					assert.ErrorIs(t, err, os.ErrClosed)
					assert.NoError(t, b.Close())
					require.NoError(t, w.Flush())
				})
			})
		}
	}
	// b has nothing to flush, and the flush of the Writer times out.
	t.Run("nothing in the buffer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			wasiotest.SetStdout(t, plan)
			b := wasio.NewBufWriterSize(wasio.Stdout(), 16)
			b.SetWriteDeadline(time.Now())
			err := b.Close()
			assertTimeout(t, err)
			require.NoError(t, b.SetWriteDeadline(time.Time{}), "b stays open, as its Writer does")
			_, err = b.WriteString("x")
			require.NoError(t, err)
			require.NoError(t, b.Close())
		})
	})
}

// No byte is lost if the flush of Tie times out.
func TestTieAtATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 16, slow)
		var messages bytes.Buffer
		tied := wasio.Tie(b, &messages)
		b.SetWriteDeadline(time.Now().Add(time.Second))
		b.WriteString("0123456789")
		start := time.Now()
		n, err := tied.Write([]byte("message"))
		require.NoError(t, err, "the Write does not return the error of the flush")
		assert.Equal(t, 7, n)
		assert.Equal(t, time.Second, time.Since(start), "a Write waits as long as the flush")
		assert.Equal(t, "message", messages.String())
		assert.Equal(t, "0123", s.String())
		assert.Equal(t, 6, b.Buffered())
		b.SetWriteDeadline(time.Time{})
		_, err = tied.Write([]byte(", another"))
		require.NoError(t, err)
		assert.Equal(t, "0123456789", s.String())
	})
}

// C36: the host loses wake-ups, as Wasmtime 21 and 22 do (issue 8781). A guest that waits
// for the stream alone hangs, which is a trap on the model host.
func TestC36LostWakeUps(t *testing.T) {
	skipInGuest(t)
	plan, err := host.Named("wasmtime-22-async")
	require.NoError(t, err)
	plan.Permits = []uint64{4, 0}
	p := pattern(1000)
	run := func(recheck time.Duration) (out bytes.Buffer, trap *host.Trap) {
		h := host.New(host.Options{})
		base := expose(t, h)
		defer func() {
			if r := recover(); r != nil {
				trap = r.(*host.Trap)
			}
		}()
		w := wasio.NewWriter(base | h.NewStream(plan, &out))
		w.SetRecheckInterval(recheck)
		n, err := w.Write(p)
		assert.NoError(t, err)
		assert.Equal(t, len(p), n)
		assert.NoError(t, w.Close())
		assert.Empty(t, h.Live())
		return out, nil
	}
	synctest.Test(t, func(*testing.T) {
		for _, never := range []time.Duration{0, -1} {
			_, trap := run(never)
			require.NotNil(t, trap)
			assert.Contains(t, trap.Reason, "hangs")
		}
		for _, every := range []time.Duration{100 * time.Microsecond, 100 * time.Millisecond, time.Hour} {
			out, trap := run(every)
			require.Nil(t, trap)
			assert.True(t, bytes.Equal(p, out.Bytes()))
		}
	})
}

// C47: the drop of a stream may wait until all that was written is taken, as on Wasmtime's TCP
// sockets. Close waits for the drop, even if the deadline has passed.
func TestC47CloseWaitsForTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{5, 0}, DropWaits: true, Background: true, Delay: time.Hour})
		w.SetWriteDeadline(time.Now().Add(time.Second))
		start := time.Now()
		n, err := w.WriteString("hello")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 5, n)
		assert.InDelta(t, time.Second, time.Since(start), float64(10*time.Millisecond))
		assert.ErrorIs(t, w.Close(), os.ErrDeadlineExceeded)
		assert.InDelta(t, time.Hour, time.Since(start), float64(10*time.Millisecond))
		assert.Equal(t, "hello", s.String())
		assert.NoError(t, w.Close())
	})
}

// If the deadline has passed, ReadFrom reads nothing. If it passes during ReadFrom, no byte that
// was read is lost: the next call writes it.
func TestReadFromLosesNothingAtADeadline(t *testing.T) {
	for name, after := range map[string]func(w *wasio.Writer) error{
		"Write":    func(w *wasio.Writer) error { _, err := w.Write([]byte("!")); return err },
		"Flush":    func(w *wasio.Writer) error { return w.Flush() },
		"ReadFrom": func(w *wasio.Writer) error { _, err := w.ReadFrom(strings.NewReader("!")); return err },
		"BufWriter.Flush": func(w *wasio.Writer) error {
			b := wasio.NewBufWriter(w)
			b.WriteString("!")
			return b.Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{10, 0}, Hold: true, Delay: time.Minute})
				w.SetWriteDeadline(time.Now().Add(90 * time.Second))
				r := strings.NewReader(strings.Repeat("0123456789", 10))
				n, err := w.ReadFrom(struct{ io.Reader }{r})
				assertTimeout(t, err)
				assert.EqualValues(t, 100, n, "what was read is counted")
				n, err = w.ReadFrom(readerFunc(func([]byte) (int, error) { panic("reads") }))
				assertTimeout(t, err)
				assert.Zero(t, n)
				w.SetWriteDeadline(time.Now().Add(90 * time.Second))
				assertTimeout(t, after(w)) // the rest comes first
				w.SetWriteDeadline(time.Time{})
				require.NoError(t, w.Close())
				want := strings.Repeat("0123456789", 10)
				assert.Equal(t, want, strings.TrimRight(s.String(), "!"))
			})
		})
	}
}

// A deadline that passes while the host takes a piece ends the call only after that has let other
// goroutines run, and never between the last piece and the flush.
func TestDeadlinePassesInAWrite(t *testing.T) {
	const large = 1 << 20 // after so much, others run
	for name, c := range map[string]struct {
		permit uint64
		size   int
		n      int // what the host takes
	}{
		"the last of a large Write": {large, large, large},
		"a large piece":             {large, large + 1, large},
		"small pieces":              {10, 20, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := host.New(host.Options{})
				var sink bytes.Buffer
				w := wasio.NewWriter(expose(t, h) | h.NewStream(host.Plan{Permits: []uint64{c.permit}}, writerFunc(func(p []byte) (int, error) {
					time.Sleep(2 * time.Second)
					return sink.Write(p)
				})))
				defer w.Close()
				other, _ := newWriter(t, wasiotest.Plan{})
				_, err := other.Write(pattern(large)) // so that the count of what was written begins anew
				require.NoError(t, err)
				require.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Second)))
				p := pattern(c.size)
				n, err := w.Write(p)
				assert.Equal(t, c.n, n)
				if n < len(p) {
					assertTimeout(t, err)
				} else {
					assert.NoError(t, err)
				}
				assert.True(t, bytes.Equal(p[:c.n], sink.Bytes()))
			})
		})
	}
}

// What a ReadFrom could not write in time comes before whatever is written next, even without a
// flush. A Write of no bytes does not write it.
func TestWhatReadFromLeftComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{4, 0}, Delay: time.Hour})
		require.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := w.ReadFrom(strings.NewReader("some text, "))
		assertTimeout(t, err)
		assert.EqualValues(t, 11, n)
		require.NoError(t, w.SetWriteDeadline(time.Time{}))

		calls := s.Calls()
		write(t, w, "")
		assert.Equal(t, calls, s.Calls())

		write(t, wasio.NewBufWriterSize(w, 16), "and more than the buffer holds")
		assert.Equal(t, "some text, and more than the buffer holds", s.String())
	})
}

// lost.
func TestBufWriterReadFromReadsNothingAfterADeadline(t *testing.T) {
	for _, lineMode := range []bool{false, true} {
		b, s := newBufWriter(t, 16, wasiotest.Plan{})
		b.SetLineMode(lineMode)
		b.SetWriteDeadline(time.Now().Add(-time.Second))
		n, err := b.ReadFrom(readerFunc(func([]byte) (int, error) { return 0, errors.New("it reads") }))
		assert.Zero(t, n)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Empty(t, s.Calls())
	}
}
