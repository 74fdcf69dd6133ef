package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// The ways to build testdata/exactguest. In each of them the waits of the program are exact.
var exactWays = map[string]func() ([]byte, error){
	"TinyGo": sync.OnceValues(func() ([]byte, error) {
		return buildBy("tinygo", nil, "./testdata/exactguest", "-target=wasip2")
	}),
	// What componentize-go builds, without the adapter for preview 1, which the engine does not
	// need.
	"componentize-go": sync.OnceValues(func() ([]byte, error) {
		module, err := buildBy("go", wasip1, "./testdata/exactguest", "-buildmode=c-shared", "-ldflags=-checklinkname=0")
		return component(1, module), err
	}),
}

// An exactResult is the outcome of a run of testdata/exactguest.
type exactResult struct {
	stream string    // written to standard output
	report []string  // written to standard error
	calls  []host.Op // the first ones from the first check-write on
	host   *host.Host
	took   time.Duration // by the clock of the model
}

// A runExact runs testdata/exactguest on a model whose clock stands still unless the guest waits.
type runExact func(t *testing.T, p host.Plan, arg string) exactResult

// withExactWaits runs a test with testdata/exactguest as each of the toolchains builds it.
func withExactWaits(t *testing.T, test func(t *testing.T, run runExact)) {
	for toolchain, build := range exactWays {
		t.Run(toolchain, func(t *testing.T) {
			if _, err := exec.LookPath("tinygo"); toolchain == "TinyGo" && err != nil && os.Getenv("CI") != "true" {
				t.Skip("needs TinyGo: PATH=$(.ci/tinygo):$PATH")
			}
			module, err := build()
			require.NoError(t, err)
			test(t, func(t *testing.T, p host.Plan, arg string) exactResult { return runExactGuest(t, module, p, arg) })
		})
	}
}

func runExactGuest(t *testing.T, module []byte, p host.Plan, arg string) exactResult {
	t.Helper()
	var stream, stderr bytes.Buffer
	clock := new(host.VirtualClock)
	var calls []host.Op
	h := host.New(host.Options{Clock: clock, OnCall: func(c *host.Call) {
		if len(calls) > 0 || c.Op == host.OpCheckWrite {
			calls = append(calls, c.Op)
		}
	}})
	h.SetStdio(host.Stdout, p, &stream)
	h.SetStdio(host.Stderr, host.Plan{}, &stderr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for a guest that never ends
	defer cancel()
	exit, err := engine.Run(ctx, engine.Guest{Module: module, Args: []string{"guest", arg}, Host: h, Cache: cache})
	require.NoError(t, err, "%s", &stderr)
	require.Zero(t, exit, "%s", &stderr)
	assert.LessOrEqual(t, strings.Count(strings.Join(h.Live(), " "), "pollable"), 1, "one clock may be left: %v", h.Live())
	assert.NotContains(t, h.Live(), "error")
	return exactResult{stream.String(), strings.Split(strings.TrimSpace(stderr.String()), "\n"), calls, h, clock.Now()}
}

// TestExactBuffersPiecesOfAllSizes checks that no byte of a piece is lost or changed on its way
// through the buffer.
func TestExactBuffersPiecesOfAllSizes(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		for name, plan := range map[string]host.Plan{"synchronous": {}, "slow": slow} {
			r := run(t, plan, "pieces")
			const size = 8 * 300 * 301 / 2
			assert.Equal(t, []string{fmt.Sprint(size, " ok")}, r.report, name)
			require.Equal(t, size, len(r.stream), name)
			wrong := 0
			for i := range r.stream {
				if r.stream[i] != byte(i%251) {
					wrong++
				}
			}
			assert.Zero(t, wrong, "%s: bytes that are not what was written", name)
		}
	})
}

// TestExactWaitIsOnePoll checks which calls a wait takes.
func TestExactWaitIsOnePoll(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{0, 100}, Delay: time.Millisecond}, "bytes")
		assert.Equal(t, []string{"100 ok"}, r.report)
		assert.Equal(t, []host.Op{
			host.OpCheckWrite, host.OpSubscribe, host.OpSubscribeDuration, host.OpPoll, host.OpDropPollable,
			host.OpCheckWrite, host.OpWrite, host.OpFlush,
			host.OpCheckWrite, host.OpSubscribe, host.OpPoll, host.OpDropPollable,
			host.OpDropPollable, // of the clock
			host.OpCheckWrite,
		}, r.calls[:14])
	})
}

