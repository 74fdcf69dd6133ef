//go:build module.std

package wasio

// limits are what may end a wait before the host does: with this build tag, the default
// recheck alone.
type limits struct{}

func (*limits) overdue() error { return nil }
func (*limits) any() bool      { return false }
func (*limits) bound() uint64  { return defaultRecheck }
