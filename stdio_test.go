package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// capture puts a file in the place of a standard stream for the test, and returns a
// function that returns what is in it.
func capture(t *testing.T, standard **os.File) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "captured")
	f, err := os.Create(path)
	require.NoError(t, err)
	before := *standard
	*standard = f
	t.Cleanup(func() {
		*standard = before
		f.Close()
	})
	return func() string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
}

func TestStandardStreams(t *testing.T) {
	for _, c := range []struct {
		name string
		file **os.File
		get  func() *wasio.Writer
		op   host.Op
	}{
		{"Stdout", &os.Stdout, wasio.Stdout, host.OpGetStdout},
		{"Stderr", &os.Stderr, wasio.Stderr, host.OpGetStderr},
	} {
		t.Run(c.name, func(t *testing.T) {
			written := capture(t, c.file)
			w := c.get()
			fmt.Fprintln(w, "one")
			fmt.Fprintln(*c.file, "two") // in turn with the file itself
			require.NoError(t, w.Close())
			fmt.Fprintln(c.get(), "three")
			assert.Equal(t, "one\ntwo\nthree\n", written())
			assert.Same(t, w, c.get())
			assert.EqualValues(t, 1, host.Process().Count(c.op), "one handle for the program")

			b := wasio.NewBufWriter(c.get())
			b.WriteString("four")
			require.NoError(t, b.Close())
			fmt.Fprintln(c.get(), ", five")
			assert.Equal(t, "one\ntwo\nthree\nfour, five\n", written())
		})
	}
}

// A pipe whose reader has gone closes the stream.
func TestStreamOnPipeWithoutReader(t *testing.T) {
	h := host.New(host.Options{})
	base := h.Expose()
	defer host.Withdraw(base)
	r, pipe := io.Pipe()
	w := wasio.NewWriter(base | h.NewStream(host.Behavior{}, pipe))
	require.NoError(t, r.Close())
	n, err := w.WriteString("x")
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, w.Close())
	assert.Empty(t, h.Live())
}

// newShared returns a Writer on a stream that it has as Stdout has its own.
func newShared(t *testing.T, plan wasiotest.Plan) (*wasio.Writer, *wasiotest.Stream) {
	t.Helper()
	s := wasiotest.NewStream(t, plan)
	t.Cleanup(func() { wasio.NewWriter(s.Handle()).Close() }) // NewShared's does not drop it
	return wasio.NewShared(s.Handle()), s
}

func TestSharedWriterStaysOpen(t *testing.T) {
	w, s := newShared(t, wasiotest.Plan{FlushWaits: []int{0, 1, 0}})
	for _, text := range []string{"still", " ", "open"} { // the second one waits
		require.NoError(t, w.Close())
		require.NoError(t, w.Close())
		_, err := w.WriteString(text)
		require.NoError(t, err)
	}
	assert.Equal(t, "still open", s.String())
}

func TestBufWriterOnPromptStandardStream(t *testing.T) {
	w, s := newShared(t, wasiotest.Plan{Hold: true})
	b := wasio.NewBufWriter(w)
	b.SetLineMode(true)
	four := []string{"check-write = 1048576", "write(2)", "flush", "check-write = 1048576"}
	steps := []struct {
		write func()
		want  []string
	}{
		{func() { b.WriteString("a\n") }, four}, // shows that the stream is prompt
		{func() { b.WriteString("b\n") }, []string{"blocking-write-and-flush(2)"}},
		{func() { b.WriteByte('c'); b.WriteByte('\n') }, []string{"blocking-write-and-flush(2)"}},
		{func() { b.WriteString("de") }, nil},
		{func() { b.Flush() }, []string{"blocking-write-and-flush(2)"}},
		{func() { b.Flush() }, nil},
		{func() { b.Write(append(bytes.Repeat([]byte{'x'}, 4095), '\n')) }, []string{"blocking-write-and-flush(4096)"}},
		{func() { b.Write(append(bytes.Repeat([]byte{'x'}, 4096), '\n')) },
			[]string{"check-write = 1048576", "write(4097)", "flush", "check-write = 1048576"}},
		{func() { w.WriteString("w\n") }, four}, // a Writer keeps to the protocol
	}
	for i, step := range steps {
		before := len(s.Calls())
		step.write()
		assert.Equal(t, step.want, append([]string(nil), callsOf(s)[before:]...), "step %d", i)
	}
	long := strings.Repeat("x", 4095)
	assert.Equal(t, "a\nb\nc\nde"+long+"\nx"+long+"\nw\n", s.String())
	require.NoError(t, b.Close())
}

