package wasio_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

var (
	_ io.WriteCloser  = (*wasio.BufWriter)(nil)
	_ io.StringWriter = (*wasio.BufWriter)(nil)
	_ io.ByteWriter   = (*wasio.BufWriter)(nil)
	_ io.ReaderFrom   = (*wasio.BufWriter)(nil)
)

func TestBufWriterSizes(t *testing.T) {
	w, _ := newWriter(t, wasiotest.Plan{})
	for size, want := range map[int]int{-1: 64 << 10, 0: 64 << 10, 1: 16, 16: 16, 17: 17, 1 << 20: 1 << 20} {
		b := wasio.NewBufWriterSize(w, size)
		assert.Equal(t, want, b.Size())
		assert.Equal(t, want, b.Available())
		assert.Zero(t, b.Buffered())
	}
	assert.Equal(t, 64<<10, wasio.NewBufWriter(w).Size())
}

// TestBufWriterSizesAndWrites crosses write sizes with buffer sizes, as bufio's test does.
func TestBufWriterSizesAndWrites(t *testing.T) {
	data := pattern(8192)
	for _, size := range []int{16, 17, 23, 128, 1024, 4096} {
		for _, chunk := range []int{1, 2, 15, 16, 17, 127, 128, 129, 1000, 4095, 4096, 4097} {
			b, s := newBufWriter(t, size, wasiotest.Plan{Permits: []uint64{1000}, Hold: true})
			for rest := data; len(rest) > 0; {
				p := rest[:min(chunk, len(rest))]
				n, err := b.Write(p)
				require.NoError(t, err)
				require.Equal(t, len(p), n)
				require.Equal(t, size, b.Buffered()+b.Available())
				rest = rest[len(p):]
			}
			require.Empty(t, s.Bytes(), "no flush unless asked")
			require.NoError(t, b.Flush())
			require.Zero(t, b.Buffered())
			require.True(t, bytes.Equal(data, s.Bytes()), "size %d, chunk %d", size, chunk)
			require.Equal(t, 1, s.Count("flush"))
		}
	}
}

// The buffer holds what that of a bufio.Writer holds, except that a Write that fills an empty
// buffer bypasses it.
func TestBufWriterBuffersAsBufioDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for size := 16; size < 64; size += 3 {
		b, s := newBufWriter(t, size, wasiotest.Plan{})
		var out bytes.Buffer
		model := bufio.NewWriterSize(&out, size)
		for range 500 {
			p := pattern(r.IntN(3 * size))
			switch r.IntN(8) {
			case 0:
				b.WriteByte('x')
				model.WriteByte('x')
			case 1:
				b.WriteString(string(p))
				model.WriteString(string(p))
			default:
				b.Write(p)
				model.Write(p)
			}
			require.True(t, b.Buffered() == model.Buffered() || b.Buffered() == 0 && model.Buffered() == size,
				"%d and %d of %d", b.Buffered(), model.Buffered(), size)
			if b.Buffered() == 0 {
				require.NoError(t, model.Flush())
			}
		}
		require.NoError(t, b.Flush())
		require.NoError(t, model.Flush())
		assert.True(t, bytes.Equal(out.Bytes(), s.Bytes()))
	}
}

func TestBufWriterAsksNothingUntilFull(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{})
	for range 4 {
		n, err := b.WriteString("1234")
		require.NoError(t, err)
		require.Equal(t, 4, n)
	}
	assert.Empty(t, s.Calls())
	assert.Equal(t, 16, b.Buffered())
	require.NoError(t, b.WriteByte('5'))
	assert.Equal(t, []string{"check-write = 1048576", "write(16)"}, callsOf(s))
	assert.Equal(t, 1, b.Buffered())
	require.NoError(t, b.Flush())
	assert.Equal(t, []string{"check-write = 1048576", "write(1)", "flush", "check-write = 1048576"}, callsOf(s)[2:])
	require.NoError(t, b.Flush())
	assert.Len(t, s.Calls(), 6, "a Flush with nothing to flush makes no call")
}

