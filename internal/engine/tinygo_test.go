package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// tinyGuest returns the component of testdata/tinyguest, which is built once.
var tinyGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	if output, err := exec.Command("tinygo", "build", "-target=wasip2", "-o", out, "./testdata/tinyguest").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	return os.ReadFile(out)
})

// A tinyResult is the outcome of a run of testdata/tinyguest.
type tinyResult struct {
	stream string   // written to standard output
	report []string // written to standard error
	host   *host.Host
	took   time.Duration // by the clock of the model
}

// runTinyGuest runs testdata/tinyguest on a model whose clock stands still unless the guest waits.
func runTinyGuest(t *testing.T, p host.Plan, arg string) tinyResult {
	t.Helper()
	if _, err := exec.LookPath("tinygo"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs TinyGo: PATH=$(.ci/tinygo):$PATH")
	}
	module, err := tinyGuest()
	require.NoError(t, err)
	var stream, stderr bytes.Buffer
	clock := new(host.VirtualClock)
	h := host.New(host.Options{Clock: clock})
	h.SetStdio(host.Stdout, p, &stream)
	h.SetStdio(host.Stderr, host.Plan{}, &stderr)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for a guest that never ends
	defer cancel()
	exit, err := engine.Run(ctx, engine.Guest{Module: module, Args: []string{"guest", arg}, Host: h, Cache: cache})
	require.NoError(t, err, "%s", &stderr)
	require.Zero(t, exit, "%s", &stderr)
	assert.LessOrEqual(t, strings.Count(strings.Join(h.Live(), " "), "pollable"), 1, "one clock may be left: %v", h.Live())
	assert.NotContains(t, h.Live(), "error")
	return tinyResult{stream.String(), strings.Split(strings.TrimSpace(stderr.String()), "\n"), h, clock.Now()}
}

// TestTinyGoBuffersPiecesOfAllSizes checks that no byte of a piece is lost or changed on its way
// through the buffer.
func TestTinyGoBuffersPiecesOfAllSizes(t *testing.T) {
	for name, plan := range map[string]host.Plan{"synchronous": {}, "slow": slow} {
		r := runTinyGuest(t, plan, "pieces")
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
}

// TestTinyGoEndsAtTheDeadline checks that a Write to a stream that permits nothing ends when the
// deadline is due, whether that is sooner or later than the waits of the Write before.
func TestTinyGoEndsAtTheDeadline(t *testing.T) {
	r := runTinyGuest(t, host.Plan{Permits: []uint64{0}, Delay: time.Hour}, "deadlines")
	assert.Equal(t, slices.Repeat([]string{"0 wasio: check-write: i/o timeout (deadline)"}, 5), r.report)
	const due = 2*time.Second + 7*time.Millisecond
	assert.Greater(t, r.took, due*3/4, "by the wall clock, which goes on meanwhile, it is due sooner")
	assert.LessOrEqual(t, r.took, due)
}

// TestTinyGoEndsAtADeadlineSoonerThanItsClock checks that a deadline is met though the clock of an
// earlier wait, which waits share, is due later.
func TestTinyGoEndsAtADeadlineSoonerThanItsClock(t *testing.T) {
	r := runTinyGuest(t, host.Plan{Permits: []uint64{0, 1}, Delay: 15 * time.Millisecond}, "deadline after a wait")
	require.Len(t, r.report, 2)
	assert.Equal(t, "1 ok", r.report[0])
	assert.Contains(t, r.report[1], "i/o timeout (deadline)")
	assert.LessOrEqual(t, r.took, 2*15*time.Millisecond+3*time.Millisecond)
	if strings.HasPrefix(r.report[1], "1 ") { // there was time for a wait
		assert.NotContains(t, strings.Join(r.host.Live(), " "), "pollable", "both clocks are dropped")
	}
}

// TestTinyGoFindsLostWakeUps checks that a wait does not depend on the wake-up of the stream, and
// how long it takes then.
func TestTinyGoFindsLostWakeUps(t *testing.T) {
	plan := host.Plan{Permits: []uint64{1 << 20}, FlushWaits: []int{1}, LoseWakeups: true, Delay: time.Millisecond}
	r := runTinyGuest(t, plan, "lines")
	assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
	assert.GreaterOrEqual(t, r.took, 20*time.Millisecond)
	assert.LessOrEqual(t, r.took, 20*2*time.Millisecond, "looks after 2 ms")

	plan.Delay = time.Second
	r = runTinyGuest(t, plan, "lines")
	assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
	assert.LessOrEqual(t, r.took, 20*(time.Second+8*time.Millisecond), "looks after 8 ms")
	assert.LessOrEqual(t, r.host.Count(host.OpPoll), uint64(20*(1000/8+4)), "and no sooner")

	r = runTinyGuest(t, plan, "lines, default recheck")
	assert.Equal(t, strings.Repeat("line\n", 20), r.stream)
}

// TestTinyGoGivesUp checks that a stream which is ready and permits nothing is given up after a
// second of pauses.
func TestTinyGoGivesUp(t *testing.T) {
	r := runTinyGuest(t, host.Plan{Permits: []uint64{0}}, "bytes")
	assert.Equal(t, []string{"0 wasio: check-write: stream is ready, but permits no bytes"}, r.report)
	assert.GreaterOrEqual(t, r.took, time.Second)
	assert.Less(t, r.took, time.Second+10*time.Millisecond)
}

// TestTinyGoIsPatientWithAShortRecheck checks that a look at a stream that is not ready is not
// taken for a stream that is ready and permits nothing.
func TestTinyGoIsPatientWithAShortRecheck(t *testing.T) {
	r := runTinyGuest(t, host.Plan{Permits: []uint64{0, 1}, Delay: 3 * time.Second}, "recheck")
	assert.Equal(t, []string{"1 ok"}, r.report)
	assert.InDelta(t, 6*time.Second, r.took, float64(time.Millisecond))
}

// TestTinyGoSharesOneClock checks that waits which end at once make no new clock each.
func TestTinyGoSharesOneClock(t *testing.T) {
	r := runTinyGuest(t, host.Plan{Permits: []uint64{1, 0}}, "bytes")
	assert.Equal(t, []string{"100 ok"}, r.report)
	assert.GreaterOrEqual(t, r.host.Count(host.OpPoll), uint64(99))
	assert.LessOrEqual(t, r.host.Count(host.OpSubscribeDuration), uint64(2))
}

// TestTinyGoIsToldTheHostsText checks that an error has the first line of the host's text.
func TestTinyGoIsToldTheHostsText(t *testing.T) {
	for text, want := range map[string]string{"disk full\nstack backtrace:\n": "disk full", "": "last operation failed"} {
		r := runTinyGuest(t, host.Plan{Faults: []host.Fault{{At: host.AtWrite, Text: text}}}, "bytes")
		assert.Equal(t, []string{"0 wasio: write: " + want}, r.report)
	}
}
