package wasio_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/choices"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// anyHost is a script that does whatever a host may do: it permits 0 to 3 bytes, or up to
// most, lets a flush take 0 to 2 waits, and fails or closes at any call.
type anyHost struct {
	*choices.Path
	most   int  // how many bytes it permits at most; 0 means 3
	waits  int  // how many waits are left
	failed bool // the stream has failed or closed
	closed bool // it has closed
}

func (h *anyHost) Permit(uint64) uint64 {
	most := cmp.Or(h.most, 3)
	if h.waits == 0 {
		return uint64(1 + h.Next(most))
	}
	n := h.Next(most + 1)
	if n == 0 {
		h.waits-- // its wake-up is spurious if another 0 follows
	}
	return uint64(n)
}

func (h *anyHost) FlushWaits() int {
	n := h.Next(min(h.waits, 2) + 1)
	h.waits -= n
	return n
}

func (h *anyHost) Fault(string, int, uint64) *host.Fault {
	kind := h.Next(3)
	if kind == 0 {
		return nil
	}
	h.failed, h.closed = true, kind == 1
	return &host.Fault{Closed: h.closed}
}

// lastBytes records the bytes delivered in one behavior.
type lastBytes struct {
	buf [32]byte
	n   int
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.n += copy(l.buf[l.n:], p)
	return len(p), nil
}

// explorer checks one behavior on a host of its own.
type explorer struct {
	host *host.Host
	base uint32
	sink lastBytes

	onCall func(*host.Call) // may be nil
}

// small makes exhaustive tests less so: with -race they would take minutes, and a mutation
// tester runs them once for each mutant.
var small bool

var payload = []byte("abcdefghijklmnopqr")

// check makes the writes on a host that behaves as the script says, and returns an error if
// the result is wrong.
func (e *explorer) check(sizes []int, hold bool, script *anyHost) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	e.sink.n = 0
	w := wasio.NewWriter(e.base | e.host.NewStream(host.Scripted(host.Plan{Hold: hold}, script), &e.sink))
	var first error
	written, counted := 0, 0
	bound := 8
	for _, size := range sizes {
		bound += 8 * (size + 2)
		p := payload[written : written+size]
		before := e.total()
		n, err := w.Write(p)
		written += size
		counted += n
		switch {
		case n < 0 || n > size || n < size && err == nil:
			return fmt.Errorf("Write returned %d of %d bytes and the error %v", n, size, err)
		case first != nil && (err != first || n != 0 || e.total() != before):
			return fmt.Errorf("after %v: returned %d, %v and made %d host calls", first, n, err, e.total()-before)
		case err != nil && !script.failed:
			return fmt.Errorf("the host did not fail, and Write returned %v", err)
		case err != nil && script.closed != errors.Is(err, io.ErrClosedPipe):
			return fmt.Errorf("the host closed the stream: %v; the error: %v", script.closed, err)
		case err == nil && script.failed && !script.closed:
			return fmt.Errorf("the host failed, and Write succeeded")
		case err == nil && e.sink.n != counted:
			return fmt.Errorf("success, but %d of %d bytes were delivered", e.sink.n, counted)
		}
		if err != nil {
			first = err
			if script.closed && n == size && size > 0 {
				return fmt.Errorf("the stream closed after it had taken all, and the error is %v", err)
			}
			written = counted // later bytes are refused
		}
		if !hold && e.sink.n != counted {
			return fmt.Errorf("counted %d bytes, delivered %d", counted, e.sink.n)
		}
	}
	if cerr := w.Close(); first != nil && cerr != first {
		return fmt.Errorf("Close returned %v after %v", cerr, first)
	}
	if e.sink.n > counted || string(e.sink.buf[:e.sink.n]) != string(payload[:e.sink.n]) {
		return fmt.Errorf("delivered %q, counted %d bytes", e.sink.buf[:e.sink.n], counted)
	}
	if calls := int(e.total()); calls > bound+8*len(script.Made) {
		return fmt.Errorf("%d host calls", calls)
	}
	if e.host.Count(host.OpDropStream) != 1 {
		return errors.New("the stream was not dropped")
	}
	return nil
}

