//go:build !module.std

package wasio

import "os"

// The errors of package os that errors of this package match. The build tag module.std leaves
// them out: with TinyGo, package os adds 47 KB to a guest without package time.
var (
	osErrClosed           = os.ErrClosed
	osErrDeadlineExceeded = os.ErrDeadlineExceeded
)
