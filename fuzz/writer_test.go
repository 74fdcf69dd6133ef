package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// script makes one choice for each of its bytes. When they are used up, the host neither
// waits nor fails.
type script struct {
	bytes  []byte
	final  bool // after a failure the stream never works again
	failed bool
	closed bool
	moved  uint64 // how many bytes had been taken or read when Fault was last asked
}

func (s *script) next() byte {
	if len(s.bytes) == 0 {
		return 0xff
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

func (s *script) Permit(uint64) uint64 {
	switch b := s.next(); {
	case b < 0x30:
		return 0
	case b < 0x80:
		return uint64(b-0x30) + 1
	case b < 0xf0:
		return 1 << (b % 64)
	default:
		return 1 << 20
	}
}

func (s *script) FlushWaits() int {
	if b := s.next(); b < 0x60 {
		return int(b % 5)
	}
	return 0
}

func (s *script) Fault(_ string, _ int, moved uint64) *host.Fault {
	s.moved = moved
	b := s.next()
	if b >= 8 {
		return nil
	}
	s.failed, s.closed = true, b%2 == 0
	f := &host.Fault{Closed: s.closed, Then: host.Then(b / 2 % 3)}
	if s.final && f.Then == host.ThenWorks {
		f.Then = host.ThenClosed
	}
	return f
}

// plan chooses whether the stream holds what is not flushed, how its pollables behave, and how
// long its waits take.
func (s *script) plan() host.Plan {
	plan := host.Plan{Hold: s.next()%2 == 0}
	if b := s.next(); b < 0x80 {
		plan.Latch = b&1 != 0
		plan.NeverReady = b&2 != 0
		plan.Background = b&2 != 0 // a stream that is never ready makes progress by itself
		plan.Delay = [...]time.Duration{0, time.Microsecond, 100 * time.Microsecond, 20 * time.Millisecond}[b>>2&3]
		plan.Premature = b&16 != 0
	}
	return plan
}

// world is a host with one stream. It lives in a bubble of testing/synctest, where waits
// and pauses take no time.
type world struct {
	*script
	*host.Host
	base uint32
	out  bytes.Buffer // what was delivered

	taken    int  // how many bytes the host took
	flushing bool // a flush has begun and may not be complete
	owed     bool // bytes were taken, or a flush began, since the last complete flush
}

func newWorld(t *testing.T, choices []byte) (*world, *wasio.Writer) {
	wd := &world{script: &script{bytes: choices}}
	wd.Host = host.New(host.Options{OnCall: wd.seen})
	var err error
	wd.base, err = native.Expose(wd.Host)
	require.NoError(t, err)
	t.Cleanup(func() { native.Withdraw(wd.base) })
	handle := wd.NewStream(host.Scripted(wd.plan(), wd.script), &wd.out)
	return wd, wasio.NewWriter(wd.base | handle)
}

// seen records a call.
func (wd *world) seen(c *host.Call) {
	wd.taken += int(c.Taken())
	switch {
	case c.Op == host.OpWrite && c.Result == host.Done:
		wd.owed = true
	case c.Op == host.OpFlush && c.Result == host.Done:
		wd.flushing, wd.owed = true, true
	case c.Op == host.OpCheckWrite && c.Value > 0 && c.Result == host.Permit && wd.flushing:
		wd.flushing, wd.owed = false, false
	}
}

// text returns n bytes of an endless text.
func text(offset, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((offset + i) * 31 >> 2)
	}
	return p
}

// ops calls f for each operation of a program: its kind and a number.
func ops(program []byte, f func(op byte, n int)) {
	program = program[:min(len(program), 3*400)] // the time of a test is quadratic in its length
	for ; len(program) >= 3; program = program[3:] {
		f(program[0], int(program[1])<<8|int(program[2]))
	}
}

func seeds(f *testing.F) {
	for _, program := range []string{
		"\x00\x00\x05", "\x00\x00\x05\x01\x00\x00\x02\x01\x00", "\x02\xff\xff\x03\x00\x00\x00\x00\x01",
		"\x04\x00\x0a\x05\x00\xe9\x06\x00\x00\x00\x40\x00", strings.Repeat("\x00\x00\x03", 20),
	} {
		for _, choices := range []string{
			"", "\x01", "\x00\xff\x31\xff\xff\x32\xff\xff\x30", strings.Repeat("\x00", 40),
			strings.Repeat("\x01\xff\x30\xff\x00", 30), "\xff\xff\xff\xff\xff\xff\x02", "\x00\xff\x35\xff\xff\x07\x03",
			"\x00\xff\xff\xff\xff\x03\x01", strings.Repeat("\xff\x10", 250),
		} {
			f.Add([]byte(program), []byte(choices))
		}
	}
}

// FuzzWrite runs random writes on random hosts.
func FuzzWrite(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, program, choices []byte) {
		synctest.Test(t, func(t *testing.T) {
			wd, w := newWorld(t, choices)
			var want []byte
			var first error
			ops(program, func(op byte, n int) {
				p := text(len(want), n%8192)
				calls := wd.Total()
				var m int
				var err error
				switch op % 4 {
				case 0:
					m, err = w.Write(p)
				case 1:
					m, err = w.WriteString(string(p))
				case 2:
					var m64 int64
					m64, err = w.ReadFrom(struct{ io.Reader }{bytes.NewReader(p)})
					m = int(m64)
				case 3:
					p, err = nil, w.Flush()
				}
				want = append(want, p[:m]...)
				require.Equal(t, len(want), wd.taken, "n is what the host took")
				if first != nil {
					require.Same(t, first, err)
					require.Zero(t, m)
					require.Equal(t, calls, wd.Total())
					return
				}
				first = err
				checkError(t, wd, err)
				if err == nil {
					require.Equal(t, len(p), m)
					require.True(t, bytes.Equal(want, wd.out.Bytes()), "what succeeded was delivered")
				}
			})
			if err := w.Close(); first != nil {
				require.Same(t, first, err)
			}
			require.True(t, bytes.HasPrefix(want, wd.out.Bytes()), "all that was delivered is counted")
			require.Empty(t, wd.Live())
		})
	})
}

