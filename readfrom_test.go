package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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

// ReadFrom reads into the free part of the buffer and leaves room for a rune.
func TestBufWriterReadFromReadsIntoTheBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for before, room := range map[int]int{0: 96, 3: 96, 4: 96, 5: 95, 60: 40, 99: 1, 100: 96} {
			b, s := newBufWriter(t, 100, wasiotest.Plan{})
			b.Write(pattern(100)[:before/2])
			b.Write(pattern(100)[before/2 : before])
			calls := 0
			n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
				calls++
				assert.Len(t, p, room, "%d bytes buffered", before)
				return len(p), io.EOF
			}))
			require.NoError(t, err)
			assert.EqualValues(t, room, n)
			assert.Equal(t, 1, calls)
			assert.Equal(t, before/100*100, len(s.Bytes()), "a full buffer is handed over first")
			assert.Equal(t, before%100+room, b.Buffered())
			assert.Equal(t, 100, b.Size())
			assert.Equal(t, 100-before%100-room, b.Available())
			b.Reset(nil)
		}
	})
}

func TestBufWriterReadFromDoesNotAllocate(t *testing.T) {
	for _, lineMode := range []bool{false, true} {
		b, _ := newBufWriter(t, 1024, wasiotest.Plan{})
		b.SetLineMode(lineMode)
		text := []byte(strings.Repeat("a line of text\n", 100))
		r := bytes.NewReader(nil)
		source := struct{ io.Reader }{r}
		var reader io.Reader = &source
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			r.Reset(text)
			b.ReadFrom(reader)
		}))
	}
}

// A reader that returns a negative number, which it must not, makes no negative count.
func TestReadFromOfAReaderWithNegativeCounts(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	n, err := w.ReadFrom(readerFunc(func([]byte) (int, error) { return -1, nil }))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrNoProgress)
	assert.Zero(t, s.Count("write"))
}

// As in package bufio, a reader may return 0, nil up to 99 times in a row, again and again.
func TestReadFromOfAReaderWithoutProgress(t *testing.T) {
	for empty, want := range map[int]error{0: nil, 1: nil, 99: nil, 101: io.ErrNoProgress, 1 << 30: io.ErrNoProgress} {
		for _, buffered := range []bool{false, true} {
			w, s := newWriter(t, wasiotest.Plan{})
			b := wasio.NewBufWriterSize(w, 16)
			to := io.ReaderFrom(w)
			if buffered {
				to = b
			}
			reads, left := 0, empty
			n, err := to.ReadFrom(readerFunc(func(p []byte) (int, error) {
				reads++
				if left > 0 {
					left--
					return 0, nil
				}
				left = empty
				if reads > 5*(empty+1) {
					return 0, io.EOF
				}
				return copy(p, "text"), nil
			}))
			require.Equal(t, want, err, "%d times", empty)
			if err == nil {
				assert.EqualValues(t, 20, n)
				require.NoError(t, b.Flush())
				assert.Equal(t, strings.Repeat("text", 5), s.String())
			} else {
				assert.Zero(t, n)
				assert.LessOrEqual(t, reads, 101)
				assert.Empty(t, s.Calls(), "there is nothing to flush")
			}
			assert.Equal(t, 16, b.Available()+b.Buffered())
			require.NoError(t, b.WriteByte('x'), "the stream is not to blame")
		}
	}
}

