// Bench measures wasio and other ways to write from a Go guest, on Wasmtime:
//
//	go -C e2e run ./bench
//
// It takes about six minutes, and writes the tables of docs/performance.md and the chart
// docs/performance.svg. With -quick it takes less than a minute and only prints the tables.
// With -http it measures HTTP bodies on the command wasmtime instead, in about six minutes.
// It needs the tools that the tests of this module need, and taskset.
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
	quick     = flag.Bool("quick", false, "measure little and write no file")
	processes = flag.Int("processes", 4, "`number` of runs of each guest on each host")
	rounds    = flag.Int("rounds", 30, "`number` of measurements of each operation in a run; slow operations get fewer")
	duration  = flag.Duration("time", time.Millisecond, "`duration` of a measurement")
	guests    = flag.String("guests", "", "`directory` that keeps the guests; those in it are not built again")
	overHTTP  = flag.Bool("http", false, "measure HTTP bodies, and nothing else")
	weigh     = flag.String("sizes", "", `"only" measures the sizes of guests and no speed, "no" no sizes of guests`)
)

// A host is Wasmtime with one kind of standard output.
type host struct {
	name    string
	kind    wasmtime.Kind
	file    string // for the kind File; "" means a temporary file
	oneCore bool   // whether all threads of Wasmtime run on one core
}

var (
	nullFile        = host{name: "null file", kind: wasmtime.File, file: os.DevNull}
	sink            = host{name: "sink", kind: wasmtime.Nothing}
	realFile        = host{name: "real file", kind: wasmtime.File}
	callback        = host{name: "asynchronous callback", kind: wasmtime.Callback}
	callbackOneCore = host{name: "asynchronous callback, one core", kind: wasmtime.Callback, oneCore: true}

	hosts = []host{nullFile, sink, realFile, callback, callbackOneCore}
)

// toolchains are those that the guest is compiled with. What componentize-go makes of it is
// the code of Go again.
var toolchains = []component.Toolchain{component.TinyGo, component.Go}

// maxFileBytes limits how many bytes the measurements of one size write to a file.
const maxFileBytes = 512 << 20

const (
	doc   = "../docs/performance.md"
	chart = "../docs/performance.svg"

	httpChart = "../docs/performance-http.svg"
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
		return errors.New("not in the directory e2e: use go -C e2e run ./bench")
	}
	if *quick {
		*processes, *rounds, *duration = 1, 1, 500*time.Microsecond
		*weigh = cmp.Or(*weigh, "no")
	}
	if err := component.Install(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wasio-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *guests != "" {
		// Absolute, because the counting variant is built in another directory.
		if dir, err = filepath.Abs(*guests); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}

	if *overHTTP {
		samples, moves, err := measureHTTP(dir)
		if err != nil {
			return err
		}
		if err := publish("splice", moves.tables()); err != nil {
			return err
		}
		if err := publish("http", samples.tables()); err != nil || *quick {
			return err
		}
		return samples.draw()
	}
	if *weigh != "only" {
		b, err := measure(dir)
		if err != nil {
			return err
		}
		if err := b.publish(); err != nil {
			return err
		}
	}
	if *weigh != "no" {
		table, err := guestSizes(dir)
		if err != nil {
			return err
		}
		return publish("sizes", table)
	}
	return nil
}

// measure builds the guests in dir, runs them by turns and returns their results.
func measure(dir string) (*results, error) {
	b := newResults()
	type variant struct {
		toolchain component.Toolchain
		counting  bool
	}
	compiled := make(map[variant]string)
	for _, toolchain := range toolchains {
		for _, counting := range []bool{false, true} {
			if counting && *quick {
				continue
			}
			progress("building the guest with %s%s", toolchain, map[bool]string{true: ", counting"}[counting])
			guest, err := build(dir, toolchain, counting)
			if err != nil {
				return nil, err
			}
			compiled[variant{toolchain, counting}] = guest
		}
	}
	for process := range *processes {
		for _, h := range hosts {
			for _, toolchain := range toolchains {
				progress("run %d of %d: %s on %s", process+1, *processes, toolchain, h.name)
				maxBytes := 0
				if h == realFile {
					maxBytes = maxFileBytes
				}
				out, err := h.run(dir, compiled[variant{toolchain, false}],
					"time", strconv.Itoa(*rounds), strconv.FormatInt(duration.Nanoseconds(), 10), strconv.Itoa(maxBytes))
				if err != nil {
					return nil, err
				}
				if err := b.add(setup{toolchain, h}, out, false); err != nil {
					return nil, err
				}
			}
		}
	}
	if !*quick {
		progress("counting host calls")
		for _, h := range hosts {
			for _, toolchain := range toolchains {
				out, err := h.run(dir, compiled[variant{toolchain, true}], "count")
				if err != nil {
					return nil, err
				}
				if err := b.add(setup{toolchain, h}, out, true); err != nil {
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

// taskVariable names the environment variable that holds the job of a process. Every job has
// its own process, because Wasmtime's C library frees no memory and the guest needs the
// standard output.
const taskVariable = "WASIO_BENCH_TASK"

// A job is to run a guest or, if Run is nil, to compile the component From to the file To.
type job struct {
	Run      *wasmtime.Run `json:",omitempty"`
	From, To string

	oneCore bool // whether the process runs on one core
}

// task does the job of this process and reports whether there is one.
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

// do starts a process that does the job. It returns what the process writes to standard
// error and discards its standard output.
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
	if j.oneCore {
		command = exec.Command("taskset", "--cpu-list", firstCore(), self)
	}
	command.Env = append(os.Environ(), taskVariable+"="+string(text))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	limit := time.AfterFunc(5*time.Minute, func() { command.Process.Kill() })
	defer limit.Stop()
	if err := command.Wait(); err != nil {
		output := stderr.Bytes()
		return nil, fmt.Errorf("%w: %s", err, output[max(0, len(output)-2000):])
	}
	return stderr.Bytes(), nil
}

// firstCore returns the number of the first core that this process may use.
func firstCore() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if cores, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			first, _, _ := strings.Cut(strings.TrimSpace(cores), ",")
			first, _, _ = strings.Cut(first, "-")
			return first
		}
	}
	return "0"
}

// run runs a guest and returns what it writes to standard error. The host may make a file in
// dir.
func (h host) run(dir, guest string, args ...string) ([]byte, error) {
	file := h.file
	if file == "" {
		file = filepath.Join(dir, "stdout")
		defer os.Remove(file)
	}
	return job{
		Run: &wasmtime.Run{
			Component: guest,
			Args:      append([]string{"guest"}, args...),
			Stdout:    h.kind,
			File:      file,
		},
		oneCore: h.oneCore,
	}.do()
}

// publish replaces the section of the document between the markers of that name. With -quick
// it prints the text instead.
func publish(marker, text string) error {
	if *quick {
		fmt.Println(text)
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

// load returns the load average of the machine over the last five minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); len(fields) > 1 {
		return fields[1]
	}
	return "unknown"
}

// machine describes the machine.
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
