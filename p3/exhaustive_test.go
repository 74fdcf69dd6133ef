package p3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/internal/choices"
	"github.com/wasio-dev/wasio/p3"
)

// A kind is a kind of stream: how its end is reported.
type kind int

const (
	plain    kind = iota // nothing
	stdout               // a future
	resulted             // a function that SetResult got
)

// A scenario is some Writes, and a Close.
type scenario struct {
	kind     kind
	sizes    []int
	deadline time.Duration // of each Write; 0 is none
	waits    int           // how many writes may be under way for a while
	hook     bool          // whether SetWait is used
}

// anyReader is a Script that does whatever a reader may do.
type anyReader struct {
	*choices.Path
	scenario
	ends     time.Duration // when the deadline passes
	last     time.Duration // when the last operation ended
	waitLeft int
	idleLeft int  // how many operations may move nothing
	gone     bool // the reader has dropped its end
	code     int  // what the future said, if it did
	told     bool
	late     bool // the future does not resolve in time
}

func (r *anyReader) Step(at builtins.Point, n int, now time.Duration) builtins.Step {
	var steps []builtins.Step
	for k := range n + 1 {
		if k > 0 || r.idleLeft > 0 {
			steps = append(steps, builtins.Step{Take: k})
		}
		steps = append(steps, builtins.Step{Take: k, Status: builtins.Dropped})
		if at == builtins.AtCancel {
			steps = append(steps, builtins.Step{Take: k, Status: builtins.Cancelled})
		}
	}
	switch {
	case at == builtins.AtWrite && r.waitLeft > 0:
		steps = append(steps, builtins.Step{Status: builtins.Blocked})
	case at == builtins.AtBlock && r.deadline != 0:
		for _, s := range slices.Clone(steps) {
			s.After = r.ends - now // both at once
			steps = append(steps, s)
		}
		steps = append(steps, builtins.Step{After: builtins.Never})
	}
	s := steps[r.Next(len(steps))]
	switch {
	case s.Status == builtins.Blocked:
		r.waitLeft--
	case s.After != builtins.Never:
		if s.Take == 0 && s.Status == builtins.Completed {
			r.idleLeft--
		}
		r.gone = r.gone || s.Status == builtins.Dropped
		r.last = now + s.After
	}
	return s
}

func (r *anyReader) Result() (code int, after time.Duration) {
	r.told = true
	r.code = r.Next(4) - 1
	after = []time.Duration{0, time.Millisecond, 10 * time.Second}[r.Next(3)]
	r.late = r.deadline != 0 && after > 0 && r.last+after >= r.ends
	return r.code, after
}

var payload = []byte("abcdefgh")

// loop waits as bindings do, for a program with one goroutine.
func loop(h *builtins.Host) func(status uint32, waitable int32) (code, count uint32) {
	return func(status uint32, waitable int32) (code, count uint32) {
		var event [2]uint32
		set := h.WaitableSetNew()
		h.WaitableJoin(uint32(waitable), set)
		kind := h.WaitableSetWait(set, pointer(&event))
		h.WaitableJoin(uint32(waitable), 0)
		h.WaitableSetDrop(set)
		if kind == 1 {
			h.SubtaskDrop(uint32(waitable))
		}
		return event[1] & 15, event[1] >> 4
	}
}

