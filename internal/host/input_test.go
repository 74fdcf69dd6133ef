package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/host"
)

// A reader is a guest with an input stream. The handles are 1, of the output stream, and 2.
type reader struct {
	*guest
	in uint32
}

func newReader(out, in host.Plan, content io.Reader) *reader {
	return newReaderWith(host.Options{Clock: new(host.VirtualClock)}, out, in, content)
}

func newReaderWith(o host.Options, out host.Plan, in host.Plan, content io.Reader) *reader {
	g := newGuestWith(o, out)
	return &reader{g, g.NewInput(in, content)}
}

// newText returns a reader of a text.
func newText(in host.Plan, text string) *reader {
	return newReader(host.Plan{}, in, strings.NewReader(text))
}

// read asks for n bytes and expects want.
func (r *reader) read(t *testing.T, n uint64, want string) {
	t.Helper()
	p, result := r.Read(r.in, n)
	require.Equal(t, done, result)
	require.Equal(t, want, string(p))
}

// waitForInput blocks on a pollable of the input stream.
func (r *reader) waitForInput() {
	p := r.SubscribeInput(r.in)
	r.Block(p)
	r.DropPollable(p)
}

// splice asks for n bytes and expects the number that was moved.
func (r *reader) splice(t *testing.T, n, moved uint64) {
	t.Helper()
	require.Equal(t, moves(moved), r.Splice(r.s, r.in, n))
}

// moves is the result of a skip or splice of n bytes.
func moves(n uint64) host.Result { return host.Result{Kind: host.Permit, Value: n} }

// inputOps are the functions that read, by name.
var inputOps = map[string]func(r *reader) host.Result{
	"read":            func(r *reader) host.Result { _, result := r.Read(r.in, 1); return result },
	"blocking-read":   func(r *reader) host.Result { _, result := r.BlockingRead(r.in, 1); return result },
	"skip":            func(r *reader) host.Result { return r.Skip(r.in, 1) },
	"blocking-skip":   func(r *reader) host.Result { return r.BlockingSkip(r.in, 1) },
	"splice":          func(r *reader) host.Result { return r.Splice(r.s, r.in, 1) },
	"blocking-splice": func(r *reader) host.Result { return r.BlockingSplice(r.s, r.in, 1) },
}

// What the contract forbids on input streams. See forbidden.
var forbiddenInput = []struct {
	name    string
	host    string // a host that traps, or does worse
	in, out host.Plan
	guest   func(t *testing.T, r *reader)
	reason  string
	call    string // the last one
}{
	{
		name: "spinning on splice without bytes", host: "Wasmtime, files, where it never ends",
		in: host.Plan{Permits: []uint64{0, 5}},
		guest: func(_ *testing.T, r *reader) {
			for {
				r.Splice(r.s, r.in, 1)
			}
		},
		reason: spins, call: "output-stream(1).splice(input-stream(2), 1) = trap",
	},
	{
		name: "spinning on a skip that never says that the stream has ended", host: "Wasmtime, standard input, where it never ends",
		in: host.Plan{End: host.EndSilent},
		guest: func(t *testing.T, r *reader) {
			r.read(t, 7, "content")
			for require.Equal(t, closed, r.Skip(r.in, 1)); ; {
				r.Skip(r.in, 0)
			}
		},
		reason: spins, call: "input-stream(2).skip(0) = trap",
	},
	{
		name: "write on the permit from before a splice", host: "Wasmtime 48, TCP",
		guest: func(t *testing.T, r *reader) {
			r.permit(t, 1<<20)
			r.splice(t, 1, 1)
			r.Write(r.s, []byte("x"))
		},
		reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write on the permit from before a splice that moved nothing", host: "Wasmtime 48, TCP: splice asks for a permit of its own",
		in: host.Plan{Permits: []uint64{0, 5}},
		guest: func(t *testing.T, r *reader) {
			r.permit(t, 1<<20)
			r.splice(t, 1, 0)
			r.Write(r.s, []byte("x"))
		},
		reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write on the permit from before a splice of nothing", host: "Wasmtime 48, TCP: splice asks for a permit of its own",
		guest: func(t *testing.T, r *reader) {
			r.permit(t, 1<<20)
			r.splice(t, 0, 0)
			r.Write(r.s, []byte("x"))
		},
		reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write on a permit that another handle's splice has voided", host: "Wasmtime, AsyncStdoutStream",
		guest: func(t *testing.T, r *reader) {
			other := r.SameSink(r.s)
			r.permit(t, 1<<20)
			require.Equal(t, moves(1), r.Splice(other, r.in, 1))
			r.Write(r.s, []byte("x"))
		},
		reason: "write of 1 bytes on a permit that a write or flush in between has used up", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "splice of nothing from a dropped stream", host: "every host: the component model",
		guest: func(_ *testing.T, r *reader) {
			r.DropInput(r.in)
			r.Splice(r.s, r.in, 0)
		},
		reason: "handle 2 is unknown, or was dropped", call: "output-stream(1).splice(input-stream(2), 0) = trap",
	},
	{
		name: "get-stdin with a full table", host: "Wasmtime with -S max-resources",
		out:    host.Plan{Handles: 2},
		guest:  func(_ *testing.T, r *reader) { r.GetStdin() },
		reason: "the handle table is full: all 2 handles are live", call: "stdin.get-stdin = trap",
	},
}

func TestForbiddenOfInput(t *testing.T) {
	for _, c := range forbiddenInput {
		t.Run(c.name, func(t *testing.T) {
			r := newReader(c.out, c.in, strings.NewReader("content"))
			mustTrap(t, r.Host, c.host, c.reason, c.call, func() { c.guest(t, r) })
		})
	}
	for name, op := range inputOps {
		t.Run(name+" on a dropped stream", func(t *testing.T) {
			r := newText(host.Plan{}, "content")
			r.DropInput(r.in)
			trap := trapOf(t, func() { op(r) })
			assert.Equal(t, "handle 2 is unknown, or was dropped", trap.Reason)
			assert.Empty(t, r.out.String())
		})
	}
}

