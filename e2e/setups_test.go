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

// The setups of rows whose results are not simply those of the native run.

// failsMidway has standard output fail after 102,500 bytes, in the 21st Write of 5000.
func failsMidway(t *testing.T, c *cell, p *process) func(*result) string {
	const piece, writes, failAt = 5000, 64, 102500
	take, limit := 100000, uint64(failAt)
	reason := ""
	switch c.host {
	case inherited:
		p.stdout.Stop = &take
		reason = "Broken pipe"
	case file:
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
		assert.True(t, bytes.HasPrefix(written, r.stdout), "what arrives is what was written first")

		if reason == "" {
			// The host does not tell the guest.
			assert.Equal(t, len(written), n)
			assert.Contains(t, report, "err=<nil>")
			switch c.host {
			case nothing:
				assert.Zero(t, r.exit)
				return cannot
			case jcoFile:
				assert.Len(t, r.stdout, failAt)
			}
			jcoNotices(t, c, r)
			return unnoticed
		}
		assert.Zero(t, r.exit, "stderr: %s", r.stderr)
		assert.Contains(t, report, "ours=true closed=false sticky=true")
		if c.with == component.TinyGo {
			assert.Contains(t, report, reason)
		} else {
			assert.Contains(t, report, "last operation failed")
		}
		switch c.host {
		case inherited:
			// A pipe's reader is gone while the pipe is still full of what it
			// did not take.
			assert.Len(t, r.stdout, take)
			assert.GreaterOrEqual(t, n, take-piece)
			assert.LessOrEqual(t, n, take+pipeSize+piece)
			assert.Zero(t, n%piece, "n=%d is not a number of whole pieces", n)
		case file:
			// This host fails in write, of which nothing counts.
			assert.Len(t, r.stdout, failAt)
			assert.Equal(t, failAt/piece*piece, n)
		default:
			// This host accepts the bytes first and fails later.
			assert.Len(t, r.stdout, failAt)
			assert.Equal(t, (failAt/piece+1)*piece, n)
		}
		return pass
	}
}

// pattern returns what the guest writes.
func pattern(size, writes int) []byte {
	p := make([]byte, size)
	x := uint32(size)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return bytes.Repeat(p, writes)
}

// jcoNotices asserts how a run ends on Node whose standard output fails. Node learns of
// it when its event loop goes round again. A guest of Go has ended the process before; a
// guest of TinyGo has returned, and the error, which nobody handles, ends the process.
func jcoNotices(t *testing.T, c *cell, r *result) {
	if c.with == component.Go {
		assert.Zero(t, r.exit)
		return
	}
	assert.NotZero(t, r.exit)
	assert.Contains(t, string(r.stderr), "Unhandled 'error' event")
}

// alwaysFails has every write to standard output fail, and looks for handles that have
// not been dropped.
func alwaysFails(t *testing.T, c *cell, p *process) func(*result) string {
	zero, limit := 0, uint64(0)
	switch c.host {
	case inherited, jcoPipe:
		p.stdout.Stop = &zero
	case file, jcoFile:
		p.task.FileLimit = &limit
	case callback, slow, grudging:
		p.task.Run.Sink.Fails = true
	}
	return func(r *result) string {
		var failed, before, after int
		_, err := fmt.Sscanf(string(r.stderr), "failed=%d before=%d after=%d", &failed, &before, &after)
		require.NoError(t, err, "stderr: %s", r.stderr)
		assert.Equal(t, before, after, "number of a new handle")
		assert.Empty(t, r.stdout)
		switch c.host {
		case nothing:
			assert.Zero(t, failed)
			return cannot
		case jcoPipe, jcoFile:
			assert.Zero(t, failed)
			jcoNotices(t, c, r)
			return unnoticed
		}
		assert.Zero(t, r.exit)
		assert.Equal(t, c.row.args[1], strconv.Itoa(failed))
		return pass
	}
}

// manyWaits is how many Writes a guest makes where each means to wait.
const manyWaits = 1_250_000

// waits looks for handles, and for memory of the host, that have not been given back
// after many waits.
func waits(t *testing.T, c *cell, p *process) func(*result) string {
	few := c.row.args[1]
	if c.host != callback {
		return func(r *result) string {
			checkWaits(t, c.host, r, few)
			return pass
		}
	}
	p.task.Memory = scratch("memory")
	many, run := *p, *p.task.Run
	many.task.Run = &run
	many.task.Memory = scratch("memory")
	run.Args = []string{"guest", "waits", strconv.Itoa(manyWaits)}
	many.limit = 5 * time.Minute
	return func(r *result) string {
		checkWaits(t, c.host, r, few)
		after, err := c.host.run(&many)
		require.NoError(t, err)
		share := checkWaits(t, c.host, after, strconv.Itoa(manyWaits))
		assert.GreaterOrEqual(t, manyWaits/1000*share, 1_000_000, "waits")
		small, large := kibibytes(t, p.task.Memory), kibibytes(t, many.task.Memory)
		t.Logf("waited in %d of 1000 Writes; memory %d and %d KiB", share, small, large)
		assert.Less(t, large-small, 16<<10, "KiB that a hundred times as many waits have cost")
		return pass
	}
}

// kibibytes reads the number that a task has written to the file.
func kibibytes(t *testing.T, file string) int {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	n, err := strconv.Atoi(string(text))
	require.NoError(t, err)
	return n
}

// checkWaits returns of how many in 1000 Writes it was seen that they had to wait.
func checkWaits(t *testing.T, h *host, r *result, writes string) (share int) {
	var rounds, before, after int
	_, err := fmt.Sscanf(string(r.stderr), "waited=%d/%d before=%d after=%d", &share, &rounds, &before, &after)
	require.NoError(t, err, "stderr: %s", r.stderr)
	assert.Equal(t, 1000, rounds)
	assert.Equal(t, before, after, "number of a new handle")
	switch h {
	case callback, slow, grudging:
		assert.Greater(t, share, 800, "Writes of 1000 that had to wait")
	default:
		assert.Zero(t, share, "Writes of 1000 that had to wait")
	}
	n, _ := strconv.Atoi(writes)
	want := append(bytes.Repeat([]byte("-"), rounds), bytes.Repeat([]byte("+"), n)...)
	if h == nothing {
		want = nil
	}
	sameBytes(t, want, r.stdout)
	return share
}

// writesFile gives the guest a folder, and compares the file that it makes there with the
// one that the native program makes.
func writesFile(t *testing.T, c *cell, p *process) func(*result) string {
	folder := t.TempDir()
	if c.host.stdout != "" {
		p.task.Run.Folder = folder
	} else {
		p.env = append(p.env, "GUEST_FOLDER="+folder)
	}
	return func(r *result) string {
		assert.Zero(t, r.exit)
		assert.Equal(t, "wrote="+c.row.args[1]+" err=<nil> close=<nil>\n", string(r.stderr))
		if c.host != nothing {
			assert.Equal(t, "done\n", string(r.stdout))
		}
		got, err := os.ReadFile(filepath.Join(folder, c.row.args[0]))
		require.NoError(t, err)
		want, err := nativeFile(c.row.args[1])
		require.NoError(t, err)
		assert.Equal(t, want, sha256.Sum256(got), "hash of the file, which has %d bytes", len(got))
		return pass
	}
}

// nativeFile returns the hash of the file that the native program makes.
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
			out := scratch("native")
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
