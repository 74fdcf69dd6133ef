package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// Setups of rows: failsMidway, alwaysFails, stopsReading, isFair, waits and writesFile.

// failsMidway makes standard output fail after 102,500 bytes, in the 21st Write of 5000.
func failsMidway(t *testing.T, c *cell, p *process) func(*result) string {
	const piece, writes, failAt = 5000, 64, 102500
	take, limit := 100000, uint64(failAt)
	reason := ""
	switch c.host {
	case inherited, run36Pipe, pythons: // the callback of pythons writes to the pipe
		p.stdout.Stop = &take
		reason = "Broken pipe"
	case runPipe, run49Pipe:
		p.stdout.Stop = &take
		reason = "stream closed by the host"
	case file, runFile, run36File, run49File:
		p.task.FileLimit = &limit
		reason = "File too large"
	case callback, slow, grudging:
		p.task.Run.Sink.Fails, p.task.Run.Sink.FailAt = true, failAt
		reason = "Input/output error"
	case jcoPipe:
		take = 0
		p.stdout.Stop = &take
	case jcoFile:
		p.task.FileLimit = &limit
	}
	return func(r *result) string {
		var n int
		report := string(r.stderr)
		_, err := fmt.Sscanf(report, "n=%d", &n)
		require.NoError(t, err, "stderr: %s", r.stderr)
		written := pattern(piece, writes)
		assert.True(t, bytes.HasPrefix(written, r.stdout), "stdout is not a prefix of what the guest wrote")

		if reason == "" {
			// The host does not report the failure to the guest.
			assert.Equal(t, len(written), n)
			assert.Contains(t, report, "err=<nil>")
			switch c.host {
			case nothing:
				assert.Zero(t, r.exit)
				return cannot
			case jcoFile:
				assert.Len(t, r.stdout, failAt)
			}
			assertJcoExit(t, c, r)
			return unnoticed
		}
		assert.Zero(t, r.exit, "stderr: %s", r.stderr)
		closed := c.host == runPipe || c.host == run49Pipe
		assert.Contains(t, report, fmt.Sprintf("ours=true closed=%t sticky=true", closed))
		if c.toolchain != component.Go || closed {
			assert.Contains(t, report, reason)
		} else {
			assert.Contains(t, report, "last operation failed")
		}
		switch c.host {
		case inherited, runPipe, run36Pipe, run49Pipe, pythons:
			// When the reader closes the pipe, the pipe still holds bytes that were
			// written but not read.
			assert.Len(t, r.stdout, take)
			assert.GreaterOrEqual(t, n, take-piece)
			assert.LessOrEqual(t, n, take+pipeSize+piece)
			assert.Zero(t, n%piece, "n=%d is not a multiple of the piece size", n)
		case file, runFile, run36File, run49File:
			// This host fails in write, so no byte of that write counts.
			assert.Len(t, r.stdout, failAt)
			assert.Equal(t, failAt/piece*piece, n)
		default:
			// This host accepts the bytes and fails later.
			assert.Len(t, r.stdout, failAt)
			assert.Equal(t, (failAt/piece+1)*piece, n)
		}
		return pass
	}
}

// pattern returns the output of the guest: that many writes of size bytes each.
func pattern(size, writes int) []byte {
	p := make([]byte, size)
	x := uint32(size)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return bytes.Repeat(p, writes)
}

// assertJcoExit asserts the exit code of a run on Node whose standard output failed. Node
// reports the failure in the next turn of its event loop. A guest compiled by Go has exited
// by then. A guest compiled by TinyGo has returned, and the unhandled error ends the process.
func assertJcoExit(t *testing.T, c *cell, r *result) {
	if c.toolchain == component.Go {
		assert.Zero(t, r.exit)
		return
	}
	assert.NotZero(t, r.exit)
	assert.Contains(t, string(r.stderr), "Unhandled 'error' event")
}

// lineBuffer is how many bytes the command wasmtime holds back until a line is complete. It takes
// them, then reports in flush that the stream is closed. For a Writer of NewWriter that is a
// success: the host may have closed the stream after its last byte.
const lineBuffer = 1024

