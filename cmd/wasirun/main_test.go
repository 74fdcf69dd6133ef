package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/wasm"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// wasirun is the path of the program, which TestMain builds.
var wasirun string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "wasirun")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		wasirun = filepath.Join(dir, "wasirun.exe")
		if output, err := exec.Command("go", "build", "-o", wasirun, ".").CombinedOutput(); err != nil {
			panic(string(output))
		}
		return m.Run()
	}())
}

// run runs wasirun in the root directory of the module.
func run(t *testing.T, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	return runWith(t, nil, args...)
}

// runWith is like run, with a standard input.
func runWith(t *testing.T, stdin io.Reader, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(wasirun, args...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exited), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// module writes a module to a file and returns its path.
func module(t *testing.T, m wasmtest.Module) string { return file(t, string(m.Bytes())) }

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	return path
}

// guest returns a module that runs the code. Its memory starts with ten digits.
func guest(c wasmtest.Code) wasmtest.Module {
	return wasmtest.Module{
		Imports: append(append([]wasmtest.Import(nil), wasmtest.WASI...),
			wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "proc_exit", Params: []wasmtest.Type{wasmtest.I32}}),
		Pages: 1,
		Data:  []byte("0123456789"),
		Funcs: []wasmtest.Func{{Export: "_start", Code: c}},
	}
}

// A call is a call of an imported function.
type call struct {
	name string
	args []uint64
}

func do(name string, args ...uint64) call { return call{name, args} }

// program returns code that makes the calls. The first handle is 1.
func program(calls ...call) (c wasmtest.Code) {
	for _, call := range calls {
		found := false
		for i, f := range guest(nil).Imports {
			if f.Name == call.name || strings.HasSuffix(f.Name, "."+call.name) {
				for j, t := range f.Params {
					c = c.Push(t, call.args[j])
				}
				if c = c.Call(uint64(i)); f.Results != nil {
					c = c.Drop()
				}
				found = true
				break
			}
		}
		if !found {
			panic("no import " + call.name)
		}
	}
	return c
}

var (
	// checker calls check-write three times: at first, after a wait, and after a flush.
	checker = guest(program(do("get-stdout"), do("check-write", 1, 1024), do("subscribe", 1), do("block", 2), do("check-write", 1, 1024),
		do("flush", 1, 1024), do("check-write", 1, 1024)))

	// writer writes four bytes and does not flush them.
	writer = guest(program(do("get-stdout"), do("check-write", 1, 1024), do("write", 1, 0, 4, 1024), do("check-write", 1, 1024)))

	// blocker writes and flushes ten bytes in one call.
	blocker = guest(program(do("get-stdout"), do("blocking-write-and-flush", 1, 0, 10, 1024)))
)

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		flags  string
		guest  wasmtest.Module
		exit   int
		stdout string
		trace  string // lines of the trace after the first, without output-stream(1)
	}{
		{"-trace", writer, 0, "0123", "check-write = 1048576|write(4)|check-write = 1048576"},
		{"", writer, 0, "0123", ""},
		{"-trace -permit 5,4", writer, 0, "0123", "check-write = 5|write(4)|check-write = 4"},
		{"-trace -permit=18446744073709551615", writer, 0, "0123",
			"check-write = 18446744073709551615|write(4)|check-write = 18446744073709551615"},
		{"-trace -permit 0,4", checker, 0, "",
			"check-write = 0|subscribe = pollable(2)|pollable(2).block|check-write = 4|flush|check-write = 0"},
		{"-trace -permit 0,1048576", checker, 0, "",
			"check-write = 0|subscribe = pollable(2)|pollable(2).block|check-write = 1048576|flush|check-write = 0"},
		// A flush ends the stall.
		{"-trace -permit 0,0,3", checker, 0, "",
			"check-write = 0|subscribe = pollable(2)|pollable(2).block|check-write = 0|flush|check-write = 3"},
		{"-trace -flush 1", checker, 0, "",
			"check-write = 1048576|subscribe = pollable(2)|pollable(2).block|check-write = 1048576|flush|check-write = 0"},
		{"-trace -as wasmtime-async", checker, 0, "",
			"check-write = 8192|subscribe = pollable(2)|pollable(2).block|check-write = 8192|flush|check-write = 0"},
		{"-trace -as wasmtime-async -permit 9", checker, 0, "",
			"check-write = 9|subscribe = pollable(2)|pollable(2).block|check-write = 9|flush|check-write = 0"},
		{"-hold", writer, 0, "", ""},
		{"-hold", blocker, 0, "0123456789", ""},
		{"-as wasmtime-file", writer, 0, "", ""},
		{"-as wasmtime-stdout", writer, 0, "0123", ""}, // at the exit
		{"-as wasmtime-stdout -hold", writer, 0, "", ""},
		{"-trace -capacity 4", writer, 0, "0123", "check-write = 4|write(4)|check-write = closed"},
		{"-capacity 7", blocker, 0, "0123456", ""},
		{"-trace -fail write", writer, 0, "", "check-write = 1048576|write(4) = last-operation-failed(error(2))|check-write = closed"},
		{"-trace -fail check-write:2=some=text", writer, 0, "0123", "check-write = 1048576|write(4)|check-write = last-operation-failed(error(2))"},
		{"-trace -close check-write:2", writer, 0, "0123", "check-write = 1048576|write(4)|check-write = closed"},
		{"-trace -close flush -fail write:2", checker, 0, "",
			"check-write = 1048576|subscribe = pollable(2)|pollable(2).block|check-write = 1048576|flush = closed|check-write = closed"},
		{"-trace -fail flushed", checker, 0, "",
			"check-write = 1048576|subscribe = pollable(2)|pollable(2).block|check-write = 1048576|flush|check-write = last-operation-failed(error(3))"},
		{"-memory 1", writer, 0, "0123", ""},
		{"-timeout 1h", writer, 0, "0123", ""},
		{"-timeout 1h -delay 1ns -permit 0,0,0,1048576", blocker, 0, "0123456789", ""},
	} {
		t.Run(c.flags, func(t *testing.T) {
			exit, stdout, stderr := run(t, append(strings.Fields(c.flags), module(t, c.guest))...)
			assert.Equal(t, c.exit, exit)
			assert.Equal(t, c.stdout, stdout)
			want := ""
			if c.trace != "" {
				want = "stdout.get-stdout = output-stream(1)\n"
				for _, line := range strings.Split(c.trace, "|") {
					if !strings.HasPrefix(line, "pollable") {
						line = "output-stream(1)." + line
					}
					want += line + "\n"
				}
			}
			assert.Equal(t, want, untimed(t, stderr))
		})
	}
}

