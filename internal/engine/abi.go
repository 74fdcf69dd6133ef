package engine

import (
	"encoding/binary"
	"math/bits"

	"github.com/tetratelabs/wazero/api"
	"github.com/wasio-dev/wasio/internal/host"
)

// This file implements the canonical ABI of the component model for the functions of
// the model host. The ABI defines how arguments and results are laid out in a core
// module's parameters and memory:
// https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md
//
// The guest is not trusted: every pointer is checked before it is used.

// memory is the part of [api.Memory] that the ABI uses. Read returns a view of the
// memory, not a copy.
type memory interface {
	Read(offset, size uint32) ([]byte, bool)
}

// An instance is a guest that has called the host.
type instance struct {
	host   *host.Host
	guest  *Guest
	memory memory // nil before its first call

	// realloc reports !ok if the guest exports no usable cabi_realloc.
	realloc func(size, align uint32) (ptr uint32, ok bool)

	inRealloc bool // while the guest runs its cabi_realloc
}

// A function implements one import of a core module. Its call finds the parameters on
// the stack and stores the result, if any, in stack[0].
type function struct {
	params, results []api.ValueType
	call            func(g *instance, stack []uint64)
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// functions holds every import that the host provides, by interface (without the
// version) and by name.
var functions = map[string]map[string]function{
	"wasi:io/streams": {
		"[method]input-stream.read":          readFunc(host.OpRead, (*host.Host).Read),
		"[method]input-stream.blocking-read": readFunc(host.OpBlockingRead, (*host.Host).BlockingRead),
		"[method]input-stream.skip":          skipFunc(host.OpSkip, (*host.Host).Skip),
		"[method]input-stream.blocking-skip": skipFunc(host.OpBlockingSkip, (*host.Host).BlockingSkip),
		"[method]input-stream.subscribe":     subscribeFunc((*host.Host).SubscribeInput),
		"[resource-drop]input-stream":        handleFunc((*host.Host).DropInput),
		"[method]output-stream.check-write": withRetArea(host.OpCheckWrite, retArea, 16, 8,
			func(g *instance, a []uint64, ret []byte) {
				storeCount(ret, g.host.CheckWrite(uint32(a[0])))
			}),
		"[method]output-stream.splice":                          spliceFunc(host.OpSplice, (*host.Host).Splice),
		"[method]output-stream.blocking-splice":                 spliceFunc(host.OpBlockingSplice, (*host.Host).BlockingSplice),
		"[method]output-stream.write":                           writeFunc(host.OpWrite, (*host.Host).Write),
		"[method]output-stream.blocking-write-and-flush":        writeFunc(host.OpBlockingWriteAndFlush, (*host.Host).BlockingWriteAndFlush),
		"[method]output-stream.write-zeroes":                    zeroesFunc(host.OpWriteZeroes, (*host.Host).WriteZeroes),
		"[method]output-stream.blocking-write-zeroes-and-flush": zeroesFunc(host.OpBlockingWriteZeroesAndFlush, (*host.Host).BlockingWriteZeroesAndFlush),
		"[method]output-stream.flush":                           flushFunc(host.OpFlush, (*host.Host).Flush),
		"[method]output-stream.blocking-flush":                  flushFunc(host.OpBlockingFlush, (*host.Host).BlockingFlush),
		"[method]output-stream.subscribe":                       subscribeFunc((*host.Host).Subscribe),
		"[resource-drop]output-stream":                          handleFunc((*host.Host).DropStream),
	},
	"wasi:io/poll": {
		"[method]pollable.ready": {[]api.ValueType{i32}, []api.ValueType{i32}, func(g *instance, a []uint64) {
			ready := g.host.Ready(uint32(a[0]))
			a[0] = 0
			if ready {
				a[0] = 1
			}
		}},
		"[method]pollable.block":  handleFunc((*host.Host).Block),
		"[resource-drop]pollable": handleFunc((*host.Host).DropPollable),
		"poll":                    withRetArea(host.OpPoll, listAndRetArea, 8, 4, poll),
	},
	"wasi:io/error": {
		"[method]error.to-debug-string": withRetArea(host.OpDebugString, retArea, 8, 4,
			func(g *instance, a []uint64, _ []byte) {
				text := g.host.DebugString(uint32(a[0]))
				copy(g.alloc(host.OpDebugString, uint32(len(text)), 1, a[1], uint32(len(text))), text)
			}),
		"[resource-drop]error": handleFunc((*host.Host).DropError),
	},
	"wasi:cli/stdin":  {"get-stdin": getFunc((*host.Host).GetStdin)},
	"wasi:cli/stdout": {"get-stdout": getFunc((*host.Host).GetStdout)},
	"wasi:cli/stderr": {"get-stderr": getFunc((*host.Host).GetStderr)},
	"wasi:cli/terminal-stdout": {
		"get-terminal-stdout": terminalFunc(host.OpGetTerminalStdout, (*host.Host).GetTerminalStdout),
	},
	"wasi:cli/terminal-stderr": {
		"get-terminal-stderr": terminalFunc(host.OpGetTerminalStderr, (*host.Host).GetTerminalStderr),
	},
	"wasi:cli/terminal-output": {
		"[resource-drop]terminal-output": handleFunc((*host.Host).DropTerminal),
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

// The parameters of functions that store their result in memory. The last parameter
// points to the return area.
var (
	onlyRetArea    = []api.ValueType{i32}
	retArea        = []api.ValueType{i32, i32}           // self
	listAndRetArea = []api.ValueType{i32, i32, i32}      // pointer, length
	bytesRetArea   = []api.ValueType{i32, i32, i32, i32} // self, pointer, length
	countRetArea   = []api.ValueType{i32, i64, i32}      // self, count
	spliceRetArea  = []api.ValueType{i32, i32, i64, i32} // self, source, count
)

// withRetArea returns a function whose call stores its result in a return area of the
// given size and alignment.
func withRetArea(op host.Op, params []api.ValueType, size, align uint32, call func(g *instance, stack []uint64, ret []byte)) function {
	return function{params, nil, func(g *instance, a []uint64) {
		call(g, a, g.memoryAt(op, a[len(params)-1], size, align))
	}}
}

// readFunc returns a function that reads from an input-stream.
func readFunc(op host.Op, read func(*host.Host, uint32, uint64) ([]byte, host.Result)) function {
	return withRetArea(op, countRetArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		p, r := read(g.host, uint32(a[0]), a[1])
		if r.Kind != host.Done {
			storeError(ret, 4, r)
			return
		}
		copy(g.alloc(op, uint32(len(p)), 1, a[2]+4, uint32(len(p))), p)
		g.memoryAt(op, a[2], 1, 1)[0] = 0 // the memory may have moved
	})
}

// skipFunc returns a function that skips bytes of an input-stream.
func skipFunc(op host.Op, skip func(*host.Host, uint32, uint64) host.Result) function {
	return withRetArea(op, countRetArea, 16, 8, func(g *instance, a []uint64, ret []byte) {
		storeCount(ret, skip(g.host, uint32(a[0]), a[1]))
	})
}

// spliceFunc returns a function that moves bytes from an input-stream to an output-stream.
func spliceFunc(op host.Op, splice func(*host.Host, uint32, uint32, uint64) host.Result) function {
	return withRetArea(op, spliceRetArea, 16, 8, func(g *instance, a []uint64, ret []byte) {
		storeCount(ret, splice(g.host, uint32(a[0]), uint32(a[1]), a[2]))
	})
}

// writeFunc returns a function that writes bytes to an output-stream.
func writeFunc(op host.Op, write func(*host.Host, uint32, []byte) host.Result) function {
	return withRetArea(op, bytesRetArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		contents := g.memoryAt(op, a[1], uint32(a[2]), 1)
		storeResult(ret, write(g.host, uint32(a[0]), contents))
	})
}

// zeroesFunc returns a function that writes zeroes to an output-stream.
func zeroesFunc(op host.Op, write func(*host.Host, uint32, uint64) host.Result) function {
	return withRetArea(op, countRetArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		storeResult(ret, write(g.host, uint32(a[0]), a[1]))
	})
}

