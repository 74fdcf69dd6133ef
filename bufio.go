package wasio

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/wasio-dev/wasio/internal/platform"
)

const (
	defaultBufSize = 64 << 10
	minBufSize     = 16
	maxEmptyReads  = 100 // in a row, which ReadFrom tolerates
)

// A BufWriter buffers small writes to a [Writer]. When its buffer is full, it hands the bytes
// to the host without a flush. After the last write, call [BufWriter.Flush], which hands over
// the rest and flushes. In line mode each newline does what Flush does.
//
// Unlike a [bufio.Writer] on the Writer, it is safe for concurrent use, flushes the stream only
// when asked to, and loses no byte if it goes on after a timeout. After any other error every
// later call returns the same error.
//
// Calls on one BufWriter are never interleaved, except that other calls may use it while
// ReadFrom reads from its source. A Write to the Writer itself may come between two pieces of a
// longer one to the BufWriter.
//
// The zero BufWriter is closed. [BufWriter.Reset] opens it.
type BufWriter struct {
	// mu guards all fields, except that SetWriteDeadline reads w without it. It is locked
	// before the mu of w.
	mu platform.Mutex

	w     platform.Pointer[Writer] // nil if b is not open
	buf   []byte                   // cap(buf) is the size; ReadFrom lends the end of it to a Read
	n     int                      // how many bytes are in buf
	err   error                    // the first error that sticks
	lines bool                     // line mode
}

// NewBufWriter returns a BufWriter on w with a buffer of 64 KiB. It is in line mode on
// [Stderr], and on [Stdout] if that is a terminal, as wasi:cli/terminal-stdout says.
func NewBufWriter(w *Writer) *BufWriter {
	return NewBufWriterSize(w, defaultBufSize)
}

// NewBufWriterSize is like NewBufWriter, but its buffer has at least size bytes. If size is 0
// or less, the buffer has 64 KiB. In a guest, a goroutine that fills the buffer lets others run
// once in 256 KiB, or only when the buffer is full if it is larger.
func NewBufWriterSize(w *Writer, size int) *BufWriter {
	if size <= 0 {
		size = defaultBufSize
	}
	b := &BufWriter{buf: make([]byte, max(size, minBufSize))}
	b.Reset(w)
	b.lines = w != nil && w.standard != nil && w.standard.lineMode()
	return b
}

// SetLineMode turns line mode on or off. In line mode a write that contains a newline
// returns when everything up to the last newline is out and flushed.
func (b *BufWriter) SetLineMode(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = on
}

// Reset discards the bytes in the buffer, clears any error, and makes b write to w. Line mode
// stays as it is. Reset neither flushes nor closes the old Writer. Bytes already handed to that
// Writer are flushed by its next Flush or Close.
func (b *BufWriter) Reset(w *Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf == nil {
		b.buf = make([]byte, defaultBufSize)
	}
	b.w.Store(w)
	b.n, b.err = 0, nil
	if w == nil {
		b.err = notOpen("write")
	} else {
		b.mu.ParkAs(&w.mu)
	}
}

// Size returns the size of the buffer in bytes.
func (b *BufWriter) Size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return cap(b.buf)
}

// Buffered returns the number of bytes in the buffer.
func (b *BufWriter) Buffered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.n
}

// Available returns how many bytes are unused in the buffer.
func (b *BufWriter) Available() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.buf) - b.n
}

// Write writes p. It returns the number of bytes that the buffer or the host took, which is
// less than len(p) only with an error. The error may be about bytes written before.
func (b *BufWriter) Write(p []byte) (n int, err error) {
	if b.mu.Enter() {
		if !b.lines && b.err == nil && len(p) < len(b.buf)-b.n {
			n = platform.CopyShort(b.buf[b.n:], p)
			b.n += n
			b.mu.Leave()
			return n, nil
		}
		b.mu.Leave()
	}
	return b.writeSlow(p)
}

