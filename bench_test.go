package wasio_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"log/slog"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// meter is a host that counts its calls, with a stream that discards its bytes.
type meter struct {
	*host.Host
	w *wasio.Writer
}

func newMeter(tb testing.TB) *meter {
	h := host.New(host.Options{})
	w := wasio.NewWriter(expose(tb, h) | h.NewStream(host.Plan{}, io.Discard))
	tb.Cleanup(func() { w.Close() })
	return &meter{h, w}
}

// A measured is an operation that is benchmarked, and the most host calls that it may make
// on average.
type measured struct {
	name  string
	bytes int
	most  float64
	op    func(m *meter) func()
}

func writes(size int, write func(m *meter) func([]byte) (int, error)) func(m *meter) func() {
	return func(m *meter) func() {
		f, p := write(m), pattern(size)
		return func() { f(p) }
	}
}

func measureds() []measured {
	var all []measured
	for _, size := range []int{16, 100, 1 << 10, 4 << 10, 64 << 10, 1 << 20} {
		all = append(all,
			measured{fmt.Sprintf("Writer/%d", size), size, 4,
				writes(size, func(m *meter) func([]byte) (int, error) { return m.w.Write })},
			measured{fmt.Sprintf("BufWriter/%d", size), size, 2 * min(1, float64(size)/(64<<10)) * 1.05,
				writes(size, func(m *meter) func([]byte) (int, error) { return wasio.NewBufWriter(m.w).Write })},
		)
	}
	line := append(pattern(99), '\n')
	return append(all,
		measured{"BufWriter/line mode", 100, 4, func(m *meter) func() {
			b := wasio.NewBufWriter(m.w)
			b.SetLineMode(true)
			return func() { b.Write(line) }
		}},
		measured{"WriteString", 100, 4, func(m *meter) func() {
			s := string(line)
			return func() { m.w.WriteString(s) }
		}},
		measured{"bufio.Writer", 100, 4, func(m *meter) func() {
			b := bufio.NewWriter(m.w)
			return func() { b.Write(line) }
		}},
		measured{"log.Logger", 100, 4, func(m *meter) func() {
			l, args := log.New(m.w, "", 0), []any{string(line)}
			return func() { l.Print(args...) }
		}},
	)
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range measureds() {
		b.Run(c.name, func(b *testing.B) {
			m := newMeter(b)
			op := c.op(m)
			before := m.Total()
			b.SetBytes(int64(c.bytes))
			b.ReportAllocs()
			for b.Loop() {
				op()
			}
			b.ReportMetric(float64(m.Total()-before)/float64(b.N), "hostcalls/op")
		})
	}
}

func BenchmarkSlog(b *testing.B) {
	m := newMeter(b)
	l := slog.New(slog.NewTextHandler(wasio.NewBufWriter(m.w), nil))
	b.ReportAllocs()
	for b.Loop() {
		l.Info("request served", "status", 200, "path", "/index.html")
	}
}

// BenchmarkContended measures Writes of many goroutines: each one that is done wakes the next.
func BenchmarkContended(b *testing.B) {
	for _, goroutines := range []int{1, 2, 10, 1000} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			m := newMeter(b)
			p := pattern(100)
			b.SetParallelism((goroutines + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					m.w.Write(p)
				}
			})
		})
	}
}

// TestCostOfWrites checks the host calls of every operation, and that none allocates. The race
// detector makes sync.Pool drop values at random, so log.Logger allocates there.
func TestCostOfWrites(t *testing.T) {
	for _, c := range measureds() {
		m := newMeter(t)
		op := c.op(m)
		before := m.Total()
		const runs = 2000
		allocs := testing.AllocsPerRun(runs-1, op) // it warms up with one more
		assert.True(t, allocs == 0 || small && c.name == "log.Logger", "allocations of %s: %v", c.name, allocs)
		assert.LessOrEqual(t, float64(m.Total()-before)/runs, c.most, "host calls of %s", c.name)
	}
}
