package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// timeline runs a guest with -trace=perfetto and returns the calls on each track, each with its
// result, and what was dropped. It checks that a viewer can show them.
func timeline(t *testing.T, exit int, args ...string) map[string][]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.json")
	got, _, _ := run(t, append([]string{"-trace=perfetto:" + path}, args...)...)
	assert.Equal(t, exit, got)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var events []struct {
		Ph, Name string
		PID, TID int
		TS, Dur  float64
		Args     struct {
			Name, On, Result string
			Index            int `json:"sort_index"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &events), "%s", text)
	names := map[int]string{}
	var order []int           // of the tracks; without it, chrome://tracing sorts them by name
	free := map[int]float64{} // when the last call on the track was over
	tracks := map[string][]string{}
	for _, e := range events {
		assert.Equal(t, 1, e.PID)
		switch {
		case e.Name == "process_name":
			assert.Equal(t, "guest", e.Args.Name)
		case e.Name == "thread_name":
			assert.Equal(t, "M", e.Ph)
			assert.NotContains(t, names, e.TID)
			assert.NotEqual(t, e.PID, e.TID, "Perfetto calls that the main thread")
			names[e.TID] = e.Args.Name
		case e.Name == "thread_sort_index":
			assert.Equal(t, "M", e.Ph)
			assert.Equal(t, e.TID, e.Args.Index)
			order = append(order, e.TID)
		default:
			assert.Equal(t, "X", e.Ph)
			assert.GreaterOrEqual(t, e.TS, free[e.TID], e.Name)
			assert.GreaterOrEqual(t, e.Dur, 0.0)
			free[e.TID] = e.TS + e.Dur
			call := e.Name
			if call == "drop" {
				call += " " + e.Args.On
			}
			if e.Args.Result != "" {
				call += " = " + e.Args.Result
			}
			require.Contains(t, names, e.TID)
			tracks[names[e.TID]] = append(tracks[names[e.TID]], call)
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(names)), order)
	return tracks
}

// TestTraceForPerfetto checks that each call is on the track of its stream, and each wait on one
// of its own.
func TestTraceForPerfetto(t *testing.T) {
	m := guest(program(do("get-stdout"), do("get-stderr"), do("check-write", 1, 1024), do("[method]output-stream.subscribe", 1), do("block", 3),
		do("[resource-drop]pollable", 3), do("subscribe-duration", 1000), do("block", 4), do("blocking-write-and-flush", 2, 0, 4, 1024),
		do("[resource-drop]error", 5), do("flush", 1, 1024)))
	m.Imports = append(m.Imports, wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_write", Params: fourI32, Results: fourI32[:1]})
	m.Funcs[0].Code = m.Funcs[0].Code.I32(512).I32(3).Store32(4). // three bytes at 0
									I32(1).I32(512).I32(1).I32(1024).Call(uint64(len(m.Imports) - 1)).Drop()
	assert.Equal(t, map[string][]string{
		"waits": {"stdout(1).block", "monotonic-clock.block",
			"stderr(2).blocking-write-and-flush(4) = last-operation-failed(error(5))"},
		"stdout(1)": {"get-stdout = output-stream(1)", "check-write = 0", "subscribe = pollable(3)", "drop pollable(3)",
			"flush = last-operation-failed(error(6))"},
		"stderr(2)":       {"get-stderr = output-stream(2)", "blocking-write-and-flush(4) = last-operation-failed(error(5))", "drop error(5)"},
		"monotonic-clock": {"subscribe-duration(1µs) = pollable(4)"},
		"fd(1)":           {"fd_write(3)"},
	}, timeline(t, 0, "-permit", "0,7", "-fail", "flush", module(t, m)))

	tracks := timeline(t, 134, module(t, guest(program(do("get-stdout"), do("block", 1)))))
	assert.Equal(t, []string{"stdout(1).block = trap"}, tracks["waits"], "the call that trapped")

	busy := guest(append(program(do("get-stdout")).Loop(), program(do("blocking-write-and-flush", 1, 0, 10, 1024))...).Br(0).End())
	timeline(t, 124, "-timeout", "20ms", module(t, busy))
}

// A trace that the disk has no room for is an error.
func TestTraceIsLost(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip(err)
	}
	exit, stdout, stderr := run(t, "-trace=perfetto:"+full, module(t, writer))
	assert.Equal(t, 125, exit)
	assert.Equal(t, "0123", stdout)
	assert.Equal(t, "wasirun: write /dev/full: no space left on device\n", stderr)
}