// The script says how many bytes come at once, and is not asked again until they are read.
func TestReadsGoByPieces(t *testing.T) {
	r := newText(host.Plan{Permits: []uint64{3, 0, 2}}, "abcdefgh")
	r.read(t, 2, "ab")
	r.read(t, 0, "")
	r.read(t, 10, "c")
	r.read(t, 10, "")
	r.read(t, 10, "") // no progress without a wait
	r.waitForInput()
	r.read(t, 10, "de")
	r.read(t, 10, "fgh")
	r.read(t, 10, "")
	r.waitForInput()
	_, result := r.Read(r.in, 10)
	assert.Equal(t, closed, result)
	assert.Equal(t, []string{"output-stream(1)", "input-stream(2)"}, r.Live())
	r.DropInput(r.in)
	assert.Equal(t, []string{"output-stream(1)"}, r.Live())
	assert.Nil(t, r.Trapped())
}

// A guest that makes progress does not spin.
func TestProgressIsNoSpin(t *testing.T) {
	r := newText(host.Plan{Permits: []uint64{0, 5}}, "never read")
	r.SetStdin(host.Plan{}, strings.NewReader("content"))
	stdin := r.GetStdin()
	for _, progress := range []func(){
		func() { assert.Equal(t, moves(1), r.Skip(stdin, 1)) },
		func() { r.put(t, "x") },
		func() { r.wait() },
		func() { r.Block(r.SubscribeDuration(1)) },
		func() {},
	} {
		for range 60_000 {
			r.Read(r.in, 1)
		}
		progress()
	}
	assert.Nil(t, r.Trapped())
}

// However the reader returns its bytes and its end, the stream has all bytes and closes.
func TestEndOfInput(t *testing.T) {
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"data, then EOF":        func(r io.Reader) io.Reader { return r },
		"data and EOF at once":  iotest.DataErrReader,
		"a byte at a time":      iotest.OneByteReader,
		"half of what is asked": iotest.HalfReader,
		"nothing now and then": func(r io.Reader) io.Reader {
			empty := false
			return readerFunc(func(p []byte) (int, error) {
				if empty = !empty; empty {
					return 0, nil
				}
				return r.Read(p[:1])
			})
		},
		"read in the background": func(r io.Reader) io.Reader { return host.NewFeed(r) },
		"nothing more after EOF": func(r io.Reader) io.Reader {
			over := false
			return readerFunc(func(p []byte) (int, error) {
				if over {
					t.Error("read again after EOF")
				}
				n, err := r.Read(p)
				over = err == io.EOF
				return n, err
			})
		},
	} {
		for end, op := range inputOps {
			t.Run(name+"/"+end, func(t *testing.T) {
				r := newReader(host.Plan{}, host.Plan{Permits: []uint64{4, 0, 1}}, wrap(strings.NewReader("some content")))
				var got []byte
				for len(got) < len("some content") {
					p, result := r.BlockingRead(r.in, 100)
					require.Equal(t, done, result)
					require.NotEmpty(t, p)
					require.LessOrEqual(t, len(p), 4)
					got = append(got, p...)
				}
				assert.Equal(t, "some content", string(got))
				result := op(r)
				for result.Kind != host.Closed { // the end may have to be waited for
					require.Zero(t, result.Value)
					r.waitForInput()
					result = op(r)
				}
				for again, op := range inputOps {
					assert.Equal(t, closed, op(r), again)
				}
				p := r.SubscribeInput(r.in)
				assert.True(t, r.Ready(p), "a stream that is closed is always ready")
				r.Block(p)
				r.DropPollable(p)
				r.permit(t, 1<<20) // the output is still open
				assert.Empty(t, r.out.got)
			})
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// emptyOps are the functions that may read, asked for nothing. A splice of nothing reads nothing.
var emptyOps = map[string]func(r *reader) (got int, result host.Result){
	"read":          func(r *reader) (int, host.Result) { p, result := r.Read(r.in, 0); return len(p), result },
	"blocking-read": func(r *reader) (int, host.Result) { p, result := r.BlockingRead(r.in, 0); return len(p), result },
	"skip":          func(r *reader) (int, host.Result) { result := r.Skip(r.in, 0); return int(result.Value), result },
	"blocking-skip": func(r *reader) (int, host.Result) {
		result := r.BlockingSkip(r.in, 0)
		return int(result.Value), result
	},
}

// The End decides which operations find the end, and which report it after that.
func TestEnds(t *testing.T) {
	assertOpen := func(t *testing.T, r *reader) {
		t.Helper()
		for name, op := range emptyOps {
			got, result := op(r)
			assert.Contains(t, []host.ResultKind{host.Done, host.Permit}, result.Kind, name)
			assert.Zero(t, got, name)
		}
	}
	assertClosed := func(t *testing.T, r *reader) {
		t.Helper()
		for name, op := range emptyOps {
			_, result := op(r)
			assert.Equal(t, closed, result, name)
		}
	}
	for name, end := range map[string]host.End{"known": host.EndKnown, "when read": host.EndWhenRead, "silent": host.EndSilent} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{
			"data, then EOF":         func(r io.Reader) io.Reader { return r },
			"data and EOF at once":   iotest.DataErrReader,
			"read in the background": func(r io.Reader) io.Reader { return host.NewFeed(r) },
			"of a capacity": func(r io.Reader) io.Reader {
				return io.MultiReader(r, readerFunc(func([]byte) (int, error) { panic("read beyond the capacity") }))
			},
		} {
			for how, op := range inputOps {
				t.Run(name+"/"+kind+"/"+how, func(t *testing.T) {
					in := host.Plan{End: end}
					if kind == "of a capacity" {
						in.Capacity = uint64(len("content"))
					}
					r := newReader(host.Plan{}, in, wrap(strings.NewReader("content")))
					r.waitForInput()
					assertOpen(t, r)
					r.read(t, 3, "con")
					assertOpen(t, r)
					r.read(t, 9, "tent")
					r.waitForInput()
					if end == host.EndKnown {
						assertClosed(t, r)
						assert.Equal(t, closed, op(r))
						return
					}
					assertOpen(t, r)
					r.splice(t, 0, 0)
					assert.Equal(t, closed, op(r))
					if end == host.EndWhenRead {
						assertClosed(t, r)
					} else {
						assertOpen(t, r)
					}
					assert.Equal(t, closed, op(r))
					p := r.SubscribeInput(r.in)
					assert.True(t, r.Ready(p))
					r.splice(t, 0, 0)
				})
			}
		}
		t.Run(name+"/failure", func(t *testing.T) {
			plan := host.Plan{End: end}
			r := newReader(host.Plan{}, plan, iotest.DataErrReader(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(errors.New("broken")))))
			r.read(t, 3, "abc")
			var result host.Result
			if end == host.EndKnown {
				_, result = r.Read(r.in, 0)
			} else {
				assertOpen(t, r)
				_, result = r.Read(r.in, 1)
			}
			assert.Equal(t, "broken", textOf(t, r.guest, result))
			if end == host.EndSilent {
				assertOpen(t, r)
			} else {
				assertClosed(t, r)
			}
		})
		t.Run(name+"/planned failure", func(t *testing.T) {
			plan := host.Plan{End: end, Faults: []host.Fault{
				{At: host.AtRead, Call: 2, Text: "oops", Then: host.ThenAgain}}}
			r := newText(plan, "content")
			r.read(t, 1, "c")
			if end == host.EndKnown {
				_, result := r.Read(r.in, 0)
				assert.Equal(t, "oops", textOf(t, r.guest, result))
				return
			}
			assertOpen(t, r) // which does not count as a call of read
			assert.Equal(t, "oops", textOf(t, r.guest, r.Skip(r.in, 1)))
			if end == host.EndSilent {
				assertOpen(t, r)
			} else {
				assert.Equal(t, "oops", textOf(t, r.guest, r.Skip(r.in, 0)))
			}
		})
	}
}

