//go:build !module.std

package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

// TestRandomPrograms runs random programs on two random streams, against a model of bytes. A
// failure names the seed, as the name of a subtest.
func TestRandomPrograms(t *testing.T) {
	skipInGuest(t)
	seeds := uint64(10_000)
	if small || testing.Short() {
		seeds = 500
	}
	for seed := range seeds {
		run := testRandomProgram
		if seed%8 == 7 {
			run = testRandomGoroutines
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, seed) })
		}) {
			return
		}
	}
}

// A randomStream is an output stream, its Writer, a BufWriter on that, and what is known about
// them.
type randomStream struct {
	*testing.T
	*rand.Rand
	*wasiotest.Stream
	plan     wasiotest.Plan
	standard bool
	w        *wasio.Writer
	b        *wasio.BufWriter

	want     []byte    // what the host took or w has kept, in order
	held     []byte    // what b has
	refused  []byte    // what the call that failed was about to write; part of it may be out
	err      error     // the first error of w that sticks
	bErr     error     // of b
	kept     bool      // w may have kept bytes when it failed
	deadline time.Time // zero means none

	in     *wasiotest.Input // nil means none
	inPlan wasiotest.Plan
	text   []byte // what is left of in
	sent   int    // bytes made by next
}

// newRandomStream returns a stream that may fail, and then deliver up to part bytes of a write.
func newRandomStream(t *testing.T, r *rand.Rand, standard bool, part uint64) *randomStream {
	s := &randomStream{T: t, Rand: r, standard: standard, plan: wasiotest.RandomPlan(r.Uint64())}
	s.plan.Delay = []time.Duration{0, time.Microsecond, time.Millisecond, 20 * time.Millisecond}[r.IntN(4)]
	s.plan.Background = r.IntN(2) == 0
	s.plan.HoldLine = r.IntN(8) == 0
	s.plan.DropWaits = r.IntN(8) == 0
	if r.IntN(2) == 0 {
		f := wasiotest.Fault{
			At:     []string{"check-write", "write", "flush", "flushed"}[r.IntN(4)],
			Bytes:  r.Uint64N(1 << r.IntN(14)),
			Closed: r.IntN(2) == 0,
			Text:   "sink",
			Then:   wasiotest.Then(r.IntN(3)),
		}
		if f.At == "write" {
			f.Partial = r.Uint64N(part + 1)
		}
		s.plan.Faults = []wasiotest.Fault{f}
	}
	if standard {
		s.Stream = wasiotest.SetStdout(t, s.plan)
		s.w = wasio.Stdout()
	} else {
		s.Stream = wasiotest.NewStream(t, s.plan)
		s.w = wasio.NewWriter(s.Handle())
	}
	s.b = wasio.NewBufWriterSize(s.w, 16+r.IntN(1000))
	return s
}

// fault returns the fault of the plan, or nil.
func (s *randomStream) fault() *wasiotest.Fault {
	if len(s.plan.Faults) == 0 {
		return nil
	}
	return &s.plan.Faults[0]
}

// next returns n bytes that differ from those around them, some of them newlines.
func (s *randomStream) next(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((s.sent + i) * 37 >> 2)
	}
	s.sent += n
	return p
}

// size returns a small number of bytes, or a large one.
func (s *randomStream) size() int { return s.IntN(1 << s.IntN(13)) }

// check checks an error of the stream after a call that did not write the bytes in refused. It
// reports whether the call succeeded.
func (s *randomStream) check(start time.Time, err error, refused []byte) bool {
	if err == nil {
		require.NoError(s, s.err, "an error sticks")
		return true
	}
	var failed *wasio.Error
	require.ErrorAs(s, err, &failed)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		require.False(s, s.deadline.IsZero() || time.Now().Before(s.deadline), "the deadline has not passed")
		require.True(s, failed.Timeout())
		if late := time.Since(s.deadline); start.Before(s.deadline) {
			require.LessOrEqual(s, late, 6*time.Millisecond, "the deadline was noticed too late")
		}
	case failed.Source:
		s.Fatalf("unexpected error of a source: %v", err)
	case s.err != nil:
		require.Same(s, s.err, err, "the first error sticks")
	default:
		f := s.fault()
		require.NotNil(s, f, "the stream does not fail: %v", err)
		require.Equal(s, f.Closed, errors.Is(err, io.ErrClosedPipe), "%v", err)
		if !f.Closed {
			require.Equal(s, "sink", failed.Err.Error())
		}
		s.err, s.refused = err, refused
	}
	return false
}

