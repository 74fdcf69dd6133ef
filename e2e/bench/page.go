package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/chart"
	"github.com/wasio-dev/wasio/e2e/internal/component"
)

var sizes = []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}

// names are the contenders of the table and the picture. The files of results have more.
var names = []string{"Writer", "BufWriter", "BufWriter-lines", "bufio", "os.Stdout", "loop-blocking", "floor-protocol", "floor-unflushed"}

// floors has the targets for rivals that make the same host calls as wasio; none means no target.
var floors, none = slices.Repeat([]float64{0.92}, len(sizes)), slices.Repeat([][]float64{make([]float64, len(sizes))}, 2)

// writeTargets are ratios of the speeds of two contenders, with each toolchain.
var writeTargets = []struct {
	host, by, rival string
	least           [][]float64 // at each size; 0 means that the ratio is no target
}{
	{"null-file", "Writer", "floor-protocol", [][]float64{floors, floors}},
	{"null-file", "Writer", "os.Stdout", [][]float64{{1.05, 1.05, 1.05, 1.05, 3.8, 2.5, 2.5}, {1, 1, 1, 1, 3.3, 2.5, 2.5}}},
	{"null-file", "BufWriter", "os.Stdout", [][]float64{{1: 25, 6: 0}, {1: 20, 6: 0}}},
	{"null-file", "BufWriter", "floor-unflushed", [][]float64{{4: 0.92, 6: 0}, {4: 0.92, 6: 0}}},
	{"null-file", "BufWriter-lines", "floor-protocol", [][]float64{{1: 0.92, 6: 0}, {1: 0.92, 6: 0}}},
	{"callback", "Writer", "floor-protocol", [][]float64{floors, floors}},
	{"callback-one-core", "Writer", "floor-protocol", none},
	{"callback", "Writer", "floor-bounded", none[:1]},
}

// httpTargets are such ratios for servers.
var httpTargets = []struct {
	kind, by, rival, what string
	least                 []float64 // with each toolchain
}{
	{"Body", "BufWriter", "loop-blocking", "body=1MB-by-100B/clients=1", []float64{8, 8}},
	{"Body", "Writer", "loop-blocking", "body=16MiB/clients=1", []float64{1.3, 1.3}},
	{"Body", "Writer", "floor-protocol", "body=100B/clients=1", floors},
	{"Body", "Writer", "floor-protocol", "body=64KiB/clients=1", floors},
	{"Body", "Writer", "floor-protocol", "body=16MiB/clients=1", floors},
	{"Body", "Writer", "floor-protocol", "body=1MB-by-100B/clients=1", floors},
	{"Body", "Writer-deadline", "Writer", "body=1MB-by-100B/clients=1", []float64{0.8, 0.8}},
	{"Body", "BufWriter-deadline", "BufWriter", "body=1MB-by-100B/clients=1", []float64{0.9, 0.9}},
	{"Body", "Writer-deadline", "Writer", "body=16MiB-by-64KiB/clients=1", []float64{0.9, 0.9}},
	{"Body", "io.Copy-deadline", "io.Copy", "body=16MiB-by-64KiB/clients=1", []float64{0.9, 0.9}},
	{"Move", "Splice", "io.Copy", "from=echo/size=100000000", []float64{3, 2.5}},
	{"Move", "Splice", "loop-blocking-splice", "from=echo/size=100000000", floors},
	{"Move", "Splice", "floor-protocol", "from=echo/size=100000000", floors},
	{"Move", "Splice", "io.Copy", "from=file/size=100000000", []float64{3, 2.5}},
	{"Move", "Splice", "loop-blocking-splice", "from=file/size=100000000", floors},
	{"Move", "Splice", "floor-protocol", "from=file/size=100000000", floors},
}

// makePage makes the page and the pictures from the files of results.
func makePage() error {
	r, err := readResults()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(docs, "performance.md"))
	if err != nil {
		return err
	}
	page := string(text)
	for name, section := range map[string]string{"targets": heads() + r.targets(), "speed": r.speed(), "buffers": r.buffers(),
		"http": r.bodies(), "splice": r.moves(), "p3": r.p3(), "sizes": r.sizes()} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
		before, rest, ok := strings.Cut(page, begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			return fmt.Errorf("performance.md has no %q … %q", begin, end)
		}
		page = before + begin + "\n" + section + end + after
	}
	if err := os.WriteFile(filepath.Join(*out, "performance.md"), []byte(page), 0o644); err != nil {
		return err
	}
	if err := r.writeChart().Draw(filepath.Join(*out, "performance.svg")); err != nil {
		return err
	}
	return r.bodyChart().Draw(filepath.Join(*out, "performance-http.svg"))
}