// To see whether the stream has ended, the host reads ahead as many bytes as a read would return,
// and no more. A later read returns them.
func TestEndIsSeenAhead(t *testing.T) {
	var sizes []int
	content := strings.NewReader("abcdefghij")
	in := readerFunc(func(p []byte) (int, error) {
		sizes = append(sizes, len(p))
		return content.Read(p)
	})
	r := newReader(host.Plan{}, host.Plan{Permits: []uint64{4, 0, 20}, Faults: []host.Fault{
		{At: host.AtRead, Bytes: 9, Text: "at byte 9"}}}, in)
	r.read(t, 0, "")
	assert.Equal(t, moves(0), r.Skip(r.in, 0))
	assert.Equal(t, []int{4}, sizes)
	r.splice(t, 3, 3)
	r.read(t, 0, "")
	r.read(t, 9, "d")
	assert.Equal(t, moves(0), r.Skip(r.in, 0)) // the script's 0
	r.waitForInput()
	r.read(t, 2, "ef")
	r.read(t, 0, "")
	assert.Equal(t, []int{4, 2, 18}, sizes)
	r.read(t, 3, "ghi") // bytes read ahead count when they are taken
	assert.Equal(t, "at byte 9", textOf(t, r.guest, r.Skip(r.in, 0)))
	assert.Equal(t, "abc", r.out.String())
	assert.Equal(t, []int{4, 2, 18}, sizes)
}

// Bytes that were read ahead can be read, even if the reader has no more yet.
func TestEndIsSeenAheadOfAFeed(t *testing.T) {
	in, typed := io.Pipe()
	r := newReader(host.Plan{}, host.Plan{}, host.NewFeed(in))
	go typed.Write([]byte("typed"))
	r.waitForInput()
	r.read(t, 0, "")
	p := r.SubscribeInput(r.in)
	for _, want := range []string{"t", "y", "p", "e", "d"} {
		assert.True(t, r.Ready(p))
		r.read(t, 1, want)
		r.read(t, 0, "")
	}
	assert.False(t, r.Ready(p))
	typed.Close()
	r.Block(p)
	_, result := r.Read(r.in, 0)
	assert.Equal(t, closed, result)
}

// An operation on no bytes waits as any other does.
func TestEndIsWaitedFor(t *testing.T) {
	for _, end := range []host.End{host.EndKnown, host.EndWhenRead, host.EndSilent} {
		r := newText(host.Plan{Permits: []uint64{7, 0}, End: end, Delay: time.Second}, "content")
		r.read(t, 9, "content")
		r.read(t, 0, "")
		r.read(t, 0, "")
		p := r.SubscribeInput(r.in)
		assert.False(t, r.Ready(p))
		result := r.BlockingSkip(r.in, 0)
		assert.EqualValues(t, time.Second, r.Now())
		if end == host.EndKnown {
			assert.Equal(t, closed, result)
		} else {
			assert.Equal(t, moves(0), result)
			assert.Equal(t, closed, r.Skip(r.in, 1))
		}
	}
}

// The stream fails where its reader fails, no matter which function finds that out.
func TestReaderThatFails(t *testing.T) {
	once := func(p []byte) (int, error) { return copy(p, "abc"), errors.New("broken") }
	after := func(err error) io.Reader { return io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(err)) }
	for name, in := range map[string]io.Reader{
		"after the data":          after(errors.New("broken")),
		"with the data":           iotest.DataErrReader(after(errors.New("broken"))),
		"with the data, once":     readerFunc(once),
		"in the background":       host.NewFeed(readerFunc(once)),
		"with an EOF that is not": after(fmt.Errorf("broken: %w", io.ErrUnexpectedEOF)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(host.Plan{}, host.Plan{}, in)
			p, result := r.BlockingRead(r.in, 3)
			require.Equal(t, done, result)
			assert.Equal(t, "abc", string(p))
			r.waitForInput()
			_, result = r.Read(r.in, 3)
			assert.Contains(t, textOf(t, r.guest, result), "broken")
			for again, op := range inputOps {
				assert.Equal(t, closed, op(r), again)
			}
			assert.Equal(t, []string{"output-stream(1)", "input-stream(2)"}, r.Live())
		})
	}
	for name, op := range inputOps {
		t.Run(name, func(t *testing.T) {
			r := newReader(host.Plan{}, host.Plan{}, iotest.ErrReader(errors.New("broken")))
			assert.Equal(t, "broken", textOf(t, r.guest, op(r)))
			for again, op := range inputOps {
				assert.Equal(t, closed, op(r), again)
			}
			r.put(t, "the output still works")
		})
	}
}

