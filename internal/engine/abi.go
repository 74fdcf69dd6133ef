package engine

import (
	"encoding/binary"
	"math/bits"

	"github.com/tetratelabs/wazero/api"
	"github.com/wasio-dev/wasio/internal/host"
)

// The canonical ABI of the component model, by hand, for the functions of the model
// host: how their arguments and results lie in a core module's parameters and memory.
// https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
//
// The guest is not trusted: a pointer is checked before anything is read or written.

// memory is what the ABI needs of a guest's memory. The slice that Read returns is the
// memory itself.
type memory interface {
	Read(offset, size uint32) ([]byte, bool)
}

// instance is a guest as the host's functions see it.
type instance struct {
	host    *host.Host
	memory  memory
	realloc func(size, align uint32) (ptr uint32, ok bool) // not ok: the guest has none of its type
}

// A function is one import as a core module sees it: its signature, and what it does.
// The stack holds the parameters, and the result takes the place of the first.
type function struct {
	params, results []api.ValueType
	call            func(g *instance, stack []uint64)
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// functions has every import that the host provides, by interface, without the version,
// and name.
var functions = map[string]map[string]function{
	"wasi:io/streams": {
		"[method]output-stream.check-write": method(host.OpCheckWrite, retArea, 16, 8,
			func(g *instance, a []uint64, ret []byte) {
				r := g.host.CheckWrite(uint32(a[0]))
				if r.Kind == host.Permit {
					ret[0] = 0
					binary.LittleEndian.PutUint64(ret[8:], r.Value)
				} else {
					storeError(ret, 8, r)
				}
			}),
		"[method]output-stream.write":                           writer(host.OpWrite, (*host.Host).Write),
		"[method]output-stream.blocking-write-and-flush":        writer(host.OpBlockingWriteAndFlush, (*host.Host).BlockingWriteAndFlush),
		"[method]output-stream.write-zeroes":                    zeroer(host.OpWriteZeroes, (*host.Host).WriteZeroes),
		"[method]output-stream.blocking-write-zeroes-and-flush": zeroer(host.OpBlockingWriteZeroesAndFlush, (*host.Host).BlockingWriteZeroesAndFlush),
		"[method]output-stream.flush":                           plain(host.OpFlush, (*host.Host).Flush),
		"[method]output-stream.blocking-flush":                  plain(host.OpBlockingFlush, (*host.Host).BlockingFlush),
		"[method]output-stream.subscribe":                       maker((*host.Host).Subscribe),
		"[resource-drop]output-stream":                          dropper((*host.Host).DropStream),
	},
	"wasi:io/poll": {
		"[method]pollable.ready": {[]api.ValueType{i32}, []api.ValueType{i32}, func(g *instance, a []uint64) {
			ready := g.host.Ready(uint32(a[0]))
			a[0] = 0
			if ready {
				a[0] = 1
			}
		}},
		"[method]pollable.block":  dropper((*host.Host).Block),
		"[resource-drop]pollable": dropper((*host.Host).DropPollable),
		"poll":                    method(host.OpPoll, listAndRetArea, 8, 4, poll),
	},
	"wasi:io/error": {
		"[method]error.to-debug-string": method(host.OpDebugString, retArea, 8, 4,
			func(g *instance, a []uint64, _ []byte) {
				text := g.host.DebugString(uint32(a[0]))
				copy(g.alloc(host.OpDebugString, uint32(len(text)), 1, a[1], uint32(len(text))), text)
			}),
		"[resource-drop]error": dropper((*host.Host).DropError),
	},
	"wasi:cli/stdout": {"get-stdout": getter((*host.Host).GetStdout)},
	"wasi:cli/stderr": {"get-stderr": getter((*host.Host).GetStderr)},
	"wasi:cli/terminal-stdout": {
		"get-terminal-stdout": option(host.OpGetTerminalStdout, (*host.Host).GetTerminalStdout),
	},
	"wasi:cli/terminal-stderr": {
		"get-terminal-stderr": option(host.OpGetTerminalStderr, (*host.Host).GetTerminalStderr),
	},
	"wasi:cli/terminal-output": {
		"[resource-drop]terminal-output": dropper((*host.Host).DropTerminal),
	},
	"wasi:clocks/monotonic-clock": {
		"now": {nil, []api.ValueType{i64}, func(g *instance, a []uint64) { a[0] = g.host.Now() }},
		"subscribe-duration": {[]api.ValueType{i64}, []api.ValueType{i32}, func(g *instance, a []uint64) {
			a[0] = uint64(g.host.SubscribeDuration(a[0]))
		}},
		"subscribe-instant": {[]api.ValueType{i64}, []api.ValueType{i32}, func(g *instance, a []uint64) {
			a[0] = uint64(g.host.SubscribeInstant(a[0]))
		}},
	},
}

// The parameters of functions that return through memory: the last is the pointer.
var (
	onlyRetArea    = []api.ValueType{i32}
	retArea        = []api.ValueType{i32, i32}           // self
	listAndRetArea = []api.ValueType{i32, i32, i32}      // pointer, length
	bytesRetArea   = []api.ValueType{i32, i32, i32, i32} // self, pointer, length
	countRetArea   = []api.ValueType{i32, i64, i32}      // self, count
)

// method is a function whose result of so many bytes goes to memory, to where the last
// parameter points.
func method(op host.Op, params []api.ValueType, size, align uint32, call func(*instance, []uint64, []byte)) function {
	return function{params, nil, func(g *instance, a []uint64) {
		call(g, a, g.area(op, a[len(params)-1], size, align))
	}}
}

func writer(op host.Op, write func(*host.Host, uint32, []byte) host.Result) function {
	return method(op, bytesRetArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		contents := g.area(op, a[1], uint32(a[2]), 1)
		storePlain(ret, write(g.host, uint32(a[0]), contents))
	})
}

