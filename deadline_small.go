//go:build module.std

package wasio

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// limits are what may end a wait before the host does: with this build tag, the default
// recheck alone.
type limits struct{}

func (limits) overdue() error                    { return nil }
func (limits) await(p poll.Pollable, _ int) bool { return awaitDefault(p) }
func (limits) any() bool                         { return false }
