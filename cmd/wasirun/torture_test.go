package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// A row is a line of wasirun -torture -json.
type row struct {
	Flags   string
	Fails   bool
	Verdict string
	Exit    int
	Stdout  int
	Found   string
}

// torture returns what wasirun -torture says of a guest, by the flags of the hosts.
func torture(t *testing.T, args ...string) (exit int, rows map[string]row) {
	t.Helper()
	exit, stdout, stderr := run(t, append([]string{"-torture", "-json"}, args...)...)
	assert.Empty(t, stderr)
	rows = make(map[string]row)
	for line := range strings.Lines(stdout) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		assert.NotContains(t, rows, r.Flags)
		rows[r.Flags] = r
	}
	return exit, rows
}

// differing returns the flags of those hosts that do not fail on which a guest is not the same.
func differing(rows map[string]row) (flags []string) {
	for _, r := range rows {
		if !r.Fails && r.Verdict != "same" {
			flags = append(flags, r.Flags)
		}
	}
	return flags
}

func TestTorture(t *testing.T) {
	exit, rows := torture(t, module(t, writer))
	assert.Equal(t, 1, exit)
	for _, name := range host.Names() {
		assert.Contains(t, rows, "-as "+name)
	}
	assert.Greater(t, len(rows), len(host.Names())+40)
	assert.Equal(t, row{"-permit 7", false, "same", 0, 4, ""}, rows["-permit 7"])
	assert.Equal(t, row{"-hold", false, "differs", 0, 0, "stdout ends after 0 of 4 bytes"}, rows["-hold"])
	assert.Equal(t, row{"-permit 1", false, "traps", 0, 0,
		"after byte 0 in output-stream(1).write(4): write of 4 bytes on a permit of 1"}, rows["-permit 1"])
	assert.Equal(t, row{"-fail check-write:2", true, "differs", 0, 4, "keeps 1 error, 1 output-stream instead of 1 output-stream"},
		rows["-fail check-write:2"])
	assert.Equal(t, row{"-close check-write:2", true, "same", 0, 4, ""}, rows["-close check-write:2"])

	exit, stdout, stderr := run(t, "-torture", module(t, writer))
	assert.Equal(t, 1, exit)
	assert.Empty(t, stderr) // no progress, which is for terminals
	assert.Regexp(t, `(?m)^differs +-hold +stdout ends after 0 of 4 bytes$`, stdout)
	assert.Regexp(t, `(?s)-hold .*\n\nOn hosts that fail: *\n.*-fail check-write:2 .*\n\nThe guest differs on [0-9]+ of 45 hosts `+
		`that do not fail, and on [0-9]+ of [0-9]+ that fail\.\n$`, stdout)
	assert.NotContains(t, stdout, "same")
}

func TestTortureOfRightGuest(t *testing.T) {
	exit, rows := torture(t, module(t, guest(program(do("get-stdout"), do("[resource-drop]output-stream", 1)))))
	assert.Zero(t, exit)
	for _, r := range rows {
		assert.Equal(t, "same", r.Verdict, r.Flags)
	}
	exit, stdout, _ := run(t, "-torture", module(t, guest(nil)))
	assert.Zero(t, exit)
	assert.Equal(t, "The guest differs on 0 of 45 hosts that do not fail, and on 0 of 0 that fail.\n", stdout)
}

func TestTortureHangs(t *testing.T) {
	exit, rows := torture(t, module(t, blocker))
	assert.Equal(t, 1, exit)
	assert.Equal(t, row{"-as wasmtime-22-async", false, "hangs", 0, 10,
		"after byte 10 in output-stream(1).blocking-write-and-flush(10)"}, rows["-as wasmtime-22-async"])
	assert.ElementsMatch(t, []string{"-as wasmtime-22-async", "-as wasmtime-22-async -permit 0,1024"}, differing(rows))

	exit, stdout, stderr := run(t, "-torture", "-timeout", "20ms", module(t, guest(wasmtest.Code{}.Loop().Br(0).End())))
	assert.Equal(t, 124, exit) // on the easy host
	assert.Empty(t, stdout)
	assert.Equal(t, "wasirun: timeout after 20ms\n", stderr)
}

