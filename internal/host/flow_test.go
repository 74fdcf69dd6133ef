package host_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/host"
)

// A side is an output stream, with handle 1, or an input stream, with handle 2. It has the
// operations that both have in common.
type side struct {
	*host.Host
	clock     *host.VirtualClock
	next      func() host.Result // moves as many bytes as are there or permitted
	blocking  func() host.Result // likewise, and waits for them
	subscribe func() uint32
	drop      func()
	at        string            // the point that next is at
	moved     func() string     // all bytes so far
	names     *strings.Replacer // of the placeholders in an expectation
}

// The reasons of traps.
const (
	spins = "the guest spins: it asked 100000 times in a row without waiting on a pollable"
	hangs = "the guest hangs: it waits for a wake-up that never comes"
)

const content = "abcdefghijklmnopqrstuvwxyz"

// onBothSides runs a test on a stream of each direction.
func onBothSides(t *testing.T, p host.Plan, test func(t *testing.T, s *side)) {
	t.Helper()
	t.Run("output", func(t *testing.T) {
		clock := new(host.VirtualClock)
		g := newGuestWith(host.Options{Clock: clock}, p)
		write := func() host.Result {
			r := g.CheckWrite(g.s)
			if r.Kind != host.Permit || r.Value == 0 {
				return r
			}
			n := min(int(r.Value), len(content)-len(g.out.String()))
			if w := g.Write(g.s, []byte(content[len(g.out.String()):][:n])); w != done {
				return w
			}
			return moves(uint64(n))
		}
		test(t, &side{g.Host, clock, write, func() host.Result {
			before := len(g.out.String())
			in := g.NewInput(host.Plan{}, strings.NewReader(content[before:]))
			defer g.DropInput(in)
			return g.BlockingSplice(g.s, in, uint64(len(content)-before))
		}, func() uint32 { return g.Subscribe(g.s) }, func() { g.DropStream(g.s) }, host.AtCheckWrite, g.out.String,
			strings.NewReplacer("STREAM", "output-stream(1)", "KIND", "output-stream", "P", "2", "NOTHING", "permits nothing")})
	})
	t.Run("input", func(t *testing.T) {
		clock := new(host.VirtualClock)
		var out host.Plan
		if p.Handles > 0 {
			out.Handles = p.Handles + 1 // for the output stream
		}
		r := newReaderWith(host.Options{Clock: clock}, out, p, strings.NewReader(content))
		var got string
		read := func(read func(uint32, uint64) ([]byte, host.Result)) func() host.Result {
			return func() host.Result {
				p, result := read(r.in, 100)
				got += string(p)
				if result != done {
					return result
				}
				return moves(uint64(len(p)))
			}
		}
		test(t, &side{r.Host, clock, read(r.Read), read(r.BlockingRead), func() uint32 { return r.SubscribeInput(r.in) },
			func() { r.DropInput(r.in) }, host.AtRead, func() string { return got },
			strings.NewReplacer("STREAM", "input-stream(2)", "KIND", "input-stream", "P", "3", "NOTHING", "has no bytes")})
	})
}

// moves asks for bytes, once for each number, and expects that number.
func (s *side) moves(t *testing.T, want ...uint64) {
	t.Helper()
	for _, n := range want {
		require.Equal(t, moves(n), s.next())
	}
}

// wait blocks on a pollable of the stream.
func (s *side) wait() {
	p := s.subscribe()
	s.Block(p)
	s.DropPollable(p)
}

// text returns the text of a failure and drops the error.
func (s *side) text(t *testing.T, r host.Result) string {
	t.Helper()
	return textOf(t, &guest{Host: s.Host}, r)
}

func TestWaitsGoRound(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{2, 0, 0, 1}}, func(t *testing.T, s *side) {
		for range 3 {
			s.moves(t, 2, 0, 0) // no progress without a wait
			s.wait()
			s.moves(t, 0) // the second 0: a spurious wake-up
			s.wait()
			s.moves(t, 1)
		}
		assert.Equal(t, content[:9], s.moved())
		assert.Nil(t, s.Trapped())
	})
}

func TestBackgroundNeedsNoWait(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 0, 7}, Background: true}, func(t *testing.T, s *side) {
		s.moves(t, 0, 0, 7)
	})
	t.Run("flush", func(t *testing.T) {
		g := newGuest(host.Plan{FlushWaits: []int{2}, Background: true})
		assert.Equal(t, done, g.Flush(g.s))
		for _, n := range []uint64{0, 0, 1 << 20} {
			g.permit(t, n)
		}
	})
}

