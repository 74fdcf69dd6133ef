//go:build tinygo.wasm

package main

import (
	"errors"
	"io"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/file/generated/wasi/filesystem/preopens"
	"github.com/wasio-dev/wasio/e2e/guests/file/generated/wasi/filesystem/types"
)

// create makes a file in the first folder that the host gives.
func create(name string) (io.WriteCloser, error) {
	folders := preopens.GetDirectories().Slice()
	if len(folders) == 0 {
		return nil, errors.New("no folder")
	}
	folder := folders[0].F0
	file, code, failed := folder.OpenAt(0, name, types.OpenFlagsCreate|types.OpenFlagsTruncate, types.DescriptorFlagsWrite).Result()
	if failed {
		return nil, errors.New("open-at: " + code.String())
	}
	stream, code, failed := file.WriteViaStream(0).Result()
	if failed {
		return nil, errors.New("write-via-stream: " + code.String())
	}
	return &stored{wasio.NewWriter(stream), file}, nil
}

// stored is a file that is being written.
type stored struct {
	*wasio.Writer
	file types.Descriptor
}

// Close closes the stream first: it is a child of the descriptor.
func (s *stored) Close() error {
	err := s.Writer.Close()
	s.file.ResourceDrop()
	return err
}