func TestBufWriterPassesLargeWritesOn(t *testing.T) {
	b, s := newBufWriter(t, 64, wasiotest.Plan{})
	p := pattern(65)
	n, err := b.Write(p)
	require.NoError(t, err)
	assert.Equal(t, 65, n)
	assert.Equal(t, []string{string(p)}, s.Records(), "one write, not copied first")
	assert.Zero(t, b.Buffered())
	assert.Zero(t, s.Count("flush"))
}

func TestBufWriterPassesOnWhatWouldFillIt(t *testing.T) {
	b, s := newBufWriter(t, 64, wasiotest.Plan{})
	p := pattern(64)
	b.Write(p[:63])
	assert.Empty(t, s.Calls())
	b.Write(p[63:])
	assert.Empty(t, s.Calls(), "a full buffer waits for the next byte")
	require.NoError(t, b.Flush())
	b.Write(p)
	assert.Equal(t, []string{string(p), string(p)}, s.Records())
	assert.Zero(t, b.Buffered())
	b.Write(p[:60])
	b.Write(append(p[60:], p...))
	assert.Len(t, s.Records(), 4)
	assert.Zero(t, b.Buffered(), "the rest would fill it again")
}

// After a full buffer is handed over, the rest of a write goes into the buffer, unless it
// would fill it.
func TestBufWriterKeepsTheRestOfAWrite(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{})
	b.WriteString("0123456789")
	b.WriteString("0123456789abcdefghij")
	assert.Equal(t, []string{"0123456789012345"}, s.Records())
	assert.Equal(t, 14, b.Buffered())
	require.NoError(t, b.Flush())
}

func TestBufWriterUsesAllOfItsBuffer(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{})
	b.WriteString("0123456789abcde")
	require.NoError(t, b.WriteByte('f'))
	assert.Empty(t, s.Calls())
	require.NoError(t, b.Flush())
	b.WriteString("0123456789abcde")
	_, err := b.WriteRune('f')
	require.NoError(t, err)
	assert.Equal(t, 16, b.Buffered())
	require.NoError(t, b.Flush())
	b.WriteString("0123456789ab")
	_, err = b.WriteRune('😀')
	require.NoError(t, err)
	assert.Equal(t, 16, b.Buffered())
	assert.Equal(t, []string{"0123456789abcdef", "0123456789abcdef"}, s.Records())
}

func TestBufWriterHasRoomForTheWholeRune(t *testing.T) {
	for _, r := range []rune{0x7f, 0x80, 0x800, 0x10000} {
		for left := range 5 {
			b, s := newBufWriter(t, 16, wasiotest.Plan{})
			before := strings.Repeat("x", 16-left)
			b.WriteString(before)
			n, err := b.WriteRune(r)
			require.NoError(t, err)
			assert.Equal(t, utf8.RuneLen(r), n)
			assert.LessOrEqual(t, b.Buffered(), 16)
			require.NoError(t, b.Flush())
			assert.Equal(t, before+string(r), s.String())
		}
	}
}

func TestBufWriterCloseReportsTheWritersError(t *testing.T) {
	w, _ := newWriter(t, wasiotest.Plan{Capacity: 3})
	b := wasio.NewBufWriter(w)
	_, err := w.WriteString("four")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, b.Close(), "there was nothing in the buffer")
}

// If the stream closes with the last byte of a Write to the Writer itself, all that b handed
// over before is flushed.
func TestBufWriterOwesNothingToAClosedStream(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Capacity: 24})
	b := wasio.NewBufWriterSize(w, 16)
	b.Write(pattern(20)) // passed on, not flushed
	_, err := w.Write(pattern(4))
	require.NoError(t, err)
	require.NoError(t, b.Flush())
	assert.Len(t, s.Bytes(), 24)
}