func TestBackgroundTakesItsTime(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 7}, Background: true, Delay: time.Second}, func(t *testing.T, s *side) {
		for range 200_000 { // may spin
			s.moves(t, 0)
		}
		s.clock.Sleep(time.Second, nil, nil)
		s.moves(t, 7)
	})
	onBothSides(t, host.Plan{Permits: []uint64{0, 7}, Delay: time.Second}, func(t *testing.T, s *side) {
		s.moves(t, 0)
		s.clock.Sleep(time.Second, nil, nil)
		s.moves(t, 0) // nobody has waited
	})
}

// A stream may call its pollables ready before it has anything.
func TestPremature(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 5}, Premature: true, Delay: time.Second}, func(t *testing.T, s *side) {
		s.moves(t, 0)
		p := s.subscribe()
		for range 3 {
			assert.True(t, s.Ready(p))
			s.Block(p)
			assert.Equal(t, []uint32{0}, s.Poll([]uint32{p, s.SubscribeDuration(1 << 40)}))
			s.moves(t, 0)
		}
		assert.Zero(t, s.clock.Now(), "no wait took any time")
		s.clock.Sleep(time.Second-1, nil, nil)
		s.moves(t, 0)
		s.clock.Sleep(1, nil, nil)
		s.moves(t, 5, 0)
		for range 200_000 {
			s.next() // no spin: it makes progress by itself
		}
		assert.Equal(t, moves(5), s.blocking())
		assert.Equal(t, 2*time.Second, s.clock.Now(), "that wait took time")
	})
}

func TestPollablesAreLevelTriggered(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{1, 0}, Delay: time.Second}, func(t *testing.T, s *side) {
		early := s.subscribe()
		assert.True(t, s.Ready(early))
		assert.True(t, s.Ready(early), "and stays ready")
		s.moves(t, 1, 0)
		late := s.subscribe()
		assert.False(t, s.Ready(early), "and not ready any more")
		assert.False(t, s.Ready(late))
		s.Block(late)
		assert.True(t, s.Ready(early))
		assert.Equal(t, []uint32{0, 1, 2}, s.Poll([]uint32{late, early, late}))
		assert.EqualValues(t, time.Second, s.Now())
	})
}

func TestLatch(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 1}, Latch: true, Delay: time.Second}, func(t *testing.T, s *side) {
		p := s.subscribe()
		s.Block(p)
		s.moves(t, 0)
		assert.True(t, s.Ready(p), "stuck")
		s.Block(p)
		assert.Equal(t, []uint32{0}, s.Poll([]uint32{p}))
		s.moves(t, 0)
		fresh := s.subscribe()
		assert.False(t, s.Ready(fresh))
		s.Block(fresh)
		s.moves(t, 1)
	})
}

func TestNeverReady(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{1}, NeverReady: true}, func(t *testing.T, s *side) {
		p := s.subscribe()
		assert.False(t, s.Ready(p))
		s.Block(p)
		assert.Equal(t, []uint32{0}, s.Poll([]uint32{p}))
		assert.False(t, s.Ready(p))
		assert.True(t, s.Ready(s.SubscribeDuration(0)), "a clock is not a pollable of the stream")
		s.moves(t, 1)
	})
}

func TestDelay(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 0, 1}, Delay: time.Minute}, func(t *testing.T, s *side) {
		s.moves(t, 0)
		early := s.subscribe()
		assert.False(t, s.Ready(early))
		s.wait()
		assert.True(t, s.Ready(early), "until the guest asks")
		s.moves(t, 0)
		assert.False(t, s.Ready(early))
		s.Block(early)
		s.moves(t, 1)
		assert.EqualValues(t, 2*time.Minute, s.Now())
		assert.Equal(t, moves(1), s.blocking())
		assert.EqualValues(t, 4*time.Minute, s.Now())
		assert.Zero(t, s.Count(host.OpBlock)-2)
	})
}

func TestEndlessDelay(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{0, 1}, Delay: 1<<63 - 1}, func(t *testing.T, s *side) {
		s.moves(t, 0)
		timer := s.SubscribeDuration(uint64(time.Hour))
		assert.Equal(t, []uint32{1}, s.Poll([]uint32{s.subscribe(), timer}))
		s.moves(t, 0)
		trap := trapOf(t, s.wait)
		assert.Equal(t, hangs, trap.Reason)
	})
}

// lossy is a plan that loses wake-ups.
var lossy = host.Plan{Permits: []uint64{0, 9}, LoseWakeups: true, Delay: time.Second}

// What Wasmtime 21 and 22 do: a wait with a clock survives, one without hangs.
func TestLostWakeupIsFoundByAClock(t *testing.T) {
	onBothSides(t, lossy, func(t *testing.T, s *side) {
		s.moves(t, 0)
		stream, timer := s.subscribe(), s.SubscribeDuration(uint64(400*time.Millisecond))
		assert.Equal(t, []uint32{1}, s.Poll([]uint32{stream, timer}))
		again := s.SubscribeDuration(uint64(700 * time.Millisecond))
		assert.Equal(t, []uint32{0, 1}, s.Poll([]uint32{stream, again}), "found ready when the clock woke the guest")
		s.moves(t, 9, 0) // asking finds it, too
		assert.False(t, s.Ready(stream))
		s.Block(s.SubscribeDuration(uint64(time.Second)))
		assert.True(t, s.Ready(stream))
		s.Block(stream) // it was ready before
		s.moves(t, 9)
	})
}

