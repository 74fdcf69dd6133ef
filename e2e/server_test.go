package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// The world of examples/httpserver is wasi:http/proxy and nothing more, so a BufWriter on a body
// and standard error need no more.
var buildServer = sync.OnceValues(func() (wasm string, err error) {
	wasm = tempPath("httpserver.wasm")
	return wasm, component.BuildExports(serverExample+"/wit", "server", serverExample, ".", wasm)
})

const downloadSize = 100_000_000

// downloadSum is the hash of the body of /download.
var downloadSum = sync.OnceValue(func() [sha256.Size]byte {
	// The server fills each of its pieces of 32 KiB from the start of the sentence.
	const sentence = "All work and no play makes Jack a dull boy. "
	piece := []byte(strings.Repeat(sentence, 32<<10/len(sentence)+1))[:32<<10]
	return sha256.Sum256(bytes.Repeat(piece, downloadSize/len(piece)+1)[:downloadSize])
})

// TestHTTPServer serves examples/httpserver, built by the steps of componentize-go, on the
// loopback interface.
func TestHTTPServer(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm, err := buildServer()
	require.NoError(t, err)
	for _, host := range []software{wasmtime48, jco} {
		t.Run(string(host), func(t *testing.T) {
			t.Run("bodies", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				checkBodies(t, s)
			})

			// Each event is there before the next one is written, 100 ms later.
			t.Run("events", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				response := s.get(t, "/events")
				assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
				in := bufio.NewScanner(response.Body)
				const events = 30
				var delays []time.Duration
				for i := 0; i < events && in.Scan(); {
					if in.Text() == "" {
						continue
					}
					arrived := time.Now()
					var n int
					var written int64
					_, err := fmt.Sscanf(in.Text(), "data: event %d of %d", &n, &written)
					require.NoError(t, err)
					require.Equal(t, i, n)
					delays = append(delays, arrived.Sub(time.UnixMilli(written)))
					i++
				}
				require.Len(t, delays, events)
				slices.Sort(delays)
				t.Logf("from write to arrival: median %v, longest %v", delays[events/2], delays[events-1])
				assert.LessOrEqual(t, delays[events/2], 50*time.Millisecond)
			})

			t.Run("client stops reading", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, hangUpPatch[host]...)
				response := s.get(t, "/download")
				assert.Equal(t, "/download: the client does not read", s.line(t))
				_, err := io.Copy(io.Discard, response.Body)
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
				checkPage(t, s)
			})

			t.Run("client hangs up", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, hangUpPatch[host]...)
				for _, path := range []string{"/download", "/events"} {
					response := s.get(t, path)
					_, err := io.ReadFull(response.Body, make([]byte, 20))
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					assert.Equal(t, path+": the host takes no more", s.line(t))
				}
				checkPage(t, s)
			})

			t.Run("100 requests at once", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() { checkPage(t, s) })
				}
				wg.Wait()
				assert.Empty(t, s.lines)
			})

			// The guest sends a request itself. If the other server takes no more, its response
			// counts, not the error of the Write.
			t.Run("upload", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				upload := func(address string) int {
					return s.get(t, "/upload/"+address).StatusCode
				}

				reads := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					hash := sha256.New()
					_, err := io.Copy(hash, r.Body)
					assert.NoError(t, err)
					want := downloadSum()
					assert.Equal(t, want[:], hash.Sum(nil))
					w.WriteHeader(http.StatusCreated)
				}))
				defer reads.Close()
				assert.Equal(t, http.StatusCreated, upload(reads.Listener.Addr().String()))

				refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(http.StatusRequestEntityTooLarge) // closes the connection, too
				}))
				defer refuses.Close()
				defer refuses.CloseClientConnections() // jco keeps one open
				// Since the server has not read all bytes, TCP resets the connection, which
				// Wasmtime may see before the response.
				status := upload(refuses.Listener.Addr().String())
				if host == jco || status != http.StatusBadGateway {
					assert.Equal(t, http.StatusRequestEntityTooLarge, status)
					assert.Empty(t, s.lines)
				} else {
					assert.Equal(t, "/upload: error code 35", s.line(t)) // HTTP-protocol-error
				}

				assert.Equal(t, http.StatusBadGateway, upload(freeAddress(t)))
				assert.Equal(t, "/upload: connection refused", s.line(t))
			})

			if host == jco {
				return // it always has one instance, whose memory is that of Node
			}

			// The client is there, but a response to HEAD has no body.
			t.Run("no body", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				response := s.send(t, http.MethodHead, "/download", nil)
				assert.Empty(t, body(t, response))
				assert.Equal(t, "/download: the host takes no more", s.line(t))
			})

			// The body has no announced length, so only the drop tells the client that it is not
			// complete.
			t.Run("handler panics", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm)
				response := s.get(t, "/broken")
				assert.Equal(t, []string{"chunked"}, response.TransferEncoding)
				_, err := io.Copy(io.Discard, response.Body)
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
				// Wasmtime's own lines may come first.
				for s.line(t) != "panic: all work and no play" {
				}
				checkPage(t, s)
			})

			// One instance of the guest answers all requests, one after the other.
			t.Run("1000 requests to one instance", func(t *testing.T) {
				t.Parallel()
				s := serve(t, host, wasm, component.Reuse...)
				for range 1000 {
					checkPage(t, s)
				}
				before := residentMemory(t, s.pid)
				for range 1000 {
					checkPage(t, s)
				}
				after := residentMemory(t, s.pid)
				t.Logf("%d KiB after 1000 requests, %d KiB after 2000", before, after)
				assert.Less(t, after-before, 2<<10, "KiB that 1000 requests added")
			})
		})
	}
}

