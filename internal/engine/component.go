package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
)

// Components run without an engine for components: wit-component, which makes them, keeps the
// program's own core module whole. That module imports the functions of WASI 0.2 under their
// names in the WIT, and exports wasi:cli/run. So it needs what the model host provides, and a
// few functions that the program's runtime calls at its start: arguments, clocks, random
// numbers, and a file system without files.

const (
	runPrefix    = "wasi:cli/run@0.2."
	runSuffix    = "#run"
	serverPrefix = "wasi:http/incoming-handler@"
)

// IDs of sections of core modules.
const (
	customSection    = 0
	typeSection      = 1
	importSection    = 2
	tableSection     = 4
	exportSection    = 7
	startSection     = 8
	elementSection   = 9
	codeSection      = 10
	dataSection      = 11
	dataCountSection = 12
)

// program returns the core module of the program in a component, and the name of the
// function that runs it.
func program(component []byte) (module []byte, run string, err error) {
	sections, ok := wasm.Sections(component)
	if !ok {
		return nil, "", errors.New("truncated component")
	}
	nested, server := false, false
	for _, s := range sections {
		switch s.ID {
		case 1: // a core module
			name, isServer := entryOf(s.Content)
			if name != "" && module != nil {
				return nil, "", errors.New("the component contains more than one program")
			}
			if name != "" {
				module, run = s.Content, name
			}
			server = server || isServer
		case 4: // a component
			nested = true
		}
	}
	switch {
	case module != nil:
		return unnumbered(module), run, nil
	case server:
		return nil, "", errors.New("a server, which exports wasi:http/incoming-handler: run it with wasmtime serve -S cli")
	case nested:
		return nil, "", errors.New("a composed component, whose program is in a component of its own")
	}
	return nil, "", errors.New("not a command: no module of the component exports wasi:cli/run")
}

// entryOf returns the name under which a core module exports wasi:cli/run, or "" if it does
// not export that and a memory, and whether it exports the handler of a server.
func entryOf(module []byte) (run string, server bool) {
	if !bytes.HasPrefix(module, []byte(wasm.ModuleHeader)) {
		return "", false
	}
	memory := false
	sections, ok := wasm.Sections(module)
	for _, s := range sections {
		if s.ID != exportSection {
			continue
		}
		r := wasm.NewReader(s.Content)
		for range r.Count() {
			name := string(r.Bytes())
			r.Byte() // its kind
			r.Uint() // its index
			memory = memory || name == "memory"
			server = server || strings.HasPrefix(name, serverPrefix)
			if strings.HasPrefix(name, runPrefix) && strings.HasSuffix(name, runSuffix) {
				run = name
			}
		}
		ok = ok && r.OK()
	}
	if !ok {
		return "", false
	}
	if !memory {
		run = ""
	}
	return run, server
}

// unnumbered returns a module with the names that its imports have outside of a component. In a
// component no two imports have the same name, but in Go's modules they do: wit-component calls
// the second fd_write "fd_write [v2]".
func unnumbered(module []byte) []byte {
	out := []byte(wasm.ModuleHeader)
	sections, _ := wasm.Sections(module) // entryOf has checked that none is truncated
	for _, s := range sections {
		if s.ID == importSection {
			s.Content = unnumberedImports(s.Content)
		}
		out = wasm.AppendSection(out, s.ID, s.Content)
	}
	return out
}

// unnumberedImports is unnumbered for the import section. If an import is not a function, it
// returns the section unchanged.
func unnumberedImports(section []byte) []byte {
	r := wasm.NewReader(section)
	count := r.Count()
	out := wasm.AppendUint(nil, uint64(count))
	for range count {
		from := r.Bytes()
		name, _, _ := bytes.Cut(r.Bytes(), []byte(" [v"))
		if r.Byte() != 0 {
			return section
		}
		out = append(wasm.AppendBytes(wasm.AppendBytes(out, from), name), 0)
		out = wasm.AppendUint(out, r.Uint())
	}
	if !r.OK() {
		return section
	}
	return append(out, r.Rest()...)
}

