package host

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// A sink is what one or more output-stream handles write to.
type sink struct {
	flow
	out      io.Writer
	flushing bool

	epoch   uint64 // moves on when the permits given out become void
	held    []byte
	cuts    []int // where the pieces in held end
	untaken bool  // whether nothing was permitted since the last write
}

// A stream is one output-stream handle.
type stream struct {
	*sink
	parent
	permit uint64
	epoch  uint64
}

func (*stream) kind() string { return "output-stream" }

func (h *Host) newSink(p Plan, out io.Writer) *sink {
	h.most = cmp.Or(p.Handles, h.most)
	return &sink{flow: h.newFlow(p), out: out}
}

// maxPiece is the most bytes that an engine carries in one call. It is Wasmtime's limit.
const maxPiece = 128 << 20

// maxHeld is the most bytes that a stream holds, so that a guest that never flushes does not use
// up the memory of its host.
const maxHeld = 256 << 20

// CheckWrite is output-stream.check-write.
func (h *Host) CheckWrite(handle uint32) Result {
	c := h.begin(OpCheckWrite, handle)
	defer h.end(&c)
	s := lookup[*stream](h, handle)
	permit, fault := s.ask(false)
	s.permit, s.epoch = permit, s.sink.epoch
	return h.result(&c, Result{Permit, permit}, fault)
}

// Write is output-stream.write.
func (h *Host) Write(handle uint32, contents []byte) Result {
	return h.write(OpWrite, handle, uint64(len(contents)), contents)
}

// WriteZeroes is output-stream.write-zeroes.
func (h *Host) WriteZeroes(handle uint32, n uint64) Result {
	return h.write(OpWriteZeroes, handle, n, nil)
}

// write writes n bytes: contents, or zeroes if that is nil.
func (h *Host) write(op Op, handle uint32, n uint64, contents []byte) Result {
	c := h.begin(op, handle)
	defer h.end(&c)
	c.Arg = n
	s := lookup[*stream](h, handle)
	switch {
	case s.flushing:
		fail("write while a flush is under way")
	case s.permit == 0:
		fail("write of %d bytes without a permit: check-write must come right before it", n)
	case s.epoch != s.sink.epoch:
		fail("write of %d bytes on a permit that a write or flush in between has used up", n)
	case n > s.permit:
		fail("write of %d bytes on a permit of %d", n, s.permit)
	case n > maxPiece:
		fail("write of %d bytes in one call; %d is the most", n, maxPiece)
	case contents == nil:
		contents = make([]byte, n)
	}
	s.permit = 0 // it is for one write, even one that fails
	return h.result(&c, Result{Kind: Done}, s.accept(contents))
}

// Flush is output-stream.flush.
func (h *Host) Flush(handle uint32) Result { return h.flush(OpFlush, handle, (*sink).startFlush) }

// BlockingFlush is output-stream.blocking-flush.
func (h *Host) BlockingFlush(handle uint32) Result {
	return h.flush(OpBlockingFlush, handle, (*sink).blockingFlush)
}

func (h *Host) flush(op Op, handle uint32, flush func(*sink) *Fault) Result {
	c := h.begin(op, handle)
	defer h.end(&c)
	return h.result(&c, Result{Kind: Done}, flush(lookup[*stream](h, handle).sink))
}

// BlockingWriteAndFlush is output-stream.blocking-write-and-flush. More than 4096
// bytes are a trap, as on Wasmtime.
func (h *Host) BlockingWriteAndFlush(handle uint32, contents []byte) Result {
	return h.blockingWrite(OpBlockingWriteAndFlush, handle, uint64(len(contents)), contents)
}

// BlockingWriteZeroesAndFlush is output-stream.blocking-write-zeroes-and-flush.
func (h *Host) BlockingWriteZeroesAndFlush(handle uint32, n uint64) Result {
	return h.blockingWrite(OpBlockingWriteZeroesAndFlush, handle, n, nil)
}

func (h *Host) blockingWrite(op Op, handle uint32, n uint64, contents []byte) Result {
	c := h.begin(op, handle)
	defer h.end(&c)
	c.Arg = n
	s := lookup[*stream](h, handle)
	if n > 4096 {
		fail("%s of %d bytes; 4096 is the most", op, n)
	}
	if contents == nil {
		contents = make([]byte, n)
	}
	for len(contents) > 0 {
		n, fault := s.ask(true)
		n = min(n, uint64(len(contents)))
		if fault == nil {
			fault = s.accept(contents[:n])
		}
		if fault != nil {
			return h.result(&c, Result{Kind: Done}, fault)
		}
		contents = contents[n:]
	}
	fault := s.blockingFlush()
	if fault != nil && fault.Closed {
		fault = nil // closed by this write and flush, which is success (WIT 0.2.7)
	}
	return h.result(&c, Result{Kind: Done}, fault)
}

// Subscribe is output-stream.subscribe.
func (h *Host) Subscribe(handle uint32) uint32 {
	c := h.begin(OpSubscribe, handle)
	defer h.end(&c)
	s := lookup[*stream](h, handle)
	return c.handle(h.add(h.newPollable().watch(&s.flow, &s.parent)))
}

// DropStream is [resource-drop]output-stream. It may wait until all that was written is taken.
func (h *Host) DropStream(handle uint32) {
	drop(h, OpDropStream, handle, func(_ *Host, s *stream) {
		for range maxSpurious + s.waitsLeft {
			if !s.DropWaits || !s.untaken || s.over() || s.grant() > 0 {
				return
			}
			s.wait()
		}
	})
}

