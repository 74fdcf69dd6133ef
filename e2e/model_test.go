package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
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

// These tests run guests built in all ways on the model host, which can do what no real host
// does on demand: lose the wake-up of a given wait, and report every call.

// A modelRun is the outcome of a guest on the model host.
type modelRun struct {
	exit   int
	err    error
	stdout string
	stderr string
	model  *model.Host
}

var (
	modelCache  = wazero.NewCompilationCache()
	modelGuests memo[[]byte] // the programs, by package and toolchain
)

// modelGuest returns the program that the toolchain makes of the package: a core module of Go or
// a component.
func modelGuest(t *testing.T, pkg string, toolchain component.Toolchain) []byte {
	t.Helper()
	requireTools(t, toolchain)
	program, err := modelGuests.get(pkg+" "+string(toolchain), func() ([]byte, error) {
		if toolchain != component.Go {
			wasm, err := buildComponent(pkg, toolchain)
			if err != nil {
				return nil, err
			}
			return os.ReadFile(wasm)
		}
		core := tempPath("model.wasm")
		if err := component.Command("", component.GoEnv, "go", "build", "-o", core, pkg); err != nil {
			return nil, err
		}
		return os.ReadFile(core)
	})
	require.NoError(t, err)
	return program
}

// buildWasirun builds the command wasirun.
var buildWasirun = sync.OnceValues(func() (program string, err error) {
	program = tempPath("wasirun")
	return program, component.Command("", nil, "go", "build", "-o", program, "github.com/wasio-dev/wasio/cmd/wasirun")
})

// runOnModel runs a case with standard output on a stream that behaves as the plan says.
func runOnModel(t *testing.T, toolchain component.Toolchain, plan model.Plan, args ...string) modelRun {
	t.Helper()
	r := runGuestOnModel(t, modelGuest(t, casesGuest, toolchain), time.Minute, plan, args...)
	assert.Empty(t, r.stderr)
	return r
}

// runGuestOnModel is runOnModel for any guest.
func runGuestOnModel(t *testing.T, module []byte, limit time.Duration, plan model.Plan, args ...string) modelRun {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	h := model.New(model.Options{Clock: engine.Clock(ctx)})
	h.SetStdio(model.Stdout, plan, &stdout)
	h.SetStdio(model.Stderr, model.Plan{}, &stderr)
	exit, err := engine.Run(ctx, engine.Guest{Module: module, Host: h,
		Args: append([]string{"guest"}, args...), Stderr: &stderr, Cache: modelCache})
	return modelRun{exit, err, stdout.String(), stderr.String(), h}
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
	t.Parallel()
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			for _, way := range []string{"writer", "linemode", "bufio"} {
				for _, at := range []int{0, 1, 2, 100} { // 0 is every wait
					t.Run(fmt.Sprint(way, " ", at), func(t *testing.T) {
						plan, err := model.Named("wasmtime-22-async")
						require.NoError(t, err)
						plan.LoseAt = at
						start := time.Now()
						args := []string{way, "100"}
						if toolchain == component.Go { // which waits for the stream alone
							args = append(args, "recheck")
						}
						r := runOnModel(t, toolchain, plan, args...)
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
	t.Parallel()
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			r := runOnModel(t, toolchain, model.Plan{FlushWaits: []int{1}}, "compete", "1000")
			require.NoError(t, r.err)
			lines := strings.SplitAfter(r.stdout, "\n")
			assert.Len(t, lines, 1002)
			assert.Contains(t, lines[:6], "another goroutine\n")
		})
	}
}

// With TinyGo a wait takes three host calls. The clock that bounds all waits is replaced only
// when it has fired, and is the only handle left when the last Writer is closed.
func TestModelTinyGoWaitsInThreeCalls(t *testing.T) {
	t.Parallel()
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
		return !strings.HasPrefix(handle, "pollable") // the runtime has the standard streams
	})), 1, "a clock at most")
}

// A program that uses neither Stdout nor Stderr of wasio, but a stream that it got itself, imports
// nothing of terminals.
func TestImportsOfTerminals(t *testing.T) {
	t.Parallel()
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Go} {
		t.Run(string(toolchain), func(t *testing.T) {
			own := modelGuest(t, oldGuest, toolchain)
			assert.NotContains(t, string(own), "get-terminal-")
			assert.Contains(t, string(own), "output-stream.check-write", "imports have these names")
			assert.Contains(t, string(modelGuest(t, "github.com/wasio-dev/wasio/examples/lines", toolchain)), "get-terminal-stdout")
		})
	}
}

