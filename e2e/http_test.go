package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// httpLimit is how long a test waits for a server to say something. The guest waits 5
// seconds for a client.
const httpLimit = time.Minute

// TestHTTPBody has jco serve examples/httpbody on the loopback interface.
func TestHTTPBody(t *testing.T) {
	need(t, component.TinyGo)
	t.Parallel()
	wasm := scratch("httpbody.wasm")
	require.NoError(t, component.Build(component.TinyGo, "../examples/httpbody", ".", wasm,
		"-wit-package", "wit", "-wit-world", "httpbody"))

	t.Run("complete", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasm)
		for _, test := range []struct {
			path              string
			size              int
			announced         int64
			transferEncodings []string
		}{
			{"/", 10 << 20, -1, []string{"chunked"}},
			// A host may close the stream when it has the announced number of bytes. jco
			// does not: what wasio does then, TestC25ClosedAfterAllWasTaken shows.
			{"/length", 1 << 20, 1 << 20, nil},
			{"/", 10 << 20, -1, []string{"chunked"}},
		} {
			response := s.get(t, test.path)
			assert.Equal(t, test.announced, response.ContentLength)
			assert.Equal(t, test.transferEncodings, response.TransferEncoding)
			got, err := io.ReadAll(response.Body)
			assert.NoError(t, err)
			assert.Len(t, got, test.size)
			assert.Equal(t, sha256.Sum256(bodyOf(test.size)), sha256.Sum256(got))
			assert.Equal(t, fmt.Sprintf("%s: %d bytes: complete", test.path, test.size), s.line(t))
		}
	})

	// The guest hears of it at its next call, and other requests are answered.
	t.Run("client hangs up", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasm, "--jco-import", "http/hangup.mjs")
		for range 3 {
			s.hangUp(t)
			assert.Regexp(t, `^/endless: \d+ bytes: the client has hung up$`, s.line(t))
		}
		s.getAll(t)
	})

	// All the guest sees is that the stream permits nothing any more. Its deadline passes.
	t.Run("client stops reading", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasm, "--jco-import", "http/hangup.mjs")
		s.get(t, "/endless")
		assert.Regexp(t, `^/endless: \d+ bytes: the client does not read$`, s.line(t))
		s.getAll(t)
	})

	// The host refuses what goes beyond the announced length, and says so in its own
	// words, which are not many.
	t.Run("too much", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasm, "--jco-import", "http/hangup.mjs")
		response := s.get(t, "/excess")
		assert.EqualValues(t, 100_000, response.ContentLength)
		var n int
		line := s.line(t)
		_, err := fmt.Sscanf(line, "/excess: %d bytes: wasio: write: Error", &n)
		require.NoError(t, err, line)
		assert.Positive(t, n)
		assert.LessOrEqual(t, n, 100_000)
		got := make([]byte, n) // what the guest has counted has arrived
		_, err = io.ReadFull(response.Body, got)
		require.NoError(t, err)
		assert.Equal(t, bodyOf(n), got)
		s.getAll(t)
	})

	// Without http/hangup.mjs a client that hangs up is, to the guest, one that does not
	// read. When the guest drops the body, jco ends: it disposes of it twice.
	t.Run("client hangs up on jco as it is", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasm)
		s.hangUp(t)
		assert.Regexp(t, `^/endless: \d+ bytes: the client does not read$`, s.line(t))
		rest := s.rest(t)
		assert.True(t, slices.ContainsFunc(rest, func(line string) bool {
			return strings.HasPrefix(line, "TypeError: Cannot read properties of undefined (reading 'pollState')")
		}), "jco has got better: %q", rest)
	})
}

// bodyOf returns the first bytes of the bodies that the example makes up.
func bodyOf(size int) []byte {
	p := make([]byte, size)
	x := uint32(0)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// A server is a component that jco serves.
type server struct {
	url   string
	lines chan string // what it writes; closed at its end
}

// serve starts a server, which the end of the test ends.
func serve(t *testing.T, wasm string, options ...string) *server {
	t.Helper()
	const host = "127.0.0.1"
	_, port, err := net.SplitHostPort(freeAddress(t, host))
	require.NoError(t, err)
	args := append([]string{jco, "serve", "--host", host, "--port", port, "--jco-dir", scratch("serve")}, options...)
	cmd := exec.Command("node", append(args, wasm)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // jco starts another process
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	cmd.Stdout = cmd.Stderr
	require.NoError(t, cmd.Start())

	s := &server{"http://" + net.JoinHostPort(host, port), make(chan string, 1000)}
	go func() {
		defer close(s.lines)
		for in := bufio.NewScanner(stderr); in.Scan(); {
			s.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		s.rest(t)
		cmd.Wait()
	})
	// It is listening when it says so.
	require.Equal(t, fmt.Sprintf("Server listening @ %s:%s...", host, port), s.line(t))
	return s
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// line returns the next line that the server writes.
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

// rest returns all lines that are left when the server ends.
func (s *server) rest(t *testing.T) (rest []string) {
	t.Helper()
	over := time.After(httpLimit)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return rest
			}
			rest = append(rest, line)
		case <-over:
			require.Fail(t, "the server does not end")
		}
	}
}

// get sends a request on a connection of its own, and returns the response when its
// headers are there. The end of the test closes it, at the latest.
func (s *server) get(t *testing.T, path string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), httpLimit)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	t.Cleanup(func() { response.Body.Close() })
	assert.Equal(t, http.StatusOK, response.StatusCode)
	return response
}

// getAll shows that the server still answers.
func (s *server) getAll(t *testing.T) {
	t.Helper()
	got, err := io.ReadAll(s.get(t, "/").Body)
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(bodyOf(10<<20)), sha256.Sum256(got))
	assert.Equal(t, "/: 10485760 bytes: complete", s.line(t))
}

// hangUp reads the beginning of a body without an end, and closes the connection.
func (s *server) hangUp(t *testing.T) {
	t.Helper()
	response := s.get(t, "/endless")
	got := make([]byte, 1<<20)
	_, err := io.ReadFull(response.Body, got)
	require.NoError(t, err)
	assert.Equal(t, bodyOf(len(got)), got)
	require.NoError(t, response.Body.Close())
}