// heads describes the machine on which the results were measured.
func heads() (text string) {
	for _, name := range []string{"stdout.txt", "http.txt", "p3.txt"} {
		raw, _ := os.ReadFile(filepath.Join(*out, "bench", name))
		head, _, _ := strings.Cut(string(raw), "\n\n")
		text += fmt.Sprintf("- [%s](bench/%[1]s): %s\n", name, strings.ReplaceAll(head, "\n", ", "))
	}
	return text + "\n"
}

func (r results) targets() string {
	var rows []string
	for _, t := range writeTargets {
		for i := range t.least {
			rows = append(rows, fmt.Sprintf("%s, %s: %s to %s", toolchains[i], t.host, t.by, t.rival))
		}
	}
	text := grid("times as fast", rows, texts(sizes, chart.Bytes), func(i, j int) string {
		t, what := writeTargets[i/2], writes(sizes[j])
		return compare(r.faster(toolchains[i%2], t.host, benchmark("Write", t.by, what), benchmark("Write", t.rival, what)), t.least[i%2][j])
	})
	rows = nil
	for _, t := range httpTargets {
		rows = append(rows, fmt.Sprintf("%s to %s, %s", t.by, t.rival, t.what))
	}
	text += grid("times as fast", rows, texts(httpToolchains, short), func(i, j int) string {
		t := httpTargets[i]
		return compare(r.faster(httpToolchains[j], httpHost, benchmark(t.kind, t.by, t.what), benchmark(t.kind, t.rival, t.what)), t.least[j])
	})
	counts := []struct {
		text  string
		most  []float64 // with each toolchain, or not
		value func(toolchain component.Toolchain) float64
	}{
		{"allocations of an operation, null-file", []float64{0, 0}, r.allocations},
		{"host calls of a wait, callback", []float64{3.15, 3.15}, func(toolchain component.Toolchain) float64 {
			return r.median(toolchain, "callback", benchmark("Write", "Writer", writes(100)), "hostcalls/wait")
		}},
		{"KB of hello-wasio", []float64{104}, func(toolchain component.Toolchain) float64 { return r.size(toolchain, "hello-wasio", "default") / 1e3 }},
		{"KB of hello-wasio, module.std", []float64{56}, func(toolchain component.Toolchain) float64 {
			return r.size(toolchain, "hello-wasio", "module.std") / 1e3
		}},
		{"size of fmt-wasio to fmt-os.Stdout", []float64{1}, func(toolchain component.Toolchain) float64 {
			return r.size(toolchain, "fmt-wasio", "default") / r.size(toolchain, "fmt-os.Stdout", "default")
		}},
	}
	rows = nil
	for _, c := range counts {
		rows = append(rows, c.text)
	}
	return text + grid("counts", rows, texts(toolchains, short), func(i, j int) string {
		c := counts[i]
		value := c.value(toolchains[j])
		switch {
		case j >= len(c.most) || math.IsNaN(value):
			return number(value, "")
		case value > c.most[j]:
			return fmt.Sprintf("**%.3g > %g**", value, c.most[j])
		}
		return fmt.Sprintf("%.3g ≤ %g", value, c.most[j])
	})
}

// allocations returns the most allocations of an operation on the null file that should make
// none.
func (r results) allocations(toolchain component.Toolchain) (most float64) {
	for s, values := range r {
		if s.toolchain == toolchain && s.host == "null-file" && s.unit == "allocs/op" &&
			strings.Contains(s.name, "Writer") && !strings.HasPrefix(s.name, "Slog") {
			most = max(most, median(values))
		}
	}
	return math.Floor(most*1000) / 1000 // the runtime makes some, too
}

func (r results) size(toolchain component.Toolchain, program, tags string) float64 {
	return r.median(toolchain, "none", benchmark("Size", program, tags), "B")
}

// speed has the times of all contenders on the null file.
func (r results) speed() (text string) {
	for _, toolchain := range toolchains {
		text += grid(string(toolchain), names, append(texts(sizes, chart.Bytes), "log.Logger", "slog"), func(i, j int) string {
			kind, size := "Write", 100
			if j < len(sizes) {
				size = sizes[j]
			} else {
				kind = []string{"Log", "Slog"}[j-len(sizes)]
			}
			return number(r.median(toolchain, "null-file", benchmark(kind, names[i], writes(size)), "sec/op"), "s")
		})
	}
	return text
}

// buffers has the times of a BufWriter by the size of its buffer.
func (r results) buffers() string {
	rows := []string{"null-file", "real-file", "callback"}
	columns := []string{"BufWriter-4KiB", "BufWriter-16KiB", "BufWriter", "BufWriter-256KiB"}
	return grid("TinyGo, writes of 100 B", rows, columns, func(i, j int) string {
		return number(r.median(component.TinyGo, rows[i], benchmark("Write", columns[j], writes(100)), "sec/op"), "s")
	})
}

