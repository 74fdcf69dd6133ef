// Bench measures wasio and other ways to write from a Go guest, on Wasmtime:
//
//	go -C e2e run ./bench
//
// It takes about eight minutes. It writes its results to docs/bench, in the format of Go's
// benchmarks, and makes the tables of docs/performance.md and the pictures from all results that
// are there. With -http it measures HTTP bodies and Splice on the command wasmtime instead, in
// about nine minutes, and with -p3 package p3, in about three. It needs the tools that the
// tests of this module need.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/self"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

var (
	quick    = flag.Bool("quick", false, "measure little, in two minutes")
	onlyPage = flag.Bool("page", false, "measure nothing, and make the page from the results that are there")
	overHTTP = flag.Bool("http", false, "measure HTTP bodies and Splice")
	onlyP3   = flag.Bool("p3", false, "measure package p3")
	out      = flag.String("out", docs, "`directory` to write the page, the pictures and the results to")
)

const docs = "../docs"

// A host is Wasmtime with one kind of standard output.
type host struct {
	name     string
	kind     wasmtime.Kind // "" for the command wasmtime, which runs components of WASI 0.3
	file     string        // for the kind File; "" means a temporary file
	maxBytes int           // the most bytes that the turns of one size write, if not 0
	oneCore  bool          // whether all threads of Wasmtime run on one core
}

var hosts = []host{
	{name: "null-file", kind: wasmtime.File, file: os.DevNull},
	{name: "sink", kind: wasmtime.Nothing},
	{name: "real-file", kind: wasmtime.File, maxBytes: 512 << 20},
	{name: "callback", kind: wasmtime.Callback},
	{name: "callback-one-core", kind: wasmtime.Callback, oneCore: true},
}

var p3Hosts = []host{{name: "run-null-file", file: os.DevNull}, {name: "run-real-file", maxBytes: 512 << 20}}

// toolchains lists the toolchains that compile the guest. componentize-go would make the same
// code as Go.
var toolchains = []component.Toolchain{component.TinyGo, component.Go}

func main() {
	self.Main()
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if *onlyPage {
		return makePage()
	}
	if err := component.Install(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wasio-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	switch {
	case *overHTTP:
		err = record("http.txt", dir, measureHTTP)
	case *onlyP3:
		hosts = p3Hosts
		err = record("p3.txt", dir, func(raw *bytes.Buffer, dir string) error {
			return errors.Join(measureStdout(raw, dir), measureP3Bodies(raw, dir))
		})
	default:
		err = errors.Join(record("stdout.txt", dir, measureStdout), record("size.txt", dir, measureSizes))
	}
	if err != nil {
		return err
	}
	return makePage()
}

// record writes what measure prints to a file of results. The files of measure are in dir.
func record(name, dir string, measure func(raw *bytes.Buffer, dir string) error) error {
	var raw bytes.Buffer
	if err := measure(&raw, dir); err != nil {
		return err
	}
	file := filepath.Join(*out, "bench", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(machine()), raw.Bytes()...), 0o644)
}

// measureStdout builds the guests and runs them by turns.
func measureStdout(raw *bytes.Buffer, dir string) error {
	processes, rounds, turns := 4, "5", "6"
	if *quick {
		processes, rounds, turns = 1, "1", "1"
	}
	for _, counting := range []bool{false, true} {
		compiled := make(map[component.Toolchain]string)
		for _, toolchain := range toolchains {
			progress("building the guest with %s%s", toolchain, map[bool]string{true: ", counting"}[counting])
			guest, err := build(dir, toolchain, counting, hosts[0].kind == "")
			if err != nil {
				return err
			}
			compiled[toolchain] = guest
		}
		if counting {
			processes = 1
		}
		for process := range processes {
			for _, h := range hosts {
				for _, toolchain := range toolchains {
					progress("run %d of %d: %s on %s", process+1, processes, toolchain, h.name)
					args := []string{"guest", rounds, turns, fmt.Sprint(h.maxBytes)}
					if counting {
						args = args[:1]
					}
					output, err := h.run(dir, compiled[toolchain], args)
					if err != nil {
						return err
					}
					fmt.Fprintf(raw, "toolchain: %s\nhost: %s\n%s", toolchain, h.name, output)
				}
			}
		}
	}
	return nil
}

// run runs a guest and returns what it writes to standard error. The host may make a file in
// dir.
func (h host) run(dir, guest string, args []string) ([]byte, error) {
	file := cmp.Or(h.file, filepath.Join(dir, "stdout"))
	if h.kind == "" {
		program, err := component.Wasmtime()
		if err != nil {
			return nil, err
		}
		line := []string{"sh", "-c", `exec "$@" >"$0"`, file, program, "run", guest}
		return do(self.Task{Exec: append(line, args[1:]...)}, h.oneCore)
	}
	return do(self.Task{Run: &wasmtime.Run{Component: guest, Args: args, Stdout: h.kind, File: file}}, h.oneCore)
}

// do performs a task, and returns what it writes to standard error.
func do(t self.Task, oneCore bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := t.Command(ctx)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if oneCore {
		release, err := pin()
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if err := c.Run(); err != nil {
		output := stderr.Bytes()
		return nil, fmt.Errorf("%w: %s", err, output[max(0, len(output)-2000):])
	}
	return stderr.Bytes(), nil
}

// pin keeps the goroutine on the first core that this process may use, until it calls release.
// All threads of a process that it starts run there, too.
func pin() (release func(), err error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, err
	}
	for core := 0; one.Count() == 0; core++ {
		if all.IsSet(core) {
			one.Set(core)
		}
	}
	runtime.LockOSThread() // for good, if the thread cannot be released
	return func() {
		if unix.SchedSetaffinity(0, &all) == nil {
			runtime.UnlockOSThread()
		}
	}, unix.SchedSetaffinity(0, &one)
}

var started = time.Now()

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%3.0f s  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// machine describes what the results were measured on, for the head of a file of results.
func machine() string {
	var load, tinygo string
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, processor, _ := strings.Cut(string(info), "\nmodel name\t: ")
	processor, _, _ = strings.Cut(processor, "\n")
	average, _ := os.ReadFile("/proc/loadavg")
	fmt.Sscan(string(average), &load)
	version, _ := exec.Command("tinygo", "version").Output()
	fmt.Sscanf(string(version), "tinygo version %s", &tinygo)
	return fmt.Sprintf("goos: %s\ngoarch: %s\ncpu: %s\ncores: %d\nload: %s\ntinygo: %s\ngo: %s\nquick: %t\n\n",
		runtime.GOOS, runtime.GOARCH, processor, runtime.NumCPU(), load, tinygo, strings.TrimPrefix(runtime.Version(), "go"), *quick)
}
