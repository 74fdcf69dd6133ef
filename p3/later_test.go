package p3_test

import (
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/p3"
)

// While ReadFrom reads, other calls may use the Writer.
func TestReadFromLetsOthersWriteWhileItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
		b := newBench(t)
		w := b.stream()
		reads := 0
		n, err := w.ReadFrom(reader(func(p []byte) (int, error) {
			if reads++; reads == 2 {
				return 0, io.EOF
			}
			_, err := w.WriteString("written, ")
			assert.NoError(t, err)
			assert.NoError(t, w.Flush())
			return copy(p, "read"), nil
		}))
		require.NoError(t, err)
		assert.EqualValues(t, 4, n)
		assert.Equal(t, "written, read", b.out.String())
	})
}

// SetWriteDeadline does not wait for a call under way.
func TestSetWriteDeadlineDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, blocks, builtins.Step{Take: 3, After: time.Hour})
		loop := newBindings(t, b.Host)
		w := b.stream()
		go w.WriteString("abc")
		synctest.Wait()
		set := false
		go func() {
			assert.NoError(t, w.SetWriteDeadline(time.Now().Add(time.Minute)))
			set = true
		}()
		synctest.Wait()
		assert.True(t, set)
		for loop.step() {
		}
		assert.Equal(t, "abc", b.out.String())
		require.NoError(t, w.Close())
	})
}

// What Close has dropped does not get into the next stream of standard output.
func TestWhatCloseDropsIsNotWrittenLater(t *testing.T) {
	b := newBench(t, blocks, stalls, cancelled(1))
	w := b.stdout()
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	n, err := w.ReadFrom(strings.NewReader("abc"))
	assert.EqualValues(t, 3, n)
	assertTimeout(t, err)
	assertTimeout(t, w.Close())
	w.SetWriteDeadline(time.Time{})
	_, err = w.WriteString("d")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, "ad", b.out.String())
	assert.Empty(t, b.Live())
}

// Other goroutines run before each wait, not after it: the host may block the instance for an hour.
func TestOthersRunBeforeTheFirstWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	waited := 0 // how many waits began before another goroutine had run
	for range 21 {
		b := newBench(t, blocks, takesAll)
		w := b.stream()
		var ran atomic.Bool
		b.Call = func(name string, _ uint32) {
			if name == "waitable-set.wait" && !ran.Load() {
				waited++
			}
		}
		go ran.Store(true)
		w.WriteString("x")
		require.Equal(t, 1, b.Count("waitable-set.wait"))
	}
	assert.LessOrEqual(t, waited, 2) // once in 61 times the scheduler resumes the goroutine that yields
}

// If the reader goes as it takes what a ReadFrom has left, the Write that comes after that is
// refused. Another write on the stream would trap.
func TestReaderGoesWithWhatReadFromLeft(t *testing.T) {
	b := newBench(t, blocks, stalls, cancelled(1))
	w := b.stream()
	w.SetWriteDeadline(time.Now().Add(time.Minute))
	n, err := w.ReadFrom(strings.NewReader("abc"))
	assert.EqualValues(t, 3, n)
	assertTimeout(t, err)
	w.SetWriteDeadline(time.Time{})
	b.steps = []builtins.Step{{Take: 2, Status: builtins.Dropped}}
	m, err := w.WriteString("d")
	assert.Zero(t, m)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Equal(t, "abc", b.out.String())
}

// A second Close does nothing, also if the reader has gone with the last byte.
func TestCloseTwiceAfterTheReaderHasGone(t *testing.T) {
	b := newBench(t, builtins.Step{Take: 3, Status: builtins.Dropped})
	w := b.stdout()
	_, err := w.WriteString("abc")
	require.NoError(t, err)
	assert.NoError(t, w.Close())
	assert.NoError(t, w.Close())
	assert.Empty(t, b.Live())
}

// Natively a Write fails as that of the file behind standard output does.
func TestStandardOutputFails(t *testing.T) {
	for _, c := range []struct{ err, want error }{{syscall.ENOSPC, nil}, {syscall.EPIPE, io.ErrClosedPipe}, {os.ErrClosed, io.ErrClosedPipe}} {
		b := newBench(t)
		b.SetStdio(1, builtins.Keen{}, writer(func(p []byte) (int, error) { return 1, c.err }))
		w := p3.NewStdout()
		n, err := w.WriteString("abc")
		assert.Equal(t, 1, n)
		if c.want != nil {
			assert.ErrorIs(t, err, c.want)
		} else {
			assert.EqualError(t, err, "wasio: write: input/output error")
		}
		assert.Same(t, err, w.Close())
	}
}

type writer func(p []byte) (int, error)

func (f writer) Write(p []byte) (int, error) { return f(p) }
