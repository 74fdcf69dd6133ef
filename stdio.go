package wasio

import (
	"io"
	"sync"

	"github.com/wasio-dev/wasio/generated/wasi/cli/stderr"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	terminaloutput "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-output"
	terminalstderr "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stderr"
	terminalstdout "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stdout"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// standard is an interface so that only programs that call both Stdout and NewBufWriter, or
// IsTerminal, import wasi:cli/terminal-*. Otherwise a program with a BufWriter on the body of a
// response would import them, too, and a server's world has none.
type standard interface {
	isTerminal() bool
	lineMode() bool // of a new BufWriter
}

type (
	standardOutput struct{}
	standardError  struct{}
)

var (
	stdoutWriter, stderrWriter Writer
	openStdout, openStderr     sync.Once
)

// Stdout returns the Writer on the standard output of the program, which is always the same
// one. Its Close flushes and leaves it open. If the program is not a WebAssembly guest, it
// writes to the standard output of the process.
//
// A guest gets no SIGPIPE when the reader goes, so a loop that ignores the errors of Write
// does not end.
func Stdout() *Writer {
	openStdout.Do(func() { stdoutWriter.open(stdout.GetStdout(), standardOutput{}) })
	return &stdoutWriter
}

// Stderr returns the Writer on the standard error of the program, as Stdout does on its
// standard output.
func Stderr() *Writer {
	openStderr.Do(func() { stderrWriter.open(stderr.GetStderr(), standardError{}) })
	return &stderrWriter
}

func (w *Writer) open(stream streams.OutputStream, s standard) {
	w.mu.ParkOutside(true)
	w.standard = s
	w.handle.Store(uint32(stream))
}

// IsTerminal reports whether w is [Stdout] or [Stderr] and writes to a terminal, as
// wasi:cli/terminal-stdout and terminal-stderr say.
//
// It is not a method because a program that links text/template keeps all methods of a Writer:
// it would import these interfaces, which the world of a server lacks.
func IsTerminal(w *Writer) bool { return w.standard != nil && w.standard.isTerminal() }

func (standardOutput) isTerminal() bool {
	option := terminalstdout.GetTerminalStdout()
	return dropTerminal(option.Some())
}

func (standardError) isTerminal() bool {
	option := terminalstderr.GetTerminalStderr()
	return dropTerminal(option.Some())
}

// dropTerminal drops the handle of a terminal, and reports whether there is one.
func dropTerminal(terminal *terminaloutput.TerminalOutput) bool {
	if terminal == nil {
		return false
	}
	terminal.ResourceDrop()
	return true
}

func (s standardOutput) lineMode() bool { return s.isTerminal() }

// lineMode is true for any reader: a message should be seen at once. Besides, the world of a
// server, wasi:http/proxy, has standard error but no terminals.
func (standardError) lineMode() bool { return true }

// Tie returns a writer that flushes out before each Write to w. Typically out is a [BufWriter];
// it can also be a [bufio.Writer], if no other goroutine uses that. As the output of the
// standard logger, the result keeps messages in order with the bytes of out, and log.Fatal
// loses nothing:
//
//	out := wasio.NewBufWriter(wasio.Stdout())
//	log.SetOutput(wasio.Tie(out, wasio.Stderr()))
//
// The error of a flush is left to the next call on out. If the stream of out takes no bytes,
// Write waits, and with it log.Fatal, until the write deadline of that stream.
func Tie(out interface{ Flush() error }, w io.Writer) io.Writer { return &tied{out, w} }

type tied struct {
	out interface{ Flush() error }
	w   io.Writer
}

func (t *tied) Write(p []byte) (n int, err error) {
	t.out.Flush()
	return t.w.Write(p)
}