// columns matches a line of a trace: start, duration, handle, and the rest.
var columns = regexp.MustCompile(`^ *[0-9]+\.[0-9]{3}ms +[0-9.]+[nµm]?s  (\S+) +(\S.*)$`)

// untimed returns a trace with its times removed and its columns joined by a dot.
func untimed(t *testing.T, trace string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(trace) {
		c := columns.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, c, "%q", line)
		fmt.Fprintf(&b, "%s.%s\n", c[1], c[2])
	}
	return b.String()
}

// TestFlagsAreForBothStreams checks that each standard stream follows the flags, independently
// of the other.
func TestFlagsAreForBothStreams(t *testing.T) {
	m := guest(program(do("get-stdout"), do("get-stderr"), do("check-write", 1, 1024), do("check-write", 2, 1024),
		do("write", 2, 0, 3, 1024), do("write", 1, 3, 3, 1024)))
	exit, stdout, stderr := run(t, "-permit", "3,9", module(t, m))
	assert.Zero(t, exit)
	assert.Equal(t, "345", stdout)
	assert.Equal(t, "012", stderr)
}

func TestExitCodes(t *testing.T) {
	forever := guest(wasmtest.Code{}.Loop().Br(0).End())
	waiting := guest(program(do("get-stdout"), do("check-write", 1, 1024), do("subscribe", 1), do("block", 2)))
	for _, c := range []struct {
		name   string
		args   []string
		guest  wasmtest.Module
		exit   int
		stderr string
	}{
		{"exit code of the guest", nil, guest(program(do("proc_exit", 3))), 3, ""},
		{"exit code of the guest, equal to one of wasirun", nil, guest(program(do("proc_exit", 125))), 125, ""},
		{"exit code 0", nil, guest(program(do("proc_exit", 0))), 0, ""},
		{"exit code beyond a byte", nil, guest(program(do("proc_exit", 256))), 255, ""},
		{"negative exit code", nil, guest(program(do("proc_exit", 1<<32-1))), 255, ""},
		{"result of _start", nil, wasmtest.Module{Funcs: []wasmtest.Func{{Export: "_start", Results: fourI32[:1], Code: wasmtest.Code{}.I32(7)}}}, 125,
			"wasirun: GUEST: not a program: the module exports no function \"_start\" of the right type\n"},
		{"timeout in the guest", []string{"-timeout", "20ms"}, forever, 124, "wasirun: timeout after 20ms\n"},
		{"timeout in a wait", []string{"-timeout", "20ms", "-permit", "0,1", "-delay", "24h"}, waiting, 124, "wasirun: timeout after 20ms\n"},
		{"crash in the start section", nil, startSection(wasmtest.Code{}.Unreachable()), 134,
			"wasirun: GUEST: the guest crashed: start function[33] failed: wasm error: unreachable\n"},
		{"crash", nil, guest(wasmtest.Code{}.Unreachable()), 134, "wasirun: GUEST: the guest crashed: wasm error: unreachable\n"},
		{"trap", nil, guest(program(do("get-stdout"), do("flush", 5, 0))), 134, "wasirun: wasi host: trap: handle 5 is unknown, or was dropped\n" +
			"\tstdout.get-stdout = output-stream(1)\n\toutput-stream(5).flush = trap\n"},
		{"hang", nil, guest(program(do("subscribe-instant", 1<<63), do("block", 1))), 134,
			"wasirun: wasi host: trap: the guest hangs: it waits for a wake-up that never comes\n" +
				"\tmonotonic-clock.subscribe-instant(-2562047h47m16.854775808s) = pollable(1)\n\tpollable(1).block = trap\n"},
		{"too little memory", []string{"-memory", "1"}, wasmtest.Module{Pages: 17}, 125,
			"wasirun: GUEST: invalid module: section memory: min 17 pages (1 Mi) over limit of 16 pages (1 Mi)\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := module(t, c.guest)
			exit, stdout, stderr := run(t, append(c.args, path)...)
			assert.Equal(t, c.exit, exit)
			assert.Empty(t, stdout)
			assert.Equal(t, strings.ReplaceAll(c.stderr, "GUEST", path), stderr)
		})
	}
}

