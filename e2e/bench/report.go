package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// where is on which host a guest of which toolchain ran.
type where struct {
	with component.Toolchain
	host host
}

// A what is an operation: a contender with a size.
type what struct {
	name string
	size int
}

// results are all measurements.
type results struct {
	ns     map[where]map[what][]float64
	allocs map[where]map[what][]float64
	calls  map[where]map[what]float64
	load   string
}

func newResults() *results {
	return &results{
		ns:     make(map[where]map[what][]float64),
		allocs: make(map[where]map[what][]float64),
		calls:  make(map[where]map[what]float64),
	}
}

// add adds what a guest has printed.
func (b *results) add(at where, output []byte, counting bool) error {
	if b.ns[at] == nil {
		b.ns[at] = make(map[what][]float64)
		b.allocs[at] = make(map[what][]float64)
		b.calls[at] = make(map[what]float64)
	}
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 6 {
			return fmt.Errorf("the guest says: %s", output)
		}
		var numbers [6]float64
		for i := 1; i < 6; i++ {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return err
			}
			numbers[i] = n
		}
		w := what{fields[0], int(numbers[1])}
		if counting {
			b.calls[at][w] = numbers[5] / numbers[2]
			continue
		}
		b.ns[at][w] = append(b.ns[at][w], numbers[3]/numbers[2])
		b.allocs[at][w] = append(b.allocs[at][w], numbers[4]/numbers[2])
	}
	return nil
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	if n := len(sorted); n > 0 {
		return (sorted[(n-1)/2] + sorted[n/2]) / 2
	}
	return 0
}

// time returns the nanoseconds of an operation, 0 if it was not measured.
func (b *results) time(at where, name string, size int) float64 {
	return median(b.ns[at][what{name, size}])
}

// faster returns how many times as fast a is as b.
func (b *results) faster(at where, a, rival string, size int) float64 {
	return b.time(at, rival, size) / b.time(at, a, size)
}

var sizes = []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}

var names = []string{"Writer", "BufWriter", "BufWriter, lines", "bufio on Writer", "os.Stdout",
	"loop: blocking", "loop: wait each time", "loop: flush at the end", "floor: protocol", "floor: unflushed"}

// publish writes the tables and the chart, or prints the tables.
func (b *results) publish() error {
	fmt.Print(b.targets())
	if err := publish("targets", b.machine()+"\n"+b.targets()); err != nil {
		return err
	}
	if err := publish("speed", b.summary()); err != nil {
		return err
	}
	if err := publish("buffers", b.buffers()); err != nil {
		return err
	}
	if err := publish("details", b.details()); err != nil {
		return err
	}
	if *quick {
		return nil
	}
	return b.draw()
}

func (b *results) machine() string {
	tiny, _ := exec.Command("tinygo", "version").Output()
	tinyVersion := "TinyGo"
	if f := strings.Fields(string(tiny)); len(f) > 2 {
		tinyVersion = "TinyGo " + f[2]
	}
	golang, _ := exec.Command("go", "env", "GOVERSION").Output()
	return fmt.Sprintf("Wasmtime 44.0.0, %s `-opt=2`, Go %s; %s, %s/%s, load %s. "+
		"Medians of up to %d measurements of about %v each, in %d runs of each guest.\n",
		tinyVersion, strings.TrimPrefix(strings.TrimSpace(string(golang)), "go"), machine(), runtime.GOOS, runtime.GOARCH, b.load,
		*processes**rounds, *target, *processes)
}

