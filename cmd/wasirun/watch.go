package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/wasio-dev/wasio/internal/host"
)

// watcher shows what a guest and its host say to each other.
type watcher struct {
	out          io.Writer
	trace, color bool

	first   time.Duration    // when the first call began
	calls   map[string]tally // by function
	bytes   uint64           // taken by the host
	waits   tally
	longest time.Duration
}

type tally struct {
	n    int
	took time.Duration
}

func (t *tally) add(took time.Duration) {
	t.n++
	t.took += took
}

// wantsColor reports whether to color what is written to f: only on a terminal that can,
// and not where the user says NO_COLOR (https://no-color.org).
func wantsColor(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && host.IsTerminal(f)
}

// call takes note of a call. The host calls it, one call at a time.
func (w *watcher) call(c *host.Call) {
	if w.calls == nil {
		w.calls = make(map[string]tally)
		w.first = c.Start
	}
	if w.trace {
		w.print(c)
	}
	t := w.calls[c.Name()]
	t.add(c.Took)
	w.calls[c.Name()] = t
	if c.Waits() {
		w.waits.add(c.Took)
		w.longest = max(w.longest, c.Took)
	}
	w.bytes += c.Taken()
}

const (
	dim    = "2"
	yellow = "33"
	red    = "31"
)

// print prints a call: when it began, counted from the first one, how long it took, who, what, and the result.
func (w *watcher) print(c *host.Call) {
	result := c.Outcome()
	if result != "" {
		result = " = " + result
	}
	switch c.Result {
	case host.Trapped, host.Closed, host.LastOperationFailed:
		result = w.paint(red, result)
	case host.Permit:
		if c.Value == 0 {
			result = w.paint(yellow, result)
		}
	}
	times := fmt.Sprintf("%10.3fms %9v", float64(c.Start-w.first)/float64(time.Millisecond), rounded(c.Took))
	fmt.Fprintf(w.out, "%s  %-17s %s%s\n", w.paint(dim, times), c.Who(), c.What(), result)
}

func (w *watcher) paint(color, s string) string {
	if !w.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// rounded returns d with the digits that one can take in at a glance.
func rounded(d time.Duration) time.Duration {
	for unit := time.Duration(1); unit <= d; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d
}

// printStats prints what there was of each kind of call, most of them first.
func (w *watcher) printStats() {
	type row struct {
		name string
		tally
	}
	var rows []row
	for name, t := range w.calls {
		rows = append(rows, row{name, t})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name))
	})
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "calls\ttime\t  function")
	for _, r := range rows {
		fmt.Fprintf(t, "%d\t%v\t  %s\n", r.n, rounded(r.took), r.name)
	}
	t.Flush()
	fmt.Fprintf(w.out, "%d bytes written, %d waits of %v in all, the longest %v\n",
		w.bytes, w.waits.n, rounded(w.waits.took), rounded(w.longest))
}
