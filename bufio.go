package wasio

import (
	"bytes"
	"io"
	"unicode/utf8"
)

const (
	defaultBufSize = 64 << 10
	minBufSize     = 16 // room for a rune, and then some
)

// A BufWriter gathers small writes for a [Writer]. When its buffer is full it hands the
// bytes to the host without having it flush; [BufWriter.Flush] does both, and is owed
// after the last write. In line mode every line end does.
//
// It differs from a [bufio.Writer] on the Writer in that it is safe for concurrent use,
// has the host flush only when asked to, and goes on after a timeout with no byte lost.
// After any other error every later call returns the same error.
//
// Calls of one BufWriter never interleave, but a Write to the Writer itself may come
// between two pieces of a longer one to the BufWriter.
//
// The zero BufWriter is ready for use after [BufWriter.Reset].
type BufWriter struct {
	mu    mutex
	w     *Writer
	buf   []byte
	n     int   // bytes in buf
	err   error // the first error
	lines bool  // line mode
	owed  bool  // the host has bytes that it was not asked to flush
}

var (
	_ io.WriteCloser  = (*BufWriter)(nil)
	_ io.StringWriter = (*BufWriter)(nil)
	_ io.ByteWriter   = (*BufWriter)(nil)
	_ io.ReaderFrom   = (*BufWriter)(nil)
)

// NewBufWriter returns a BufWriter on w with a buffer of 64 KiB. On [Stdout] or [Stderr]
// it is in line mode if that is a terminal, as wasi:cli/terminal-stdout says.
func NewBufWriter(w *Writer) *BufWriter {
	return NewBufWriterSize(w, defaultBufSize)
}

// NewBufWriterSize is NewBufWriter with a buffer of at least size bytes. If size is 0 or
// less, it is the default size.
func NewBufWriterSize(w *Writer, size int) *BufWriter {
	if size <= 0 {
		size = defaultBufSize
	}
	return &BufWriter{w: w, buf: make([]byte, max(size, minBufSize)), lines: isTerminal(w)}
}

// SetLineMode turns line mode on or off. In line mode a write that contains a newline
// returns when everything up to the last newline is out and flushed.
func (b *BufWriter) SetLineMode(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = on
}

// Reset discards what is buffered, clears the error, and makes b write to w, with the
// buffer and the mode that it has. It does not close the Writer that b had.
func (b *BufWriter) Reset(w *Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf == nil {
		b.buf = make([]byte, defaultBufSize)
	}
	b.w, b.n, b.err, b.owed = w, 0, nil, false
}

// Size returns the size of the buffer in bytes.
func (b *BufWriter) Size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.buf)
}

// Buffered returns how many bytes are in the buffer.
func (b *BufWriter) Buffered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// Available returns how many bytes the buffer has room for.
func (b *BufWriter) Available() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.buf) - b.n
}

// Write writes p. It returns the number of bytes that are in the buffer or with the
// host, which is less than len(p) only with an error. The error may be of bytes that
// were written before.
func (b *BufWriter) Write(p []byte) (n int, err error) {
	b.mu.Lock()
	// What is often done is done here; writeLocked does it too, with more calls.
	if b.lines {
		if b.n == 0 && !b.owed && len(p) > 0 && p[len(p)-1] == '\n' {
			w := b.w
			b.mu.Unlock()
			if w.atOnce(p) {
				return len(p), nil
			}
			b.mu.Lock()
		}
	} else if b.err == nil {
		if len(p) < len(b.buf)-b.n {
			n = copyShort(b.buf[b.n:], p)
			b.n += n
			b.mu.Unlock() // to defer it would take longer than the copy
			return n, nil
		}
		if b.n == 0 {
			return b.passLocked(p, write)
		}
	}
	return b.writeLocked(p)
}

// write is Write where there is more to it than a copy.
func (b *BufWriter) write(p []byte) (n int, err error) {
	if b.lines {
		if end := bytes.LastIndexByte(p, '\n') + 1; end > 0 {
			if n, err = b.addLines(p[:end]); err != nil {
				return n, err
			}
			p = p[end:]
		}
	}
	m, err := b.add(p)
	return n + m, err
}

