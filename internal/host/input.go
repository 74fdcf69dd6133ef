package host

import (
	"cmp"
	"errors"
	"io"
	"sync"
)

// A source is what one or more input-stream handles read from.
type source struct {
	flow
	in    io.Reader
	ahead []byte // read and not yet taken; never more than left
	err   error  // of in; it comes after ahead
}

// An input is one input-stream handle.
type input struct {
	*source
	parent
}

func (*input) kind() string { return "input-stream" }

func (h *Host) newSource(p Plan, in io.Reader) *source {
	s := &source{flow: h.newFlow(p), in: in}
	if f, ok := in.(*Feed); ok {
		s.Background = true
		s.arrived = func() <-chan struct{} {
			if len(s.ahead) > 0 {
				return nil
			}
			return f.Arrived()
		}
	}
	return s
}

// look reads up to n bytes from the reader, or all bytes that are there if n is 0, unless bytes of
// the last read are left. It reports whether there are bytes. If not, the reader has ended or
// failed.
func (s *source) look(n uint64) bool {
	if len(s.ahead) == 0 && s.err == nil {
		p, m := make([]byte, min(s.left, maxRead, cmp.Or(n, maxRead))), 0
		for m == 0 && s.err == nil {
			m, s.err = s.in.Read(p)
		}
		s.ahead = p[:m]
	}
	return len(s.ahead) > 0
}

// NewInput returns the handle of a new input stream that behaves as p says and has the bytes
// of in. It closes where in ends and fails where in fails; [End] says which operations find that.
// Bytes that a [Feed] does not have yet make the guest wait.
func (h *Host) NewInput(p Plan, in io.Reader) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&input{source: h.newSource(p, in)})
}

// maxRead is the most bytes that a read returns, so that a guest cannot use up the memory of its
// host.
const maxRead = 1 << 20

// Read is input-stream.read. The bytes are those of a result [Done].
func (h *Host) Read(handle uint32, n uint64) ([]byte, Result) { return h.read(OpRead, handle, n) }

// BlockingRead is input-stream.blocking-read.
func (h *Host) BlockingRead(handle uint32, n uint64) ([]byte, Result) {
	return h.read(OpBlockingRead, handle, n)
}

func (h *Host) read(op Op, handle uint32, n uint64) ([]byte, Result) {
	c := h.begin(op, handle)
	defer h.end(&c)
	c.Arg = n
	p, fault := lookup[*input](h, handle).take(n, c.Waits())
	return p, h.result(&c, Result{Kind: Done}, fault)
}

// Skip is input-stream.skip.
func (h *Host) Skip(handle uint32, n uint64) Result { return h.skip(OpSkip, handle, n) }

// BlockingSkip is input-stream.blocking-skip.
func (h *Host) BlockingSkip(handle uint32, n uint64) Result {
	return h.skip(OpBlockingSkip, handle, n)
}

func (h *Host) skip(op Op, handle uint32, n uint64) Result {
	c := h.begin(op, handle)
	defer h.end(&c)
	c.Arg = n
	p, fault := lookup[*input](h, handle).take(n, c.Waits())
	return h.result(&c, Result{Permit, uint64(len(p))}, fault)
}

// Splice is output-stream.splice: check-write, a read of as many bytes as that permits, and a
// write. If the write fails, the bytes are lost, as on Wasmtime.
func (h *Host) Splice(handle, from uint32, n uint64) Result {
	return h.splice(OpSplice, handle, from, n)
}

// BlockingSplice is output-stream.blocking-splice: it waits for both streams first.
func (h *Host) BlockingSplice(handle, from uint32, n uint64) Result {
	return h.splice(OpBlockingSplice, handle, from, n)
}

func (h *Host) splice(op Op, handle, from uint32, n uint64) Result {
	c := h.begin(op, handle)
	defer h.end(&c)
	c.Source, c.Arg = from, n
	s, src := lookup[*stream](h, handle), lookup[*input](h, from).source
	s.permit = 0
	permit, fault := s.ask(c.Waits())
	var p []byte
	if n = min(n, permit); fault == nil && n > 0 {
		p, fault = src.take(n, c.Waits())
	}
	if fault == nil && len(p) > 0 {
		fault = s.accept(p)
	}
	return h.result(&c, Result{Permit, uint64(len(p))}, fault)
}

// take takes up to n of the bytes that are there, or returns the failure that the call reports. If
// waits is set, it waits for bytes or a failure.
func (s *source) take(n uint64, waits bool) (p []byte, fault *Fault) {
	findsEnd := n > 0 || s.End == EndKnown
	s.try(waits, "has no bytes", func() (ok bool) {
		if findsEnd {
			s.strike(s.faultAt(AtRead))
		}
		if s.over() {
			if n == 0 && s.End == EndSilent {
				s.spin()
			} else {
				fault = s.report()
			}
			return true
		}
		if s.advance(); s.stalled() || s.offer() == 0 {
			return false
		}
		if findsEnd && !s.look(n) {
			s.strike(&Fault{Closed: errors.Is(s.err, io.EOF), Text: s.err.Error()})
			fault = s.report()
			return true
		}
		s.clock.spins = 0
		m := min(n, uint64(len(s.ahead)))
		p, s.ahead = s.ahead[:m:m], s.ahead[m:]
		s.left -= m
		s.moved += m
		return true
	})
	return p, fault
}

// SubscribeInput is input-stream.subscribe.
func (h *Host) SubscribeInput(handle uint32) uint32 {
	c := h.begin(OpSubscribeInput, handle)
	defer h.end(&c)
	s := lookup[*input](h, handle)
	return c.handle(h.add(h.newPollable().watch(&s.flow, &s.parent)))
}

// DropInput is [resource-drop]input-stream.
func (h *Host) DropInput(handle uint32) { drop(h, OpDropInput, handle, func(*Host, *input) {}) }

// A Feed reads from a reader that may block, such as a terminal. It does so in a goroutine of its
// own, and not before the guest wants bytes, so the guest can wait for bytes and a time at once.
type Feed struct {
	in io.Reader

	mu      sync.Mutex
	bytes   []byte
	err     error         // comes after bytes
	reading chan struct{} // closed when the read under way is over; nil if there is none
}

// NewFeed returns a Feed on a reader.
func NewFeed(in io.Reader) *Feed { return &Feed{in: in} }

// Arrived returns a channel that is closed once Read would not block, or nil if Read would not
// block now.
func (f *Feed) Arrived() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bytes) > 0 || f.err != nil {
		return nil
	}
	if f.reading == nil {
		f.reading = make(chan struct{})
		go f.fill()
	}
	return f.reading
}

func (f *Feed) fill() {
	p := make([]byte, 64<<10)
	n, err := f.in.Read(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes, f.err = p[:n], err
	close(f.reading)
	f.reading = nil
}

// Read waits until there are bytes, if there are none.
func (f *Feed) Read(p []byte) (n int, err error) {
	for arrived := f.Arrived(); arrived != nil; arrived = f.Arrived() {
		<-arrived
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.bytes) == 0 {
		err = f.err
	}
	n = copy(p, f.bytes)
	f.bytes = f.bytes[n:]
	return n, err
}
