//go:build !module.std

package wasio

import "os"

// The errors of package os that errors of this package match. The build tag module.std leaves
// them out, since package os takes NN KB of a guest that does without it otherwise.
var (
	osErrClosed           = os.ErrClosed
	osErrDeadlineExceeded = os.ErrDeadlineExceeded
)
