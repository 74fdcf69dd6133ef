//go:build !race

package wasio_test

const raceEnabled = false
