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
	return buildOnce(spliceGuest, toolchain, buildSpliceUncached)
}

// buildSpliceUncached does the work of buildSplice.
func buildSpliceUncached(_ string, toolchain component.Toolchain) (*guest, error) {
	const wit = spliceGuest + "/wit"
	g := &guest{wasm: tempPath("splice.wasm")}
	var err error
	switch toolchain {
	case component.TinyGo:
		g.wasm, err = buildComponent(spliceGuest, toolchain)
	case component.Componentize:
		err = component.BuildApp(wit, "", spliceGuest, g.wasm, "-tags=files")
	default:
		err = component.BuildWIT(wit, toolchain, "", spliceGuest, g.wasm)
	}
	if err != nil {
		return nil, err
	}
	return g, g.compile() // jco has no splice
}

// A pieceReader returns a few bytes at a time, seldom as many as the last time.
type pieceReader struct {
	r    io.Reader
	last int
}

func (r *pieceReader) Read(p []byte) (n int, err error) {
	r.last = r.last*7%5000 + 1
	return r.r.Read(p[:min(r.last, len(p))])
}

// A spliceWay is a source and a destination between which the guest moves bytes.
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

// A spliceCell is a guest compiled by one toolchain that moves bytes in one way on one host.
type spliceCell struct {
	spliceWay
	toolchain component.Toolchain
	host      *host
	guest     *guest
}

// TestSplice moves bytes with Splice in all ways on all hosts that are Wasmtime.
func TestSplice(t *testing.T) {
	t.Parallel()
	for _, toolchain := range component.Toolchains {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			g, err := buildSplice(toolchain)
			require.NoError(t, err)
			for _, h := range hosts {
				for _, way := range spliceWays {
					// A file does not care where standard output goes.
					if h.engine == jco || !way.possible(toolchain) || way.to != "-" && h != inherited && h != runPipe {
						continue
					}
					c := &spliceCell{way, toolchain, h, g}
					t.Run(h.name+", "+way.String(), func(t *testing.T) {
						t.Parallel()
						t.Run("moves", c.moves)
						t.Run("fails", c.fails)
						t.Run("closed", c.closed)
						t.Run("no source", c.noSource)
					})
				}
			}
		})
	}
}

// moves checks that all bytes arrive, or as many as the guest wants.
func (c *spliceCell) moves(t *testing.T) {
	for _, test := range []struct{ size, n int }{
		{0, -1}, {0, 1},
		{1, -1}, {1, 0}, {1, 1}, {1, 2},
		{70_000, -1}, {70_000, 12_345}, {70_000, 70_000}, {70_000, 70_001},
		{1_000_000, -1}, {1_000_000, 999_999}, {1_000_000, 1_000_000}, {1_000_000, 1 << 62},
	} {
		what := fmt.Sprintf("%d of %d bytes", test.n, test.size)
		want := noise(test.size)
		p := c.process(t, want, test.n)
		r, err := c.host.run(p)
		require.NoError(t, err, what)
		if test.n >= 0 {
			want = want[:min(test.n, test.size)]
		}
		assert.Zero(t, r.exit, what)
		assert.Equal(t, fmt.Sprintf("moved=%d err=<nil>\n", len(want)), string(r.stderr), what)
		if c.host == nothing {
			continue // the host discards the output
		}
		got := c.output(t, p, r)
		assert.Len(t, got, len(want), what)
		assert.Equal(t, sha256.Sum256(want), sha256.Sum256(got), what)
	}
}

// maxPiece is the most that Wasmtime reads at a time, in bytes.
const maxPiece = 64 << 10

// fails checks that the guest learns that the output fails midway: the reader closes the pipe,
// the file reaches its size limit, or the callback returns an error.
//
// The pieces that the host has taken are counted. The piece in which it fails is not, although
// part of it may have arrived. A file of wasi:filesystem, and the callback, fail only after they
// have taken it, so there it is counted.
func (c *spliceCell) fails(t *testing.T) {
	const size, take, failAt = 5_000_000, 100_000, 102_500
	stop, limit := take, uint64(failAt)
	arrives, most, reason := failAt, failAt+maxPiece, "File too large"
	content := noise(size)
	p := c.process(t, content, -1)
	switch {
	case c.host == nothing:
		t.Skip("a sink never fails")
	case c.to != "-", c.host == file, c.host == runFile:
		p.task.FileLimit = &limit
	case c.host == inherited, c.host == runPipe:
		p.stdout.Stop = &stop
		arrives, most, reason = take, take+pipeSize+maxPiece, "Broken pipe"
		if c.host == runPipe {
			reason = "stream closed by the host"
		}
	default:
		p.task.Run.Sink.Fails, p.task.Run.Sink.FailAt = true, failAt
		reason = "Input/output error"
	}
	r, err := c.host.run(p)
	require.NoError(t, err)
	moved := c.failure(t, r, "splice|check-write", reason)
	assert.GreaterOrEqual(t, moved, arrives-maxPiece)
	assert.LessOrEqual(t, moved, most)
	got := c.output(t, p, r)
	assert.Len(t, got, arrives)
	assert.True(t, bytes.HasPrefix(content, got), "what arrived is not what the guest moved")
}

