//go:build unix

package main_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// TestInterruptWhileBuilding checks that an interrupt ends a build and leaves nothing behind.
func TestInterruptWhileBuilding(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		dir := t.TempDir()
		for _, pipe := range []string{"alive", "never"} {
			require.NoError(t, syscall.Mkfifo(filepath.Join(dir, pipe), 0o600))
		}
		// This go command has another build, and both ignore an interrupt.
		bin, temp := filepath.Join(dir, "bin"), filepath.Join(dir, "temp")
		require.NoError(t, os.Mkdir(bin, 0o777))
		require.NoError(t, os.Mkdir(temp, 0o777))
		script := fmt.Sprintf("#!/bin/sh\ntrap '' INT\ncat %s/never >%[1]s/alive\nexit 1\n", dir)
		require.NoError(t, os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o777))
		cmd := exec.Command(wasirun, "./examples/hello")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+temp)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		alive, err := os.Open(filepath.Join(dir, "alive")) // waits for the build
		require.NoError(t, err)
		defer alive.Close()
		files, err := os.ReadDir(temp)
		require.NoError(t, err)
		assert.Len(t, files, 1)
		require.NoError(t, cmd.Process.Signal(sig))
		assert.Error(t, cmd.Wait())
		assert.Equal(t, 130, cmd.ProcessState.ExitCode())
		assert.Equal(t, "wasirun: interrupted\n", stderr.String())
		files, err = os.ReadDir(temp)
		require.NoError(t, err)
		assert.Empty(t, files)
		_, err = io.ReadAll(alive) // waits for the end of all that build
		assert.NoError(t, err)
	}
}

// TestTraceOfInterruptedGuest checks that the file for Perfetto has the calls before an interrupt.
func TestTraceOfInterruptedGuest(t *testing.T) {
	write := do("blocking-write-and-flush", 1, 0, 10, 1024)
	guest := module(t, guest(append(program(do("get-stdout"), write), wasmtest.Code{}.Loop().Br(0).End()...)))
	trace := filepath.Join(t.TempDir(), "trace.json")
	cmd := exec.Command(wasirun, "-trace=perfetto:"+trace, guest)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(stdout, make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	assert.Error(t, cmd.Wait())
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"name":"get-stdout"`)
}

var (
	damaged      = flag.Int("damaged", 4, "how many `times` TestDamagedModules damages each module")
	damagedGuest = flag.String("guest", "", "a `file` for TestDamagedModules, in place of those that it builds")
)

// TestDamagedModules runs modules with a few wrong bytes. Whatever they do, wasirun reports it
// and takes no more memory or time than it should.
func TestDamagedModules(t *testing.T) {
	dir := t.TempDir()
	var guests []string
	if *damagedGuest != "" {
		guests = append(guests, *damagedGuest)
	} else {
		core := filepath.Join(dir, "go.wasm")
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", core, "../../examples/hello")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, string(output))
		guests = append(guests, core)
		if _, err := exec.LookPath("tinygo"); err == nil {
			component := filepath.Join(dir, "tinygo.wasm")
			output, err := exec.Command("tinygo", "build", "-target=wasip2", "-o", component, "../../examples/hello").CombinedOutput()
			require.NoError(t, err, string(output))
			guests = append(guests, component)
		}
	}
	for _, guest := range guests {
		content, err := os.ReadFile(guest)
		require.NoError(t, err)
		file := filepath.Join(dir, "damaged")
		exits := make(map[int]int)
		var most time.Duration
		for i := range *damaged {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			p := bytes.Clone(content)
			for range 1 + r.IntN(4) {
				p[8+r.IntN(len(p)-8)] = byte(r.Uint32())
			}
			if r.IntN(4) == 0 { // more often where sizes are
				p[8+r.IntN(1000)] = byte(r.Uint32())
			}
			require.NoError(t, os.WriteFile(file, p, 0o666))
			cmd := exec.Command(wasirun, "-timeout", "5s", "-memory", "1024", file)
			output, err := cmd.CombinedOutput()
			exits[cmd.ProcessState.ExitCode()]++
			if err != nil {
				require.NotEmpty(t, output, i)
			}
			require.True(t, cmd.ProcessState.Exited(), "%d: %v", i, cmd.ProcessState)
			require.NotContains(t, string(output), "wazero@", i)
			require.NotContains(t, string(output), "cmd/wasirun", i)
			if strings.HasPrefix(string(output), "wasirun: "+file) {
				require.Equal(t, 1, bytes.Count(output, []byte("\n")), i)
			}
			require.Less(t, maxMemory(cmd.ProcessState), int64(2<<30), i)
			took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			require.Less(t, took, 10*time.Second, i)
			most = max(most, took)
		}
		t.Logf("%s: exit codes %v, at most %v of a processor", filepath.Base(guest), exits, most)
	}
}

// maxMemory returns the most bytes that a process had in memory.
func maxMemory(p *os.ProcessState) int64 {
	most := int64(p.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS != "darwin" {
		most <<= 10
	}
	return most
}