// flushFunc returns a function that flushes an output-stream.
func flushFunc(op host.Op, call func(*host.Host, uint32) host.Result) function {
	return withRetArea(op, retArea, 12, 4, func(g *instance, a []uint64, ret []byte) {
		storeResult(ret, call(g.host, uint32(a[0])))
	})
}

// terminalFunc returns a function that gets an option<terminal-output>.
func terminalFunc(op host.Op, get func(*host.Host) uint32) function {
	return withRetArea(op, onlyRetArea, 8, 4, func(g *instance, _ []uint64, ret []byte) {
		handle := get(g.host)
		ret[0] = 0
		if handle != 0 {
			ret[0] = 1
			binary.LittleEndian.PutUint32(ret[4:], handle)
		}
	})
}

// getFunc returns a function that gets a new handle.
func getFunc(get func(*host.Host) uint32) function {
	return function{nil, []api.ValueType{i32}, func(g *instance, a []uint64) { a[0] = uint64(get(g.host)) }}
}

// subscribeFunc returns a function that takes the handle of a stream and returns that of a
// new pollable.
func subscribeFunc(subscribe func(*host.Host, uint32) uint32) function {
	return function{[]api.ValueType{i32}, []api.ValueType{i32}, func(g *instance, a []uint64) {
		a[0] = uint64(subscribe(g.host, uint32(a[0])))
	}}
}

