package wasio_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
)

// capture puts a file in the place of a standard stream for the test, and returns a
// function that returns what is in it.
func capture(t *testing.T, standard **os.File) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "captured")
	f, err := os.Create(path)
	require.NoError(t, err)
	before := *standard
	*standard = f
	t.Cleanup(func() {
		*standard = before
		f.Close()
	})
	return func() string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
}

func TestStandardStreams(t *testing.T) {
	for _, c := range []struct {
		name string
		file **os.File
		get  func() *wasio.Writer
		op   host.Op
	}{
		{"Stdout", &os.Stdout, wasio.Stdout, host.OpGetStdout},
		{"Stderr", &os.Stderr, wasio.Stderr, host.OpGetStderr},
	} {
		t.Run(c.name, func(t *testing.T) {
			written := capture(t, c.file)
			w := c.get()
			fmt.Fprintln(w, "one")
			fmt.Fprintln(*c.file, "two") // in turn with the file itself
			require.NoError(t, w.Close())
			fmt.Fprintln(c.get(), "three")
			assert.Equal(t, "one\ntwo\nthree\n", written())
			assert.Same(t, w, c.get())
			assert.EqualValues(t, 1, host.Process().Count(c.op), "one handle for the program")

			b := wasio.NewBufWriter(c.get())
			b.WriteString("four")
			require.NoError(t, b.Close())
			fmt.Fprintln(c.get(), ", five")
			assert.Equal(t, "one\ntwo\nthree\nfour, five\n", written())
		})
	}
}

// A pipe whose reader has gone closes the stream.
func TestStreamOnPipeWithoutReader(t *testing.T) {
	h := host.New(host.Options{})
	base := h.Expose()
	defer host.Withdraw(base)
	r, pipe := io.Pipe()
	w := wasio.NewWriter(base | h.NewStream(host.Behavior{}, pipe))
	require.NoError(t, r.Close())
	n, err := w.WriteString("x")
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, w.Close())
	assert.Empty(t, h.Live())
}