// strike makes the stream fail or close, unless f is nil. If it closes and f is not Lost, the
// bytes that it holds are delivered.
func (s *sink) strike(f *Fault) {
	if f == nil {
		return
	}
	s.flushing, s.left = false, 0
	s.flow.strike(f)
	if f.Closed && !f.Lost {
		s.deliver() // if that fails, the stream is closed all the same
	}
	s.held, s.cuts = s.held[:0], s.cuts[:0]
}

// grant returns how many bytes are permitted now. It repeats a permit that nobody has used.
func (s *sink) grant() uint64 {
	if s.advance(); s.flushing && !s.stalled() {
		s.endFlush()
	}
	if s.stalled() || s.over() {
		return 0
	}
	n := s.offer()
	s.untaken = s.untaken && n == 0
	return n
}

// accept writes contents, for which there is a permit. It returns the failure that the call
// reports, or nil.
func (s *sink) accept(contents []byte) *Fault {
	if f := s.faultAt(AtWrite); f != nil {
		s.putPart(contents[:min(f.Partial, uint64(len(contents)))])
		s.strike(f)
	}
	if fault := s.report(); fault != nil {
		return fault
	}
	s.clock.spins = 0
	s.take(uint64(len(contents)))
	var err error
	switch {
	case s.Hold:
		if len(s.held)+len(contents) > maxHeld {
			fail("more than %d bytes written and not flushed", maxHeld)
		}
		s.held = append(s.held, contents...)
		s.cuts = append(s.cuts, len(s.held))
	case s.HoldLine:
		err = s.putLines(contents)
	default:
		err = s.put(contents)
	}
	s.strike(s.faultOf(err))
	return s.report()
}

// take counts n bytes that were written, and voids the permits given out.
func (s *sink) take(n uint64) {
	s.epoch++
	s.left = 0
	s.moved += n
	s.untaken = s.untaken || n > 0
}

// maxLine is how many bytes of an incomplete line are held: as many as in Rust's standard output.
const maxLine = 1024

// putLines delivers the lines in contents, with what was held before, and holds the rest. Like
// Rust, it delivers what is held alone if a piece does not fit, and a piece alone if it is long.
func (s *sink) putLines(contents []byte) error {
	end := bytes.LastIndexByte(contents, '\n') + 1
	for _, piece := range [][]byte{contents[:end], contents[end:]} {
		if len(s.held)+len(piece) > maxLine || bytes.HasSuffix(s.held, []byte{'\n'}) {
			if err := s.deliver(); err != nil {
				return err
			}
		}
		if len(piece) >= maxLine {
			if err := s.put(piece); err != nil {
				return err
			}
		} else if len(piece) > 0 {
			s.held = append(s.held, piece...)
			s.cuts = append(s.cuts[:0], len(s.held))
		}
	}
	return nil
}

// putPart delivers what is held and then part of a write that fails. It ignores errors of the
// sink, because the write has an error of its own.
func (s *sink) putPart(part []byte) {
	if len(part) == 0 {
		return
	}
	s.take(uint64(len(part)))
	if s.deliver() == nil {
		s.put(part)
	}
}

// startFlush begins a flush, unless one is under way. It returns the failure that the call
// reports, or nil. Like Rust, it delivers a line that is held at once.
func (s *sink) startFlush() *Fault {
	s.strike(s.faultAt(AtFlush))
	if fault := s.report(); fault != nil || s.flushing {
		return fault
	}
	s.epoch++
	s.left = 0
	if s.HoldLine && !s.Hold {
		if fault := s.faultOf(s.deliver()); fault != nil {
			s.strike(fault)
			return s.report()
		}
	}
	s.flushing = true
	s.stall(s.script.FlushWaits())
	if s.waitsLeft == 0 {
		s.endFlush()
	}
	return nil
}

// endFlush ends a flush: what is held is delivered, or the stream fails.
func (s *sink) endFlush() {
	s.flushing = false
	fault := s.faultAt(AtFlushed)
	if fault == nil {
		fault = s.faultOf(s.deliver())
	}
	s.strike(fault)
}

// blockingFlush flushes, and waits until that is complete.
func (s *sink) blockingFlush() *Fault {
	fault := s.startFlush()
	if fault == nil {
		_, fault = s.ask(true)
	}
	return fault
}

// deliver passes on the bytes that are held, piece by piece.
func (s *sink) deliver() error {
	defer func() { s.held, s.cuts = s.held[:0], s.cuts[:0] }()
	from := 0
	for _, to := range s.cuts {
		if err := s.put(s.held[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (s *sink) put(record []byte) error {
	n, err := s.out.Write(record)
	if err == nil && n < len(record) {
		err = io.ErrShortWrite
	}
	return err
}

// faultOf returns the failure of a stream whose sink returned err, or nil if that is nil. The
// stream closes if the reader has gone.
func (s *sink) faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	gone := errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, fs.ErrClosed)
	f := &Fault{Closed: gone, Text: err.Error()}
	if s.WorksAgain {
		f.Then = ThenWorks
	}
	return f
}

// ask returns how many bytes are permitted, or the failure that the call reports. If waits is set,
// it waits for a permit or a failure.
func (s *sink) ask(waits bool) (n uint64, fault *Fault) {
	s.try(waits, "permits nothing", func() bool {
		s.strike(s.faultAt(AtCheckWrite))
		if fault = s.report(); fault == nil {
			n = s.grant()
		}
		return fault != nil || n > 0
	})
	return n, fault
}
