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

// behavior is how the flags have the standard streams behave.
type behavior struct {
	as      string
	permits []uint64
	stall   uint
	flush   uint
	delay   time.Duration
	hold    bool
	limit   uint64
	faults  []host.PlannedFault
}

func (b *behavior) define(flags *flag.FlagSet) {
	flags.Func("as", "imitate the `host` of this name: "+strings.Join(host.Names(), ", "), func(name string) error {
		_, err := host.Named(name)
		b.as = name
		return err
	})
	flags.Func("permit", "permit this many `bytes` per write; a list as in 1,7,0,4096 goes round, 0 is none", b.setPermits)
	flags.UintVar(&b.stall, "stall", 0, "before each permit, permit nothing `n` times, a wait each")
	flags.UintVar(&b.flush, "flush", 0, "let each flush take `n` waits")
	flags.DurationVar(&b.delay, "delay", 0, "let each wait take this `time`")
	flags.BoolVar(&b.hold, "hold", false, "lose what the guest has not flushed")
	flags.Func("fail", "fail at a `call`, as in write, check-write:3, flush:1 or flushed:2=text (repeatable)", func(s string) error {
		return b.addFault(s, false)
	})
	flags.Func("close", "close the stream at a `call`, as -fail fails (repeatable)", func(s string) error {
		return b.addFault(s, true)
	})
	flags.Func("capacity", "close the stream when it has taken this many `bytes`", func(s string) (err error) {
		b.limit, err = parseBytes(s)
		if err == nil && b.limit == 0 {
			err = errors.New("not a capacity: 0 (-close check-write closes at once)")
		}
		return err
	})
}

// maxWaits is the most that -stall and -flush take. No guest is as patient as that.
const maxWaits = 1000

// check says what is wrong with flags that could be parsed.
func (b *behavior) check() error {
	switch {
	case b.stall > maxWaits:
		return fmt.Errorf("-stall %d: %d is the most", b.stall, maxWaits)
	case b.flush > maxWaits:
		return fmt.Errorf("-flush %d: %d is the most", b.flush, maxWaits)
	case b.delay < 0:
		return fmt.Errorf("-delay %v is negative", b.delay)
	}
	return nil
}

// plan returns the plan of a stream: that of the host to imitate, changed by the other
// flags.
func (b *behavior) plan() host.Plan {
	var p host.Plan
	if b.as != "" {
		p, _ = host.Named(b.as)
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
	p.Capacity = b.limit
	p.Faults = b.faults
	return p
}

func (b *behavior) setPermits(list string) error {
	b.permits = nil
	some := false
	for s := range strings.SplitSeq(list, ",") {
		n, err := parseBytes(s)
		if err != nil {
			return err
		}
		some = some || n > 0
		b.permits = append(b.permits, n)
	}
	if !some {
		return errors.New("nothing would ever be permitted")
	}
	return nil
}

// addFault adds the fault that s is: point[:call][=text].
func (b *behavior) addFault(s string, closed bool) error {
	where, text, _ := strings.Cut(s, "=")
	name, number, numbered := strings.Cut(where, ":")
	at, err := host.PointOf(name)
	if err != nil {
		return err
	}
	f := host.PlannedFault{At: at, Call: 1, Fault: host.Fault{Closed: closed, Text: text}}
	if numbered {
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("not the number of a call: %q", number)
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
