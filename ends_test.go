//go:build !module.std

package wasio_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

// C50: an output of known length closes as it takes the last byte. Some sources, such as files and
// bodies, do not know of their end yet, but do after a wait. That is a success, too.
func TestSpliceWhereTheSourceEndsALittleLater(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			e := newEcho(t, wasiotest.Plan{Capacity: 6}, wasiotest.Plan{Permits: []uint64{6, 0}, Delay: delay}, strings.NewReader("abcdef"))
			moved, err := e.splice(t, -1)
			require.NoError(t, err, "%v", delay)
			assert.EqualValues(t, 6, moved)
			_, err = e.w.WriteString("x")
			assert.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

// If the source stays silent instead, Splice does not wait for it.
func TestSpliceToAClosedOutputFromASilentSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{Capacity: 3}, wasiotest.Plan{Permits: []uint64{3, 0}, Delay: time.Hour}, strings.NewReader("abcdef"))
		start := time.Now()
		moved, err := e.splice(t, -1)
		assert.EqualValues(t, 3, moved)
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.Less(t, time.Since(start), 100*time.Millisecond)
	})
}

// If the deadline has passed, ReadFrom of a BufWriter reads nothing, and nothing of the source is
// lost.
func TestBufWriterReadFromReadsNothingAfterADeadline(t *testing.T) {
	for _, lineMode := range []bool{false, true} {
		b, s := newBufWriter(t, 16, wasiotest.Plan{})
		b.SetLineMode(lineMode)
		b.SetWriteDeadline(time.Now().Add(-time.Second))
		n, err := b.ReadFrom(readerFunc(func([]byte) (int, error) { return 0, errors.New("it reads") }))
		assert.Zero(t, n)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Empty(t, s.Calls())
	}
}

// On a standard stream, which works again after a failure, Splice waits for each piece of the source
// before it moves the piece.
func TestSpliceToAStandardStreamWaitsFirst(t *testing.T) {
	for _, c := range standardStreams {
		s := c.set(t, wasiotest.Plan{Permits: []uint64{3}})
		in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader("abcdef"))
		moved, err := wasio.Splice(c.get(), in.Handle(), -1)
		require.NoError(t, err)
		assert.EqualValues(t, 6, moved)
		waited, pieces := false, 0
		for _, call := range s.Calls() {
			switch {
			case strings.Contains(call, "input-stream(2).subscribe"):
				waited = true
			case strings.Contains(call, ".splice("):
				assert.True(t, waited, "before piece %d", pieces)
				waited = false
				pieces++
			}
		}
		assert.Equal(t, 2, pieces)
		in.Drop()
	}
}

// If the last bytes of a source come with its error and cannot be written, ReadFrom returns why they
// were not written: n does not count them.
func TestReadFromReturnsWhyTheLastBytesAreLost(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		w, _ := newWriter(t, wasiotest.Plan{Permits: []uint64{4}, Faults: []wasiotest.Fault{{At: "write", Bytes: 4}}})
		b := wasio.NewBufWriterSize(w, 16)
		b.SetLineMode(true)
		to := io.ReaderFrom(w)
		if buffered {
			to = b
		}
		n, err := to.ReadFrom(readerFunc(func(p []byte) (int, error) { return copy(p, "a line\n"), errors.New("broken reader") }))
		assert.ErrorContains(t, err, "wasio: write: last operation failed")
		if !buffered {
			assert.EqualValues(t, 4, n)
		}
	}
}

// For a second the host says that the stream is ready and permits nothing. A short interval between
// checks does not make that minutes.
func TestNoProgressWithAShortRecheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{0}})
		w.SetRecheckInterval(10 * time.Microsecond)
		start := time.Now()
		_, err := w.WriteString("x")
		assert.ErrorIs(t, err, io.ErrNoProgress)
		assert.Less(t, time.Since(start), 2*time.Second)
		assert.Less(t, s.Count("check-write"), 1000)
	})
}
