package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// A model predicts the behavior of two BufWriters and the Writer that both write to: which
// bytes each of them holds, which the host took, and which errors stick.
type model struct {
	*testing.T
	*world
	w        *wasio.Writer
	open     bool   // w is open
	sticky   error  // the error of w that sticks
	want     []byte // what the host took, in order
	kept     []byte // what a ReadFrom of w read and the host has not taken; w writes it first
	b        [2]*buffer
	offset   int       // of the next text
	deadline time.Time // zero means none
	late     bool      // w was closed after its deadline had passed
}

// A buffer is a BufWriter with its model.
type buffer struct {
	*wasio.BufWriter
	size   int
	lines  bool
	open   bool
	sticky error
	held   []byte // what it took and the host has not taken
}

// text returns the next n bytes of an endless text.
func (m *model) text(n int) []byte {
	p := text(m.offset, n)
	m.offset += n
	return p
}

// A source is a reader of one of eight kinds.
type source struct {
	io.Reader
	reads int   // how often it was read
	read  int   // how many bytes it returned
	slow  bool  // a Read took a millisecond or longer
	end   error // the error at its end, unless that is io.EOF
}

func (s *source) Read(p []byte) (n int, err error) {
	start := time.Now()
	n, err = s.Reader.Read(p)
	s.reads++
	s.read += n
	s.slow = s.slow || time.Since(start) >= time.Millisecond
	return n, err
}

var errSource = errors.New("source")

func newSource(p []byte, kind int) *source {
	s := &source{Reader: struct{ io.Reader }{bytes.NewReader(p)}}
	switch kind % 8 {
	case 1:
		s.Reader = iotest.OneByteReader(s.Reader)
	case 2:
		s.Reader = iotest.HalfReader(s.Reader)
	case 3:
		s.Reader = iotest.DataErrReader(s.Reader)
	case 4:
		s.Reader, s.end = io.MultiReader(s.Reader, iotest.ErrReader(errSource)), errSource
	case 5:
		s.Reader = &hesitant{Reader: s.Reader, empty: 3}
	case 6:
		s.Reader = &hesitant{Reader: s.Reader, pause: time.Millisecond}
	case 7:
		s.Reader, s.end = io.MultiReader(s.Reader, &hesitant{empty: 1 << 30}), io.ErrNoProgress
	}
	return s
}

// hesitant is a reader that pauses before each Read, and returns 0, nil a few times before it
// reads.
type hesitant struct {
	io.Reader
	empty, now int
	pause      time.Duration
}

func (h *hesitant) Read(p []byte) (n int, err error) {
	time.Sleep(h.pause)
	if h.now++; h.now <= h.empty {
		return 0, nil
	}
	h.now = 0
	return h.Reader.Read(p)
}

// FuzzBufWriter runs random programs on two BufWriters and their Writer, with deadlines
// that come and go. The bytes taken must be delivered once and in order.
func FuzzBufWriter(f *testing.F) {
	seeds(f)
	f.Fuzz(testBufWriter)
}

// TestBufWriterPrograms runs some random programs without fuzzing.
func TestBufWriterPrograms(t *testing.T) { testPrograms(t, 4000, testBufWriter) }

// testPrograms runs a test with random programs and choices.
func testPrograms(t *testing.T, seeds uint64, test func(t *testing.T, program, choices []byte)) {
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 0))
		program, choices := make([]byte, 3*r.IntN(60)), make([]byte, r.IntN(400))
		for i := range program {
			if r.IntN(8) > 0 { // otherwise 0, for writes of no bytes
				program[i] = byte(r.Uint32())
			}
		}
		for i := range choices {
			choices[i] = byte(r.Uint32())
			if r.IntN(4) > 0 {
				choices[i] |= 8 // no failure
			}
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { test(t, program, choices) }) {
			return
		}
	}
}

