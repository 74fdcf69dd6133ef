package httpserver

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The error of a server that dies at the start, or does not listen in time, is one line that says
// why. The server and the processes that it has started are gone by then.
func TestStartFails(t *testing.T) {
	alive := filepath.Join(t.TempDir(), "alive")
	require.NoError(t, syscall.Mkfifo(alive, 0o600))
	start := func(script string) error {
		// It is at its end once no process has it open for writing.
		fifo, err := os.OpenFile(alive, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		require.NoError(t, err)
		defer fifo.Close()
		_, failed := Start("127.0.0.1:1", "listening", "sh", "-c", "exec 3>"+alive+"; sleep 1000 & "+script)
		_, err = io.ReadAll(fifo)
		require.NoError(t, err)
		return failed
	}
	assert.EqualError(t, start("echo no memory; echo at all >&2; exit 1"), "the server has ended: no memory at all")

	defer func(before time.Duration) { limit = before }(limit)
	limit = 0
	assert.EqualError(t, start("wait"), "the server does not listen after 0s: ")

	_, err := Start("127.0.0.1:1", "listening", filepath.Join(t.TempDir(), "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
