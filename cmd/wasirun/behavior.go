package main

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/internal/host"
)

// behavior holds the flags that define how the standard streams behave.
type behavior struct {
	host     string // the name of the host to imitate, if any
	permits  []uint64
	stall    uint
	flush    uint
	delay    time.Duration
	hold     bool
	capacity uint64
	faults   []host.PlannedFault
}

// defineFlags defines the flags that set b.
func (b *behavior) defineFlags(flags *flag.FlagSet) {
	flags.Func("as", "imitate this `host`: "+strings.Join(host.Names(), ", "), func(name string) error {
		_, err := host.Named(name)
		b.host = name
		return err
	})
	flags.Func("permit", "permit this many `bytes` per write; a list such as 1,7,0,4096 repeats, and 0 makes the guest wait", b.setPermits)
	flags.UintVar(&b.stall, "stall", 0, "make the guest wait `n` times before each permit")
	flags.UintVar(&b.flush, "flush", 0, "make each flush take `n` waits")
	flags.DurationVar(&b.delay, "delay", 0, "make each wait take this `time`")
	flags.BoolVar(&b.hold, "hold", false, "discard output that the guest never flushes")
	flags.Func("fail", "fail at a `call`, such as write, check-write:3, flush:1 or flushed:2=text (repeatable)", func(s string) error {
		return b.addFault(s, false)
	})
	flags.Func("close", "close the stream at a `call`, written as for -fail (repeatable)", func(s string) error {
		return b.addFault(s, true)
	})
	flags.Func("capacity", "close the stream after it has taken this many `bytes`", func(s string) (err error) {
		b.capacity, err = parseBytes(s)
		if err == nil && b.capacity == 0 {
			err = errors.New("must be positive (-close check-write closes the stream at once)")
		}
		return err
	})
}

// maxWaits is the maximum of -stall and -flush. No realistic test needs more waits.
const maxWaits = 1000

// validate reports a flag whose value is out of range.
func (b *behavior) validate() error {
	switch {
	case b.stall > maxWaits:
		return fmt.Errorf("-stall %d: the maximum is %d", b.stall, maxWaits)
	case b.flush > maxWaits:
		return fmt.Errorf("-flush %d: the maximum is %d", b.flush, maxWaits)
	case b.delay < 0:
		return fmt.Errorf("-delay %v is negative", b.delay)
	}
	return nil
}

// plan returns the plan of a stream. It starts from the plan of the host to imitate, which
// the other flags modify.
func (b *behavior) plan() host.Plan {
	var p host.Plan
	if b.host != "" {
		p, _ = host.Named(b.host)
	}
	if b.permits != nil {
		p.Permits = b.permits
	}
	if b.stall > 0 {
		permits := p.Permits
		if permits == nil {
			permits = []uint64{1 << 20}
		}
		p.Permits = nil
		for _, n := range permits {
			p.Permits = append(p.Permits, make([]uint64, b.stall)...)
			p.Permits = append(p.Permits, n)
		}
	}
	if b.flush > 0 {
		p.FlushWaits = []int{int(b.flush)}
	}
	if b.delay > 0 {
		p.Delay = b.delay
	}
	p.Hold = p.Hold || b.hold
	p.Capacity = b.capacity
	p.Faults = b.faults
	return p
}

// setPermits sets the permits to a comma-separated list.
func (b *behavior) setPermits(list string) error {
	b.permits = nil
	positive := false
	for s := range strings.SplitSeq(list, ",") {
		n, err := parseBytes(s)
		if err != nil {
			return err
		}
		positive = positive || n > 0
		b.permits = append(b.permits, n)
	}
	if !positive {
		return errors.New("at least one permit must be positive")
	}
	return nil
}

// addFault parses s, of the form point[:call][=text], and adds the fault.
func (b *behavior) addFault(s string, closed bool) error {
	position, text, _ := strings.Cut(s, "=")
	name, call, hasCall := strings.Cut(position, ":")
	point, err := host.PointOf(name)
	if err != nil {
		return err
	}
	f := host.PlannedFault{At: point, Call: 1, Fault: host.Fault{Closed: closed, Text: text}}
	if hasCall {
		n, err := strconv.ParseUint(call, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("not the number of a call: %q", call)
		}
		f.Call = int(n)
	}
	b.faults = append(b.faults, f)
	return nil
}

func parseBytes(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number of bytes: %q", s)
	}
	return n, nil
}
