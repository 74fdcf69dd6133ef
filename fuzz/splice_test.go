package fuzz

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// FuzzSplice runs random programs of splices, writes and deadlines on two random streams. What
// was moved must be delivered once and in order, and each failure must be attributed to its stream.
func FuzzSplice(f *testing.F) {
	seeds(f)
	f.Fuzz(testSplice)
}

// TestSplicePrograms runs some random programs without fuzzing.
func TestSplicePrograms(t *testing.T) { testPrograms(t, 4000, testSplice) }

// A spring is the text of an input stream. The host may read ahead of the guest.
type spring struct{ read, size int }

func (s *spring) Read(p []byte) (int, error) {
	if s.read == s.size {
		return 0, io.EOF
	}
	n := copy(p, text(s.read, min(len(p), s.size-s.read)))
	s.read += n
	return n, nil
}

func testSplice(t *testing.T, program, choices []byte) {
	synctest.Test(t, func(t *testing.T) {
		wd, w := newWorld(t, choices)
		in := &script{bytes: choices[len(choices)/2:], final: true}
		wd.final = true // otherwise, if the other stream has ended, nobody knows which one failed
		src := &spring{size: int(in.next())<<8 | int(in.next())}
		if src.size >= 0xff00 {
			src.size = 1 << 40 // it does not end
		}
		handle := wd.NewInput(host.Scripted(in.plan(), in), src)
		var want []byte
		var sticky error
		var deadline time.Time
		moved := 0    // from src
		lost := false // a write failed, of bytes that were read
		ops(program, func(op byte, n int) {
			start, calls := time.Now(), wd.Total()
			inFailed := in.failed
			var m, most int
			var err error
			switch op % 8 {
			case 0:
				p := text(n, n%1024)
				most = len(p)
				m, err = w.Write(p)
				want = append(want, p[:m]...)
			case 1:
				err = w.Flush()
			case 2:
				deadline = time.Time{}
				if n%2 == 0 {
					deadline = start.Add(time.Duration(n) * time.Microsecond)
				}
				require.NoError(t, w.SetWriteDeadline(deadline))
				return
			case 3:
				time.Sleep(time.Duration(n) * time.Microsecond)
				return
			default:
				most = n % 4096
				limit := int64(most)
				if op%8 == 7 && src.size < 1<<40 {
					limit, most = -1, src.size-moved
				}
				var m64 int64
				m64, err = wasio.Splice(w, wd.base|handle, limit)
				m = int(m64)
				want = append(want, text(moved, m)...)
				moved += m
			}
			require.True(t, m >= 0 && m <= most)
			require.Len(t, want, wd.taken, "the count is what the host took")
			_, now := w.Write(nil)
			if sticky != nil {
				require.Same(t, sticky, err)
				require.Zero(t, m)
				require.Equal(t, calls, wd.Total())
				return
			}
			var e *wasio.Error
			if err != nil {
				require.ErrorAs(t, err, &e)
			}
			ofSource := e != nil && e.Source
			require.False(t, ofSource && op%8 < 4)
			switch {
			case err == nil:
				if m < most {
					require.True(t, moved == src.size || in.closed || in.failed && inFailed, "the source has ended")
				}
				require.True(t, !wd.failed || wd.closed, "the host failed")
				require.True(t, !in.failed || in.closed || inFailed, "the source failed")
				if most > 0 {
					require.True(t, bytes.Equal(want, wd.out.Bytes()), "what succeeded was delivered")
				}
			case errors.Is(err, os.ErrDeadlineExceeded):
				require.False(t, deadline.IsZero() || time.Now().Before(deadline))
				if start.After(deadline) {
					require.Equal(t, calls, wd.Total())
				}
				require.NoError(t, now, "a timeout does not stick")
			case errors.Is(err, io.ErrNoProgress):
				require.True(t, deadline.IsZero())
				if !ofSource {
					require.Same(t, err, now, "it sticks")
				} else if now != nil { // the flush made no progress, either, or failed
					require.True(t, errors.Is(now, io.ErrNoProgress) || wd.failed)
				}
			case ofSource:
				require.True(t, in.failed && !in.closed)
				require.NotErrorIs(t, err, io.ErrClosedPipe)
			default:
				require.True(t, wd.failed || in.failed && !inFailed, "one of the two failed")
				require.Same(t, err, now, "it sticks")
				lost = true
			}
			if !deadline.IsZero() {
				late := deadline
				if start.After(late) {
					late = start
				}
				require.LessOrEqual(t, time.Since(late), 6*time.Millisecond, "the deadline was noticed too late")
			}
			if !lost {
				require.LessOrEqual(t, in.moved, uint64(moved), "all that has left the source was moved")
			}
			sticky = now
		})
		w.SetWriteDeadline(time.Time{})
		if err := w.Close(); sticky != nil {
			require.Same(t, sticky, err)
		}
		require.True(t, bytes.HasPrefix(want, wd.out.Bytes()), "all that was delivered is counted")
		wd.DropInput(handle)
		require.Empty(t, wd.Live())
	})
}