// alwaysFails makes every write to standard output fail, and checks that no handle leaks.
func alwaysFails(t *testing.T, c *cell, p *process) func(*result) string {
	zero, limit := 0, uint64(0)
	switch c.host {
	case inherited, runPipe, run36Pipe, run49Pipe, pythons, jcoPipe:
		p.stdout.Stop = &zero
	case file, runFile, run36File, run49File, jcoFile:
		p.task.FileLimit = &limit
	case callback, slow, grudging:
		p.task.Run.Sink.Fails = true
	}
	return func(r *result) string {
		var failed, before, after int
		_, err := fmt.Sscanf(string(r.stderr), "failed=%d before=%d after=%d", &failed, &before, &after)
		require.NoError(t, err, "stderr: %s", r.stderr)
		assertNoLeak(t, before, after)
		assert.Empty(t, r.stdout)
		switch c.host {
		case nothing:
			assert.Zero(t, failed)
			return cannot
		case jcoPipe, jcoFile:
			assert.Zero(t, failed)
			assertJcoExit(t, c, r)
			return unnoticed
		}
		assert.Zero(t, r.exit)
		succeeded := 0
		if c.host == runPipe || c.host == run49Pipe {
			succeeded = lineBuffer / len("in vain")
		}
		assert.Equal(t, c.row.args[1], strconv.Itoa(failed+succeeded))
		if succeeded > 0 {
			return heldBack
		}
		return pass
	}
}

// stopsReading makes the reader of standard output wait until the guest reports that a deadline has
// ended its Write. The guest then writes the rest, and nothing is lost or repeated. A host that
// waits in write itself keeps the guest from its deadline until the reader goes on.
func stopsReading(t *testing.T, c *cell, p *process) func(*result) string {
	p.stdout.Patience = p.limit
	switch c.host {
	case inherited, runPipe, run36Pipe, run49Pipe:
		p.stdout.Patience = 5 * time.Second
	}
	return func(r *result) string {
		const size = 300_000
		var n, rest int
		var deadline, timeout bool
		_, err := fmt.Sscanf(string(r.stderr), "n=%d deadline=%t timeout=%t\nn=%d err=<nil>\n", &n, &deadline, &timeout, &rest)
		require.NoError(t, err, "stderr: %s", r.stderr)
		assert.Zero(t, r.exit)
		assert.Equal(t, size, n+rest)
		assert.Equal(t, deadline, timeout)
		want := pattern(size, 1)
		switch c.host {
		case nothing:
			want = nil
		case jcoPipe: // it takes all, and loses what the pipe does not hold when the guest ends
			assert.GreaterOrEqual(t, len(r.stdout), pipeSize/2, "bytes that arrive")
			want = want[:min(len(want), len(r.stdout))]
		}
		assertStdout(t, want, r.stdout)
		switch c.host {
		case callback, slow, grudging, pythons:
			assert.True(t, deadline)
			assert.False(t, r.impatient, "the guest waits longer than until its deadline")
			return pass
		case jcoPipe:
			assert.False(t, deadline)
			return tailLost
		case file, nothing, runFile, run36File, run49File, jcoFile:
			assert.False(t, deadline)
			return noReader
		}
		assert.True(t, r.impatient, "the host does not wait in write")
		return hostWaits
	}
}

// isFair checks that a goroutine which writes in a loop does not keep others from writing.
func isFair(t *testing.T, c *cell, p *process) func(*result) string {
	return func(r *result) string {
		lines, err := strconv.Atoi(c.row.args[1])
		require.NoError(t, err)
		assert.Zero(t, r.exit)
		most := checkFair(t, r, lines, 300, c.host != nothing)
		t.Logf("another line came after %d lines at most", most)
		return pass
	}
}