// total returns how many calls the host has received.
func (e *explorer) total() uint64 { return e.host.Total() }

// TestExhaustive runs every behavior of a host within a bound: permits of 0 to 3 bytes,
// true and spurious wake-ups, flushes that complete at once or later, and a failure or the
// end at every call, for up to 6 bytes in up to 3 Writes.
func TestExhaustive(t *testing.T) {
	type scenario struct {
		sizes []int
		hold  bool
		waits int
	}
	var scenarios []scenario
	small := small || testing.Short()
	add := func(sizes ...int) {
		total := 0
		for _, n := range sizes {
			total += n
		}
		if total > 6 || small && total > 3 {
			return
		}
		// Each byte and each wait multiplies the behaviors, so the more there are of one,
		// the fewer there are of the other.
		waits := 5
		switch {
		case len(sizes) == 3 && total > 2:
			waits = 1
		case len(sizes) == 3 && total > 1 || len(sizes) == 2 && total > 4:
			waits = 2
		case len(sizes) > 1 && total > 1:
			waits = 4
		}
		if small {
			waits = min(waits, 1)
		}
		scenarios = append(scenarios, scenario{sizes, false, waits}, scenario{sizes, true, waits})
	}
	for a := range 7 {
		add(a)
		for b := range 7 {
			add(a, b)
			for c := range 7 {
				add(a, b, c)
			}
		}
	}
	behaviors := exploreEach(t, runtime.GOMAXPROCS(0), scenarios, func(_ int, s scenario, e *explorer, c *choices.Path) error {
		return e.check(s.sizes, s.hold, &anyHost{Path: c, waits: s.waits})
	})
	t.Logf("%d behaviors", behaviors)
	if !small {
		assert.Greater(t, behaviors, uint64(2_900_000))
	}
}

// exploreEach runs check for all choices of each scenario, in several goroutines. It tells check
// the number of the goroutine. A failure ends its scenario.
func exploreEach[Scenario any](t *testing.T, workers int, scenarios []Scenario,
	check func(worker int, s Scenario, e *explorer, c *choices.Path) error) (behaviors uint64) {
	skipInGuest(t)
	var total atomic.Uint64
	var wg sync.WaitGroup
	work := make(chan Scenario)
	for worker := range workers {
		wg.Go(func() {
			for s := range work {
				n, err := explore(t, func(e *explorer, c *choices.Path) error { return check(worker, s, e, c) })
				total.Add(n)
				if err != nil {
					t.Errorf("%+v: %v", s, err)
				}
			}
		})
	}
	for _, s := range scenarios {
		work <- s
	}
	close(work)
	wg.Wait()
	return total.Load()
}

// explore runs check for all choices, each time on a new host, until it fails. The error names
// the choices and the calls of the host.
//
// It runs in a bubble, where pauses take no time. It does not fail the T of the bubble, since
// synctest.Test would then end the goroutine that called it.
func explore(t *testing.T, check func(*explorer, *choices.Path) error) (behaviors uint64, err error) {
	var c choices.Path
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\nchoices %v", r, c.Made)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		for more := true; more; more = c.Advance() {
			if _, err = behave(&c, 1, check); err != nil {
				c.Repeat()
				calls, again := behave(&c, 1<<16, check)
				err = fmt.Errorf("%w\nchoices %v\nwith the same choices again: %v", err, c.Made, again)
				for i := range calls {
					err = fmt.Errorf("%w\n\t%v", err, &calls[i])
				}
				return
			}
			behaviors++
		}
	})
	return behaviors, err
}

// behave runs check on a new host, and returns the host's last calls.
func behave(c *choices.Path, keep int, check func(*explorer, *choices.Path) error) (calls []host.Call, err error) {
	e := new(explorer)
	h := host.New(host.Options{Clock: new(host.VirtualClock), Keep: keep, OnCall: func(c *host.Call) {
		if e.onCall != nil {
			e.onCall(c)
		}
	}})
	base, err := native.Expose(h)
	if err != nil {
		return nil, err
	}
	defer native.Withdraw(base)
	e.host, e.base = h, base
	err = check(e, c)
	if live := h.Live(); err == nil && len(live) > 0 {
		err = fmt.Errorf("not dropped: %v", live)
	}
	return h.Calls(), err
}