// LoseAt counts the waits of each stream separately.
func TestOneLostWakeup(t *testing.T) {
	plan := lossy
	plan.LoseAt = 2
	onBothSides(t, plan, func(t *testing.T, s *side) {
		assert.Equal(t, moves(9), s.blocking())
		trap := trapOf(t, func() { s.blocking() })
		assert.Equal(t, hangs, trap.Reason)
	})
}

func TestWhatFollowsAFailure(t *testing.T) {
	for _, at := range []string{host.AtCheckWrite, host.AtRead} {
		fails := func(f host.Fault, test func(t *testing.T, s *side)) {
			f.At, f.Call = at, 2
			onBothSides(t, host.Plan{Permits: []uint64{3}, Faults: []host.Fault{f}}, func(t *testing.T, s *side) {
				s.moves(t, 3)
				if s.at == at {
					test(t, s)
				}
			})
		}
		fails(host.Fault{Text: "oops"}, func(t *testing.T, s *side) {
			assert.Equal(t, "oops", s.text(t, s.next()))
			assert.Equal(t, []host.Result{closed, closed, closed}, []host.Result{s.next(), s.blocking(), s.next()})
			assert.True(t, s.Ready(s.subscribe()), "a stream that is closed is always ready")
		})
		fails(host.Fault{Text: "oops", Then: host.ThenAgain}, func(t *testing.T, s *side) {
			live := len(s.Live())
			for range 5 {
				assert.Equal(t, "oops", s.text(t, s.next()))
			}
			assert.Len(t, s.Live(), live)
		})
		fails(host.Fault{Text: "oops", Then: host.ThenWorks}, func(t *testing.T, s *side) {
			assert.Equal(t, "oops", s.text(t, s.next()))
			s.moves(t, 3)
			assert.Equal(t, content[:6], s.moved(), "no byte was lost")
		})
		fails(host.Fault{Closed: true, Then: host.ThenWorks}, func(t *testing.T, s *side) {
			assert.Equal(t, closed, s.next())
			s.moves(t, 3)
			assert.Equal(t, content[:6], s.moved(), "no byte was lost")
		})
		fails(host.Fault{Closed: true, Then: host.ThenAgain}, func(t *testing.T, s *side) {
			assert.Equal(t, []host.Result{closed, closed, closed}, []host.Result{s.next(), s.blocking(), s.next()})
		})
	}
}

func TestFaultsStrikeWhenPlanned(t *testing.T) {
	faults := func(at string) []host.Fault {
		return []host.Fault{{At: at, Call: 2, Bytes: 100}, {At: at, Bytes: 8, Text: "at byte 8"}}
	}
	plan := host.Plan{Permits: []uint64{4}, Faults: append(faults(host.AtCheckWrite), faults(host.AtRead)...)}
	onBothSides(t, plan, func(t *testing.T, s *side) {
		s.moves(t, 4, 4) // too few bytes for the first fault
		assert.Equal(t, "at byte 8", s.text(t, s.next()))
		assert.Equal(t, content[:8], s.moved())
	})
}

func TestFaultDuringAStall(t *testing.T) {
	plan := host.Plan{Permits: []uint64{0, 9}, Delay: time.Hour, Faults: []host.Fault{
		{At: host.AtCheckWrite, Call: 2, Text: "oops", Then: host.ThenAgain}, {At: host.AtRead, Call: 2, Text: "oops", Then: host.ThenAgain}}}
	onBothSides(t, plan, func(t *testing.T, s *side) {
		s.moves(t, 0)
		p := s.subscribe()
		assert.False(t, s.Ready(p))
		assert.Equal(t, "oops", s.text(t, s.next()))
		assert.True(t, s.Ready(p), "there is an error to be reported")
	})
}

func TestCapacity(t *testing.T) {
	onBothSides(t, host.Plan{Permits: []uint64{4}, Capacity: 6}, func(t *testing.T, s *side) {
		s.moves(t, 4, 2)
		assert.Equal(t, closed, s.next())
		assert.Equal(t, closed, s.blocking())
		assert.Equal(t, content[:6], s.moved(), "all that it took is out")
	})
}