func TestReaderThatPanics(t *testing.T) {
	r := newReader(host.Plan{}, host.Plan{}, readerFunc(func([]byte) (int, error) { panic("reader") }))
	assert.PanicsWithValue(t, "reader", func() { r.Read(r.in, 1) })
	r.put(t, "not locked")
	assert.Nil(t, r.Trapped())
}

// A guest that asks for much does not use up the memory of its host.
func TestReadsAreBounded(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	r := newReader(host.Plan{Permits: []uint64{1 << 40}}, host.Plan{Permits: []uint64{1 << 40}}, bytes.NewReader(content))
	p, result := r.Read(r.in, 1<<64-1)
	require.Equal(t, done, result)
	assert.True(t, bytes.Equal(content[:1<<20], p))
	assert.Equal(t, moves(1<<20), r.Skip(r.in, 1<<64-1))
	r.splice(t, 1<<64-1, 1<<20)
	assert.True(t, string(content[2<<20:]) == r.out.String())
	assert.Equal(t, closed, r.Skip(r.in, 1))
}

func TestBlockingReadAndSkip(t *testing.T) {
	in := host.Plan{Permits: []uint64{0, 3, 0, 0, 2}, Delay: time.Second}
	r := newText(in, "abcdefg")
	p, result := r.BlockingRead(r.in, 2)
	assert.Equal(t, done, result)
	assert.Equal(t, "ab", string(p))
	assert.EqualValues(t, time.Second, r.Now())
	assert.Equal(t, moves(1), r.BlockingSkip(r.in, 2), "what is there, not all that was asked for")
	assert.EqualValues(t, time.Second, r.Now(), "no wait")
	assert.Equal(t, moves(2), r.BlockingSkip(r.in, 2))
	assert.EqualValues(t, 3*time.Second, r.Now(), "two waits, the second after a spurious wake-up")
	p, result = r.BlockingRead(r.in, 0)
	assert.Equal(t, done, result)
	assert.Empty(t, p)
	assert.EqualValues(t, 4*time.Second, r.Now(), "it waits although it wants nothing")
	p, _ = r.BlockingRead(r.in, 9)
	assert.Equal(t, "fg", string(p))
	assert.Zero(t, r.Count(host.OpBlock))
}

// A tracedScript records the questions to a script.
type tracedScript struct {
	host.Script
	name  string
	asked *[]string
}

func (s tracedScript) Permit(moved uint64) uint64 {
	n := s.Script.Permit(moved)
	*s.asked = append(*s.asked, fmt.Sprintf("%s permit %d", s.name, n))
	return n
}

func (s tracedScript) Fault(at string, call int, moved uint64) *host.Fault {
	*s.asked = append(*s.asked, fmt.Sprintf("%s %s %d after %d", s.name, at, call, moved))
	return s.Script.Fault(at, call, moved)
}

// traced returns a reader and the questions to the scripts of its two streams.
func traced(out, in host.Plan, content string) (*reader, *[]string) {
	asked := new([]string)
	plan := func(name string, p host.Plan) host.Plan {
		return host.Scripted(p, tracedScript{host.Planned(p), name, asked})
	}
	g := newGuest(host.Plan{})
	g.DropStream(g.s)
	g.s = g.NewStream(plan("out", out), &g.out)
	return &reader{g, g.NewInput(plan("in", in), strings.NewReader(content))}, asked
}

// Splice is check-write, read and write, in that order. Each happens only if the one before left
// bytes for it.
func TestSpliceGoesByItsParts(t *testing.T) {
	faultAt := func(at string) host.Plan {
		return host.Plan{Faults: []host.Fault{{At: at, Closed: true}}}
	}
	for _, c := range []struct {
		name    string
		out, in host.Plan
		n       uint64
		want    host.Result
		asked   []string
	}{
		{"moves", host.Plan{}, host.Plan{}, 100, moves(7),
			[]string{"out check-write 1 after 0", "out permit 1048576", "in read 1 after 0", "in permit 1048576",
				"out write 1 after 0"}},
		{"no permit", host.Plan{Permits: []uint64{0, 1}}, faultAt(host.AtRead), 100, moves(0),
			[]string{"out check-write 1 after 0", "out permit 0"}},
		{"no bytes", faultAt(host.AtWrite), host.Plan{Permits: []uint64{0, 1}}, 100, moves(0),
			[]string{"out check-write 1 after 0", "out permit 1048576", "in read 1 after 0", "in permit 0"}},
		{"nothing asked for", faultAt(host.AtWrite), faultAt(host.AtRead), 0, moves(0),
			[]string{"out check-write 1 after 0", "out permit 1048576"}},
		{"check-write fails", faultAt(host.AtCheckWrite), faultAt(host.AtRead), 100, closed,
			[]string{"out check-write 1 after 0"}},
		{"check-write fails, nothing asked for", faultAt(host.AtCheckWrite), faultAt(host.AtRead), 0, closed,
			[]string{"out check-write 1 after 0"}},
		{"read fails", faultAt(host.AtWrite), faultAt(host.AtRead), 100, closed,
			[]string{"out check-write 1 after 0", "out permit 1048576", "in read 1 after 0"}},
		{"write fails", faultAt(host.AtWrite), host.Plan{}, 100, closed,
			[]string{"out check-write 1 after 0", "out permit 1048576", "in read 1 after 0", "in permit 1048576",
				"out write 1 after 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, asked := traced(c.out, c.in, "content")
			assert.Equal(t, c.want, r.Splice(r.s, r.in, c.n))
			assert.Equal(t, c.asked, *asked)
			if c.want.Kind == host.Permit {
				assert.Equal(t, "content"[:c.want.Value], r.out.String())
			} else {
				assert.Empty(t, r.out.got)
			}
		})
	}
	t.Run("each count goes on", func(t *testing.T) {
		r, asked := traced(host.Plan{Permits: []uint64{3}}, host.Plan{Permits: []uint64{2}}, "content")
		r.permit(t, 3)
		require.Equal(t, done, r.Write(r.s, []byte("x")))
		r.read(t, 2, "co")
		*asked = nil
		r.splice(t, 9, 2)
		r.splice(t, 9, 2)
		assert.Equal(t, []string{
			"out check-write 2 after 1", "out permit 3", "in read 2 after 2", "in permit 2", "out write 2 after 1",
			"out check-write 3 after 3", "out permit 3", "in read 3 after 4", "in permit 2", "out write 3 after 3",
		}, *asked)
	})
	t.Run("blocking", func(t *testing.T) {
		r, asked := traced(host.Plan{Permits: []uint64{0, 3}}, host.Plan{Permits: []uint64{0, 2}}, "content")
		assert.Equal(t, moves(2), r.BlockingSplice(r.s, r.in, 9))
		assert.Equal(t, []string{
			"out check-write 1 after 0", "out permit 0", "out check-write 2 after 0", "out permit 3",
			"in read 1 after 0", "in permit 0", "in read 2 after 0", "in permit 2", "out write 1 after 0",
		}, *asked)
	})
}

