// Bench measures wasio beside what a Go guest would write with instead, on Wasmtime:
//
//	go -C e2e run ./bench
//
// It takes about five minutes and writes the tables of docs/performance.md and the
// chart beside it. With -quick it takes less than a minute, and prints the tables only.
// It needs what the tests of this module need.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

var (
	quick     = flag.Bool("quick", false, "measure little, and write no file")
	processes = flag.Int("processes", 4, "runs of each guest on each host")
	rounds    = flag.Int("rounds", 30, "measurements of each operation in a run; fewer of what takes long")
	target    = flag.Duration("time", time.Millisecond, "duration of a measurement")
	keep      = flag.String("guests", "", "a folder to keep the guests in, and to take them from if it has them")
	only      = flag.String("sizes", "", `"only" measures the sizes of guests and no speed, "no" leaves them out`)
)

// A host is Wasmtime with one kind of standard output.
type host struct {
	name string
	kind wasmtime.Kind
	file string // of the kind File; "" is one that is made
}

var (
	nullFile = host{"null file", wasmtime.File, os.DevNull}
	sink     = host{"sink", wasmtime.Nothing, ""}
	realFile = host{"real file", wasmtime.File, ""}
	callback = host{"asynchronous callback", wasmtime.Callback, ""}

	hosts = []host{nullFile, sink, realFile, callback}
)

// maxFileBytes limits how much a file grows for a size.
const maxFileBytes = 512 << 20

const (
	doc   = "../docs/performance.md"
	chart = "../docs/performance.svg"
)

func main() {
	if isTask, err := task(); isTask {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if _, err := os.Stat("component.mjs"); err != nil {
		return errors.New("run me in the folder e2e: go -C e2e run ./bench")
	}
	if *quick {
		*processes, *rounds, *target = 1, 1, 500*time.Microsecond
		*only = cmp.Or(*only, "no")
	}
	if err := component.Install(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "wasio-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if *keep != "" {
		// The counting guest is built in another folder.
		if folder, err = filepath.Abs(*keep); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
	}

	if *only != "only" {
		b, err := measure(folder)
		if err != nil {
			return err
		}
		if err := b.publish(); err != nil {
			return err
		}
	}
	if *only != "no" {
		table, err := sizesOfGuests(folder)
		if err != nil {
			return err
		}
		return publish("sizes", table)
	}
	return nil
}

// measure builds the guests, runs them by turns and returns what they have found.
func measure(folder string) (*results, error) {
	b := newResults()
	type variant struct {
		with     component.Toolchain
		counting bool
	}
	guests := make(map[variant]string)
	for _, with := range component.Toolchains {
		for _, counting := range []bool{false, true} {
			if counting && *quick {
				continue
			}
			progress("building the guest with %s%s", with, map[bool]string{true: ", counting"}[counting])
			guest, err := build(folder, with, counting)
			if err != nil {
				return nil, err
			}
			guests[variant{with, counting}] = guest
		}
	}
	for process := range *processes {
		for _, h := range hosts {
			for _, with := range component.Toolchains {
				progress("run %d of %d: %s on %s", process+1, *processes, with, h.name)
				most := 0
				if h == realFile {
					most = maxFileBytes
				}
				out, err := h.run(folder, guests[variant{with, false}],
					"time", strconv.Itoa(*rounds), strconv.FormatInt(target.Nanoseconds(), 10), strconv.Itoa(most))
				if err != nil {
					return nil, err
				}
				if err := b.add(where{with, h}, out, false); err != nil {
					return nil, err
				}
			}
		}
	}
	if !*quick {
		progress("counting host calls")
		for _, h := range hosts {
			for _, with := range component.Toolchains {
				out, err := h.run(folder, guests[variant{with, true}], "count")
				if err != nil {
					return nil, err
				}
				if err := b.add(where{with, h}, out, true); err != nil {
					return nil, err
				}
			}
		}
	}
	b.load = load()
	return b, nil
}

var started = time.Now()

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%3.0f s  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// taskVariable has a job for a process of its own: Wasmtime's C library frees nothing,
// and standard output belongs to the guest.
const taskVariable = "WASIO_BENCH_TASK"

type job struct {
	Run      *wasmtime.Run `json:",omitempty"`
	From, To string        // a component to compile, if Run is nil
}

// task does the job of this process, if it has one.
func task() (bool, error) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		return false, nil
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return true, err
	}
	if j.Run == nil {
		component, err := os.ReadFile(j.From)
		if err != nil {
			return true, err
		}
		return true, wasmtime.Compile(component, j.To)
	}
	exit, err := j.Run.Do()
	if err == nil && exit != 0 {
		err = fmt.Errorf("the guest's exit code is %d", exit)
	}
	return true, err
}

// do has a process do the job and returns what it writes to standard error. Its standard
// output leads nowhere.
func (j job) do() ([]byte, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), taskVariable+"="+string(text))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	limit := time.AfterFunc(5*time.Minute, func() { command.Process.Kill() })
	defer limit.Stop()
	if err := command.Wait(); err != nil {
		said := stderr.Bytes()
		return nil, fmt.Errorf("%w: %s", err, said[max(0, len(said)-2000):])
	}
	return stderr.Bytes(), nil
}

// run runs a guest and returns what it writes to standard error.
func (h host) run(folder, guest string, args ...string) ([]byte, error) {
	file := h.file
	if file == "" {
		file = filepath.Join(folder, "stdout")
		defer os.Remove(file)
	}
	return job{Run: &wasmtime.Run{
		Component: guest,
		Args:      append([]string{"guest"}, args...),
		Stdout:    h.kind,
		File:      file,
	}}.do()
}

// publish puts a text between the markers of that name in the document, or prints it.
func publish(marker, text string) error {
	if *quick {
		fmt.Print(text)
		return nil
	}
	old, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+marker+" -->\n", "<!-- end of "+marker+" -->"
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %q … %q", doc, begin, end)
	}
	return os.WriteFile(doc, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644)
}

// load returns the machine's load average, of the last five minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		return fields[1]
	}
	return "unknown"
}

// machine says what the measurements were made on.
func machine() string {
	processor, cores := "unknown processor", 0
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			key, value, _ := strings.Cut(s.Text(), ":")
			switch strings.TrimSpace(key) {
			case "model name":
				processor = strings.TrimSpace(value)
			case "processor":
				cores++
			}
		}
	}
	return fmt.Sprintf("%s, %d cores", processor, cores)
}
