package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// The benchmark of Splice has a server send back bodies of requests, or files.

// moveWays are the ways to move, with their names in the paths of package server.
var moveWays = []struct{ name, path string }{
	{"Splice", "splice"},
	{"io.Copy", "copy"},
	{"loop: blocking-splice", "blocking"},
	{"floor: protocol", "protocol"},
}

var moveSizes = []int{64 << 10, 100_000_000}

// A moveCase is a row of the table.
type moveCase struct {
	toolchain component.Toolchain
	what      string // echo or file
	size      int
	way       int // of moveWays
}

// moveSamples has the samples of each case. Those with the same index are of the same turn.
type moveSamples map[moveCase][]httpSample

// measureMoves measures all cases of a toolchain, those of a size by turns, with files in dir.
// Each request has an instance of its own, as by default: in one that is used again, a
// component of Go's that reads bodies traps sooner or later (see examples/httpserver).
func measureMoves(samples moveSamples, toolchain component.Toolchain, wasm, dir string) error {
	body := make([]byte, moveSizes[len(moveSizes)-1])
	for _, size := range moveSizes {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(size)), body[:size], 0o600); err != nil {
			return err
		}
	}
	url, stop, err := serveHTTP(wasm, "--dir", dir+"::/")
	if err != nil {
		return err
	}
	defer stop()
	for _, what := range []string{"echo", "file"} {
		for _, size := range moveSizes {
			progress("%s, %s, %d bytes", toolchain, what, size)
			turns, each := 8, 500*time.Millisecond
			if *quick {
				turns, each = 1, 20*time.Millisecond
			}
			for turn := range turns + 1 {
				for _, way := range rand.Perm(len(moveWays)) {
					s, err := sampleHTTP(1, each, func(client *http.Client) error {
						path := url + "/" + what + "/" + moveWays[way].path
						if what == "echo" {
							response, err := client.Post(path, "application/octet-stream", bytes.NewReader(body[:size]))
							return fetch(response, err, int64(size))
						}
						response, err := client.Get(fmt.Sprintf("%s/%d", path, size))
						return fetch(response, err, int64(size))
					})
					if err != nil {
						return fmt.Errorf("%s, %s, %s of %d bytes: %w", toolchain, moveWays[way].name, what, size, err)
					}
					if turn > 0 || *quick { // the first is to warm up
						c := moveCase{toolchain, what, size, way}
						samples[c] = append(samples[c], s)
					}
				}
			}
		}
	}
	return nil
}

// tables returns the rates, and how they compare.
func (s moveSamples) tables() string {
	var t strings.Builder
	t.WriteString("| times as many bytes a second, one client |")
	for _, toolchain := range httpToolchains {
		fmt.Fprintf(&t, " %s | at least | |", toolchain)
	}
	t.WriteString("\n| --- |" + strings.Repeat(" ---: | ---: | --- |", len(httpToolchains)) + "\n")
	size := moveSizes[len(moveSizes)-1]
	for _, what := range []string{"echo", "file"} {
		for i, least := range [][]float64{{3, 2.5}, {0.92, 0.92}, {0.92, 0.92}} {
			rival := i + 1
			fmt.Fprintf(&t, "| Splice, %s of 100 MB, to %s |", what, moveWays[rival].name)
			for i, toolchain := range httpToolchains {
				got := faster(s[moveCase{toolchain, what, size, 0}], s[moveCase{toolchain, what, size, rival}])
				fmt.Fprintf(&t, " %.2f | %g | %s |", got, least[i], verdict(got >= least[i]))
			}
			t.WriteString("\n")
		}
	}
	t.WriteString("\n| MB/s, one client | |")
	for _, toolchain := range httpToolchains {
		fmt.Fprintf(&t, " %s |", toolchain)
	}
	t.WriteString("\n| --- | --- |" + strings.Repeat(" ---: |", len(httpToolchains)) + "\n")
	for _, what := range []string{"echo", "file"} {
		for _, size := range moveSizes {
			for way, w := range moveWays {
				fmt.Fprintf(&t, "| %s of %d bytes | %s |", what, size, w.name)
				for _, toolchain := range httpToolchains {
					var rates []float64
					for _, sample := range s[moveCase{toolchain, what, size, way}] {
						rates = append(rates, sample.perSecond()*float64(size)/1e6)
					}
					fmt.Fprintf(&t, " %.0f |", median(rates))
				}
				t.WriteString("\n")
			}
		}
	}
	return t.String()
}
