//go:build !wasm && !tinygo.wasm

package server

import "errors"

func open(string) (uint32, error) { return 0, errors.ErrUnsupported }