// While ReadFrom reads, other calls may use the BufWriter. They do not write to the memory that
// it reads into.
func TestBufWriterIsFreeWhileItReads(t *testing.T) {
	const read, size = "rrrrrrrrrr", 32
	for name, c := range map[string]struct {
		call func(t *testing.T, b *wasio.BufWriter)
		want string // what comes before the bytes read
	}{
		"Write":        {func(t *testing.T, b *wasio.BufWriter) { write(t, b, "Write") }, "before Write"},
		"large Write":  {func(t *testing.T, b *wasio.BufWriter) { write(t, b, strings.Repeat("large ", 20)) }, "before " + strings.Repeat("large ", 20)},
		"many Writes":  {func(t *testing.T, b *wasio.BufWriter) { times3(func() { write(t, b, "12345") }) }, "before 123451234512345"},
		"WriteString":  {func(t *testing.T, b *wasio.BufWriter) { b.WriteString("string") }, "before string"},
		"WriteByte":    {func(t *testing.T, b *wasio.BufWriter) { times3(func() { assert.NoError(t, b.WriteByte('b')) }) }, "before bbb"},
		"WriteRune":    {func(t *testing.T, b *wasio.BufWriter) { times3(func() { b.WriteRune('😀') }) }, "before 😀😀😀"},
		"Flush":        {func(t *testing.T, b *wasio.BufWriter) { assert.NoError(t, b.Flush()) }, "before "},
		"Flush, Write": {func(t *testing.T, b *wasio.BufWriter) { b.Flush(); b.WriteRune('😀'); b.WriteByte('x') }, "before 😀x"},
		"line":         {func(t *testing.T, b *wasio.BufWriter) { b.SetLineMode(true); b.WriteString("a\nb") }, "before a\nb"},
		"newline":      {func(t *testing.T, b *wasio.BufWriter) { b.SetLineMode(true); b.WriteByte('\n') }, "before \n"},
		"Size, Buffered": {func(t *testing.T, b *wasio.BufWriter) {
			assert.Equal(t, size, b.Size())
			assert.Equal(t, len("before "), b.Buffered())
			assert.LessOrEqual(t, b.Available(), size-b.Buffered())
		}, "before "},
		"ReadFrom": {func(t *testing.T, b *wasio.BufWriter) {
			n, err := b.ReadFrom(iotest.HalfReader(strings.NewReader("a reader within")))
			assert.NoError(t, err)
			assert.EqualValues(t, 15, n)
		}, "before a reader within"},
		"large ReadFrom": {func(t *testing.T, b *wasio.BufWriter) {
			n, err := b.ReadFrom(strings.NewReader(strings.Repeat("large", 1000)))
			assert.NoError(t, err)
			assert.EqualValues(t, 5000, n)
		}, "before " + strings.Repeat("large", 1000)},
		"ReadFrom of nothing": {func(t *testing.T, b *wasio.BufWriter) {
			_, err := b.ReadFrom(readerFunc(func([]byte) (int, error) { return 0, nil }))
			assert.Equal(t, io.ErrNoProgress, err)
		}, "before "},
	} {
		for _, before := range []string{"before ", "full before full before full"} {
			t.Run(name+"/"+before, func(t *testing.T) {
				if name == "Size, Buffered" && before != "before " {
					return
				}
				synctest.Test(t, func(t *testing.T) { // where a lock left held is a deadlock
					b, s := newBufWriter(t, size, wasiotest.Plan{Permits: []uint64{7}})
					write(t, b, before)
					reads := 0
					n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
						if reads++; reads == 2 {
							return 0, io.EOF
						}
						scribble := bytes.Repeat([]byte{'r'}, len(p))
						copy(p, scribble)
						c.call(t, b)
						assert.Equal(t, scribble, p, "nobody writes where it reads")
						return min(len(read), len(p)), nil
					}))
					require.NoError(t, err)
					b.SetLineMode(false)
					assert.Equal(t, size, b.Available()+b.Buffered())
					require.NoError(t, b.Flush())
					assert.Equal(t, before+strings.TrimPrefix(c.want, "before ")+read[:n], s.String())
				})
			})
		}
	}
}

func times3(f func()) {
	for range 3 {
		f()
	}
}

// Available returns how many bytes are unused, even while ReadFrom reads.
func TestBufWriterAvailableWhileItReads(t *testing.T) {
	for before := range 33 {
		b, s := newBufWriter(t, 32, wasiotest.Plan{})
		for range before {
			b.WriteByte('x')
		}
		_, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
			calls, buffered, room := len(s.Calls()), b.Buffered(), b.Available()
			assert.LessOrEqual(t, buffered+room+len(p), 32)
			for range room {
				b.WriteByte('x')
			}
			assert.Len(t, s.Calls(), calls)
			assert.Equal(t, buffered+room, b.Buffered())
			assert.Zero(t, b.Available())
			_, err := b.ReadFrom(strings.NewReader(""))
			assert.NoError(t, err)
			assert.Len(t, s.Calls(), calls, "no room had to be made")
			return 0, io.EOF
		}))
		require.NoError(t, err)
	}
}

// A ReadFrom during another one also returns how many bytes were taken.
func TestBufWriterReadFromWithinReadFromThatFails(t *testing.T) {
	b, s := newBufWriter(t, 32, wasiotest.Plan{Permits: []uint64{5}, Faults: []wasiotest.Fault{{At: "write", Call: 2}}})
	var n int64
	var failure error
	_, err := b.ReadFrom(readerFunc(func([]byte) (int, error) {
		n, failure = b.ReadFrom(bytes.NewReader(pattern(100)))
		return 0, io.EOF
	}))
	require.ErrorContains(t, failure, "last operation failed")
	assert.Same(t, failure, err)
	assert.EqualValues(t, len(s.Bytes())+b.Buffered(), n)
	assert.Less(t, n, int64(100))
	assert.Len(t, s.Bytes(), 5)
}