// What the contract forbids on streams of both directions. See forbidden.
func TestForbiddenOnBothSides(t *testing.T) {
	for _, c := range []struct {
		name   string
		host   string // a host that traps, or does worse
		plan   host.Plan
		guest  func(t *testing.T, s *side)
		reason string
		call   string // the last one, from its end
	}{
		{
			name: "spinning on a stream that makes the guest wait", host: "Wasmtime, files, where it never ends",
			plan: host.Plan{Permits: []uint64{0, 5}},
			guest: func(_ *testing.T, s *side) {
				for s.next().Value == 0 {
				}
			},
			reason: spins, call: " = trap",
		},
		{
			name: "spinning on ready", host: "jco in a browser, where it never ends",
			plan: host.Plan{Permits: []uint64{0, 5}, Delay: time.Second},
			guest: func(t *testing.T, s *side) {
				s.moves(t, 0)
				for p := s.subscribe(); !s.Ready(p); {
				}
			},
			reason: spins, call: "pollable(P).ready = trap",
		},
		{
			name: "spinning on a stream that is never ready when asked", host: "jco in a browser, where it never ends",
			plan: host.Plan{NeverReady: true},
			guest: func(_ *testing.T, s *side) {
				for p := s.subscribe(); !s.Ready(p); {
				}
			},
			reason: spins, call: "pollable(P).ready = trap",
		},
		{
			name: "wait alone for a wake-up that is lost", host: "Wasmtime 21 and 22, AsyncStdoutStream, where it never ends",
			plan: lossy,
			guest: func(t *testing.T, s *side) {
				s.moves(t, 0)
				s.wait()
			},
			reason: hangs, call: "pollable(P).block = trap",
		},
		{
			name: "poll of pollables whose wake-ups are all lost", host: "Wasmtime 21 and 22, AsyncStdoutStream, where it never ends",
			plan: lossy,
			guest: func(t *testing.T, s *side) {
				s.moves(t, 0)
				s.Poll([]uint32{s.subscribe(), s.subscribe()})
			},
			reason: hangs, call: "poll.poll(2 pollables) = trap",
		},
		{
			name: "blocking function whose wake-up is lost", host: "Wasmtime 21 and 22, AsyncStdoutStream, where it never ends",
			plan:   lossy,
			guest:  func(_ *testing.T, s *side) { s.blocking() },
			reason: hangs, call: " = trap",
		},
		{
			name: "blocking function on a stream that is ready without bytes", host: "Wasmtime, after eleven rounds",
			plan:   host.Plan{Permits: []uint64{0}},
			guest:  func(_ *testing.T, s *side) { s.blocking() },
			reason: "the stream is ready but NOTHING", call: " = trap",
		},
		{
			name: "stream dropped with live pollables", host: `Wasmtime, and jco for files: "resource has children"`,
			guest: func(_ *testing.T, s *side) {
				s.DropPollable(s.subscribe())
				s.subscribe()
				s.subscribe()
				s.drop()
			},
			reason: "KIND dropped while it has live pollables: 2", call: "STREAM.drop = trap",
		},
		{
			name: "stream dropped twice", host: "every host: the component model",
			guest: func(_ *testing.T, s *side) {
				s.drop()
				s.drop()
			},
			reason: "is unknown, or was dropped", call: "STREAM.drop = trap",
		},
		{
			name: "dropped stream subscribed to", host: "every host: the component model",
			guest: func(_ *testing.T, s *side) {
				s.drop()
				s.subscribe()
			},
			reason: "is unknown, or was dropped", call: "STREAM.subscribe = trap",
		},
		{
			name: "dropped pollable used again, after a new one was made", host: "every host: the component model",
			guest: func(_ *testing.T, s *side) {
				p := s.subscribe()
				s.DropPollable(p)
				s.subscribe()
				s.Block(p)
			},
			reason: "handle P is unknown, or was dropped", call: "pollable(P).block = trap",
		},
		{
			name: "subscribe with a full table", host: "Wasmtime with -S max-resources",
			plan: host.Plan{Handles: 2},
			guest: func(_ *testing.T, s *side) {
				s.subscribe()
				s.subscribe()
			},
			reason: "handles are live", call: "STREAM.subscribe = trap",
		},
		{
			name: "failure with a full table", host: "Wasmtime with -S max-resources",
			plan:   host.Plan{Handles: 1, Faults: []host.Fault{{At: host.AtCheckWrite}, {At: host.AtRead}}},
			guest:  func(_ *testing.T, s *side) { s.next() },
			reason: "handles are live", call: " = trap",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBothSides(t, c.plan, func(t *testing.T, s *side) {
				assert.NotEmpty(t, c.host, "a trap of the model has a host behind it")
				trap := trapOf(t, func() { c.guest(t, s) })
				assert.True(t, strings.HasSuffix(trap.Reason, s.names.Replace(c.reason)), trap.Reason)
				require.NotEmpty(t, trap.Calls)
				last := trap.Calls[len(trap.Calls)-1].String()
				assert.True(t, strings.HasSuffix(last, s.names.Replace(c.call)), last)
				assert.Same(t, trap, s.Trapped())
			})
		})
	}
}
