//go:build race || mutation

package wasio_test

func init() { small = true }
