//go:build !module.std

package wasio_test

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// µ is short for a microsecond.
const µ = time.Microsecond

// pausesOf returns how long it took from each check-write to the next one.
func pausesOf(calls []host.Call) []time.Duration {
	var pauses []time.Duration
	last := time.Duration(-1)
	for _, c := range calls {
		if c.Op != host.OpCheckWrite {
			continue
		}
		if last >= 0 {
			pauses = append(pauses, c.Start-last)
		}
		last = c.Start
	}
	return pauses
}

// assertPausesGrow checks that there is no pause after the first dozen waits, that pauses then
// grow from 20 µs to 5 ms, and that they add up to a second.
func assertPausesGrow(t *testing.T, pauses []time.Duration) {
	t.Helper()
	require.Greater(t, len(pauses), 200)
	assert.Equal(t, append(make([]time.Duration, 12), 20*µ), pauses[:13])
	pauses = pauses[11:]
	total := 20 * µ
	for i, p := range pauses[2:] {
		require.GreaterOrEqual(t, p, pauses[i+1], "pause %d", i)
		require.LessOrEqual(t, p, min(2*pauses[i+1], 5*time.Millisecond), "pause %d", i)
		total += p
	}
	assert.Less(t, pauses[8], 3*time.Millisecond)
	assert.Equal(t, 5*time.Millisecond, pauses[11])
	assert.GreaterOrEqual(t, total, time.Second)
	assert.Less(t, total, time.Second+5*time.Millisecond)
}

// newTimed returns a Writer on a host that records the time of each call.
func newTimed(t *testing.T, plan host.Plan) (*wasio.Writer, *host.Host) {
	t.Helper()
	h := host.New(host.Options{Keep: 100_000})
	w := wasio.NewWriter(expose(t, h) | h.NewStream(plan, io.Discard))
	t.Cleanup(func() {
		w.Close()
		assert.Empty(t, h.Live())
	})
	return w, h
}

// A stream may claim to be ready for about a second without a permit. No pause follows the first
// waits. Then pauses grow, so that the Writer neither spins nor dawdles.
func TestPausesGrow(t *testing.T) {
	for name, plan := range map[string]host.Plan{
		"in the write": {Permits: []uint64{0}},
		"in the flush": {FlushWaits: []int{1 << 30}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newTimed(t, plan)
				start := time.Now()
				_, err := w.WriteString("x")
				require.ErrorIs(t, err, io.ErrNoProgress)
				assert.GreaterOrEqual(t, time.Since(start), time.Second)
				assert.Less(t, time.Since(start), time.Second+5*time.Millisecond)
				calls := h.Calls()
				if plan.FlushWaits != nil {
					calls = calls[2:] // of the write
				}
				assertPausesGrow(t, pausesOf(calls))
			})
		})
	}
}

// With a deadline, too, the first dozen waits are followed by no pause.
func TestPausesWithADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newTimed(t, host.Plan{Permits: []uint64{0}})
		require.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err := w.WriteString("x")
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, append(make([]time.Duration, 12), 20*µ), pausesOf(h.Calls())[:13])
	})
}

// No pause follows a wait in which time has passed.
func TestNoPauseAfterATrueWait(t *testing.T) {
	for delay, paused := range map[time.Duration]bool{
		time.Millisecond - 1: true,
		time.Millisecond:     false,
		time.Hour:            false,
	} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := newTimed(t, host.Plan{Permits: append(times(150, 0), 1), Delay: delay})
			start := time.Now()
			_, err := w.ReadFrom(strings.NewReader("x"))
			require.NoError(t, err)
			if paused {
				assert.Greater(t, time.Since(start), 300*(delay+20*µ))
			} else {
				assert.Equal(t, 300*delay, time.Since(start)) // 150 of them for the flush
			}
		})
	}
}

// A Writer does not give up after a thousand waits of an hour each.
func TestTrueWaitsDoNotCount(t *testing.T) {
	for _, permits := range [][]uint64{
		append(times(1000, 0), 1),
		append(times(150, 0), 1),
	} {
		synctest.Test(t, func(t *testing.T) {
			w, _ := newTimed(t, host.Plan{Permits: permits, Delay: time.Hour})
			start := time.Now()
			n, err := w.WriteString("xyz")
			require.NoError(t, err)
			assert.Equal(t, 3, n)
			assert.Equal(t, 4*time.Duration(len(permits)-1)*time.Hour, time.Since(start))
		})
	}
}

