package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// TestDeadline checks that a deadline ends a Write while the host is busy: the callback
// permits 8192 bytes, and takes longer than the deadline to accept them. The next Write
// continues without losing or repeating a byte.
func TestDeadline(t *testing.T) {
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			g, err := build(casesGuest, toolchain)
			require.NoError(t, err)
			p := callback.process(g, []string{"deadline", "50"}, "")
			p.task.Run.Sink.Delay = time.Second
			r, err := callback.run(p)
			require.NoError(t, err)
			assert.Equal(t, "n=8192 deadline=true timeout=true\nn=11808 err=<nil>\n", string(r.stderr))
			assertStdout(t, pattern(20_000, 1), r.stdout)

			p = callback.process(g, []string{"deadline", "60000"}, "")
			r, err = callback.run(p)
			require.NoError(t, err)
			assert.Equal(t, "n=20000 deadline=false timeout=false\nn=0 err=<nil>\n", string(r.stderr))
			assertStdout(t, pattern(20_000, 1), r.stdout)
		})
	}
}
