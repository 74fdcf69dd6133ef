package loops

import (
	"runtime"
	"unsafe"

	"github.com/wasio-dev/wasio/internal/builtins"
)

// A P3 writes to a stream of WASI 0.3.
type P3 struct {
	stream uint32
	event  [2]uint32
}

// NewP3 makes a stream, and returns the handle of its readable end, too, as p3.NewStream does.
func NewP3() (l *P3, reader int32) {
	stream := builtins.StreamNew()
	return &P3{stream: uint32(stream >> 32)}, int32(stream)
}

// Write makes the calls that a Write of package p3 makes.
func (l *P3) Write(p []byte) error {
	const completed, blocked = 0, 1<<32 - 1
	for len(p) > 0 {
		status := builtins.StreamWrite(l.stream, unsafe.Pointer(&p[0]), uint32(len(p)))
		if status == blocked {
			set := builtins.WaitableSetNew()
			builtins.WaitableJoin(l.stream, set)
			builtins.WaitableSetWait(set, unsafe.Pointer(&l.event))
			builtins.WaitableJoin(l.stream, 0)
			builtins.WaitableSetDrop(set)
			status = l.event[1]
			runtime.KeepAlive(p)
		}
		if status&15 != completed {
			return errHost
		}
		p = p[status>>4:]
	}
	return nil
}

// Close drops the writable end.
func (l *P3) Close() { builtins.StreamDropWritable(l.stream) }