// The Writer waits for a slow consumer without spinning even if the host says at once that
// the stream is ready.
func TestPrematurePollablesAreWaitedFor(t *testing.T) {
	for _, delay := range []time.Duration{10 * µ, time.Millisecond, 5 * time.Millisecond, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{3, 0}, FlushWaits: []int{1}, Premature: true, Delay: delay})
			start := time.Now()
			for range 10 {
				n, err := w.WriteString("abcdef")
				require.NoError(t, err)
				assert.Equal(t, 6, n)
			}
			assert.Equal(t, strings.Repeat("abcdef", 10), s.String())
			waits := time.Duration(10 + 10 + 9) // in Writes, between them, and in flushes
			assert.GreaterOrEqual(t, time.Since(start), waits*delay)
			assert.LessOrEqual(t, time.Since(start), waits*(2*delay+20*µ), "pauses are at most as long as the waits")
			assert.Less(t, s.Count("check-write"), 1500)
		})
	}
}

// With a deadline, the deadline alone decides how long to try.
func TestDeadlineSaysHowLongToTry(t *testing.T) {
	t.Run("ready after all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{3, 0}, Premature: true, Delay: 10 * time.Second})
			w.SetWriteDeadline(time.Now().Add(time.Minute))
			n, err := w.WriteString("abcdef")
			require.NoError(t, err)
			assert.Equal(t, 6, n)
			assert.Less(t, s.Count("check-write"), 5000, "no spin")
		})
	})
	t.Run("never ready", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{0}})
			start := time.Now()
			w.SetWriteDeadline(start.Add(10*time.Second + 1))
			_, err := w.WriteString("x")
			assertTimeout(t, err)
			assert.Equal(t, 10*time.Second+1, time.Since(start), "neither sooner nor later")
			assert.Less(t, s.Count("check-write"), 2100, "it also pauses with a deadline")
		})
	})
	t.Run("sooner than a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, _ := newWriter(t, wasiotest.Plan{FlushWaits: []int{1 << 30}})
			start := time.Now()
			w.SetWriteDeadline(start.Add(123456789))
			n, err := w.WriteString("x")
			assertTimeout(t, err)
			assert.Equal(t, 1, n)
			assert.EqualValues(t, 123456789, time.Since(start))
		})
	})
}

// Pauses also count toward the limit while there is a deadline. When the deadline is removed, the
// Writer gives up at once if they were long enough.
func TestIdleRoundsCountWithADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{0}})
		start := time.Now()
		w.SetWriteDeadline(start.Add(time.Hour))
		go func() {
			time.Sleep(5500 * time.Millisecond)
			w.SetWriteDeadline(time.Time{})
		}()
		_, err := w.WriteString("x")
		require.ErrorIs(t, err, io.ErrNoProgress)
		assert.GreaterOrEqual(t, time.Since(start), 5500*time.Millisecond)
		assert.LessOrEqual(t, time.Since(start), 5510*time.Millisecond)
	})
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{0}})
		start := time.Now()
		w.SetWriteDeadline(start.Add(time.Hour))
		go func() {
			time.Sleep(time.Second / 2)
			w.SetWriteDeadline(time.Time{})
		}()
		_, err := w.WriteString("x")
		require.ErrorIs(t, err, io.ErrNoProgress)
		assert.GreaterOrEqual(t, time.Since(start), time.Second)
		assert.LessOrEqual(t, time.Since(start), time.Second+10*time.Millisecond)
	})
}

// After a permit, the next wait is a first one again.
func TestWaitsStartAnewAfterAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newTimed(t, host.Plan{Permits: append(times(15, 0), 1)})
		start := time.Now()
		_, err := w.ReadFrom(strings.NewReader(strings.Repeat("x", 1000)))
		require.NoError(t, err)
		pauses := pausesOf(h.Calls())
		cycle := append(make([]time.Duration, 12), 20*µ, 20*µ, 40*µ, 0)
		assert.Equal(t, 1001*80*µ, time.Since(start), "one more wait for the flush")
		for i, p := range pauses {
			require.Equal(t, cycle[i%16], p, "pause %d", i)
		}
	})
}

// After a complete flush, the next wait is a first one again.
func TestWaitsStartAnewAfterAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newTimed(t, host.Plan{FlushWaits: []int{15}})
		for range 1000 {
			require.NoError(t, w.Flush())
		}
		cycle := append(make([]time.Duration, 12), 20*µ, 20*µ, 40*µ, 0)
		for i, p := range pausesOf(h.Calls()) {
			require.Equal(t, cycle[i%16], p, "pause %d", i)
		}
	})
}

