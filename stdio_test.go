package wasio_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
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

// capture replaces a standard stream by a file until the test ends. The function that it returns
// returns what was written to the file.
func capture(t *testing.T, standard **os.File) func() string {
	t.Helper()
	skipInGuest(t)
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
	for _, c := range standardStreams {
		t.Run(c.name, func(t *testing.T) {
			written := capture(t, c.file)
			w := c.get()
			fmt.Fprintln(w, "one")
			fmt.Fprintln(*c.file, "two") // through the file itself
			require.NoError(t, w.Close())
			fmt.Fprintln(c.get(), "three")
			assert.Equal(t, "one\ntwo\nthree\n", written())
			assert.Same(t, w, c.get())

			b := wasio.NewBufWriter(c.get())
			b.WriteString("four")
			require.NoError(t, b.Close())
			fmt.Fprintln(c.get(), ", five")
			assert.Equal(t, "one\ntwo\nthree\nfour, five\n", written())
		})
	}
}

// A slow reader of one stream does not hold up the other stream.
func TestBlockedStdoutLeavesStderrAlone(t *testing.T) {
	skipInGuest(t)
	for i, blocked := range standardStreams {
		free := standardStreams[1-i]
		t.Run(blocked.name, func(t *testing.T) {
			blocked.get() // before the file becomes a full pipe
			r, pipe, err := os.Pipe()
			require.NoError(t, err)
			before := *blocked.file
			*blocked.file = pipe
			written := capture(t, free.file)
			done := make(chan error)
			go func() {
				_, err := blocked.get().Write(make([]byte, 1<<20)) // more than a pipe holds
				done <- err
			}()
			_, err = io.ReadFull(r, make([]byte, 1)) // the Write is under way
			require.NoError(t, err)
			_, err = free.get().WriteString("not blocked")
			require.NoError(t, err)
			assert.Equal(t, "not blocked", written())
			_, err = io.CopyN(io.Discard, r, 1<<20-1)
			require.NoError(t, err)
			require.NoError(t, <-done)
			*blocked.file = before
			pipe.Close()
			r.Close()
		})
	}
}

// The stream closes when the reader of its pipe goes away.
func TestStreamOnPipeWithoutReader(t *testing.T) {
	h := host.New(host.Options{})
	base := expose(t, h)
	r, pipe := io.Pipe()
	w := wasio.NewWriter(base | h.NewStream(host.Plan{}, pipe))
	require.NoError(t, r.Close())
	n, err := w.WriteString("x")
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, w.Close())
	assert.Empty(t, h.Live())
}

func TestStandardStreamStaysOpen(t *testing.T) {
	for _, c := range standardStreams {
		s := c.set(t, wasiotest.Plan{FlushWaits: []int{0, 1, 0}})
		w := c.get()
		for _, text := range []string{"still", " ", "open"} { // the second one waits
			require.NoError(t, w.Close())
			require.NoError(t, w.Close())
			_, err := w.WriteString(text)
			require.NoError(t, err)
		}
		assert.Equal(t, "still open", s.String())
	}
}

// In line mode each line makes the same host calls as a Write, even if the stream has never made
// the program wait: a host may lose a wake-up at any line.
func TestLineModeKeepsToTheProtocol(t *testing.T) {
	s := wasiotest.SetStdout(t, wasiotest.Plan{Hold: true, Terminal: true})
	b := wasio.NewBufWriter(wasio.Stdout())
	written := func(n int) []string {
		return []string{"check-write = 1048576", fmt.Sprintf("write(%d)", n), "flush", "check-write = 1048576"}
	}
	for i, step := range []struct {
		write func()
		want  []string
	}{
		{func() { b.WriteString("a\n") }, written(2)},
		{func() { b.WriteString("b\n") }, written(2)},
		{func() { b.WriteByte('c'); b.WriteByte('\n') }, written(2)},
		{func() { b.WriteString("de") }, nil},
		{func() { b.Flush() }, written(2)},
		{func() { b.Flush() }, nil},
		{func() { b.Write(append(bytes.Repeat([]byte{'x'}, 4096), '\n')) }, written(4097)},
		{func() { wasio.Stdout().WriteString("w\n") }, written(2)},
	} {
		before := len(s.Calls())
		step.write()
		assert.Equal(t, step.want, append([]string(nil), callsOf(s)[before:]...), "step %d", i)
	}
	require.NoError(t, b.Close())
}

// C25: if the host closes a standard stream after it has taken all bytes, that is an error.
// The stream is not a body of known length: its reader has gone.
func TestC25StandardStreamClosedAfterAllWasTaken(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"exactly full":          {Capacity: 5},
		"closed by flush":       {Faults: []wasiotest.Fault{{At: "flush", Closed: true}}},
		"closed while flushing": {FlushWaits: []int{1}, Faults: []wasiotest.Fault{{At: "flushed", Closed: true}}},
		"closed, and all lost":  {Hold: true, Faults: []wasiotest.Fault{{At: "flushed", Closed: true, Lost: true}}},
	} {
		for _, c := range standardStreams {
			for _, way := range ways {
				t.Run(name+"/"+c.name+"/"+way.name, func(t *testing.T) {
					s := c.set(t, plan)
					n, err := way.write(c.get(), []byte("line\n"))
					assert.Equal(t, 5, n)
					require.ErrorIs(t, err, io.ErrClosedPipe)
					before := len(s.Calls())
					n, again := c.get().WriteString("more\n")
					assert.Zero(t, n)
					assert.Same(t, err, again)
					assert.Same(t, err, c.get().Flush())
					assert.Same(t, err, c.get().Close())
					assert.Len(t, s.Calls(), before)
				})
			}
		}
	}
}

