package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// The HTTP benchmark asks a server on the command wasmtime for bodies, which it writes in
// the way that the path names.

// httpToolchains are those that make components with exports.
var httpToolchains = []component.Toolchain{component.TinyGo, component.Componentize}

// httpContenders are the ways to write, with their names in the paths of package server.
var httpContenders = []struct{ name, path string }{
	{"Writer", "Writer"},
	{"BufWriter", "BufWriter"},
	{"io.Copy to Writer", "copy"},
	{"loop: blocking", "blocking"},
	{"floor: protocol", "protocol"},
}

// An httpBody is a body of so many bytes, in writes of so many.
type httpBody struct {
	name        string
	size, piece int
}

var (
	httpLines  = httpBody{"1 MB in lines of 100 B", 1_000_000, 100}
	httpLarge  = httpBody{"16 MiB", 16 << 20, 16 << 20}
	httpBodies = []httpBody{{"100 B", 100, 100}, {"64 KiB", 64 << 10, 64 << 10}, httpLarge, httpLines}

	httpClients = []int{1, 8}
)

// An httpCase is a row of the table.
type httpCase struct {
	toolchain component.Toolchain
	clients   int
	body      httpBody
	contender int // of httpContenders
}

// An httpSample is what came of a case in one round.
type httpSample struct {
	took  time.Duration
	times []time.Duration // of each request
}

// httpSamples has the samples of each case. Those with the same index are of the same turn.
type httpSamples map[httpCase][]httpSample

// measureHTTP measures all cases, those of a body by turns.
func measureHTTP(dir string) (httpSamples, moveSamples, error) {
	samples, moves := make(httpSamples), make(moveSamples)
	for _, toolchain := range httpToolchains {
		progress("building the server with %s", toolchain)
		wasm := filepath.Join(dir, "server "+string(toolchain)+".wasm")
		if err := component.BuildServer(toolchain, wasm); err != nil {
			return nil, nil, err
		}
		if err := measureMoves(moves, toolchain, wasm, dir); err != nil {
			return nil, nil, err
		}
		url, stop, err := serveHTTP(wasm, component.Reuse...)
		if err != nil {
			return nil, nil, err
		}
		defer stop()
		for _, clients := range httpClients {
			for _, body := range httpBodies {
				progress("%s, %d clients, %s", toolchain, clients, body.name)
				turns, each := 8, 250*time.Millisecond
				if *quick {
					turns, each = 1, 20*time.Millisecond
				}
				for turn := range turns + 1 {
					for _, i := range rand.Perm(len(httpContenders)) {
						c := httpCase{toolchain, clients, body, i}
						s, err := c.sample(url, each)
						if err != nil {
							return nil, nil, fmt.Errorf("%s, %s, %s: %w", toolchain, body.name, httpContenders[i].name, err)
						}
						if turn > 0 || *quick { // the first is to warm up
							samples[c] = append(samples[c], s)
						}
					}
				}
			}
		}
	}
	return samples, moves, nil
}

// sample asks for bodies for some time.
func (c httpCase) sample(url string, duration time.Duration) (httpSample, error) {
	url += fmt.Sprintf("/%s/%d/%d", httpContenders[c.contender].path, c.body.size, c.body.piece)
	return sampleHTTP(c.clients, duration, func(client *http.Client) error {
		response, err := client.Get(url)
		return fetch(response, err, int64(c.body.size))
	})
}

// sampleHTTP has each client make requests for some time.
func sampleHTTP(clients int, duration time.Duration, request func(*http.Client) error) (s httpSample, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(start) < duration {
				began := time.Now()
				failed := request(client)
				took := time.Since(began)
				mu.Lock()
				s.times, err = append(s.times, took), errors.Join(err, failed)
				mu.Unlock()
				if failed != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	s.took = time.Since(start)
	return s, err
}

// fetch reads the body of a response, which must have the size.
func fetch(response *http.Response, err error, size int64) error {
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes instead of %d", n, size)
	}
	return err
}

// serveHTTP starts a server with options of wasmtime serve, and returns its URL.
func serveHTTP(wasm string, options ...string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := l.Addr().String()
	l.Close()
	command, err := component.Serve(address, wasm, options...)
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	in := bufio.NewScanner(stderr)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "Serving HTTP on ") {
			go io.Copy(os.Stderr, stderr) // what the guest says of a failure
			return "http://" + address, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("wasmtime serve does not listen")
}

