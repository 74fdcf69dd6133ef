package host

import (
	"io"
	"os"
)

// The file descriptors of the standard streams, for SetStdio.
const (
	Stdout = 1
	Stderr = 2
)

// SetStdio makes get-stdout (fd [Stdout]) or get-stderr (fd [Stderr]) return streams
// that behave as p says and deliver to out.
func (h *Host) SetStdio(fd int, p Plan, out io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stdio[fd-1] = h.newSink(p, out)
}

// IsTerminal reports whether f is a terminal: a character device other than the null device.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// SetStdin makes get-stdin return streams that behave as p says and read from in.
func (h *Host) SetStdin(p Plan, in io.Reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stdin = h.newSource(p, in)
}

// GetStdin is wasi:cli/stdin.get-stdin. Each call returns a new handle of the same stream.
func (h *Host) GetStdin() uint32 {
	c := h.begin(OpGetStdin, 0)
	defer h.end(&c)
	return c.handle(h.add(&input{source: h.stdin}))
}

// GetStdout is wasi:cli/stdout.get-stdout. Each call returns a new handle of the same stream.
func (h *Host) GetStdout() uint32 { return h.getStdio(OpGetStdout, Stdout) }

// GetStderr is wasi:cli/stderr.get-stderr.
func (h *Host) GetStderr() uint32 { return h.getStdio(OpGetStderr, Stderr) }

func (h *Host) getStdio(op Op, fd int) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	return c.handle(h.add(&stream{sink: h.stdio[fd-1]}))
}

// GetTerminalStdout is wasi:cli/terminal-stdout.get-terminal-stdout; 0 is none.
func (h *Host) GetTerminalStdout() uint32 { return h.getTerminal(OpGetTerminalStdout, Stdout) }

// GetTerminalStderr is wasi:cli/terminal-stderr.get-terminal-stderr; 0 is none.
func (h *Host) GetTerminalStderr() uint32 { return h.getTerminal(OpGetTerminalStderr, Stderr) }

func (h *Host) getTerminal(op Op, fd int) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	if !h.stdio[fd-1].Terminal {
		return c.handle(0)
	}
	return c.handle(h.add(terminal{}))
}

// DropTerminal is [resource-drop]terminal-output.
func (h *Host) DropTerminal(handle uint32) {
	drop(h, OpDropTerminal, handle, func(*Host, terminal) {})
}

// Exit delivers the incomplete lines that the standard streams hold, as Wasmtime does when its
// process ends.
func (h *Host) Exit() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.stdio {
		if s.HoldLine && !s.Hold && !s.over() {
			s.deliver()
		}
	}
}