// TestExactEndsAtTheDeadline checks that a Write to a stream that permits nothing ends when the
// deadline is due, whether that is sooner or later than the waits of the Write before.
func TestExactEndsAtTheDeadline(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{0}, Delay: time.Hour}, "deadlines")
		assert.Equal(t, slices.Repeat([]string{"0 wasio: check-write: i/o timeout (deadline)"}, 5), r.report)
		const due = 2*time.Second + 7*time.Millisecond
		assert.Greater(t, r.took, due*3/4, "by the wall clock, which goes on meanwhile, it is due sooner")
		assert.LessOrEqual(t, r.took, due)
	})
}

// TestExactEndsAtADeadlineSoonerThanItsClock checks that a deadline is met even if the clock of
// an earlier wait, which waits share, is due later.
func TestExactEndsAtADeadlineSoonerThanItsClock(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{0, 1}, Delay: 15 * time.Millisecond}, "deadline after a wait")
		require.Len(t, r.report, 2)
		assert.Equal(t, "1 ok", r.report[0])
		assert.Contains(t, r.report[1], "i/o timeout (deadline)")
		assert.LessOrEqual(t, r.took, 2*15*time.Millisecond+3*time.Millisecond)
		if strings.HasPrefix(r.report[1], "1 ") { // there was time for a wait
			assert.NotContains(t, strings.Join(r.host.Live(), " "), "pollable", "both clocks are dropped")
		}
	})
}

// TestExactFindsLostWakeUps checks that a wait does not depend on the wake-up of the stream, and
// how long it takes then.
func TestExactFindsLostWakeUps(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		plan := host.Plan{Permits: []uint64{1 << 20}, FlushWaits: []int{1}, LoseWakeups: true, Delay: time.Millisecond}
		r := run(t, plan, "lines")
		assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
		assert.GreaterOrEqual(t, r.took, 20*time.Millisecond)
		assert.LessOrEqual(t, r.took, 20*2*time.Millisecond, "looks after 2 ms")

		plan.Delay = time.Second
		r = run(t, plan, "lines")
		assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
		assert.LessOrEqual(t, r.took, 20*(time.Second+16*time.Millisecond), "looks after 16 ms")
		assert.LessOrEqual(t, r.host.Count(host.OpPoll), uint64(20*(1000/16+4)), "and no sooner")

		r = run(t, plan, "lines, default recheck")
		assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
	})
}

// TestExactGivesUp checks that a stream which is ready and permits nothing is given up after a
// second of pauses.
func TestExactGivesUp(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{0}}, "bytes")
		assert.Equal(t, []string{"0 wasio: check-write: stream is ready, but permits no bytes"}, r.report)
		assert.GreaterOrEqual(t, r.took, time.Second)
		assert.Less(t, r.took, time.Second+10*time.Millisecond)
	})
}

// TestExactIsPatientWithAShortRecheck checks that a stream which is not ready when a wait ends
// at its bound does not count as one that is ready and permits nothing.
func TestExactIsPatientWithAShortRecheck(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{0, 1}, Delay: 3 * time.Second}, "recheck")
		assert.Equal(t, []string{"1 ok"}, r.report)
		assert.InDelta(t, 6*time.Second, r.took, float64(time.Millisecond))
	})
}

// TestExactSharesOneClock checks that waits which end at once share a clock.
func TestExactSharesOneClock(t *testing.T) {
	withExactWaits(t, func(t *testing.T, run runExact) {
		r := run(t, host.Plan{Permits: []uint64{1, 0}}, "bytes")
		assert.Equal(t, []string{"100 ok"}, r.report)
		assert.GreaterOrEqual(t, r.host.Count(host.OpPoll), uint64(99))
		assert.LessOrEqual(t, r.host.Count(host.OpSubscribeDuration), uint64(2))
	})
}

// TestExactIsToldTheHostsText checks that an error has the first line of the host's text,
// which is of any length.
func TestExactIsToldTheHostsText(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	withExactWaits(t, func(t *testing.T, run runExact) {
		for text, want := range map[string]string{
			"disk full\nstack backtrace:\n": "disk full",
			"":                              "last operation failed",
			long + "\nstack backtrace:\n":   long,
		} {
			r := run(t, host.Plan{Faults: []host.Fault{{At: host.AtWrite, Text: text}}}, "bytes")
			assert.Equal(t, []string{"0 wasio: write: " + want}, r.report)
		}
	})
}