// startSection returns a module that runs the code in its start section.
func startSection(c wasmtest.Code) wasmtest.Module {
	m := guest(c)
	index := uint64(len(m.Imports))
	m.Start = &index
	return m
}

// TestEngineThatPanics checks that wasirun reports a module on which wazero panics as one that
// it cannot run. In it a function calls a later one, whose type does not exist.
func TestEngineThatPanics(t *testing.T) {
	m := []byte(wasm.ModuleHeader)
	m = wasm.AppendSection(m, 1, []byte("\x01\x60\x00\x00"))
	m = wasm.AppendSection(m, 3, []byte("\x02\x00\x05"))
	m = wasm.AppendSection(m, 10, []byte("\x02\x04\x00\x10\x01\x0b\x02\x00\x0b"))
	path := file(t, string(m))
	for range 10 {
		exit, stdout, stderr := run(t, path)
		assert.Equal(t, 125, exit)
		assert.Empty(t, stdout)
		assert.Equal(t, "wasirun: "+path+": invalid module: the engine failed: runtime error: index out of range [5] with length 1\n", stderr)
	}
}

// TestNothingIsHeardAfterATimeout checks that a guest that is still running after its timeout
// does not disturb what wasirun prints at the end.
func TestNothingIsHeardAfterATimeout(t *testing.T) {
	busy := module(t, guest(append(program(do("get-stdout"), do("get-stderr")).Loop(),
		program(do("blocking-write-and-flush", 2, 0, 10, 1024))...).Br(0).End()))
	const timeout = "wasirun: timeout after 10ms\n"
	for range 5 {
		exit, _, stderr := run(t, "-stats", "-timeout", "10ms", busy)
		assert.Equal(t, 124, exit)
		assert.True(t, strings.HasSuffix(stderr, timeout), stderr)

		exit, _, stderr = run(t, "-trace=json", "-timeout", "10ms", busy)
		assert.Equal(t, 124, exit)
		trace, ok := strings.CutSuffix(stderr, timeout)
		assert.True(t, ok, stderr)
		for line := range strings.Lines(strings.ReplaceAll(trace, "0123456789", "")) {
			assert.True(t, json.Valid([]byte(line)), line)
		}
	}
}

// TestExec checks that wasirun runs the tests of a package for go test -exec, as a guest that
// has the files of -dir.
func TestExec(t *testing.T) {
	goTest := func(flags string, args ...string) (string, error) {
		cmd := exec.Command("go", append([]string{"test", "-v", "-exec", wasirun + " " + flags}, args...)...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		output, err := cmd.CombinedOutput()
		return string(output), err
	}
	output, err := goTest("-permit 1", ".")
	assert.NoError(t, err, output)
	assert.Contains(t, output, "wasiotest: a guest has its streams from its host\n--- SKIP: TestWriteDoesNotAllocate")
	assert.Equal(t, 4*50*2, len(regexp.MustCompile(`(?m)^whole line of goroutine \d$`).FindAllString(output, -1)))
	files := fmt.Sprintf("-dir . -dir %s", os.TempDir())
	output, err = goTest(files, "./cmd/wasirun/testdata/tested")
	assert.NoError(t, err, output)
	assert.Equal(t, 3, strings.Count(output, "--- PASS: "), output)
	output, err = goTest(files, "./cmd/wasirun/testdata/tested", "-args", "fail")
	assert.Error(t, err)
	assert.Contains(t, output, "as it was asked to")
	output, err = goTest("", "./cmd/wasirun/testdata/tested")
	assert.Error(t, err, "no files unless asked for")
	assert.Contains(t, output, "--- FAIL: TestFiles")
}

// TestModuleOfAnyName checks that a WebAssembly file is a guest, whatever its name, and another
// file is not.
func TestModuleOfAnyName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guest")
	require.NoError(t, os.WriteFile(path, writer.Bytes(), 0o666))
	exit, stdout, stderr := run(t, path)
	assert.Zero(t, exit)
	assert.Equal(t, "0123", stdout)
	assert.Empty(t, stderr)
}