func TestBufWriterBytesAndRunes(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{Permits: []uint64{3}})
	var want strings.Builder
	for i, r := range strings.Repeat("aé€😀\xff", 20) {
		if i%3 == 0 {
			require.NoError(t, b.WriteByte(byte(i)))
			want.WriteByte(byte(i))
		}
		n, err := b.WriteRune(r)
		require.NoError(t, err)
		m, _ := want.WriteRune(r)
		assert.Equal(t, m, n)
	}
	n, err := b.WriteRune(-1)
	require.NoError(t, err)
	assert.Equal(t, 3, n)
	want.WriteRune('\uFFFD')
	require.NoError(t, b.Close())
	assert.Equal(t, want.String(), s.String())
}

func TestBufWriterReadFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pattern(100_000)
		b, s := newBufWriter(t, 1000, wasiotest.Plan{})
		require.NoError(t, b.WriteByte('>'))
		n, err := b.ReadFrom(iotest.HalfReader(struct{ io.Reader }{bytes.NewReader(p)}))
		require.NoError(t, err)
		assert.EqualValues(t, len(p), n)
		assert.Zero(t, s.Count("flush"))
		require.NoError(t, b.Flush())
		assert.True(t, bytes.Equal(append([]byte(">"), p...), s.Bytes()))

		broken := errors.New("broken reader")
		n, err = b.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
		assert.EqualValues(t, 3, n)
		assert.Same(t, broken, err)
		assert.Equal(t, 3, b.Buffered())
		require.NoError(t, b.Flush())
	})
}

func TestBufWriterLineMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 64, wasiotest.Plan{Hold: true, FlushWaits: []int{1}})
		b.SetLineMode(true)
		steps := []struct {
			write func() error
			out   string
			left  int
		}{
			{func() error { _, err := b.WriteString("no end"); return err }, "", 6},
			{func() error { _, err := b.WriteString(" yet, now\nand more"); return err }, "no end yet, now\n", 8},
			{func() error { return b.WriteByte('\n') }, "no end yet, now\nand more\n", 0},
			{func() error { return b.WriteByte('a') }, "no end yet, now\nand more\n", 1},
			{func() error { _, err := b.WriteRune('\n'); return err }, "no end yet, now\nand more\na\n", 0},
			{func() error { _, err := b.Write([]byte("x\ny\nz")); return err }, "no end yet, now\nand more\na\nx\ny\n", 1},
			{func() error { _, err := b.ReadFrom(strings.NewReader("1\n2")); return err }, "no end yet, now\nand more\na\nx\ny\nz1\n", 1},
			{func() error { b.SetLineMode(false); _, err := b.WriteString("\n\n"); return err }, "no end yet, now\nand more\na\nx\ny\nz1\n", 3},
		}
		for i, step := range steps {
			require.NoError(t, step.write())
			assert.Equal(t, step.out, s.String(), "step %d", i)
			assert.Equal(t, step.left, b.Buffered(), "step %d", i)
		}
		assert.Equal(t, 5, s.Count("flush"), "one for each write with a newline")
	})
}

// Without line mode a newline is no different from any other byte.
func TestBufWriterWithoutLineMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 64, wasiotest.Plan{})
		for _, on := range []bool{false, true} {
			b.SetLineMode(on)
			b.SetLineMode(false)
			b.WriteString("a\n")
			b.Write([]byte("\n"))
			require.NoError(t, b.WriteByte('\n'))
			_, err := b.WriteRune('\n')
			require.NoError(t, err)
			_, err = b.ReadFrom(strings.NewReader("b\n"))
			require.NoError(t, err)
		}
		assert.Equal(t, 14, b.Buffered())
		assert.Empty(t, s.Calls())
	})
}

