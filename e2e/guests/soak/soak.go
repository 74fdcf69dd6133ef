// Package soak has what a command and a server share that write many lines while the garbage
// collector runs often, and call bindings which return strings and lists in between.
package soak

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

const (
	gcPercent = 5    // so the collector runs once in some hundred lines
	every     = 10   // lines between calls of the bindings
	probes    = 1000 // single writes that tell how many wait
)

// A Call is a call of a binding. It returns what the host has put into the memory of the
// program, and whether that is right as far as is known.
type Call func() (got string, ok bool)

// A result is what a Call has returned, and a copy of it that the program has made itself.
type result struct{ got, want string }

// Run writes n lines to an own<output-stream>, which it drops, and makes the calls in turn, with
// unpin after each. It reports to standard error how many of 1000 single writes waited, and what
// was found wrong.
func Run(to uint32, n int, unpin func(), calls ...Call) {
	debug.SetGCPercent(gcPercent)
	ticks := 0
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	go func() {
		for range ticker.C {
			ticks++
		}
	}()

	out := cm.Reinterpret[streams.OutputStream](to)
	waited := probe(out)
	w := wasio.NewWriter(to)
	defer w.Close()
	w.SetWriteDeadline(time.Now().Add(time.Hour))
	var (
		garbage [100][]byte
		results [64]result
		wrong   int
		handles int
		before  runtime.MemStats
		after   runtime.MemStats
	)
	check := func(r result) {
		if r.got != r.want {
			wrong++
		}
	}
	for i := range n + n/10 { // a tenth of the lines come before the heap is looked at
		if i == n/10 {
			runtime.GC()
			runtime.ReadMemStats(&before)
			handles = highestHandle(out)
		}
		garbage[i%len(garbage)] = make([]byte, i*37%4000)
		if _, err := fmt.Fprintf(w, "line %d\n", i); err != nil {
			fmt.Fprintf(wasio.Stderr(), "line %d: %v\n", i, err)
			return
		}
		if i%every == 0 {
			// A collection while the host hands over a string is a trap: see examples/httpserver.
			debug.SetGCPercent(-1)
			got, ok := calls[i/every%len(calls)]()
			debug.SetGCPercent(gcPercent)
			if !ok {
				wrong++
			}
			// It must stay what it was until the program needs it no more.
			r := &results[i/every%len(results)]
			check(*r)
			*r = result{got, strings.Clone(got)}
			unpin()
		}
	}
	for _, r := range results {
		check(r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	handles = highestHandle(out) - handles
	fmt.Fprintf(wasio.Stderr(), "waited=%d wrong=%d handles=%d heap=%d collections=%d ticks=%d close=%v\n", waited,
		wrong, handles, int64(after.HeapInuse)-int64(before.HeapInuse), after.NumGC-before.NumGC, ticks, w.Close())
}

// probe makes single writes, and returns how many of them wait.
func probe(out streams.OutputStream) (waited int) {
	for range probes {
		out.CheckWrite()
		out.Write(cm.ToList([]byte("-")))
		out.Flush()
		for {
			if permit, _, failed := out.CheckWrite().Result(); permit > 0 || failed {
				break
			}
			waited++
			p := out.Subscribe()
			p.Block()
			p.ResourceDrop()
		}
	}
	return waited
}

// highestHandle returns the highest of the numbers of some new handles. Engines reuse the
// numbers of dropped handles first, so the result grows if handles leak.
func highestHandle(out streams.OutputStream) int {
	highest := 0
	for range 16 {
		p := out.Subscribe()
		defer p.ResourceDrop()
		highest = max(highest, int(cm.Reinterpret[uint32](p)))
	}
	return highest
}
