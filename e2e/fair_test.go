package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// A prompt host never makes a guest wait for standard output.
type prompt struct {
	name    string
	process func(t *testing.T, pkg string, toolchain component.Toolchain, args ...string) *process
}

// promptHosts returns the hosts of TestFair. Wasirun is the model.
func promptHosts(t *testing.T) []prompt {
	t.Helper()
	wasirun, err := buildWasirun()
	require.NoError(t, err)
	prompts := []prompt{{"wasirun", func(t *testing.T, pkg string, toolchain component.Toolchain, args ...string) *process {
		wasm := tempPath("guest.wasm")
		require.NoError(t, os.WriteFile(wasm, modelGuest(t, pkg, toolchain), 0o600))
		return &process{task: task{Exec: append([]string{wasirun, wasm}, args...)}, limit: time.Minute}
	}}}
	for _, h := range []*host{nothing, runPipe, runFile} {
		prompts = append(prompts, prompt{h.name, func(t *testing.T, pkg string, toolchain component.Toolchain, args ...string) *process {
			builder := buildUncached
			if pkg == spliceGuest {
				builder = buildSpliceUncached
			}
			g, err := buildOnce(pkg, toolchain, builder)
			require.NoError(t, err)
			return h.process(g, args, "")
		}})
	}
	return prompts
}

// onPromptHosts runs the test of each way to build guests on each host, one after the other. The
// times that it logs tell something only if no other test runs. Except on wasirun, the code of the
// guest is not optimized, so each is longer than a user sees.
func onPromptHosts(t *testing.T, test func(t *testing.T, toolchain component.Toolchain, h prompt)) {
	hosts := promptHosts(t)
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			for _, h := range hosts {
				t.Run(h.name, func(t *testing.T) { test(t, toolchain, h) })
			}
		})
	}
}

// A guest has one thread. Even if its host never makes it wait, a goroutine that writes in a
// loop does not keep others from writing: their lines come soon after they wanted to write.
func TestFair(t *testing.T) {
	t.Parallel()
	const lines = 100_000
	onPromptHosts(t, func(t *testing.T, toolchain component.Toolchain, h prompt) {
		for name, most := range map[string]int{
			"fair":     300,
			"fair buf": 5000, // 500 KB: only each 64 KiB gets to the host
		} {
			r, err := h.process(t, casesGuest, toolchain, name, fmt.Sprint(lines)).run()
			require.NoError(t, err)
			assert.Zero(t, r.exit)
			checkFair(t, r, lines, most, h.name != nothing.name)
			t.Logf("%s: %s", name, bytes.TrimSpace(r.stderr))
		}
	})
}

// checkFair checks the output of the case fair: no more than most lines of the loop came before the
// line of another goroutine once that wanted to write. It returns how many the guest reports.
func checkFair(t *testing.T, r *result, lines, most int, written bool) (reported int) {
	t.Helper()
	const others, size = 20, 100
	var longest string
	_, err := fmt.Sscanf(string(r.stderr), "most=%d longest=%s err=<nil>", &reported, &longest)
	require.NoError(t, err, "stderr: %s", r.stderr)
	assert.LessOrEqual(t, reported, most, "lines before that of another goroutine")
	if !written {
		return reported
	}
	before, found := 0, 0 // lines of the loop, and others
	for line := range strings.Lines(string(r.stdout)) {
		var at int
		if n, _ := fmt.Sscanf(line, "asked after %d\n", &at); n == 1 {
			found++
			assert.GreaterOrEqual(t, before, at)
			assert.LessOrEqual(t, before, at+most, "lines before that of another goroutine")
		} else if assert.Equal(t, size, len(line)) {
			before++
		}
	}
	assert.Equal(t, lines, before)
	assert.Equal(t, others, found)
	return reported
}

// A goroutine that writes in a loop does not keep timers from firing: a context and a deadline
// end it.
func TestTimersFire(t *testing.T) {
	t.Parallel()
	const generous = 2 * time.Second
	onPromptHosts(t, func(t *testing.T, toolchain component.Toolchain, h prompt) {
		ends := func(pkg, by string, after time.Duration, args ...string) {
			t.Helper()
			p := h.process(t, pkg, toolchain, args...)
			if pkg == spliceGuest {
				p.stdin = endless(t)
			}
			if p.stdout.File == "" {
				p.stdout.Discard = true
			}
			r, err := p.run()
			require.NoError(t, err)
			assert.Zero(t, r.exit)
			t.Logf("%s: %s", args, bytes.TrimSpace(r.stderr))
			_, report, _ := strings.Cut(string(r.stderr), "ended by ")
			why, report, _ := strings.Cut(report, " after ")
			took, _, _ := strings.Cut(report, " ")
			assert.Equal(t, by, why, "what ended the loop")
			d, err := time.ParseDuration(took)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, d, after)
			assert.Less(t, d, after+generous)
		}
		for _, suffix := range []string{"", " buf"} {
			ends(casesGuest, "context", 200*time.Millisecond, "until done"+suffix, "200")
			ends(casesGuest, "deadline", 50*time.Millisecond, "until timer"+suffix, "50")
		}
		ends(spliceGuest, "deadline", 50*time.Millisecond, "-", "-", "-1", "50")
	})
}

// endless returns a standard input that is always ready and has no end.
func endless(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/dev/zero")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}
