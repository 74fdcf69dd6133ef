//go:build race

package wasio_test

func init() { racing = true }