// handleFunc returns a function that takes a handle and has no result.
func handleFunc(call func(*host.Host, uint32)) function {
	return function{[]api.ValueType{i32}, nil, func(g *instance, a []uint64) { call(g.host, uint32(a[0])) }}
}

// poll implements wasi:io/poll.poll.
func poll(g *instance, a []uint64, _ []byte) {
	hi, size := bits.Mul32(uint32(a[1]), 4)
	if hi != 0 {
		g.host.Violate(host.OpPoll, "a list of %d pollables exceeds the address space", uint32(a[1]))
	}
	list := g.memoryAt(host.OpPoll, a[0], size, 4)
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

// memoryAt returns a view of size bytes of the guest's memory at ptr. It traps if ptr is
// misaligned or the bytes are out of bounds.
func (g *instance) memoryAt(op host.Op, ptr uint64, size, align uint32) []byte {
	at := uint32(ptr)
	if at%align != 0 {
		g.host.Violate(op, "pointer %#x is not aligned to %d bytes", at, align)
	}
	view, ok := g.memory.Read(at, size)
	if !ok {
		g.host.Violate(op, "%d bytes at %#x are not in the guest's memory", size, at)
	}
	return view
}

// alloc makes the guest allocate size bytes for a list or a string, stores its pointer
// and length in the return area at ret, and returns a view of the new memory.
func (g *instance) alloc(op host.Op, size, align uint32, ret uint64, length uint32) []byte {
	at := g.mustRealloc(op, size, align)
	// Any view taken before realloc is stale: memory moves when it grows.
	area := g.memoryAt(op, ret, 8, 4)
	binary.LittleEndian.PutUint32(area, at)
	binary.LittleEndian.PutUint32(area[4:], length)
	return g.memoryAt(op, uint64(at), size, align)
}

// mustRealloc makes the guest allocate size bytes, or traps.
func (g *instance) mustRealloc(op host.Op, size, align uint32) (ptr uint32) {
	ptr, ok := g.realloc(size, align)
	if !ok {
		g.host.Violate(op, "the guest exports no cabi_realloc of the right type, which the result needs")
	}
	return ptr
}

// storeCount stores a result<u64, stream-error>.
func storeCount(ret []byte, r host.Result) {
	ret[0] = 0
	if r.Kind == host.Permit {
		binary.LittleEndian.PutUint64(ret[8:], r.Value)
	} else {
		storeError(ret, 8, r)
	}
}

// storeResult stores a result<_, stream-error>.
func storeResult(ret []byte, r host.Result) {
	ret[0] = 0
	if r.Kind != host.Done {
		storeError(ret, 4, r)
	}
}

// storeError stores the error case of a result whose payload is at the offset at.
func storeError(ret []byte, at int, r host.Result) {
	ret[0] = 1
	if r.Kind == host.Closed {
		ret[at] = 1
		return
	}
	ret[at] = 0
	binary.LittleEndian.PutUint32(ret[at+4:], uint32(r.Value))
}
