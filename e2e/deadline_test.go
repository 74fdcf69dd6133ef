package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// A deadline ends a Write that the host does not, with as many bytes as it took: the
// callback permits 8192 and is busy with them for longer than the deadline. Nothing is
// lost or repeated when the Writer goes on after that.
func TestDeadline(t *testing.T) {
	for _, with := range component.Toolchains {
		t.Run(string(with), func(t *testing.T) {
			need(t, with)
			t.Parallel()
			g, err := build(casesGuest, with)
			require.NoError(t, err)
			p := callback.process(g, []string{"deadline", "50"}, "")
			p.task.Run.Sink.Delay = time.Second
			r, err := callback.run(p)
			require.NoError(t, err)
			assert.Equal(t, "n=8192 deadline=true timeout=true\nn=11808 err=<nil>\n", string(r.stderr))
			sameBytes(t, pattern(20_000, 1), r.stdout)

			p = callback.process(g, []string{"deadline", "60000"}, "")
			r, err = callback.run(p)
			require.NoError(t, err)
			assert.Equal(t, "n=20000 deadline=false timeout=false\nn=0 err=<nil>\n", string(r.stderr))
			sameBytes(t, pattern(20_000, 1), r.stdout)
		})
	}
}
