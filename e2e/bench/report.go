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

// A setup is a host with a guest of a toolchain.
type setup struct {
	toolchain component.Toolchain
	host      host
}

// An operation is a write of one size by a contender.
type operation struct {
	contender string
	size      int
}

// results has all measurements. Those of one size are in the order in which they were made,
// so that measurements with the same index are from the same round.
type results struct {
	ns     map[setup]map[operation][]float64 // per operation
	allocs map[setup]map[operation][]float64 // per operation
	counts map[setup]map[operation]count
	load   string
}

// A count is a number of host calls.
type count struct {
	perOperation float64
	perWait      float64 // 0 if there was no wait
}

func newResults() *results {
	return &results{
		ns:     make(map[setup]map[operation][]float64),
		allocs: make(map[setup]map[operation][]float64),
		counts: make(map[setup]map[operation]count),
	}
}

// add parses the output of a guest and adds it to the results.
func (b *results) add(at setup, output []byte, counting bool) error {
	if b.ns[at] == nil {
		b.ns[at] = make(map[operation][]float64)
		b.allocs[at] = make(map[operation][]float64)
		b.counts[at] = make(map[operation]count)
	}
	for line := range strings.Lines(string(output)) {
		contender, rest, _ := strings.Cut(strings.TrimSpace(line), "\t")
		fields := strings.Split(rest, "\t")
		if len(fields) != 7 {
			return fmt.Errorf("the guest printed: %s", output)
		}
		var numbers [7]float64
		for i, field := range fields {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return err
			}
			numbers[i] = n
		}
		size, n, ns, allocs := numbers[0], numbers[1], numbers[2], numbers[3]
		calls, waits, inWaits := numbers[4], numbers[5], numbers[6]
		o := operation{contender, int(size)}
		if counting {
			b.counts[at][o] = count{calls / n, inWaits / max(1, waits)}
			continue
		}
		b.ns[at][o] = append(b.ns[at][o], ns/n)
		b.allocs[at][o] = append(b.allocs[at][o], allocs/n)
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

// time returns the nanoseconds of an operation, or 0 if it was not measured.
func (b *results) time(at setup, contender string, size int) float64 {
	return median(b.ns[at][operation{contender, size}])
}

// faster returns how many times as fast as its rival a contender is, by their medians.
func (b *results) faster(at setup, contender, rival string, size int) float64 {
	return b.time(at, rival, size) / b.time(at, contender, size)
}

// fasterByRound returns how many times as fast as its rival a contender is: the median of
// the ratios in each round. Both are measured within milliseconds of each other there, which
// matters where the host takes much longer at some times than at others.
func (b *results) fasterByRound(at setup, contender, rival string, size int) float64 {
	own, other := b.ns[at][operation{contender, size}], b.ns[at][operation{rival, size}]
	var ratios []float64
	for i := range min(len(own), len(other)) {
		ratios = append(ratios, other[i]/own[i])
	}
	return median(ratios)
}

var sizes = []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}

var names = []string{"Writer", "BufWriter", "BufWriter, lines", "bufio on Writer", "os.Stdout",
	"loop: blocking", "loop: wait each time", "loop: flush at the end", "floor: protocol", "floor: bounded waits", "floor: unflushed"}

// publish writes the tables and the chart, or prints the tables.
func (b *results) publish() error {
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
	fmt.Print(b.targets())
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
		"Medians of up to %d measurements of about %v each, in %d runs of each guest on each host.\n",
		tinyVersion, strings.TrimPrefix(strings.TrimSpace(string(golang)), "go"), machine(), runtime.GOOS, runtime.GOARCH, b.load,
		*processes**rounds, *duration, *processes)
}

// A target is a ratio of the speeds of two contenders that wasio aims for.
type target struct {
	name             string
	contender, rival string
	size             int

	// The least ratio with TinyGo and with Go. If it is 0, the ratio is no target and
	// only printed for comparison.
	tinygo, golang float64
}

// protocolTargets compares Writer to the bare protocol at each size.
func protocolTargets() []target {
	var all []target
	for _, size := range sizes {
		all = append(all, target{"Writer, " + sizeName(size) + ", to the bare protocol",
			"Writer", "floor: protocol", size, 0.92, 0.92})
	}
	return all
}

// stdoutTargets compares Writer to os.Stdout at each size.
func stdoutTargets() []target {
	var all []target
	for _, size := range sizes {
		name := sizeName(size) + ", to os.Stdout"
		tinygo, golang := 1.05, 1.0
		switch {
		case size >= 1<<20: // most of the time goes into copying
			tinygo, golang = 2.5, 2.5
		case size >= 64<<10:
			tinygo, golang = 3.8, 3.3
		}
		all = append(all,
			target{"Writer, " + name, "Writer", "os.Stdout", size, tinygo, golang},
			target{"*for comparison:* the bare protocol, " + name, "floor: protocol", "os.Stdout", size, 0, 0})
	}
	return all
}

