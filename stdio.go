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
// IsTerminal, import wasi:cli/terminal-*. Without it, so would a BufWriter on the body of a
// response, and a server's world has no terminals.
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

// Stdout returns the Writer on the standard output of the program: always the same one,
// on one handle. Its Close flushes and leaves it open. If the program is not a WebAssembly
// guest, it is the standard output of the process.
//
// A guest gets no signal if the reader has gone, so a loop that ignores the errors of its
// Writes does not end.
func Stdout() *Writer {
	openStdout.Do(func() { stdoutWriter.open(stdout.GetStdout(), standardOutput{}) })
	return &stdoutWriter
}

// Stderr returns the Writer on the standard error output of the program, as Stdout does.
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
// It is a function because a program with package text/template keeps all methods of a Writer:
// with a method it would import these interfaces, which the world of a server lacks.
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

// A message should be seen at once, whoever reads it. Besides, the world of a server,
// wasi:http/proxy, has standard error but no terminals.
func (standardError) lineMode() bool { return true }

// Tie returns a writer to w that flushes out before each Write: a [BufWriter], a Writer, or a
// [bufio.Writer] that no other goroutine uses. As the output of the standard logger, with w on
// another stream, it keeps the order of the two, and log.Fatal ends the program with nothing
// lost:
//
//	out := wasio.NewBufWriter(wasio.Stdout())
//	log.SetOutput(wasio.Tie(out, wasio.Stderr()))
//
// It leaves the error of a flush to the next call of out. A stream that takes no bytes holds
// up Write, and with it log.Fatal, for as long as its write deadline allows.
func Tie(out interface{ Flush() error }, w io.Writer) io.Writer { return &tied{out, w} }

type tied struct {
	out interface{ Flush() error }
	w   io.Writer
}

func (t *tied) Write(p []byte) (n int, err error) {
	t.out.Flush()
	return t.w.Write(p)
}
