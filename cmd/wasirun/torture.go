package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// exitDiffers is the exit code of -torture if the guest differs on a host that does not fail.
const exitDiffers = 1

// tortureTimeout limits each run if -timeout is not set. A host that permits one byte per write
// takes long.
const tortureTimeout = time.Minute

// tortureFlags are the flags that can be combined with -torture.
var tortureFlags = []string{"torture", "json", "tinygo", "timeout", "memory", "dir"}

// maxOutput limits what a guest may write on the easy host, since it is kept.
const maxOutput = 64 << 20

// hardHosts are the flags of hosts that never fail, in addition to those of [host.Names].
var hardHosts = []string{
	// Permits that are small, odd, unusual or very large.
	"-permit 1",
	"-permit 7",
	"-permit 1,7,4096",
	"-permit 4095",
	"-permit 4097",
	"-permit 18446744073709551615",
	// Waits before the permits, and spurious wake-ups.
	"-permit 0,1",
	"-permit 0,7",
	"-permit 1,0,0",
	"-permit 0,0,0,64",
	"-permit 0,0,0,0,0,0,0,0,4096",
	"-permit 0,1048576",
	"-permit 0,18446744073709551615",
	// Waits for the flush.
	"-flush 1",
	"-flush 3",
	"-flush 1 -permit 1",
	"-flush 1 -permit 1048576,0",
	"-flush 2 -permit 0,0,7",
	"-flush 9 -permit 18446744073709551615",
	// Output that is lost without a flush.
	"-hold",
	"-hold -permit 1",
	"-hold -flush 1",
	"-hold -flush 2 -permit 0,7,0,0,4096",
	// Waits that take time.
	"-delay 1ms -flush 1",
	"-delay 1ms -permit 0,64",
	"-delay 1ms -permit 0,0,4096 -flush 1 -hold",
	// Real hosts that permit little.
	"-as wasmtime-stdout -permit 0,16",
	"-as wasmtime-async -permit 7",
	"-as wasmtime-22-async -permit 0,1024",
	"-as wasmtime-file -permit 7,0",
	"-as wasmtime-tcp -permit 1,0",
	"-as jco-browser -permit 0,1000",
}

// failingHosts returns the flags of hosts that fail or close the stream at the first, the middle
// and the last call of each kind that the guest made on the easy host.
func failingHosts(easy *trial) (flags []string) {
	for _, at := range []string{host.AtCheckWrite, host.AtWrite, host.AtFlush, host.AtFlushed} {
		n := easy.calls[at]
		for _, call := range slices.Compact([]int{1, (n + 1) / 2, n}) {
			if 0 < call && call <= n {
				flags = append(flags, fmt.Sprintf("-fail %s:%d", at, call), fmt.Sprintf("-close %s:%d", at, call))
			}
		}
	}
	if half := len(easy.stdout.bytes) / 2; half > 0 {
		flags = append(flags, fmt.Sprintf("-capacity %d", half), fmt.Sprintf("-capacity %d -permit 1", half),
			fmt.Sprintf("-capacity %d -permit 0,7 -flush 1", half))
	}
	return flags
}

// A trial is a run of the guest on a host, and its outcome.
type trial struct {
	flags string // of wasirun, to reproduce it
	fails bool   // whether the host fails

	exit           int
	err            error // a trap, a crash or a timeout
	stdout, stderr output
	kept           []string       // the kinds of the handles that are left
	taken          uint64         // how many bytes the host took
	last           string         // the last call
	calls          map[string]int // of the stream with the most of them, by point
}

// An output is what the guest writes to one of its streams. On the easy host it is kept, and on
// any other it is compared with that of the easy host.
type output struct {
	easy   *output // nil on the easy host
	bytes  []byte
	n      int
	breaks int // where it first differs from the bytes of easy, counted from 1; 0: nowhere
}

func (o *output) Write(p []byte) (int, error) {
	switch {
	case o.easy == nil:
		if len(o.bytes)+len(p) > maxOutput {
			return 0, errors.New("too much output")
		}
		o.bytes = append(o.bytes, p...)
	case o.breaks == 0:
		want := o.easy.bytes[min(o.n, len(o.easy.bytes)):]
		same := 0
		for same < min(len(p), len(want)) && p[same] == want[same] {
			same++
		}
		if same < len(p) {
			o.breaks = o.n + same + 1
		}
	}
	o.n += len(p)
	return len(p), nil
}

// difference says how the output differs from that of the easy host, or returns "".
func (o *output) difference(name string) string {
	switch {
	case o.breaks > 0:
		return fmt.Sprintf("%s differs at byte %d", name, o.breaks)
	case o.n < len(o.easy.bytes):
		return fmt.Sprintf("%s ends after %d of %d bytes", name, o.n, len(o.easy.bytes))
	}
	return ""
}

