package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/wasio-dev/wasio/internal/host"
)

// A watcher prints host calls, or statistics about them.
type watcher struct {
	out   io.Writer
	trace traceMode
	color bool
	line  *timeline // may be nil

	mu    sync.Mutex
	ended bool // guarded by mu

	// These are guarded by mu until ended is set. Then they do not change any more.
	first   time.Duration    // when the first call started
	calls   map[string]tally // by function
	names   map[uint32]string
	streams []*stream // in the order in which they were first used
	bytes   uint64    // accepted by the host
	waits   tally
	longest time.Duration // the longest wait
}

// An outlet is a standard stream of this process that the guest can write to until it has
// ended. It also hides the file from wazero, which would make it non-blocking, so that writes
// by this process would fail on a full pipe.
type outlet struct {
	file  *os.File
	ended *atomic.Bool
}

func (o *outlet) Write(p []byte) (int, error) {
	if o.ended.Load() {
		return 0, os.ErrClosed
	}
	return o.file.Write(p)
}

// A tracedFile is a file of preview 1, which os.Stdout of Go programs writes to. It reports
// each write as the host reports its calls.
type tracedFile struct {
	w       io.Writer
	fd      uint32
	options host.Options
}

func (f *tracedFile) Write(p []byte) (n int, err error) {
	start := f.options.Clock.Now()
	n, err = f.w.Write(p)
	if f.options.OnCall != nil {
		f.options.OnCall(&host.Call{Op: host.OpFdWrite, Handle: f.fd, Arg: uint64(n), Result: host.Done,
			Start: start, Took: f.options.Clock.Now() - start})
	}
	return n, err
}

// A traceMode is the value of the flag -trace.
type traceMode string

const (
	traceText traceMode = "text"
	traceJSON traceMode = "json"
)

// perfetto comes before the name of a file for Perfetto.
const perfetto = "perfetto:"

// file returns that name, or "" if m is another mode.
func (m traceMode) file() string {
	name, ok := strings.CutPrefix(string(m), perfetto)
	if !ok {
		return ""
	}
	return name
}

func (m *traceMode) String() string   { return string(*m) }
func (m *traceMode) IsBoolFlag() bool { return true }

func (m *traceMode) Set(s string) error {
	switch mode := traceMode(s); {
	case s == "true":
		*m = traceText
	case s == "false":
		*m = ""
	case mode == traceText, mode == traceJSON, mode.file() != "":
		*m = mode
	default:
		return errors.New(`must be "text", "json" or "perfetto:" and the name of a file`)
	}
	return nil
}

// A stream has the statistics of an output-stream.
type stream struct {
	handle          uint32
	bytes           uint64
	writes, flushes int
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

// end makes w ignore all calls from now on. Its error is that of the file of the trace.
func (w *watcher) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.line == nil {
		return nil
	}
	return w.line.end()
}

// record counts a host call and prints it if w.trace is set.
func (w *watcher) record(c *host.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if w.calls == nil {
		w.calls = make(map[string]tally)
		w.names = make(map[uint32]string)
		w.first = c.Start
	}
	switch w.trace {
	case traceText:
		w.print(c)
	case traceJSON:
		w.printJSON(c)
	default:
		if w.line != nil {
			w.line.add(c, w.first)
		}
	}
	t := w.calls[string(c.Op)]
	t.add(c.Took)
	w.calls[string(c.Op)] = t
	if c.Waits() {
		w.waits.add(c.Took)
		w.longest = max(w.longest, c.Took)
	}
	w.bytes += c.Taken()
	w.recordStream(c)
}

// recordStream counts a call of an output-stream, unless it was a trap.
func (w *watcher) recordStream(c *host.Call) {
	if c.Result == host.Trapped {
		return
	}
	switch c.Op {
	case host.OpGetStdout:
		w.names[uint32(c.Value)] = "stdout"
	case host.OpGetStderr:
		w.names[uint32(c.Value)] = "stderr"
	case host.OpWrite, host.OpWriteZeroes, host.OpBlockingWriteAndFlush, host.OpBlockingWriteZeroesAndFlush:
		s := w.stream(c.Handle)
		s.writes++
		s.bytes += c.Taken()
	case host.OpSplice, host.OpBlockingSplice:
		if c.Taken() > 0 { // otherwise the guest only asked
			s := w.stream(c.Handle)
			s.writes++
			s.bytes += c.Taken()
		}
	case host.OpFlush, host.OpBlockingFlush:
		w.stream(c.Handle).flushes++
	}
}

// stream returns the stream with a handle. The model never reuses a handle.
func (w *watcher) stream(handle uint32) *stream {
	for _, s := range slices.Backward(w.streams) { // the last is the likeliest
		if s.handle == handle {
			return s
		}
	}
	s := &stream{handle: handle}
	w.streams = append(w.streams, s)
	return s
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

// printJSON prints the call as an object on a line of its own. Times are in nanoseconds.
func (w *watcher) printJSON(c *host.Call) {
	line, _ := json.Marshal(struct {
		Start  int64  `json:"start"`
		Took   int64  `json:"took"`
		On     string `json:"on"`
		Call   string `json:"call"`
		Result string `json:"result,omitempty"`
	}{int64(c.Start - w.first), int64(c.Took), c.Who(), c.What(), c.Outcome()})
	fmt.Fprintf(w.out, "%s\n", line)
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

// printStats prints the calls by function, the most frequent first, the streams, and the
// totals.
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
	if len(w.streams) > 0 {
		fmt.Fprintln(t, "\nbytes\twrites\tflushes\t  stream")
	}
	for _, s := range w.streams {
		fmt.Fprintf(t, "%d\t%d\t%d\t  output-stream(%d) %s\n", s.bytes, s.writes, s.flushes, s.handle, w.names[s.handle])
	}
	t.Flush()
	fmt.Fprintf(w.out, "\n%d bytes written; %d waits took %v in total, the longest %v\n",
		w.bytes, w.waits.n, round(w.waits.took), round(w.longest))
}
