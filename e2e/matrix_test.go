package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

var update = flag.Bool("update", false, "write the matrix to README.md")

// A row is a guest with its arguments, and what is expected of it.
type row struct {
	pkg  string
	args []string
	only component.Toolchain // if not empty

	fails    bool   // it ends with exit code 1, or with a trap
	panics   string // it ends with this panic
	deferred string // what a deferred call writes then

	// stderrDiffers is for guests that report what is not the same everywhere.
	stderrDiffers bool

	// setup, if it is not nil, changes the process, and returns what to do with its
	// result instead of comparing it to that of the native run. It returns the text
	// of the cell.
	setup func(t *testing.T, c *cell, p *process) func(*result) string
}

// A cell is a guest of one toolchain on one host.
type cell struct {
	row  *row
	with component.Toolchain
	host *host
}

func (r *row) name() string {
	return strings.Join(append([]string{filepath.Base(r.pkg)}, r.args...), " ")
}

const (
	leaving    = "github.com/wasio-dev/wasio/examples/leaving"
	casesGuest = "./guests/cases"
	fileGuest  = "./guests/file"
	oldGuest   = "./guests/oldpath"
)

// rows returns the matrix's rows. Every example is one.
func rows(t *testing.T) []*row {
	var all []*row
	examples, err := os.ReadDir("../examples")
	require.NoError(t, err)
	for _, example := range examples {
		// What is a module of its own is not a command.
		_, err := os.Stat(filepath.Join("../examples", example.Name(), "go.mod"))
		if example.IsDir() && err != nil {
			all = append(all, &row{pkg: "github.com/wasio-dev/wasio/examples/" + example.Name()})
		}
	}
	a := func(args ...string) []string { return args }
	return append(all,
		&row{pkg: leaving, args: a("exit"), fails: true},
		&row{pkg: leaving, args: a("fatal"), fails: true, stderrDiffers: true},
		&row{pkg: leaving, args: a("panic"), fails: true, stderrDiffers: true,
			panics: "this was not meant to be", deferred: "in the buffer\n"},
		&row{pkg: casesGuest, args: a("write", "1")},
		&row{pkg: casesGuest, args: a("write", "4095")},
		&row{pkg: casesGuest, args: a("write", "4096")},
		&row{pkg: casesGuest, args: a("write", "4097")},
		&row{pkg: casesGuest, args: a("write", "65536")},
		&row{pkg: casesGuest, args: a("write", "1048576")},
		&row{pkg: casesGuest, args: a("write", "41943040")},
		&row{pkg: casesGuest, args: a("buffered", "60000")},
		&row{pkg: casesGuest, args: a("copied", "60000")},
		&row{pkg: casesGuest, args: a("turns", "200")},
		&row{pkg: casesGuest, args: a("both", "200")},
		&row{pkg: casesGuest, args: a("handles", "15")},
		&row{pkg: casesGuest, args: a("panic", "100"), fails: true, stderrDiffers: true, panics: "on purpose"},
		&row{pkg: casesGuest, args: a("fatal", "100"), fails: true},
		&row{pkg: casesGuest, args: a("fail", "5000"), setup: failsMidway},
		&row{pkg: casesGuest, args: a("failures", "10000"), setup: alwaysFails},
		&row{pkg: fileGuest, args: a("written", "100000000"), only: component.TinyGo, setup: writesFile},
		&row{pkg: oldGuest},
		&row{pkg: casesGuest, args: a("waits", "10000"), setup: waits},
		&row{pkg: casesGuest, args: a("lines", "100000")},
	)
}

// TestMatrix runs every guest, made by both toolchains, on every host.
func TestMatrix(t *testing.T) {
	all := rows(t)
	m := &matrix{cells: make(map[cell]string)}
	t.Run("run", func(t *testing.T) {
		for _, with := range component.Toolchains {
			t.Run(string(with), func(t *testing.T) {
				need(t, with)
				t.Parallel()
				// The longest rows are the last.
				for _, r := range slices.Backward(all) {
					if r.only == "" || r.only == with {
						t.Run(r.name(), func(t *testing.T) {
							t.Parallel()
							r.run(t, m, with)
						})
					}
				}
			})
		}
	})
	if !t.Failed() {
		m.compare(t, all)
	}
}

// run fills the row's cells of one toolchain.
func (r *row) run(t *testing.T, m *matrix, with component.Toolchain) {
	g, err := build(r.pkg, with)
	require.NoError(t, err)
	want, err := r.native()
	require.NoError(t, err)
	for _, h := range hosts {
		c := &cell{r, with, h}
		t.Run(h.name, func(t *testing.T) {
			start := time.Now()
			text := c.run(t, g, want)
			m.set(*c, text)
			t.Logf("%s (%.1f s)", text, time.Since(start).Seconds())
		})
	}
}

// native runs the guest on this machine. What it does there is what it has to do
// everywhere.
func (r *row) native() (*result, error) {
	g, err := build(r.pkg, "")
	if err != nil || r.setup != nil {
		return nil, err
	}
	p := process{task: task{Exec: append([]string{g.native}, r.args...)}, limit: time.Minute}
	return p.run()
}

