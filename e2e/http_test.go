package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/httpserver"
)

// httpLimit is how long a test waits for output of a server. The guest itself waits 5
// seconds for a client.
const httpLimit = 3 * time.Minute

// hangUpPatch has the options without which a host does not report that a client has hung up, and
// waits in a flush until the client reads.
var hangUpPatch = map[software][]string{jco: {"--jco-import", "http/hangup.mjs"}}

// buildHTTPBody builds examples/httpbody.
var buildHTTPBody = sync.OnceValues(func() (wasm string, err error) {
	wasm = tempPath("httpbody.wasm")
	return wasm, component.Build(component.TinyGo, "../examples/httpbody", ".", wasm, "-wit-package", "wit", "-wit-world", "httpbody")
})

// TestHTTPBody serves examples/httpbody on the loopback interface.
func TestHTTPBody(t *testing.T) {
	requireTools(t, component.TinyGo)
	t.Parallel()
	wasm, err := buildHTTPBody()
	require.NoError(t, err)

	for _, host := range []software{jco, wasmtime48} {
		t.Run(string(host), func(t *testing.T) {
			patch := hangUpPatch[host]

			t.Run("complete", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				for _, test := range []struct {
					path              string
					size              int
					contentLength     int64
					transferEncodings []string
				}{
					{"/", 10 << 20, -1, []string{"chunked"}},
					{"/length", 1 << 20, 1 << 20, nil}, // after which Wasmtime closes the stream
					{"/", 10 << 20, -1, []string{"chunked"}},
				} {
					response := s.get(t, test.path)
					assert.Equal(t, test.contentLength, response.ContentLength)
					assert.Equal(t, test.transferEncodings, response.TransferEncoding)
					got, err := io.ReadAll(response.Body)
					assert.NoError(t, err)
					assert.Len(t, got, test.size)
					assert.Equal(t, sha256.Sum256(bodyOf(test.size)), sha256.Sum256(got))
					assert.Equal(t, fmt.Sprintf("%s: %d bytes: complete", test.path, test.size), s.line(t))
				}
			})

			// The guest gets an error from its next call. The server still answers other requests.
			t.Run("client hangs up", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, patch...)
				for range 3 {
					s.hangUp(t)
					assert.Regexp(t, `^/endless: \d+ bytes: the host takes no more$`, s.line(t))
				}
				s.checkAlive(t)
			})

			t.Run("1 GB in constant memory", func(t *testing.T) {
				t.Parallel()
				more := int64(900e6)
				if host == jco && testing.Short() { // which takes minutes for it
					more = 100e6
				}
				s := serve(t, host, wasm, patch...)
				response := s.get(t, "/endless")
				_, err := io.CopyN(io.Discard, response.Body, 100e6)
				require.NoError(t, err)
				before := residentMemory(t, s.pid)
				_, err = io.CopyN(io.Discard, response.Body, more)
				require.NoError(t, err)
				after := residentMemory(t, s.pid)
				t.Logf("%d KiB after 100 MB, %d KiB after %d MB more", before, after, more/1e6)
				assert.Less(t, after-before, 16<<10, "KiB added")
				require.NoError(t, response.Body.Close())
				assert.Regexp(t, `^/endless: \d+ bytes: the host takes no more$`, s.line(t))
			})

			t.Run("100 requests at once", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, patch...)
				want := sha256.Sum256(bodyOf(1 << 20))
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						got := body(t, s.get(t, "/length"))
						assert.Equal(t, want, sha256.Sum256(got))
					})
				}
				wg.Wait()
				outcome := "complete"
				if host == jco { // it may see that the client has closed the connection
					outcome = "(complete|finish: internal-error)"
				}
				for range 100 {
					assert.Regexp(t, "^/length: 1048576 bytes: "+outcome+"$", s.line(t))
				}
			})

			// The stream never permits another byte, so the guest waits until its deadline.
			t.Run("client stops reading", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, patch...)
				s.get(t, "/endless")
				assert.Regexp(t, `^/endless: \d+ bytes: the client does not read$`, s.line(t))
				s.checkAlive(t)
			})

			// The Write fails at the piece that exceeds the announced length. Of that piece, jco
			// takes nothing. Wasmtime delivers what fits, but reports none of it, so the client has
			// a complete body.
			t.Run("body exceeds its length", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, patch...)
				response := s.get(t, "/excess")
				assert.EqualValues(t, 100_000, response.ContentLength)
				got, err := io.ReadAll(response.Body)
				assert.Equal(t, bodyOf(len(got)), got)
				line := s.line(t)
				if host == jco {
					assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
					assert.NotEmpty(t, got)
					assert.Less(t, len(got), 100_000)
					assert.Equal(t, fmt.Sprintf("/excess: %d bytes: wasio: write: Error", len(got)), line)
				} else {
					assert.NoError(t, err)
					assert.Len(t, got, 100_000)
					assert.Equal(t, "/excess: 0 bytes: wasio: write: ErrorCode::HttpResponseBodySize(Some(200000))", line)
				}
				s.checkAlive(t)
			})

			if host == jco {
				return // a panic ends the server
			}

			// No deferred call runs, but the client knows the length.
			t.Run("handler panics", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				response := s.get(t, "/broken")
				got, err := io.ReadAll(response.Body)
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
				assert.Equal(t, bodyOf(1<<19), got)
				for s.line(t) != "panic: half a body" { // Wasmtime's own lines may come first
				}
			})
		})
	}

	// Without http/hangup.mjs, the guest cannot tell that the client hung up, so its deadline
	// expires. When the guest drops the body, jco crashes because it disposes of it twice.
	t.Run("client hangs up, unpatched jco", func(t *testing.T) {
		t.Parallel()
		s := serve(t, jco, wasm)
		s.hangUp(t)
		assert.Regexp(t, `^/endless: \d+ bytes: the client does not read$`, s.line(t))
		rest := s.rest(t)
		assert.True(t, slices.ContainsFunc(rest, func(line string) bool {
			return strings.HasPrefix(line, "TypeError: Cannot read properties of undefined (reading 'pollState')")
		}), "jco no longer crashes: %q", rest)
	})
}

