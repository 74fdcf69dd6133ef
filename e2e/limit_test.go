package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// TestTimeLimit checks that a guest that hangs is killed, and that the error says what it did
// last. On Wasmtime, it describes the calls of the callback; on jco, the last host calls.
func TestTimeLimit(t *testing.T) {
	requireTools(t, component.Go)
	g, err := build(casesGuest, component.Go)
	require.NoError(t, err)
	for _, test := range []struct {
		host  *host
		delay time.Duration // of the callback
		want  []string      // substrings of the error
	}{
		{callback, 0, []string{`stdout: "famous last words\n"`, "callback: 1 calls; the last got 18 bytes and returned 18"}},
		{callback, time.Hour, []string{`stdout: ""`, "callback: 1 calls; the last got 18 bytes and has not returned"}},
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
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

// TestGoNeedsMemory shows why the other tests raise the initial memory of a component that Go
// compiled. Without that, a guest that needs more memory crashes, or loses the state of the
// adapter, such as its standard error.
func TestGoNeedsMemory(t *testing.T) {
	requireTools(t, component.Go)
	t.Parallel()
	g, err := build(casesGuest, component.GoUnraised)
	if err != nil { // it fails already in the run in which jco transpiles it
		require.ErrorContains(t, err, "unreachable")
		return
	}
	ok := true
	for _, size := range []string{"1000000", "4000000", "41943040"} {
		p := nothing.process(g, []string{"write", size}, "")
		r, err := nothing.run(p)
		require.NoError(t, err)
		report, _, _ := strings.Cut(string(r.stderr), "\n")
		t.Logf("%s bytes: exit code %d, stderr %q", size, r.exit, report)
		ok = ok && r.exit == 0 && report == "n="+size+" err=<nil>"
	}
	assert.False(t, ok, "the initial memory no longer needs to be raised")
}
