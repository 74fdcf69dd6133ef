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
)

// Components run without an engine for components: wit-component, which makes them, keeps
// the program's own core module whole. That module imports the functions of WASI 0.2 under
// their names in the WIT, and exports wasi:cli/run. So it takes what the model host
// provides and, besides, a little of what the runtime of the program calls at its start:
// arguments, clocks, random numbers, standard input, and no files.

const (
	runPrefix    = "wasi:cli/run@0.2."
	runSuffix    = "#run"
	serverPrefix = "wasi:http/incoming-handler@"
)

// program returns the core module of the program in a component, and the name of the
// function that runs it.
func program(component []byte) (module []byte, run string, err error) {
	nested, server := false, false
	for rest := component[len(componentHeader):]; len(rest) > 0; {
		id := rest[0]
		content, after, ok := cutSized(rest[1:])
		if !ok {
			return nil, "", errors.New("truncated component")
		}
		rest = after
		switch id {
		case 1: // a core module
			name, isServer := entryOf(content)
			if name != "" && module != nil {
				return nil, "", errors.New("the component contains more than one program")
			}
			if name != "" {
				module, run = content, name
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
	if len(module) < len(coreHeader) {
		return "", false
	}
	memory := false
	for rest := module[len(coreHeader):]; len(rest) > 0; {
		id := rest[0]
		content, after, ok := cutSized(rest[1:])
		if !ok {
			return "", false
		}
		rest = after
		if id != 7 { // the exports
			continue
		}
		count, n := binary.Uvarint(content)
		for content = content[max(n, 0):]; count > 0; count-- {
			name, after, ok := cutSized(content)
			if !ok || len(after) == 0 {
				return "", false
			}
			memory = memory || string(name) == "memory"
			server = server || strings.HasPrefix(string(name), serverPrefix)
			if strings.HasPrefix(string(name), runPrefix) && strings.HasSuffix(string(name), runSuffix) {
				run = string(name)
			}
			_, n := binary.Uvarint(after[1:]) // after its kind, the index
			content = after[1+max(n, 0):]
		}
	}
	if !memory {
		run = ""
	}
	return run, server
}

// unnumbered returns a module with the names that its imports have outside of a component. A
// component names no import twice, but modules of Go's do: wit-component calls the second
// fd_write "fd_write [v2]".
func unnumbered(module []byte) []byte {
	out := bytes.Clone(module[:len(coreHeader)])
	for rest := module[len(coreHeader):]; len(rest) > 0; {
		id := rest[0]
		content, after, _ := cutSized(rest[1:]) // entryOf has seen that it can be cut
		if id == 2 {
			content = unnumberedImports(content)
		}
		out = appendSized(append(out, id), content)
		rest = after
	}
	return out
}

// unnumberedImports does that for the import section, unless there is an import that is not a
// function.
func unnumberedImports(section []byte) []byte {
	count, n := binary.Uvarint(section)
	if n <= 0 {
		return section
	}
	out := binary.AppendUvarint(nil, count)
	for rest := section[n:]; count > 0; count-- {
		from, after, ok := cutSized(rest)
		name, after, ok2 := cutSized(after)
		if !ok || !ok2 || len(after) == 0 || after[0] != 0 {
			return section
		}
		_, n := binary.Uvarint(after[1:])
		if n <= 0 {
			return section
		}
		name, _, _ = bytes.Cut(name, []byte(" [v"))
		out = append(appendSized(appendSized(out, from), name), after[:1+n]...)
		rest = after[1+n:]
	}
	return out
}

// appendSized appends content with its size before it.
func appendSized(b, content []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(content))), content...)
}

// cutSized cuts b after the bytes whose number it begins with.
func cutSized(b []byte) (content, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
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
		"exit": {oneI32, nil, func(_ *instance, a []uint64) { panic(sys.NewExitError(uint32(a[0]))) }},
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
		g.host.Violate(host.OpOther, "%s of wasi:filesystem: there are no files", name)
	}}
}

// functionOf returns the function that a guest imports, if it is provided. Those of the
// second kind are for programs in components.
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
		return f, fmt.Errorf("unknown import: %s of %s", oneLine(name), oneLine(from))
	}
	return f, nil
}