// checkOut checks what is out. If it was flushed, that is all that was taken.
func (s *randomStream) checkOut(flushed bool) {
	out := s.Bytes()
	if flushed {
		require.Equal(s, len(s.want), len(out), "all bytes are out after a flush")
	}
	most := len(s.want)
	if f := s.fault(); f != nil && s.err != nil {
		most += int(min(f.Partial, uint64(len(s.refused))))
	}
	require.LessOrEqual(s, len(out), most, "more is out than was written")
	n := min(len(out), len(s.want))
	require.True(s, bytes.Equal(s.want[:n], out[:n]), "each byte is out once and in order")
	require.True(s, bytes.HasPrefix(s.refused, out[n:]), "the rest is part of a write that failed")
	if s.err != nil && !s.plan.Hold && !s.plan.HoldLine && !s.kept {
		require.Len(s, s.want, n, "what was counted is out")
	}
}

// drained records which bytes b has handed over.
func (s *randomStream) drained() {
	n := len(s.held) - s.b.Buffered()
	require.GreaterOrEqual(s, n, 0)
	s.want = append(s.want, s.held[:n]...)
	s.held = s.held[n:]
}

// write writes to w.
func (s *randomStream) write() {
	p, start, before, calls := s.next(s.size()), time.Now(), s.err, 0
	if before != nil {
		calls = len(s.Calls())
	}
	n, err := s.w.Write(p)
	require.True(s, n >= 0 && n <= len(p) && (n == len(p) || err != nil))
	s.want = append(s.want, p[:n]...)
	ok := s.check(start, err, p[n:])
	if before != nil {
		require.Zero(s, n)
		require.Len(s, s.Calls(), calls, "no host call after an error")
	}
	s.checkOut(ok && len(p) > 0)
}

// copyTo copies to w, or to b.
func (s *randomStream) copyTo(buffered bool) {
	p := s.next(s.size())
	source := &counted{Reader: bytes.NewReader(p)}
	var end error
	switch s.IntN(6) {
	case 0:
		source.Reader = iotest.OneByteReader(source.Reader)
	case 1:
		source.Reader = iotest.DataErrReader(source.Reader)
	case 2:
		source.pause = time.Duration(s.IntN(3)) * time.Millisecond
		source.Reader = iotest.HalfReader(source.Reader)
	case 3:
		end = errors.New("source")
		source.Reader = io.MultiReader(source.Reader, iotest.ErrReader(end))
	}
	start := time.Now()
	var n64 int64
	var err error
	if buffered {
		n64, err = s.b.ReadFrom(source)
	} else {
		n64, err = io.Copy(s.w, struct{ io.Reader }{source})
	}
	n := int(n64)
	require.True(s, n <= source.n, "%d of %d bytes", n, source.n)
	if buffered {
		s.held = append(s.held, p[:n]...)
		s.drained()
	} else {
		s.want = append(s.want, p[:n]...)
	}
	if err == nil {
		require.NoError(s, end)
		require.Equal(s, len(p), n)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		require.Equal(s, source.n, n, "a deadline loses nothing")
		s.kept = s.kept || !buffered
		s.deadlinePassed(err)
		s.checkOut(false)
		return
	}
	if err != nil && err == end { // it hides an error of the flush
		if _, now := s.w.Write(nil); now != nil && !buffered {
			s.check(start, now, nil)
		}
		s.checkOut(false)
		return
	}
	refused := p[n:]
	if buffered {
		refused = append(bytes.Clone(s.held), refused...)
	}
	ok := s.checkOf(buffered, start, err, refused)
	s.checkOut(ok && !buffered && len(p) > 0)
}

