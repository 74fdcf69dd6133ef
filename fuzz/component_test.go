package fuzz

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

// section returns a section of a component.
func section(kind byte, content []byte) []byte { return wasm.AppendSection(nil, kind, content) }

// commandModule returns the core module of a command, which reads its arguments and prints a
// line. The host asks it for memory by the function named realloc.
func commandModule(realloc string) []byte {
	const getArguments, getStdout, write, result = 0, 1, 2, 512
	return wasmtest.Module{
		Imports: []wasmtest.Import{
			{Module: "wasi:cli/environment@0.2.0", Name: "get-arguments", Params: fourI32[:1]},
			{Module: "wasi:cli/stdout@0.2.0", Name: "get-stdout", Results: fourI32[:1]},
			{Module: "wasi:io/streams@0.2.0", Name: "[method]output-stream.blocking-write-and-flush", Params: fourI32},
			{Module: "wasi_snapshot_preview1", Name: "fd_write [v2]", Params: fourI32, Results: fourI32[:1]},
		},
		Pages:   1,
		Globals: 1,
		Data:    []byte("a line\n"),
		Funcs: []wasmtest.Func{
			{Export: "wasi:cli/run@0.2.0#run", Results: fourI32[:1],
				Code: wasmtest.Code{}.I32(1024).GlobalSet(0).I32(result).Call(getArguments).
					Call(getStdout).I32(0).I32(7).I32(result).Call(write).I32(0)},
			{Export: realloc, Params: fourI32, Results: fourI32[:1],
				Code: wasmtest.Code{}.GlobalGet(0).GlobalGet(0).I32(64).Add32().GlobalSet(0)},
			{Export: "_initialize"},
		},
	}.Bytes()
}

// FuzzComponent runs components of random bytes. Whatever they are, they end, with a one-line
// error or none, and take little memory.
func FuzzComponent(f *testing.F) {
	module := commandModule("cabi_realloc")
	f.Add(section(1, module))
	f.Add(section(1, commandModule("cabi_import_realloc")))
	f.Add(append(section(0, []byte("\x04name")), append(section(1, module), section(1, module)...)...))
	f.Add(section(4, append([]byte(wasm.ComponentHeader), section(1, module)...)))
	f.Add(section(1, module)[:len(module)/2])
	f.Add([]byte("\x01\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, sections []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := host.New(host.Options{Clock: engine.Clock(ctx)})
		var out bytes.Buffer
		h.SetStdio(host.Stdout, host.Plan{Handles: 1000}, &out)
		_, err := engine.Run(ctx, engine.Guest{
			Module:      append([]byte(wasm.ComponentHeader), sections...),
			Args:        []string{"guest", "argument"},
			Host:        h,
			Stdout:      io.Discard,
			Stderr:      io.Discard,
			MemoryPages: 64,
		})
		var trap *host.Trap
		if err != nil && !errors.As(err, &trap) && ctx.Err() == nil {
			require.NotContains(t, err.Error(), "\n")
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		require.Less(t, memory.Sys, uint64(maxMemory))
	})
}

// The first two seeds are components that work.
func TestComponentSeeds(t *testing.T) {
	for _, realloc := range []string{"cabi_realloc", "cabi_import_realloc"} {
		h := host.New(host.Options{})
		var out bytes.Buffer
		h.SetStdio(host.Stdout, host.Plan{}, &out)
		exit, err := engine.Run(t.Context(), engine.Guest{
			Module: append([]byte(wasm.ComponentHeader), section(1, commandModule(realloc))...), Args: []string{"guest"}, Host: h})
		require.NoError(t, err)
		require.Zero(t, exit)
		require.Equal(t, "a line\n", out.String())
	}
}
