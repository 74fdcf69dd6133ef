package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/internal/engine"
	model "github.com/wasio-dev/wasio/internal/host"
)

// These tests run guests of both toolchains on the model host, which can do what no real
// host does at will: lose a wake-up at a given wait, and tell every call.

// A modelRun is what came of a guest on the model host.
type modelRun struct {
	exit   int
	err    error
	stdout string
	model  *model.Host
}

// modelToolchains are those whose programs the model host runs as they are.
var modelToolchains = []component.Toolchain{component.TinyGo, component.Go}

var (
	modelCache  = wazero.NewCompilationCache()
	modelGuests sync.Map // the programs, by package and toolchain
)

// modelGuest returns the program that the toolchain makes of the package: a core module of
// Go's, or a component of TinyGo's.
func modelGuest(t *testing.T, pkg string, toolchain component.Toolchain) []byte {
	t.Helper()
	requireTools(t, toolchain)
	once, _ := modelGuests.LoadOrStore(pkg+" "+string(toolchain), sync.OnceValues(func() ([]byte, error) {
		out := tempPath("model.wasm")
		err := error(nil)
		if toolchain == component.TinyGo {
			err = component.Build(toolchain, "", pkg, out)
		} else {
			err = component.Command("", component.GoEnv, "go", "build", "-o", out, pkg)
		}
		if err != nil {
			return nil, err
		}
		return os.ReadFile(out)
	}))
	program, err := once.(func() ([]byte, error))()
	require.NoError(t, err)
	return program
}

// runOnModel runs a case with standard output on a stream that behaves as the plan says.
func runOnModel(t *testing.T, toolchain component.Toolchain, plan model.Plan, args ...string) modelRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	h := model.New(model.Options{Clock: engine.Clock(ctx)})
	h.SetStdio(model.Stdout, plan.Behavior(), &stdout, false)
	h.SetStdio(model.Stderr, model.Behavior{}, &stderr, false)
	exit, err := engine.Run(ctx, engine.Guest{Module: modelGuest(t, casesGuest, toolchain), Host: h,
		Args: append([]string{"guest"}, args...), Stderr: &stderr, Cache: modelCache})
	assert.Empty(t, stderr.String())
	return modelRun{exit, err, stdout.String(), h}
}

// numbered returns the lines that the guest writes.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d of %d\n", i+1, n)
	}
	return b.String()
}

// On the stream of Wasmtime 22 that loses wake-ups (issue 8781), every way to write gets
// all lines out, whichever wake-up is lost. As a control, os.Stdout hangs.
func TestModelLosesWakeups(t *testing.T) {
	for _, toolchain := range modelToolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			for _, way := range []string{"writer", "linemode", "bufio"} {
				for _, at := range []int{0, 1, 2, 100} { // 0 is every wait
					t.Run(fmt.Sprint(way, " ", at), func(t *testing.T) {
						plan, err := model.Named("wasmtime-22-async")
						require.NoError(t, err)
						plan.LoseAt = at
						start := time.Now()
						r := runOnModel(t, toolchain, plan, way, "100")
						require.NoError(t, r.err)
						assert.Zero(t, r.exit)
						assert.Equal(t, numbered(100), r.stdout)
						assert.LessOrEqual(t, r.model.Count(model.OpSubscribe), uint64(400), "waits do not spin")
						t.Log(time.Since(start))
					})
				}
			}
		})
	}
	t.Run("os.Stdout", func(t *testing.T) {
		plan, err := model.Named("wasmtime-22-async")
		require.NoError(t, err)
		r := runOnModel(t, component.TinyGo, plan, "os", "100")
		var trap *model.Trap
		require.ErrorAs(t, r.err, &trap)
		assert.Equal(t, "the guest hangs: it waits for a wake-up that never comes", trap.Reason)
	})
}

// A goroutine that writes in a loop to a host that makes each Write wait does not keep
// another goroutine out.
func TestModelCompetingGoroutines(t *testing.T) {
	for _, toolchain := range modelToolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			r := runOnModel(t, toolchain, model.Plan{FlushWaits: []int{1}}, "compete", "1000")
			require.NoError(t, r.err)
			lines := strings.SplitAfter(r.stdout, "\n")
			assert.Len(t, lines, 1002)
			assert.Contains(t, lines[:6], "another goroutine\n")
		})
	}
}

// A wait of TinyGo takes three host calls. The clock that bounds all waits is made anew
// only when it has fired, and is all that is left when the last Writer is closed.
func TestModelTinyGoWaitsInThreeCalls(t *testing.T) {
	const writes = 1000
	r := runOnModel(t, component.TinyGo, model.Plan{FlushWaits: []int{1}}, "closes", fmt.Sprint(writes))
	require.NoError(t, r.err)
	for _, op := range []model.Op{model.OpSubscribe, model.OpPoll} {
		assert.EqualValues(t, writes, r.model.Count(op), op)
	}
	clocks := r.model.Count(model.OpSubscribeDuration)
	assert.Less(t, clocks, uint64(writes/10))
	assert.LessOrEqual(t, r.model.Count(model.OpDropPollable), writes+clocks)
	assert.Zero(t, r.model.Count(model.OpReady)+r.model.Count(model.OpBlock))

	left := r.model.Live()
	assert.LessOrEqual(t, len(slices.DeleteFunc(left, func(handle string) bool {
		return strings.HasPrefix(handle, "output-stream")
	})), 1, "a clock at most")
}

// A program that uses neither Stdout nor Stderr of wasio imports nothing of terminals.
func TestImportsOfTerminals(t *testing.T) {
	for _, toolchain := range modelToolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			own := modelGuest(t, "./guests/ownstream", toolchain)
			assert.NotContains(t, string(own), "get-terminal-")
			assert.Contains(t, string(own), "output-stream.check-write", "imports can be told by their names")
			assert.Contains(t, string(modelGuest(t, "github.com/wasio-dev/wasio/examples/lines", toolchain)), "get-terminal-stdout")
		})
	}
}
