package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// A guest that hangs is killed, and the error says what it did last. What Wasmtime can
// tell of is the embedder's callback; jco traces every call.
func TestTimeLimit(t *testing.T) {
	need(t, component.Go)
	g, err := build(casesGuest, component.Go)
	require.NoError(t, err)
	for _, test := range []struct {
		host  *host
		delay time.Duration // of the callback
		said  []string
	}{
		{callback, 0, []string{`stdout: "famous last words\n"`, "callback: 1 calls; the last had 18 bytes and returned 18"}},
		{callback, time.Hour, []string{`stdout: ""`, "callback: 1 calls; the last has 18 bytes and has not returned"}},
		{jcoFile, 0, []string{`stdout: "famous last words\n"`, "[method]output-stream.flush", "wasi:io/poll"}},
	} {
		t.Run(test.host.name, func(t *testing.T) {
			t.Parallel()
			p := test.host.process(g, []string{"hang"}, "")
			p.limit = 3 * time.Second
			if p.task.Run != nil {
				p.task.Run.Sink.Delay = test.delay
			}
			_, err := test.host.run(p)
			require.ErrorContains(t, err, "killed after 3s")
			for _, said := range test.said {
				assert.ErrorContains(t, err, said)
			}
		})
	}
}

// A component made by Go goes wrong once it needs more memory than it has at first, unless
// that is raised, as it is for all other tests. It dies, or forgets what the adapter
// knows, such as its standard error.
func TestGoNeedsMemory(t *testing.T) {
	need(t, component.Go)
	t.Parallel()
	g, err := build(casesGuest, component.GoAsItIs)
	require.NoError(t, err)
	right := true
	for _, size := range []string{"1000000", "4000000", "41943040"} {
		p := nothing.process(g, []string{"write", size}, "")
		r, err := nothing.run(p)
		require.NoError(t, err)
		report, _, _ := strings.Cut(string(r.stderr), "\n")
		t.Logf("%s bytes: exit code %d, stderr %q", size, r.exit, report)
		right = right && r.exit == 0 && report == "n="+size+" err=<nil>"
	}
	assert.False(t, right, "memory need not be raised any more")
}
