//go:build !race && !mutation

package wasio_test

const small = false