// runtimeFunctions has the imports that the runtime of a program in a component calls, by
// interface and name.
var runtimeFunctions = map[string]map[string]function{
	"wasi:cli/environment": {
		"get-environment": listFunc(func(*instance) []string { return nil }), // as in core modules
		"get-arguments":   listFunc(func(g *instance) []string { return g.guest.Args }),
		"initial-cwd":     withRetArea(host.OpOther, onlyRetArea, 12, 4, func(_ *instance, _ []uint64, ret []byte) { ret[0] = 0 }),
	},
	"wasi:cli/exit": {
		"exit": {oneI32, nil, func(g *instance, a []uint64) {
			code := uint32(a[0])
			if code > 1 {
				g.host.Violate(host.OpOther, "exit with %d, which is not a result", code)
			}
			panic(sys.NewExitError(code))
		}},
	},
	"wasi:clocks/wall-clock": {
		"now": withRetArea(host.OpOther, onlyRetArea, 16, 8, func(_ *instance, _ []uint64, ret []byte) {
			now := time.Now()
			binary.LittleEndian.PutUint64(ret, uint64(now.Unix()))
			binary.LittleEndian.PutUint32(ret[8:], uint32(now.Nanosecond()))
		}),
	},
	"wasi:random/random": {
		"get-random-bytes": {[]api.ValueType{i64, i32}, nil, func(g *instance, a []uint64) {
			if a[0] > maxRandom {
				g.host.Violate(host.OpOther, "%d random bytes at once; the maximum is %d", a[0], maxRandom)
			}
			p := g.alloc(host.OpOther, uint32(a[0]), 1, a[1], uint32(a[0]))
			for i := range p {
				p[i] = byte(rand.Uint32())
			}
		}},
		"get-random-u64": {nil, []api.ValueType{i64}, func(_ *instance, a []uint64) { a[0] = rand.Uint64() }},
	},
	"wasi:filesystem/preopens": {
		"get-directories": listFunc(func(*instance) []string { return nil }),
	},
}

const maxRandom = 1 << 20

var oneI32 = []api.ValueType{i32}

// listFunc returns a function without parameters that returns a list of strings.
func listFunc(get func(g *instance) []string) function {
	return function{onlyRetArea, nil, func(g *instance, a []uint64) {
		list := get(g)
		pointers := make([]byte, 0, 8*len(list))
		for _, s := range list {
			at := g.mustRealloc(host.OpOther, uint32(len(s)), 1)
			copy(g.memoryAt(host.OpOther, uint64(at), uint32(len(s)), 1), s)
			pointers = binary.LittleEndian.AppendUint32(pointers, at)
			pointers = binary.LittleEndian.AppendUint32(pointers, uint32(len(s)))
		}
		copy(g.alloc(host.OpOther, uint32(len(pointers)), 4, a[0], uint32(len(list))), pointers)
	}}
}

// fileFunc returns a function of wasi:filesystem/types of the given type. There are no
// files, so no program has a handle to call it with.
func fileFunc(name string, params, results []api.ValueType) function {
	return function{params, results, func(g *instance, _ []uint64) {
		g.host.Violate(host.OpOther, "%q of wasi:filesystem: there are no files", name)
	}}
}

// functionOf returns the function that a guest imports, or an error if there is none. Only
// programs in components can import runtimeFunctions and functions of wasi:filesystem/types.
func functionOf(imported api.FunctionDefinition, inComponent bool) (function, error) {
	from, name, _ := imported.Import()
	wit, version, _ := strings.Cut(from, "@")
	f, ok := functions[wit][name]
	if !ok && inComponent {
		f, ok = runtimeFunctions[wit][name]
		if !ok && wit == "wasi:filesystem/types" {
			f, ok = fileFunc(name, imported.ParamTypes(), imported.ResultTypes()), true
		}
	}
	if !ok || !strings.HasPrefix(version, "0.2.") {
		return f, fmt.Errorf("unknown import: %q of %q", name, from)
	}
	return f, nil
}