// TestHandleExhaustion checks that wasirun stops a guest that holds too many handles before
// they use up memory.
func TestHandleExhaustion(t *testing.T) {
	forever := append(wasmtest.Code{}.Loop(), program(do("subscribe-instant", 1))...).Br(0).End()
	exit, _, stderr := run(t, module(t, guest(forever)))
	assert.Equal(t, 134, exit)
	line, _, _ := strings.Cut(stderr, "\n")
	assert.Equal(t, "wasirun: wasi host: trap: the handle table is full: all 65536 handles are live", line)
}

// TestBadInput checks that wasirun reports bad input in one line, with exit code 125.
func TestBadInput(t *testing.T) {
	pkg := func(files map[string]string) string {
		d := t.TempDir()
		files["go.mod"] = "module bad\n"
		for name, content := range files {
			require.NoError(t, os.WriteFile(filepath.Join(d, name), []byte(content), 0o666))
		}
		return d
	}
	ok := module(t, writer)
	unknown := module(t, wasmtest.Module{Imports: []wasmtest.Import{{Module: "wasi:http/types@0.2.0", Name: "x"}}})
	directory := filepath.Join(t.TempDir(), "directory.wasm")
	require.NoError(t, os.Mkdir(directory, 0o777))
	for _, c := range []struct {
		args []string
		want string // substring of the line
	}{
		{[]string{"-bogus", ok}, "flag provided but not defined: -bogus"},
		{[]string{"-line\nbreak", ok}, "flag provided but not defined"},
		{nil, "no package given"},
		{[]string{"-trace"}, "no package given"},
		{[]string{""}, "no package given"},
		{[]string{"-permit", "0", ok}, "-permit: at least one permit must be positive"},
		{[]string{"-permit", "", ok}, `-permit: not a number of bytes: ""`},
		{[]string{"-permit", "1,,2", ok}, `-permit: not a number of bytes: ""`},
		{[]string{"-permit", "-1", ok}, `-permit: not a number of bytes: "-1"`},
		{[]string{"-permit", "18446744073709551616", ok}, `-permit: not a number of bytes: "18446744073709551616"`},
		{[]string{"-permit", "many", ok}, `-permit: not a number of bytes: "many"`},
		{[]string{"-flush", "-1", ok}, `invalid value "-1" for flag -flush`},
		{[]string{"-flush", "18446744073709551615", ok}, `invalid value "18446744073709551615" for flag -flush: the maximum is 1000`},
		{[]string{"-delay", "-1s", ok}, "a delay of -1s is negative"},
		{[]string{"-delay", "1", ok}, `invalid value "1" for flag -delay`},
		{[]string{"-timeout", "-1s", ok}, "-timeout -1s is negative"},
		{[]string{"-timeout", "soon", ok}, `invalid value "soon" for flag -timeout`},
		{[]string{"-memory", "4097", ok}, "-memory 4097: the maximum is 4096 MiB"},
		{[]string{"-memory", "-1", ok}, `invalid value "-1" for flag -memory`},
		{[]string{"-capacity", "-1", ok}, `-capacity: not a number of bytes: "-1"`},
		{[]string{"-capacity", "0", ok}, "-capacity: must be positive"},
		{[]string{"-as", "toaster", ok}, `unknown host "toaster" (known are wasmtime-stdout, `},
		{[]string{"-fail", "splice", ok}, `no such point to fail at: "splice"`},
		{[]string{"-fail", "", ok}, `no such point to fail at: ""`},
		{[]string{"-fail", "write:0", ok}, `not a call number: "0"`},
		{[]string{"-close", "write:x", ok}, `not a call number: "x"`},
		{[]string{"-close", "write:99999999999", ok}, `not a call number: "99999999999"`},
		{[]string{"-trace=xml", ok}, `invalid boolean value "xml" for -trace: must be "text", "json" or "perfetto:" and the name of a file`},
		{[]string{"-trace=perfetto:", ok}, `invalid boolean value "perfetto:" for -trace: must be`},
		{[]string{"-trace=perfetto:" + directory, ok}, "open " + directory},
		{[]string{"-dir", "LICENSE", ok}, "-dir: not a directory"},
		{[]string{"-dir", "nothing", ok}, "-dir: not a directory"},
		{[]string{"-tinygo", ok}, "is a file, not a package"},
		{[]string{"./examples/httpserver"}, "./examples/httpserver is a program for componentize-go, which does not call main: build it with componentize-go -w server build, and run the result"},
		{[]string{"nothing.wasm"}, "open nothing.wasm: no such file or directory"},
		{[]string{directory}, "is a directory"},
		{[]string{"./nothing"}, "cannot build ./nothing: "},
		{[]string{"./..."}, "./... is a pattern, not a package"},
		{[]string{"std"}, "cannot build std: "},
		{[]string{"./internal/host"}, "./internal/host is not a main package"},
		{[]string{"."}, ". is not a main package"},
		{[]string{"./examples"}, "cannot build ./examples: "},
		{[]string{"./LICENSE"}, "cannot build ./LICENSE: "},
		{[]string{file(t, "package main\n")}, "not a WebAssembly module"},
		{[]string{file(t, "")}, "not a WebAssembly module"},
		{[]string{file(t, "\x00asm\x0d\x00\x01\x00")}, "not a command: no module of the component exports wasi:cli/run"},
		{[]string{file(t, "\x00asm\x01\x00\x00\x00\xff\xff")}, "invalid module: "},
		{[]string{unknown}, `unknown import: "x" of "wasi:http/types@0.2.0"`},
		{[]string{module(t, wasmtest.Module{})}, "not a program"},
	} {
		t.Run(fmt.Sprintf("%.60q", c.args), func(t *testing.T) {
			exit, stdout, stderr := run(t, c.args...)
			assert.Equal(t, 125, exit)
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(stderr, "wasirun: "), stderr)
			assert.Contains(t, stderr, c.want)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
	t.Run("a package that does not compile", func(t *testing.T) {
		d := pkg(map[string]string{"main.go": "package main\n\nfunc main() { undefined() }\n"})
		cmd := exec.Command(wasirun, ".")
		cmd.Dir = d
		output, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Equal(t, 125, cmd.ProcessState.ExitCode())
		assert.Equal(t, "wasirun: cannot build .: ."+string(filepath.Separator)+"main.go:3:15: undefined: undefined\n", string(output))
	})
}

// TestHelp checks that the help names each flag, and fits on a screen.
func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "-help", "--help"} {
		exit, stdout, stderr := run(t, flag)
		assert.Zero(t, exit)
		assert.Empty(t, stderr)
		assert.True(t, strings.HasPrefix(stdout, "usage: wasirun [flags] ./package|guest.wasm [arguments]\n"), stdout)
		for _, name := range []string{"-as host", "-permit bytes", "-flush n", "-delay time", "-hold", "-fail call", "-close call",
			"-capacity bytes", "-trace", "-tinygo", "-timeout time", "-memory MiB", "-dir directory", "124", "125", "130", "134"} {
			assert.Contains(t, stdout, name)
		}
		assert.LessOrEqual(t, strings.Count(stdout, "\n"), 24)
		for line := range strings.Lines(stdout) {
			assert.LessOrEqual(t, len(line), 80+1, line)
		}
	}
}

