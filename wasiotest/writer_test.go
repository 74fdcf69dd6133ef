package wasiotest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// A smallWriter is a correct writer unless it has a fault.
type smallWriter struct {
	s     streams.OutputStream
	fault string

	err      error
	permit   uint64        // what is left of the last one
	pollable poll.Pollable // the only one, with the fault "one pollable"
	kept     []byte
}

var (
	errClosed = errors.New("closed")
	errFailed = errors.New("failed")
)

// fail returns the error that e stands for.
func (w *smallWriter) fail(e streams.StreamError) error {
	w.err = errClosed
	if failure := e.LastOperationFailed(); failure != nil {
		if w.fault != "errors leak" {
			failure.ResourceDrop()
		}
		w.err = errFailed
	}
	return w.err
}

// permitted waits until the stream permits something.
func (w *smallWriter) permitted() (uint64, error) {
	if w.permit > 0 && w.fault == "permit used twice" {
		return w.permit, nil
	}
	for {
		permit, e, failed := w.s.CheckWrite().Result()
		if failed && w.fault == "closed tried again" && e.Closed() {
			continue
		}
		if failed {
			return 0, w.fail(e)
		}
		if permit > 0 {
			w.permit = permit
			return permit, nil
		}
		if err := w.wait(); err != nil {
			return 0, err
		}
	}
}

// wait waits on the stream once.
func (w *smallWriter) wait() error {
	switch w.fault {
	case "no wait":
		return nil
	case "one pollable":
		if w.pollable == 0 {
			w.pollable = w.s.Subscribe()
		}
		w.pollable.Block()
		return nil
	}
	p := w.s.Subscribe()
	if w.fault == "ready asked" {
		for !p.Ready() {
		}
	}
	p.Block()
	switch w.fault {
	case "pollables leak":
		return nil
	case "pollable dropped last":
		if _, e, failed := w.s.CheckWrite().Result(); failed {
			return w.fail(e)
		}
	}
	p.ResourceDrop()
	if w.fault == "gives up" {
		if permit, _, _ := w.s.CheckWrite().Result(); permit == 0 {
			return errors.New("gave up")
		}
	}
	return nil
}

func (w *smallWriter) Write(p []byte) (n int, err error) {
	if w.err != nil && w.fault == "failure forgotten" {
		return len(p), nil
	}
	if w.err != nil {
		return 0, w.err
	}
	switch w.fault {
	case "argument modified":
		clear(p)
	case "argument kept":
		w.kept, p = p, w.kept
		defer func() { n = len(w.kept) }()
	case "traps hidden":
		defer func() { recover() }()
	}
	for n < len(p) {
		permit := uint64(len(p))
		if w.fault != "no check-write" && w.fault != "traps hidden" {
			if permit, err = w.permitted(); err != nil {
				return n, err
			}
		}
		if w.fault == "permit narrowed" {
			permit = uint64(uint32(permit))
		}
		piece := p[n:]
		if uint64(len(piece)) > permit && w.fault != "permit exceeded" {
			piece = piece[:permit]
		}
		if most := 64 << 20; len(piece) > most && w.fault != "large pieces" {
			piece = piece[:most]
		}
		_, e, failed := w.s.Write(cm.ToList(piece)).Result()
		w.permit -= uint64(len(piece))
		switch {
		case failed && w.fault == "failed write counted":
			return n + len(piece), w.fail(e)
		case failed && w.fault == "failed write hidden", failed && w.fault == "end hidden" && e.Closed():
			w.fail(e)
			w.err = nil
			return len(p), nil
		case failed:
			return n, w.fail(e)
		}
		n += len(piece)
		switch w.fault {
		case "rest lost":
			return n, w.flush()
		case "start repeated":
			if n < len(p) {
				n -= len(piece) / 2
			}
		}
	}
	return n, w.flush()
}

func (w *smallWriter) flush() error {
	if w.fault == "no flush" {
		return nil
	}
	_, e, failed := w.s.Flush().Result()
	switch {
	case failed && w.fault == "failed flush hidden":
		w.fail(e)
		w.err = nil
		return nil
	case failed:
		return w.fail(e)
	case w.fault == "flush not awaited":
		return nil
	}
	_, err := w.permitted()
	return err
}

