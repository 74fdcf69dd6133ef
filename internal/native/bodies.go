//go:build !wasm && !tinygo.wasm

package native

import (
	"os"
	"unsafe"

	terminaloutput "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-output"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/host"
	"go.bytecodealliance.org/cm"
)

// These are the bodies of the functions that the packages in generated import, for platforms
// where no host provides them.

func init() {
	for _, f := range []struct {
		fd   int
		file **os.File
	}{{host.Stdout, &os.Stdout}, {host.Stderr, &os.Stderr}} {
		h := host.New(host.Options{}) // one for each stream, so that neither waits for the other
		h.SetStdio(f.fd, host.Plan{Terminal: host.IsTerminal(*f.file)}, file{f.file})
		base, err := Expose(h)
		if err != nil {
			panic(err)
		}
		SwapStandard(f.fd, base)
	}
}

// A file is the file that a variable holds at the time of a Write: a program may replace os.Stdout,
// as package testing does to see what an example prints.
type file struct{ current **os.File }

func (f file) Write(p []byte) (int, error) { return (*f.current).Write(p) }

func streamError(base uint32, r host.Result) streams.StreamError {
	if r.Kind == host.Closed {
		return streams.StreamErrorClosed()
	}
	return streams.StreamErrorLastOperationFailed(cm.Reinterpret[streams.Error](base | uint32(r.Value)))
}

type plainResult = cm.Result[streams.StreamError, struct{}, streams.StreamError]

func setPlain(result *plainResult, base uint32, r host.Result) {
	if r.Kind == host.Done {
		result.SetOK(struct{}{})
	} else {
		result.SetErr(streamError(base, r))
	}
}

type countResult = cm.Result[uint64, uint64, streams.StreamError]

func setCount(result *countResult, base uint32, r host.Result) {
	if r.Kind == host.Permit {
		result.SetOK(r.Value)
	} else {
		result.SetErr(streamError(base, r))
	}
}

// The bodies, one for each function in generated.

//go:linkname getStdout github.com/wasio-dev/wasio/generated/wasi/cli/stdout.wasmimport_GetStdout
func getStdout() uint32 {
	h, base := Standard(host.Stdout)
	return base | h.GetStdout()
}

//go:linkname getStderr github.com/wasio-dev/wasio/generated/wasi/cli/stderr.wasmimport_GetStderr
func getStderr() uint32 {
	h, base := Standard(host.Stderr)
	return base | h.GetStderr()
}

//go:linkname getTerminalStdout github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stdout.wasmimport_GetTerminalStdout
func getTerminalStdout(result *cm.Option[terminaloutput.TerminalOutput]) {
	h, base := Standard(host.Stdout)
	setTerminal(result, base, h.GetTerminalStdout())
}

//go:linkname getTerminalStderr github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stderr.wasmimport_GetTerminalStderr
func getTerminalStderr(result *cm.Option[terminaloutput.TerminalOutput]) {
	h, base := Standard(host.Stderr)
	setTerminal(result, base, h.GetTerminalStderr())
}

func setTerminal(result *cm.Option[terminaloutput.TerminalOutput], base, handle uint32) {
	*result = cm.None[terminaloutput.TerminalOutput]()
	if handle != 0 {
		*result = cm.Some(cm.Reinterpret[terminaloutput.TerminalOutput](base | handle))
	}
}

//go:linkname dropTerminal github.com/wasio-dev/wasio/generated/wasi/cli/terminal-output.wasmimport_TerminalOutputResourceDrop
func dropTerminal(handle uint32) {
	h, _, own := owner(handle)
	h.DropTerminal(own)
}

//go:linkname now github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock.wasmimport_Now
func now() uint64 { return clock.Now() }

//go:linkname subscribeDuration github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock.wasmimport_SubscribeDuration
func subscribeDuration(when uint64) uint32 { return clock.SubscribeDuration(when) }

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

//go:linkname skip github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_InputStreamSkip
func skip(handle uint32, n uint64, result *countResult) {
	h, base, own := owner(handle)
	setCount(result, base, h.Skip(own, n))
}

//go:linkname subscribeInput github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_InputStreamSubscribe
func subscribeInput(handle uint32) uint32 {
	h, base, own := owner(handle)
	return base | h.SubscribeInput(own)
}

//go:linkname dropInput github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_InputStreamResourceDrop
func dropInput(handle uint32) {
	h, _, own := owner(handle)
	h.DropInput(own)
}

//go:linkname splice github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamSplice
func splice(handle, from uint32, n uint64, result *countResult) {
	h, base, own := owner(handle)
	other, _, source := owner(from)
	if other != h {
		panic(&host.Trap{Reason: "splice of streams of two hosts"})
	}
	setCount(result, base, h.Splice(own, source, n))
}

//go:linkname checkWrite github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamCheckWrite
func checkWrite(handle uint32, result *countResult) {
	h, base, own := owner(handle)
	setCount(result, base, h.CheckWrite(own))
}

//go:linkname write github.com/wasio-dev/wasio/generated/wasi/io/streams.wasmimport_OutputStreamWrite
func write(handle uint32, data *uint8, size uint32, result *plainResult) {
	h, base, own := owner(handle)
	setPlain(result, base, h.Write(own, unsafe.Slice(data, size)))
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
