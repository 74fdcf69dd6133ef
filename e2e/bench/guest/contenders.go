package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/loops"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
)

var (
	bare    = loops.Loop{Out: stdout.GetStdout()}
	bounded = loops.Loop{Out: bare.Out, Bounded: true}
)

// A contender is a way to write to standard output.
type contender struct {
	name    string                      // of the benchmark
	run     func(p []byte, n int) error // writes p n times
	flush   func() error                // ends a turn, if not nil
	maxSize int                         // the largest size to measure, if not 0
}

// of02 has a loop for each contender. A common loop would call Write through an interface, or a
// function by its address, and the results would include that.
func of02() []contender {
	out, full, lines, standard := writers()
	all := []contender{
		{name: "Writer", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				_, err = out.Write(p)
			}
			return err
		}},
		{name: "BufWriter", run: bufWriter(full), flush: full.Flush},
		{name: "BufWriter-lines", run: bufWriter(lines), flush: lines.Flush},
		{name: "bufio", flush: standard.Flush, run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				_, err = standard.Write(p)
			}
			return err
		}},
		{name: "os.Stdout", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				_, err = os.Stdout.Write(p)
			}
			return err
		}},
		{name: "loop-blocking", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				err = bare.Blocking(p)
			}
			return err
		}},
		{name: "loop-wait", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				err = bare.WaitEach(p)
			}
			return err
		}},
		{name: "loop-flush-at-end", run: unflushed, flush: bare.Flush},
		{name: "floor-unflushed", run: unflushed},
		{name: "floor-protocol", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				err = bare.Protocol(p)
			}
			return err
		}},
		{name: "floor-bounded", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				err = bounded.Protocol(p)
			}
			return err
		}},
	}
	for _, kib := range []int{4, 16, 256} {
		b := wasio.NewBufWriterSize(out, kib<<10)
		b.SetLineMode(false)
		all = append(all, contender{fmt.Sprintf("BufWriter-%dKiB", kib), bufWriter(b), b.Flush, 4 << 10})
	}
	return all
}

func writers() (out *wasio.Writer, full, lines *wasio.BufWriter, standard *bufio.Writer) {
	out = wasio.Stdout()
	full, lines = wasio.NewBufWriter(out), wasio.NewBufWriter(out)
	full.SetLineMode(false)
	lines.SetLineMode(true)
	return out, full, lines, bufio.NewWriter(out)
}

// bufWriter is not inlined, because Go does not inline Write into the copy of the closure that
// inlining makes: a Write would be one call deeper than in a program.
//
//go:noinline
func bufWriter(w *wasio.BufWriter) func(p []byte, n int) error {
	return func(p []byte, n int) (err error) {
		for ; n > 0 && err == nil; n-- {
			_, err = w.Write(p)
		}
		return err
	}
}

func unflushed(p []byte, n int) (err error) {
	for ; n > 0 && err == nil; n-- {
		err = bare.Unflushed(p)
	}
	return err
}

// loggers returns the cells of a way to log lines of 100 bytes to those contenders that are an
// io.Writer.
func loggers(benchmark string, run func(w io.Writer) func(p []byte, n int) error) (row []*cell) {
	add := func(by string, w io.Writer, flush func() error) {
		row = append(row, &cell{contender: contender{name: benchmark + "/by=" + by, run: run(w), flush: flush}, p: make([]byte, 100)})
	}
	out, full, lines, standard := writers()
	add("Writer", out, nil)
	add("BufWriter", full, full.Flush)
	add("BufWriter-lines", lines, lines.Flush)
	add("bufio", standard, standard.Flush)
	add("os.Stdout", os.Stdout, nil)
	return row
}

// message has 99 bytes. The logger adds a newline.
const message = "a line of a log, which is most often about one hundred bytes long, and this one is with its newline"

// logger logs lines through a log.Logger.
func logger(w io.Writer) func(p []byte, n int) error {
	l, args := log.New(w, "", 0), []any{message}
	return func(_ []byte, n int) error {
		for range n {
			l.Print(args...)
		}
		return nil
	}
}

// slogger logs lines through log/slog. They have no time, because the host call for it has
// nothing to do with writing.
func slogger(w io.Writer) func(p []byte, n int) error {
	l := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return func(_ []byte, n int) error {
		for range n {
			// The line begins with level=INFO msg="request served" and has 100 bytes.
			l.Info("request served", "method", "GET", "path", "/articles/42/page/1.html", "status", 200, "took", "1234us", "n", 1)
		}
		return nil
	}
}
