// Cases is a guest that writes to its standard output in the way that its first argument
// selects. It reports results on standard error.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

var cases = map[string]func(n int){
	"nothing":  func(int) {},
	"write":    write,
	"buffered": buffered,
	"copied":   copied,
	"lines":    lines,
	"turns":    turns,
	"both":     both,
	"panic":    panics,
	"fatal":    fatal,
	"handles":  handles,
	"fail":     fail,
	"failures": failures,
	"waits":    waits,
	"hang":     hang,
	"deadline": func(n int) { deadline(n, 20_000) },
	"stopped":  func(n int) { deadline(n, 300_000) },
	"writer":   writer,
	"linemode": lineMode,
	"bufio":    throughBufio,
	"log":      throughLog,
	"os":       throughOS,
	"loop":     throughLoop,
	"compete":  compete,
	"closes":   closes,

	"fair":            on(direct, fair),
	"fair buf":        on(throughBuf, fair),
	"until done":      on(direct, untilDone),
	"until done buf":  on(throughBuf, untilDone),
	"until timer":     on(direct, untilDeadline),
	"until timer buf": on(throughBuf, untilDeadline),
	"stalled":         stalled,
}

func main() {
	name, n := "nothing", 0
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	run, ok := cases[name]
	if !ok {
		report("unknown case %q", name)
		os.Exit(1)
	}
	run(n)
}

