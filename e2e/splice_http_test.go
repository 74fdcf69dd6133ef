package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// splicePatch has the options without which a host traps in splice.
var splicePatch = map[software][]string{jco: {"--jco-import", "http/splice.mjs"}}

// noise returns size random bytes, the same ones each time.
func noise(size int) []byte {
	p := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// TestSpliceHTTP echoes the bodies of requests, and sends files, by Splice, with the server of
// the benchmark. It also does not read a body that is flushed after each Write.
func TestSpliceHTTP(t *testing.T) {
	t.Parallel()
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Componentize} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			wasm := tempPath("server.wasm")
			require.NoError(t, component.BuildServer(toolchain, wasm))
			dir := t.TempDir()
			sizes := []int{0, 1, 70_000, 20_000_000}
			for _, size := range sizes {
				require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(size)), noise(size), 0o600))
			}
			for _, host := range []software{wasmtime48, jco} {
				t.Run(string(host), func(t *testing.T) {
					options := splicePatch[host]
					root := "" // of the files
					if host == wasmtime48 {
						options = append(component.Reuse, "--dir", dir+"::/")
					} else {
						root = strings.TrimPrefix(dir, "/") + "/"
					}
					s := serve(t, host, wasm, options...)
					for _, size := range sizes {
						want := sha256.Sum256(noise(size))
						for _, way := range []string{"splice", "copy"} {
							got := body(t, s.send(t, http.MethodPost, "/echo/"+way, bytes.NewReader(noise(size))))
							assert.Len(t, got, size)
							assert.Equal(t, want, sha256.Sum256(got), "/echo/%s of %d bytes", way, size)
							got = body(t, s.get(t, fmt.Sprintf("/file/%s/%s%d", way, root, size)))
							assert.Equal(t, want, sha256.Sum256(got), "/file/%s of %d bytes", way, size)
						}
					}
					for len(s.lines) > 0 {
						assert.Fail(t, <-s.lines)
					}

					s.get(t, fmt.Sprintf("/Writer/20000000/10000/%d", 3*time.Second))
					assert.Regexp(t, "i/o timeout$", s.line(t))
				})
			}
		})
	}
}

// TestEcho echoes the bodies of requests with examples/httpserver.
func TestEcho(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm, err := buildServer()
	require.NoError(t, err)
	for _, host := range []software{wasmtime48, jco} {
		t.Run(string(host), func(t *testing.T) {
			t.Run("many at once", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, splicePatch[host]...)
				want := noise(3_000_000)
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() {
						got := body(t, s.send(t, http.MethodPost, "/echo", bytes.NewReader(want)))
						assert.Equal(t, sha256.Sum256(want), sha256.Sum256(got))
					})
				}
				wg.Wait()
				assert.Empty(t, s.lines)
			})

			// Each piece comes back before the next one is sent: the host sends the bytes that
			// were moved although nothing has been flushed yet.
			t.Run("piece by piece", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, splicePatch[host]...)
				r, w := io.Pipe()
				go w.Write([]byte("piece 0\n"))
				response := s.send(t, http.MethodPost, "/echo", r)
				for i := range 20 {
					want := fmt.Sprintf("piece %d\n", i)
					got := make([]byte, len(want))
					_, err := io.ReadFull(response.Body, got)
					require.NoError(t, err)
					require.Equal(t, want, string(got))
					fmt.Fprintf(w, "piece %d\n", i+1)
				}
				require.NoError(t, w.Close())
				rest := body(t, response)
				assert.Equal(t, "piece 20\n", string(rest))
			})

			t.Run("client stops sending", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, splicePatch[host]...)
				r, w := io.Pipe()
				defer w.Close()
				go w.Write([]byte("hello"))
				response := s.send(t, http.MethodPost, "/echo", r)
				got := make([]byte, 5)
				_, err := io.ReadFull(response.Body, got)
				require.NoError(t, err)
				assert.Equal(t, "hello", string(got))
				assert.Equal(t, "/echo: the client does not send", s.line(t))
			})
		})
	}

	t.Run("1 GB in constant memory", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wasmtime48, wasm)
		response := s.send(t, http.MethodPost, "/echo", io.LimitReader(zeros{}, 1_000_000_000))
		_, err := io.CopyN(io.Discard, response.Body, 100_000_000)
		require.NoError(t, err)
		before := residentMemory(t, s.pid)
		n, err := io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		assert.EqualValues(t, 900_000_000, n)
		after := residentMemory(t, s.pid)
		t.Logf("%d KiB after 100 MB, %d KiB after 1 GB", before, after)
		assert.Less(t, after-before, 16<<10, "KiB added")
	})

	// Without http/splice.mjs a splice ends the program on jco.
	t.Run("unpatched jco", func(t *testing.T) {
		t.Parallel()
		s := serve(t, jco, wasm)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/echo", strings.NewReader("hello"))
		require.NoError(t, err)
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			defer response.Body.Close()
			_, err = io.ReadAll(response.Body)
			assert.Error(t, err)
		}
		rest := s.rest(t)
		assert.True(t, slices.ContainsFunc(rest, func(line string) bool {
			return strings.HasPrefix(line, "TypeError: Cannot read private member #id")
		}), "jco no longer traps: %q", rest)
	})
}

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
