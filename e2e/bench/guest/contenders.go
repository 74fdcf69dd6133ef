package main

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/wasio-dev/wasio"
)

// A contender is a way to write to standard output.
type contender struct {
	name string
	run  func(p []byte, n int) error // writes p so many times
	done func() error                // what is owed after the last time
	most int                         // if not 0, it is only interesting up to this size
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
		{name: "BufWriter", run: bufWriter(full), done: full.Flush},
		{name: "BufWriter, lines", run: bufWriter(lines), done: lines.Flush},
		{name: "bufio on Writer", run: bufioWriter(standard), done: standard.Flush},
		{name: "os.Stdout", run: file(os.Stdout)},
		{name: "loop: blocking", run: blocking},
		{name: "loop: wait each time", run: waitEach},
		{name: "loop: flush at the end", run: unflushed, done: bare.settle},
		{name: "floor: protocol", run: protocol},
		{name: "floor: unflushed", run: unflushed},
	}
	for _, kib := range []int{4, 16, 256} {
		b := wasio.NewBufWriterSize(out, kib<<10)
		b.SetLineMode(false)
		name := map[int]string{4: "BufWriter, 4 KiB", 16: "BufWriter, 16 KiB", 256: "BufWriter, 256 KiB"}[kib]
		all = append(all, contender{name: name, run: bufWriter(b), done: b.Flush, most: 4 << 10})
	}
	return all
}

// These are all the same, but for the type: a call through an interface, or of a function
// value, would be a part of the result. They are not to be inlined: Go does not inline into
// the copy of a closure that this makes, so that a Write would be one call deeper than in
// a program.

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
		if err := bare.blocking(p); err != nil {
			return err
		}
	}
	return nil
}

func waitEach(p []byte, n int) error {
	for range n {
		if err := bare.waitEach(p); err != nil {
			return err
		}
	}
	return nil
}

func unflushed(p []byte, n int) error {
	for range n {
		if err := bare.unflushed(p); err != nil {
			return err
		}
	}
	return nil
}

func protocol(p []byte, n int) error {
	for range n {
		if err := bare.protocol(p); err != nil {
			return err
		}
	}
	return nil
}

// lineCells are loggers on the ways to write that are an io.Writer.
func lineCells(lines func(name string, w io.Writer, done func() error) *cell) []*cell {
	out := wasio.Stdout()
	full := wasio.NewBufWriter(out)
	full.SetLineMode(false)
	byLine := wasio.NewBufWriter(out)
	byLine.SetLineMode(true)
	standard := bufio.NewWriter(out)
	return []*cell{
		lines("Writer", out, nil),
		lines("BufWriter", full, full.Flush),
		lines("BufWriter, lines", byLine, byLine.Flush),
		lines("bufio on Writer", standard, standard.Flush),
		lines("os.Stdout", os.Stdout, nil),
	}
}

// A line of 99 bytes. The logger ends it.
const line = "a line of a log, which is most often about one hundred bytes long, and this one is with its newline"

// logLines logs lines of 100 bytes through a log.Logger.
func logLines(name string, w io.Writer, done func() error) *cell {
	l, args := log.New(w, "", 0), []any{line}
	return &cell{name: "log: " + name, p: make([]byte, 100), done: done, run: func(_ []byte, n int) error {
		for range n {
			l.Print(args...)
		}
		return nil
	}}
}

// slogLines logs lines of 100 bytes through log/slog. The time is left out: it would be
// a host call that has nothing to do with writing.
func slogLines(name string, w io.Writer, done func() error) *cell {
	l := slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return &cell{name: "slog: " + name, p: make([]byte, 100), done: done, run: func(_ []byte, n int) error {
		for range n {
			// level=INFO msg="request served" … is 100 bytes with its newline.
			l.Info("request served", "method", "GET", "path", "/articles/42/page/1.html", "status", 200, "took", "1234us", "n", 1)
		}
		return nil
	}}
}
