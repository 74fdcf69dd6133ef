package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/httpserver"
)

// The HTTP benchmark runs a server on the command wasmtime. It writes bodies, or sends back the
// bodies of requests or files, in the way that the path names.

const httpHost, p3Serve = "wasmtime-serve", "serve-body"

// httpToolchains lists the toolchains that make components with exports.
var httpToolchains = []component.Toolchain{component.TinyGo, component.Componentize}

// A way is a way to write or move a body, with its path for package guests/bodies.
type way struct {
	by, path string
	deadline time.Duration // 0 is none, and no other passes
	server   int           // which of several
}

func (w way) name() string { return w.by }

var (
	writers = []way{{by: "Writer", path: "Writer"}, {by: "BufWriter", path: "BufWriter"}, {by: "io.Copy", path: "copy"},
		{"Writer-deadline", "Writer", time.Minute, 0}, {"BufWriter-deadline", "BufWriter", time.Minute, 0}, {"io.Copy-deadline", "copy", time.Minute, 0},
		{by: "loop-blocking", path: "blocking"}, {by: "floor-protocol", path: "protocol"}}
	movers = []way{{by: "Splice", path: "splice"}, {by: "io.Copy", path: "copy"},
		{by: "loop-blocking-splice", path: "blocking"}, {by: "floor-protocol", path: "protocol"}}

	// A server of WASI 0.2 comes first, and then one of 0.3.
	p3Ways = []way{{by: "Writer", path: "Writer"}, {by: "floor-protocol", path: "protocol"},
		{by: "p3-Writer", path: "Writer", server: 1}, {by: "p3-floor", path: "protocol", server: 1}}
	p3Bodies = []body{bodies[4], bodies[3]}
)

// A body has size bytes, in writes of piece bytes.
type body struct {
	name        string
	size, piece int
}

func (b body) text() string { return b.name }

var bodies = []body{{"100B", 100, 100}, {"64KiB", 64 << 10, 64 << 10}, {"16MiB", 16 << 20, 16 << 20},
	{"16MiB-by-64KiB", 16 << 20, 64 << 10}, {"1MB-by-100B", 1_000_000, 100}}

var clientNumbers = []int{1, 8}

var (
	sources   = []string{"echo", "file"}
	moveSizes = []int{64 << 10, 100_000_000}
)

func bodyOf(body string, clients int) string { return fmt.Sprintf("body=%s/clients=%d", body, clients) }

func moveOf(from string, size int) string { return fmt.Sprintf("from=%s/size=%d", from, size) }

// A contender is a way to answer a request with size bytes.
type contender struct {
	name    string
	size    int
	request func(*http.Client) (*http.Response, error)
}

func measureHTTP(raw *bytes.Buffer, dir string) error {
	for _, toolchain := range httpToolchains {
		progress("building the server with %s", toolchain)
		wasm := filepath.Join(dir, "server "+string(toolchain)+".wasm")
		if err := component.BuildServer(toolchain, wasm, optimize[toolchain]...); err != nil {
			return err
		}
		fmt.Fprintf(raw, "toolchain: %s\nhost: %s\n", toolchain, httpHost)
		if err := errors.Join(measureBodies(raw, []string{wasm}, writers, bodies, clientNumbers), measureMoves(raw, wasm, dir)); err != nil {
			return fmt.Errorf("%s: %w", toolchain, err)
		}
	}
	return nil
}

