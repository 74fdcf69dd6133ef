package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

const spliceGuest = "./guests/splice"

// buildSplice builds the guest splice. Compiled by Go to a command, it opens no files.
func buildSplice(toolchain component.Toolchain) (*guest, error) {
	const wit = spliceGuest + "/wit"
	out := tempPath("splice")
	g := &guest{wasm: out + ".wasm", compiled: out + ".compiled", today: out + ".cwasm"}
	var err error
	if toolchain == component.Componentize {
		err = component.BuildApp(wit, "", spliceGuest, g.wasm, "-tags=files")
	} else {
		err = component.BuildWIT(wit, toolchain, "", spliceGuest, g.wasm)
	}
	if err != nil {
		return nil, err
	}
	return g, g.prepare()
}

// A pieceReader returns few bytes at a time, and seldom as many as the last time.
type pieceReader struct {
	r    io.Reader
	last int
}

func (r *pieceReader) Read(p []byte) (n int, err error) {
	r.last = r.last*7%5000 + 1
	return r.r.Read(p[:min(r.last, len(p))])
}

// A spliceWay is from where to where the guest moves bytes.
type spliceWay struct {
	from, to string // the arguments of the guest
	pipe     bool   // standard input is a pipe, not a file
}

func (s spliceWay) String() string {
	from, to := s.from, s.to
	switch {
	case s.pipe:
		from = "pipe"
	case from == "-":
		from = "stdin"
	}
	if to == "-" {
		to = "stdout"
	}
	return from + " to " + to
}

var spliceWays = []spliceWay{
	{"-", "-", true},
	{"-", "-", false},
	{"-", "out", true},
	{"in", "-", false},
	{"in", "out", false},
}

// possible reports whether a guest can move bytes in this way.
func (s spliceWay) possible(toolchain component.Toolchain) bool {
	return toolchain != component.Go || s.from == "-" && s.to == "-"
}

// process returns a process that moves n of the bytes.
func (s spliceWay) process(t *testing.T, h *host, g *guest, content []byte, n int) *process {
	t.Helper()
	dir := t.TempDir()
	p := h.process(g, []string{s.from, s.to, fmt.Sprint(n)}, dir)
	if s.pipe {
		p.stdin = &pieceReader{r: bytes.NewReader(content)}
		return p
	}
	name := filepath.Join(dir, "in")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	if s.from == "-" {
		f, err := os.Open(name)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		p.stdin = f
	}
	return p
}

// output returns what arrived.
func (s spliceWay) output(t *testing.T, p *process, r *result) []byte {
	t.Helper()
	if s.to == "-" {
		return r.stdout
	}
	assert.Empty(t, r.stdout)
	content, err := os.ReadFile(filepath.Join(p.dir, s.to))
	require.NoError(t, err)
	return content
}

// onWasmtime calls test for each toolchain, each way that it allows, and each host that is
// Wasmtime, in parallel.
func onWasmtime(t *testing.T, test func(*testing.T, component.Toolchain, *guest, *host, spliceWay)) {
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			g, err := buildSplice(toolchain)
			require.NoError(t, err)
			for _, h := range hosts {
				for _, way := range spliceWays {
					if h.engine == jco || !way.possible(toolchain) {
						continue
					}
					t.Run(h.name+", "+way.String(), func(t *testing.T) {
						t.Parallel()
						test(t, toolchain, g, h, way)
					})
				}
			}
		})
	}
}

// All bytes arrive, or as many as the guest wants.
func TestSplice(t *testing.T) {
	onWasmtime(t, func(t *testing.T, _ component.Toolchain, g *guest, h *host, way spliceWay) {
		for _, test := range []struct{ size, n int }{
			{0, -1}, {0, 1},
			{1, -1}, {1, 0}, {1, 1}, {1, 2},
			{70_000, -1}, {70_000, 12_345}, {70_000, 70_000}, {70_000, 70_001},
			{5_000_000, -1}, {5_000_000, 4_999_999}, {5_000_000, 5_000_000}, {5_000_000, 1 << 62},
		} {
			what := fmt.Sprintf("%d of %d bytes", test.n, test.size)
			content := noise(test.size)
			p := way.process(t, h, g, content, test.n)
			r, err := h.run(p)
			require.NoError(t, err, what)
			want := content
			if test.n >= 0 {
				want = content[:min(test.n, test.size)]
			}
			assert.Zero(t, r.exit, what)
			assert.Equal(t, fmt.Sprintf("moved=%d err=<nil>\n", len(want)), string(r.stderr), what)
			if h == nothing && way.to == "-" {
				continue
			}
			got := way.output(t, p, r)
			assert.Len(t, got, len(want), what)
			assert.Equal(t, sha256.Sum256(want), sha256.Sum256(got), what)
		}
	})
}

// If the output fails, the guest learns of it.
func TestSpliceFails(t *testing.T) {
	onWasmtime(t, func(t *testing.T, toolchain component.Toolchain, g *guest, h *host, way spliceWay) {
		const size = 5_000_000
		const failAt = 102_500
		take, limit := 100_000, uint64(failAt)
		content := noise(size)
		p := way.process(t, h, g, content, -1)
		if way.to != "-" {
			p.task.FileLimit = &limit
		} else {
			switch h {
			case nothing:
				return
			case inherited, runPipe:
				p.stdout.Stop = &take
			case file, runFile:
				p.task.FileLimit = &limit
			default:
				p.task.Run.Sink.Fails, p.task.Run.Sink.FailAt = true, failAt
			}
		}
		r, err := h.run(p)
		require.NoError(t, err)
		t.Logf("XX %q %d", r.stderr, len(way.output(t, p, r)))
	})
}
