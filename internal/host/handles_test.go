package host

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Planned returns the script that follows the fields of a plan.
func Planned(p Plan) Script { return &planned{plan: p} }

// The handle numbers wrap around at 2^20, and skip those that are live.
func TestHandlesGoRound(t *testing.T) {
	h := New(Options{})
	s := h.NewStream(Plan{}, io.Discard)
	assert.EqualValues(t, 1, s)
	h.last = MaxHandle - 1
	assert.EqualValues(t, MaxHandle, h.Subscribe(s))
	assert.EqualValues(t, 2, h.Subscribe(s), "1 is the stream")
}