// targets compares the results to what wasio sets itself.
func (b *results) targets() string {
	var t strings.Builder
	t.WriteString("| null file, times as fast | target | TinyGo | | Go | |\n| --- | --- | ---: | --- | ---: | --- |\n")
	line := func(what, want string, least [2]float64, get func(at where) float64) {
		fmt.Fprintf(&t, "| %s | %s", what, want)
		for i, with := range component.Toolchains {
			got := get(where{with, nullFile})
			fmt.Fprintf(&t, " | %s | ", ratio(got))
			if want != "" {
				t.WriteString(verdict(got >= least[i]))
			}
		}
		t.WriteString(" |\n")
	}
	same := func(x float64) [2]float64 { return [2]float64{x, x} }
	for _, size := range sizes {
		line("Writer, "+sizeName(size)+", to the bare protocol", "0.92", same(0.92),
			func(at where) float64 { return b.faster(at, "Writer", "floor: protocol", size) })
	}
	for _, size := range sizes {
		want, least := "1.2; Go 1", [2]float64{1.2, 1}
		if size >= 64<<10 {
			want, least = "3.8; Go 3.3", [2]float64{3.8, 3.3}
		}
		line("Writer, "+sizeName(size)+", to os.Stdout", want, least,
			func(at where) float64 { return b.faster(at, "Writer", "os.Stdout", size) })
		if size < 64<<10 {
			line("*for comparison:* the bare protocol, "+sizeName(size)+", to os.Stdout", "", [2]float64{},
				func(at where) float64 { return b.faster(at, "floor: protocol", "os.Stdout", size) })
		}
	}
	line("BufWriter, 100 B, to os.Stdout", "25; Go 20", [2]float64{25, 20},
		func(at where) float64 { return b.faster(at, "BufWriter", "os.Stdout", 100) })
	line("BufWriter, lines of 100 B, to one bare blocking-write-and-flush", "0.95", same(0.95),
		func(at where) float64 { return b.faster(at, "BufWriter, lines", "loop: blocking", 100) })
	line("BufWriter, 64 KiB, to the unflushed floor", "0.92", same(0.92), // as Writer to its floor
		func(at where) float64 { return b.faster(at, "BufWriter", "floor: unflushed", 64<<10) })

	fmt.Fprint(&t, "| Allocations of Writer and BufWriter, any size, and of log.Logger on them | 0")
	for _, with := range component.Toolchains {
		most := 0.0
		for w, all := range b.allocs[where{with, nullFile}] {
			if strings.Contains(w.name, "Writer") && !strings.HasPrefix(w.name, "slog") {
				most = max(most, median(all))
			}
		}
		fmt.Fprintf(&t, " | %s | %s", rate(most), verdict(most < 0.001))
	}
	t.WriteString(" |\n")
	return t.String()
}

// summary has for each toolchain the times on the null file.
func (b *results) summary() string {
	var t strings.Builder
	for _, at := range []where{{component.TinyGo, nullFile}, {component.Go, nullFile}, {component.TinyGo, sink}, {component.Go, sink}} {
		fmt.Fprintf(&t, "### %s, %s\n\n| time per operation |", at.with, at.host.name)
		for _, size := range sizes {
			fmt.Fprintf(&t, " %s |", sizeName(size))
		}
		t.WriteString(" log.Logger, 100 B | slog, 100 B |\n| --- |" + strings.Repeat(" ---: |", len(sizes)+2) + "\n")
		for _, name := range names {
			fmt.Fprintf(&t, "| %s |", name)
			for _, size := range sizes {
				fmt.Fprintf(&t, " %s |", duration(b.time(at, name, size)))
			}
			for _, logger := range []string{"log: ", "slog: "} {
				fmt.Fprintf(&t, " %s |", duration(b.time(at, logger+name, 100)))
			}
			t.WriteString("\n")
		}
		t.WriteString("\n")
	}
	return strings.TrimSuffix(t.String(), "\n")
}

// buffers compares sizes of the buffer.
func (b *results) buffers() string {
	var t strings.Builder
	t.WriteString("| time per write | 4 KiB | 16 KiB | 64 KiB | 256 KiB |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, h := range hosts {
		for _, with := range component.Toolchains {
			for _, size := range []int{16, 100, 1 << 10, 4 << 10} {
				fmt.Fprintf(&t, "| %s, %s, %s |", h.name, with, sizeName(size))
				for _, name := range []string{"BufWriter, 4 KiB", "BufWriter, 16 KiB", "BufWriter", "BufWriter, 256 KiB"} {
					fmt.Fprintf(&t, " %s |", duration(b.time(where{with, h}, name, size)))
				}
				t.WriteString("\n")
			}
		}
	}
	return t.String()
}