// A splice moves as many bytes as are permitted, are there and are asked for, in one write.
func TestSplice(t *testing.T) {
	r := newReader(host.Plan{Permits: []uint64{3, 5, 9, 9}}, host.Plan{Permits: []uint64{4, 9, 1, 9}},
		strings.NewReader("abcdefghijklmnop"))
	r.splice(t, 9, 3)
	r.splice(t, 9, 1) // the rest of the piece
	r.splice(t, 2, 2)
	r.splice(t, 1<<64-1, 7)
	r.splice(t, 9, 1)
	assert.Equal(t, []string{"abc", "d", "ef", "ghijklm", "n"}, r.out.got)
	r.read(t, 1, "o")
	r.put(t, "hand ")
	r.splice(t, 9, 1)
	assert.Equal(t, closed, r.Splice(r.s, r.in, 9))
	assert.Equal(t, "abcdefghijklmnhand p", r.out.String())
	r.DropInput(r.in)
	r.DropStream(r.s)
	assert.Empty(t, r.Live())
}

func TestSpliceWaitsForEither(t *testing.T) {
	r := newReader(host.Plan{Permits: []uint64{0, 3}}, host.Plan{Permits: []uint64{0, 5}}, strings.NewReader("content"))
	r.splice(t, 9, 0)
	r.splice(t, 9, 0)
	r.waitForInput() // the wrong stream
	r.splice(t, 9, 0)
	r.wait()
	r.splice(t, 9, 0) // the output would have taken 3 bytes
	r.wait()
	r.splice(t, 9, 0) // and still would
	r.waitForInput()
	r.splice(t, 9, 3)
	assert.Equal(t, "con", r.out.String())
	r.splice(t, 9, 0) // now the output must be waited for again
	r.wait()
	r.splice(t, 9, 2)
	assert.Equal(t, "conte", r.out.String())
}

// A splice moves what check-write permitted. If it moves nothing, check-write permits that again.
func TestPermitHoldsForSplice(t *testing.T) {
	for name, splice := range map[string]func(r *reader) host.Result{
		"splice":          func(r *reader) host.Result { return r.Splice(r.s, r.in, 9) },
		"blocking-splice": func(r *reader) host.Result { return r.BlockingSplice(r.s, r.in, 9) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(host.Plan{Permits: []uint64{3, 0}}, host.Plan{}, strings.NewReader("content"))
			r.permit(t, 3)
			assert.Equal(t, moves(3), splice(r))
			r.permit(t, 0)
			r.wait()
			r.permit(t, 3)
			r.splice(t, 0, 0)
			r.permit(t, 3)
			assert.Equal(t, moves(3), splice(r))
			assert.Equal(t, "conten", r.out.String())
		})
	}
	t.Run("that moves nothing", func(t *testing.T) {
		r := newReader(host.Plan{Permits: []uint64{3, 0}}, host.Plan{Permits: []uint64{0, 2}}, strings.NewReader("content"))
		r.splice(t, 9, 0)
		r.permit(t, 3)
		require.Equal(t, done, r.Write(r.s, []byte("abc")))
		r.permit(t, 0)
	})
	t.Run("that fails", func(t *testing.T) {
		r := newReader(host.Plan{Permits: []uint64{3, 0, 5}, Faults: []host.Fault{
			{At: host.AtWrite, Call: 1, Then: host.ThenWorks}}}, host.Plan{}, strings.NewReader("content"))
		r.permit(t, 3)
		textOf(t, r.guest, r.Splice(r.s, r.in, 9))
		r.permit(t, 0)
		r.wait()
		r.permit(t, 5)
	})
}

// A splice of more than a permit succeeds on hosts that are busy after each write.
func TestSpliceToABusyHost(t *testing.T) {
	for _, name := range []string{"wasmtime-tcp", "wasmtime-file"} {
		t.Run(name, func(t *testing.T) {
			plan, err := host.Named(name)
			require.NoError(t, err)
			content := strings.Repeat("0123456789abcdef", 1<<17)
			r := newReader(plan, host.Plan{}, strings.NewReader(content))
			for moved := 0; moved < len(content); {
				result := r.Splice(r.s, r.in, 1<<20)
				require.Equal(t, host.Permit, result.Kind)
				if moved += int(result.Value); result.Value > 0 {
					continue
				}
				if r.CheckWrite(r.s).Value == 0 {
					r.wait()
				}
			}
			require.Equal(t, done, r.BlockingFlush(r.s))
			assert.True(t, content == r.out.String())
			assert.LessOrEqual(t, r.Count(host.OpBlock), uint64(len(content)>>16))
		})
	}
}

// A splice reads nothing while a flush is under way. What it moves is held like what is written.
func TestSpliceDuringAFlush(t *testing.T) {
	out := host.Plan{FlushWaits: []int{2}, Hold: true}
	r := newReader(out, host.Plan{}, strings.NewReader("content"))
	r.splice(t, 3, 3)
	require.Equal(t, done, r.Flush(r.s))
	r.splice(t, 3, 0)
	r.wait()
	r.splice(t, 3, 0)
	assert.Empty(t, r.out.got)
	r.read(t, 1, "t") // the first that was not moved
	r.wait()
	r.splice(t, 9, 3)
	assert.Equal(t, []string{"con"}, r.out.got)
	require.Equal(t, done, r.BlockingFlush(r.s))
	assert.Equal(t, []string{"con", "ent"}, r.out.got)
}

