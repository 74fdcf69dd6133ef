package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// fetchWIT is the directory of the world of the guest splice with the tag fetch.
var fetchWIT = sync.OnceValues(func() (dir string, err error) {
	dir = tempPath("wit")
	err = os.CopyFS(dir, os.DirFS("../examples/componentize/wit"))
	for to, from := range map[string]string{
		"world.wit":           spliceGuest + "/fetch/world.wit",
		"deps/http.wit":       spliceGuest + "/fetch/http.wit",
		"deps/filesystem.wit": "../examples/httpbody/wit/deps/filesystem.wit",
	} {
		var text []byte
		if err == nil {
			text, err = os.ReadFile(from)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o600)
		}
	}
	return dir, err
})

// buildFetch builds the guest splice so that it fetches bodies. A command that Go compiles
// cannot: the errors of wasi:http contain strings.
func buildFetch(toolchain component.Toolchain) (compiled string, err error) {
	wit, err := fetchWIT()
	if err != nil {
		return "", err
	}
	wasm := tempPath("fetch.wasm")
	if toolchain == component.TinyGo {
		err = component.Build(toolchain, "", spliceGuest, wasm, "-tags=fetch", "-wit-package", wit, "-wit-world", "app")
	} else {
		err = component.BuildApp(wit, "", spliceGuest, wasm, "-tags=fetch")
	}
	if err != nil {
		return "", err
	}
	return compileFor(wasmtime48, wasm)
}

// TestSpliceFromHTTP moves the body of a response to the standard output of `wasmtime run`, which
// works again after it has failed, while the body reports its end right after its last byte. So
// only the state before the splice shows whose the error is.
func TestSpliceFromHTTP(t *testing.T) {
	t.Parallel()
	const size = 3000
	want := strings.Repeat("All work and no play makes Jack", size/30)[:size-1] + "\n"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.Write([]byte(want))
			return
		}
		for piece := range strings.SplitAfterSeq(want, "Jack") {
			w.Write([]byte(piece))
			http.NewResponseController(w).Flush()
		}
	}))
	defer web.Close()

	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Componentize} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			guest, err := buildFetch(toolchain)
			require.NoError(t, err)
			command, err := component.Wasmtime()
			require.NoError(t, err)
			run := func(path string, stdout stdoutMode) *result {
				t.Helper()
				exec := []string{command, "run", "-S", "http", "--allow-precompiled", guest, web.URL + path, "-", "-1", "again"}
				r, err := (&process{task: task{Exec: exec}, limit: time.Minute, stdout: stdout}).run()
				require.NoError(t, err)
				assert.Zero(t, r.exit)
				return r
			}
			for _, path := range []string{"/length", "/chunked"} {
				r := run(path, stdoutMode{})
				assert.Equal(t, fmt.Sprintf("moved=%d err=<nil>\n", size), string(r.stderr), path)
				assertStdout(t, []byte(want), r.stdout)
			}

			none := 0
			r := run("/length", stdoutMode{Stop: &none})
			assert.Equal(t, "moved=0 err=wasio: splice: stream closed by the host\nagain: n=0 same=true closed=true\n",
				string(r.stderr), "the reader is gone")

			r = run("/length", stdoutMode{File: "/dev/full", Discard: true})
			reason := "last operation failed"
			if toolchain != component.Go {
				reason = "No space left on device (os error 28)"
			}
			assert.Equal(t, "moved=0 err=wasio: splice: "+reason+"\nagain: n=0 same=true closed=false\n",
				string(r.stderr), "the disk is full")
		})
	}
}

// buildLength builds the server of guests/length.
func buildLength(toolchain component.Toolchain) (wasm string, err error) {
	const wit, world = "../examples/httpbody/wit", "httpbody"
	wasm = tempPath("length.wasm")
	if toolchain == component.TinyGo {
		return wasm, component.Build(toolchain, "", "./guests/length/tinygo", wasm, "-wit-package", wit, "-wit-world", world)
	}
	overlay, err := component.Overlay(wasm+".overlay",
		"../examples/httpserver/export_wasi_http_incoming_handler/handler.go", "guests/length/componentize/handler.go")
	if err != nil {
		return "", err
	}
	return wasm, component.BuildExports(wit, world, "", "github.com/wasio-dev/wasio/examples/httpserver", wasm, overlay)
}

// TestSpliceLength moves the body of a request to a body of known length, which Wasmtime closes
// as it takes the last byte. That is a success if there is no other byte to move.
func TestSpliceLength(t *testing.T) {
	t.Parallel()
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Componentize} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			wasm, err := buildLength(toolchain)
			require.NoError(t, err)
			s := serve(t, wasmtime48, wasm)
			for _, size := range []int{1, 3000, 70_000, 3_000_000} {
				for _, known := range []bool{true, false} { // the request announces its length
					for range 3 {
						want := noise(size)
						source := io.Reader(bytes.NewReader(want))
						if !known {
							source = io.MultiReader(source)
						}
						got := body(t, s.send(t, http.MethodPost, fmt.Sprint("/", size), source))
						assert.True(t, bytes.Equal(want, got))
						line := s.line(t)
						if strings.HasPrefix(line, "again: ") {
							// The client has the whole response, and closes the connection
							// before it has sent the end of its request, or sends it late.
							require.False(t, known, line)
							assert.Regexp(t, fmt.Sprintf("^moved=%d err=wasio: (read: |splice: stream closed by the host )", size), s.line(t))
							continue
						}
						assert.Equal(t, fmt.Sprintf("moved=%d err=<nil> close=<nil>", size), line, "a length that is %t", known)
					}
				}
			}
			for _, size := range []int{3000, 70_000} { // and a byte more in the request
				response := s.send(t, http.MethodPost, fmt.Sprint("/", size), bytes.NewReader(noise(size+1)))
				got, _ := io.ReadAll(response.Body)
				assert.True(t, bytes.HasPrefix(noise(size), got))
				again, line := s.line(t), s.line(t)
				t.Logf("one byte more than %d: %s, %s", size, line, again)
				reason := "last operation failed"
				if toolchain != component.Go {
					reason = fmt.Sprintf(`ErrorCode::HttpResponseBodySize\(Some\(%d\)\)`, size+1)
				}
				assert.Regexp(t, `^moved=\d+ err=wasio: splice: `+reason, line)
				assert.Equal(t, "again: n=0 same=true", again)
			}

			// A Write of a byte more fails with the host's text.
			for host, text := range map[software]string{wasmtime48: "ErrorCode::HttpResponseBodySize(Some(101))", jco: "Error"} {
				s := serve(t, host, wasm)
				_, err := io.Copy(io.Discard, s.get(t, "/100/write").Body)
				assert.Equal(t, host == jco, err != nil)
				assert.Equal(t, "again: n=0 same=true", s.line(t))
				assert.Equal(t, "moved=0 err=wasio: write: "+text+" close=wasio: write: "+text, s.line(t))
			}
		})
	}
}
