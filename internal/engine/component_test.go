package engine_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
	"github.com/wasio-dev/wasio/internal/wasmtest"
)

const runName = "wasi:cli/run@0.2.3#run"

// component returns a component with a section of the given kind for each of contents.
func component(kind byte, contents ...[]byte) []byte {
	b := []byte(wasm.ComponentHeader)
	for _, content := range contents {
		b = wasm.AppendSection(b, kind, content)
	}
	return b
}

// command returns the core module of a command that runs the code, which leaves its result
// on the stack.
func command(c wasmtest.Code, imports ...wasmtest.Import) wasmtest.Module {
	return wasmtest.Module{
		Imports: imports,
		Pages:   1,
		Globals: 2,
		Funcs: []wasmtest.Func{
			{Export: runName, Results: oneI32, Code: c},
			{Export: "cabi_realloc", Params: fourI32, Results: oneI32, Code: bumpAlloc},
		},
	}
}

// runComponent runs a component and returns what it writes to standard output.
func runComponent(t *testing.T, b []byte, args ...string) (exit int, out string, err error) {
	t.Helper()
	var stdout bytes.Buffer
	h := host.New(host.Options{Clock: new(host.VirtualClock)})
	h.SetStdio(host.Stdout, host.Plan{}, &stdout)
	h.SetStdin(host.Plan{}, strings.NewReader("typed"))
	exit, err = engine.Run(t.Context(), engine.Guest{Module: b, Host: h, Args: args, Cache: cache})
	return exit, stdout.String(), err
}

func TestComponentGetsNoDirectories(t *testing.T) {
	_, err := engine.Run(t.Context(), engine.Guest{Module: component(1, command(wasmtest.Code{}.I32(0)).Bytes()),
		Host: host.New(host.Options{}), Dirs: []string{t.TempDir()}, Cache: cache})
	assert.EqualError(t, err, "a component, which gets no directories")
}

func TestComponentExitCode(t *testing.T) {
	for _, code := range []uint32{0, 1} {
		exit, _, err := runComponent(t, component(1, command(wasmtest.Code{}.I32(code)).Bytes()))
		require.NoError(t, err)
		assert.EqualValues(t, code, exit)
	}
	exitImport := wasmtest.Import{Module: "wasi:cli/exit@0.2.3", Name: "exit", Params: oneI32}
	exit, _, err := runComponent(t, component(1, command(wasmtest.Code{}.I32(1).Call(0).I32(0), exitImport).Bytes()))
	require.NoError(t, err)
	assert.Equal(t, 1, exit)

	// A result has two cases.
	_, _, err = runComponent(t, component(1, command(wasmtest.Code{}.I32(5)).Bytes()))
	assert.ErrorIs(t, err, engine.ErrCrash)
	assert.EqualError(t, err, "the guest crashed: wasi:cli/run returned 5, which is not a result")
	_, _, err = runComponent(t, component(1, command(wasmtest.Code{}.I32(256).Call(0).I32(0), exitImport).Bytes()))
	assert.ErrorContains(t, err, "exit with 256, which is not a result")
}

// wit-component calls _initialize before everything else.
func TestComponentIsInitialized(t *testing.T) {
	m := command(wasmtest.Code{}.GlobalGet(1))
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "_initialize", Code: wasmtest.Code{}.I32(1).GlobalSet(1)})
	exit, _, err := runComponent(t, component(1, m.Bytes()))
	require.NoError(t, err)
	assert.Equal(t, 1, exit)

	m.Funcs[2].Code = wasmtest.Code{}.Unreachable()
	_, _, err = runComponent(t, component(1, m.Bytes()))
	assert.ErrorIs(t, err, engine.ErrCrash)
}

// wit-component numbers an import that a module has twice, as Go's modules have fd_write.
func TestComponentWithNumberedImports(t *testing.T) {
	now := wasmtest.Import{Module: "wasi:clocks/monotonic-clock@0.2.3", Name: "now", Results: []wasmtest.Type{i64}}
	again := now
	again.Name = "now [v2]"
	write := wasmtest.Import{Module: "wasi_snapshot_preview1", Name: "fd_write [v2]", Params: fourI32, Results: oneI32}
	exit, _, err := runComponent(t, component(1, command(
		wasmtest.Code{}.Call(0).Drop().Call(1).Drop().I32(9).I32(0).I32(0).I32(512).Call(2).Drop().I32(0), now, again, write).Bytes()))
	require.NoError(t, err)
	assert.Zero(t, exit)
}

