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
	"go.bytecodealliance.org/cm"
)

// standard is a stream of the program, opened when it is first asked for.
type standard struct {
	once sync.Once
	w    Writer
}

func (s *standard) open(get func() streams.OutputStream) *Writer {
	s.once.Do(func() {
		s.w.stream = get()
		s.w.traits = shared
	})
	return &s.w
}

var standardOut, standardErr standard

// Stdout returns the Writer on the standard output of the program: always the same one,
// on one handle. Its Close flushes and leaves it open. Where the program does not run as
// a WebAssembly guest, it is the standard output of the process.
func Stdout() *Writer { return standardOut.open(stdout.GetStdout) }

// Stderr returns the Writer on the standard error output of the program, as Stdout does.
func Stderr() *Writer { return standardErr.open(stderr.GetStderr) }

// isTerminal reports whether w is on a standard stream that is a terminal.
func isTerminal(w *Writer) bool {
	var terminal cm.Option[terminaloutput.TerminalOutput]
	switch w {
	case &standardOut.w:
		terminal = terminalstdout.GetTerminalStdout()
	case &standardErr.w:
		terminal = terminalstderr.GetTerminalStderr()
	}
	handle := terminal.Some()
	if handle == nil {
		return false
	}
	handle.ResourceDrop()
	return true
}

// Tie returns a writer to w that flushes b before each Write. As the output of the
// standard logger, with w on another stream, it keeps the order of the two, and has
// log.Fatal end the program with nothing lost:
//
//	out := wasio.NewBufWriter(wasio.Stdout())
//	log.SetOutput(wasio.Tie(out, wasio.Stderr()))
//
// An error of the flush is left for b to return at its next call.
func Tie(b *BufWriter, w io.Writer) io.Writer { return &tied{b, w} }

type tied struct {
	b *BufWriter
	w io.Writer
}

func (t *tied) Write(p []byte) (n int, err error) {
	t.b.Flush()
	return t.w.Write(p)
}
