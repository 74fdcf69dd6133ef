//go:build module.std

package wasio

var osErrClosed, osErrDeadlineExceeded error