// TestTortureOfWrongGuests finds what is wrong with programs that look right on an easy host.
func TestTortureOfWrongGuests(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	wasm := filepath.Join(t.TempDir(), "wrong.wasm")
	build := exec.Command("go", "build", "-o", wasm, "./testdata/wrong")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	for _, c := range []struct{ name, flags, verdict, found string }{
		{"no-flush", "-hold", "differs", "stdout ends after 0 of 10240 bytes"},
		{"no-flush", "-as wasmtime-file", "differs", "stdout ends after 0 of 10240 bytes"},
		{"keeps-a-pollable", "-permit 0,7", "differs", "keeps 1 output-stream, 1 pollable instead of no handle"},
		{"blocks", "-as wasmtime-22-async", "hangs", "after byte 4096 in output-stream(1).blocking-write-and-flush(4096)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, rows := torture(t, wasm, c.name)
			assert.Equal(t, 1, exit)
			assert.Equal(t, c.verdict, rows[c.flags].Verdict)
			assert.Equal(t, c.found, rows[c.flags].Found)
		})
	}
	for name, reason := range map[string]string{
		"no-check-write":   "write of 10240 bytes without a permit: check-write must come right before it",
		"too-much-at-once": "blocking-write-and-flush of 10240 bytes; 4096 is the most",
	} {
		t.Run(name, func(t *testing.T) {
			exit, stdout, stderr := run(t, "-torture", wasm, name)
			assert.Equal(t, 134, exit) // on the easy host
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "wasirun: wasi host: trap: "+reason+"\n")
		})
	}
}

// TestTortureOfExamples runs examples that differ on no host, except that plain Go hangs where
// wake-ups are lost.
func TestTortureOfExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	for _, name := range []string{"hello", "bufio", "log", "slog", "json"} {
		t.Run(name, func(t *testing.T) {
			exit, rows := torture(t, "./examples/"+name)
			assert.Equal(t, 1, exit)
			for _, flags := range differing(rows) {
				assert.Contains(t, flags, "-as wasmtime-22-async")
				assert.Equal(t, "hangs", rows[flags].Verdict)
			}
			if _, err := exec.LookPath("tinygo"); err != nil {
				t.Skip("TinyGo is not on the PATH")
			}
			exit, rows = torture(t, "-tinygo", "./examples/"+name)
			assert.Zero(t, exit)
			assert.Empty(t, differing(rows))
		})
	}
}

func TestTortureOfRandomGuest(t *testing.T) {
	// The guest writes what random_get returns.
	m := guest(nil)
	m.Funcs[0].Code = append(wasmtest.Code{}.I32(0).I32(10).Call(uint64(len(m.Imports))).Drop(),
		program(do("get-stdout"), do("blocking-write-and-flush", 1, 0, 10, 1024))...)
	m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "random_get",
		Params: []wasmtest.Type{wasmtest.I32, wasmtest.I32}, Results: []wasmtest.Type{wasmtest.I32}})
	exit, stdout, stderr := run(t, "-torture", module(t, m))
	assert.Equal(t, 125, exit)
	assert.Empty(t, stdout)
	assert.Regexp(t, `two runs on the same host differ: stdout differs at byte [0-9]+\n$`, stderr)
}

func TestTortureFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"-json":              "-json needs -torture (see -trace=json)",
		"-torture -permit 1": "-torture and -permit do not go together",
		"-torture -stats":    "-torture and -stats do not go together",
	} {
		exit, stdout, stderr := run(t, append(strings.Fields(flags), "./examples/hello")...)
		assert.Equal(t, 125, exit, flags)
		assert.Empty(t, stdout)
		assert.Equal(t, "wasirun: "+want+"\n", stderr)
	}
}