// spliceHost is anyHost for a stream of a splice: it may work again after it has failed, and
// deliver part of a write that fails. It records what happens.
type spliceHost struct {
	anyHost
	then    host.Then
	partial bool // a write that fails may deliver a byte
	idle    bool // it makes no more choices

	faults int     // how many there were
	at     string  // of the last fault
	op     host.Op // in which it occurred
	before host.Op // the call before that
	known  int     // of how many faults op is known
	moved  uint64  // bytes, at the last point to fail at
}

// during records that a call is over, and which call came before it.
func (h *spliceHost) during(op, before host.Op) {
	if h.faults > h.known {
		h.known, h.op, h.before = h.faults, op, before
	}
}

func (h *spliceHost) Permit(moved uint64) uint64 {
	if h.idle {
		return 1
	}
	return h.anyHost.Permit(moved)
}

func (h *spliceHost) Fault(at string, call int, moved uint64) *host.Fault {
	h.moved = moved
	if h.idle || h.failed && h.then == host.ThenWorks { // for good
		return nil
	}
	kinds := 3
	if h.partial && at == host.AtWrite {
		kinds = 5
	}
	kind := h.Next(kinds)
	if kind == 0 {
		return nil
	}
	h.failed, h.closed, h.at = true, kind%2 == 1, at
	h.faults++
	return &host.Fault{Closed: h.closed, Then: h.then, Partial: uint64(kind-1) / 2}
}

// A reading is a reader of the payload up to a length. It records whether its end was found.
type reading struct {
	n, size int
	ended   bool
}

func (r *reading) Read(p []byte) (n int, err error) {
	if r.n == r.size {
		r.ended = true
		return 0, io.EOF
	}
	n = copy(p, payload[r.n:r.size])
	r.n += n
	return n, nil
}

// A spliceCase is two splices of up to n bytes each of an input stream that has size bytes.
type spliceCase struct {
	size     int
	n        int64 // -1: all
	hold     bool
	end      host.End
	then     host.Then // of the output stream
	standard bool      // the output stream is a standard one
	waits    int       // of each stream
}

// A splicing is what checkSplice knows about both streams.
type splicing struct {
	spliceCase
	*explorer
	w       *wasio.Writer
	out, in *spliceHost
	text    *reading
	total   int   // of the counts that Splice returned
	first   error // the first error of w that sticks
}

// checkSplice makes the splices where each stream behaves as its script says, and returns an
// error if a result is wrong. The Writer is on a new stream, or on the standard stream fd.
func (e *explorer) checkSplice(c spliceCase, fd int, out, in *spliceHost) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	text := &reading{size: c.size}
	stream := e.host.NewStream(host.Scripted(host.Plan{Hold: c.hold}, out), &e.sink)
	src := e.host.NewInput(host.Scripted(host.Plan{End: c.end}, in), text)
	s := &splicing{spliceCase: c, explorer: e, out: out, in: in, text: text}
	if c.standard {
		s.w = standards[fd-1]()
		native.SwapWriter(fd, e.base|stream)
	} else {
		s.w = wasio.NewWriter(e.base | stream)
	}
	before := host.OpOther
	e.onCall = func(c *host.Call) {
		out.during(c.Op, before)
		in.during(c.Op, before)
		before = c.Op
	}
	ambiguous := false
	for range 2 {
		if ambiguous, err = s.splice(e.base | src); err != nil {
			return err
		}
		if ambiguous {
			break
		}
	}
	cerr := s.w.Close()
	if s.first != nil && cerr != s.first {
		return fmt.Errorf("Close returned %v after %v", cerr, s.first)
	}
	if c.standard {
		e.host.DropStream(stream) // Close does not do that
	}
	if got := e.sink.buf[:e.sink.n]; !ambiguous && !bytes.HasPrefix(payload[:c.size], got) {
		return fmt.Errorf("delivered %q", got)
	}
	if calls := int(e.total()); calls > 100+12*len(out.Made) {
		return fmt.Errorf("%d host calls", calls)
	}
	out.idle, in.idle = true, true
	e.host.Skip(src, 1) // shows how many bytes have left src
	taken := int(in.moved)
	if text.ended {
		taken = c.size
	}
	if e.sink.n < taken && cerr == nil && !ambiguous {
		return fmt.Errorf("%d bytes have left the source, %d were delivered, and no error sticks", taken, e.sink.n)
	}
	e.host.DropInput(src)
	return nil
}