// The functions that a runtime calls at its start store their results where they should.
// Each guest writes some of its memory to standard output.
func TestComponentRuntime(t *testing.T) {
	streams := []wasmtest.Import{
		{Module: "wasi:cli/stdout@0.2.3", Name: "get-stdout", Results: oneI32},
		{Module: "wasi:io/streams@0.2.3", Name: "[method]output-stream.blocking-write-and-flush", Params: fourI32},
	}
	// getStdin is import 3. The code of write calls imports 0 and 1.
	getStdin := wasmtest.Import{Module: "wasi:cli/stdin@0.2.3", Name: "get-stdin", Results: oneI32}
	write := func(c wasmtest.Code, at, n uint32) wasmtest.Code {
		return c.Call(0).I32(at).I32(n).I32(512).Call(1).I32(0)
	}
	ret := func(module, name string, params ...wasmtest.Type) wasmtest.Import {
		return wasmtest.Import{Module: module + "@0.2.3", Name: name, Params: append(params, i32)}
	}
	for _, c := range []struct {
		name string
		f    wasmtest.Import
		args wasmtest.Code
		at   uint32
		n    uint32
		want string
	}{
		{"no preopens", ret("wasi:filesystem/preopens", "get-directories"), wasmtest.Code{}.I32(0), 4, 4, "\x00\x00\x00\x00"},
		{"no environment", ret("wasi:cli/environment", "get-environment"), wasmtest.Code{}.I32(0), 4, 4, "\x00\x00\x00\x00"},
		{"no directory", ret("wasi:cli/environment", "initial-cwd"), wasmtest.Code{}.I32(0), 0, 1, "\x00"},
		{"two arguments", ret("wasi:cli/environment", "get-arguments"), wasmtest.Code{}.I32(0), 4, 4, "\x02\x00\x00\x00"},
		{"the arguments", ret("wasi:cli/environment", "get-arguments"), wasmtest.Code{}.I32(0), 1024, 8, "namearg1"},
		{"random bytes", ret("wasi:random/random", "get-random-bytes", i64), wasmtest.Code{}.I64(7).I32(0), 4, 4, "\x07\x00\x00\x00"},
		{"standard input", ret("wasi:io/streams", "[method]input-stream.blocking-read", i32, i64),
			wasmtest.Code{}.Call(3).I64(100).I32(0), 1024, 5, "typed"},
		{"a piece of it", ret("wasi:io/streams", "[method]input-stream.read", i32, i64),
			wasmtest.Code{}.Call(3).I64(3).I32(0), 8, 4, "\x03\x00\x00\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := command(write(c.args.Call(2), c.at, c.n), append(streams, c.f, getStdin)...)
			m.Data = bytes.Repeat([]byte{0xff}, 16)
			exit, out, err := runComponent(t, component(1, m.Bytes()), "name", "arg1")
			require.NoError(t, err)
			assert.Zero(t, exit)
			assert.Equal(t, c.want, out)
		})
	}
	t.Run("the time", func(t *testing.T) {
		_, out, err := runComponent(t, component(1,
			command(write(wasmtest.Code{}.I32(0).Call(2), 0, 8), append(streams, ret("wasi:clocks/wall-clock", "now"))...).Bytes()))
		require.NoError(t, err)
		assert.Greater(t, binary.LittleEndian.Uint64([]byte(out)), uint64(1_700_000_000))
	})
}

// Like wit-component, the engine asks for the memory of a result by cabi_import_realloc if the
// module exports that.
func TestComponentWithTwoReallocs(t *testing.T) {
	m := command(wasmtest.Code{}.I32(0).Call(0).I32(0),
		wasmtest.Import{Module: "wasi:cli/environment@0.2.3", Name: "get-arguments", Params: oneI32})
	m.Funcs[1].Export = "cabi_import_realloc"
	m.Funcs = append(m.Funcs, wasmtest.Func{Export: "cabi_realloc", Params: fourI32, Results: oneI32, Code: wasmtest.Code{}.Unreachable()})
	_, _, err := runComponent(t, component(1, m.Bytes()), "name")
	require.NoError(t, err)
}