// After a timeout, the next wait is a first one again.
func TestWaitsStartAnewAfterATimeout(t *testing.T) {
	for name, plan := range map[string]host.Plan{
		"in the write": {Permits: []uint64{0}},
		"in the flush": {FlushWaits: []int{1 << 30}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newTimed(t, plan)
				w.SetWriteDeadline(time.Now().Add(900 * time.Millisecond))
				_, err := w.WriteString("x")
				assertTimeout(t, err)
				before := len(h.Calls())
				w.SetWriteDeadline(time.Time{})
				require.ErrorIs(t, w.Flush(), io.ErrNoProgress)
				assertPausesGrow(t, pausesOf(h.Calls()[before:]))
			})
		})
	}
}

// A runningClock goes on by a microsecond each time it is read, so that time passes on the host
// while a program asks.
type runningClock struct{ now atomic.Int64 }

func (c *runningClock) Now() time.Duration { return time.Duration(c.now.Add(int64(µ))) }

func (c *runningClock) Sleep(d time.Duration, wake, interrupt <-chan struct{}) { c.now.Add(int64(d)) }

// A pause takes a millisecond on most hosts. So with the Go toolchain the first pause of a wait
// comes after many checks of the stream, unless those have been in vain of late.
func TestChecksBeforePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		write := func(delay time.Duration, clock host.Clock) (checks uint64, paused time.Duration) {
			h := host.New(host.Options{Clock: clock})
			w := wasio.NewWriter(expose(t, h) | h.NewStream(host.Plan{Permits: []uint64{1, 0}, Delay: delay}, io.Discard))
			defer w.Close()
			start := time.Now()
			require.NoError(t, w.SetWriteDeadline(start.Add(time.Hour)))
			n, err := w.Write(make([]byte, 101))
			require.NoError(t, err)
			assert.Equal(t, 101, n)
			return h.Count(host.OpReady), time.Since(start)
		}
		write(100*µ, new(runningClock)) // after this, what waits of other tests did does not matter

		checks, paused := write(100*µ, new(runningClock))
		assert.Zero(t, paused)
		assert.Greater(t, checks, uint64(100*10))

		checks, paused = write(50*µ, nil) // time passes only during pauses
		assert.Equal(t, 101*60*µ, paused, "20 and 40 µs after each byte")
		assert.Greater(t, checks, uint64(100*20), "the first waits and a few later ones check often")
		assert.Less(t, checks, uint64(100*60), "the others check once before each pause")
	})
}

// With SetRecheckInterval or a deadline, a wait checks the stream after pauses that grow, and that
// are short again after a permit or a complete flush.
func TestPausesBetweenLooks(t *testing.T) {
	looks := func(h *host.Host) (times []time.Duration) {
		for _, c := range h.Calls() {
			// The first check asks again and again.
			if c.Op == host.OpReady && !slices.Contains(times, c.Start) {
				times = append(times, c.Start)
			}
		}
		return times
	}
	t.Run("grow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h := newTimed(t, host.Plan{Permits: []uint64{1, 0}, Delay: time.Second})
			w.SetRecheckInterval(time.Hour)
			_, err := w.WriteString("xy")
			require.NoError(t, err)
			times := looks(h)
			assert.Equal(t, 20*µ, times[1]-times[0])
			for i := range times[2:200] {
				a, b := times[i+1]-times[i], times[i+2]-times[i+1]
				require.True(t, a <= b && b <= 2*a && b <= 5*time.Millisecond, "%v and then %v", a, b)
			}
			assert.Equal(t, 5*time.Millisecond, times[150]-times[149])
			assert.Less(t, len(times), 450, "for two waits of a second")
		})
	})
	for name, deadline := range map[string]time.Duration{
		"are bounded by SetRecheckInterval":                    0,
		"are bounded by SetRecheckInterval, with a deadline":   time.Hour,
		"are bounded by SetRecheckInterval, until a deadline":  150 * time.Millisecond,
		"are bounded by SetRecheckInterval, and by a deadline": 150*time.Millisecond + 30*µ,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newTimed(t, host.Plan{Permits: []uint64{1, 0}, Delay: 100 * time.Millisecond})
				w.SetRecheckInterval(100 * µ)
				start := time.Now()
				if deadline > 0 {
					w.SetWriteDeadline(start.Add(deadline))
				}
				_, err := w.WriteString("xy")
				times := looks(h)
				if 0 < deadline && deadline < time.Second {
					assertTimeout(t, err)
					assert.Equal(t, deadline, time.Since(start))
				} else {
					require.NoError(t, err)
					assert.Greater(t, len(times), 2000)
				}
				assert.Equal(t, 100*µ, times[500]-times[499])
			})
		})
	}
	for name, plan := range map[string]host.Plan{
		"start anew after a permit": {Permits: []uint64{1, 0}, Delay: 50 * µ},
		"start anew after a flush":  {FlushWaits: []int{1}, Delay: 50 * µ},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := newTimed(t, plan)
				w.SetRecheckInterval(time.Hour)
				start := time.Now()
				for range 200 {
					_, err := w.WriteString("x")
					require.NoError(t, err)
				}
				waits := h.Count(host.OpCheckWrite)
				assert.Less(t, time.Since(start), time.Duration(waits)*100*µ)
			})
		})
	}
}