// splice calls Splice once. It reports whether the result may be wrong because a guest has no
// means to find out whose the error of the splice was.
func (s *splicing) splice(src uint32) (ambiguous bool, err error) {
	before, failures := s.explorer.total(), s.out.faults
	in := *s.in
	moved, err := wasio.Splice(s.w, src, s.n)
	calls := s.explorer.total() - before
	_, now := s.w.Write(nil)
	most := s.size - s.total
	if s.n >= 0 {
		most = min(most, int(s.n))
	}
	s.total += int(moved)
	outFailed, inFailed := s.out.faults > failures, s.in.failed && !in.failed // in this splice
	exhausted := s.in.failed || s.text.ended || s.in.moved == uint64(s.size)
	lost := outFailed && s.out.at == host.AtWrite && s.out.op == host.OpSplice

	// A stream that has failed and works again looks like one that did not fail. If the source
	// says that it has ended, or has failed, then a guest must take the error for that of the
	// source. A Writer on a standard stream, which does work again, has asked the source before.
	// So it can be wrong only if the source says so when it is read and not when it is asked for
	// no byte, or if that happened between the two.
	again := outFailed && s.out.then == host.ThenWorks && s.out.op == host.OpSplice && exhausted
	told := s.standard && s.end == host.EndKnown && !(inFailed && s.in.op == host.OpSkip)
	if again && !told && (err == nil || isRead(err)) {
		return true, nil
	}
	// If the source has failed, and says so only once it was read, a Writer takes that for an
	// error of its own: always if the source is of that kind, and otherwise if it failed between
	// the question and the splice. A Writer on a standard stream also does so if the source has
	// ended, or has failed silently.
	onlyTold := inFailed && s.in.op == host.OpSplice && s.end != host.EndSilent && (s.standard || !s.in.closed) ||
		s.standard && (s.end == host.EndWhenRead && (inFailed || s.text.ended) ||
			s.end == host.EndSilent && inFailed && !s.in.closed)

	switch {
	case moved < 0 || int(moved) > most:
		return false, fmt.Errorf("Splice moved %d bytes of %d", moved, most)
	case s.first != nil && (err != s.first || moved != 0 || calls != 0 || now != s.first):
		return false, fmt.Errorf("after %v: returned %d, %v and made %d host calls", s.first, moved, err, calls)
	case s.first != nil:
		return false, nil
	case now != nil && !outFailed && !onlyTold:
		return false, fmt.Errorf("the output stream did not fail, and an error sticks: %v", now)
	case lost && (err == nil || isRead(err)):
		return false, fmt.Errorf("bytes were lost, and the error is %v", err)
	}
	switch {
	case err == nil:
		err = s.checkSuccess(int(moved) == most, outFailed, inFailed)
	case isRead(err):
		if !inFailed || s.in.closed || errors.Is(err, io.ErrClosedPipe) {
			return false, fmt.Errorf("the source did not fail, and Splice returned %v", err)
		}
		err = nil
	case err != now:
		return false, fmt.Errorf("%v does not stick: %v", err, now)
	case outFailed && s.closedAfterAll():
		return false, fmt.Errorf("the stream closed after it had taken all, and the error is %v", err)
	case !onlyTold && !(inFailed && !s.in.closed) && s.out.closed != errors.Is(err, io.ErrClosedPipe):
		return false, fmt.Errorf("the host closed the stream: %v; the error: %v", s.out.closed, err)
	default:
		err = nil
	}
	if part := s.sink.n - s.total; part > 0 && !(lost && s.out.partial) || part < 0 && !s.hold {
		return false, fmt.Errorf("counted %d bytes, delivered %d", s.total, s.sink.n)
	}
	if s.first = now; outFailed && now == nil && err == nil { // it closed after it had taken all
		before := s.explorer.total()
		if _, s.first = s.w.Write([]byte("!")); !errors.Is(s.first, io.ErrClosedPipe) || s.explorer.total() != before {
			err = fmt.Errorf("the Writer failed, and the next Write returns %v", s.first)
		}
	}
	return false, err
}