func TestBufWriterOnSlowStandardStream(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"at the first flush": {FlushWaits: []int{1, 0, 0, 0}},
		"at a later flush":   {FlushWaits: []int{0, 1, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newShared(t, plan)
			b := wasio.NewBufWriter(w)
			w.WriteString("first\n")
			w.WriteString("second\n") // the program has waited once by now
			b.SetLineMode(true)
			for range 4 {
				b.WriteString("line\n")
			}
			assert.Zero(t, count(s, "blocking-write-and-flush"))
			assert.Equal(t, 6, count(s, "flush"))
		})
	}
}

func TestBufWriterErrorsOnStandardStream(t *testing.T) {
	for name, fault := range map[string]wasiotest.Fault{
		"failed":          {At: "write", Call: 2},
		"failed in flush": {At: "flushed", Call: 2},
		"closed":          {At: "write", Call: 2, Closed: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newShared(t, wasiotest.Plan{Faults: []wasiotest.Fault{fault}})
			b := wasio.NewBufWriter(w)
			b.SetLineMode(true)
			_, err := b.WriteString("one\n")
			require.NoError(t, err)
			_, err = b.WriteString("two\n")
			var e *wasio.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "blocking-write-and-flush", e.Op)
			assert.Equal(t, fault.Closed, errors.Is(err, io.ErrClosedPipe))
			before := len(s.Calls())
			_, again := b.WriteString("three\n")
			assert.Same(t, err, again)
			_, again = w.WriteString("three\n")
			assert.Same(t, err, again)
			assert.Same(t, err, b.Close())
			assert.Len(t, s.Calls(), before)
		})
	}
	t.Run("closed by what it took", func(t *testing.T) {
		w, s := newShared(t, wasiotest.Plan{Capacity: 8})
		b := wasio.NewBufWriter(w)
		b.SetLineMode(true)
		b.WriteString("one\n")
		_, err := b.WriteString("two\n")
		require.NoError(t, err)
		_, err = b.WriteString("three\n")
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Equal(t, "one\ntwo\n", s.String())
	})
}

func TestLineModeOnTerminals(t *testing.T) {
	for fd, c := range map[int]struct {
		file **os.File
		get  func() *wasio.Writer
	}{
		host.Stdout: {&os.Stdout, wasio.Stdout},
		host.Stderr: {&os.Stderr, wasio.Stderr},
	} {
		for _, isTerminal := range []bool{true, false} {
			written := capture(t, c.file)
			w := c.get() // opened before the host below forgets the stream
			host.Process().SetTerminal(fd, isTerminal)
			live := host.Process().Live()
			b := wasio.NewBufWriter(w)
			assert.Equal(t, live, host.Process().Live(), "the terminal's handle is dropped")
			b.WriteString("line\n")
			assert.Equal(t, isTerminal, written() == "line\n")
			require.NoError(t, b.Flush())
			assert.Equal(t, "line\n", written())
		}
	}
}

func TestTie(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	b := wasio.NewBufWriter(w)
	var log bytes.Buffer
	tied := wasio.Tie(b, &log)
	b.WriteString("before the message")
	assert.Empty(t, s.String())
	n, err := tied.Write([]byte("message"))
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	assert.Equal(t, "message", log.String())
	assert.Equal(t, "before the message", s.String())

	b.Close()
	n, err = tied.Write([]byte(", another"))
	require.NoError(t, err, "the buffer's error is the buffer's")
	assert.Equal(t, 9, n)
}