// waits checks that many waits leak neither handles nor memory of the host.
func waits(t *testing.T, c *cell, p *process) func(*result) string {
	few := c.row.args[1]
	// The number of Writes on a host where nearly every Write waits: a million waits take minutes.
	manyWaits, least := 1_250_000, 1_000_000
	if testing.Short() {
		manyWaits, least = manyWaits/10, least/10
	}
	if c.host != callback {
		return func(r *result) string {
			checkWaits(t, c.host, r, few)
			return pass
		}
	}
	p.task.Memory = tempPath("memory")
	many, run := *p, *p.task.Run
	many.task.Run = &run
	many.task.Memory = tempPath("memory")
	run.Args = []string{"guest", "waits", strconv.Itoa(manyWaits)}
	many.limit = 5 * time.Minute
	return func(r *result) string {
		checkWaits(t, c.host, r, few)
		after, err := c.host.run(&many)
		require.NoError(t, err)
		waited := checkWaits(t, c.host, after, strconv.Itoa(manyWaits))
		assert.GreaterOrEqual(t, manyWaits/1000*waited, least, "number of waits")
		small, large := kibibytes(t, p.task.Memory), kibibytes(t, many.task.Memory)
		t.Logf("%d of 1000 writes waited; memory %d and %d KiB", waited, small, large)
		assert.Less(t, large-small, 16<<10, "KiB added by many times as many waits")
		return pass
	}
}

// kibibytes returns the number in a file that a task wrote.
func kibibytes(t *testing.T, file string) int {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	n, err := strconv.Atoi(string(text))
	require.NoError(t, err)
	return n
}

// assertNoLeak checks the numbers of new handles before and after many operations. A TinyGo guest
// keeps the pollable of one clock.
func assertNoLeak(t *testing.T, before, after int) {
	t.Helper()
	assert.GreaterOrEqual(t, after, before)
	assert.LessOrEqual(t, after, before+1, "number of a new handle")
}

// checkWaits checks the output of the guest, and that no handle leaked. It returns how many
// of 1000 writes had to wait.
func checkWaits(t *testing.T, h *host, r *result, writes string) (waited int) {
	var rounds, before, after, heap int
	_, err := fmt.Sscanf(string(r.stderr), "waited=%d/%d before=%d after=%d heap=%d", &waited, &rounds, &before, &after, &heap)
	require.NoError(t, err, "stderr: %s", r.stderr)
	assert.Equal(t, 1000, rounds)
	assert.Less(t, heap, 64<<10, "bytes of heap left in use by %s Writes", writes)
	assertNoLeak(t, before, after)
	switch h {
	case callback, slow, grudging, pythons:
		assert.Greater(t, waited, 800, "writes of 1000 that had to wait")
	default:
		assert.Zero(t, waited, "writes of 1000 that had to wait")
	}
	n, _ := strconv.Atoi(writes)
	want := append(bytes.Repeat([]byte("-"), rounds), bytes.Repeat([]byte("+"), n)...)
	if h == nothing {
		want = nil
	}
	assertStdout(t, want, r.stdout)
	return waited
}

// writesFile checks that the file that the guest writes equals that of the native program.
func writesFile(t *testing.T, c *cell, p *process) func(*result) string {
	return func(r *result) string {
		assert.Zero(t, r.exit)
		assert.Equal(t, "wrote="+c.row.args[1]+" err=<nil> close=<nil>\n", string(r.stderr))
		if c.host != nothing {
			assert.Equal(t, "done\n", string(r.stdout))
		}
		got, err := os.ReadFile(filepath.Join(p.dir, c.row.args[0]))
		require.NoError(t, err)
		want, err := nativeFile(c.row.args[1])
		require.NoError(t, err)
		assert.Equal(t, want, sha256.Sum256(got), "hash of the file of %d bytes", len(got))
		return pass
	}
}

// nativeFile returns the hash of the file that the native program writes. It runs the program
// once.
var nativeFile = func() func(size string) ([sha256.Size]byte, error) {
	var once sync.Once
	var sum [sha256.Size]byte
	var err error
	return func(size string) ([sha256.Size]byte, error) {
		once.Do(func() {
			var g *guest
			if g, err = build(fileGuest, ""); err != nil {
				return
			}
			out := tempPath("native")
			p := process{task: task{Exec: []string{g.native, out, size}}, limit: time.Minute}
			var r *result
			if r, err = p.run(); err == nil && r.exit != 0 {
				err = errors.New(string(r.stderr))
			}
			var written []byte
			if err == nil {
				written, err = os.ReadFile(out)
			}
			sum = sha256.Sum256(written)
		})
		return sum, err
	}
}()
