//go:build wasm || tinygo.wasm

// Package files opens the streams of files for guests built with any toolchain.
package files

import (
	"errors"
	"unsafe"
)

// These are imported by hand since no bindings work with both toolchains. Their results are words.
//
//go:wasmimport wasi:filesystem/preopens@0.2.0 get-directories
func getDirectories(list *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [method]descriptor.open-at
func openAt(dir, pathFlags uint32, path *byte, size, openFlags, flags uint32, result *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [method]descriptor.read-via-stream
func readViaStream(file uint32, offset uint64, result *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [method]descriptor.write-via-stream
func writeViaStream(file uint32, offset uint64, result *[2]uint32)

//go:wasmimport wasi:filesystem/types@0.2.0 [resource-drop]descriptor
func dropDescriptor(descriptor uint32)

// Flags of open-at.
const (
	create, truncate = 1, 8
	read, write      = 1, 2
)

// open opens a file in the first directory that the host provides.
func open(name string, openFlags, flags uint32) (descriptor uint32, err error) {
	var list, file [2]uint32 // a pointer and a length; an error and a handle
	getDirectories(&list)
	if list[1] == 0 {
		return 0, errors.New("no directory")
	}
	dir := *(*uint32)(unsafe.Pointer(uintptr(list[0])))
	defer dropDescriptor(dir)
	openAt(dir, 0, unsafe.StringData(name), uint32(len(name)), openFlags, flags, &file)
	if file[0] != 0 {
		return 0, errors.New("cannot open " + name)
	}
	return file[1], nil
}

// Open opens a file, and returns an own<input-stream> of its content.
func Open(name string) (stream uint32, err error) {
	file, err := open(name, 0, read)
	if err != nil {
		return 0, err
	}
	defer dropDescriptor(file)
	var result [2]uint32
	readViaStream(file, 0, &result)
	if result[0] != 0 {
		return 0, errors.New("cannot read " + name)
	}
	return result[1], nil
}

// Create creates or truncates a file, and returns an own<output-stream> to it.
func Create(name string) (stream uint32, err error) {
	file, err := open(name, create|truncate, write)
	if err != nil {
		return 0, err
	}
	defer dropDescriptor(file)
	var result [2]uint32
	writeViaStream(file, 0, &result)
	if result[0] != 0 {
		return 0, errors.New("cannot write " + name)
	}
	return result[1], nil
}
