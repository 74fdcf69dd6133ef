//go:build (tinygo.wasm && !fetch) || files

package main

import "github.com/wasio-dev/wasio/e2e/internal/files"

func open(name string) (uint32, error)   { return files.Open(name) }
func create(name string) (uint32, error) { return files.Create(name) }