func TestBufWriterLineModeOfLongLines(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{Hold: true})
	b.SetLineMode(true)
	line := strings.Repeat("long ", 20) + "\n"
	for _, text := range []string{line, "pre", line, line + "post"} {
		n, err := b.WriteString(text)
		require.NoError(t, err)
		assert.Equal(t, len(text), n)
	}
	assert.Equal(t, line+"pre"+line+line, s.String())
	assert.Equal(t, 4, b.Buffered())
}

// Only bytes up to the last newline go out.
func TestBufWriterLineModeKeepsTheRest(t *testing.T) {
	for text, out := range map[string]string{
		"\n": "\n", "\nrest": "\n", "a\nb\nrest": "a\nb\n", "a\n\n": "a\n\n", "rest": "", "a\nrest, of more than the buffer holds": "a\n",
	} {
		for _, before := range []string{"", "x"} {
			b, s := newBufWriter(t, 64, wasiotest.Plan{})
			b.SetLineMode(true)
			b.WriteString(before)
			write(t, b, text)
			want := out
			if out != "" {
				want = before + out
			}
			assert.Equal(t, want, s.String())
			assert.Equal(t, len(before)+len(text)-len(want), b.Buffered())
		}
	}
}

func TestBufWriterLineModeOfNothing(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{})
	b.SetLineMode(true)
	n, err := b.Write(nil)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, s.Calls())
}

func TestBufWriterErrorsStick(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"write":  {Faults: []wasiotest.Fault{{At: "write"}}},
		"flush":  {Faults: []wasiotest.Fault{{At: "flush"}}},
		"closed": {Faults: []wasiotest.Fault{{At: "check-write", Closed: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, s := newBufWriter(t, 16, plan)
			n, err := b.WriteString("buffered")
			require.NoError(t, err)
			require.Equal(t, 8, n)
			err = b.Flush()
			require.ErrorAs(t, err, new(*wasio.Error))
			before := len(s.Calls())
			n, again := b.Write([]byte("x"))
			assert.Zero(t, n)
			assert.Same(t, err, again)
			_, again = b.WriteString("x")
			assert.Same(t, err, again)
			assert.Same(t, err, b.WriteByte('x'))
			_, again = b.WriteRune('x')
			assert.Same(t, err, again)
			_, again = b.ReadFrom(strings.NewReader("x"))
			assert.Same(t, err, again)
			_, again = b.ReadFrom(strings.NewReader(""))
			assert.Same(t, err, again)
			assert.Same(t, err, b.Flush())
			assert.Len(t, s.Calls(), before)
			assert.Same(t, err, b.Close())
			assert.Equal(t, []string{"drop"}, callsOf(s)[before:])
		})
	}
}

func TestBufWriterCountsWhatItTook(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{Capacity: 10})
	n, err := b.Write(pattern(100))
	assert.Equal(t, 10, n, "what the host took of a Write past the buffer")
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Len(t, s.Bytes(), 10)

	b, s = newBufWriter(t, 16, wasiotest.Plan{Capacity: 10})
	require.NoError(t, b.WriteByte('x'))
	n, err = b.Write(pattern(100))
	assert.Equal(t, 15, n, "what fit into the buffer")
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Equal(t, 6, b.Buffered(), "what the host did not take stays")
	assert.Len(t, s.Bytes(), 10)
}

// An invalid rune, such as a negative one, is written as U+FFFD.
func TestBufWriterWritesInvalidRunesAsU_FFFD(t *testing.T) {
	for _, r := range []rune{-1, -1 << 31, 0xd800, 0xdfff, 0x110000, 1<<31 - 1, '\uFFFD'} {
		b, s := newBufWriter(t, 16, wasiotest.Plan{})
		n, err := b.WriteRune(r)
		require.NoError(t, err)
		assert.Equal(t, 3, n)
		require.NoError(t, b.Flush())
		assert.Equal(t, "\uFFFD", s.String())
	}
}