// If the BufWriter is closed while ReadFrom reads, ReadFrom writes nothing more.
func TestBufWriterClosedWhileItReads(t *testing.T) {
	for _, within := range []bool{false, true} {
		b, s := newBufWriter(t, 32, wasiotest.Plan{})
		reads := 0
		closing := readerFunc(func(p []byte) (int, error) {
			if reads++; reads == 2 {
				require.NoError(t, b.Close())
			}
			return copy(p, "read "), nil
		})
		reading := func() {
			n, err := b.ReadFrom(closing)
			assert.EqualValues(t, 5, n)
			assert.ErrorIs(t, err, os.ErrClosed)
		}
		if within { // so that it reads into its own memory
			_, err := b.ReadFrom(readerFunc(func([]byte) (int, error) {
				reading()
				return 4, io.EOF
			}))
			assert.ErrorIs(t, err, os.ErrClosed)
		} else {
			reading()
		}
		assert.Equal(t, 2, reads)
		assert.Equal(t, "read ", s.String())
		assert.Zero(t, b.Buffered())
		assert.Equal(t, 32, b.Size())
	}
}

// If the BufWriter is reset while ReadFrom reads, ReadFrom writes to the new Writer.
func TestBufWriterResetWhileItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 32, wasiotest.Plan{})
		w2, s2 := newWriter(t, wasiotest.Plan{})
		b.WriteString("discarded")
		n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
			b.Reset(w2)
			return copy(p, "kept"), io.EOF
		}))
		require.NoError(t, err)
		assert.EqualValues(t, 4, n)
		assert.Equal(t, 4, b.Buffered())
		require.NoError(t, b.Flush())
		assert.Empty(t, s.Calls())
		assert.Equal(t, "kept", s2.String())
	})
}

// ReadFrom returns an error that another call got while it read.
func TestBufWriterFailsWhileItReads(t *testing.T) {
	b, s := newBufWriter(t, 32, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	var failure error
	n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
		b.WriteString("x")
		failure = b.Flush()
		return copy(p, "read"), nil
	}))
	assert.Zero(t, n)
	require.Error(t, failure)
	assert.Same(t, failure, err)
	assert.Empty(t, s.String())
}

// Two calls of ReadFrom do not wait for each other, so one producer may feed both sources
// in turn.
func TestBufWriterTwoReadersAtOnce(t *testing.T) {
	lines := [2]string{"01234", "abcde"}
	for _, lineMode := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, s := newBufWriter(t, 64, wasiotest.Plan{Permits: []uint64{5, 0}, FlushWaits: []int{1}})
			b.SetLineMode(lineMode)
			var feeds [2]*io.PipeWriter
			var wg sync.WaitGroup
			for i := range feeds {
				r, feed := io.Pipe()
				feeds[i] = feed
				wg.Go(func() {
					n, err := b.ReadFrom(r)
					assert.NoError(t, err)
					assert.EqualValues(t, 600, n)
				})
				synctest.Wait() // it reads
			}
			for i := range 200 {
				fmt.Fprintln(feeds[i%2], lines[i%2])
			}
			for _, feed := range feeds {
				feed.Close()
			}
			wg.Wait()
			assert.Equal(t, 64, b.Size())
			assert.Equal(t, 64, b.Available()+b.Buffered())
			require.NoError(t, b.Flush())
			for _, line := range lines {
				only := strings.Map(func(r rune) rune {
					if strings.ContainsRune(line, r) {
						return r
					}
					return -1
				}, s.String())
				assert.Equal(t, strings.Repeat(line, 100), only)
				if lineMode { // otherwise a line may be read in two pieces
					assert.Equal(t, 100, strings.Count(s.String(), line+"\n"))
				}
			}
		})
	}
}

// ReadFrom writes and counts bytes that are read together with an error.
func TestBufWriterReadFromCountsBytesThatComeWithAnError(t *testing.T) {
	broken := errors.New("broken reader")
	for _, lineMode := range []bool{false, true} {
		b, s := newBufWriter(t, 16, wasiotest.Plan{})
		b.SetLineMode(lineMode)
		n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) { return copy(p, "a\nb"), broken }))
		assert.Same(t, broken, err)
		assert.EqualValues(t, 3, n)
		_, err = b.WriteString("c")
		require.NoError(t, err, "the stream is not to blame")
		require.NoError(t, b.Flush())
		assert.Equal(t, "a\nbc", s.String())
	}
}