func (w *smallWriter) Close() error {
	if w.s == 0 || w.fault == "stream leaks" {
		return nil
	}
	if w.fault == "argument kept" {
		w.Write(nil)
	}
	w.s.ResourceDrop()
	if w.fault != "stream dropped twice" {
		w.s = 0
	}
	if w.fault != "used after Close" {
		w.err = errClosed
	}
	return nil
}

func TestTestWriterPasses(t *testing.T) {
	TestWriter(t, func(handle uint32) io.WriteCloser { return &smallWriter{s: streams.OutputStream(handle)} })
}

// TestTestWriterFindsFaults makes one mistake at a time.
func TestTestWriterFindsFaults(t *testing.T) {
	for _, c := range []struct{ fault, row, rule, text string }{
		{"no check-write", "C1", "R3", "trap: write of 9 bytes without a permit: check-write must come right before it"},
		{"permit exceeded", "C1", "R3", "trap: write of 9 bytes on a permit of 3"},
		{"permit narrowed", "C3", "R1", "trap: the guest does not stop: this is call 30001"},
		{"permit used twice", "C14", "R3", "trap: write of 4 bytes without a permit: check-write must come right before it"},
		{"rest lost", "C1", "R1", "Write of 9 bytes returned 3, nil; the host took 3 bytes"},
		{"start repeated", "C1", "R1", "the bytes that arrived are not those that were written"},
		{"no wait", "C5", "R2", "trap: the guest does not stop: this is call 30001"},
		{"gives up", "C7", "R9", "Write failed: gave up"},
		{"ready asked", "C11", "R2", "trap: the guest does not stop: this is call 30001"},
		{"one pollable", "C9", "R9", "trap: the guest does not stop: this is call 30001"},
		{"pollable dropped last", "C28", "R9", "trap: output-stream dropped while it has live pollables: 1"},
		{"pollables leak", "C29", "R9", "trap: the handle table is full: all 2 handles are live"},
		{"errors leak", "C30", "R13", "error(2) was not dropped"},
		{"stream leaks", "C31", "R15", "output-stream(1) was not dropped"},
		{"stream dropped twice", "C31", "R15", "trap: handle 1 is unknown, or was dropped"},
		{"used after Close", "C31", "R15", "trap: handle 0 is unknown, or was dropped"},
		{"no flush", "C32", "R12", "13 bytes were written, 0 arrived"},
		{"flush not awaited", "C12", "R5", "13 bytes were written, 9 arrived"},
		{"failed flush hidden", "C18", "R6", "the host failed, and neither Write nor Close returned an error"},
		{"failed write hidden", "C20", "R6", "Write of 9 bytes returned 9, nil; the host took 8 bytes"},
		{"failed write counted", "C24", "R7", "Write returned 9, closed; the host took 5 bytes"},
		{"end hidden", "C24", "R7", "Write of 9 bytes returned 9, nil; the host took 5 bytes"},
		{"failure forgotten", "C25", "R7", "after the stream closed, Write returned 4, <nil>"},
		{"closed tried again", "C23", "R7", "trap: the guest does not stop: this is call 30001"},
		{"large pieces", "C4", "R3", "trap: write of 134217729 bytes in one call; 134217728 is the most"},
		{"argument modified", "C39", "R4", "Write modified its argument"},
		{"argument kept", "C39", "R4", "the bytes that arrived are not those that were written"},
		{"traps hidden", "C1", "R3", "trap: write of 9 bytes without a permit: check-write must come right before it"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			if c.row == "C4" && testing.Short() {
				t.Skip("takes 300 MB of memory")
			}
			want := fmt.Sprintf("%s (%s: %s): %s", c.row, c.rule, rules[c.rule], c.text)
			var found []string
			for _, wc := range writerCases() {
				if wc.row != c.row {
					continue
				}
				synctest.Test(t, func(t *testing.T) {
					problems, calls := wc.run(func(handle uint32) io.WriteCloser {
						return &smallWriter{s: streams.OutputStream(handle), fault: c.fault}
					})
					found = append(found, problems...)
					assert.NotEmpty(t, calls)
				})
				if slices.Contains(found, want) {
					return
				}
			}
			assert.Fail(t, "not found: "+want, strings.Join(found, "\n"))
		})
	}
}

// A panic of the writer's own is not taken for a trap.
func TestTestWriterLeavesPanicsAlone(t *testing.T) {
	c := writerCase{"C1", "R1", "", Plan{}, 0, succeeds}
	assert.PanicsWithValue(t, "mine", func() { c.run(func(uint32) io.WriteCloser { panic("mine") }) })
}