// deadlinePassed checks a timeout of a call that may have begun before the deadline and read
// since.
func (s *randomStream) deadlinePassed(err error) {
	require.False(s, s.deadline.IsZero() || time.Now().Before(s.deadline), "%v", err)
}

// counted is a reader that counts, and may be slow.
type counted struct {
	io.Reader
	n     int
	pause time.Duration
}

func (c *counted) Read(p []byte) (n int, err error) {
	time.Sleep(c.pause)
	n, err = c.Reader.Read(p)
	c.n += n
	return n, err
}

// checkOf is check for a call of w or of b, to which errors stick as well.
func (s *randomStream) checkOf(buffered bool, start time.Time, err error, refused []byte) bool {
	if !buffered {
		return s.check(start, err, refused)
	}
	if err == nil {
		require.NoError(s, s.bErr, "an error sticks")
		return true // b may have had room
	}
	s.check(start, err, refused)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.bErr = err
	}
	return false
}

// writeBuffered writes to b, or flushes it.
func (s *randomStream) writeBuffered(flush bool) {
	var p []byte
	var n int
	var err error
	start := time.Now()
	if flush {
		err = s.b.Flush()
	} else {
		p = s.next(s.size())
		n, err = s.b.Write(p)
	}
	require.True(s, n >= 0 && n <= len(p) && (n == len(p) || err != nil))
	s.held = append(s.held, p[:n]...)
	s.drained()
	ok := s.checkOf(true, start, err, append(bytes.Clone(s.held), p[n:]...))
	if ok && flush {
		require.Empty(s, s.held)
	}
	s.checkOut(ok && flush && s.err == nil)
}

// flush flushes w.
func (s *randomStream) flush() {
	start := time.Now()
	s.checkOut(s.check(start, s.w.Flush(), nil))
}

// open makes an input stream if there is none.
func (s *randomStream) open() {
	if s.in != nil {
		return
	}
	s.inPlan = wasiotest.RandomPlan(s.Uint64())
	s.inPlan = wasiotest.Plan{Permits: s.inPlan.Permits, End: wasiotest.End(s.IntN(3)),
		Delay: []time.Duration{0, time.Millisecond, 20 * time.Millisecond}[s.IntN(3)]}
	if s.standard { // other kinds of ends are not recognized there: see Splice
		s.inPlan.End = wasiotest.EndKnown
	}
	s.text = s.next(s.size())
	if s.IntN(3) == 0 {
		s.inPlan.Faults = []wasiotest.Fault{{At: "read", Bytes: s.Uint64N(uint64(len(s.text)) + 1), Closed: s.IntN(2) == 0, Text: "source"}}
	}
	s.in = s.NewInput(s.T, s.inPlan, bytes.NewReader(s.text))
}

// splice splices to w.
func (s *randomStream) splice() {
	if f := s.fault(); f != nil && f.Then == wasiotest.ThenWorks && !s.standard {
		return // the WIT leaves open whose the error is
	}
	s.open()
	start, most, limit := time.Now(), len(s.text), int64(-1)
	if s.IntN(2) == 0 {
		limit = int64(s.size())
		most = min(most, int(limit))
	}
	moved, err := wasio.Splice(s.w, s.in.Handle(), limit)
	n := int(moved)
	require.True(s, n >= 0 && n <= most)
	s.want = append(s.want, s.text[:n]...)
	s.text = s.text[n:]
	var failed *wasio.Error
	mayEnd := len(s.inPlan.Faults) > 0
	switch {
	case err == nil:
		require.NoError(s, s.err, "an error sticks")
		require.True(s, n == most || mayEnd, "%d of %d bytes, and the source has not ended", n, most)
		s.checkOut(limit != 0)
	case errors.As(err, &failed) && failed.Source && !failed.Timeout():
		require.NoError(s, s.err)
		require.True(s, mayEnd && !s.inPlan.Faults[0].Closed, "%v", err)
		require.Equal(s, "source", failed.Err.Error())
		s.dropInput()
		if _, now := s.w.Write(nil); now != nil { // the flush failed, too
			s.check(start, now, nil)
		}
	case errors.As(err, &failed) && failed.Timeout():
		s.deadlinePassed(err)
		s.checkOut(false)
	case s.err == nil && errors.As(err, &failed) && failed.Err.Error() == "source":
		// A failure that shows only in the splice counts as one of w.
		require.True(s, mayEnd && failed.Op == "splice", "%v", err)
		s.err = err
		s.checkOut(false)
		s.dropInput()
	default:
		s.check(start, err, s.text)
		s.checkOut(false)
		s.dropInput() // nobody knows what has left it
	}
	if err == nil && limit < 0 {
		s.dropInput()
	}
}

