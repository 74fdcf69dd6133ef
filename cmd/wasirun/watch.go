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

// A watcher prints host calls, or statistics about them.
type watcher struct {
	out          io.Writer
	trace, color bool

	first   time.Duration    // when the first call started
	calls   map[string]tally // by function
	bytes   uint64           // accepted by the host
	waits   tally
	longest time.Duration // the longest wait
}

// A tally is the number of some calls and the time that they took.
type tally struct {
	n    int
	took time.Duration
}

func (t *tally) add(took time.Duration) {
	t.n++
	t.took += took
}

// wantsColor reports whether to color the output to f. It does so only on a terminal that
// supports color, and never if NO_COLOR is set (https://no-color.org).
func wantsColor(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && host.IsTerminal(f)
}

// record counts a host call and prints it if w.trace is set. The host never calls record
// concurrently.
func (w *watcher) record(c *host.Call) {
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

// Codes of ANSI escape sequences.
const (
	dim    = "2"
	yellow = "33"
	red    = "31"
)

// print prints the time of a call since the first one, its duration, the handle, the
// function and the result.
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
	times := fmt.Sprintf("%10.3fms %9v", float64(c.Start-w.first)/float64(time.Millisecond), round(c.Took))
	fmt.Fprintf(w.out, "%s  %-17s %s%s\n", w.paint(dim, times), c.Who(), c.What(), result)
}

// paint returns s in a color, if w uses colors.
func (w *watcher) paint(color, s string) string {
	if !w.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// round returns d rounded to three significant digits.
func round(d time.Duration) time.Duration {
	for unit := time.Duration(1); unit <= d; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d
}

// printStats prints the calls by function, the most frequent first, and the totals.
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
		fmt.Fprintf(t, "%d\t%v\t  %s\n", r.n, round(r.took), r.name)
	}
	t.Flush()
	fmt.Fprintf(w.out, "%d bytes written; %d waits took %v in total, the longest %v\n",
		w.bytes, w.waits.n, round(w.waits.took), round(w.longest))
}
