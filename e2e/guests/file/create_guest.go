//go:build tinygo.wasm

package main

import (
	"errors"
	"io"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/file/generated/wasi/filesystem/preopens"
	"github.com/wasio-dev/wasio/e2e/guests/file/generated/wasi/filesystem/types"
)

// create creates a file in the first directory that the host provides.
func create(name string) (io.WriteCloser, error) {
	dirs := preopens.GetDirectories().Slice()
	if len(dirs) == 0 {
		return nil, errors.New("no directory")
	}
	dir := dirs[0].F0
	file, code, failed := dir.OpenAt(0, name, types.OpenFlagsCreate|types.OpenFlagsTruncate, types.DescriptorFlagsWrite).Result()
	if failed {
		return nil, errors.New("open-at: " + code.String())
	}
	stream, code, failed := file.WriteViaStream(0).Result()
	if failed {
		return nil, errors.New("write-via-stream: " + code.String())
	}
	return &outputFile{wasio.NewWriter(stream), file}, nil
}

// An outputFile is a file that is open for writing.
type outputFile struct {
	*wasio.Writer
	file types.Descriptor
}

// Close closes the stream before the descriptor, since the stream is a child of it.
func (f *outputFile) Close() error {
	err := f.Writer.Close()
	f.file.ResourceDrop()
	return err
}
