//go:build !wasm && !tinygo.wasm

package builtins

import "unsafe"

// Natively a model in the process replaces the host.

func WriteToStdout(reader uint32) uint32 { return Current().WriteViaStream(1, reader) }

func WriteToStderr(reader uint32) uint32 { return Current().WriteViaStream(2, reader) }

func StreamNew() uint64 { return Current().StreamNew() }

func StreamWrite(stream uint32, p unsafe.Pointer, n uint32) uint32 {
	return Current().StreamWrite(stream, p, n)
}

func StreamCancelWrite(stream uint32) uint32 { return Current().StreamCancelWrite(stream) }

func StreamDropWritable(stream uint32) { Current().StreamDropWritable(stream) }

func FutureRead(future uint32, result unsafe.Pointer) uint32 {
	return Current().FutureRead(future, result)
}

func FutureCancelRead(future uint32) uint32 { return Current().FutureCancelRead(future) }

func FutureDropReadable(future uint32) { Current().FutureDropReadable(future) }

func WaitFor(ns uint64) uint32 { return Current().WaitFor(ns) }

func SubtaskCancel(subtask uint32) uint32 { return Current().SubtaskCancel(subtask) }

func SubtaskDrop(subtask uint32) { Current().SubtaskDrop(subtask) }

func WaitableSetNew() uint32 { return Current().WaitableSetNew() }

func WaitableSetWait(set uint32, event unsafe.Pointer) uint32 {
	return Current().WaitableSetWait(set, event)
}

func WaitableSetPoll(set uint32, event unsafe.Pointer) uint32 {
	return Current().WaitableSetPoll(set, event)
}

func WaitableSetDrop(set uint32) { Current().WaitableSetDrop(set) }

func WaitableJoin(waitable, set uint32) { Current().WaitableJoin(waitable, set) }

func ClockNow() uint64 { return Current().ClockNow() }