// If WriteByte or WriteRune returns an error, nothing was taken.
func TestBufWriterTakesNoByteAndNoRuneWithAnError(t *testing.T) {
	for _, text := range []string{"0123456789abcdef", "0123456789abcd"} {
		b, s := newBufWriter(t, 16, wasiotest.Plan{Permits: []uint64{4}, Faults: []wasiotest.Fault{{At: "write", Call: 2}}})
		b.WriteString(text[:8])
		b.WriteString(text[8:])
		var n int
		var err error
		if len(text) == 16 {
			err = b.WriteByte('x')
		} else {
			n, err = b.WriteRune('€')
		}
		require.Error(t, err)
		assert.Zero(t, n)
		assert.Equal(t, len(text)-4, b.Buffered(), "what was in the buffer and the host did not take")
		n, again := b.WriteRune('é')
		assert.Zero(t, n)
		assert.Same(t, err, again)
		assert.Same(t, err, b.WriteByte('x'))
		assert.Equal(t, text[:4], s.String())
	}
}

// No method makes a host call after an error, even on a host that would work again.
func TestBufWriterTriesNothingAfterAnError(t *testing.T) {
	failure := wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Call: 1, Then: wasiotest.ThenWorks}}}
	failedWrite := func(n int) []string {
		return []string{"check-write = 1048576", fmt.Sprintf("write(%d) = last-operation-failed(error)", n), "error.to-debug-string", "error.drop"}
	}
	for name, c := range map[string]struct {
		before string
		lines  bool
		call   func(b *wasio.BufWriter) (int, error)
		n      int
		calls  []string
	}{
		"Write to a full buffer": {before: "before", call: func(b *wasio.BufWriter) (int, error) { return b.Write(pattern(100)) },
			n: 10, calls: failedWrite(16)},
		"Write past the buffer": {call: func(b *wasio.BufWriter) (int, error) { return b.Write(pattern(100)) },
			calls: failedWrite(100)},
		"line": {lines: true, call: func(b *wasio.BufWriter) (int, error) { return b.WriteString("line\nrest") },
			n: 5, calls: failedWrite(5)},
		"line after something": {before: "before", lines: true, call: func(b *wasio.BufWriter) (int, error) { return b.WriteString("line\nrest") },
			n: 5, calls: failedWrite(11)},
		"line that is long, after something": {before: "before", lines: true, call: func(b *wasio.BufWriter) (int, error) {
			return b.WriteString(strings.Repeat("long ", 10) + "\nrest")
		}, n: 10, calls: failedWrite(16)},
		"Flush": {before: "before", call: func(b *wasio.BufWriter) (int, error) { return 0, b.Flush() },
			calls: failedWrite(6)},
		"WriteByte": {before: "0123456789abcdef", call: func(b *wasio.BufWriter) (int, error) { return 0, b.WriteByte('x') },
			calls: failedWrite(16)},
		"newline": {before: "before", lines: true, call: func(b *wasio.BufWriter) (int, error) { return 0, b.WriteByte('\n') },
			calls: failedWrite(7)},
		"ReadFrom": {call: func(b *wasio.BufWriter) (int, error) {
			n, err := b.ReadFrom(bytes.NewReader(pattern(100)))
			return int(n), err
		}, n: 16, calls: failedWrite(16)},
		"Close": {before: "before", call: func(b *wasio.BufWriter) (int, error) { return 0, b.Close() },
			calls: append(failedWrite(6), "drop")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, s := newBufWriter(t, 16, failure)
				b.WriteString(c.before)
				b.SetLineMode(c.lines)
				n, err := c.call(b)
				require.ErrorContains(t, err, "last operation failed")
				assert.Equal(t, c.n, n)
				assert.Equal(t, c.calls, callsOf(s))
				if name == "Close" {
					return
				}
				for range 2 {
					n, again := b.Write([]byte("x\n"))
					assert.Zero(t, n)
					assert.Same(t, err, again)
					assert.Same(t, err, b.Flush())
				}
				assert.Equal(t, c.calls, callsOf(s))
			})
		})
	}
}

