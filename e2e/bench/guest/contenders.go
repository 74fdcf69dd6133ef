package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/bench/loops"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
)

var (
	bare    = loops.Loop{Out: stdout.GetStdout()}
	bounded = loops.Loop{Out: bare.Out, Bounded: true}
)

// A contender is a way to write to standard output.
type contender struct {
	name    string
	run     func(p []byte, n int) error // writes p n times
	flush   func() error                // ends a measurement, if not nil
	maxSize int                         // the largest size to measure, if not 0
}

func contenders() []contender {
	out := wasio.Stdout()
	full := wasio.NewBufWriter(out)
	full.SetLineMode(false)
	lines := wasio.NewBufWriter(out)
	lines.SetLineMode(true)
	standard := bufio.NewWriter(out)
	all := []contender{
		{name: "Writer", run: writer(out)},
		{name: "BufWriter", run: bufWriter(full), flush: full.Flush},
		{name: "BufWriter, lines", run: bufWriter(lines), flush: lines.Flush},
		{name: "bufio on Writer", run: bufioWriter(standard), flush: standard.Flush},
		{name: "os.Stdout", run: file(os.Stdout)},
		{name: "loop: blocking", run: blocking},
		{name: "loop: wait each time", run: waitEach},
		{name: "loop: flush at the end", run: unflushed, flush: bare.Flush},
		{name: "floor: protocol", run: protocol},
		{name: "floor: bounded waits", run: boundedWaits},
		{name: "floor: unflushed", run: unflushed},
	}
	for _, kib := range []int{4, 16, 256} {
		b := wasio.NewBufWriterSize(out, kib<<10)
		b.SetLineMode(false)
		all = append(all, contender{
			name: fmt.Sprintf("BufWriter, %d KiB", kib), run: bufWriter(b), flush: b.Flush, maxSize: 4 << 10,
		})
	}
	return all
}

// The next four functions differ only in the type of w. One function for all of them would
// call Write through an interface, and the result would include that call. They are not
// inlined, because Go does not inline Write into the copy of the closure that inlining
// makes: a Write would be one call deeper than in a program.

//go:noinline
func writer(w *wasio.Writer) func(p []byte, n int) error {
	return func(p []byte, n int) error {
		for range n {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
}

//go:noinline
func bufWriter(w *wasio.BufWriter) func(p []byte, n int) error {
	return func(p []byte, n int) error {
		for range n {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
}

//go:noinline
func bufioWriter(w *bufio.Writer) func(p []byte, n int) error {
	return func(p []byte, n int) error {
		for range n {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
}

//go:noinline
func file(w *os.File) func(p []byte, n int) error {
	return func(p []byte, n int) error {
		for range n {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
}

func blocking(p []byte, n int) error {
	for range n {
		if err := bare.Blocking(p); err != nil {
			return err
		}
	}
	return nil
}

func waitEach(p []byte, n int) error {
	for range n {
		if err := bare.WaitEach(p); err != nil {
			return err
		}
	}
	return nil
}

func unflushed(p []byte, n int) error {
	for range n {
		if err := bare.Unflushed(p); err != nil {
			return err
		}
	}
	return nil
}

func protocol(p []byte, n int) error {
	for range n {
		if err := bare.Protocol(p); err != nil {
			return err
		}
	}
	return nil
}

func boundedWaits(p []byte, n int) error {
	for range n {
		if err := bounded.Protocol(p); err != nil {
			return err
		}
	}
	return nil
}

// loggerCells returns what newCell makes of the contenders that are an io.Writer.
func loggerCells(newCell func(name string, w io.Writer, flush func() error) *cell) []*cell {
	out := wasio.Stdout()
	full := wasio.NewBufWriter(out)
	full.SetLineMode(false)
	byLine := wasio.NewBufWriter(out)
	byLine.SetLineMode(true)
	standard := bufio.NewWriter(out)
	return []*cell{
		newCell("Writer", out, nil),
		newCell("BufWriter", full, full.Flush),
		newCell("BufWriter, lines", byLine, byLine.Flush),
		newCell("bufio on Writer", standard, standard.Flush),
		newCell("os.Stdout", os.Stdout, nil),
	}
}

// message has 99 bytes. The logger adds a newline.
const message = "a line of a log, which is most often about one hundred bytes long, and this one is with its newline"

// logCell returns a cell that logs lines of 100 bytes through a log.Logger on w.
func logCell(name string, w io.Writer, flush func() error) *cell {
	l, args := log.New(w, "", 0), []any{message}
	return &cell{name: "log: " + name, p: make([]byte, 100), flush: flush, run: func(_ []byte, n int) error {
		for range n {
			l.Print(args...)
		}
		return nil
	}}
}

// slogCell returns a cell that logs lines of 100 bytes through log/slog to w. The lines have
// no time, because the host call for it has nothing to do with writing.
func slogCell(name string, w io.Writer, flush func() error) *cell {
	l := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return &cell{name: "slog: " + name, p: make([]byte, 100), flush: flush, run: func(_ []byte, n int) error {
		for range n {
			// The line begins with level=INFO msg="request served" and has 100 bytes.
			l.Info("request served", "method", "GET", "path", "/articles/42/page/1.html", "status", 200, "took", "1234us", "n", 1)
		}
		return nil
	}}
}