func (s *randomStream) dropInput() {
	if s.in != nil {
		s.in.Drop()
		s.in = nil
	}
}

// setDeadline sets a deadline or, most often, none.
func (s *randomStream) setDeadline() {
	s.deadline = time.Time{}
	switch s.IntN(5) {
	case 0:
		s.deadline = time.Now().Add(-time.Second)
	case 1, 2:
		s.deadline = time.Now().Add(time.Duration(s.IntN(30_000)) * time.Microsecond)
	}
	if s.IntN(2) == 0 {
		require.NoError(s, s.b.SetWriteDeadline(s.deadline))
	} else {
		require.NoError(s, s.w.SetWriteDeadline(s.deadline))
	}
}

// finish removes the deadline and closes all. Then everything must be out.
func (s *randomStream) finish() {
	s.deadline = time.Time{}
	require.NoError(s, s.w.SetWriteDeadline(s.deadline))
	s.writeBuffered(true)
	s.dropInput()
	start := time.Now()
	err := s.w.Close()
	if s.err != nil {
		require.Same(s, s.err, err)
	} else {
		s.check(start, err, nil)
	}
	s.checkOut(s.err == nil)
	if s.standard {
		return
	}
	require.NoError(s, s.w.Close())
	_, err = s.w.Write([]byte("x"))
	require.ErrorIs(s, err, os.ErrClosed)
}

func testRandomProgram(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	streams := [2]*randomStream{newRandomStream(t, r, r.IntN(4) == 0, 100), newRandomStream(t, r, false, 100)}
	for range r.IntN(50) {
		s := streams[r.IntN(2)]
		switch r.IntN(16) {
		case 0, 1, 2:
			s.write()
		case 3, 4, 5:
			s.writeBuffered(false)
		case 6:
			s.writeBuffered(true)
		case 7:
			s.flush()
		case 8, 9:
			s.copyTo(false)
		case 10:
			s.copyTo(true)
		case 11, 12:
			s.splice()
		case 13, 14:
			s.setDeadline()
		case 15:
			time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
			s.b.SetLineMode(r.IntN(4) == 0)
		}
	}
	for _, s := range streams {
		s.finish()
	}
}