// Standard error is in line mode in any case, without a host call that a server does not have.
func TestLineModeOnTerminals(t *testing.T) {
	for _, c := range standardStreams {
		for _, isTerminal := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, isTerminal), func(t *testing.T) {
				s := c.set(t, wasiotest.Plan{Terminal: isTerminal, Handles: 2})
				for range 3 { // the handle of the terminal is dropped
					b := wasio.NewBufWriter(c.get())
					b.WriteString("line\n")
					assert.Equal(t, isTerminal || c.name == "Stderr", b.Buffered() == 0)
					require.NoError(t, b.Flush())
				}
				assert.Equal(t, "line\nline\nline\n", s.String())
				if c.name == "Stderr" {
					assert.NotContains(t, strings.Join(s.Calls(), "\n"), "terminal")
				}
			})
		}
	}
	w, _ := newWriter(t, wasiotest.Plan{})
	b := wasio.NewBufWriter(w)
	b.WriteString("line\n")
	assert.Equal(t, 5, b.Buffered(), "no other stream is a terminal")
	require.NoError(t, b.Close())
}

func TestTie(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	b := wasio.NewBufWriter(w)
	var messages bytes.Buffer
	tied := wasio.Tie(b, &messages)
	b.WriteString("before the message")
	assert.Empty(t, s.String())
	n, err := tied.Write([]byte("message"))
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	assert.Equal(t, "message", messages.String())
	assert.Equal(t, "before the message", s.String())

	b.Close()
	n, err = tied.Write([]byte(", another"))
	require.NoError(t, err, "the error of the flush stays with the buffer")
	assert.Equal(t, 9, n)
}

// Tie takes anything that can be flushed.
func TestTieOfOtherWriters(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	b := bufio.NewWriter(w)
	var messages bytes.Buffer
	b.WriteString("before")
	fmt.Fprint(wasio.Tie(b, &messages), "message")
	assert.Equal(t, "before", s.String())
	fmt.Fprint(wasio.Tie(w, &messages), ", another")
	assert.Equal(t, 2, s.Count("flush"), "a Writer is flushed, too")
	assert.Equal(t, "message, another", messages.String())
}

// Tie flushes before it writes.
func TestTieFlushesFirst(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Hold: true})
	b := wasio.NewBufWriter(w)
	var out []string
	tied := wasio.Tie(b, writerFunc(func(p []byte) (int, error) {
		out = append(out, s.String()+"|"+string(p))
		return len(p), nil
	}))
	for _, text := range []string{"one", "two", ""} {
		b.WriteString(text)
		fmt.Fprint(tied, "message")
	}
	assert.Equal(t, []string{"one|message", "onetwo|message", "onetwo|message"}, out)
	assert.Equal(t, 2, s.Count("flush"), "not if there is nothing to flush")
}

// A Write of Tie returns the results of the Write to w, not the error of the flush.
func TestTieReturnsTheErrorOfTheWrite(t *testing.T) {
	b, _ := newBufWriter(t, 16, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	b.WriteString("lost")
	broken := errors.New("broken writer")
	n, err := wasio.Tie(b, writerFunc(func([]byte) (int, error) { return 2, broken })).Write([]byte("message"))
	assert.Equal(t, 2, n)
	assert.Same(t, broken, err)
	var messages bytes.Buffer
	n, err = wasio.Tie(b, &messages).Write([]byte("message"))
	require.NoError(t, err)
	assert.Equal(t, 7, n)
	_, err = b.WriteString("x")
	assert.ErrorContains(t, err, "wasio: write: last operation failed")
}

// As the output of a logger, a Tie keeps the order of the two streams.
func TestTieOfTheStandardStreams(t *testing.T) {
	var order []string
	h := host.New(host.Options{})
	base := expose(t, h)
	stream := func(name string) *wasio.Writer {
		return wasio.NewWriter(base | h.NewStream(host.Plan{}, writerFunc(func(p []byte) (int, error) {
			order = append(order, name+": "+string(p))
			return len(p), nil
		})))
	}
	b := wasio.NewBufWriter(stream("out"))
	logger := log.New(wasio.Tie(b, stream("err")), "", 0)
	fmt.Fprint(b, "row 1, ")
	fmt.Fprint(b, "row 2")
	logger.Print("warning")
	fmt.Fprint(b, "row 3")
	logger.Print("another")
	assert.Equal(t, []string{"out: row 1, row 2", "err: warning\n", "out: row 3", "err: another\n"}, order)
}
