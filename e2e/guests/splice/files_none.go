//go:build (!tinygo.wasm || fetch) && !files

package main

import "errors"

func open(string) (uint32, error)   { return 0, errors.ErrUnsupported }
func create(string) (uint32, error) { return 0, errors.ErrUnsupported }
