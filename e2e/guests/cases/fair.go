package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/wasio-dev/wasio"
)

// These cases write lines of 100 bytes in a loop that the host never makes wait, and do something
// else at the same time.

// out is what a loop writes to: a Writer, or a BufWriter on it.
type out struct {
	io.Writer
	flush       func() error // after the line of another goroutine
	setDeadline func(time.Time) error
}

func direct() out {
	w := wasio.Stdout()
	return out{w, func() error { return nil }, w.SetWriteDeadline}
}

func throughBuf() out {
	b := wasio.NewBufWriter(wasio.Stdout())
	return out{b, b.Flush, b.SetWriteDeadline}
}

// on returns a case that calls f with the result of open.
func on(open func() out, f func(o out, n int)) func(n int) {
	return func(n int) { f(open(), n) }
}

// line is what a loop writes.
var line = []byte(strings.Repeat("-", 99) + "\n")

// fair writes n lines. Twenty times, at even distances, it starts a goroutine that writes a line.
// It reports how many lines of the loop came between the start of such a goroutine and its line,
// and how long that took, both at most.
func fair(o out, n int) {
	const others = 20
	wrote, most, longest := 0, 0, time.Duration(0)
	done := make(chan struct{}, others)
	for ; wrote < n; wrote++ {
		if wrote%(n/others) == 0 {
			at, asked := wrote, time.Now()
			go func() {
				fmt.Fprintf(o, "asked after %d\n", at)
				o.flush()
				most, longest = max(most, wrote-at), max(longest, time.Since(asked))
				done <- struct{}{}
			}()
		}
		if _, err := o.Write(line); err != nil {
			report("err=%v", err)
			return
		}
	}
	for range others {
		<-done
	}
	report("most=%d longest=%v err=%v", most, longest, o.flush())
}

// limited writes lines until it has to end, for at most 10 s, and reports why it ended and how long
// after start.
func limited(o out, start time.Time, ended func() bool) {
	n, err, why := 0, error(nil), ""
	for ; why == ""; n++ {
		if _, err = o.Write(line); errors.Is(err, os.ErrDeadlineExceeded) {
			why = "deadline"
		} else if err != nil {
			why = err.Error()
		} else if ended() {
			why = "context"
		} else if n%1000 == 0 && time.Since(start) > 10*time.Second {
			why = "nothing"
		}
	}
	report("ended by %s after %v and %d lines", why, time.Since(start), n)
	o.setDeadline(time.Time{})
	if err := o.flush(); err != nil {
		report("err=%v", err)
	}
}

// untilDone writes lines until a context of n milliseconds is done.
func untilDone(o out, n int) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n)*time.Millisecond)
	defer cancel()
	limited(o, start, func() bool { return ctx.Err() != nil })
}

// untilDeadline writes lines until a timer sets a deadline, after n milliseconds.
func untilDeadline(o out, n int) {
	start := time.Now()
	defer time.AfterFunc(time.Duration(n)*time.Millisecond, func() { o.setDeadline(time.Now()) }).Stop()
	limited(o, start, func() bool { return false })
}

// stalled starts n goroutines that write to a stream that takes no bytes, until a deadline in 5
// seconds.
func stalled(n int) {
	w := wasio.Stdout()
	start := time.Now()
	w.SetWriteDeadline(start.Add(5 * time.Second))
	errs := make(chan error)
	for range n {
		go func() {
			_, err := w.Write(line)
			errs <- err
		}()
	}
	timeouts := 0
	for range n {
		if err := <-errs; errors.Is(err, os.ErrDeadlineExceeded) {
			timeouts++
		}
	}
	report("%d of %d timeouts after %v", timeouts, n, time.Since(start))
	os.Exit(0)
}
