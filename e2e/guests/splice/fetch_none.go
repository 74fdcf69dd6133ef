//go:build !fetch

package main

import "errors"

func fetch(string) (uint32, error) { return 0, errors.ErrUnsupported }