func testBufWriter(t *testing.T, program, choices []byte) {
	synctest.Test(t, func(t *testing.T) {
		wd, w := newWorld(t, choices)
		m := &model{T: t, world: wd, w: w, open: true}
		for i := range m.b {
			size := 16 + int(wd.next())>>(4*i)
			m.b[i] = &buffer{BufWriter: wasio.NewBufWriterSize(w, size), size: size, open: true}
		}
		ops(program, func(op byte, n int) {
			b := m.b[op>>7]
			switch op % 16 {
			case 0, 1:
				m.write(b, m.text(n%1024))
			case 2:
				m.write(b, m.text(n%8192))
			case 3:
				m.writeByte(b, byte(n))
			case 4:
				m.writeByte(b, '\n')
			case 5:
				m.writeRune(b, rune(n))
			case 6:
				m.writeRune(b, []rune{'\n', -1, 'é', 0x1f600 + rune(n>>8), 0xd800}[n%5])
			case 7:
				m.readFrom(b, n%2048, n>>11)
			case 8:
				m.flush(b)
			case 9:
				b.lines = n%2 == 0
				b.SetLineMode(b.lines)
			case 10:
				m.reset(b, n%4 != 0)
			case 11:
				m.writerWrite(n)
			case 12:
				m.writerFlush()
			case 13:
				m.setDeadline(b, n)
			case 14:
				time.Sleep(time.Duration(n) * time.Microsecond)
			case 15:
				m.close(b, n)
			}
			for _, b := range m.b {
				require.Len(t, b.held, b.Buffered())
				require.Equal(t, b.size, b.Buffered()+b.Available())
				require.Equal(t, b.size, b.Size())
			}
			require.Len(t, m.want, wd.taken)
			require.True(t, bytes.HasPrefix(m.want, wd.out.Bytes()), "what the host took is out once and in order")
			require.Equal(t, b2i(m.open), len(wd.Live()), "handles")
		})
		m.finish()
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// finish ends a program. All bytes that were taken must be out then.
func (m *model) finish() {
	m.w.SetWriteDeadline(time.Time{})
	m.deadline = time.Time{}
	for _, b := range m.b {
		m.flush(b)
	}
	m.closeWriter()
	require.Empty(m, m.Live())
	if m.sticky == nil && !m.failed && !m.late {
		require.True(m, bytes.Equal(m.want, m.out.Bytes()), "all that was flushed is out")
	}
}

// A call is a call of a method.
type call struct {
	m      *model
	b      *buffer // nil for a method of w
	before int     // host calls
	flush  int     // calls of flush before
	failed bool    // the host had failed
	start  time.Time
}

func (m *model) begin(b *buffer) *call {
	return &call{m, b, m.calls(), int(m.Count(host.OpFlush)), m.failed, time.Now()}
}

// flushes returns how often the call flushed the stream.
func (c *call) flushes() int { return int(c.m.Count(host.OpFlush)) - c.flush }

// calls returns how many calls the host has received, not counting drops of the stream.
func (m *model) calls() int { return int(m.Total() - m.Count(host.OpDropStream)) }

// took updates the model after a call that took n bytes of p. The host may have taken bytes that
// the buffer held before.
func (c *call) took(p []byte, n int) {
	m := c.m
	if c.b == nil {
		m.kept = append(m.kept, p[:n]...)
	}
	m.tookKept()
	if c.b == nil {
		return
	}
	c.b.held = append(c.b.held, p[:n]...)
	k := m.taken - len(m.want)
	require.LessOrEqual(m, k, len(c.b.held), "the host took bytes that b did not have")
	m.want = append(m.want, c.b.held[:k]...)
	c.b.held = c.b.held[k:]
}

// tookKept updates the model with the kept bytes that the host has taken.
func (m *model) tookKept() {
	k := min(m.taken-len(m.want), len(m.kept))
	m.want = append(m.want, m.kept[:k]...)
	m.kept = m.kept[k:]
}

// end checks the results of the call, which could write up to most bytes.
func (c *call) end(n, most int, err error) {
	m, sticky, open := c.m, c.m.sticky, c.m.open
	if c.b != nil {
		sticky, open = c.b.sticky, c.b.open
	}
	calls := m.calls() - c.before
	switch {
	case !open:
		require.ErrorIs(m, err, os.ErrClosed)
		require.Zero(m, n)
		require.Zero(m, calls)
		return
	case sticky != nil:
		require.Same(m, sticky, err, "an error sticks")
		require.Zero(m, n)
		require.Zero(m, calls)
		return
	}
	require.True(m, n >= 0 && n <= most && (n == most || err != nil), "%d of %d and %v", n, most, err)
	if m.failed && !c.failed && !m.closed {
		require.Error(m, err, "the host failed")
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		require.False(m, m.deadline.IsZero())
		require.False(m, time.Now().Before(m.deadline), "the deadline has not passed")
		if !c.start.Before(m.deadline) {
			require.Zero(m, calls)
		}
	case errors.Is(err, os.ErrClosed):
		require.False(m, m.open)
		c.b.sticky = err
	default:
		if m.sticky != nil {
			require.Same(m, m.sticky, err)
			require.Zero(m, calls)
		} else if errors.Is(err, io.ErrNoProgress) {
			require.True(m, m.deadline.IsZero())
		} else {
			require.True(m, m.failed)
			require.Equal(m, m.closed, errors.Is(err, io.ErrClosedPipe))
			all := n == most && len(m.kept) == 0 && (c.b == nil || len(c.b.held) == 0)
			require.False(m, m.closed && !c.failed && all, "no error if the host closes the stream after it took all")
		}
		m.sticky = err
		if c.b != nil {
			c.b.sticky = err
		}
	}
}

// inTime checks that the call ended at the deadline, if there is one.
func (c *call) inTime() {
	if d := c.m.deadline; !d.IsZero() {
		if c.start.After(d) {
			d = c.start
		}
		require.LessOrEqual(c.m, time.Since(d), 6*time.Millisecond, "the deadline was noticed too late")
	}
}

// flushed checks that all bytes are out after a successful flush.
func (m *model) flushed() {
	require.False(m, m.owed && !m.failed)
	require.Empty(m, m.kept)
	require.True(m, bytes.Equal(m.want, m.out.Bytes()), "all that was flushed is out")
}

func (m *model) write(b *buffer, p []byte) {
	c := m.begin(b)
	var n int
	var err error
	if len(p)%2 == 0 {
		n, err = b.Write(p)
	} else {
		n, err = b.WriteString(string(p))
	}
	c.took(p, n)
	c.end(n, len(p), err)
	c.inTime()
	c.lines(p, err)
	require.LessOrEqual(m, c.flushes(), 1)
}

// lines checks that all lines are out after a success in line mode, and that nothing else
// was flushed.
func (c *call) lines(p []byte, err error) {
	end := 0
	if c.b.lines {
		end = bytes.LastIndexByte(p, '\n') + 1
	}
	if end == 0 {
		require.Zero(c.m, c.flushes(), "a flush that nobody asked for")
	} else if err == nil {
		require.GreaterOrEqual(c.m, c.m.out.Len(), len(c.m.want)-(len(p)-end), "all lines are out")
		require.LessOrEqual(c.m, len(c.b.held), len(p)-end)
	}
}

func (m *model) writeByte(b *buffer, char byte) {
	c := m.begin(b)
	c.put([]byte{char}, 1, b.WriteByte(char))
}

func (m *model) writeRune(b *buffer, r rune) {
	c := m.begin(b)
	n, err := b.WriteRune(r)
	c.put(utf8.AppendRune(nil, r), n, err)
}

// put is end for a call that takes either all of p or nothing.
func (c *call) put(p []byte, n int, err error) {
	m := c.m
	m.tookKept()
	switch {
	case err == nil:
		require.Equal(m, len(p), n)
	case m.taken-len(m.want) > len(c.b.held):
		// The host took the newline and failed to flush it.
		require.True(m, c.b.lines && p[0] == '\n')
		require.NotErrorIs(m, err, os.ErrDeadlineExceeded)
		m.want = append(append(m.want, c.b.held...), p...)
		c.b.held, n = nil, len(p)
	default:
		n = 0
	}
	if m.taken > len(m.want) || err == nil {
		c.took(p, n)
	}
	if err != nil {
		n = 0
	}
	c.end(n, len(p), err)
	c.inTime()
	if line := c.b.lines && p[0] == '\n'; !line {
		require.Zero(m, c.flushes(), "a flush that nobody asked for")
	} else if err == nil {
		require.Empty(m, c.b.held)
		if m.deadline.IsZero() || time.Now().Before(m.deadline) {
			m.flushed()
		}
	}
}

func (m *model) readFrom(b *buffer, size, kind int) {
	p := m.text(size)
	line := bytes.IndexByte(b.held, '\n') >= 0 // written before line mode
	c, r := m.begin(b), newSource(p, kind)
	n, err := b.ReadFrom(r)
	require.EqualValues(m, r.read, n, "all that was read is counted")
	c.took(p, int(n))
	c.ended(r, int(n), len(p), err)
	switch {
	case r.slow:
		require.LessOrEqual(m, c.flushes(), 2*r.reads, "a flush that nobody asked for")
	case b.open && b.sticky == nil && !line:
		c.lines(p, err)
	}
}

// ended is end for a call that reads from a source.
func (c *call) ended(r *source, n, most int, err error) {
	m := c.m
	if err == nil {
		require.NoError(m, r.end)
	}
	var e *wasio.Error
	if err == nil || errors.As(err, &e) {
		c.end(n, most, err)
		return
	}
	require.Equal(m, r.end, err)
	require.Equal(m, most, n)
	if c.b != nil {
		require.True(m, c.b.open && c.b.sticky == nil)
		return
	}
	require.True(m, m.open && m.sticky == nil)
	_, m.sticky = m.w.Write(nil) // the flush may have failed, too
}

func (m *model) flush(b *buffer) {
	c := m.begin(b)
	nothing := len(b.held) == 0 && len(m.kept) == 0 && !m.owed
	err := b.Flush()
	c.took(nil, 0)
	c.end(0, 0, err)
	c.inTime()
	if err == nil {
		require.Empty(m, b.held)
		if m.open {
			m.flushed()
		}
	}
	require.LessOrEqual(m, c.flushes(), 1)
	if nothing {
		require.Equal(m, c.before, m.calls(), "there was nothing to flush")
	}
}

func (m *model) reset(b *buffer, open bool) {
	c := m.begin(b)
	if open {
		b.Reset(m.w)
	} else {
		b.Reset(nil)
	}
	b.held, b.sticky, b.open = nil, nil, open
	require.Equal(m, c.before, m.calls())
}

func (m *model) setDeadline(b *buffer, n int) {
	deadline := time.Time{}
	switch n % 4 {
	case 1:
		deadline = time.Now().Add(-time.Hour)
	case 2:
		deadline = time.Now().Add(time.Duration(n) * time.Microsecond)
	case 3:
		deadline = time.Now().Add(time.Duration(n) * time.Hour)
	}
	c := m.begin(nil)
	var err error
	if n&4 == 0 {
		err = m.w.SetWriteDeadline(deadline)
		require.Equal(m, m.open, err == nil)
	} else {
		err = b.SetWriteDeadline(deadline)
		require.Equal(m, m.open && b.open, err == nil)
	}
	if err == nil {
		m.deadline = deadline
	} else {
		require.ErrorIs(m, err, os.ErrClosed)
	}
	require.Equal(m, c.before, m.calls())
}

func (m *model) writerWrite(n int) {
	p := m.text(n % 1024)
	c := m.begin(nil)
	var took int
	var err error
	switch n >> 10 & 3 {
	case 0:
		took, err = m.w.Write(p)
	case 1:
		took, err = m.w.WriteString(string(p))
	default:
		r := newSource(p, n>>12%7) // not the kind that never ends, nor does ReadFrom on it
		var n64 int64
		n64, err = m.w.ReadFrom(r)
		took = int(n64)
		c.took(p, took)
		c.ended(r, took, len(p), err)
		require.LessOrEqual(m, c.flushes(), r.reads+1, "one flush for each Read, and one at the end")
		if err == nil {
			m.flushed()
		}
		return
	}
	c.took(p, took)
	c.end(took, len(p), err)
	c.inTime()
	if err == nil && len(p) > 0 {
		m.flushed()
	}
}

func (m *model) writerFlush() {
	c := m.begin(nil)
	err := m.w.Flush()
	c.end(0, 0, err)
	c.inTime()
	if err == nil {
		m.flushed()
	}
}

func (m *model) close(b *buffer, n int) {
	switch n % 8 {
	case 0:
		m.closeWriter()
	case 1:
		wasOpen, held := b.open, b.held
		c := m.begin(b)
		err := b.Close()
		if !wasOpen {
			require.NoError(m, err)
			require.Equal(m, c.before, m.calls())
			return
		}
		c.took(nil, 0)
		c.end(0, 0, err)
		if err == nil && len(held)+len(m.want) > 0 {
			require.Empty(m, b.held, "all bytes were handed over")
		}
		b.open, b.held, m.open = false, nil, false
		m.late = m.late || errors.Is(err, os.ErrDeadlineExceeded)
	}
}

func (m *model) closeWriter() {
	c := m.begin(nil)
	err := m.w.Close()
	if !m.open {
		require.NoError(m, err)
		require.Equal(m, c.before, m.calls())
		return
	}
	c.end(0, 0, err)
	m.open = false
	m.late = errors.Is(err, os.ErrDeadlineExceeded)
}