// checkSuccess checks a splice that returned no error. All says whether it moved all that it could.
func (s *splicing) checkSuccess(all, outFailed, inFailed bool) error {
	switch {
	case !all && !s.in.failed && !s.text.ended:
		return errors.New("the source has not ended, and there is no error")
	case inFailed && !s.in.closed:
		return errors.New("the source failed, and Splice succeeded")
	case outFailed && (s.standard || !s.out.closed):
		return errors.New("the Writer failed, and Splice succeeded")
	case s.sink.n != s.total:
		return fmt.Errorf("success, but %d of %d bytes were delivered", s.sink.n, s.total)
	}
	return nil
}

// closedAfterAll reports whether w closed, as a body of known length does, after it had taken
// all that was to be moved.
func (s *splicing) closedAfterAll() bool {
	switch {
	case s.standard || !s.out.closed || s.out.op == host.OpSplice:
		return false
	case s.out.at == host.AtCheckWrite: // before or in the flush, or after a splice failed
		return s.end == host.EndKnown && s.total == s.size && !s.in.failed && s.out.before != host.OpSplice
	default:
		return true
	}
}

// isRead reports whether err is the error of a source.
func isRead(err error) bool {
	var failed *wasio.Error
	return errors.As(err, &failed) && failed.Source
}

// TestExhaustiveSplice runs every behavior of two streams within a bound: one permits 0 to 2
// bytes, the other has as many, both make the program wait, wake it in vain, and fail or close
// at every call. Splice is asked for some or all of up to 2 bytes. The end of the input stream
// shows in each of three ways. The output stream is a standard one or not, stays closed after a
// failure or works again, and may deliver a byte of a write that fails.
func TestExhaustiveSplice(t *testing.T) {
	skipInGuest(t)
	small := small || testing.Short()
	var cases []spliceCase
	for _, c := range []spliceCase{
		{size: 0, n: -1}, {size: 0, n: 0}, {size: 0, n: 1},
		{size: 1, n: -1}, {size: 1, n: 0}, {size: 1, n: 1},
		{size: 2, n: -1}, {size: 2, n: 1}, {size: 2, n: 2},
	} {
		if c.waits = 1; small {
			if c.waits = 0; c.size > 1 {
				continue
			}
		}
		for _, c.end = range []host.End{host.EndKnown, host.EndWhenRead, host.EndSilent} {
			for _, c.then = range []host.Then{host.ThenClosed, host.ThenWorks} {
				for _, c.standard = range []bool{false, true} {
					for _, c.hold = range []bool{false, true} {
						cases = append(cases, c)
					}
				}
			}
		}
	}
	for fd, w := range standards {
		w()
		before := native.SwapWriter(fd+1, 0)
		defer native.SwapWriter(fd+1, before)
	}
	behaviors := exploreEach(t, len(standards), cases, func(worker int, s spliceCase, e *explorer, c *choices.Path) error {
		out := &spliceHost{anyHost: anyHost{Path: c, most: 2, waits: s.waits}, then: s.then, partial: true}
		in := &spliceHost{anyHost: anyHost{Path: c, most: 2, waits: s.waits}}
		return e.checkSplice(s, worker+1, out, in)
	})
	t.Logf("%d behaviors", behaviors)
	if !small {
		assert.Greater(t, behaviors, uint64(1_555_816))
	}
}

// standards are the Writers on standard streams, by file descriptor less 1.
var standards = [...]func() *wasio.Writer{wasio.Stdout, wasio.Stderr}
