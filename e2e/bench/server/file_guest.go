//go:build wasm || tinygo.wasm

package server

import (
	"errors"
	"unsafe"
)

// These are imported here since no bindings serve both toolchains. All that they return is
// words.
//
//go:wasmimport wasi:filesystem/preopens@0.2.0 get-directories
func getDirectories(list *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [method]descriptor.open-at
func openAt(dir, pathFlags uint32, path *byte, size, openFlags, flags uint32, result *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [method]descriptor.read-via-stream
func readViaStream(file uint32, offset uint64, result *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [resource-drop]descriptor
func dropDescriptor(descriptor uint32)

// open opens a file in the first directory that the host provides.
func open(name string) (stream uint32, err error) {
	var list, file, result [2]uint32 // a pointer and a length; an error and a handle
	getDirectories(&list)
	if list[1] == 0 {
		return 0, errors.New("no directory")
	}
	dir := *(*uint32)(unsafe.Pointer(uintptr(list[0])))
	defer dropDescriptor(dir)
	openAt(dir, 0, unsafe.StringData(name), uint32(len(name)), 0, 1, &file)
	if file[0] != 0 {
		return 0, errors.New("no file " + name)
	}
	defer dropDescriptor(file[1])
	readViaStream(file[1], 0, &result)
	if result[0] != 0 {
		return 0, errors.New("cannot read " + name)
	}
	return result[1], nil
}