func TestSpliceLosesBytesIfTheWriteFails(t *testing.T) {
	fails := func(f host.Fault) host.Plan {
		f.At, f.Call = host.AtWrite, 2
		return host.Plan{Permits: []uint64{3}, Faults: []host.Fault{f}}
	}
	splices := map[string]func(r *reader) host.Result{
		"splice":          func(r *reader) host.Result { return r.Splice(r.s, r.in, 9) },
		"blocking-splice": func(r *reader) host.Result { return r.BlockingSplice(r.s, r.in, 9) },
	}
	for name, splice := range splices {
		t.Run(name, func(t *testing.T) {
			r := newReader(fails(host.Fault{Text: "oops", Then: host.ThenWorks}), host.Plan{}, strings.NewReader("abcdefghi"))
			assert.Equal(t, moves(3), splice(r))
			assert.Equal(t, "oops", textOf(t, r.guest, splice(r)))
			assert.Equal(t, moves(3), splice(r))
			assert.Equal(t, []string{"abc", "ghi"}, r.out.got)

			r = newReader(fails(host.Fault{Closed: true}), host.Plan{}, strings.NewReader("abcdefghi"))
			assert.Equal(t, moves(3), splice(r))
			assert.Equal(t, closed, splice(r))
			assert.Equal(t, closed, splice(r))
			assert.Equal(t, closed, r.CheckWrite(r.s))
			r.read(t, 9, "ghi") // the input is still open
			assert.Equal(t, []string{"abc"}, r.out.got)

			r = newReader(host.Plan{}, host.Plan{}, strings.NewReader("abc"))
			r.s = r.NewStream(host.Plan{}, writerFunc(func([]byte) (int, error) { return 0, errors.New("disk full") }))
			assert.Equal(t, "disk full", textOf(t, r.guest, splice(r)))
			assert.Equal(t, closed, splice(r))
			assert.Equal(t, closed, inputOps["read"](r), "its last bytes were lost")
		})
	}
}

func TestBlockingSplice(t *testing.T) {
	slow := func(permits ...uint64) host.Plan {
		return host.Plan{Permits: permits, Delay: time.Second}
	}
	t.Run("waits for both", func(t *testing.T) {
		r := newReader(slow(0, 4), slow(0, 0, 3), strings.NewReader("content"))
		assert.Equal(t, moves(3), r.BlockingSplice(r.s, r.in, 9))
		assert.EqualValues(t, 3*time.Second, r.Now())
		assert.Equal(t, []string{"con"}, r.out.got)
		assert.Equal(t, []string{"output-stream(1)", "input-stream(2)"}, r.Live())
	})
	t.Run("of nothing", func(t *testing.T) {
		r := newReader(slow(0, 4), slow(0, 3), strings.NewReader("content"))
		assert.Equal(t, moves(0), r.BlockingSplice(r.s, r.in, 0))
		assert.EqualValues(t, time.Second, r.Now(), "for the output alone")
	})
	t.Run("waits for a flush", func(t *testing.T) {
		out := host.Plan{FlushWaits: []int{2}, Hold: true, Delay: time.Second}
		r := newReader(out, host.Plan{}, strings.NewReader("content"))
		r.splice(t, 3, 3)
		require.Equal(t, done, r.Flush(r.s))
		assert.Equal(t, moves(4), r.BlockingSplice(r.s, r.in, 9))
		assert.EqualValues(t, 2*time.Second, r.Now())
		assert.Equal(t, []string{"con"}, r.out.got, "bytes after the flush are held")
	})
	t.Run("of a stream that ends", func(t *testing.T) {
		r := newReader(slow(0, 4), slow(0, 3), strings.NewReader(""))
		assert.Equal(t, closed, r.BlockingSplice(r.s, r.in, 9))
		assert.EqualValues(t, 2*time.Second, r.Now())
	})
	t.Run("to a stream that fails while it waits", func(t *testing.T) {
		out := slow(0, 4)
		out.Faults = []host.Fault{{At: host.AtCheckWrite, Call: 2, Text: "oops"}}
		r := newReader(out, slow(0, 3), strings.NewReader("content"))
		assert.Equal(t, "oops", textOf(t, r.guest, r.BlockingSplice(r.s, r.in, 9)))
		r.read(t, 9, "") // nothing was asked of the input
		r.waitForInput()
		r.read(t, 9, "con")
	})
	t.Run("from a stream that fails while it waits", func(t *testing.T) {
		in := slow(0, 3)
		in.Faults = []host.Fault{{At: host.AtRead, Call: 2, Text: "oops"}}
		r := newReader(host.Plan{}, in, strings.NewReader("content"))
		assert.Equal(t, "oops", textOf(t, r.guest, r.BlockingSplice(r.s, r.in, 9)))
		assert.Equal(t, closed, r.BlockingSplice(r.s, r.in, 9))
		r.put(t, "still works")
	})
}

// All handles of standard input are of one stream, but have pollables of their own.
func TestStandardInput(t *testing.T) {
	h := host.New(host.Options{Clock: new(host.VirtualClock)})
	empty := h.GetStdin()
	_, result := h.Read(empty, 1)
	assert.Equal(t, closed, result, "empty until it is set")
	h.DropInput(empty)

	h.SetStdin(host.Plan{Permits: []uint64{5, 0}}, strings.NewReader("one two three"))
	a, b := h.GetStdin(), h.GetStdin()
	assert.NotEqual(t, a, b)
	pollable := h.SubscribeInput(b)
	p, _ := h.Read(a, 3)
	q, _ := h.Read(b, 3)
	assert.Equal(t, "one|  t", string(p)+"| "+string(q))
	for _, in := range []uint32{a, b} {
		p, result := h.Read(in, 3)
		assert.Equal(t, done, result)
		assert.Empty(t, p, "both must wait")
	}
	h.DropInput(a) // b has the pollable
	h.Block(pollable)
	p, _ = h.Read(b, 9)
	assert.Equal(t, "wo th", string(p))
	h.DropPollable(pollable)
	h.DropInput(b)
	c := h.GetStdin() // the stream is the host's and lives on
	p, _ = h.BlockingRead(c, 9)
	assert.Equal(t, "ree", string(p))
	assert.Equal(t, []string{fmt.Sprintf("input-stream(%d)", c)}, h.Live())
}

