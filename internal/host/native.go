//go:build !wasm && !tinygo.wasm

package host

import (
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	terminaloutput "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-output"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// Where no host imports the program's functions, the generated declarations without
// a body get one here. A handle of a native program has the number of its host in its
// top eight bits; host 0 is the process's own.

var (
	natives  [256]atomic.Pointer[Host]
	nativeMu sync.Mutex
)

const nativeShift = 24

func init() {
	h := New(Options{})
	h.SetStdio(Stdout, Behavior{}, file{&os.Stdout}, IsTerminal(os.Stdout))
	h.SetStdio(Stderr, Behavior{}, file{&os.Stderr}, IsTerminal(os.Stderr))
	natives[0].Store(h)
}

// file is the file that a variable holds when it is written to: a program may put
// another one into os.Stdout, as testing does to see what an example prints.
type file struct{ current **os.File }

func (f file) Write(p []byte) (int, error) { return (*f.current).Write(p) }

// Expose makes the handles of h usable by the generated bindings of this process,
// with base added to each. It is undone by Withdraw.
func (h *Host) Expose() (base uint32) {
	nativeMu.Lock()
	defer nativeMu.Unlock()
	for i := range natives {
		if natives[i].CompareAndSwap(nil, h) {
			return uint32(i) << nativeShift
		}
	}
	panic("host: too many hosts at once")
}

// Withdraw takes back an Expose that returned base.
func Withdraw(base uint32) { natives[base>>nativeShift].Store(nil) }

// Process is the host of the process itself, to which the functions without a handle
// go.
func Process() *Host { return natives[0].Load() }

// owner finds the host of a handle, and the handle in it.
func owner(handle uint32) (h *Host, base, own uint32) {
	base = handle &^ maxHandle
	if h = natives[base>>nativeShift].Load(); h == nil {
		panic(&Trap{Reason: "a handle of a host that is gone"})
	}
	return h, base, handle & maxHandle
}

func streamError(base uint32, r Result) streams.StreamError {
	if r.Kind == Closed {
		return streams.StreamErrorClosed()
	}
	return streams.StreamErrorLastOperationFailed(cm.Reinterpret[streams.Error](base | uint32(r.Value)))
}

type plainResult = cm.Result[streams.StreamError, struct{}, streams.StreamError]

func setPlain(result *plainResult, base uint32, r Result) {
	if r.Kind == Done {
		result.SetOK(struct{}{})
	} else {
		result.SetErr(streamError(base, r))
	}
}

// The bodies, one for each function in generated.

//go:linkname getStdout github.com/wasio-dev/wasio/generated/wasi/cli/stdout.wasmimport_GetStdout
func getStdout() uint32 { return Process().GetStdout() }

//go:linkname getStderr github.com/wasio-dev/wasio/generated/wasi/cli/stderr.wasmimport_GetStderr
func getStderr() uint32 { return Process().GetStderr() }

//go:linkname getTerminalStdout github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stdout.wasmimport_GetTerminalStdout
func getTerminalStdout(result *cm.Option[terminaloutput.TerminalOutput]) {
	setTerminal(result, Process().GetTerminalStdout())
}

//go:linkname getTerminalStderr github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stderr.wasmimport_GetTerminalStderr
func getTerminalStderr(result *cm.Option[terminaloutput.TerminalOutput]) {
	setTerminal(result, Process().GetTerminalStderr())
}

func setTerminal(result *cm.Option[terminaloutput.TerminalOutput], handle uint32) {
	*result = cm.None[terminaloutput.TerminalOutput]()
	if handle != 0 {
		*result = cm.Some(cm.Reinterpret[terminaloutput.TerminalOutput](handle))
	}
}

//go:linkname dropTerminal github.com/wasio-dev/wasio/generated/wasi/cli/terminal-output.wasmimport_TerminalOutputResourceDrop
func dropTerminal(handle uint32) { Process().DropTerminal(handle) }

//go:linkname subscribeDuration github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock.wasmimport_SubscribeDuration
func subscribeDuration(when uint64) uint32 { return Process().SubscribeDuration(when) }

//go:linkname dropError github.com/wasio-dev/wasio/generated/wasi/io/error.wasmimport_ErrorResourceDrop
func dropError(handle uint32) {
	h, _, own := owner(handle)
	h.DropError(own)
}

//go:linkname ready github.com/wasio-dev/wasio/generated/wasi/io/poll.wasmimport_PollableReady
func ready(handle uint32) uint32 {
	h, _, own := owner(handle)
	if h.Ready(own) {
		return 1
	}
	return 0
}

//go:linkname block github.com/wasio-dev/wasio/generated/wasi/io/poll.wasmimport_PollableBlock
func block(handle uint32) {
	h, _, own := owner(handle)
	h.Block(own)
}

//go:linkname dropPollable github.com/wasio-dev/wasio/generated/wasi/io/poll.wasmimport_PollableResourceDrop
func dropPollable(handle uint32) {
	h, _, own := owner(handle)
	h.DropPollable(own)
}

//go:linkname checkWrite github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamCheckWrite
func checkWrite(handle uint32, result *cm.Result[uint64, uint64, streams.StreamError]) {
	h, base, own := owner(handle)
	if r := h.CheckWrite(own); r.Kind == Permit {
		result.SetOK(r.Value)
	} else {
		result.SetErr(streamError(base, r))
	}
}

//go:linkname write github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamWrite
func write(handle uint32, data *uint8, size uint32, result *plainResult) {
	h, base, own := owner(handle)
	setPlain(result, base, h.Write(own, unsafe.Slice(data, size)))
}

//go:linkname blockingWriteAndFlush github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamBlockingWriteAndFlush
func blockingWriteAndFlush(handle uint32, data *uint8, size uint32, result *plainResult) {
	h, base, own := owner(handle)
	setPlain(result, base, h.BlockingWriteAndFlush(own, unsafe.Slice(data, size)))
}

//go:linkname flush github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamFlush
func flush(handle uint32, result *plainResult) {
	h, base, own := owner(handle)
	setPlain(result, base, h.Flush(own))
}

//go:linkname subscribe github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamSubscribe
func subscribe(handle uint32) uint32 {
	h, base, own := owner(handle)
	return base | h.Subscribe(own)
}

//go:linkname dropStream github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamResourceDrop
func dropStream(handle uint32) {
	h, _, own := owner(handle)
	h.DropStream(own)
}