// TestHTTPServerStreams downloads 1 GB from one instance, which must need no more memory.
func TestHTTPServerStreams(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm, err := buildServer()
	require.NoError(t, err)
	s := serve(t, wasmtime48, wasm, component.Reuse...)
	checkDownload(t, s)
	before := residentMemory(t, s.pid)
	for range 10 {
		checkDownload(t, s)
	}
	after := residentMemory(t, s.pid)
	t.Logf("%d KiB after 100 MB, %d KiB after 1.1 GB", before, after)
	assert.Less(t, after-before, 16<<10, "KiB added")
}

// checkBodies gets the page, a page that does not exist, and the download, and expects no error of
// the guest.
func checkBodies(t *testing.T, s *server) {
	t.Helper()
	checkPage(t, s)
	response := s.get(t, "/nothing")
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.Equal(t, "not found\n", string(body(t, response)))
	checkDownload(t, s)
	assert.Empty(t, s.lines)
}

// checkPage gets the page of text.
func checkPage(t *testing.T, s *server) {
	t.Helper()
	response := s.get(t, "/")
	assert.Equal(t, http.StatusOK, response.StatusCode)
	lines := strings.Split(string(body(t, response)), "\n")
	if assert.Len(t, lines, 1001) {
		assert.Equal(t, "  0: all work and no play makes Jack a dull boy", lines[0])
		assert.Equal(t, "999: all work and no play makes Jack a dull boy", lines[999])
	}
}

// checkDownload gets the download.
func checkDownload(t *testing.T, s *server) {
	t.Helper()
	response := s.get(t, "/download")
	assert.EqualValues(t, downloadSize, response.ContentLength)
	hash := sha256.New()
	n, err := io.Copy(hash, response.Body)
	assert.NoError(t, err)
	assert.EqualValues(t, downloadSize, n)
	want := downloadSum()
	assert.Equal(t, want[:], hash.Sum(nil))
}

// body reads the body of a response.
func body(t *testing.T, response *http.Response) []byte {
	t.Helper()
	p, err := io.ReadAll(response.Body)
	assert.NoError(t, err)
	assert.NoError(t, response.Body.Close())
	return p
}

// residentMemory returns how much memory a process has, in KiB.
func residentMemory(t *testing.T, pid int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	return kib
}

var soakRequests = flag.Int("soak", 36_000, "number of requests of TestSoak, and a third of the waits of TestSoakWaits")

// TestSoak sends as many requests as a server with ten a second gets in an hour, from eight
// clients, some of which hang up. With -soak 360000 it takes five minutes.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm, err := buildServer()
	require.NoError(t, err)
	s := serve(t, wasmtime48, wasm, component.Reuse...)

	const clients = 8
	echoed := noise(300_000)
	requests := int64(*soakRequests)
	var sent, hungUp atomic.Int64
	soak := func(until int64) {
		var wg sync.WaitGroup
		for client := range clients {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(client), uint64(until)))
				for !t.Failed() && sent.Add(1) <= until {
					switch n := r.IntN(1000); {
					case n < 1:
						checkDownload(t, s)
					case n < 30:
						path := []string{"/download", "/events"}[n%2]
						response := s.get(t, path)
						_, err := io.CopyN(io.Discard, response.Body, 1+r.Int64N(30))
						assert.NoError(t, err)
						assert.NoError(t, response.Body.Close())
						hungUp.Add(1)
					case n < 60:
						got := body(t, s.send(t, http.MethodPost, "/echo", bytes.NewReader(echoed)))
						assert.True(t, bytes.Equal(echoed, got))
					case n < 100:
						response := s.get(t, "/nothing")
						assert.Equal(t, http.StatusNotFound, response.StatusCode)
						assert.Equal(t, "not found\n", string(body(t, response)))
					default:
						checkPage(t, s)
					}
				}
			})
		}
		wg.Wait()
		sent.Store(until)
	}
	soak(requests / 2) // after which each instance has as much memory as it needs
	before := residentMemory(t, s.pid)
	soak(requests)
	after := residentMemory(t, s.pid)
	t.Logf("%d KiB after %d requests, %d KiB after %d; %d clients hung up", before, requests/2, after, requests, hungUp.Load())
	assert.Less(t, after-before, 32<<10, "KiB that the second half of the requests added")

	reported := int64(0)
	for ; reported < hungUp.Load(); reported++ {
		if line := s.line(t); !assert.Regexp(t, "^/(download|events): the host takes no more$", line) {
			return
		}
	}
	assert.Empty(t, s.lines)
}
