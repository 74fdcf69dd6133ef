package e2e

import (
	"os"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// A host runs guests with one kind of standard output.
type host struct {
	name   string
	stdout wasmtime.Kind // for Wasmtime; empty for jco
	sink   wasmtime.Sink
	file   bool // for jco: standard output is a file, not a pipe
}

var (
	inherited = &host{name: "inherited", stdout: wasmtime.Inherited}
	file      = &host{name: "file", stdout: wasmtime.File}
	nothing   = &host{name: "nothing", stdout: wasmtime.Nothing}
	callback  = &host{name: "callback", stdout: wasmtime.Callback}
	slow      = &host{name: "slow callback", stdout: wasmtime.Callback, sink: wasmtime.Sink{Delay: 50 * time.Microsecond}}
	grudging  = &host{name: "grudging callback", stdout: wasmtime.Callback, sink: wasmtime.Sink{Piece: 7}}
	jcoPipe   = &host{name: "jco, pipe"}
	jcoFile   = &host{name: "jco, file", file: true}

	hosts = []*host{inherited, file, nothing, callback, slow, grudging, jcoPipe, jcoFile}
)

// process returns a process that runs the guest on the host. The guest gets access to dir
// if that is not empty.
func (h *host) process(g *guest, args []string, dir string) *process {
	p := &process{limit: time.Minute}
	if h.stdout != "" {
		p.task.Run = &wasmtime.Run{
			Component: g.compiled,
			Args:      append([]string{"guest"}, args...),
			Stdout:    h.stdout,
			Sink:      h.sink,
			Dir:       dir,
		}
		if h.stdout == wasmtime.File {
			p.task.Run.File = tempPath("stdout")
		}
		return p
	}
	p.task.Exec = append([]string{"node", g.script}, args...)
	p.env = []string{"GUEST_DIR=" + dir}
	p.trace = func() string { return jcoTrace(g, args) }
	if h.file {
		p.stdout.File = tempPath("stdout")
	}
	return p
}

// run runs a process that h.process returned.
func (h *host) run(p *process) (*result, error) {
	r, err := p.run()
	if err == nil && h.stdout == wasmtime.File {
		r.stdout, err = os.ReadFile(p.task.Run.File)
	}
	return r, err
}

// jcoTrace runs a guest again for a few seconds, and returns its last host calls.
func jcoTrace(g *guest, args []string) string {
	again := process{
		task:  task{Exec: append([]string{"node", jco, "run", "--jco-trace", g.wasm}, args...)},
		limit: 5 * time.Second,
	}
	r, err := again.run()
	if r == nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(r.stderr)), "\n")
	return "last host calls of a second run:\n" + strings.Join(lines[max(0, len(lines)-20):], "\n")
}