// Many goroutines on one standard input, each with a handle of its own.
func TestConcurrentReads(t *testing.T) {
	const goroutines = 8
	content := strings.Repeat("0123456789", 500)
	for name, in := range map[string]io.Reader{
		"reader": strings.NewReader(content),
		"feed":   host.NewFeed(strings.NewReader(content)),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(host.Plan{})
			g.SetStdin(host.Plan{Permits: []uint64{7, 0}, Delay: time.Millisecond}, in)
			var mu sync.Mutex
			var got []byte
			var wg sync.WaitGroup
			for range goroutines {
				in := g.GetStdin()
				wg.Go(func() {
					defer g.DropInput(in)
					for {
						p, result := g.BlockingRead(in, 5)
						if result == closed {
							return
						}
						mu.Lock()
						got = append(got, p...)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			slices.Sort(got)
			assert.Len(t, got, len(content))
			for i := range 10 {
				assert.Equal(t, len(content)/10, bytes.Count(got, []byte{byte('0' + i)}))
			}
			assert.Equal(t, []string{"output-stream(1)"}, g.Live())
		})
	}
}

// A terminal is a reader that reports when it is read from, and returns what is typed.
type terminal struct {
	asked chan struct{}
	typed chan string // when it is closed, the reader ends
}

func newTerminal() *terminal { return &terminal{make(chan struct{}, 1), make(chan string)} }

func (r *terminal) Read(p []byte) (int, error) {
	r.asked <- struct{}{}
	text, ok := <-r.typed
	if !ok {
		return 0, io.EOF
	}
	return copy(p, text), nil
}

// A Feed reads when it is asked whether there are bytes, and not before. Then there is one
// read at a time.
func TestFeedReadsWhenAsked(t *testing.T) {
	in := newTerminal()
	f := host.NewFeed(in)
	assert.Empty(t, in.asked)
	arrived := f.Arrived()
	require.NotNil(t, arrived)
	<-in.asked
	assert.Equal(t, arrived, f.Arrived(), "the same read")
	in.typed <- "ab"
	<-arrived
	assert.Nil(t, f.Arrived())
	p := make([]byte, 1)
	for _, want := range []string{"a", "b"} {
		assert.Nil(t, f.Arrived(), "there are bytes")
		n, err := f.Read(p)
		require.NoError(t, err)
		assert.Equal(t, want, string(p[:n]))
	}
	assert.Empty(t, in.asked, "all was read, and no more is wanted yet")
	arrived = f.Arrived()
	require.NotNil(t, arrived)
	<-in.asked
	close(in.typed)
	<-arrived
	for range 3 {
		assert.Nil(t, f.Arrived(), "the end has arrived")
		n, err := f.Read(p)
		assert.Zero(t, n)
		assert.Equal(t, io.EOF, err)
	}
	assert.Empty(t, in.asked, "the end is permanent")
}

func TestFeedReadBlocks(t *testing.T) {
	in := newTerminal()
	f := host.NewFeed(in)
	type result struct {
		text string
		err  error
	}
	read := make(chan result)
	go func() {
		p := make([]byte, 10)
		n, err := f.Read(p)
		read <- result{string(p[:n]), err}
	}()
	<-in.asked
	select {
	case r := <-read:
		t.Fatal("Read returns before there is anything:", r)
	default:
	}
	in.typed <- ""
	<-in.asked // a read of nothing does not count
	in.typed <- "text"
	assert.Equal(t, result{"text", nil}, <-read)
}

// An error that was read with bytes is returned after them.
func TestFeedOfAReaderThatFails(t *testing.T) {
	broken := errors.New("broken")
	for name, in := range map[string]io.Reader{
		"with bytes":    readerFunc(func(p []byte) (int, error) { return copy(p, "text"), broken }),
		"after them":    io.MultiReader(strings.NewReader("text"), iotest.ErrReader(broken)),
		"without bytes": iotest.ErrReader(broken),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(iotest.OneByteReader(host.NewFeed(in)))
			assert.Same(t, broken, err)
			assert.Contains(t, []string{"text", ""}, string(got))
			assert.Equal(t, name == "without bytes", len(got) == 0)
		})
	}
	assert.NoError(t, iotest.TestReader(host.NewFeed(strings.NewReader("content")), []byte("content")))
}

// A wait ends when bytes come, and takes until then.
func TestFeedWakes(t *testing.T) {
	for name, wait := range map[string]func(r *reader) string{
		"block": func(r *reader) string {
			r.waitForInput()
			p, _ := r.Read(r.in, 9)
			return string(p)
		},
		"poll": func(r *reader) string {
			p := r.SubscribeInput(r.in)
			defer r.DropPollable(p)
			if ready := r.Poll([]uint32{p}); len(ready) != 1 {
				return fmt.Sprint(ready)
			}
			q, _ := r.Read(r.in, 9)
			return string(q)
		},
		"blocking-read": func(r *reader) string {
			p, _ := r.BlockingRead(r.in, 9)
			return string(p)
		},
		"blocking-skip": func(r *reader) string {
			if result := r.BlockingSkip(r.in, 9); result != moves(5) {
				return fmt.Sprint(result)
			}
			return "typed"
		},
		"blocking-splice": func(r *reader) string {
			if result := r.BlockingSplice(r.s, r.in, 9); result != moves(5) {
				return fmt.Sprint(result)
			}
			return r.out.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, typed := io.Pipe()
			var sleeps []time.Duration
			clock := &sleeper{before: func(d time.Duration) {
				sleeps = append(sleeps, d)
				typed.Write([]byte("typed"))
			}}
			r := newReaderWith(host.Options{Clock: clock}, host.Plan{}, host.Plan{}, host.NewFeed(in))
			assert.Equal(t, "typed", wait(r))
			assert.Equal(t, []time.Duration{never}, sleeps)
			assert.Equal(t, []string{"output-stream(1)", "input-stream(2)"}, r.Live())
			typed.Close()
			assert.Equal(t, closed, inputOps["blocking-read"](r))
		})
	}
}

