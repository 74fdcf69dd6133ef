package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

const (
	browserExample = "../examples/browser"
	browserModules = "node_modules/@bytecodealliance/jco/node_modules" // with the shim of the page

	perFrame = 256 // bytes that the page takes in each frame
)

// recorder tells the test what appeared in the page and when, once the program has ended. The
// image keeps the page loading until the test has got that. Then Chromium takes the screenshot
// and ends.
const recorder = `
<img src="recorded" hidden>
<script>
	const texts = [], errors = [];
	console.error = (line) => errors.push(String(line));
	new MutationObserver((records) => {
		const at = performance.now();
		for (const record of records) {
			for (const node of record.addedNodes) texts.push({ at, text: node.data });
		}
	}).observe(document.querySelector("pre"), { childList: true });
	const output = document.querySelector("output");
	new MutationObserver(() => {
		fetch("record", { method: "POST", body: JSON.stringify({ texts, errors, end: output.value }) });
	}).observe(output, { childList: true });
</script>
`

// A record is what the recorder tells.
type record struct {
	Texts  []arrival
	Errors []string // lines of standard error
	End    string   // what the page says of the end of the program
}

// An arrival is a piece of standard output in the page.
type arrival struct {
	At   float64 // in ms
	Text string
}

// browse runs a component that jco transpiled to the directory app in the page of the example.
// The browser gets further arguments.
func browse(app, screenshot string, browser ...string) (*record, error) {
	page, err := os.ReadFile(filepath.Join(browserExample, "index.html"))
	if err != nil {
		return nil, err
	}
	page = append(page, recorder...)

	got := make(chan *record, 1)
	recorded := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { w.Write(page) })
	for prefix, dir := range map[string]string{"/app/": app, "/node_modules/": browserModules} {
		mux.Handle("GET "+prefix, http.StripPrefix(prefix, http.FileServer(http.Dir(dir))))
	}
	mux.HandleFunc("POST /record", func(w http.ResponseWriter, r *http.Request) {
		rec := new(record)
		if err := json.NewDecoder(r.Body).Decode(rec); err != nil {
			rec.End = err.Error()
		}
		got <- rec
		close(recorded)
	})
	mux.HandleFunc("GET /recorded", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-recorded:
		case <-r.Context().Done():
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	browser = append(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-crash-reporter", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--user-data-dir="+tempPath("chromium"), "--window-size=480,360", "--screenshot="+screenshot, server.URL)
	r, err := (&process{task: task{Exec: browser}, limit: 2 * time.Minute}).run()
	if err != nil {
		return nil, err
	}
	select {
	case rec := <-got:
		return rec, nil
	default:
		return nil, fmt.Errorf("%s: the browser has ended before the program, with exit code %d: %s",
			browser[0], r.exit, lastLine(r.stderr))
	}
}

// lastLine returns the last line of what Chromium prints to standard error, without those about
// the bus of a desktop.
func lastLine(stderr []byte) (last string) {
	for line := range strings.Lines(string(stderr)) {
		if !strings.Contains(line, ":dbus/") {
			last = strings.TrimSpace(line)
		}
	}
	return last
}

// TestBrowser runs examples/browser in Chromium. The program never sleeps, so what the page
// shows comes late only as the program waits for it.
func TestBrowser(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join(browserExample, "output.txt"))
	require.NoError(t, err)
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Componentize} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			chromium, err := component.Chromium()
			if err != nil {
				missing(t, err.Error())
			}
			wasm, err := buildComponent("github.com/wasio-dev/wasio/examples/browser", toolchain)
			require.NoError(t, err)
			run := func(screenshot string, options ...string) *record {
				t.Helper()
				app := tempPath("app")
				transpile := append(jcoCommand("transpile", wasm, "--quiet", "--name", "app", "-o", app), options...)
				require.NoError(t, component.Command("", nil, transpile[0], transpile[1:]...))
				rec, err := browse(app, screenshot, chromium)
				require.NoError(t, err)
				return rec
			}

			screenshot := tempPath("page.png")
			if *update && toolchain == component.TinyGo {
				screenshot, err = filepath.Abs(filepath.Join(browserExample, "page.png"))
				require.NoError(t, err)
			}
			rec := run(screenshot, "--async-mode", "jspi", "--async-wasi-imports", "--async-wasi-exports")
			assert.Equal(t, "The program has ended.", rec.End)
			assert.Empty(t, rec.Errors)
			assert.FileExists(t, screenshot)

			frames := make(map[float64]int) // bytes by the time at which they arrived
			var lines []float64             // the times
			text := ""
			for _, a := range rec.Texts {
				text += a.Text
				frames[a.At] += len(a.Text)
				for range strings.Count(a.Text, "\n") {
					lines = append(lines, a.At)
				}
			}
			assertStdout(t, want, []byte(text))
			require.Len(t, lines, 1000)
			assert.IsNonDecreasing(t, lines)
			took := lines[999] - lines[0]
			t.Logf("%d lines in %d frames, %.0f ms", len(lines), len(frames), took)
			assert.Greater(t, took, 1000.0, "ms from the first line to the last")
			for at, n := range frames {
				assert.LessOrEqual(t, n, perFrame, "bytes at %f ms", at)
			}

			// Without JSPI no call can wait: poll returns at once, with no pollable that is ready.
			rec = run(tempPath("page.png"))
			assert.Equal(t, "The program has ended with exit code 1.", rec.End)
			assert.Equal(t, []string{"wasio: check-write: stream is ready, but permits no bytes"}, rec.Errors)
			text = ""
			for _, a := range rec.Texts {
				text += a.Text
			}
			assertStdout(t, want[:perFrame], []byte(text))
		})
	}
}

// A browser that does not start ends the test with one line.
func TestBrowserDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := browse(t.TempDir(), "", "sh", "-c", "echo 1:ERROR:dbus/bus.cc: no bus >&2; echo libnss3.so: cannot open >&2; exit 127")
	assert.EqualError(t, err, "sh: the browser has ended before the program, with exit code 127: libnss3.so: cannot open")
	_, err = browse(t.TempDir(), "", "no-such-browser")
	assert.ErrorContains(t, err, `"no-such-browser": executable file not found`)
}