// testRandomGoroutines runs 2 to 4 goroutines, each of which writes its own bytes to one of two
// streams, while deadlines come and go. Bytes that were counted must be out in order, unless their
// stream failed, which all its goroutines must learn by the same error.
func testRandomGoroutines(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	streams := [2]*randomStream{newRandomStream(t, r, false, 0), newRandomStream(t, r, false, 0)}
	type writer struct {
		s        *randomStream
		r        *rand.Rand
		tag      byte // in the upper two bits
		buffered bool
		sent     int // how many bytes were counted
	}
	writers := make([]*writer, 2+r.IntN(3))
	var mu sync.Mutex // guards the err of each stream
	var wg sync.WaitGroup
	for i := range writers {
		w := &writer{streams[r.IntN(2)], rand.New(rand.NewPCG(seed, uint64(10+i))), byte(i) << 6, r.IntN(2) == 0, 0}
		writers[i] = w
		bytesOf := func(n int) []byte {
			p := make([]byte, n)
			for i := range p {
				p[i] = w.tag | byte(w.sent+i)&63
			}
			return p
		}
		wg.Go(func() {
			for range w.r.IntN(20) {
				p := bytesOf(w.r.IntN(1 << w.r.IntN(10)))
				var n int64
				var m int
				var err error
				switch op := w.r.IntN(6); {
				case op < 3 && w.buffered:
					m, err = w.s.b.Write(p)
				case op < 3:
					m, err = w.s.w.Write(p)
				case op == 3 && w.buffered:
					n, err = w.s.b.ReadFrom(bytes.NewReader(p))
				case op == 3:
					n, err = w.s.w.ReadFrom(bytes.NewReader(p))
				case op == 4 && !w.buffered && (w.s.fault() == nil || w.s.fault().Then != wasiotest.ThenWorks):
					in := w.s.NewInput(t, wasiotest.Plan{Permits: []uint64{7, 0, 100}}, bytes.NewReader(p))
					n, err = wasio.Splice(w.s.w, in.Handle(), -1)
					in.Drop()
				case op == 4:
					err = w.s.b.Flush()
				default:
					deadline := time.Now().Add(time.Duration(w.r.IntN(50)-10) * time.Millisecond)
					if w.r.IntN(3) > 0 {
						deadline = time.Time{}
					}
					err = w.s.w.SetWriteDeadline(deadline)
				}
				w.sent += int(n) + m
				if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				if w.s.err == nil {
					w.s.err = err
				}
				if f := w.s.fault(); f == nil || f.Closed != errors.Is(err, io.ErrClosedPipe) || err != w.s.err {
					t.Errorf("%v, and before that %v", err, w.s.err)
				}
				return
			}
		})
	}
	wg.Wait()
	for _, s := range streams {
		require.NoError(t, s.w.SetWriteDeadline(time.Time{}))
		err := s.b.Close()
		if s.err == nil && s.fault() != nil {
			s.err = err
		}
		require.Equal(t, s.err, err)
	}
	for _, w := range writers {
		next := 0
		for _, c := range w.s.Bytes() {
			if c&0xc0 == w.tag {
				require.Equal(t, byte(next)&63, c&63, "in order")
				next++
			}
		}
		require.LessOrEqual(t, next, w.sent)
		if w.s.err == nil {
			require.Equal(t, w.sent, next, "what was counted is out")
		}
	}
}

// Splice moves all bytes on every host, from each kind of source.
func TestSpliceOnEveryHost(t *testing.T) {
	const size = 200 << 10
	content := pattern(size)
	for _, name := range wasiotest.Hosts() {
		for _, standard := range []bool{false, true} {
			for end, kind := range []string{"known", "when read", "silent"} {
				for _, n := range []int64{-1, size, size - 12345} {
					t.Run(fmt.Sprint(name, "/standard ", standard, "/end ", kind, "/", n), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							plan := wasiotest.As(name)
							var s *wasiotest.Stream
							w := wasio.Stdout()
							if standard {
								s = wasiotest.SetStdout(t, plan)
							} else {
								s = wasiotest.NewStream(t, plan)
								w = wasio.NewWriter(s.Handle())
							}
							w.SetRecheckInterval(time.Millisecond) // in case a wake-up is lost
							in := s.NewInput(t, wasiotest.Plan{Permits: []uint64{0, 8192, 70_000, 0, 1}, Delay: time.Millisecond,
								End: wasiotest.End(end)}, bytes.NewReader(content))
							defer in.Drop()
							want := content
							if n >= 0 {
								want = content[:n]
							}
							moved, err := wasio.Splice(w, in.Handle(), n)
							assert.EqualValues(t, len(want), moved)
							// See Splice.
							if standard && n < 0 && end == int(wasiotest.EndWhenRead) {
								assert.ErrorIs(t, err, io.ErrClosedPipe)
								assert.True(t, bytes.HasPrefix(want, s.Bytes()))
								return
							}
							assert.NoError(t, err)
							assert.True(t, slices.Equal(want, s.Bytes()), "all bytes are out")
							assert.NoError(t, w.Close())
						})
					})
				}
			}
		}
	}
}