// TestPackage checks that wasirun builds and runs a package, on a fast and on a slow host.
func TestPackage(t *testing.T) {
	const want = "guest: starting\nguest: request 1 served\nguest: request 2 served\nguest: request 3 served\nguest: done\n"
	exit, stdout, stderr := run(t, "./examples/log")
	assert.Zero(t, exit)
	assert.Equal(t, want, stdout)
	assert.Empty(t, stderr)

	exit, stdout, stderr = run(t, "-permit", "0,0,0,1", "-trace", "./examples/log")
	assert.Zero(t, exit)
	assert.Equal(t, want, stdout)
	stderr = untimed(t, stderr)
	assert.Equal(t, len(want), strings.Count(stderr, ".write(1)\n"))
	assert.GreaterOrEqual(t, strings.Count(stderr, ".block\n"), 3*len(want))
}

// TestSlowReaders checks that a full pipe makes wasirun wait and loses no output.
func TestSlowReaders(t *testing.T) {
	cmd := exec.Command(wasirun, "-trace", "-permit", "16", "./examples/bufio")
	cmd.Dir = "../.."
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	pipe, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	trace, err := io.ReadAll(iotest.OneByteReader(pipe))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.Greater(t, len(trace), 128<<10, "the trace must exceed the capacity of a pipe")
	written := 0
	for _, m := range regexp.MustCompile(`\.write\((\d+)\)\n`).FindAllStringSubmatch(untimed(t, string(trace)), -1) {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		written += n
	}
	assert.Equal(t, stdout.Len(), written)
}

func TestArgumentsAndStandardInput(t *testing.T) {
	exit, stdout, stderr := runWith(t, strings.NewReader("in\nput"), "./cmd/wasirun/testdata/echo", "-trace", "a b", "")
	assert.Equal(t, 3, exit)
	assert.Equal(t, `["./cmd/wasirun/testdata/echo" "-trace" "a b" ""] "in\nput"`, stdout)
	assert.Equal(t, "to stderr\n", stderr)
}

