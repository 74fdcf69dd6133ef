package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	model "github.com/wasio-dev/wasio/internal/host"
)

// TestSoakWaits runs guests/soak with package componentize: lines wait, while the garbage
// collector runs often and bindings return strings and lists in between. With -soak 360000
// there are more than a million waits on each host.
func TestSoakWaits(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	waits := 3 * *soakRequests
	if testing.Short() {
		waits = 10_000
	}
	text := strings.Repeat("x", 5000)
	// check returns by how much the number of a new handle has grown.
	check := func(t *testing.T, lines int, stdout []byte, report string) (handles int) {
		t.Helper()
		t.Logf("%d lines: %s", lines, report)
		var waited, wrong, heap, collections, ticks int
		_, err := fmt.Sscanf(report, "waited=%d wrong=%d handles=%d heap=%d collections=%d ticks=%d close=<nil>",
			&waited, &wrong, &handles, &heap, &collections, &ticks)
		require.NoError(t, err)
		all := lines + lines/10
		want := []byte(strings.Repeat("-", 1000))
		for i := range all {
			want = fmt.Appendf(want, "line %d\n", i)
		}
		assertStdout(t, want, stdout)
		if testing.Short() {
			assert.Positive(t, waited) // how many do depends on the machine
		} else {
			assert.GreaterOrEqual(t, waited*all/1000, waits, "waits")
		}
		assert.Zero(t, wrong, "strings and lists")
		assert.Less(t, heap, 256<<10, "bytes of the heap that the lines left in use")
		assert.Greater(t, collections, lines/1000)
		assert.Greater(t, ticks, 10)
		return handles
	}

	t.Run("the model", func(t *testing.T) {
		t.Parallel()
		guest := modelGuest(t, "./guests/soak/command", component.Componentize)
		r := runGuestOnModel(t, guest, time.Hour, model.Plan{FlushWaits: []int{1}}, fmt.Sprint(waits), text)
		require.NoError(t, r.err)
		check(t, waits, []byte(r.stdout), r.stderr)
		assert.GreaterOrEqual(t, r.model.Count(model.OpPoll), uint64(waits))
		assert.LessOrEqual(t, len(r.model.Live()), 2, "standard error and a clock: %s", r.model.Live())
	})

	t.Run(string(wasmtime48), func(t *testing.T) {
		t.Parallel()
		wasm := tempPath("soak.wasm")
		overlay, err := component.Overlay(wasm+".overlay",
			serverExample+"/export_wasi_http_incoming_handler/handler.go", "guests/soak/componentize/handler.go")
		require.NoError(t, err)
		require.NoError(t, component.BuildExports(serverExample+"/wit", "server", "",
			"github.com/wasio-dev/wasio/examples/httpserver", wasm, overlay))
		s := serve(t, wasmtime48, wasm)
		lines := 4 * waits // a third to a half of them wait
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprint(s.url, "/", lines, "?", text), nil)
		require.NoError(t, err)
		request.Header.Set("X-Text", text)
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		assert.NoError(t, err)
		report := s.line(t)
		for !strings.HasPrefix(report, "waited=") { // the guest or the host says what went wrong
			t.Log(report)
			report = s.line(t)
		}
		assert.LessOrEqual(t, check(t, lines, got, report), 1, "handles left: a clock at most")
	})
}