// An unbounded wait is one call of pollable.block.
func TestWaitWithoutALimitBlocks(t *testing.T) {
	for name, set := range map[string]func(w *wasio.Writer){
		"nothing set":                 func(*wasio.Writer) {},
		"deadline removed":            func(w *wasio.Writer) { w.SetWriteDeadline(time.Now().Add(1)); w.SetWriteDeadline(time.Time{}) },
		"no deadline":                 func(w *wasio.Writer) { w.SetWriteDeadline(time.Time{}) },
		"recheck back to the default": func(w *wasio.Writer) { w.SetRecheckInterval(time.Second); w.SetRecheckInterval(0) },
		"recheck that is negative":    func(w *wasio.Writer) { w.SetRecheckInterval(-1) },
		"longest recheck":             func(w *wasio.Writer) { w.SetRecheckInterval(1<<63 - 1) },
		"limits of another Writer":    func(*wasio.Writer) { new(wasio.Writer).SetRecheckInterval(1) },
		"deadline of a closed Writer": func(*wasio.Writer) { new(wasio.Writer).SetWriteDeadline(time.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{1, 0}, FlushWaits: []int{1}, Delay: time.Minute})
				set(w)
				_, err := w.WriteString("xy")
				require.NoError(t, err)
				assert.Equal(t, 3, s.Count("pollable.block")) // two of them for the flush
				assert.Zero(t, s.Count("pollable.ready"))
			})
		})
	}
}

// Each wait has its own pollable and drops it before the next call.
func TestEachWaitHasAPollable(t *testing.T) {
	for _, limited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{1, 0}, Handles: 2, Delay: time.Second})
			if limited {
				w.SetRecheckInterval(time.Hour)
			}
			_, err := w.WriteString("xyz")
			require.NoError(t, err)
			calls := slices.Compact(callsOf(s)) // a wait may ask many times
			for i, c := range calls {
				if c == "subscribe = pollable" {
					assert.Contains(t, []string{"pollable.block", "pollable.ready = true", "pollable.ready = false"}, calls[i+1])
					assert.Equal(t, "pollable.drop", calls[i+2])
				}
			}
			assert.Equal(t, s.Count("subscribe"), s.Count("pollable.drop"))
			assert.GreaterOrEqual(t, s.Count("subscribe"), 3)
		})
	}
}

// The pollable is dropped before the pause that may follow.
func TestPollableIsDroppedBeforeAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newTimed(t, host.Plan{Permits: []uint64{0}})
		call := start(func() { w.WriteString("x") })
		for range 10 {
			time.Sleep(50 * time.Millisecond)
			require.False(t, call())
			assert.Len(t, h.Live(), 1, "the stream")
		}
	})
}

// The error of a stream that permits nothing for too long sticks, and Close returns it even if
// everything written before is known to be flushed.
func TestNoProgressSticks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permits := append([]uint64{9, 9}, make([]uint64, 1000)...)
		w, s := newWriter(t, wasiotest.Plan{Permits: permits})
		b := wasio.NewBufWriterSize(w, 16)
		_, err := w.WriteString("flushed")
		require.NoError(t, err)
		_, err = w.WriteString("x")
		require.ErrorIs(t, err, io.ErrNoProgress)
		before := len(s.Calls())
		assert.Same(t, err, b.Flush())
		assert.Same(t, err, w.Flush())
		_, again := w.WriteString("x")
		assert.Same(t, err, again)
		assert.Same(t, err, w.Close())
		assert.Equal(t, []string{"drop"}, callsOf(s)[before:])
	})
}
