package httpserver

import (
	"bufio"
	"io"
	"os"
	"os/exec"
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
	alive := newFIFO(t)
	start := func(script string) error {
		fifo := openFIFO(t, alive)
		_, failed := Start("127.0.0.1:1", "listening", "sh", "-c", "exec 3>"+alive+"; sleep 1000 & "+script)
		_, err := io.ReadAll(fifo)
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

// An interrupt, which reaches this process alone, also ends the servers that it has started, and
// the processes that they have started.
func TestInterrupt(t *testing.T) {
	const variable = "WASIO_TEST_FIFO"
	if alive := os.Getenv(variable); alive != "" {
		for range 2 {
			_, err := Start("127.0.0.1:1", "listening", "sh", "-c", "exec 3>"+alive+"; sleep 1000 & echo listening; wait")
			require.NoError(t, err)
		}
		os.Stdout.WriteString("ready\n")
		select {}
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		alive := newFIFO(t)
		fifo := openFIFO(t, alive)
		child := exec.Command(os.Args[0], "-test.run=^TestInterrupt$")
		child.Env = append(os.Environ(), variable+"="+alive)
		output, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		defer child.Process.Kill() // if the test fails
		line, err := bufio.NewReader(output).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		require.NoError(t, child.Process.Signal(sig))
		_, err = io.ReadAll(fifo)
		require.NoError(t, err)
		assert.EqualError(t, child.Wait(), "signal: "+sig.String())
	}
}

// newFIFO makes a named pipe.
func newFIFO(t *testing.T) (path string) {
	path = filepath.Join(t.TempDir(), "alive")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

// openFIFO opens a named pipe for reading. It is at its end once no process has it open for writing.
func openFIFO(t *testing.T, path string) *os.File {
	fifo, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	t.Cleanup(func() { fifo.Close() })
	return fifo
}
