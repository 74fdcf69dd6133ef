package wasio

import (
	"sync"

	"github.com/wasio-dev/wasio/generated/wasi/cli/stderr"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// standard is a stream of the program, opened when it is first asked for.
type standard struct {
	once sync.Once
	w    Writer
}

func (s *standard) open(get func() streams.OutputStream) *Writer {
	s.once.Do(func() {
		s.w.stream = get()
		s.w.shared = true
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
