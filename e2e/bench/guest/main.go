// Guest measures ways to write to the standard output of its host. It prints the results
// to standard error:
//
//	guest time ROUNDS NANOSECONDS BYTES   measures how long operations take
//	guest count                           counts the host calls of operations
//
// In each round guest measures every contender once, for about NANOSECONDS. If BYTES is not
// 0, the measurements of one size write at most about BYTES together. Where that, or the
// time limit rowTime, does not allow ROUNDS rounds, guest makes fewer, but at least five
// unless ROUNDS is less.
//
// A line of the output is one measurement. It has, separated by tabs, the contender, the
// size of an operation, the number of operations, nanoseconds, allocations, host calls,
// waits and the host calls in waits.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio/e2e/bench/calls"
)

var sizes = []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20}

// A cell is a contender with one size of its operations.
type cell struct {
	name  string
	p     []byte
	run   func(p []byte, n int) error // writes p n times
	flush func() error                // ends a measurement, if not nil

	n int // operations in a measurement
}

// A measurement says what n operations took.
type measurement struct {
	n      int
	ns     int64
	allocs uint64
	calls  calls.Count
}

func main() {
	// The cells of a row have the same size and are measured by turns.
	var rows [][]*cell
	all := make([]byte, sizes[len(sizes)-1])
	for i := range all {
		all[i] = 'a' + byte(i%26)
	}
	for _, size := range sizes {
		all[size-1] = '\n' // each operation ends a line
		var row []*cell
		for _, c := range contenders() {
			if c.maxSize == 0 || size <= c.maxSize {
				row = append(row, &cell{name: c.name, p: all[:size], run: c.run, flush: c.flush})
			}
		}
		rows = append(rows, row)
	}
	rows = append(rows, loggerCells(logCell), loggerCells(slogCell))

	if len(os.Args) == 2 && os.Args[1] == "count" {
		for _, row := range rows {
			for _, c := range row {
				c.n = max(2, 512<<10/len(c.p))
				c.print(c.measure())
			}
		}
		return
	}
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: guest count | time ROUNDS NANOSECONDS BYTES")
		os.Exit(2)
	}
	rounds, _ := strconv.Atoi(os.Args[2])
	duration, _ := strconv.ParseInt(os.Args[3], 10, 64)
	bytes, _ := strconv.Atoi(os.Args[4])
	for _, row := range rows {
		maxN := 1 << 30
		if bytes > 0 {
			maxN = bytes / (rounds * len(row)) / len(row[0].p)
		}
		for _, c := range row { // the first one to run finds the memory cold
			c.n = 1
			c.measure()
		}
		var round int64 // the nanoseconds of a round
		for _, c := range row {
			round += c.calibrate(duration, max(1, maxN))
		}
		n := max(min(rounds, int(rowTime/round)), min(rounds, 5))
		if bytes > 0 && maxN == 0 {
			n = min(rounds, 5)
		}
		for range n {
			shuffle(row) // a cell may affect the one after it
			for _, c := range row {
				c.print(c.measure())
			}
		}
	}
}

// rowTime is how many nanoseconds the measurements of a row may take.
const rowTime = 2e9

var seed uint32 = 1

func shuffle(row []*cell) {
	for i := range row {
		seed = seed*1664525 + 1013904223
		j := i + int(seed>>8)%(len(row)-i)
		row[i], row[j] = row[j], row[i]
	}
}

// calibrate sets c.n, to at most maxN, so that a measurement takes about duration
// nanoseconds. It returns how many it will take.
func (c *cell) calibrate(duration int64, maxN int) int64 {
	for c.n = 1; ; {
		m := c.measure()
		if again := c.measure(); again.ns < m.ns {
			m = again
		}
		each := max(1, m.ns/int64(c.n))
		n := min(max(1, int(duration/each)), maxN)
		if m.ns >= duration/4 || c.n == maxN {
			c.n = n
			return each * int64(c.n)
		}
		c.n = min(max(2*c.n, min(n, 20*c.n)), maxN)
	}
}

func (c *cell) measure() measurement {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	total := calls.Total
	start := time.Now()
	err := c.run(c.p, c.n)
	if err == nil && c.flush != nil {
		err = c.flush()
	}
	m := measurement{n: c.n, ns: int64(time.Since(start)), calls: calls.Total.Since(total)}
	runtime.ReadMemStats(&after)
	m.allocs = after.Mallocs - before.Mallocs
	if err == nil {
		err = bare.Flush() // leaves nothing to do for the next measurement
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s, %d bytes: %v\n", c.name, len(c.p), err)
		os.Exit(1)
	}
	return m
}

func (c *cell) print(m measurement) {
	fmt.Fprintf(os.Stderr, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
		c.name, len(c.p), m.n, m.ns, m.allocs, m.calls.All, m.calls.Waits, m.calls.InWaits)
}