// closed checks that the guest learns of a pipe that nobody reads, although all that it moves
// is a single piece, or stays in the host until the flush.
//
// On Wasmtime 48, standard output works again after it has failed: check-write permits bytes
// right after a splice returned closed. A splice from a stream that has ended returns closed,
// too. But neither standard input nor a file reports its end before it is read once more, so it
// is clear that the output is closed.
func (c *spliceCell) closed(t *testing.T) {
	if c.to != "-" || c.host != inherited && c.host != runPipe {
		t.Skip("standard output is not a pipe")
	}
	stop, reason := 0, "Broken pipe"
	if c.host == runPipe {
		reason = "stream closed by the host"
	}
	for _, size := range []int{1, 1_000, 70_000} {
		for _, n := range []int{-1, size} {
			p := c.process(t, noise(size), n)
			p.stdout.Stop = &stop
			r, err := c.host.run(p)
			require.NoError(t, err)
			if size == 1 {
				assert.Equal(t, 1, c.failure(t, r, "flush", reason))
				continue
			}
			moved := c.failure(t, r, "splice", reason)
			assert.Less(t, moved, size)
			assert.LessOrEqual(t, moved, lineBuffer)
		}
	}
}

// noSource checks that an error of standard input, which is a directory, is reported as such.
// Wasmtime 48 does not report it before standard input is read. So if the destination is standard
// output, which works again after a failure, the error counts as one of the destination.
func (c *spliceCell) noSource(t *testing.T) {
	if c.from != "-" || c.pipe {
		t.Skip("standard input is not a file")
	}
	p := c.process(t, nil, -1)
	dir, err := os.Open(p.dir)
	require.NoError(t, err)
	defer dir.Close()
	p.stdin = dir
	r, err := c.host.run(p)
	require.NoError(t, err)
	op := "read"
	if c.to == "-" && (c.host == runPipe || c.host == runFile) {
		op = "splice"
	}
	assert.Zero(t, c.failure(t, r, op, "Is a directory"))
	assert.Empty(t, r.stdout)
}

// failure checks that the guest has reported the error of an operation, or of one of several.
// Compiled by plain Go, the guest knows no reason but closed. It returns how many bytes the guest
// has moved.
func (c *spliceCell) failure(t *testing.T, r *result, op, reason string) (moved int) {
	t.Helper()
	if c.toolchain == component.Go && reason != "stream closed by the host" {
		reason = "last operation failed"
	}
	assert.Zero(t, r.exit)
	_, err := fmt.Sscanf(string(r.stderr), "moved=%d", &moved)
	require.NoError(t, err, "stderr: %s", r.stderr)
	assert.Regexp(t, fmt.Sprintf("^moved=%d err=wasio: (%s): %s", moved, op, reason), string(r.stderr))
	return moved
}

// process returns a process that moves n of the bytes.
func (c *spliceCell) process(t *testing.T, content []byte, n int) *process {
	t.Helper()
	dir := t.TempDir()
	p := c.host.process(c.guest, []string{c.from, c.to, fmt.Sprint(n)}, dir)
	if c.pipe {
		p.stdin = &pieceReader{r: bytes.NewReader(content)}
		return p
	}
	name := filepath.Join(dir, "in")
	require.NoError(t, os.WriteFile(name, content, 0o600))
	if c.from == "-" {
		f, err := os.Open(name)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		p.stdin = f
	}
	return p
}

// output returns what arrived.
func (c *spliceCell) output(t *testing.T, p *process, r *result) []byte {
	t.Helper()
	if c.to == "-" {
		return r.stdout
	}
	assert.Empty(t, r.stdout)
	content, err := os.ReadFile(filepath.Join(p.dir, c.to))
	require.NoError(t, err)
	return content
}