// writeSlow is a separate function because with TinyGo a function with a deferred call is slower
// even where it does not reach that call.
//
//go:noinline
func (b *BufWriter) writeSlow(p []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writeLocked(p)
}

// WriteString is like Write, but writes a string, without a copy on the way to the buffer.
func (b *BufWriter) WriteString(s string) (n int, err error) {
	return b.Write(bytesOf(s))
}

// WriteByte writes one byte. If it times out, the byte was not taken and can be written again.
// So in line mode, if the deadline passes after the host has taken a newline and before it has
// flushed it, WriteByte succeeds and leaves the flush to a later call.
func (b *BufWriter) WriteByte(c byte) error {
	p := [1]byte{c}
	return b.put(p[:])
}

// WriteRune writes one code point as UTF-8 and returns its size in bytes. With an error the
// size is 0, and a timeout means what it means for WriteByte.
func (b *BufWriter) WriteRune(r rune) (size int, err error) {
	var p [utf8.UTFMax]byte
	size = utf8.EncodeRune(p[:], r)
	if err := b.put(p[:size]); err != nil {
		return 0, err
	}
	return size, nil
}

// put writes p, which is one byte or one rune. If it times out, none of p was taken.
func (b *BufWriter) put(p []byte) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err = b.refusalLocked(); err == nil && len(b.buf)-b.n < len(p) {
		err = b.drainLocked(b.n, false)
	}
	if err != nil {
		return err
	}
	for _, c := range p { // copy would be slower: a call out of the guest, for a few bytes
		b.buf[b.n] = c
		b.n++
	}
	if !b.lines || p[0] != '\n' {
		return nil
	}
	err = b.drainLocked(b.n, true)
	if err != nil && b.n > 0 {
		b.n-- // the newline, which is the last byte
	} else if isTimeout(err) {
		return nil
	}
	return err
}

// ReadFrom reads from r into the buffer until [io.EOF]. It returns the number of bytes that the
// buffer or the host took and the first error of the stream or of r. It does not flush at the
// end, except up to the last newline in line mode.
//
// After a Read that took a millisecond or longer, ReadFrom flushes all that is in the buffer
// before it reads again, so data that comes slowly is seen as it comes. What a faster Read
// returned may stay in the buffer while the next one waits. If the deadline has passed,
// ReadFrom does not read.
//
// While it reads, other calls may use b. A second ReadFrom at the same time uses its own
// 512-byte buffer, which a timeout may lose.
func (b *BufWriter) ReadFrom(r io.Reader) (n int64, err error) {
	return readAll(r, b.readOnce)
}

// readOnce writes what one Read of r returns. The Read gets the free end of the buffer.
// Meanwhile other calls use the rest, which has room for at least one rune.
func (b *BufWriter) readOnce(r io.Reader) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err = b.refusalLocked(); err == nil && b.n == cap(b.buf) {
		err = b.drainLocked(b.n, false)
	}
	if err == nil && b.w.Load().overdue() {
		err = timeout()
	}
	if err != nil {
		return 0, err
	}
	var p []byte
	taken := len(b.buf) < cap(b.buf) // by another ReadFrom
	if taken {
		p = make([]byte, 512)
	} else {
		end := max(b.n, utf8.UTFMax)
		p, b.buf = b.buf[end:], b.buf[:end]
	}
	began, live := platform.Now(), false
	func() {
		b.mu.Unlock()
		defer func() { // also if r panics
			b.mu.Lock()
			if !taken {
				b.buf = b.buf[:cap(b.buf)]
			}
		}()
		n, err = r.Read(p)
		live = platform.Now()-began >= atOnce
	}()
	werr := b.err
	if werr != nil { // of another call, while r was reading
		n = 0
	} else if taken {
		n, werr = b.writeLocked(p[:n])
	} else {
		b.n += copy(b.buf[b.n:], p[:n])
		if end := b.lineEndLocked(b.buf[:b.n]); end > 0 {
			werr = b.drainLocked(end, true)
		}
	}
	if live && err == nil && werr == nil { // r had to wait, and may again
		werr = b.drainLocked(b.n, true)
	}
	if werr != nil {
		err = werr
	}
	return n, err
}

