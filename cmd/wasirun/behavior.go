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

// behavior is what the flags say about the standard streams: a host to imitate, and changes to
// its plan. The order of the flags does not matter.
type behavior struct {
	as  host.Plan
	set []func(*host.Plan)
}

// defineFlags defines the flags that set b.
func (b *behavior) defineFlags(flags *flag.FlagSet) {
	flags.Func("as", "imitate this `host`, such as wasmtime-file (? lists all)", func(name string) (err error) {
		b.as, err = host.Named(name)
		return err
	})
	define(b, flags, "permit", "permit these numbers of `bytes` in turn; 0 makes it wait", parsePermits,
		func(p *host.Plan, permits []uint64) { p.Permits = permits })
	define(b, flags, "flush", "make each flush take `n` waits", parseWaits,
		func(p *host.Plan, n int) { p.FlushWaits = []int{n} })
	define(b, flags, "delay", "make each wait take this `time`", time.ParseDuration,
		func(p *host.Plan, d time.Duration) { p.Delay = d })
	flags.BoolFunc("hold", "discard output that the guest never flushes", func(s string) error {
		hold, err := strconv.ParseBool(s)
		b.set = append(b.set, func(p *host.Plan) { p.Hold = hold })
		return err
	})
	define(b, flags, "fail", "fail at a `call`: write, check-write:3 or flushed:2=text", parseFault,
		func(p *host.Plan, f host.Fault) { p.Faults = append(p.Faults, f) })
	define(b, flags, "close", "close the stream at a `call`, as for -fail", parseFault,
		func(p *host.Plan, f host.Fault) { f.Closed = true; p.Faults = append(p.Faults, f) })
	define(b, flags, "capacity", "close the stream after it has taken this many `bytes`", parseCapacity,
		func(p *host.Plan, n uint64) { p.Capacity = n })
}

// define defines a flag that changes the plan.
func define[V any](b *behavior, flags *flag.FlagSet, name, usage string, parse func(string) (V, error), set func(*host.Plan, V)) {
	flags.Func(name, usage, func(s string) error {
		v, err := parse(s)
		if err != nil {
			return err
		}
		apply := func(p *host.Plan) { set(p, v) }
		var alone host.Plan
		apply(&alone)
		b.set = append(b.set, apply)
		return host.CheckOutput(alone)
	})
}

// plan returns the plan of both standard streams.
func (b *behavior) plan() host.Plan {
	p := b.as
	for _, set := range b.set {
		set(&p)
	}
	return p
}

// maxWaits is the maximum of -flush. No realistic test needs more waits.
const maxWaits = 1000

func parseWaits(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number of waits: %q", s)
	}
	if n > maxWaits {
		return 0, fmt.Errorf("the maximum is %d", maxWaits)
	}
	return int(n), nil
}

// parsePermits parses a comma-separated list.
func parsePermits(list string) (permits []uint64, err error) {
	positive := false
	for s := range strings.SplitSeq(list, ",") {
		n, err := parseBytes(s)
		if err != nil {
			return nil, err
		}
		positive = positive || n > 0
		permits = append(permits, n)
	}
	if !positive {
		return nil, errors.New("at least one permit must be positive")
	}
	return permits, nil
}

// parseFault parses s, of the form point[:call][=text].
func parseFault(s string) (host.Fault, error) {
	position, text, _ := strings.Cut(s, "=")
	name, call, hasCall := strings.Cut(position, ":")
	f := host.Fault{At: name, Call: 1, Text: text}
	if hasCall {
		n, err := strconv.ParseUint(call, 10, 31)
		if err != nil || n == 0 {
			return f, fmt.Errorf("not a call number: %q", call)
		}
		f.Call = int(n)
	}
	return f, nil
}

func parseCapacity(s string) (uint64, error) {
	n, err := parseBytes(s)
	if err == nil && n == 0 {
		err = errors.New("must be positive (-close check-write closes the stream at once)")
	}
	return n, err
}

func parseBytes(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number of bytes: %q", s)
	}
	return n, nil
}