// A guest can wait for a silent reader and for a time at once.
func TestFeedAndClock(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	r := newReaderWith(host.Options{Clock: new(host.VirtualClock)}, host.Plan{}, host.Plan{}, host.NewFeed(in))
	stdin := r.SubscribeInput(r.in)
	for range 3 {
		timer := r.SubscribeDuration(uint64(time.Second))
		assert.Equal(t, []uint32{1}, r.Poll([]uint32{stdin, timer}))
		r.DropPollable(timer)
		assert.False(t, r.Ready(stdin))
		r.read(t, 9, "")
		r.splice(t, 9, 0)
	}
	assert.EqualValues(t, 3*time.Second, r.Now())
	typed.Write([]byte("typed"))

	// Bytes are there now, or soon will be, so the wait ends before the time.
	timer := r.SubscribeDuration(1<<64 - 1)
	assert.Equal(t, []uint32{1}, r.Poll([]uint32{timer, stdin}))
	assert.True(t, r.Ready(stdin))
	r.read(t, 9, "typed")
	assert.False(t, r.Ready(stdin))
	assert.EqualValues(t, 3*time.Second, r.Now())
}

// Bytes that come while the host waits for them and a time end the wait for the time.
func TestFeedWakesBeforeTheClock(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	var sleeps []time.Duration
	clock := &sleeper{before: func(d time.Duration) {
		sleeps = append(sleeps, d)
		typed.Write([]byte("typed"))
	}}
	r := newReaderWith(host.Options{Clock: clock}, host.Plan{}, host.Plan{}, host.NewFeed(in))
	stdin, timer := r.SubscribeInput(r.in), r.SubscribeDuration(uint64(time.Hour))
	assert.Equal(t, []uint32{0}, r.Poll([]uint32{stdin, timer}))
	assert.Equal(t, []time.Duration{time.Hour}, sleeps)
	assert.False(t, r.Ready(timer))

	h := host.New(host.Options{}) // on the wall clock
	again, retyped := io.Pipe()
	defer retyped.Close()
	h.SetStdin(host.Plan{}, host.NewFeed(again))
	stdin, timer = h.SubscribeInput(h.GetStdin()), h.SubscribeDuration(uint64(time.Hour))
	go retyped.Write([]byte("typed"))
	assert.Equal(t, []uint32{0}, h.Poll([]uint32{stdin, timer}))
	h.Block(stdin)
}

// Before the guest wants bytes, a host reads none.
func TestInputReadsWhenTheGuestWantsBytes(t *testing.T) {
	for name, want := range map[string]func(h *host.Host, in uint32){
		"read":   func(h *host.Host, in uint32) { h.Read(in, 1) },
		"skip":   func(h *host.Host, in uint32) { h.Skip(in, 1) },
		"splice": func(h *host.Host, in uint32) { h.Splice(h.GetStdout(), in, 1) },
		"ready":  func(h *host.Host, in uint32) { h.Ready(h.SubscribeInput(in)) },
	} {
		t.Run(name, func(t *testing.T) {
			in := newTerminal()
			h := host.New(host.Options{Clock: new(host.VirtualClock)})
			h.SetStdin(host.Plan{}, host.NewFeed(in))
			s := h.GetStdin()
			h.DropPollable(h.SubscribeInput(s))
			h.DropInput(h.GetStdin())
			h.Splice(h.GetStdout(), s, 0)
			assert.Empty(t, in.asked)
			for range 3 {
				want(h, s)
			}
			<-in.asked
			want(h, s)
			assert.Empty(t, in.asked, "one read at a time")
			close(in.typed)
			h.Block(h.SubscribeInput(s))
			_, result := h.Read(s, 1)
			assert.Equal(t, closed, result)
			assert.Empty(t, in.asked)
		})
	}
}

// The script applies to bytes that have arrived. Asking in vain is not spinning, since they come
// by themselves.
func TestFeedWithAPlan(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	plan := host.Plan{Permits: []uint64{0, 2},
		Faults: []host.Fault{{At: host.AtRead, Bytes: 4, Text: "at byte 4"}}}
	r := newReaderWith(host.Options{Clock: new(host.VirtualClock)}, host.Plan{}, plan, host.NewFeed(in))
	for range 200_000 {
		r.read(t, 9, "")
	}
	go typed.Write([]byte("typed"))
	r.waitForInput()
	r.read(t, 9, "") // the script's 0
	r.waitForInput()
	r.read(t, 9, "ty")
	r.read(t, 9, "")
	r.waitForInput()
	r.read(t, 9, "pe")
	_, result := r.Read(r.in, 9)
	assert.Equal(t, "at byte 4", textOf(t, r.guest, result))
}

// A wake-up can be lost even if bytes come.
func TestFeedThatLosesWakeups(t *testing.T) {
	in, typed := io.Pipe()
	defer typed.Close()
	lossy := host.Plan{LoseWakeups: true}
	for name, wait := range map[string]func(r *reader){
		"block":         (*reader).waitForInput,
		"blocking-read": func(r *reader) { r.BlockingRead(r.in, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReaderWith(host.Options{Clock: new(host.VirtualClock)}, host.Plan{}, lossy, host.NewFeed(in))
			trap := trapOf(t, func() { wait(r) })
			assert.Equal(t, hangs, trap.Reason)
		})
	}
	r := newReaderWith(host.Options{Clock: new(host.VirtualClock)}, host.Plan{}, lossy, host.NewFeed(in))
	assert.Equal(t, []uint32{1}, r.Poll([]uint32{r.SubscribeInput(r.in), r.SubscribeDuration(1)}))
}

// Bytes may arrive while the host finds out how long to wait for them.
func TestFeedThatIsFast(t *testing.T) {
	for name, wait := range map[string]func(r *reader){
		"block":         (*reader).waitForInput,
		"poll":          func(r *reader) { r.Poll([]uint32{r.SubscribeInput(r.in)}) },
		"blocking-read": func(r *reader) { r.BlockingRead(r.in, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 5000 {
				wait(newReader(host.Plan{}, host.Plan{}, host.NewFeed(strings.NewReader("x"))))
			}
		})
	}
}
