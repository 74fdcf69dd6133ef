//go:build !wasm && !tinygo.wasm

package files

import "errors"

// Open fails.
func Open(string) (uint32, error) { return 0, errors.ErrUnsupported }

// Create fails.
func Create(string) (uint32, error) { return 0, errors.ErrUnsupported }
