//go:build !module.std

package wasio_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

// A deadline ends a splice from a source that never ends, whether it always has bytes, makes the
// program wait for them, or never has any.
func TestSpliceFromASourceThatNeverEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		out, in wasiotest.Plan
		op      string
		moves   bool
	}{
		{"always ready", wasiotest.Plan{Permits: []uint64{0, 100}, Delay: time.Millisecond}, wasiotest.Plan{}, "check-write", true},
		{"in pieces", wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{100, 0}, Delay: 30 * time.Millisecond}, "read", true},
		{"that stops", wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{0}, Delay: time.Hour}, "read", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEcho(t, c.out, c.in, endless{})
				start := time.Now()
				require.NoError(t, e.w.SetWriteDeadline(start.Add(100*time.Millisecond)))
				moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
				took := time.Since(start)
				assert.GreaterOrEqual(t, took, 100*time.Millisecond)
				assert.LessOrEqual(t, took, 106*time.Millisecond)
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				e.wantError(t, err, c.op, "i/o timeout", false)
				assert.Equal(t, c.moves, moved > 0)
				assert.Len(t, e.Bytes(), int(moved))
				assert.Zero(t, e.Count("flush"), "there was no time left")

				calls := len(e.Calls())
				moved2, err := wasio.Splice(e.w, e.in.Handle(), -1)
				assert.Zero(t, moved2)
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				assert.Len(t, e.Calls(), calls, "no host call after the deadline")

				require.NoError(t, e.w.SetWriteDeadline(time.Time{}))
				require.NoError(t, e.w.Flush(), "no error sticks")
				if c.moves {
					moved2, err = wasio.Splice(e.w, e.in.Handle(), 10)
					assert.EqualValues(t, 10, moved2)
					assert.NoError(t, err)
					assert.Len(t, e.Bytes(), int(moved+moved2))
				}
			})
		})
	}
}

// The deadline also applies to a splice that never waits.
func TestSpliceThatNeverWaitsMeetsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *echo
		reads := 0
		e = newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{10}}, readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 3 {
				e.w.SetWriteDeadline(time.Now().Add(-1)) // without taking the lock
			}
			return len(p), nil
		}))
		moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.EqualValues(t, 30, moved)
	})
}

// Wake-ups may be lost on either side.
func TestSpliceSurvivesLostWakeups(t *testing.T) {
	for _, c := range [][2]wasiotest.Plan{
		{{}, {Permits: []uint64{5, 0}, LoseWakeups: true, Delay: 50 * time.Millisecond}},
		{{Permits: []uint64{5, 0}, FlushWaits: []int{1}, LoseWakeups: true, Delay: 50 * time.Millisecond}, {}},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEcho(t, c[0], c[1], strings.NewReader("lost and found"))
			e.w.SetRecheckInterval(10 * time.Millisecond)
			moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
			assert.NoError(t, err)
			assert.EqualValues(t, 14, moved)
			assert.Equal(t, "lost and found", e.String())
		})
	}
}

// While a flush that a deadline left outstanding is under way, nothing moves.
func TestSpliceDuringAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Second}, wasiotest.Plan{}, strings.NewReader("abc"))
		require.NoError(t, e.w.SetWriteDeadline(time.Now().Add(time.Millisecond)))
		_, err := e.w.Write([]byte("x"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, e.w.SetWriteDeadline(time.Time{}))
		moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.NoError(t, err)
		assert.EqualValues(t, 3, moved)
		assert.Equal(t, []string{"x", "abc"}, e.Records())
	})
}

// A deadline that another goroutine sets ends a splice that waits.
func TestDeadlineEndsASpliceUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{4, 0}, Delay: time.Hour}, strings.NewReader("abcdef"))
		require.NoError(t, e.w.SetWriteDeadline(time.Now().Add(time.Minute)))
		done := make(chan struct{})
		go func() {
			defer close(done)
			moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
			assert.EqualValues(t, 4, moved)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}()
		synctest.Wait()
		require.NoError(t, e.w.SetWriteDeadline(time.Now()))
		start := time.Now()
		<-done
		assert.Less(t, time.Since(start), 10*time.Millisecond)
	})
}

// bodies, do not know of their end yet, but do after a wait. That is a success, too.
func TestSpliceWhereTheSourceEndsALittleLater(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			e := newEcho(t, wasiotest.Plan{Capacity: 6}, wasiotest.Plan{Permits: []uint64{6, 0}, Delay: delay}, strings.NewReader("abcdef"))
			moved, err := e.splice(t, -1)
			require.NoError(t, err, "%v", delay)
			assert.EqualValues(t, 6, moved)
			_, err = e.w.WriteString("x")
			assert.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

// If the source stays silent instead, Splice does not wait for it.
func TestSpliceToAClosedOutputFromASilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{Capacity: 3}, wasiotest.Plan{Permits: []uint64{3, 0}, Delay: time.Hour}, strings.NewReader("abcdef"))
		start := time.Now()
		moved, err := e.splice(t, -1)
		assert.EqualValues(t, 3, moved)
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Less(t, time.Since(start), 100*time.Millisecond)
	})
}

// before it moves the piece.
func TestSpliceToAStandardStreamWaitsFirst(t *testing.T) {
	for _, c := range standardStreams {
		s := c.set(t, wasiotest.Plan{Permits: []uint64{3}})
		in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader("abcdef"))
		moved, err := wasio.Splice(c.get(), in.Handle(), -1)
		require.NoError(t, err)
		assert.EqualValues(t, 6, moved)
		waited, pieces := false, 0
		for _, call := range s.Calls() {
			switch {
			case strings.Contains(call, "input-stream(2).subscribe"):
				waited = true
			case strings.Contains(call, ".splice("):
				assert.True(t, waited, "before piece %d", pieces)
				waited = false
				pieces++
			}
		}
		assert.Equal(t, 2, pieces)
		in.Drop()
	}
}