func (s httpSample) perSecond() float64 { return float64(len(s.times)) / s.took.Seconds() }

// perSecond returns how many requests a second were answered, in the median turn.
func (s httpSamples) perSecond(c httpCase) float64 {
	var all []float64
	for _, sample := range s[c] {
		all = append(all, sample.perSecond())
	}
	return median(all)
}

// faster returns how many times as many requests a second a contender answers as its rival:
// the median of the ratios of the turns, with one client.
func (s httpSamples) faster(toolchain component.Toolchain, body httpBody, name, rival string) float64 {
	return faster(s[httpCase{toolchain, 1, body, httpContender(name)}], s[httpCase{toolchain, 1, body, httpContender(rival)}])
}

// faster returns the median of the ratios of the turns.
func faster(own, other []httpSample) float64 {
	var ratios []float64
	for i := range own {
		ratios = append(ratios, own[i].perSecond()/other[i].perSecond())
	}
	return median(ratios)
}

// httpContender returns the index of a contender.
func httpContender(name string) int {
	for i, c := range httpContenders {
		if c.name == name {
			return i
		}
	}
	panic("no contender " + name)
}

func (s httpSamples) tables() string {
	var t strings.Builder
	t.WriteString(machine() + "\n\n")
	t.WriteString("| times as many requests a second, one client | at least |")
	for _, toolchain := range httpToolchains {
		fmt.Fprintf(&t, " %s | |", toolchain)
	}
	t.WriteString("\n| --- | --- |" + strings.Repeat(" ---: | --- |", len(httpToolchains)) + "\n")
	target := func(name, rival string, body httpBody, least float64) {
		fmt.Fprintf(&t, "| %s, %s, to %s | %g |", name, body.name, rival, least)
		for _, toolchain := range httpToolchains {
			got, verdict := s.faster(toolchain, body, name, rival), "met"
			if got < least {
				verdict = "**missed**"
			}
			fmt.Fprintf(&t, " %.2f | %s |", got, verdict)
		}
		t.WriteString("\n")
	}
	target("BufWriter", "loop: blocking", httpLines, 8)
	target("Writer", "loop: blocking", httpLarge, 1.3)
	for _, body := range httpBodies {
		target("Writer", "floor: protocol", body, 0.92)
	}
	for _, toolchain := range httpToolchains {
		for _, clients := range httpClients {
			fmt.Fprintf(&t, "\n%s, %d clients:\n\n| body | | requests/s | MB/s | p50 | p99 |\n| --- | --- | ---: | ---: | ---: | ---: |\n", toolchain, clients)
			for _, body := range httpBodies {
				for i, contender := range httpContenders {
					c := httpCase{toolchain, clients, body, i}
					rate := s.perSecond(c)
					var times []time.Duration
					for _, sample := range s[c] {
						times = append(times, sample.times...)
					}
					slices.Sort(times)
					name := body.name
					if i > 0 {
						name = ""
					}
					fmt.Fprintf(&t, "| %s | %s | %.0f | %.0f | %s | %s |\n", name, contender.name, rate, rate*float64(body.size)/1e6,
						nanoseconds(float64(times[len(times)/2])), nanoseconds(float64(times[len(times)*99/100])))
				}
			}
		}
	}
	return t.String()
}

// draw draws the rates of whole bodies, with one client.
func (s httpSamples) draw() error {
	data := chartData{XLabel: "bytes of the body, in one write", YLabel: "times as many requests as loop: blocking"}
	bodies := httpBodies[:3]
	for _, body := range bodies {
		data.Sizes = append(data.Sizes, body.size)
	}
	for _, toolchain := range httpToolchains {
		p := chartPanel{Title: string(toolchain) + ", wasmtime serve, one client"}
		for _, contender := range httpContenders {
			l := chartLine{Name: contender.name, Dashed: strings.HasPrefix(contender.name, "floor")}
			for _, body := range bodies {
				l.Times = append(l.Times, s.faster(toolchain, body, contender.name, "loop: blocking"))
			}
			p.Lines = append(p.Lines, l)
		}
		data.Panels = append(data.Panels, p)
	}
	return data.draw(httpChart)
}