// Flush hands the bytes in the buffer to the host, flushes, and waits until the flush is
// complete. If nothing was written since the last flush, it does nothing.
func (b *BufWriter) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flushLocked()
}

// Sync calls Flush. Loggers such as zap look for a method of this name.
func (b *BufWriter) Sync() error { return b.Flush() }

// Close flushes, closes the Writer, and returns the first error. Later calls return an error
// that matches [os.ErrClosed], except that a second Close does nothing.
//
// On [Stdout] and [Stderr], if Close times out, b stays open, as its Writer does, and keeps the
// bytes in the buffer.
func (b *BufWriter) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.w.Load()
	if w == nil {
		return nil
	}
	err := b.flushLocked()
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if w.standard != nil && isTimeout(err) {
		return err
	}
	b.w.Store(nil)
	b.n, b.err = 0, notOpen("write")
	return err
}

// writeLocked implements Write.
func (b *BufWriter) writeLocked(p []byte) (n int, err error) {
	if err := b.refusalLocked(); err != nil {
		return 0, err
	}
	if b.lines && b.n == 0 && len(p) > 0 && p[len(p)-1] == '\n' {
		return b.handLocked(p, true)
	}
	if end := b.lineEndLocked(p); end > 0 {
		if n, err = b.appendLocked(p[:end]); err == nil {
			err = b.drainLocked(b.n, true)
		}
		if err != nil || n == len(p) {
			return n, err
		}
	}
	m, err := b.appendLocked(p[n:])
	return n + m, err
}

// lineEndLocked returns how many bytes of p line mode must flush: up to the last newline.
func (b *BufWriter) lineEndLocked(p []byte) int {
	if !b.lines {
		return 0
	}
	return bytes.LastIndexByte(p, '\n') + 1
}

// appendLocked puts p into the buffer, and drains it whenever it is full. A write that would
// fill an empty buffer bypasses it.
func (b *BufWriter) appendLocked(p []byte) (n int, err error) {
	for b.n > 0 || len(p)-n < len(b.buf) {
		m := copy(b.buf[b.n:], p[n:])
		b.n += m
		n += m
		if n == len(p) {
			return n, nil
		}
		if err := b.drainLocked(b.n, false); err != nil {
			return n, err
		}
	}
	m, err := b.handLocked(p[n:], false)
	return n + m, err
}

// flushLocked implements Flush.
func (b *BufWriter) flushLocked() error {
	if b.w.Load() == nil {
		return notOpen("flush")
	}
	if err := b.refusalLocked(); err != nil {
		return err
	}
	return b.drainLocked(b.n, true)
}

// refusalLocked returns the error of a call that must not reach the Writer, or nil.
func (b *BufWriter) refusalLocked() error {
	if b.err != nil {
		yield(0) // for loops that ignore the error
	}
	return b.err
}

// drainLocked hands the first n bytes in the buffer to the host, and flushes if flush is set.
// Bytes that the host does not take stay in the buffer.
func (b *BufWriter) drainLocked(n int, flush bool) error {
	m, err := b.handLocked(b.buf[:n], flush)
	yield(m << 2) // for the many calls that filled the buffer
	copy(b.buf, b.buf[m:b.n])
	b.n -= m
	return err
}

// handLocked hands p to the host. If flush is set, it also flushes what is not flushed yet.
func (b *BufWriter) handLocked(p []byte, flush bool) (n int, err error) {
	w := b.w.Load()
	if w == nil {
		return 0, notOpen("write")
	}
	if len(p) > 0 {
		n, err = w.transfer(p, flush)
	} else {
		err = w.settle()
	}
	if err != nil && !isTimeout(err) {
		b.err = err
	}
	return n, err
}
