package fuzz

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// script makes its choices by the bytes that it is given. When they are used up it is a
// host that never waits nor fails.
type script struct {
	bytes  []byte
	failed bool
	closed bool
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

func (s *script) Fault(host.Point, int, uint64) *host.Fault {
	b := s.next()
	if b >= 8 {
		return nil
	}
	s.failed, s.closed = true, b%2 == 0
	return &host.Fault{Closed: s.closed, Then: host.After(b / 2 % 3)}
}

// world is a host with one stream.
type world struct {
	*script
	*host.Host
	base uint32
	out  bytes.Buffer
}

func newWorld(t *testing.T, choices []byte) (*world, *wasio.Writer) {
	s := &script{bytes: choices}
	hold := s.next()%2 == 0
	wd := &world{script: s, Host: host.New(host.Options{Clock: new(host.VirtualClock)})}
	var err error
	wd.base, err = wd.Expose()
	require.NoError(t, err)
	t.Cleanup(func() { host.Withdraw(wd.base) })
	handle := wd.NewStream(host.Behavior{Script: s, Traits: host.Traits{Hold: hold}}, &wd.out)
	return wd, wasio.NewWriter(wd.base | handle)
}

// text returns n bytes, other ones at each offset.
func text(offset, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte((offset + i) * 31 >> 2)
	}
	return p
}

// ops calls f for each operation of a program: its kind and a number.
func ops(program []byte, f func(op byte, n int)) {
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

// FuzzWrite runs writes of all kinds against hosts of all kinds.
func FuzzWrite(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, program, choices []byte) {
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
		require.True(t, bytes.HasPrefix(want, wd.out.Bytes()), "what was delivered was counted")
		require.Empty(t, wd.Live())
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

// FuzzBufWriter runs a BufWriter beside a bufio.Writer, which is the model of what it
// delivers, and of the buffer as long as no line mode and no error is in the way.
func FuzzBufWriter(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, program, choices []byte) {
		wd, w := newWorld(t, choices)
		size := 16 + int(wd.next())
		b := wasio.NewBufWriterSize(w, size)
		var modelled bytes.Buffer
		model := bufio.NewWriterSize(&modelled, size)
		var want []byte
		var first error
		lines, everLines := false, false
		ops(program, func(op byte, n int) {
			var p []byte
			var m int
			var err error
			flushed := false
			switch op % 8 {
			case 0, 1:
				p = text(len(want), n%1024)
				m, err = b.Write(p)
				model.Write(p)
			case 2:
				p = text(len(want), n%8192)
				m, err = b.WriteString(string(p))
				model.WriteString(string(p))
			case 3:
				p = []byte{byte(n)}
				if err = b.WriteByte(byte(n)); err == nil || b.Buffered() > 0 && first == nil {
					m = 1
				}
				if err != nil {
					m = 0
				}
				model.WriteByte(byte(n))
			case 4:
				p = utf8.AppendRune(nil, rune(n))
				m, err = b.WriteRune(rune(n))
				model.WriteRune(rune(n))
				everLines = true // bufio flushes unless there is room for the longest rune
			case 5:
				p = text(len(want), n%8192)
				var m64 int64
				m64, err = b.ReadFrom(struct{ io.Reader }{bytes.NewReader(p)})
				m = int(m64)
				model.Write(p)
				everLines = true // bufio's ReadFrom flushes a full buffer, too, but Write bypasses it
			case 6:
				err, flushed = b.Flush(), true
				model.Flush()
			case 7:
				lines = n%2 == 0
				everLines = everLines || lines
				b.SetLineMode(lines)
				return
			}
			require.LessOrEqual(t, m, len(p))
			if first != nil {
				require.Same(t, first, err)
				require.Zero(t, m)
				return
			}
			want = append(want, p[:m]...)
			first = err
			checkError2(t, wd, err)
			if err != nil {
				return
			}
			require.Equal(t, len(p), m)
			require.Equal(t, size, b.Buffered()+b.Available())
			if flushed {
				require.Zero(t, b.Buffered())
				require.True(t, bytes.Equal(want, wd.out.Bytes()), "what was flushed was delivered")
			}
			if lines {
				if end := bytes.LastIndexByte(p, '\n'); end >= 0 {
					require.GreaterOrEqual(t, wd.out.Len(), len(want)-(len(p)-end-1), "lines are out")
				}
			}
			if !everLines {
				want := model.Buffered()
				if want == size && b.Buffered() == 0 {
					want = 0 // what fills the buffer is not copied first
				}
				require.Equal(t, want, b.Buffered(), "the buffer is as bufio's")
			}
		})
		err := b.Close()
		model.Flush()
		if first != nil {
			require.Same(t, first, err)
		} else if err == nil {
			require.True(t, bytes.Equal(modelled.Bytes(), wd.out.Bytes()))
		}
		require.LessOrEqual(t, wd.out.Len(), modelled.Len())
		require.True(t, bytes.HasPrefix(modelled.Bytes(), wd.out.Bytes()))
		require.Empty(t, wd.Live())
	})
}

// checkError2 is checkError for a buffer, which may hold back that the host has failed.
func checkError2(t *testing.T, wd *world, err error) {
	if err != nil {
		checkError(t, wd, err)
	}
}

// FuzzConcurrent has goroutines write at once, through a Writer or through a BufWriter.
// What comes out is all of the records, each in one piece.
func FuzzConcurrent(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, program, choices []byte) {
		for i := range choices { // no failures: every record must come out
			choices[i] |= 8
		}
		wd, w := newWorld(t, choices)
		b := wasio.NewBufWriterSize(w, 64)
		buffered := wd.next()%2 == 0 // they do not mix: a full buffer goes out in the middle of a record
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
	})
}
