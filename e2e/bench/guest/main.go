// Guest measures ways to write to the standard output of the host that it runs on, and
// prints what it finds to standard error:
//
//	guest time ROUNDS NANOSECONDS BYTES   how long an operation takes
//	guest count                           how many host calls it makes
//
// All contenders are measured in each round. A measurement takes about so many nanoseconds. All measurements of a size together have
// no more than so many bytes, if that is not 0; for that, and so that slow ones do not
// take too long, there may be fewer rounds, but not less than five. A line of the output
// has, separated by tabs: contender, size, operations, nanoseconds, allocations, host
// calls.
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

// A cell is a contender with the size of its operations.
type cell struct {
	name string
	p    []byte
	run  func(p []byte, n int) error
	done func() error // what is owed after the last operation

	n int // operations of a measurement
}

// A measurement is what so many operations take.
type measurement struct {
	n             int
	ns            int64
	allocs, calls uint64
}

func main() {
	// One row of cells has the same size. They take turns.
	var rows [][]*cell
	all := make([]byte, sizes[len(sizes)-1])
	for i := range all {
		all[i] = 'a' + byte(i%26)
	}
	for _, size := range sizes {
		all[size-1] = '\n' // each operation ends a line
		var row []*cell
		for _, c := range contenders() {
			if c.most == 0 || size <= c.most {
				row = append(row, &cell{name: c.name, p: all[:size], run: c.run, done: c.done})
			}
		}
		rows = append(rows, row)
	}
	rows = append(rows, lineCells(logLines), lineCells(slogLines))

	if len(os.Args) == 2 && os.Args[1] == "count" {
		for _, row := range rows {
			for _, c := range row {
				c.n = max(2, 512<<10/max(1, len(c.p)))
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
	target, _ := strconv.ParseInt(os.Args[3], 10, 64)
	bytes, _ := strconv.Atoi(os.Args[4])
	for _, row := range rows {
		most := 1 << 30
		if bytes > 0 {
			most = bytes / (rounds * len(row)) / len(row[0].p)
		}
		for _, c := range row { // whoever comes first would find the memory cold
			c.n = 1
			c.measure()
		}
		var turn int64 // how long one round takes
		for _, c := range row {
			turn += c.calibrate(target, max(1, most))
		}
		n := max(min(rounds, int(rowTime/turn)), min(rounds, 5))
		if bytes > 0 && most == 0 {
			n = min(rounds, 5)
		}
		for range n {
			shuffle(row) // whoever comes after whom may matter
			for _, c := range row {
				c.print(c.measure())
			}
		}
	}
}

// rowTime is how long the measurements of a size may take together.
const rowTime = 2e9

var seed uint32 = 1

func shuffle(row []*cell) {
	for i := range row {
		seed = seed*1664525 + 1013904223
		j := i + int(seed>>8)%(len(row)-i)
		row[i], row[j] = row[j], row[i]
	}
}

// calibrate sets the number of operations of a measurement, and returns how long that
// will take.
func (c *cell) calibrate(target int64, most int) int64 {
	for c.n = 1; ; {
		m := c.measure()
		if again := c.measure(); again.ns < m.ns {
			m = again
		}
		each := max(1, m.ns/int64(c.n))
		enough := min(max(1, int(target/each)), most)
		if m.ns >= target/4 || c.n == most {
			c.n = enough
			return each * int64(c.n)
		}
		c.n = min(max(2*c.n, min(enough, 20*c.n)), most)
	}
}

func (c *cell) measure() (m measurement) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	callsBefore := calls.N
	start := time.Now()
	err := c.run(c.p, c.n)
	if err == nil && c.done != nil {
		err = c.done()
	}
	m = measurement{n: c.n, ns: int64(time.Since(start)), calls: calls.N - callsBefore}
	runtime.ReadMemStats(&after)
	m.allocs = after.Mallocs - before.Mallocs
	if err == nil {
		err = bare.settle() // nothing is left to do for the next
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s, %d bytes: %v\n", c.name, len(c.p), err)
		os.Exit(1)
	}
	return m
}

func (c *cell) print(m measurement) {
	fmt.Fprintf(os.Stderr, "%s\t%d\t%d\t%d\t%d\t%d\n", c.name, len(c.p), m.n, m.ns, m.allocs, m.calls)
}
