//go:build wasm || tinygo.wasm

package builtins

import "unsafe"

// In a component stream<u8> is one type, so the functions imported for standard output work on
// every stream of bytes. These are the asynchronous forms; by default hosts do not have the
// synchronous ones of write and read.

//go:wasmimport wasi:cli/stdout@0.3.0 write-via-stream
func WriteToStdout(reader uint32) (future uint32)

//go:wasmimport wasi:cli/stderr@0.3.0 write-via-stream
func WriteToStderr(reader uint32) (future uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [stream-new-0]write-via-stream
func StreamNew() (ends uint64)

//go:wasmimport wasi:cli/stdout@0.3.0 [async-lower][stream-write-0]write-via-stream
func StreamWrite(stream uint32, p unsafe.Pointer, n uint32) (status uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [stream-cancel-write-0]write-via-stream
func StreamCancelWrite(stream uint32) (status uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [stream-drop-writable-0]write-via-stream
func StreamDropWritable(stream uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [async-lower][future-read-1]write-via-stream
func FutureRead(future uint32, result unsafe.Pointer) (status uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [future-cancel-read-1]write-via-stream
func FutureCancelRead(future uint32) (status uint32)

//go:wasmimport wasi:cli/stdout@0.3.0 [future-drop-readable-1]write-via-stream
func FutureDropReadable(future uint32)

//go:wasmimport wasi:clocks/monotonic-clock@0.3.0 now
func ClockNow() uint64

//go:wasmimport wasi:clocks/monotonic-clock@0.3.0 [async-lower]wait-for
func WaitFor(ns uint64) (subtask uint32)

//go:wasmimport $root [subtask-cancel]
func SubtaskCancel(subtask uint32) (state uint32)

//go:wasmimport $root [subtask-drop]
func SubtaskDrop(subtask uint32)

//go:wasmimport $root [waitable-set-new]
func WaitableSetNew() (set uint32)

//go:wasmimport $root [waitable-set-wait]
func WaitableSetWait(set uint32, event unsafe.Pointer) (kind uint32)

//go:wasmimport $root [waitable-set-poll]
func WaitableSetPoll(set uint32, event unsafe.Pointer) (kind uint32)

//go:wasmimport $root [waitable-set-drop]
func WaitableSetDrop(set uint32)

//go:wasmimport $root [waitable-join]
func WaitableJoin(waitable, set uint32)