// In line mode ReadFrom flushes up to the last newline after each Read.
func TestBufWriterReadFromInLineMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 64, wasiotest.Plan{Hold: true, FlushWaits: []int{1}})
		b.SetLineMode(true)
		b.WriteString("0")
		steps := []struct{ read, out string }{
			{"no end", ""},
			{" now\nand", "0no end now\n"},
			{" then\nsome\nmore", "0no end now\nand then\nsome\n"},
			{"\n", "0no end now\nand then\nsome\nmore\n"},
			{"end", "0no end now\nand then\nsome\nmore\n"},
		}
		at := 0
		n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
			if at > 0 {
				assert.Equal(t, steps[at-1].out, s.String())
			}
			if at == len(steps) {
				return 0, io.EOF
			}
			at++
			return copy(p, steps[at-1].read), nil
		}))
		require.NoError(t, err)
		assert.EqualValues(t, len("no end now\nand then\nsome\nmore\nend"), n)
		assert.Equal(t, 3, b.Buffered())
		assert.Equal(t, 3, s.Count("flush"))
		assert.Equal(t, 3, s.Count("write"))
	})
}

// ReadFrom does not read on after an error.
func TestBufWriterReadFromStopsAtAnError(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"write": {Faults: []wasiotest.Fault{{At: "write", Then: wasiotest.ThenWorks}}},
		"flush": {Faults: []wasiotest.Fault{{At: "flush", Then: wasiotest.ThenWorks}}},
	} {
		b, s := newBufWriter(t, 16, plan)
		b.SetLineMode(true)
		reads := 0
		n, err := b.ReadFrom(readerFunc(func(p []byte) (int, error) {
			reads++
			return copy(p, "line\n"), nil
		}))
		require.ErrorAs(t, err, new(*wasio.Error), name)
		assert.EqualValues(t, 5, n, "that the buffer or the host took")
		assert.Equal(t, 1, reads)
		assert.Equal(t, 1, s.Count("error.drop"))
		_, again := b.ReadFrom(readerFunc(func([]byte) (int, error) {
			t.Error("Read after an error")
			return 0, io.EOF
		}))
		assert.Same(t, err, again)
	}
}

// What a slow Read returns is flushed because the next Read may wait. After the last one there is
// no need.
func TestBufWriterReadFromDoesNotFlushTheLastRead(t *testing.T) {
	for _, end := range []error{io.EOF, errors.New("broken")} {
		synctest.Test(t, func(t *testing.T) {
			b, s := newBufWriter(t, 64, wasiotest.Plan{})
			b.ReadFrom(readerFunc(func(p []byte) (int, error) {
				time.Sleep(time.Second)
				return copy(p, "all"), end
			}))
			assert.Equal(t, 3, b.Buffered())
			assert.Empty(t, s.Calls())
		})
	}
}

// What is in the buffer is flushed after a slow Read, even one that returns nothing, since the
// next Read may wait again.
func TestBufWriterReadFromFlushesAfterASlowReadOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := newBufWriter(t, 64, wasiotest.Plan{})
		_, err := b.WriteString("prompt: ")
		require.NoError(t, err)
		reads := 0
		_, err = b.ReadFrom(readerFunc(func([]byte) (int, error) {
			if reads++; reads == 2 {
				assert.Equal(t, "prompt: ", s.String())
				return 0, io.EOF
			}
			time.Sleep(time.Second)
			return 0, nil
		}))
		require.NoError(t, err)
	})
}

// So does the ReadFrom of a Writer, if the Read before filled its buffer.
func TestReadFromFlushesAfterAReadOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where no Read takes a millisecond
		w, s := newWriter(t, wasiotest.Plan{Hold: true})
		reads := 0
		_, err := w.ReadFrom(readerFunc(func(p []byte) (int, error) {
			switch reads++; reads {
			case 1:
				return len(p), nil
			case 2:
				assert.Zero(t, s.Count("flush"))
				return 0, nil
			}
			assert.Equal(t, 1, s.Count("flush"))
			return 0, io.EOF
		}))
		require.NoError(t, err)
		assert.Equal(t, 1, s.Count("flush"))
	})
}

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