func TestBufWriterReset(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	b.WriteString("lost")
	require.Error(t, b.Flush())
	w, s2 := newWriter(t, wasiotest.Plan{})
	b.Reset(w)
	assert.Equal(t, 16, b.Size())
	assert.Zero(t, b.Buffered())
	b.WriteString("found")
	require.NoError(t, b.Flush())
	assert.Empty(t, s.Bytes())
	assert.Equal(t, "found", s2.String())
}

func TestBufWriterZeroValue(t *testing.T) {
	var b wasio.BufWriter
	_, err := b.Write([]byte("x"))
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, b.WriteByte('x'), os.ErrClosed)
	assert.ErrorIs(t, b.Flush(), os.ErrClosed)

	w, s := newWriter(t, wasiotest.Plan{})
	b.Reset(w)
	assert.Equal(t, 64<<10, b.Size())
	b.WriteString("ready")
	require.NoError(t, b.Close())
	assert.Equal(t, "ready", s.String())

	assert.NoError(t, new(wasio.BufWriter).Close())
}

func TestBufWriterClose(t *testing.T) {
	b, s := newBufWriter(t, 16, wasiotest.Plan{Hold: true})
	b.WriteString("bye")
	require.NoError(t, b.Close())
	assert.Equal(t, "bye", s.String())
	assert.Equal(t, "drop", callsOf(s)[len(s.Calls())-1])
	before := len(s.Calls())
	require.NoError(t, b.Close())
	_, err := b.WriteString("late")
	assert.ErrorIs(t, err, os.ErrClosed)
	assert.ErrorIs(t, b.Flush(), os.ErrClosed)
	assert.Len(t, s.Calls(), before)
}

func TestBufWriterConcurrentLines(t *testing.T) {
	const writers, lines = 8, 100
	for _, lineMode := range []bool{false, true} {
		b, s := newBufWriter(t, 64, wasiotest.Plan{Permits: []uint64{7, 0}})
		b.SetLineMode(lineMode)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for range lines {
					fmt.Fprintf(b, "writer %d says so\n", i)
				}
			})
		}
		wg.Wait()
		require.NoError(t, b.Flush())
		seen := make(map[string]int)
		for l := range strings.Lines(s.String()) {
			seen[l]++
		}
		assert.Len(t, seen, writers)
		for l, n := range seen {
			assert.Equal(t, lines, n, l)
		}
	}
}

func TestBufWriterDoesNotAllocate(t *testing.T) {
	b, _ := newBufWriter(t, 4096, wasiotest.Plan{})
	p := pattern(100)
	text := string(p)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		b.Write(p)
		b.WriteString(text)
		b.WriteByte('x')
		b.WriteRune('é')
	}))
	b.SetLineMode(true)
	line := []byte("a line\n")
	assert.Zero(t, testing.AllocsPerRun(1000, func() { b.Write(line) }))
}

// TestStandardPackages writes through packages that programs use.
func TestStandardPackages(t *testing.T) {
	plan := wasiotest.Plan{Permits: []uint64{5, 0, 11}, FlushWaits: []int{1, 0}, Hold: true}
	t.Run("bufio", func(t *testing.T) {
		w, s := newWriter(t, plan)
		b := bufio.NewWriterSize(w, 16)
		for i := range 100 {
			fmt.Fprintln(b, i)
		}
		require.NoError(t, b.Flush())
		assert.Len(t, strings.Fields(s.String()), 100)
	})
	t.Run("slog", func(t *testing.T) {
		w, s := newWriter(t, plan)
		slog.New(slog.NewTextHandler(w, nil)).Info("hello", "n", 1)
		assert.Contains(t, s.String(), "level=INFO msg=hello n=1\n")
	})
	t.Run("json", func(t *testing.T) {
		w, s := newWriter(t, plan)
		require.NoError(t, json.NewEncoder(w).Encode(map[string]int{"a": 1}))
		assert.Equal(t, "{\"a\":1}\n", s.String())
	})
}