// TestStandardOutputWithoutReader checks that the guest sees a closed stream if nothing reads
// its output, and that wasirun keeps running.
func TestStandardOutputWithoutReader(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	var stderr bytes.Buffer
	cmd := exec.Command(wasirun, "-trace", module(t, writer))
	cmd.Stdout, cmd.Stderr = w, &stderr
	require.NoError(t, cmd.Run())
	assert.Equal(t, "stdout.get-stdout = output-stream(1)\n"+
		"output-stream(1).check-write = 1048576\n"+
		"output-stream(1).write(4) = closed\n"+
		"output-stream(1).check-write = closed\n", untimed(t, stderr.String()))
}

func TestStats(t *testing.T) {
	exit, stdout, stderr := run(t, "-stats", "-permit", "0,4", "-delay", "1ms", module(t, blocker))
	assert.Zero(t, exit)
	assert.Equal(t, "0123456789", stdout)
	assert.Regexp(t, `^ *calls +time +function
 +1 +\S+ +output-stream.blocking-write-and-flush
 +1 +\S+ +stdout.get-stdout

 *bytes +writes +flushes +stream
 +10 +1 +0 +output-stream\(1\) stdout

10 bytes written; 1 waits took \S+ms in total, the longest \S+ms
$`, stderr)

	both := guest(program(do("get-stderr"), do("check-write", 1, 1024), do("write", 1, 0, 3, 1024), do("flush", 1, 1024),
		do("[resource-drop]output-stream", 1), do("get-stdout"), do("check-write", 2, 1024), do("write", 2, 0, 5, 1024)))
	_, _, stderr = run(t, "-stats", module(t, both))
	assert.Regexp(t, `
 +3 +1 +1 +output-stream\(1\) stderr
 +5 +1 +0 +output-stream\(2\) stdout

8 bytes written; `, stderr)

	// A stream that was never used, or does not exist, is left out.
	unused := guest(program(do("get-stdout"), do("flush", 77, 1024)))
	_, _, stderr = run(t, "-stats", module(t, unused))
	assert.NotContains(t, stderr, "writes")
}

// TestTraceAsJSON checks that -trace=json says what -trace says.
func TestTraceAsJSON(t *testing.T) {
	args := []string{"-permit", "1,9", "-fail", "flush=a reason", "./examples/leaving", "exit"}
	exit, stdout, want := run(t, append([]string{"-trace"}, args...)...)
	jsonExit, jsonStdout, trace := run(t, append([]string{"-trace=json"}, args...)...)
	assert.Equal(t, exit, jsonExit)
	assert.Equal(t, stdout, jsonStdout)
	var got strings.Builder
	last := int64(0)
	for line := range strings.Lines(trace) {
		var call struct {
			Start, Took      int64
			On, Call, Result string
		}
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&call), line)
		assert.GreaterOrEqual(t, call.Start, last)
		last = call.Start
		fmt.Fprintf(&got, "%s.%s", call.On, call.Call)
		if call.Result != "" {
			fmt.Fprintf(&got, " = %s", call.Result)
		}
		got.WriteString("\n")
	}
	assert.Equal(t, untimed(t, want), got.String())
	assert.Contains(t, got.String(), " = last-operation-failed(error(")
}

// TestTinyGo checks that -tinygo calls TinyGo, for which another program stands in.
func TestTinyGo(t *testing.T) {
	bin := t.TempDir()
	cmd := exec.Command(wasirun, "-tinygo", "./examples/hello")
	cmd.Env = append(os.Environ(), "PATH="+bin)
	output, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Equal(t, 125, cmd.ProcessState.ExitCode())
	assert.Equal(t, "wasirun: -tinygo: TinyGo is not on the PATH; https://tinygo.org/getting-started/install says how to install it\n", string(output))

	script := "#!/bin/sh\necho \"$@\" >&2; exit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "tinygo"), []byte(script), 0o777))
	cmd = exec.Command(wasirun, "-tinygo", "./examples/hello")
	cmd.Env = append(os.Environ(), "PATH="+bin)
	output, err = cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Regexp(t, `^wasirun: cannot build ./examples/hello: build -target=wasip2 -o \S+guest.wasm ./examples/hello\n$`, string(output))
}

// onTerminal runs a shell command on a pseudo-terminal and returns its output.
func onTerminal(t *testing.T, env []string, command string) string {
	t.Helper()
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("needs the command script: install the Debian package bsdutils")
	}
	cmd := exec.Command(script, "-q", "-e", "-c", command, "/dev/null")
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), append(env, "SHELL=/bin/sh")...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func TestColorOnlyOnATerminal(t *testing.T) {
	command := wasirun + " -trace -permit 0,9 " + module(t, checker)
	plain := []string{"TERM=xterm", "NO_COLOR="}
	assert.Contains(t, onTerminal(t, plain, command), "check-write\x1b[33m = 0\x1b[0m\n")
	assert.NotContains(t, onTerminal(t, []string{"TERM=xterm", "NO_COLOR=1"}, command), "\x1b")
	assert.NotContains(t, onTerminal(t, []string{"TERM=dumb", "NO_COLOR="}, command), "\x1b")
	assert.NotContains(t, onTerminal(t, plain, command+" 2>&1 | cat"), "\x1b")
}

