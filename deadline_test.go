//go:build !module.std

package wasio_test

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"
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

func assertTimeout(t *testing.T, err error) {
	t.Helper()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NotErrorIs(t, err, os.ErrClosed)
	assert.EqualError(t, err, "wasio: check-write: i/o timeout")
	netErr, ok := err.(net.Error) // directly, as package net's users do it
	require.True(t, ok)
	assert.True(t, netErr.Timeout())
	assert.True(t, err.(interface{ Temporary() bool }).Temporary())
}

func TestDeadlineEndsAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, slow)
		start := time.Now()
		require.NoError(t, w.SetWriteDeadline(start.Add(time.Second)))
		n, err := w.WriteString("abcdefghi")
		assertTimeout(t, err)
		assert.Equal(t, 4, n)
		assert.Equal(t, time.Second, time.Since(start), "neither sooner nor later")
		assert.Less(t, count(s, "pollable.ready"), 250, "pauses grow")

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
	assert.NoError(t, err, "there was nothing to wait for")
	assert.Zero(t, n)
	w.SetWriteDeadline(time.Time{})
	_, err = w.WriteString("x")
	require.NoError(t, err)
}

func TestDeadlineNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where no time passes until the Write
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
		w.SetWriteDeadline(past.Add(1)) // time.Time{} is none
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
				assert.Zero(t, count(s, "pollable.block"), "a wait that has an end is not left to the host")
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
		assert.EqualValues(t, 4, n)
		assertTimeout(t, w.Flush())
		assertTimeout(t, w.Close())
		assert.Zero(t, count(s, "flush"))
		assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
	})
}

func TestBufWriterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 16, slow)
		require.NoError(t, b.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := b.WriteString("0123456789abcdef+")
		assertTimeout(t, err)
		assert.Equal(t, 4, n, "passed on as it is")
		n, err = b.WriteString("456789")
		require.NoError(t, err, "a timeout does not stick, and the buffer has room")
		assert.Equal(t, 6, n)
		assertTimeout(t, b.Flush())
		assert.Equal(t, 6, b.Buffered())

		b.SetWriteDeadline(time.Now().Add(90 * time.Second)) // enough for one stall
		assertTimeout(t, b.Flush())
		assert.Equal(t, 2, b.Buffered(), "no byte lost, and none twice")
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

// C36: a host that loses its wake-ups, as Wasmtime 21 and 22 (issue 8781). A guest that
// waits for the stream alone hangs, which the model host makes a trap.
func TestC36LostWakeUps(t *testing.T) {
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
		w := wasio.NewWriter(base | h.NewStream(plan.Behavior(), &out))
		w.SetRecheck(recheck)
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
