package e2e

import (
	"fmt"
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
	t.Parallel()
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

// TestWaitingIsIdle starts 100 goroutines that wait for a stream that takes nothing for 5 seconds:
// one of them waits for the stream, the others for the lock of the Writer. That takes almost no
// processor time.
func TestWaitingIsIdle(t *testing.T) {
	t.Parallel()
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			g, err := build(casesGuest, toolchain)
			require.NoError(t, err)
			const goroutines = 100
			var cpu [2]time.Duration
			for i, n := range []int{0, goroutines} { // 0 shows how much the start takes
				p := callback.process(g, []string{"stalled", fmt.Sprint(n)}, "")
				p.task.Run.Sink.Delay = 7 * time.Second
				r, err := callback.run(p)
				require.NoError(t, err)
				assert.Contains(t, string(r.stderr), fmt.Sprintf("%[1]d of %[1]d timeouts after ", n))
				t.Logf("%d goroutines: %v of a processor: %s", n, r.cpu, r.stderr)
				cpu[i] = r.cpu
			}
			assert.Less(t, cpu[1]-cpu[0], time.Second, "processor time")
		})
	}
}