// bufTargets compares BufWriter to os.Stdout and to the loops that make its host calls.
func bufTargets() []target {
	return []target{
		{"BufWriter, 100 B, to os.Stdout", "BufWriter", "os.Stdout", 100, 25, 20},
		{"BufWriter, lines of 100 B, to the bare protocol", "BufWriter, lines", "floor: protocol", 100, 0.92, 0.92},
		{"BufWriter, 64 KiB, to the unflushed floor", "BufWriter", "floor: unflushed", 64 << 10, 0.92, 0.92},
	}
}

// targets returns the tables that compare the results to the targets.
func (b *results) targets() string {
	var t strings.Builder
	t.WriteString("| null file, times as fast | at least | TinyGo | | Go | |\n| --- | --- | ---: | --- | ---: | --- |\n")
	for _, want := range slices.Concat(protocolTargets(), stdoutTargets(), bufTargets()) {
		fmt.Fprintf(&t, "| %s | %s |", want.name, want.least())
		for _, toolchain := range toolchains {
			t.WriteString(b.check(setup{toolchain, nullFile}, want))
		}
		t.WriteString("\n")
	}
	t.WriteString("\n| asynchronous callback, times as fast | at least | TinyGo | | *one core* | Go | | *one core* |\n" +
		"| --- | --- | ---: | --- | ---: | ---: | --- | ---: |\n")
	comparison := []target{{"*for comparison:* Writer, 100 B, to the protocol with bounded waits",
		"Writer", "floor: bounded waits", 100, 0, 0}}
	for _, want := range append(protocolTargets(), comparison...) {
		fmt.Fprintf(&t, "| %s | %s |", want.name, want.least())
		for _, toolchain := range toolchains {
			oneCore := b.fasterByRound(setup{toolchain, callbackOneCore}, want.contender, want.rival, want.size)
			fmt.Fprintf(&t, "%s %s |", b.check(setup{toolchain, callback}, want), ratio(oneCore))
		}
		t.WriteString("\n")
	}
	t.WriteString("\n| counts | at most | TinyGo | | Go | |\n| --- | --- | ---: | --- | ---: | --- |\n")
	fmt.Fprint(&t, "| allocations of Writer, BufWriter, and log.Logger on them, any size, null file | 0 |")
	for _, toolchain := range toolchains {
		allocs := 0.0
		for o, all := range b.allocs[setup{toolchain, nullFile}] {
			if strings.Contains(o.contender, "Writer") && !strings.HasPrefix(o.contender, "slog") {
				allocs = max(allocs, median(all))
			}
		}
		fmt.Fprintf(&t, " %s | %s |", rate(allocs), verdict(allocs < 0.001))
	}
	fmt.Fprint(&t, "\n| host calls of a wait, Writer, 100 B, asynchronous callback | 3 (rounds to 3.1 at most, see below) |")
	for _, toolchain := range toolchains {
		calls := b.counts[setup{toolchain, callback}][operation{"Writer", 100}]
		if calls.perWait == 0 {
			t.WriteString(" – | |")
			continue
		}
		fmt.Fprintf(&t, " %.2f | %s |", calls.perWait, verdict(calls.perWait < 3.15))
	}
	t.WriteString("\n")
	return t.String()
}

// least returns the text of the least ratios.
func (t target) least() string {
	switch {
	case t.tinygo == 0:
		return ""
	case t.tinygo == t.golang:
		return fmt.Sprint(t.tinygo)
	}
	return fmt.Sprintf("%v; Go %v", t.tinygo, t.golang)
}

// check returns two cells of a table: the ratio, and whether the target is met.
func (b *results) check(at setup, t target) string {
	got, least := b.fasterByRound(at, t.contender, t.rival, t.size), t.tinygo
	if at.toolchain == component.Go {
		least = t.golang
	}
	if least == 0 {
		return fmt.Sprintf(" %s | |", ratio(got))
	}
	return fmt.Sprintf(" %s | %s |", ratio(got), verdict(got >= least))
}

// summary returns the tables of the times on the null file and the sink.
func (b *results) summary() string {
	var t strings.Builder
	for _, at := range []setup{{component.TinyGo, nullFile}, {component.Go, nullFile}, {component.TinyGo, sink}, {component.Go, sink}} {
		fmt.Fprintf(&t, "### %s, %s\n\n| time per operation |", at.toolchain, at.host.name)
		for _, size := range sizes {
			fmt.Fprintf(&t, " %s |", sizeName(size))
		}
		t.WriteString(" log.Logger, 100 B | slog, 100 B |\n| --- |" + strings.Repeat(" ---: |", len(sizes)+2) + "\n")
		for _, name := range names {
			fmt.Fprintf(&t, "| %s |", name)
			for _, size := range sizes {
				fmt.Fprintf(&t, " %s |", nanoseconds(b.time(at, name, size)))
			}
			for _, logger := range []string{"log: ", "slog: "} {
				fmt.Fprintf(&t, " %s |", nanoseconds(b.time(at, logger+name, 100)))
			}
			t.WriteString("\n")
		}
		t.WriteString("\n")
	}
	return strings.TrimSuffix(t.String(), "\n")
}

