//go:build !race && !mutation

package p3_test

const small = false