// runTorture runs the guest on an easy host and on many hard ones, and prints where it differs.
func (c *command) runTorture(module []byte, out, progress io.Writer) (int, error) {
	var stdin []byte
	if !host.IsTerminal(os.Stdin) {
		var err error
		if stdin, err = io.ReadAll(os.Stdin); err != nil {
			return 0, err
		}
	}
	if c.timeout == 0 {
		c.timeout = tortureTimeout
	}
	cache := wazero.NewCompilationCache()
	defer cache.Close(context.Background())
	run := func(flags string, easy *trial) *trial {
		t := &trial{flags: flags}
		if easy != nil {
			t.stdout.easy, t.stderr.easy = &easy.stdout, &easy.stderr
		}
		c.try(t, module, stdin, cache)
		return t
	}
	easy := run("", nil)
	if easy.err != nil {
		return 0, c.named(easy.err)
	}
	if again := run("", easy); again.difference(easy) != "" {
		return 0, fmt.Errorf("%s: two runs on the same host differ: %s", c.target, again.difference(easy))
	}
	var hosts []string
	for _, name := range host.Names() {
		hosts = append(hosts, "-as "+name)
	}
	hosts = slices.Concat(hosts, hardHosts, failingHosts(easy))

	trials := make([]*trial, len(hosts))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				trials[i] = run(hosts[i], easy)
			}
		})
	}
	for i := range hosts {
		fmt.Fprintf(progress, "\r%d of %d hosts", i, len(hosts))
		next <- i
	}
	close(next)
	wg.Wait()
	fmt.Fprint(progress, "\r                    \r")
	if c.json {
		return reportJSON(out, easy, trials), nil
	}
	return report(out, easy, trials), nil
}

// try runs the guest on the host that t.flags describe.
func (c *command) try(t *trial, module, stdin []byte, cache wazero.CompilationCache) {
	var b behavior
	flags := flag.NewFlagSet("torture", flag.PanicOnError)
	b.defineFlags(flags)
	flags.Parse(strings.Fields(t.flags))
	plan := b.plan()
	plan.Handles = maxHandles
	t.fails = len(plan.Faults) > 0 || plan.Capacity > 0

	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	points := make(map[uint32]map[string]int) // by stream
	timers := make(map[string]bool)
	h := host.New(host.Options{Clock: engine.Clock(ctx), OnCall: func(call *host.Call) {
		t.taken += call.Taken()
		switch call.Op {
		case host.OpSubscribeDuration, host.OpSubscribeInstant:
			timers[fmt.Sprintf("pollable(%d)", call.Value)] = true
		case host.OpDropPollable:
			delete(timers, fmt.Sprintf("pollable(%d)", call.Handle))
		}
		if t.stdout.easy == nil {
			countPoints(points, call)
		}
	}})
	in := host.NewFeed(bytes.NewReader(stdin))
	h.SetStdin(host.Plan{End: host.EndSilent}, in)
	h.SetStdio(host.Stdout, plan, &t.stdout)
	h.SetStdio(host.Stderr, plan, &t.stderr)
	t.exit, t.err = engine.Run(ctx, engine.Guest{
		Module:      module,
		Args:        append([]string{c.target}, c.args...),
		Host:        h,
		Dirs:        c.dirs,
		Stdin:       in,
		Stdout:      &t.stdout,
		Stderr:      &t.stderr,
		MemoryPages: uint32(c.memory * 16),
		Cache:       cache,
		Trusted:     !isModule(c.target),
	})
	h.Exit()
	for _, live := range h.Live() {
		if timers[live] && len(timers) == 1 {
			continue // a program may keep one clock for its next wait
		}
		kind, _, _ := strings.Cut(live, "(")
		t.kept = append(t.kept, kind)
	}
	slices.Sort(t.kept)
	if calls := h.Calls(); len(calls) > 0 {
		last := calls[len(calls)-1]
		t.last = last.Who() + "." + last.What()
	}
	for _, calls := range points {
		if calls[host.AtCheckWrite] > t.calls[host.AtCheckWrite] || t.calls == nil {
			t.calls = calls
		}
	}
}