func TestComponentTraps(t *testing.T) {
	for _, c := range []struct {
		name string
		f    wasmtest.Import
		code wasmtest.Code
		want string
	}{
		{"a file", wasmtest.Import{Module: "wasi:filesystem/types@0.2.3", Name: "[method]descriptor.sync-data", Params: []wasmtest.Type{i32, i32}},
			wasmtest.Code{}.I32(3).I32(0).Call(0).I32(0), `"[method]descriptor.sync-data" of wasi:filesystem: there are no files`},
		{"random bytes without end", wasmtest.Import{Module: "wasi:random/random@0.2.3", Name: "get-random-bytes", Params: []wasmtest.Type{i64, i32}},
			wasmtest.Code{}.I64(1 << 40).I32(0).Call(0).I32(0), "1099511627776 random bytes at once; the maximum is 1048576"},
		{"an input-stream that is not there", wasmtest.Import{Module: "wasi:io/streams@0.2.3", Name: "[method]input-stream.read", Params: []wasmtest.Type{i32, i64, i32}},
			wasmtest.Code{}.I32(1).I64(1).I32(0).Call(0).I32(0), "handle 1 is unknown, or was dropped"},
		{"a result outside memory", wasmtest.Import{Module: "wasi:clocks/wall-clock@0.2.3", Name: "now", Params: oneI32},
			wasmtest.Code{}.I32(1 << 16).Call(0).I32(0), "16 bytes at 0x10000 are not in the guest's memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := runComponent(t, component(1, command(c.code, c.f).Bytes()))
			var trap *host.Trap
			require.ErrorAs(t, err, &trap)
			assert.Equal(t, c.want, trap.Reason)
		})
	}
	t.Run("a cabi_realloc that calls the host", func(t *testing.T) {
		m := command(wasmtest.Code{}.I32(0).Call(0).I32(0),
			wasmtest.Import{Module: "wasi:cli/environment@0.2.3", Name: "get-arguments", Params: oneI32},
			wasmtest.Import{Module: "wasi:clocks/monotonic-clock@0.2.3", Name: "now", Results: []wasmtest.Type{i64}})
		m.Funcs[1].Code = wasmtest.Code{}.Call(1).Drop().I32(1024)
		_, _, err := runComponent(t, component(1, m.Bytes()), "name")
		var trap *host.Trap
		require.ErrorAs(t, err, &trap)
		assert.Equal(t, "cabi_realloc calls now: it may not call the host", trap.Reason)
	})
	t.Run("a cabi_realloc of another type", func(t *testing.T) {
		m := command(wasmtest.Code{}.I32(0).Call(0).I32(0),
			wasmtest.Import{Module: "wasi:cli/environment@0.2.3", Name: "get-arguments", Params: oneI32})
		m.Funcs[1].Params = oneI32
		m.Funcs[1].Code = wasmtest.Code{}.I32(0)
		_, _, err := runComponent(t, component(1, m.Bytes()), "name")
		var trap *host.Trap
		require.ErrorAs(t, err, &trap)
		assert.Equal(t, noRealloc, trap.Reason)
	})
}

func TestComponentsThatCannotBeRun(t *testing.T) {
	valid := command(wasmtest.Code{}.I32(0)).Bytes()
	library := wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{{Export: "wasi:http/incoming-handler@0.2.0#handle"}}}.Bytes()
	noMemory := wasmtest.Module{Funcs: []wasmtest.Func{{Export: runName, Results: oneI32, Code: wasmtest.Code{}.I32(0)}}}.Bytes()
	initialized := command(wasmtest.Code{}.I32(0))
	initialized.Funcs = append(initialized.Funcs, wasmtest.Func{Export: "_initialize", Params: oneI32})
	notACommand := "not a command: no module of the component exports wasi:cli/run"
	for _, c := range []struct {
		name      string
		component []byte
		want      string
	}{
		{"empty", component(1), notACommand},
		{"truncated", component(1, valid)[:20], "truncated component"},
		{"a size without end", append(component(1), 1, 0xff, 0xff, 0xff), "truncated component"},
		{"an empty module", component(1, nil), notACommand},
		{"half a module", component(1, valid[:len(valid)/2]), notACommand},
		{"a server", append(component(1, library), component(4, nil)[8:]...),
			"a server, which exports wasi:http/incoming-handler: run it with wasmtime serve -S cli"},
		{"a library", component(1, wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{{Export: "add"}}}.Bytes()), notACommand},
		{"no memory", component(1, noMemory), notACommand},
		{"two programs", component(1, valid, valid), "the component contains more than one program"},
		{"a result of another type", component(1, wasmtest.Module{Pages: 1, Funcs: []wasmtest.Func{
			{Export: runName, Results: []wasmtest.Type{i64}, Code: wasmtest.Code{}.I64(0)}}}.Bytes()),
			`not a program: the module exports no function "` + runName + `" of the right type`},
		{"an initialization with a parameter", component(1, initialized.Bytes()), `not a program: the function "_initialize" does not have the right type`},
		{"composed", component(4, component(1, valid)), "a composed component, whose program is in a component of its own"},
		{"unknown interface", component(1, command(wasmtest.Code{}.I32(0), wasmtest.Import{Module: "wasi:http/types@0.2.0", Name: "x"}).Bytes()),
			`unknown import: "x" of "wasi:http/types@0.2.0"`},
		{"names of two lines", component(1, command(wasmtest.Code{}.I32(0), wasmtest.Import{Module: "a\nb", Name: "c\nd"}).Bytes()),
			`unknown import: "c\nd" of "a\nb"`},
		{"WASI 0.3", component(1, command(wasmtest.Code{}.I32(0), wasmtest.Import{Module: "wasi:cli/exit@0.3.0", Name: "exit", Params: oneI32}).Bytes()),
			`unknown import: "exit" of "wasi:cli/exit@0.3.0"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := runComponent(t, c.component)
			assert.EqualError(t, err, c.want)
		})
	}
	// A core module has its runtime's functions from preview 1.
	m := newModule(program())
	m.Imports = []wasmtest.Import{{Module: "wasi:cli/exit@0.2.0", Name: "exit", Params: oneI32}}
	m.Funcs[0].Code = nil
	_, _, err := runComponent(t, m.Bytes())
	assert.EqualError(t, err, `unknown import: "exit" of "wasi:cli/exit@0.2.0"`)
}