// details has everything.
func (b *results) details() string {
	var t strings.Builder
	for _, h := range hosts {
		for _, with := range component.Toolchains {
			at := where{with, h}
			fmt.Fprintf(&t, "<details><summary>%s, %s</summary>\n\n", h.name, with)
			t.WriteString("| | size | time | MB/s | host calls | allocations | Writer is | BufWriter is |\n" +
				"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
			for _, w := range b.order(at) {
				ns := median(b.ns[at][w])
				prefix := ""
				if i := strings.Index(w.name, "log: "); i >= 0 {
					prefix = w.name[:i+len("log: ")]
				}
				fmt.Fprintf(&t, "| %s | %s | %s | %.0f | %s | %s | %s | %s |\n", w.name, sizeName(w.size), duration(ns),
					float64(w.size)/ns*1e3, b.callsOf(at, w), rate(median(b.allocs[at][w])),
					ratio(b.faster(at, prefix+"Writer", w.name, w.size))+"×",
					ratio(b.faster(at, prefix+"BufWriter", w.name, w.size))+"×")
			}
			t.WriteString("\n</details>\n")
		}
	}
	return t.String()
}

// order returns what was measured, by size, and loggers last.
func (b *results) order(at where) []what {
	rank := func(w what) int {
		logger := strings.Contains(w.name, "log: ")
		_, sink, _ := strings.Cut(w.name, "log: ")
		if !logger {
			sink = w.name
		}
		i := slices.Index(names, sink)
		if i < 0 { // a size of the buffer
			i = len(names)
		}
		switch {
		case strings.HasPrefix(w.name, "slog"):
			return i + 1<<62
		case logger:
			return i + 1<<61
		}
		return i + w.size*100
	}
	return slices.SortedFunc(maps.Keys(b.ns[at]), func(v, w what) int {
		return cmp.Or(cmp.Compare(rank(v), rank(w)), strings.Compare(v.name, w.name))
	})
}

// callsOf returns the host calls of an operation. The counting variant cannot see those
// of os.Stdout, which are known.
func (b *results) callsOf(at where, w what) string {
	if strings.HasSuffix(w.name, "os.Stdout") {
		return fmt.Sprintf("%d ¹", (w.size+4095)/4096)
	}
	calls, ok := b.calls[at][w]
	if !ok {
		return "–"
	}
	return rate(calls)
}

// draw has the module chart draw the chart.
func (b *results) draw() error {
	type line struct {
		Name   string
		Times  []float64 // as fast as os.Stdout
		Dashed bool
	}
	type panel struct {
		Title string
		Lines []line
	}
	data := struct {
		Sizes  []int
		Panels []panel
	}{Sizes: sizes}
	for _, with := range component.Toolchains {
		p := panel{Title: string(with)}
		for _, name := range []string{"BufWriter", "Writer", "BufWriter, lines", "bufio on Writer",
			"os.Stdout", "loop: blocking", "loop: wait each time", "floor: protocol", "floor: unflushed"} {
			l := line{Name: name, Dashed: strings.HasPrefix(name, "floor")}
			for _, size := range sizes {
				l.Times = append(l.Times, b.faster(where{with, nullFile}, name, "os.Stdout", size))
			}
			p.Lines = append(p.Lines, l)
		}
		data.Panels = append(data.Panels, p)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	c := exec.Command("go", "-C", "bench/chart", "run", ".")
	c.Stdin = strings.NewReader(string(text))
	c.Stderr = os.Stderr
	svg, err := c.Output()
	if err != nil {
		return fmt.Errorf("chart: %w", err)
	}
	return os.WriteFile(chart, svg, 0o644)
}

func sizeName(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

func duration(ns float64) string {
	switch {
	case ns == 0:
		return "–"
	case ns < 99.95:
		return fmt.Sprintf("%.1f ns", ns)
	case ns < 9_999:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 999_500:
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return fmt.Sprintf("%.2f ms", ns/1e6)
}

func ratio(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// rate prints a number of calls or allocations per operation.
func rate(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.001:
		return "<0.001"
	case x < 0.1:
		return fmt.Sprintf("%.3f", x)
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", x), "0"), ".")
}