// measureBodies measures the ways of servers to write bodies.
func measureBodies(raw *bytes.Buffer, servers []string, ways []way, bodies []body, clientNumbers []int) error {
	var urls []string
	for _, wasm := range servers {
		url, stop, err := serve(wasm, component.Reuse...)
		if err != nil {
			return err
		}
		defer stop()
		urls = append(urls, url)
	}
	for _, clients := range clientNumbers {
		for _, body := range bodies {
			var all []contender
			for _, w := range ways {
				if clients > 1 && w.deadline > 0 {
					continue
				}
				path := fmt.Sprintf("%s/%s/%d/%d/%d", urls[w.server], w.path, body.size, body.piece, w.deadline)
				all = append(all, contender{benchmark("Body", w.by, bodyOf(body.name, clients)), body.size,
					func(client *http.Client) (*http.Response, error) { return client.Get(path) }})
			}
			if err := byTurns(raw, all, clients, 250*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureP3Bodies measures a server of WASI 0.3 and one of WASI 0.2 by turns.
func measureP3Bodies(raw *bytes.Buffer, dir string) error {
	for i, toolchain := range toolchains {
		rival, own := filepath.Join(dir, "rival.wasm"), filepath.Join(dir, "p3.wasm")
		err := cmp.Or(component.BuildServer(httpToolchains[i], rival, optimize[httpToolchains[i]]...),
			component.BuildP3(toolchain, "../examples/p3server/wit", "server", "", "./guests/p3server", own, optimize[toolchain]...))
		if err != nil {
			return err
		}
		fmt.Fprintf(raw, "toolchain: %s\nhost: %s\n", toolchain, p3Serve)
		if err := measureBodies(raw, []string{rival, own}, p3Ways, p3Bodies, clientNumbers[:1]); err != nil {
			return err
		}
	}
	return nil
}

// measureMoves keeps its files in dir. Each request gets a new instance, which is the default: in a
// reused instance a component compiled by Go that reads bodies traps sooner or later (see
// examples/httpserver).
func measureMoves(raw *bytes.Buffer, wasm, dir string) error {
	url, stop, err := serve(wasm, "--dir", dir+"::/")
	if err != nil {
		return err
	}
	defer stop()
	for _, from := range sources {
		for _, size := range moveSizes {
			body := make([]byte, size)
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(size)), body, 0o600); err != nil {
				return err
			}
			var all []contender
			for _, m := range movers {
				path := url + "/" + from + "/" + m.path
				all = append(all, contender{benchmark("Move", m.by, moveOf(from, size)), size,
					func(client *http.Client) (*http.Response, error) {
						if from == "echo" {
							return client.Post(path, "application/octet-stream", bytes.NewReader(body))
						}
						return client.Get(fmt.Sprintf("%s/%d", path, size))
					}})
			}
			if err := byTurns(raw, all, 1, 500*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve starts a server, and passes on what its guest says about failures.
func serve(wasm string, options ...string) (url string, stop func(), err error) {
	s, err := httpserver.Wasmtime(wasm, options...)
	if err != nil {
		return "", nil, err
	}
	go func() {
		for line := range s.Lines {
			fmt.Fprintln(os.Stderr, line)
		}
	}()
	return s.URL, s.Stop, nil
}

// byTurns prints the results of contenders that take turns, for some time each. Before that each
// has a turn to warm up.
func byTurns(raw *bytes.Buffer, all []contender, clients int, each time.Duration) error {
	progress("%s and its rivals", all[0].name)
	turns := 8
	if *quick {
		turns, each = 1, 20*time.Millisecond
	}
	for turn := range turns + 1 {
		for _, i := range rand.Perm(len(all)) {
			times, took, err := all[i].turn(clients, each)
			if err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
			if turn == 0 {
				continue
			}
			slices.Sort(times)
			n := len(times)
			fmt.Fprintf(raw, "Benchmark%s\t%d\t%.5g ns/op\t%.4g MB/s\t%d p50-ns\t%d p99-ns\n", all[i].name, n,
				float64(took)/float64(n), float64(all[i].size*n)/1e6/took.Seconds(), times[n/2], times[n*99/100])
		}
	}
	return nil
}

// turn makes requests with all clients at once, for some time. It returns how long each request
// took, and all of them together.
func (c *contender) turn(clients int, each time.Duration) (times []time.Duration, took time.Duration, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(start) < each {
				began := time.Now()
				failed := c.fetch(client)
				took := time.Since(began)
				mu.Lock()
				times, err = append(times, took), errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return times, time.Since(start), err
}

// fetch makes a request, and reads the body of the response, which must have the size.
func (c *contender) fetch(client *http.Client) error {
	response, err := c.request(client)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && n != int64(c.size) {
		err = fmt.Errorf("%d bytes instead of %d", n, c.size)
	}
	return err
}
