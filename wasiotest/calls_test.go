package wasiotest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio/wasiotest"
)

// Calls keeps the last 65536 calls.
func TestCallsAreKept(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	open(s).Flush()
	for range 65535 {
		open(s).CheckWrite()
	}
	calls := s.Calls()
	assert.Len(t, calls, 65536)
	assert.Equal(t, "output-stream(1).flush", calls[0])
	open(s).CheckWrite()
	calls = s.Calls()
	assert.Len(t, calls, 65536)
	assert.Equal(t, "output-stream(1).check-write = 1048576", calls[0])
	drop(s)
}
