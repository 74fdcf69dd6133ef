package p3_test

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/p3"
)

// bindings is an imitation of package async of go.bytecodealliance.org/pkg: a goroutine that waits
// is parked, and once all are, the loop waits for an event.
type bindings struct {
	*builtins.Host
	set     uint32
	pending map[uint32]chan uint32
}

func newBindings(t *testing.T, h *builtins.Host) *bindings {
	b := &bindings{h, h.WaitableSetNew(), make(map[uint32]chan uint32)}
	p3.SetWait(b.futureOrStreamWait)
	t.Cleanup(func() { p3.SetWait(nil) })
	return b
}

func (b *bindings) futureOrStreamWait(status uint32, waitable int32) (code, count uint32) {
	if status == builtins.Blocked {
		b.WaitableJoin(uint32(waitable), b.set)
		event := make(chan uint32)
		b.pending[uint32(waitable)] = event
		status = <-event
	}
	return status & 15, status >> 4
}

// step lets all goroutines run until they wait, and then wakes one. It reports whether there was
// one.
func (b *bindings) step() bool {
	synctest.Wait()
	if len(b.pending) == 0 {
		return false
	}
	var event [2]uint32
	kind := b.WaitableSetWait(b.set, pointer(&event))
	b.WaitableJoin(event[0], 0)
	if kind == 1 {
		b.SubtaskDrop(event[0])
	}
	woken := b.pending[event[0]]
	delete(b.pending, event[0])
	woken <- event[1]
	synctest.Wait()
	return true
}

// The goroutine that waits is parked, and so is one that waits for its turn. Others run, and write
// to other streams. Nothing spins or sleeps.
func TestSetWaitParksTheGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := newBench(t, blocks, builtins.Step{Take: 3, After: time.Hour}, blocks, builtins.Step{Take: 2, After: time.Hour})
		loop := newBindings(t, b.Host)
		slow := b.stream()
		fast, reader := p3.NewStream()
		b.Attach(uint32(reader), builtins.Keen{}, io.Discard)

		var mu sync.Mutex // "one" and "two" end at the same time
		var done []string
		write := func(w *p3.Writer, text string) {
			_, err := w.WriteString(text)
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			done = append(done, text)
		}
		go write(slow, "one, ")
		synctest.Wait()
		go write(slow, "two")
		synctest.Wait()
		b.calls = nil
		go write(fast, "fast")
		synctest.Wait()
		assert.Equal(t, []string{"fast"}, done)
		assert.Equal(t, []string{"stream.write"}, b.calls)
		require.True(t, loop.step())
		assert.Equal(t, "one", b.out.String())
		require.True(t, loop.step())
		assert.False(t, loop.step())
		assert.ElementsMatch(t, []string{"fast", "one, ", "two"}, done)
		assert.Equal(t, "one, two", b.out.String())
		assert.Equal(t, 2*time.Hour, b.Now())
		assert.Equal(t, start, time.Now(), "nothing sleeps")
		assert.Equal(t, 2, b.Count("waitable-set.wait"), "only the loop waits")
		require.NoError(t, slow.Close())
		require.NoError(t, fast.Close())
		assert.Len(t, b.Live(), 1, "the set of the loop")
	})
}

// With a deadline the goroutine checks the stream after pauses, during which it is parked.
func TestSetWaitWithADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := newBench(t, blocks, stalls, cancelled(1))
		loop := newBindings(t, b.Host)
		w := b.stream()
		w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		var n int
		var err error
		done := false
		go func() {
			n, err = w.WriteString("abc")
			done = true
		}()
		var pauses []time.Duration
		for !done {
			before := b.Now()
			require.True(t, loop.step())
			pauses = append(pauses, b.Now()-before)
		}
		assert.Equal(t, 1, n)
		assertTimeout(t, err)
		assert.Equal(t, 100*time.Millisecond, b.Now())
		ms := time.Millisecond
		assert.Equal(t, []time.Duration{1 * ms, 2 * ms, 4 * ms, 5 * ms, 5 * ms}, pauses[:5])
		assert.Equal(t, 3*ms, pauses[len(pauses)-1], "what is left")
		assert.Len(t, pauses, 22)

		w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		b.steps = []builtins.Step{blocks, {Take: 2, After: 6 * ms}}
		done = false
		go func() {
			n, err = w.WriteString("bc")
			done = true
		}()
		for loop.step() {
		}
		assert.True(t, done)
		assert.Equal(t, 2, n)
		assert.NoError(t, err)
		assert.Equal(t, 107*ms, b.Now(), "the first check after 6 ms")
		assert.Equal(t, "abc", b.out.String())
		assert.Equal(t, start, time.Now(), "nothing sleeps")
		require.NoError(t, w.Close())
		assert.Len(t, b.Live(), 1, "the set of the loop")
	})
}

// Close waits in the same way for the future.
func TestSetWaitForAFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.after, b.code = time.Hour, 0
		loop := newBindings(t, b.Host)
		w := b.stdout()
		w.WriteString("x")
		var err error
		go func() { err = w.Close() }()
		synctest.Wait()
		require.NoError(t, err)
		for loop.step() {
		}
		assert.EqualError(t, err, "wasio: close: input/output error")
		assert.Equal(t, time.Hour, b.Now())
	})
}