// WriteString is Write without a copy of s on the way to the buffer.
func (b *BufWriter) WriteString(s string) (n int, err error) {
	return b.Write(bytesOf(s))
}

// WriteByte writes one byte.
func (b *BufWriter) WriteByte(c byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.room(1); err != nil {
		return err
	}
	b.buf[b.n] = c
	b.n++
	return b.ended(c == '\n')
}

// WriteRune writes one code point as UTF-8 and returns its size in bytes.
func (b *BufWriter) WriteRune(r rune) (size int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	need := utf8.UTFMax
	if uint32(r) < utf8.RuneSelf {
		need = 1
	}
	if err := b.room(need); err != nil {
		return 0, err
	}
	size = len(utf8.AppendRune(b.buf[b.n:b.n], r))
	b.n += size
	return size, b.ended(r == '\n')
}

// ReadFrom writes what r returns until [io.EOF]. It returns the number of bytes as Write
// does, and the first error of the stream or of r. It does not flush, but for line ends
// in line mode. Other calls may come in between while it reads.
func (b *BufWriter) ReadFrom(r io.Reader) (n int64, err error) {
	if _, err := b.Write(nil); err != nil {
		return 0, err
	}
	return io.Copy(struct{ io.Writer }{b}, r)
}

// Flush hands what is buffered to the host, has it flush, and waits until that is
// complete. If nothing was written since the last time, it does nothing.
func (b *BufWriter) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flush()
}

// Close flushes, closes the Writer, and returns the first error. Calls after it return
// an error that matches [os.ErrClosed], but a second Close does nothing.
func (b *BufWriter) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w == nil {
		return nil
	}
	err := b.flush()
	if cerr := b.w.Close(); err == nil {
		err = cerr
	}
	b.w, b.n, b.err = nil, 0, errNotOpen
	return err
}

// add puts p into the buffer and, as often as that is full, hands it to the host. What
// finds the buffer empty and would fill it goes to the host as it is.
func (b *BufWriter) add(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	for {
		rest := p[n:]
		if b.n == 0 && len(rest) >= len(b.buf) {
			m, err := b.pass(rest, write)
			return n + m, err
		}
		m := copy(b.buf[b.n:], rest)
		b.n += m
		n += m
		if m == len(rest) {
			return n, nil
		}
		if err := b.drain(write); err != nil {
			return n, err
		}
	}
}

// room makes the buffer have room for n bytes, which must not be more than minBufSize.
func (b *BufWriter) room(n int) error {
	if b.err != nil {
		return b.err
	}
	if len(b.buf)-b.n < n {
		return b.drain(write)
	}
	return nil
}

// ended flushes if the line that was just written is at an end and that matters.
func (b *BufWriter) ended(line bool) error {
	if line && b.lines {
		return b.flush()
	}
	return nil
}

// addLines adds p, which ends a line, and flushes.
func (b *BufWriter) addLines(p []byte) (n int, err error) {
	if b.n == 0 {
		return b.pass(p, writeAndFlush)
	}
	if n, err = b.add(p); err != nil {
		return n, err
	}
	return n, b.flush()
}

// flush hands what is buffered to the host and has it flush.
func (b *BufWriter) flush() error {
	if b.err != nil || b.n == 0 && !b.owed {
		return b.err
	}
	t := writeAndFlush
	if b.n == 0 {
		t = flush
	}
	return b.drain(t)
}

// drain hands the buffer to the host. What that does not take stays.
func (b *BufWriter) drain(t task) error {
	n, err := b.pass(b.buf[:b.n], t)
	b.n = copy(b.buf, b.buf[n:b.n])
	return err
}

// pass is that of the Writer, or faster.
func (b *BufWriter) pass(p []byte, t task) (n int, err error) {
	if b.w == nil {
		b.err = errNotOpen
		return 0, b.err
	}
	if t == writeAndFlush && b.w.atOnce(p) {
		b.owed = false
		return len(p), nil
	}
	n, err = b.w.pass(p, t)
	b.owed = (b.owed || n > 0) && (t == write || err != nil)
	if err != nil {
		b.fail(err)
	}
	return n, err
}

// fail makes an error of the Writer that of b, if it is one that sticks.
//
//go:noinline
func (b *BufWriter) fail(err error) {
	if !isTimeout(err) {
		b.err = err
	}
}