func zeroer(op host.Op, write func(*host.Host, uint32, uint64) host.Result) function {
	return method(op, countRetArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		storePlain(ret, write(g.host, uint32(a[0]), a[1]))
	})
}

func plain(op host.Op, call func(*host.Host, uint32) host.Result) function {
	return method(op, retArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		storePlain(ret, call(g.host, uint32(a[0])))
	})
}

func option(op host.Op, get func(*host.Host) uint32) function {
	return method(op, onlyRetArea, 8, 4, func(g *instance, _ []uint64, ret []byte) {
		handle := get(g.host)
		ret[0] = 0
		if handle != 0 {
			ret[0] = 1
			binary.LittleEndian.PutUint32(ret[4:], handle)
		}
	})
}

func getter(get func(*host.Host) uint32) function {
	return function{nil, []api.ValueType{i32}, func(g *instance, a []uint64) { a[0] = uint64(get(g.host)) }}
}

func maker(create func(*host.Host, uint32) uint32) function {
	return function{[]api.ValueType{i32}, []api.ValueType{i32}, func(g *instance, a []uint64) {
		a[0] = uint64(create(g.host, uint32(a[0])))
	}}
}

func dropper(drop func(*host.Host, uint32)) function {
	return function{[]api.ValueType{i32}, nil, func(g *instance, a []uint64) { drop(g.host, uint32(a[0])) }}
}

func poll(g *instance, a []uint64, _ []byte) {
	hi, size := bits.Mul32(uint32(a[1]), 4)
	if hi != 0 {
		g.host.Violate(host.OpPoll, "a list of %d pollables is longer than any memory", uint32(a[1]))
	}
	list := g.area(host.OpPoll, a[0], size, 4)
	handles := make([]uint32, len(list)/4)
	for i := range handles {
		handles[i] = binary.LittleEndian.Uint32(list[4*i:])
	}
	ready := g.host.Poll(handles)
	out := g.alloc(host.OpPoll, uint32(4*len(ready)), 4, a[2], uint32(len(ready)))
	for i, index := range ready {
		binary.LittleEndian.PutUint32(out[4*i:], index)
	}
}

// area returns the part of the guest's memory at ptr, or traps.
func (g *instance) area(op host.Op, ptr uint64, size, align uint32) []byte {
	at := uint32(ptr)
	if at%align != 0 {
		g.host.Violate(op, "pointer %#x is not aligned to %d bytes", at, align)
	}
	area, ok := g.memory.Read(at, size)
	if !ok {
		g.host.Violate(op, "%d bytes at %#x are not in the guest's memory", size, at)
	}
	return area
}

// alloc has the guest allocate memory for a result of its own size, stores pointer and
// length where ret points, and returns the memory.
func (g *instance) alloc(op host.Op, size, align uint32, ret uint64, length uint32) []byte {
	at, ok := g.realloc(size, align)
	if !ok {
		g.host.Violate(op, "the guest exports no cabi_realloc of the right type, which its result needs")
	}
	area := g.area(op, ret, 8, 4) // found only now: the memory may have moved as it grew
	binary.LittleEndian.PutUint32(area, at)
	binary.LittleEndian.PutUint32(area[4:], length)
	return g.area(op, uint64(at), size, align)
}

// storePlain stores a result<_, stream-error>.
func storePlain(ret []byte, r host.Result) {
	ret[0] = 0
	if r.Kind != host.Done {
		storeError(ret, 4, r)
	}
}

// storeError stores the error case of a result whose payload is at the offset.
func storeError(ret []byte, at int, r host.Result) {
	ret[0] = 1
	if r.Kind == host.Closed {
		ret[at] = 1
		return
	}
	ret[at] = 0
	binary.LittleEndian.PutUint32(ret[at+4:], uint32(r.Value))
}