// buffers returns the table of the sizes of the buffer.
func (b *results) buffers() string {
	var t strings.Builder
	t.WriteString("| time per write | 4 KiB | 16 KiB | 64 KiB | 256 KiB |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, h := range hosts {
		for _, toolchain := range toolchains {
			for _, size := range []int{16, 100, 1 << 10, 4 << 10} {
				fmt.Fprintf(&t, "| %s, %s, %s |", h.name, toolchain, sizeName(size))
				for _, name := range []string{"BufWriter, 4 KiB", "BufWriter, 16 KiB", "BufWriter", "BufWriter, 256 KiB"} {
					fmt.Fprintf(&t, " %s |", nanoseconds(b.time(setup{toolchain, h}, name, size)))
				}
				t.WriteString("\n")
			}
		}
	}
	return t.String()
}

// details returns the tables of all results.
func (b *results) details() string {
	var t strings.Builder
	for _, h := range hosts {
		for _, toolchain := range toolchains {
			at := setup{toolchain, h}
			fmt.Fprintf(&t, "<details><summary>%s, %s</summary>\n\n", h.name, toolchain)
			t.WriteString("| | size | time | MB/s | host calls | allocations | Writer is | BufWriter is |\n" +
				"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
			for _, o := range b.order(at) {
				ns := median(b.ns[at][o])
				logger := "" // prefix of the contender
				if i := strings.Index(o.contender, "log: "); i >= 0 {
					logger = o.contender[:i+len("log: ")]
				}
				fmt.Fprintf(&t, "| %s | %s | %s | %.0f | %s | %s | %s | %s |\n", o.contender, sizeName(o.size), nanoseconds(ns),
					float64(o.size)/ns*1e3, b.hostCalls(at, o), rate(median(b.allocs[at][o])),
					ratio(b.faster(at, logger+"Writer", o.contender, o.size))+"×",
					ratio(b.faster(at, logger+"BufWriter", o.contender, o.size))+"×")
			}
			t.WriteString("\n</details>\n")
		}
	}
	return t.String()
}

// order returns the operations that were measured: by size, and loggers last.
func (b *results) order(at setup) []operation {
	rank := func(o operation) int {
		_, contender, logger := strings.Cut(o.contender, "log: ")
		if !logger {
			contender = o.contender
		}
		i := slices.Index(names, contender)
		if i < 0 { // a BufWriter with another size of the buffer
			i = len(names)
		}
		switch {
		case strings.HasPrefix(o.contender, "slog"):
			return i + 1<<62
		case logger:
			return i + 1<<61
		}
		return i + o.size*100
	}
	return slices.SortedFunc(maps.Keys(b.ns[at]), func(v, w operation) int {
		return cmp.Or(cmp.Compare(rank(v), rank(w)), strings.Compare(v.contender, w.contender))
	})
}

// hostCalls returns the number of host calls of an operation. The counting variant does not
// see those of os.Stdout, which follow from its source.
func (b *results) hostCalls(at setup, o operation) string {
	if strings.HasSuffix(o.contender, "os.Stdout") {
		return fmt.Sprintf("%d ¹", (o.size+4095)/4096)
	}
	calls, ok := b.counts[at][o]
	if !ok {
		return "–"
	}
	return rate(calls.perOperation)
}

// draw runs the program in chart, which draws the chart.
func (b *results) draw() error {
	data := chartData{XLabel: "bytes per write", YLabel: "times as fast as os.Stdout", Sizes: sizes}
	for _, toolchain := range toolchains {
		p := chartPanel{Title: string(toolchain) + ", Wasmtime, null file"}
		for _, name := range []string{"BufWriter", "Writer", "BufWriter, lines", "bufio on Writer",
			"os.Stdout", "loop: blocking", "loop: wait each time", "floor: protocol", "floor: unflushed"} {
			l := chartLine{Name: name, Dashed: strings.HasPrefix(name, "floor")}
			for _, size := range sizes {
				l.Times = append(l.Times, b.faster(setup{toolchain, nullFile}, name, "os.Stdout", size))
			}
			p.Lines = append(p.Lines, l)
		}
		data.Panels = append(data.Panels, p)
	}
	return data.draw(chart)
}

// chartData is what the module chart draws.
type chartData struct {
	XLabel, YLabel string
	Sizes          []int
	Panels         []chartPanel
}

type chartPanel struct {
	Title string
	Lines []chartLine
}

type chartLine struct {
	Name   string
	Times  []float64 // how many times as fast as the rival, at each size
	Dashed bool
}

// draw writes the chart to a file.
func (d chartData) draw(file string) error {
	text, err := json.Marshal(d)
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
	return os.WriteFile(file, svg, 0o644)
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

func nanoseconds(ns float64) string {
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

// rate formats a number of calls or allocations per operation.
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
