package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// TestTortureGivesWhatARunGives checks that in each run of -torture the guest has the standard
// input, the directories and the memory that the command line says.
func TestTortureGivesWhatARunGives(t *testing.T) {
	// The exit code is how many bytes the guest reads from its standard input.
	m := guest(nil)
	read := uint64(len(m.Imports))
	m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_read", Params: fourI32, Results: fourI32[:1]})
	m.Funcs[0].Code = wasmtest.Code{}.I32(516).I32(100).Store32(0). // into the 100 bytes at 0
									I32(0).I32(512).I32(1).I32(528).Call(read).Drop().I32(528).Load32(0).Call(importIndex("proc_exit"))
	exit, stdout, stderr := runWith(t, strings.NewReader("some input"), "-torture", "-json", module(t, m))
	assert.Zero(t, exit)
	assert.Empty(t, stderr)
	found := false
	for line := range strings.Lines(stdout) {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		if r.Flags == "-permit 7" {
			found = true
			assert.Equal(t, 10, r.Exit, "bytes of the standard input")
		}
	}
	assert.True(t, found)

	// The exit code is 0 if there is a directory.
	m = guest(nil)
	prestat := uint64(len(m.Imports))
	m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_prestat_get",
		Params: []wasmtest.Type{wasmtest.I32, wasmtest.I32}, Results: []wasmtest.Type{wasmtest.I32}})
	m.Funcs[0].Code = wasmtest.Code{}.I32(3).I32(512).Call(prestat).Call(importIndex("proc_exit"))
	_, rows := torture(t, "-dir", ".", module(t, m))
	assert.Zero(t, rows["-permit 7"].Exit)
	_, rows = torture(t, module(t, m))
	assert.NotZero(t, rows["-permit 7"].Exit)

	m = guest(nil)
	m.Pages = 17
	exit, _, stderr = run(t, "-torture", "-memory", "1", module(t, m))
	assert.Equal(t, 125, exit)
	assert.Contains(t, stderr, "over limit of 16 pages")
}

// TestTortureFindsEachDifference checks that -torture finds another exit code, other bytes on
// standard error, and a crash.
func TestTortureFindsEachDifference(t *testing.T) {
	permit := program(do("get-stdout"), do("check-write", 1, 1024)).I32(1024).Load32(8)
	for name, c := range map[string]struct {
		code                  wasmtest.Code
		flags, verdict, found string
	}{
		"exit code": {permit.Call(importIndex("proc_exit")), "-permit 7", "differs", "exit code 7 instead of 1048576"},
		"stderr": {program(do("get-stderr"), do("check-write", 1, 1024), do("write", 1, 0, 4, 1024)), "-hold", "differs",
			"stderr ends after 0 of 4 bytes"},
		"crash": {permit.I32(0).Eq32().If().Unreachable().End(), "-permit 0,1", "crashes",
			"after byte 0: the guest crashed: wasm error: unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			exit, rows := torture(t, module(t, guest(c.code)))
			assert.Equal(t, 1, exit)
			assert.Equal(t, c.verdict, rows[c.flags].Verdict)
			assert.Equal(t, c.found, rows[c.flags].Found)
		})
	}
}
