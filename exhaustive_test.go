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
	"github.com/wasio-dev/wasio/internal/host"
)

// choices is a path through a tree of choices. Each run takes another path, until all were
// taken.
type choices struct {
	path []struct{ taken, of int }
	at   int
}

// next makes the next choice: a number below of.
func (c *choices) next(of int) int {
	if c.at == len(c.path) {
		c.path = append(c.path, struct{ taken, of int }{0, of})
	}
	c.at++
	return c.path[c.at-1].taken
}

// advance moves on to the next path and reports whether there is one.
func (c *choices) advance() bool {
	c.at = 0
	for n := len(c.path) - 1; n >= 0; n-- {
		if c.path[n].taken++; c.path[n].taken < c.path[n].of {
			return true
		}
		c.path = c.path[:n]
	}
	return false
}

// anyHost is a script that does whatever a host may do: it permits 0 to 3 bytes, or up to
// most, lets a flush take 0 to 2 waits, and fails or closes at any call.
type anyHost struct {
	*choices
	most   int  // how many bytes it permits at most; 0 is 3
	waits  int  // how many waits there may yet be
	failed bool // the stream has failed or closed
	closed bool // it has closed
}

func (h *anyHost) Permit(uint64) uint64 {
	most := cmp.Or(h.most, 3)
	if h.waits == 0 {
		return uint64(1 + h.next(most))
	}
	n := h.next(most + 1)
	if n == 0 {
		h.waits-- // the wake-up after it is a spurious one if there is another 0
	}
	return uint64(n)
}

func (h *anyHost) FlushWaits() int {
	n := h.next(min(h.waits, 2) + 1)
	h.waits -= n
	return n
}

