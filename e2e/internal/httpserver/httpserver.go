// Package httpserver starts servers of components.
package httpserver

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// limit is how long a server may take to listen.
var limit = 3 * time.Minute // wash compiles first

// A Server is a running host that serves a component.
type Server struct {
	URL   string
	PID   int
	Lines chan string // lines of output; closed when the server ends

	ended chan struct{} // closed when the process has ended
}

// Wasmtime serves a component with the command wasmtime, on an unused port.
func Wasmtime(wasm string, options ...string) (*Server, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	command, err := component.Serve(address, wasm, options...)
	if err != nil {
		return nil, err
	}
	return Start(address, WasmtimeListens(address), command...)
}

// WasmtimeListens is the line that the command wasmtime prints once it listens.
func WasmtimeListens(address string) string { return "Serving HTTP on http://" + address + "/" }

// Start starts a command that serves on an address, and returns once it prints a line that
// contains listening. If it ends before, the error has what it printed. If this process is
// interrupted, it ends the server first.
func Start(address, listening string, command ...string) (*Server, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // jco starts a child process
	cmd.Env = append(os.Environ(),
		"RUST_BACKTRACE=0", // Wasmtime would put stacks into the texts of errors
		"GUEST_DIR=/")      // for setup.mjs, if it is loaded
	output, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	if err != nil {
		output.Close()
		return nil, err
	}
	s := &Server{"http://" + address, cmd.Process.Pid, make(chan string, 100_000), make(chan struct{})}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(s.ended)
		cmd.Wait()
		s.kill() // its children, which hold the pipe
	}()
	go func() {
		select {
		case sig := <-interrupts:
			s.kill()
			// By then the signal is for other servers, or else it ends this process.
			defer syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		case <-s.ended:
		}
		signal.Stop(interrupts)
	}()
	go func() {
		defer close(s.Lines)
		defer output.Close()
		for in := bufio.NewScanner(output); in.Scan(); {
			line := whoWrites.ReplaceAllString(in.Text(), "")
			if !strings.HasPrefix(line, "error: hyper::Error(") {
				s.Lines <- line
			}
		}
	}()
	var printed []string
	for timeout := time.After(limit); err == nil; {
		select {
		case line, ok := <-s.Lines:
			switch {
			case !ok:
				err = fmt.Errorf("the server has ended: %s", strings.Join(printed, " "))
			case strings.Contains(line, listening):
				return s, nil
			}
			printed = append(printed, line)
		case <-timeout:
			err = fmt.Errorf("the server does not listen after %v: %s", limit, strings.Join(printed, " "))
		}
	}
	s.Stop()
	return nil, err
}

// Stop ends the server, and waits until it has ended. Lines that were not received are lost.
func (s *Server) Stop() {
	select {
	case <-s.ended: // another process may have its number by now
	default:
		s.kill()
	}
	for range s.Lines {
	}
	<-s.ended
}

// kill ends the server and the processes that it has started.
func (s *Server) kill() { syscall.Kill(-s.PID, syscall.SIGKILL) }

// whoWrites matches the prefix by which Wasmtime says which instance writes a line. If several
// instances write at once, the first line may have several prefixes.
var whoWrites = regexp.MustCompile(`^(std(out|err) \[\d+\] :: )+`)

// FreeAddress returns an address of this machine with an unused port.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