// check runs the scenario once. The error says what is wrong.
func (s scenario) check(c *choices.Path) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	h := builtins.New()
	defer builtins.Use(builtins.Use(h))
	if s.hook {
		p3.SetWait(loop(h))
		defer p3.SetWait(nil)
	}
	r := &anyReader{Path: c, scenario: s, waitLeft: s.waits, idleLeft: 1}
	var out bytes.Buffer
	w, asked := s.open(h, r, &out)
	calls := 0
	h.Call = func(string, uint32) { calls++ }

	sent := 0
	var first error
	for i, size := range s.sizes {
		end := sent + size
		for tries := 0; sent < end && tries < 4; tries++ {
			if s.deadline != 0 {
				w.SetWriteDeadline(time.Now().Add(s.deadline))
				r.ends = h.Now() + s.deadline
			}
			before := calls
			n, err := w.Write(payload[sent:end])
			switch {
			case n < 0 || n > end-sent:
				return fmt.Errorf("Write %d: n = %d of %d", i, n, end-sent)
			case first != nil && (n != 0 || err != first || calls != before):
				return fmt.Errorf("after %v: %d, %v and %d calls", first, n, err, calls-before)
			case err == nil && n < end-sent:
				return fmt.Errorf("short Write %d of %d without an error", n, end-sent)
			}
			sent += n
			if out.Len() != sent {
				return fmt.Errorf("counted %d, the reader took %d", sent, out.Len())
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				if s.deadline == 0 || r.gone && !r.late {
					return fmt.Errorf("timeout: %v", err)
				}
				var e interface{ Timeout() bool }
				if !errors.As(err, &e) || !e.Timeout() {
					return errors.New("Timeout is false")
				}
				continue
			}
			if err == nil && r.gone && r.told && r.code >= 0 && !r.late {
				return fmt.Errorf("the reader failed with %d, and Write succeeded", r.code)
			}
			if err != nil {
				if first = err; !r.gone {
					return fmt.Errorf("the reader is there: %v", err)
				}
				if err := r.checkReason(err, "write"); err != nil {
					return err
				}
				break
			}
		}
	}
	wentAtEnd := r.gone && first == nil
	cerr := w.Close()
	switch {
	case first != nil && cerr != first:
		return fmt.Errorf("Close: %v after %v", cerr, first)
	case first != nil:
	case wentAtEnd && cerr != nil:
		return fmt.Errorf("the reader went as it took the last byte: %v", cerr)
	case wentAtEnd:
	case r.late != errors.Is(cerr, os.ErrDeadlineExceeded):
		return fmt.Errorf("the future is late is %v: %v", r.late, cerr)
	case r.late:
	case r.told && r.code >= 0:
		if err := r.checkReason(cerr, "close"); err != nil {
			return err
		}
	case cerr != nil:
		return fmt.Errorf("Close: %v", cerr)
	}
	if s.kind == resulted && *asked > 1 {
		return fmt.Errorf("asked %d times", *asked)
	}
	if !bytes.Equal(out.Bytes(), payload[:sent]) {
		return fmt.Errorf("delivered %q", out.Bytes())
	}
	if live := h.Live(); len(live) > 0 {
		return fmt.Errorf("not dropped: %v", live)
	}
	if calls > 12+40*len(c.Made) {
		return fmt.Errorf("%d host calls", calls)
	}
	if s.kind == stdout {
		return nil // the next Write would open another stream
	}
	before := calls
	n, err := w.Write([]byte("x"))
	if n != 0 || !errors.Is(err, os.ErrClosed) || calls != before || w.Close() != nil {
		return fmt.Errorf("after Close: %d, %v", n, err)
	}
	return nil
}

// open returns a Writer whose reader is r, and how often a function of SetResult was called.
func (s scenario) open(h *builtins.Host, r *anyReader, out io.Writer) (w *p3.Writer, asked *int) {
	asked = new(int)
	if s.kind == stdout {
		h.SetStdio(1, r, out)
		return p3.NewStdout(), asked
	}
	w, reader := p3.NewStream()
	h.Attach(uint32(reader), r, out)
	if s.kind == resulted {
		w.SetResult(func() error {
			*asked++
			r.told = true
			if r.code = r.Next(2)*2 - 1; r.code < 0 {
				return nil
			}
			return errOwn
		})
	}
	return w, asked
}

var errOwn = errors.New("the disk is full")

// checkReason checks an error of a Writer whose reader has gone, or failed after the last byte.
func (r *anyReader) checkReason(err error, op string) error {
	var failed *wasio.Error
	if !errors.As(err, &failed) || failed.Op != op {
		return fmt.Errorf("error %#v", err)
	}
	var ok bool
	switch {
	case !r.told || r.late || r.code < 0:
		ok = op == "write" && errors.Is(err, io.ErrClosedPipe)
	case r.kind == resulted:
		ok = failed.Err == errOwn
	case r.code == 0:
		ok = failed.Err.Error() == "input/output error"
	case r.code == 1:
		ok = failed.Err.Error() == "illegal byte sequence"
	default:
		ok = errors.Is(err, io.ErrClosedPipe)
	}
	if !ok || failed.Timeout() {
		return fmt.Errorf("code %d, and the error is %v", r.code, err)
	}
	return nil
}

// TestExhaustive runs every behavior of a reader within a bound: it takes 0 to all bytes of each
// write, at once or while the writer waits, drops its end at any point, or stalls until the
// deadline or forever. A cancelled write has moved some bytes or not, or is over. The future
// resolves at once, late or too late, with each code.
func TestExhaustive(t *testing.T) {
	var scenarios []scenario
	for _, kind := range []kind{plain, stdout, resulted} {
		for _, deadline := range []time.Duration{0, time.Second} {
			for _, hook := range []bool{false, true} {
				for _, sizes := range [][]int{{}, {0}, {1}, {2}, {3}, {1, 1}, {2, 1}, {1, 2}, {1, 0, 1}} {
					waits := 2
					if small || len(sizes) > 2 && deadline != 0 {
						waits = 1
					}
					if hook {
						deadline /= 100 // it checks the stream every 5 ms at most
					}
					scenarios = append(scenarios, scenario{kind, sizes, deadline, waits, hook})
				}
			}
		}
	}
	behaviors := 0
	for _, s := range scenarios {
		synctest.Test(t, func(t *testing.T) {
			var c choices.Path
			for more := true; more; more = c.Advance() {
				if err := s.check(&c); err != nil {
					t.Fatalf("%+v, choices %v: %v", s, c.Made, err)
				}
				behaviors++
			}
		})
	}
	t.Logf("%d behaviors", behaviors)
	if !small {
		assert.GreaterOrEqual(t, behaviors, 200_000)
	}
}