// Wasirun runs the components that users deploy. Every example prints there what it prints
// natively, even on a difficult host, and the trace shows the calls.
func TestWasirunRunsComponents(t *testing.T) {
	t.Parallel()
	wasirun, err := buildWasirun()
	require.NoError(t, err)
	run := func(t *testing.T, args ...string) *result {
		t.Helper()
		p := process{task: task{Exec: append([]string{wasirun}, args...)}, limit: time.Minute}
		r, err := p.run()
		require.NoError(t, err)
		return r
	}
	outputs, err := filepath.Glob("../examples/*/output.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(outputs), 6)
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Componentize} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			for _, output := range outputs {
				want, err := os.ReadFile(output)
				require.NoError(t, err)
				example := filepath.Base(filepath.Dir(output))
				t.Run(example, func(t *testing.T) {
					t.Parallel()
					wasm := tempPath(example + ".wasm")
					require.NoError(t, os.WriteFile(wasm, modelGuest(t, "github.com/wasio-dev/wasio/examples/"+example, toolchain), 0o600))
					for _, flags := range [][]string{nil, {"-permit", "0,0,3", "-trace"}} {
						r := run(t, append(flags, wasm)...)
						assert.Zero(t, r.exit)
						assert.Equal(t, string(want), string(r.stdout))
						if flags == nil {
							assert.Empty(t, string(r.stderr))
						} else {
							assert.Contains(t, string(r.stderr), "  write(3)\n")
							assert.Contains(t, string(r.stderr), "poll(2 pollables)\n")
						}
					}
				})
			}
		})
	}
	// TinyGo's os.Stdout is an output-stream, too. Go's is a file of preview 1.
	for toolchain, call := range map[component.Toolchain]string{
		component.TinyGo: "blocking-write-and-flush(12)\n", component.Componentize: "fd(1)             fd_write(12)\n",
	} {
		wasm := tempPath("cases.wasm")
		require.NoError(t, os.WriteFile(wasm, modelGuest(t, casesGuest, toolchain), 0o600))
		r := run(t, "-trace", wasm, "os", "2")
		assert.Equal(t, numbered(2), string(r.stdout))
		assert.Contains(t, string(r.stderr), call)
	}

	// The example for componentize-go, as its users build it.
	t.Run("componentize", func(t *testing.T) {
		requireTools(t, component.Componentize)
		r := run(t, "-permit", "0,0,3", componentized(t, commandExample, "app"), "one")
		assert.Zero(t, r.exit)
		assert.Equal(t, "1: one\n"+`{"level":"INFO","msg":"report","arguments":1}`+"\ndone\n", string(r.stdout)+string(r.stderr))
	})
	t.Run("-tinygo", func(t *testing.T) {
		requireTools(t, component.TinyGo)
		assert.Equal(t, "hello, component world\n", string(run(t, "-tinygo", "../examples/hello").stdout))
	})
	t.Run("a server", func(t *testing.T) {
		requireTools(t, component.Componentize)
		wasm, err := buildServer()
		require.NoError(t, err)
		r := run(t, wasm)
		assert.Equal(t, 125, r.exit)
		assert.Equal(t, "wasirun: "+wasm+": a server, which exports wasi:http/incoming-handler: run it with wasmtime serve -S cli\n", string(r.stderr))
	})
}

// Components of componentize-go pass the tests that package main of cmd/wasirun has for Go and
// TinyGo: nothing differs on a hard host, and a damaged one does no harm.
func TestWasirunTorturesComponents(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	t.Parallel()
	wasirun, err := buildWasirun()
	require.NoError(t, err)
	for _, example := range []string{"hello", "bufio", "log", "slog", "json"} {
		t.Run(example, func(t *testing.T) {
			wasm := tempPath(example + ".wasm")
			require.NoError(t, os.WriteFile(wasm, modelGuest(t, "github.com/wasio-dev/wasio/examples/"+example, component.Componentize), 0o600))
			p := process{task: task{Exec: []string{wasirun, "-torture", "-timeout", "5m", wasm}}, limit: 10 * time.Minute}
			r, err := p.run()
			require.NoError(t, err)
			assert.Zero(t, r.exit)
			assert.Contains(t, string(r.stdout), "\nThe guest differs on 0 of ")
			if example == "hello" {
				assert.NoError(t, component.Command("", nil, "go", "test", "-run", "TestDamagedModules",
					"github.com/wasio-dev/wasio/cmd/wasirun", "-guest", wasm))
			}
		})
	}
}