// report prints a line to standard error.
func report(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// pattern returns n pseudo-random bytes, newlines included.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(n)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// write writes n bytes in one Write.
func write(n int) {
	wrote, err := wasio.Stdout().Write(pattern(n))
	report("n=%d err=%v", wrote, err)
}

// buffered writes n bytes through a BufWriter, in pieces of many sizes.
func buffered(n int) {
	w := wasio.NewBufWriterSize(wasio.Stdout(), 5000)
	p := pattern(n)
	for size := 1; len(p) > 0; size++ {
		if size > 300 {
			size *= 3
		}
		wrote, err := w.Write(p[:min(size, len(p))])
		if err != nil {
			report("n=%d err=%v", wrote, err)
		}
		p = p[wrote:]
	}
	report("err=%v", w.Close())
}

// copied copies n bytes from a reader that returns a few at a time.
func copied(n int) {
	r, w := io.Pipe()
	go func() {
		p := pattern(n)
		for len(p) > 0 {
			size := min(1000, len(p))
			w.Write(p[:size])
			p = p[size:]
		}
		w.Close()
	}()
	wrote, err := io.Copy(wasio.Stdout(), r)
	report("n=%d err=%v", wrote, err)
}

// lines logs n lines.
func lines(n int) {
	log.SetOutput(wasio.Stdout())
	log.SetFlags(log.Lmsgprefix)
	for i := range n {
		log.Printf("line %d of %d", i+1, n)
	}
}

// turns writes to os.Stdout and wasio.Stdout in turn.
func turns(n int) {
	for i := range n {
		fmt.Fprintf(os.Stdout, "os %d", i)
		fmt.Fprintf(wasio.Stdout(), ", wasio %d", i)
		fmt.Fprintf(os.Stdout, ", os again\n")
		fmt.Fprintf(wasio.Stdout(), "wasio again\n")
	}
}

// both writes to both standard streams.
func both(n int) {
	for i := range n {
		fmt.Fprintf(wasio.Stdout(), "out %d\n", i)
		fmt.Fprintf(wasio.Stderr(), "err %d\n", i)
	}
}

// panics writes an incomplete line, then panics.
func panics(n int) {
	lines(n)
	fmt.Fprint(wasio.Stdout(), "and now")
	panic("on purpose")
}

// fatal writes an incomplete line, then ends with log.Fatal.
func fatal(n int) {
	lines(n)
	fmt.Fprint(wasio.Stdout(), "and now ")
	log.Fatal("the end")
}

// handles writes n times through each of two handles of standard output, in turn.
func handles(n int) {
	a, b := wasio.NewWriter(stdout.GetStdout()), wasio.NewWriter(stdout.GetStdout())
	for i := range n {
		fmt.Fprintf(a, "a %d %x\n", i, pattern(i*100))
		fmt.Fprintf(b, "b %d %x\n", i, pattern(i*100))
	}
	report("a: %v, b: %v", a.Close(), b.Close())
}

// fail writes pieces of n bytes until a Write fails, 64 at most.
func fail(n int) {
	w := wasio.Stdout()
	p := pattern(n)
	total := 0
	for range 64 {
		wrote, err := w.Write(p)
		total += wrote
		if err == nil {
			continue
		}
		again, same := w.Write(p)
		e, ok := err.(*wasio.Error)
		report("n=%d ours=%t closed=%t sticky=%t err=%v", total, ok && e.Op != "",
			errors.Is(err, io.ErrClosedPipe), again == 0 && same == err && w.Flush() == err, err)
		return
	}
	report("n=%d err=<nil>", total)
}

// failures opens n handles on a standard output that fails, and writes to each.
func failures(n int) {
	out := stdout.GetStdout()
	before := highestHandle(out)
	failed := 0
	for range n {
		w := wasio.NewWriter(stdout.GetStdout())
		if _, err := w.Write([]byte("in vain")); err != nil {
			failed++
		}
		w.Close()
	}
	report("failed=%d before=%d after=%d", failed, before, highestHandle(out))
}

// waits makes n Writes of one byte each, and reports how much of the heap they left in use.
// First, it counts how many of 1000 single writes make it wait on this host.
func waits(n int) {
	const rounds = 1000
	out := stdout.GetStdout()
	waited := 0
	for range rounds {
		out.CheckWrite()
		out.Write(cm.ToList([]byte("-")))
		out.Flush()
		if permit, _, failed := out.CheckWrite().Result(); permit == 0 && !failed {
			waited++
			p := out.Subscribe()
			p.Block()
			p.ResourceDrop()
		}
	}
	w := wasio.Stdout()
	before, heap := highestHandle(out), heapInUse()
	for range n {
		if _, err := w.Write([]byte("+")); err != nil {
			report("err=%v", err)
			os.Exit(1)
		}
	}
	heap = heapInUse() - heap
	report("waited=%d/%d before=%d after=%d heap=%d", waited, rounds, before, highestHandle(out), heap)
}

// heapInUse returns how many bytes of the heap are in use after a garbage collection.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// highestHandle returns the highest of the numbers of some new handles. Engines reuse the
// numbers of dropped handles first, so the result grows if handles leak. A single new
// handle would not show that, since it may reuse the number that was dropped last.
func highestHandle(out streams.OutputStream) uint32 {
	var highest uint32
	for range 16 {
		p := out.Subscribe()
		defer p.ResourceDrop()
		highest = max(highest, cm.Reinterpret[uint32](p))
	}
	return highest
}

// hang writes a line and never returns.
func hang(int) {
	fmt.Fprintln(wasio.Stdout(), "famous last words")
	for {
		time.Sleep(time.Hour)
	}
}

// deadline writes size bytes with a deadline of n milliseconds, then the rest without one.
func deadline(n, size int) {
	w, p := wasio.Stdout(), pattern(size)
	w.SetWriteDeadline(time.Now().Add(time.Duration(n) * time.Millisecond))
	wrote, err := w.Write(p)
	var timeout interface{ Timeout() bool }
	report("n=%d deadline=%t timeout=%t", wrote, errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout())
	w.SetWriteDeadline(time.Time{})
	wrote, err = w.Write(p[wrote:])
	report("n=%d err=%v", wrote, err)
}

// surviving returns standard output, set to survive lost wake-ups if the last argument says so.
func surviving() *wasio.Writer {
	w := wasio.Stdout()
	if os.Args[len(os.Args)-1] == "recheck" {
		w.SetRecheckInterval(5 * time.Millisecond)
	}
	return w
}

// writeLines writes n lines to w and calls flush after each, if it is not nil.
func writeLines(w io.Writer, n int, flush func() error) {
	for i := range n {
		_, err := fmt.Fprintf(w, "line %d of %d\n", i+1, n)
		if err == nil && flush != nil {
			err = flush()
		}
		if err != nil {
			report("err=%v", err)
			os.Exit(1)
		}
	}
}

// writer writes n lines through a Writer.
func writer(n int) { writeLines(surviving(), n, nil) }

// lineMode writes n lines through a BufWriter in line mode.
func lineMode(n int) {
	b := wasio.NewBufWriter(surviving())
	b.SetLineMode(true)
	writeLines(b, n, nil)
}

// throughBufio writes n lines through a bufio.Writer, which it flushes after each.
func throughBufio(n int) {
	b := bufio.NewWriter(surviving())
	writeLines(b, n, b.Flush)
}

// throughLog logs n lines.
func throughLog(n int) {
	log.SetOutput(surviving())
	log.SetFlags(0)
	for i := range n {
		log.Printf("line %d of %d", i+1, n)
	}
}

// throughOS writes n lines to os.Stdout.
func throughOS(n int) { writeLines(os.Stdout, n, nil) }

// throughLoop writes n lines as most SDKs for guests do: it flushes after each write and
// waits on a pollable of the stream alone.
func throughLoop(n int) {
	out := stdout.GetStdout()
	wait := func() {
		p := out.Subscribe()
		p.Block()
		p.ResourceDrop()
	}
	for i := range n {
		line := []byte(fmt.Sprintf("line %d of %d\n", i+1, n))
		wait()
		out.CheckWrite()
		out.Write(cm.ToList(line))
		out.Flush()
		wait()
	}
}

// compete writes n lines in a loop, while another goroutine writes a single one.
func compete(n int) {
	go fmt.Fprintln(wasio.Stdout(), "another goroutine")
	writeLines(wasio.Stdout(), n, nil)
}

// closes makes n Writers, writes a line through each and closes it.
func closes(n int) {
	for range n {
		w := wasio.NewWriter(stdout.GetStdout())
		writeLines(w, 1, w.Close)
	}
}