// TestLineModeOnATerminal checks that a BufWriter is in line mode on a terminal but not on a
// pipe.
func TestLineModeOnATerminal(t *testing.T) {
	command := wasirun + " -stats ./cmd/wasirun/testdata/lines"
	countFlushes := func(stats string) int {
		m := regexp.MustCompile(`(?m)^ +(\d+) +\S+ +output-stream\.(blocking-write-and-flush|flush)$`).FindAllStringSubmatch(stats, -1)
		total := 0
		for _, flushes := range m {
			n, err := strconv.Atoi(flushes[1])
			require.NoError(t, err)
			total += n
		}
		return total
	}
	assert.Equal(t, 3, countFlushes(onTerminal(t, nil, command)), "one for each line")
	assert.Equal(t, 1, countFlushes(onTerminal(t, nil, command+" 2>&1 | cat")), "one at the end")
}

// TestTimeoutWhileReading checks that the timeout ends a guest that is blocked reading its
// standard input.
func TestTimeoutWhileReading(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	reader := wasmtest.Module{
		Imports: []wasmtest.Import{{Module: "wasi_snapshot_preview1", Name: "fd_read",
			Params: []wasmtest.Type{wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32}, Results: []wasmtest.Type{wasmtest.I32}}},
		Pages: 1,
		Funcs: []wasmtest.Func{{Export: "_start",
			Code: wasmtest.Code{}.I32(4).I32(1).Store32(0).I32(0).I32(0).I32(1).I32(8).Call(0).Drop()}},
	}
	exit, _, stderr := runWith(t, r, "-timeout", "20ms", module(t, reader))
	assert.Equal(t, 124, exit)
	assert.Equal(t, "wasirun: timeout after 20ms\n", stderr)
}

// copier returns a guest that splices its standard input, from input-stream(2), to its standard
// output, output-stream(1), and waits for the input when there is nothing to move.
func copier() wasmtest.Module {
	c := append(program(do("get-stdout"), do("get-stdin")).Loop(), program(do("splice", 1, 2, 1<<20, 1024))...)
	// Without an error and without bytes, it waits.
	c = c.I32(1024).Load8(0).I32(0).Eq32().If()
	c = c.I32(1024).Load32(8).I32(0).Eq32().If()
	c = c.I32(2).Call(importIndex("[method]input-stream.subscribe")).Tee(0).Call(importIndex("[method]pollable.block"))
	c = c.Get(0).Call(importIndex("[resource-drop]pollable"))
	c = c.End().Br(1).End().End()
	m := guest(append(c, program(do("blocking-flush", 1, 1024))...))
	m.Funcs[0].Locals = []wasmtest.Type{wasmtest.I32}
	return m
}

var fourI32 = []wasmtest.Type{wasmtest.I32, wasmtest.I32, wasmtest.I32, wasmtest.I32}

// importIndex returns the index of a function that a guest imports, by its full name.
func importIndex(name string) uint64 {
	return uint64(slices.IndexFunc(guest(nil).Imports, func(f wasmtest.Import) bool { return f.Name == name }))
}

// TestSplice checks that a guest can splice its standard input, and that -trace and -stats show
// it.
func TestSplice(t *testing.T) {
	const wait = "input-stream(2).subscribe = pollable(%d)\npollable(%[1]d).block\npollable(%[1]d).drop\n"
	for _, c := range []struct {
		flags  string
		stdin  string
		stdout string
		trace  string // of the output-stream, where - is a wait for the input-stream
	}{
		{"", "some input", "some input", "splice = 0|-|splice = 10|splice = 0|-|splice = closed|blocking-flush"},
		{"", "", "", "splice = 0|-|splice = closed|blocking-flush"},
		{"-permit 4", "some input", "some input",
			"splice = 0|-|splice = 4|splice = 4|splice = 2|splice = 0|-|splice = closed|blocking-flush"},
		{"-hold -flush 1", "some input", "some input",
			"splice = 0|-|splice = 10|splice = 0|-|splice = closed|blocking-flush"},
		{"-capacity 6", "some input", "some i", "splice = 0|-|splice = 6|splice = closed|blocking-flush = closed"},
		{"-close write", "some input", "", "splice = 0|-|splice = closed|blocking-flush = closed"},
		{"-fail check-write:2=text", "some input", "",
			"splice = 0|-|splice = last-operation-failed(error(4))|blocking-flush = closed"},
	} {
		t.Run(c.flags+" "+c.stdin, func(t *testing.T) {
			args := append(strings.Fields(c.flags), "-trace", module(t, copier()))
			exit, stdout, stderr := runWith(t, strings.NewReader(c.stdin), args...)
			assert.Zero(t, exit)
			assert.Equal(t, c.stdout, stdout)
			want := "stdout.get-stdout = output-stream(1)\nstdin.get-stdin = input-stream(2)\n"
			pollable := 2
			for _, line := range strings.Split(c.trace, "|") {
				if line == "-" {
					pollable++
					want += fmt.Sprintf(wait, pollable)
					continue
				}
				want += "output-stream(1)." + strings.Replace(line, "splice", "splice(input-stream(2), 1048576)", 1) + "\n"
			}
			assert.Equal(t, want, untimed(t, stderr))
		})
	}
}

