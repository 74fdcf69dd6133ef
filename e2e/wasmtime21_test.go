package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// requireWasmtime21 returns the program, or skips the test where cargo is missing. With
// CI=true that is a failure.
func requireWasmtime21(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("cargo"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs Rust: install rustc and cargo")
	}
	host, err := component.Wasmtime21()
	require.NoError(t, err)
	return host
}

// On the host of issue 8781 itself, every way to write through wasio gets all lines out, run
// after run. As a control, os.Stdout and the loop that most SDKs use hang after a few lines.
// docs/issue-8781.md has the results.
func TestIssue8781(t *testing.T) {
	t.Parallel()
	const lines = 1000
	runs := 20
	if testing.Short() {
		runs = 1
	}
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			t.Parallel()
			requireTools(t, toolchain)
			host := requireWasmtime21(t)
			g, err := build(casesGuest, toolchain)
			require.NoError(t, err)
			compiled := g.wasm + ".wasmtime21"
			require.NoError(t, component.Command("", nil, host, "compile", g.wasm, compiled))
			run := func(way string, threads int, limit time.Duration) (*result, error) {
				exec := []string{host, "--threads", fmt.Sprint(threads), compiled, way, fmt.Sprint(lines)}
				if toolchain == component.Go { // which waits for the stream alone
					exec = append(exec, "recheck")
				}
				return (&process{limit: limit, task: task{Exec: exec}}).run()
			}
			// A run mostly waits for clocks. So all ways and controls run at once, more than
			// t.Parallel would allow.
			var wg sync.WaitGroup
			defer wg.Wait()
			for _, threads := range []int{1, 2} {
				for _, way := range []string{"writer", "linemode", "bufio", "log"} {
					wg.Go(func() {
						var longest time.Duration
						for range runs {
							start := time.Now()
							r, err := run(way, threads, time.Minute)
							if !assert.NoError(t, err) || !assert.Zero(t, r.exit, string(r.stderr)) {
								return
							}
							assert.Equal(t, numbered(lines), string(r.stdout), "%s on %d threads", way, threads)
							longest = max(longest, time.Since(start))
						}
						t.Logf("%s on %d threads: %d lines in %v at most, %d runs", way, threads, lines, longest.Round(time.Millisecond), runs)
					})
				}
				for _, way := range []string{"os", "loop"} {
					wg.Go(func() {
						_, err := run(way, threads, 10*time.Second)
						if assert.ErrorContains(t, err, "killed after 10s", "%s on %d threads", way, threads) {
							t.Logf("%s on %d threads hangs: %s", way, threads, strings.Fields(err.Error())[3:])
						}
					})
				}
			}
		})
	}
}
