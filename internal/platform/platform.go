// Package platform has what differs between the platforms that package wasio runs on: its
// locks, and what the toolchains can import from a host. The lock files are for native
// programs and for guests, the import files for Go and for TinyGo.
package platform

// Durations are numbers of nanoseconds: with TinyGo, package time adds 46 KB to a guest.
const (
	MinPause int64 = 20_000    // the first of a series of pauses
	MaxPause int64 = 5_000_000 // the longest pause

	Never = 1<<63 - 1 // longer than any wait
)

// UnlockAfter calls f, for which m is locked, and unlocks m, even if f panics.
func UnlockAfter[T any](m *Mutex, f func(T, []byte, bool) (int, error), t T, p []byte, flag bool) (n int, err error) {
	defer m.Unlock()
	return f(t, p, flag)
}