// checkError checks that an error is one of the host's.
func checkError(t *testing.T, wd *world, err error) {
	if err == nil {
		require.True(t, !wd.failed || wd.closed, "the host failed")
		return
	}
	require.ErrorAs(t, err, new(*wasio.Error))
	if !errors.Is(err, io.ErrNoProgress) {
		require.True(t, wd.failed)
		require.Equal(t, wd.closed, errors.Is(err, io.ErrClosedPipe))
	}
}

// FuzzConcurrent writes records from several goroutines, through a Writer or a BufWriter. All
// of them must come out, each in one piece.
func FuzzConcurrent(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, program, choices []byte) {
		for i := range choices { // no failures: every record must come out
			choices[i] |= 8
		}
		synctest.Test(t, func(t *testing.T) { testConcurrent(t, program, choices) })
	})
}

func testConcurrent(t *testing.T, program, choices []byte) {
	wd, w := newWorld(t, choices)
	b := wasio.NewBufWriterSize(w, 64)
	// Only one of the two is used: a full buffer is written in the middle of a record.
	buffered := wd.next()%2 == 0
	var wg sync.WaitGroup
	want := make(map[string]bool)
	ops(program[:min(len(program), 3*16)], func(op byte, n int) {
		record := fmt.Sprintf("<%d:%s>\n", len(want), strings.Repeat("x", n%300))
		want[record] = true
		wg.Go(func() {
			var err error
			switch {
			case !buffered && op%2 == 0:
				_, err = w.Write([]byte(record))
			case !buffered:
				_, err = w.WriteString(record)
			case op%2 == 0:
				_, err = b.Write([]byte(record))
			default:
				b.SetLineMode(n%2 == 0)
				_, err = b.WriteString(record)
			}
			if err != nil && !errors.Is(err, io.ErrNoProgress) {
				t.Error(err)
			}
		})
	})
	wg.Wait()
	if err := b.Close(); errors.Is(err, io.ErrNoProgress) {
		return
	} else {
		require.NoError(t, err)
	}
	for line := range strings.Lines(wd.out.String()) {
		require.True(t, want[line], "not a record, or twice: %q", line)
		delete(want, line)
	}
	require.Empty(t, want)
	require.Empty(t, wd.Live())
}