// pipeSize is how much a pipe holds on Linux.
const pipeSize = 64 << 10

// The notes of README.md.
const (
	pass      = "pass"
	toStdout  = "pass ¹" // TinyGo writes the message of a panic to standard output
	tailLost  = "64 KiB ²"
	cannot    = "no error ³"
	unnoticed = "no error ⁴"
	noDefer   = "no defer ⁶"
)

// run runs the guest and returns the text of its cell.
func (c *cell) run(t *testing.T, g *guest, want *result) string {
	p := c.host.process(g, c.row.args, "")
	if c.row.setup != nil {
		check := c.row.setup(t, c, p)
		got, err := c.host.run(p)
		require.NoError(t, err)
		return check(got)
	}
	losesTail := c.host == jcoPipe && len(want.stdout) > pipeSize
	p.stdout.Late = losesTail
	if c.host == jcoPipe || c.host == jcoFile {
		p.limit = 3 * time.Minute // each call of a guest goes to another thread and back
	}
	got, err := c.host.run(p)
	require.NoError(t, err)

	exit, panics := 0, c.row.panics != "" && c.with == component.TinyGo
	switch {
	case panics && c.host.stdout != "":
		exit = exitTrap
		assert.Contains(t, string(got.stderr), "unreachable")
	case c.row.fails:
		exit = 1
	}
	assert.Equal(t, exit, got.exit, "exit code; stderr: %s", got.stderr)
	if !c.row.stderrDiffers {
		assert.Equal(t, string(want.stderr), string(got.stderr), "stderr")
	}
	text, stdout := pass, want.stdout
	switch {
	case c.host == nothing:
		stdout = nil
	case panics:
		text = toStdout
		// jco calls everything a terminal, on which nothing stays in the buffer.
		if c.row.deferred != "" && c.host.stdout != "" {
			text, stdout = noDefer, bytes.TrimSuffix(stdout, []byte(c.row.deferred))
		}
		stdout = append(bytes.Clone(stdout), "panic: "+c.row.panics+"\n"...)
	case losesTail:
		assert.Greater(t, len(got.stdout), pipeSize/2, "bytes that arrive")
		assert.Less(t, len(got.stdout), len(stdout), "bytes that arrive")
		text, stdout = tailLost, stdout[:len(got.stdout)]
	}
	sameBytes(t, stdout, got.stdout)
	return text
}

// sameBytes asserts that they are equal, and shows where they are not.
func sameBytes(t *testing.T, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	t.Errorf("stdout has %d bytes, not %d; they differ from byte %d on: %.80q, not %.80q",
		len(got), len(want), at, got[at:], want[at:])
}

// A matrix has what was found in each cell.
type matrix struct {
	mu    sync.Mutex
	cells map[cell]string
}

func (m *matrix) set(c cell, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cells[c] = text
}

// markdown returns the matrix as tables, one for each toolchain.
func (m *matrix) markdown(all []*row) (text string, complete bool) {
	var b strings.Builder
	complete = true
	for _, with := range component.Toolchains {
		fmt.Fprintf(&b, "\n### %s\n\n| guest |", with)
		for _, h := range hosts {
			fmt.Fprintf(&b, " %s |", h.name)
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(hosts)) + "\n")
		for _, r := range all {
			fmt.Fprintf(&b, "| %s |", r.name())
			for _, h := range hosts {
				text, ok := m.cells[cell{r, with, h}]
				if r.only != "" && r.only != with {
					text, ok = "– ⁵", true
				}
				complete = complete && ok
				fmt.Fprintf(&b, " %s |", text)
			}
			b.WriteString("\n")
		}
	}
	return b.String() + "\n", complete
}

const (
	matrixBegin = "<!-- matrix -->\n"
	matrixEnd   = "<!-- end of matrix -->\n"
)

// compare fails the test if README.md does not have the matrix that was found.
func (m *matrix) compare(t *testing.T, all []*row) {
	found, complete := m.markdown(all)
	fmt.Print(found)
	if !complete {
		t.Log("not every cell was measured; README.md is not compared")
		return
	}
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), matrixBegin)
	written, after, ok2 := strings.Cut(rest, matrixEnd)
	require.True(t, ok && ok2, "README.md has no place for the matrix")
	if *update {
		readme = []byte(before + matrixBegin + found + matrixEnd + after)
		require.NoError(t, os.WriteFile("README.md", readme, 0o644))
		return
	}
	was, is := strings.Split(written, "\n"), strings.Split(found, "\n")
	for _, line := range was {
		if !slices.Contains(is, line) {
			t.Errorf("README.md says what was not measured: %s", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			t.Errorf("README.md does not say what was measured: %s", line)
		}
	}
	if !t.Failed() {
		assert.Equal(t, found, written)
	} else {
		t.Log("go test -run TestMatrix -update writes it")
	}
}