// TestEndOfStandardInput checks that a skip of 0 bytes does not report the end of standard
// input, as on Wasmtime.
func TestEndOfStandardInput(t *testing.T) {
	skip := func(n uint64) call { return do("skip", 1, n, 1024) }
	m := guest(program(do("get-stdin"), do("blocking-read", 1, 9, 1024), skip(0),
		do("[method]input-stream.subscribe", 1), do("block", 2), skip(0), skip(1), skip(0)))
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "cabi_realloc", Params: fourI32, Results: fourI32[:1],
		Code: wasmtest.Code{}.I32(2048)})
	exit, _, stderr := runWith(t, strings.NewReader("input"), "-trace", module(t, m))
	assert.Zero(t, exit)
	assert.Equal(t, `stdin.get-stdin = input-stream(1)
input-stream(1).blocking-read(9)
input-stream(1).skip(0) = 0
input-stream(1).subscribe = pollable(2)
pollable(2).block
input-stream(1).skip(0) = 0
input-stream(1).skip(1) = closed
input-stream(1).skip(0) = 0
`, untimed(t, stderr))
}

func TestStatsOfSplices(t *testing.T) {
	exit, stdout, stderr := runWith(t, strings.NewReader("some input"), "-stats", "-permit", "6", module(t, copier()))
	assert.Zero(t, exit)
	assert.Equal(t, "some input", stdout)
	assert.Regexp(t, `^ *calls +time +function
 +5 +\S+ +output-stream.splice
 +2 +\S+ +input-stream.subscribe
 +2 +\S+ +pollable.block
 +2 +\S+ +pollable.drop
 +1 +\S+ +output-stream.blocking-flush
 +1 +\S+ +stdin.get-stdin
 +1 +\S+ +stdout.get-stdout

 *bytes +writes +flushes +stream
 +10 +2 +1 +output-stream\(1\) stdout

10 bytes written; 3 waits took \S+ in total, the longest \S+
$`, stderr)

	much := strings.Repeat("0123456789abcdef", 1<<15)
	slow := iotest.HalfReader(strings.NewReader(much))
	exit, stdout, stderr = runWith(t, slow, "-stats", "-permit", "5000,1", module(t, copier()))
	assert.Zero(t, exit)
	assert.True(t, much == stdout)
	assert.Contains(t, stderr, "\n524288 bytes written; ")
}

// TestStandardInputIsOne checks that a guest has one standard input, whether it reads with
// preview 1 or with WASI 0.2.
func TestStandardInputIsOne(t *testing.T) {
	m := copier()
	fdRead := uint64(len(m.Imports))
	m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_read",
		Params: fourI32, Results: fourI32[:1]})
	read := wasmtest.Code{}.I32(512).I32(520).Store32(0).I32(516).I32(5).Store32(0) // of five bytes
	read = read.I32(0).I32(512).I32(1).I32(528).Call(fdRead).Drop()
	m.Funcs[0].Code = append(read, m.Funcs[0].Code...)
	exit, stdout, stderr := runWith(t, strings.NewReader("some input"), module(t, m))
	assert.Zero(t, exit)
	assert.Equal(t, "input", stdout)
	assert.Empty(t, stderr)
}

// TestTimeoutWhileSplicing checks that the timeout ends a guest that waits for standard input
// that stays silent.
func TestTimeoutWhileSplicing(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	exit, stdout, stderr := runWith(t, r, "-timeout", "20ms", module(t, copier()))
	assert.Equal(t, 124, exit)
	assert.Empty(t, stdout)
	assert.Equal(t, "wasirun: timeout after 20ms\n", stderr)
}

// TestClockWithSilentInput checks that a guest that waits for standard input and a time goes on
// when the time has come.
func TestClockWithSilentInput(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	const list, result = 512, 1024
	c := program(do("get-stdin"), do("[method]input-stream.subscribe", 1), do("subscribe-duration", 1e6)).
		I32(list).I32(2).Store32(0).I32(list).I32(3).Store32(4)
	m := guest(append(c, program(do("poll", list, 2, result))...))
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "cabi_realloc", Params: fourI32, Results: fourI32[:1],
		Code: wasmtest.Code{}.I32(2048)})
	// The exit code is the index of the pollable that is ready.
	m.Funcs[0].Code = m.Funcs[0].Code.I32(2048).Load32(0).Call(importIndex("proc_exit"))
	exit, _, stderr := runWith(t, r, module(t, m))
	assert.Equal(t, 1, exit)
	assert.Empty(t, stderr)
}