// bodies has requests a second of one client, and the time that one in a hundred exceeds.
func (r results) bodies() (text string) {
	columns, rows := texts(bodies, body.text), []string{"Writer", "BufWriter", "io.Copy", "loop-blocking", "floor-protocol"}
	for _, toolchain := range httpToolchains {
		text += grid(short(toolchain), rows, columns, func(i, j int) string {
			name := benchmark("Body", rows[i], bodyOf(columns[j], 1))
			return fmt.Sprintf("%.4g, ", 1/r.median(toolchain, httpHost, name, "sec/op")) +
				number(r.median(toolchain, httpHost, name, "p99-sec"), "s")
		})
	}
	return text
}

func (r results) moves() string {
	var rows []string
	for _, from := range sources {
		for _, size := range moveSizes {
			rows = append(rows, moveOf(from, size))
		}
	}
	columns := append(texts(movers, way.name), texts(movers, way.name)...)
	return grid("MB/s, TinyGo and then componentize-go", rows, columns, func(i, j int) string {
		toolchain, m := httpToolchains[j/len(movers)], movers[j%len(movers)]
		return fmt.Sprintf("%.3g", r.median(toolchain, httpHost, benchmark("Move", m.by, rows[i]), "B/s")/1e6)
	})
}

// p3Targets has the targets of rows of the table of p3, for lines of 100 bytes.
var p3Targets = map[int][]float64{0: {0.92, 2.5}, 6: {0.92, 2.5}}

// p3 has the time of a Write with package p3 and its rivals.
func (r results) p3() string {
	places := []string{p3Hosts[0].name, p3Hosts[1].name, p3Serve}
	var rows []string
	for _, toolchain := range toolchains {
		for _, place := range places {
			for _, b := range p3Bodies {
				rows = append(rows, fmt.Sprintf("%s, %s, %s", toolchain, place, chart.Bytes(b.piece)))
			}
		}
	}
	columns := []string{"p3-Writer", "p3-floor", "Writer", "floor-protocol", "os.Stdout", "to p3-floor", "to Writer", "hostcalls/op", "allocs/op"}
	return grid("a Write", rows, columns, func(i, j int) string {
		b, place, toolchain := p3Bodies[i%2], places[i/2%3], toolchains[i/6]
		count, name := 1, func(by string) string { return benchmark("Write", by, writes(b.piece)) }
		if place == p3Serve {
			count, name = b.size/b.piece, func(by string) string { return benchmark("Body", by, bodyOf(b.name, 1)) }
		}
		switch own, column := name("p3-Writer"), columns[j]; column {
		case "to p3-floor", "to Writer":
			return compare(r.faster(toolchain, place, own, name(column[3:])), append(p3Targets[i], 0, 0)[j-5])
		case "hostcalls/op", "allocs/op": // the runtime allocates some, too
			return compare(math.Floor(r.median(toolchain, place, own, column)*1000)/1000, 0)
		default:
			return number(r.median(toolchain, place, name(column), "sec/op")/float64(count), "s")
		}
	})
}

func (r results) sizes() string {
	var rows, columns []string
	for _, p := range programs {
		rows = append(rows, p.name)
	}
	for _, toolchain := range toolchains {
		columns = append(columns, string(toolchain), string(toolchain)+", module.std")
	}
	return grid("program", rows, columns, func(i, j int) string {
		return number(r.size(toolchains[j/2], rows[i], buildTags[j%2]), "B")
	})
}

func (r results) writeChart() chart.Chart {
	c := chart.Chart{XLabel: "bytes per write", YLabel: "times as fast as os.Stdout", Sizes: sizes, Names: names}
	for _, toolchain := range toolchains {
		c.Add(string(toolchain)+", null-file", func(name string, i int) float64 {
			what := writes(sizes[i])
			return r.faster(toolchain, "null-file", benchmark("Write", name, what), benchmark("Write", "os.Stdout", what))
		})
	}
	return c
}

func (r results) bodyChart() chart.Chart {
	c := chart.Chart{XLabel: "bytes of the body, in one write", YLabel: "times as many requests as loop-blocking",
		Names: []string{"Writer", "BufWriter", "io.Copy", "loop-blocking", "floor-protocol"}}
	for _, body := range bodies[:3] {
		c.Sizes = append(c.Sizes, body.size)
	}
	for _, toolchain := range httpToolchains {
		c.Add(short(toolchain)+", one client", func(name string, i int) float64 {
			what := bodyOf(bodies[i].name, 1)
			return r.faster(toolchain, httpHost, benchmark("Body", name, what), benchmark("Body", "loop-blocking", what))
		})
	}
	return c
}

// short returns the name of a toolchain in a word.
func short(toolchain component.Toolchain) string {
	return strings.TrimPrefix(string(toolchain), "Go, ")
}
