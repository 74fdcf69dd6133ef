package e2e

import (
	"os"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// A host runs guests with one kind of standard output.
type host struct {
	name   string
	engine software
	stdout wasmtime.Kind // for wasmtime44
	sink   wasmtime.Sink // for wasmtime44
	file   bool          // for the others: standard output is a file, not a pipe
}

// software names what runs guests.
type software string

const (
	wasmtime44 software = "Wasmtime 44, the C library"
	wasmtime48 software = "Wasmtime 48, the command"
	jco        software = "jco"

	wasmtime36 software = "Wasmtime 36, the command"
	wasmtime49 software = "Wasmtime 49, the command"
	wasmtimePy software = "wasmtime-py"
	wash       software = "wash"
)

// commands has the programs that are commands wasmtime.
var commands = map[software]func() (string, error){
	wasmtime36: component.Wasmtime36,
	wasmtime48: component.Wasmtime,
	wasmtime49: component.Wasmtime49,
}

var (
	inherited = &host{name: "inherited", engine: wasmtime44, stdout: wasmtime.Inherited}
	file      = &host{name: "file", engine: wasmtime44, stdout: wasmtime.File}
	nothing   = &host{name: "nothing", engine: wasmtime44, stdout: wasmtime.Nothing}
	callback  = &host{name: "callback", engine: wasmtime44, stdout: wasmtime.Callback}
	slow      = &host{name: "slow callback", engine: wasmtime44, stdout: wasmtime.Callback, sink: wasmtime.Sink{Delay: 50 * time.Microsecond}}
	grudging  = &host{name: "grudging callback", engine: wasmtime44, stdout: wasmtime.Callback, sink: wasmtime.Sink{Piece: 7}}
	runPipe   = &host{name: "wasmtime run, pipe", engine: wasmtime48}
	runFile   = &host{name: "wasmtime run, file", engine: wasmtime48, file: true}
	jcoPipe   = &host{name: "jco, pipe", engine: jco}
	jcoFile   = &host{name: "jco, file", engine: jco, file: true}

	run36Pipe = &host{name: "wasmtime 36 run, pipe", engine: wasmtime36}
	run36File = &host{name: "wasmtime 36 run, file", engine: wasmtime36, file: true}
	run49Pipe = &host{name: "wasmtime 49 run, pipe", engine: wasmtime49}
	run49File = &host{name: "wasmtime 49 run, file", engine: wasmtime49, file: true}
	pythons   = &host{name: "wasmtime-py, callback", engine: wasmtimePy}

	hosts = []*host{inherited, file, nothing, callback, slow, grudging, runPipe, runFile, jcoPipe, jcoFile}

	// others are hosts that run a few rows, enough to show how they differ from hosts.
	others = []*host{run36Pipe, run36File, run49Pipe, run49File, pythons}
)

// process returns a process that runs the guest on the host. The guest gets access to dir
// if that is not empty.
func (h *host) process(g *guest, args []string, dir string) *process {
	// On a busy machine a guest may need minutes.
	p := &process{limit: 3 * time.Minute, dir: dir}
	if h.file {
		p.stdout.File = tempPath("stdout")
	}
	switch h.engine {
	case wasmtime44:
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
	case wasmtime36, wasmtime48, wasmtime49:
		command, _ := commands[h.engine]() // requireTools has checked the error
		compiled, _ := compileFor(h.engine, g.wasm)
		p.task.Exec = []string{command, "run", "--allow-precompiled"}
		if dir != "" {
			p.task.Exec = append(p.task.Exec, "--dir", dir+"::/")
		}
		p.task.Exec = append(append(p.task.Exec, compiled), args...)
	case wasmtimePy:
		dir, _ := component.WasmtimePy()
		p.task.Exec = append([]string{"python3", "hosts/callback.py", g.wasm}, args...)
		p.env = []string{"PYTHONPATH=" + dir}
	case jco:
		p.task.Exec = append([]string{"node", g.script}, args...)
		p.env = []string{"GUEST_DIR=" + dir}
		p.trace = func() string { return jcoTrace(g, args) }
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
		task:  task{Exec: append(jcoCommand("run", "--jco-trace", g.wasm), args...)},
		limit: 10 * time.Second, // jco needs some to begin
	}
	r, err := again.run()
	if r == nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(r.stderr)), "\n")
	return "last host calls of a second run:\n" + strings.Join(lines[max(0, len(lines)-20):], "\n")
}
