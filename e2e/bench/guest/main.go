// Guest measures ways to write to the standard output of its host. It prints results in the
// format of Go's benchmarks to standard error:
//
//	guest ROUNDS TURNS BYTES   measures how long operations take
//	guest                      counts the host calls of operations
//
// In each of ROUNDS rounds every contender gets one result, from up to TURNS turns. A turn takes
// about a millisecond, and the contenders take theirs one after the other. If BYTES is not 0, all
// turns of one size together write at most about BYTES.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio/e2e/bench/calls"
)

const (
	turnTime = 1_000_000     // nanoseconds of a turn, if an operation takes no longer
	rowTime  = 2_000_000_000 // nanoseconds of a row, unless one turn a round takes longer
)

// A cell is a contender with one size of its operations.
type cell struct {
	contender
	p []byte
	n int // operations in a turn

	// Totals of the turns of a round.
	ops, ns int64
	allocs  uint64
	calls   calls.Count
}

// See p3.go.
var (
	sizes      = []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}
	contenders = of02
	logs       = func() [][]*cell { return [][]*cell{loggers("Log", logger), loggers("Slog", slogger)} }
)

func main() {
	// The cells of a row have the same size and are measured by turns.
	rows := logs()
	all := make([]byte, 16<<20)
	for i := range all {
		all[i] = 'a' + byte(i%26)
	}
	for _, size := range sizes {
		all[size-1] = '\n' // each operation ends a line
		var row []*cell
		for _, c := range contenders() {
			c.name = "Write/by=" + c.name
			if c.maxSize == 0 || size <= c.maxSize {
				row = append(row, &cell{contender: c, p: all[:size]})
			}
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		if len(os.Args) < 4 {
			for _, c := range row {
				c.n = max(2, 512<<10/len(c.p))
				c.turn()
				c.print()
			}
			continue
		}
		rounds, _ := strconv.Atoi(os.Args[1])
		turns, _ := strconv.Atoi(os.Args[2])
		bytes, _ := strconv.Atoi(os.Args[3])
		measure(row, rounds, turns, bytes)
	}
}

// measure prints the results of a row.
func measure(row []*cell, rounds, turns, bytes int) {
	maxN := 1 << 30
	if bytes > 0 {
		maxN = bytes / (rounds * turns * len(row)) / len(row[0].p)
	}
	if maxN == 0 {
		maxN, turns = 1, 1
	}
	var once int64
	for _, c := range row {
		once += c.calibrate(maxN)
	}
	turns = max(1, min(turns, int(rowTime/once)/rounds))
	for range rounds {
		for range turns {
			// A cell may affect the one after it.
			rand.Shuffle(len(row), func(i, j int) { row[i], row[j] = row[j], row[i] })
			for _, c := range row {
				c.turn()
			}
		}
		for _, c := range row {
			c.print()
		}
	}
}

// calibrate sets c.n, to at most maxN, so that a turn takes about turnTime. It returns how many
// nanoseconds that is.
func (c *cell) calibrate(maxN int) int64 {
	for c.n = 1; ; c.n = min(2*c.n, maxN) {
		ns := min(c.turn(), c.turn())
		if c.n == maxN || 3*ns >= 2*turnTime {
			c.ops, c.ns, c.allocs = 0, 0, 0
			return ns
		}
	}
}

// turn makes n operations, and adds up what they take. It returns the nanoseconds.
func (c *cell) turn() int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	total := calls.Total
	start := time.Now()
	err := c.run(c.p, c.n)
	if err == nil && c.flush != nil {
		err = c.flush()
	}
	ns := int64(time.Since(start))
	c.calls = calls.Total.Since(total)
	runtime.ReadMemStats(&after)
	if err == nil {
		err = bare.Flush() // leaves nothing to do for the next turn
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s, %d bytes: %v\n", c.name, len(c.p), err)
		os.Exit(1)
	}
	c.ops, c.ns, c.allocs = c.ops+int64(c.n), c.ns+ns, c.allocs+after.Mallocs-before.Mallocs
	return ns
}

// print prints the result of the turns since the last one. In the counting variant of the guest,
// those are the calls of one turn.
func (c *cell) print() {
	ops := float64(c.ops)
	fmt.Fprintf(os.Stderr, "Benchmark%s/size=%d\t%d", c.name, len(c.p), c.ops)
	if c.calls.All == 0 {
		fmt.Fprintf(os.Stderr, "\t%.5g ns/op\t%.3g allocs/op", float64(c.ns)/ops, float64(c.allocs)/ops)
	} else {
		fmt.Fprintf(os.Stderr, "\t%.4g hostcalls/op", float64(c.calls.All)/ops)
	}
	if c.calls.Waits > 0 {
		fmt.Fprintf(os.Stderr, "\t%.3g hostcalls/wait", float64(c.calls.InWaits)/float64(c.calls.Waits))
	}
	fmt.Fprintln(os.Stderr)
	c.ops, c.ns, c.allocs = 0, 0, 0
}