func (h *anyHost) Fault(host.Point, int, uint64) *host.Fault {
	kind := h.next(3)
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
}

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
	w := wasio.NewWriter(e.base | e.host.NewStream(host.Behavior{Script: script, Traits: host.Traits{Hold: hold}}, &e.sink))
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
			return fmt.Errorf("n is %d of %d with error %v", n, size, err)
		case first != nil && (err != first || n != 0 || e.total() != before):
			return fmt.Errorf("after %v: %d, %v and %d host calls", first, n, err, e.total()-before)
		case err != nil && !script.failed:
			return fmt.Errorf("error where the host had none: %v", err)
		case err != nil && script.closed != errors.Is(err, io.ErrClosedPipe):
			return fmt.Errorf("closed is %v, and the error is %v", script.closed, err)
		case err == nil && script.failed && !script.closed:
			return fmt.Errorf("the host failed, and Write succeeded")
		case err == nil && e.sink.n != counted:
			return fmt.Errorf("success with %d bytes delivered of %d", e.sink.n, counted)
		}
		if err != nil {
			first = err
			if script.closed && n == size && size > 0 {
				return fmt.Errorf("all of it taken, closed after that, and an error: %v", err)
			}
			written = counted // what comes next is refused
		}
		if !hold && e.sink.n != counted {
			return fmt.Errorf("counted %d bytes, delivered %d", counted, e.sink.n)
		}
	}
	if cerr := w.Close(); first != nil && cerr != first {
		return fmt.Errorf("Close returned %v after %v", cerr, first)
	}
	if e.sink.n > counted || string(e.sink.buf[:e.sink.n]) != string(payload[:e.sink.n]) {
		return fmt.Errorf("delivered %q of %d counted bytes", e.sink.buf[:e.sink.n], counted)
	}
	if calls := int(e.total()); calls > bound+8*len(script.path) {
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
// true and spurious wake-ups, flushes that are done at once or later, a failure or the
// end at every call; for up to 6 bytes in up to 3 Writes.
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
		// Each byte and each wait multiplies the behaviors: where there are more of
		// the one, there are fewer of the other.
		waits := 4
		switch {
		case len(sizes) == 3 && total > 2:
			waits = 1
		case len(sizes) == 3 && total > 1 || len(sizes) == 2 && total > 4:
			waits = 2
		case len(sizes) > 1 && total > 1:
			waits = 3
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
	behaviors := exploreEach(t, scenarios, func(s scenario, e *explorer, c *choices) error {
		return e.check(s.sizes, s.hold, &anyHost{choices: c, waits: s.waits})
	})
	t.Logf("%d behaviours", behaviors)
	if !small {
		assert.Greater(t, behaviors, uint64(5_000_000))
	}
}

// exploreEach runs check for all choices of each scenario, on all processors. A failure ends
// its scenario.
func exploreEach[Scenario any](t *testing.T, scenarios []Scenario, check func(Scenario, *explorer, *choices) error) (behaviors uint64) {
	var total atomic.Uint64
	var wg sync.WaitGroup
	work := make(chan Scenario)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := range work {
				n, err := explore(t, func(e *explorer, c *choices) error { return check(s, e, c) })
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
// It runs in a bubble, where pauses take no time. The T of a bubble is not used: if that fails,
// synctest.Test ends the goroutine that called it.
func explore(t *testing.T, check func(*explorer, *choices) error) (behaviors uint64, err error) {
	var c choices
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\nchoices %v", r, c.path)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		for more := true; more; more = c.advance() {
			if _, err = behave(&c, 1, check); err != nil {
				c.at = 0
				calls, again := behave(&c, 1<<16, check)
				err = fmt.Errorf("%w\nchoices %v\nwith the same choices again: %v", err, c.path[:c.at], again)
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

// behave runs check on a new host, and returns the last calls of it.
func behave(c *choices, keep int, check func(*explorer, *choices) error) (calls []host.Call, err error) {
	h := host.New(host.Options{Clock: new(host.VirtualClock), Keep: keep})
	base, err := h.Expose()
	if err != nil {
		return nil, err
	}
	defer host.Withdraw(base)
	err = check(&explorer{host: h, base: base}, c)
	if live := h.Live(); err == nil && len(live) > 0 {
		err = fmt.Errorf("not dropped: %v", live)
	}
	return h.Calls(), err
}

// checkSplice splices up to n bytes of some, twice, where each stream behaves as its script
// says, and returns an error if the result is wrong.
func (e *explorer) checkSplice(size int, n int64, hold bool, out, in *anyHost) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	w := wasio.NewWriter(e.base | e.host.NewStream(host.Behavior{Script: out, Traits: host.Traits{Hold: hold}}, &e.sink))
	src := e.host.NewInput(host.Behavior{Script: in}, bytes.NewReader(payload[:size]))
	var first error // of w
	total := int64(0)
	for range 2 {
		before, left := e.total(), int64(size)-total
		inFailed, inEnded := in.failed && !in.closed, in.closed
		moved, err := wasio.Splice(w, e.base|src, n)
		total += moved
		var failed *wasio.Error
		most := left
		if n >= 0 {
			most = min(most, n)
		}
		ofSource := errors.As(err, &failed) && failed.Op == "read"
		switch {
		case moved < 0 || moved > most:
			return fmt.Errorf("%d bytes of %d", moved, most)
		case first != nil && (err != first || moved != 0 || e.total() != before):
			return fmt.Errorf("after %v: %d, %v and %d host calls", first, moved, err, e.total()-before)
		case first != nil:
		case moved < most && err == nil && !in.closed && !(inFailed && total < int64(size)):
			return fmt.Errorf("%d bytes of %d, and no error", moved, most)
		case ofSource && (!in.failed || in.closed || errors.Is(err, io.ErrClosedPipe)):
			return fmt.Errorf("error where the source had none: %v", err)
		case err != nil && !ofSource && !out.failed:
			return fmt.Errorf("error where the Writer had none: %v", err)
		case err != nil && !ofSource && !(in.failed && !in.closed) && out.closed != errors.Is(err, io.ErrClosedPipe):
			return fmt.Errorf("closed is %v, and the error is %v", out.closed, err)
		case err == nil && out.failed && !out.closed:
			return errors.New("the Writer failed, and Splice succeeded")
		case err == nil && in.failed && !in.closed && !inFailed && !inEnded:
			return errors.New("the source failed, and Splice succeeded")
		case err == nil && int64(e.sink.n) != total:
			return fmt.Errorf("success with %d bytes delivered of %d", e.sink.n, total)
		}
		if !hold && int64(e.sink.n) != total {
			return fmt.Errorf("counted %d bytes, delivered %d", total, e.sink.n)
		}
		before = e.total()
		_, now := w.Write(nil)
		switch {
		case e.total() != before:
			return errors.New("an empty Write called the host")
		case err != nil && !ofSource && now != err:
			return fmt.Errorf("%v does not stick: %v", err, now)
		case now != nil && !out.failed:
			return fmt.Errorf("sticks, and the Writer did not fail: %v", now)
		}
		first = now
	}
	if cerr := w.Close(); first != nil && cerr != first {
		return fmt.Errorf("Close returned %v after %v", cerr, first)
	}
	if int64(e.sink.n) > total || string(e.sink.buf[:e.sink.n]) != string(payload[:e.sink.n]) {
		return fmt.Errorf("delivered %q of %d counted bytes", e.sink.buf[:e.sink.n], total)
	}
	if calls := int(e.total()); calls > 60+10*len(out.path) {
		return fmt.Errorf("%d host calls", calls)
	}
	e.host.DropInput(src)
	return nil
}

// TestExhaustiveSplice runs every behavior of two streams within a bound: one permits 0 to 2
// bytes, the other has as many, both make the program wait, wake it for nothing, and fail or
// close at every call; for up to 2 bytes, of which some or all are asked for.
func TestExhaustiveSplice(t *testing.T) {
	type scenario struct {
		size int
		n    int64
		hold bool
	}
	small := small || testing.Short()
	var scenarios []scenario
	for _, s := range []scenario{
		{0, -1, false}, {0, -1, true}, {0, 0, false}, {0, 1, false}, {0, 1, true},
		{1, 1, false}, {1, 1, true}, {1, 0, true}, {1, -1, false}, {2, 1, false}, {2, 1, true}, {2, 2, false},
	} {
		if small && (s.n < 0 && s.size > 0 || s.size > 1) {
			continue
		}
		scenarios = append(scenarios, s)
	}
	behaviors := exploreEach(t, scenarios, func(s scenario, e *explorer, c *choices) error {
		out, in := &anyHost{choices: c, most: 2, waits: 1}, &anyHost{choices: c, most: 2, waits: 1}
		return e.checkSplice(s.size, s.n, s.hold, out, in)
	})
	t.Logf("%d behaviours", behaviors)
	if !small {
		assert.Greater(t, behaviors, uint64(500_000))
	}
}