// bodyOf returns the first size bytes of the bodies that the example generates.
func bodyOf(size int) []byte {
	p := make([]byte, size)
	x := uint32(0)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// A server is a running host that serves a component.
type server struct {
	url   string
	pid   int
	lines chan string // lines of output; closed when the server ends
}

// serve starts a server, which stops at the end of the test.
func serve(t *testing.T, host software, wasm string, options ...string) *server {
	t.Helper()
	s, err := serveAt(t, freeAddress(t), host, wasm, options...)
	require.NoError(t, err)
	return s
}

// serveAt is serve with a given address. Its error says why the server does not listen.
func serveAt(t *testing.T, address string, host software, wasm string, options ...string) (*server, error) {
	t.Helper()
	var command []string
	var listening string
	switch host {
	case jco:
		ip, port, _ := net.SplitHostPort(address)
		command = append(jcoCommand("serve", "--host", ip, "--port", port, "--jco-dir", tempPath("serve")), options...)
		command = append(command, wasm)
		listening = fmt.Sprintf("Server listening @ %s:%s...", ip, port)
	case wash:
		command = washDev(t, address, wasm, false)
		listening = "listening for HTTP requests"
	default:
		program, err := commands[host]()
		require.NoError(t, err)
		compiled, err := compileFor(host, wasm)
		require.NoError(t, err)
		command = component.ServeWith(program, address, compiled, append(options, "--allow-precompiled")...)
		listening = httpserver.WasmtimeListens(address)
	}
	p, err := httpserver.Start(address, listening, command...)
	if err != nil {
		return nil, err
	}
	t.Cleanup(p.Stop)
	return &server{p.URL, p.PID, p.Lines}, nil
}

// freeAddress returns an address with an unused port.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := httpserver.FreeAddress()
	require.NoError(t, err)
	return address
}

// line returns the next line of the server's output.
func (s *server) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-s.lines:
		require.True(t, ok, "the server has ended")
		return line
	case <-time.After(httpLimit):
		require.Fail(t, "the server hangs")
		return ""
	}
}

// rest waits for the server to end and returns its remaining lines.
func (s *server) rest(t *testing.T) (rest []string) {
	t.Helper()
	timeout := time.After(httpLimit)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return rest
			}
			rest = append(rest, line)
		case <-timeout:
			require.Fail(t, "the server does not end")
		}
	}
}

// get sends a request on a new connection and returns the response, without its body. The end of
// the test closes the connection, if nobody has closed the body before.
func (s *server) get(t *testing.T, path string) *http.Response {
	t.Helper()
	return s.send(t, http.MethodGet, path, nil)
}

// send is get for a request with any method, and a body. It registers no cleanup, which would keep
// each of the many thousand responses of TestSoak.
func (s *server) send(t *testing.T, method, path string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	require.NoError(t, err)
	client := http.Client{Timeout: httpLimit, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	return response
}

// checkAlive checks that the server still answers requests.
func (s *server) checkAlive(t *testing.T) {
	t.Helper()
	got, err := io.ReadAll(s.get(t, "/").Body)
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(bodyOf(10<<20)), sha256.Sum256(got))
	assert.Equal(t, "/: 10485760 bytes: complete", s.line(t))
}

// hangUp reads the start of an endless body and closes the connection.
func (s *server) hangUp(t *testing.T) {
	t.Helper()
	response := s.get(t, "/endless")
	got := make([]byte, 1<<20)
	_, err := io.ReadFull(response.Body, got)
	require.NoError(t, err)
	assert.Equal(t, bodyOf(len(got)), got)
	require.NoError(t, response.Body.Close())
}
