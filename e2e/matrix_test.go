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
	"github.com/wasio-dev/wasio/e2e/internal/self"
)

var update = flag.Bool("update", false, "write the matrix to README.md, and the screenshot of examples/browser")

// A row is a guest with its arguments and its expected behavior.
type row struct {
	pkg  string
	args []string
	only component.Toolchain // if not empty, the only toolchain for this guest

	dir      bool   // whether it gets a directory
	fails    bool   // whether it ends with exit code 1 or a trap
	panics   string // if not empty, the text of the panic that ends it
	deferred string // output of a deferred call during the panic

	// stderrDiffers is set if standard error is not the same on all hosts.
	stderrDiffers bool

	// setup, if not nil, modifies the process and returns a function that checks its
	// result and returns the text of the cell. Without setup, the result must be that
	// of the native run.
	setup func(t *testing.T, c *cell, p *process) (check func(*result) string)
}

// A cell is a guest compiled by one toolchain and run on one host.
type cell struct {
	row       *row
	toolchain component.Toolchain
	host      *host
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

// rows returns the rows of the matrix. Every example has one.
func rows(t *testing.T) []*row {
	var all []*row
	examples, err := os.ReadDir("../examples")
	require.NoError(t, err)
	for _, example := range examples {
		// An example in a separate module is not a command.
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
		&row{pkg: casesGuest, args: a("write", "16777216")},
		&row{pkg: casesGuest, args: a("buffered", "60000")},
		&row{pkg: casesGuest, args: a("copied", "60000")},
		&row{pkg: casesGuest, args: a("turns", "200")},
		&row{pkg: casesGuest, args: a("both", "200")},
		&row{pkg: casesGuest, args: a("handles", "15")},
		&row{pkg: casesGuest, args: a("panic", "100"), fails: true, stderrDiffers: true, panics: "on purpose"},
		&row{pkg: casesGuest, args: a("fatal", "100"), fails: true},
		&row{pkg: casesGuest, args: a("fail", "5000"), setup: failsMidway},
		&row{pkg: casesGuest, args: a("failures", "2000"), setup: alwaysFails},
		&row{pkg: casesGuest, args: a("stopped", "300"), setup: stopsReading},
		&row{pkg: casesGuest, args: a("fair", "600"), setup: isFair},
		&row{pkg: fileGuest, args: a("written", "20000000"), only: component.TinyGo, dir: true, setup: writesFile},
		&row{pkg: oldGuest},
		&row{pkg: casesGuest, args: a("waits", "2000"), setup: waits},
		&row{pkg: casesGuest, args: a("lines", "5000")},
	)
}

// TestMatrix runs every guest, compiled by every toolchain, on every host.
func TestMatrix(t *testing.T) {
	t.Parallel()
	all := rows(t)
	m := &matrix{name: "matrix", rows: all, hosts: hosts, cells: make(map[cell]string)}
	t.Run("run", func(t *testing.T) {
		for _, toolchain := range component.Toolchains {
			t.Run(string(toolchain), func(t *testing.T) {
				requireTools(t, toolchain)
				t.Parallel()
				// The last rows take the longest, so they start first.
				for _, r := range slices.Backward(all) {
					if r.only == "" || r.only == toolchain {
						t.Run(r.name(), func(t *testing.T) {
							t.Parallel()
							r.run(t, m, toolchain)
						})
					}
				}
			})
		}
	})
	if !t.Failed() {
		m.checkReadme(t)
	}
}

// run fills the cells of the row for one toolchain.
func (r *row) run(t *testing.T, m *matrix, toolchain component.Toolchain) {
	g, err := build(r.pkg, toolchain)
	require.NoError(t, err)
	want, err := r.native()
	require.NoError(t, err)
	for _, h := range m.hosts {
		c := &cell{r, toolchain, h}
		t.Run(h.name, func(t *testing.T) {
			start := time.Now()
			text := c.run(t, g, want)
			m.set(*c, text)
			t.Logf("%s (%.1f s)", text, time.Since(start).Seconds())
		})
	}
}

// native runs the guest as a native program. Its result is the expected result on all hosts.
// The result is nil if the row has a setup.
func (r *row) native() (*result, error) {
	g, err := build(r.pkg, "")
	if err != nil || r.setup != nil {
		return nil, err
	}
	p := process{task: task{Exec: append([]string{g.native}, r.args...)}, limit: time.Minute}
	return p.run()
}

// pipeSize is the capacity of a pipe on Linux.
const pipeSize = 64 << 10

// The texts of cells. The numbers refer to the notes in README.md.
const (
	pass      = "pass"
	toStdout  = "pass ¹" // TinyGo prints the message of a panic on standard output
	tailLost  = "64 KiB ²"
	cannot    = "no error ³"
	unnoticed = "no error ⁴"
	noDefer   = "no defer ⁶"
	heldBack  = "1854 of 2000 ⁷"
	hostWaits = "host waits ⁸"
	noReader  = "no reader"
)

// run runs the guest and returns the text of its cell.
func (c *cell) run(t *testing.T, g *guest, want *result) string {
	dir := ""
	if c.row.dir {
		dir = t.TempDir()
	}
	p := c.host.process(g, c.row.args, dir)
	if c.row.setup != nil {
		check := c.row.setup(t, c, p)
		got, err := c.host.run(p)
		require.NoError(t, err)
		return check(got)
	}
	losesTail := c.host == jcoPipe && len(want.stdout) > pipeSize
	p.stdout.Late = losesTail
	got, err := c.host.run(p)
	require.NoError(t, err)

	// A panic is a trap, except that a command that Go compiled has main, and exits. On Node a
	// trap is an error like others.
	panics := c.row.panics != "" && c.toolchain == component.TinyGo
	traps := c.row.panics != "" && c.toolchain != component.Go
	exit := 0
	switch {
	case traps && c.host.engine != jco:
		exit = self.ExitTrap
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
		// On jco, every standard output is a terminal, so the buffer is empty.
		if c.row.deferred != "" && c.host.engine != jco {
			text, stdout = noDefer, bytes.TrimSuffix(stdout, []byte(c.row.deferred))
		}
		stdout = append(bytes.Clone(stdout), "panic: "+c.row.panics+"\n"...)
	case losesTail:
		assert.Greater(t, len(got.stdout), pipeSize/2, "bytes that arrive")
		assert.Less(t, len(got.stdout), len(stdout), "bytes that arrive")
		text, stdout = tailLost, stdout[:len(got.stdout)]
	}
	assertStdout(t, stdout, got.stdout)
	return text
}

// assertStdout asserts that a guest wrote the bytes in want. It reports where the bytes
// differ.
func assertStdout(t *testing.T, want, got []byte) {
	t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	t.Errorf("stdout has %d bytes, want %d; from byte %d on: %.80q, want %.80q",
		len(got), len(want), at, got[at:], want[at:])
}

// A matrix holds the text of each cell.
type matrix struct {
	name  string // in README.md
	rows  []*row
	hosts []*host

	mu    sync.Mutex
	cells map[cell]string
}

func (m *matrix) set(c cell, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cells[c] = text
}

// markdown returns the matrix as tables, one per toolchain, and whether every cell was
// measured.
func (m *matrix) markdown() (text string, complete bool) {
	var b strings.Builder
	complete = true
	for _, toolchain := range component.Toolchains {
		fmt.Fprintf(&b, "\n### %s\n\n| guest |", toolchain)
		for _, h := range m.hosts {
			fmt.Fprintf(&b, " %s |", h.name)
		}
		b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(m.hosts)) + "\n")
		for _, r := range m.rows {
			fmt.Fprintf(&b, "| %s |", r.name())
			for _, h := range m.hosts {
				text, ok := m.cells[cell{r, toolchain, h}]
				if r.only != "" && r.only != toolchain {
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

// checkReadme fails the test if the matrix in README.md is not m. With the flag -update, it
// writes m to README.md.
func (m *matrix) checkReadme(t *testing.T) {
	measured, complete := m.markdown()
	fmt.Print(measured)
	if !complete {
		t.Log("not every cell was measured, so README.md is not checked")
		return
	}
	begin, end := "<!-- "+m.name+" -->\n", "<!-- end of "+m.name+" -->\n"
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), begin)
	written, after, ok2 := strings.Cut(rest, end)
	require.True(t, ok && ok2, "README.md does not have the markers of the matrix")
	if *update {
		readme = []byte(before + begin + measured + end + after)
		require.NoError(t, os.WriteFile("README.md", readme, 0o644))
		return
	}
	have, want := strings.Split(written, "\n"), strings.Split(measured, "\n")
	for _, line := range have {
		if !slices.Contains(want, line) {
			t.Errorf("README.md has a line that was not measured: %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(have, line) {
			t.Errorf("README.md lacks a line that was measured: %s", line)
		}
	}
	if !t.Failed() {
		assert.Equal(t, measured, written)
	} else {
		t.Log("run go test -run TestMatrix -update to write the matrix to README.md")
	}
}