// countPoints counts the points at which a call of a stream can fail.
func countPoints(points map[uint32]map[string]int, call *host.Call) {
	var at []string
	switch call.Op {
	case host.OpCheckWrite:
		at = []string{host.AtCheckWrite}
	case host.OpWrite, host.OpWriteZeroes:
		at = []string{host.AtWrite}
	case host.OpFlush, host.OpBlockingFlush:
		at = []string{host.AtFlush, host.AtFlushed}
	case host.OpBlockingWriteAndFlush, host.OpBlockingWriteZeroesAndFlush:
		at = []string{host.AtCheckWrite, host.AtWrite, host.AtFlush, host.AtFlushed}
	default:
		return
	}
	if points[call.Handle] == nil {
		points[call.Handle] = make(map[string]int)
	}
	for _, at := range at {
		points[call.Handle][at]++
	}
}

// verdict sums up the outcome of the trial in a word: same, differs, hangs, traps or crashes.
func (t *trial) verdict(easy *trial) string {
	var trap *host.Trap
	switch {
	case errors.As(t.err, &trap) && trap.Hangs(), errors.Is(t.err, context.DeadlineExceeded):
		return "hangs"
	case trap != nil:
		return "traps"
	case t.err != nil:
		return "crashes"
	case t.difference(easy) != "":
		return "differs"
	}
	return "same"
}

// difference says how t differs from the trial on the easy host, or returns "".
func (t *trial) difference(easy *trial) string {
	var found []string
	var trap *host.Trap
	// A call that waits forever may have begun to write.
	taken := max(t.taken, uint64(t.stdout.n+t.stderr.n))
	switch {
	case errors.As(t.err, &trap) && trap.Hangs():
		found = append(found, fmt.Sprintf("after byte %d in %s", taken, t.last))
	case trap != nil:
		found = append(found, fmt.Sprintf("after byte %d in %s: %s", taken, t.last, trap.Reason))
	case errors.Is(t.err, context.DeadlineExceeded):
		found = append(found, fmt.Sprintf("after byte %d, last call: %s", taken, cmp.Or(t.last, "none")))
	case t.err != nil:
		found = append(found, fmt.Sprintf("after byte %d: %v", taken, t.err))
	case t.exit != easy.exit:
		found = append(found, fmt.Sprintf("exit code %d instead of %d", t.exit, easy.exit))
	}
	for i, o := range []*output{&t.stdout, &t.stderr} {
		if s := o.difference([]string{"stdout", "stderr"}[i]); s != "" && (t.err == nil || o.breaks > 0) {
			found = append(found, s)
		}
	}
	if t.err == nil && !slices.Equal(t.kept, easy.kept) {
		found = append(found, fmt.Sprintf("keeps %s instead of %s", list(t.kept), list(easy.kept)))
	}
	return strings.Join(found, "; ")
}

// list returns the kinds of handles, each with its number.
func list(kinds []string) string {
	var parts []string
	for len(kinds) > 0 {
		n := 1
		for n < len(kinds) && kinds[n] == kinds[0] {
			n++
		}
		parts = append(parts, fmt.Sprint(n, " ", kinds[0]))
		kinds = kinds[n:]
	}
	return cmp.Or(strings.Join(parts, ", "), "no handle")
}

// report prints a table of the trials that were not the same, and a summary. It returns the exit
// code.
func report(out io.Writer, easy *trial, trials []*trial) (exit int) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	differ, failing := 0, 0
	for _, fails := range []bool{false, true} {
		for _, t := range trials {
			verdict := t.verdict(easy)
			if t.fails != fails || verdict == "same" {
				continue
			}
			if fails {
				if failing++; failing == 1 {
					fmt.Fprintln(table, "\nOn hosts that fail:\t\t")
				}
			} else {
				differ++
				exit = exitDiffers
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", verdict, t.flags, t.difference(easy))
		}
	}
	table.Flush()
	if differ+failing > 0 {
		fmt.Fprintln(out)
	}
	n := 0
	for _, t := range trials {
		if !t.fails {
			n++
		}
	}
	fmt.Fprintf(out, "The guest differs on %d of %d hosts that do not fail, and on %d of %d that fail.\n", differ, n, failing, len(trials)-n)
	return exit
}

// reportJSON prints each trial as an object on a line of its own. It returns the exit code.
func reportJSON(out io.Writer, easy *trial, trials []*trial) (exit int) {
	encoder := json.NewEncoder(out)
	for _, t := range trials {
		verdict := t.verdict(easy)
		if verdict != "same" && !t.fails {
			exit = exitDiffers
		}
		encoder.Encode(struct {
			Flags   string `json:"flags"`
			Fails   bool   `json:"fails"`
			Verdict string `json:"verdict"`
			Exit    int    `json:"exit"`
			Stdout  int    `json:"stdout"`
			Stderr  int    `json:"stderr"`
			Found   string `json:"found,omitempty"`
		}{t.flags, t.fails, verdict, t.exit, t.stdout.n, t.stderr.n, t.difference(easy)})
	}
	return exit
}
