package engine_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// TestGuestMeetsItsFirstLimit checks that a deadline ends a wait of a guest built with Go alone
// when it is due, and that with SetRecheckInterval the guest finds lost wake-ups (C36). Before its
// first limit such a guest has only waits without one.
func TestGuestMeetsItsFirstLimit(t *testing.T) {
	module, err := build("./testdata/limits")
	require.NoError(t, err)
	silent := host.Plan{Permits: []uint64{0, 100}, Delay: time.Hour}
	lossy, err := host.Named("wasmtime-22-async")
	require.NoError(t, err)
	for arg, c := range map[string]struct {
		plan   host.Plan
		report string
		took   time.Duration // at most
	}{
		"deadline":                {silent, "0 wasio: check-write: i/o timeout\n", time.Second + 6*time.Millisecond},
		"deadline of a BufWriter": {silent, "0 wasio: check-write: i/o timeout\n", time.Second + 6*time.Millisecond},
		"recheck":                 {lossy, "4 <nil>\n", 10 * time.Millisecond},
	} {
		t.Run(arg, func(t *testing.T) {
			clock := new(host.VirtualClock)
			h := host.New(host.Options{Clock: clock})
			var stream, stdout bytes.Buffer
			h.SetStdio(host.Stdout, c.plan, &stream)
			exit, err := engine.Run(t.Context(), engine.Guest{Module: module, Args: []string{"guest", arg}, Host: h, Stdout: &stdout, Cache: cache})
			require.NoError(t, err)
			assert.Zero(t, exit)
			assert.Equal(t, c.report, stdout.String())
			assert.LessOrEqual(t, clock.Now(), c.took)
		})
	}
}
