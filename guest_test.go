//go:build wasip1

package wasio_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
)

// TestMain skips the examples in a guest:
//
//	GOOS=wasip1 GOARCH=wasm go test -exec wasirun .
//
// Their output goes to the host, not to where package testing looks for it. Tests that script the
// host skip themselves.
func TestMain(m *testing.M) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); skip.Value.String() == "" {
		skip.Value.Set("^Example")
	}
	os.Exit(m.Run())
}

// bothStreams runs a test on both standard streams.
func bothStreams(t *testing.T, test func(t *testing.T, w *wasio.Writer)) {
	t.Run("stdout", func(t *testing.T) { test(t, wasio.Stdout()) })
	t.Run("stderr", func(t *testing.T) { test(t, wasio.Stderr()) })
}

func TestGuestWrites(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		for _, text := range []string{"", "a line\n", strings.Repeat("a line of thirty-two characters\n", 300)} {
			n, err := io.WriteString(w, text)
			assert.NoError(t, err)
			assert.Equal(t, len(text), n)
			copied, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(text)})
			assert.NoError(t, err)
			assert.EqualValues(t, len(text), copied)
		}
	})
}

func TestGuestWritesWithTheStandardLibrary(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		_, err := fmt.Fprintln(w, "from fmt")
		assert.NoError(t, err)
		assert.NoError(t, log.New(w, "", 0).Output(1, "from log"))
		assert.NoError(t, slog.NewTextHandler(w, nil).Handle(t.Context(), slog.NewRecord(time.Time{}, 0, "from slog", 0)))
		assert.NoError(t, json.NewEncoder(w).Encode("from json"))
		b := bufio.NewWriter(w)
		fmt.Fprintln(b, "from bufio")
		assert.NoError(t, b.Flush())
	})
}

func TestGuestBufWriter(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		b := wasio.NewBufWriter(w)
		for i := range 1000 {
			_, err := fmt.Fprintln(b, "buffered line", i)
			require.NoError(t, err)
		}
		assert.NoError(t, b.Flush())
	})
}

// TestGuestGoroutines writes lines from several goroutines, which must not interleave: the test
// of wasirun that runs this one checks them.
func TestGuestGoroutines(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for range 50 {
					_, err := fmt.Fprintf(w, "whole line of goroutine %d\n", i)
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestGuestDeadline(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		require.NoError(t, w.SetWriteDeadline(time.Now().Add(-time.Second)))
		n, err := io.WriteString(w, "late\n")
		assert.Zero(t, n)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, w.SetWriteDeadline(time.Time{}))
		_, err = io.WriteString(w, "in time\n")
		assert.NoError(t, err)
	})
}

// A Write does not allocate, even if it waits for its turn.
func TestGuestAllocatesNothing(t *testing.T) {
	bothStreams(t, func(t *testing.T, w *wasio.Writer) {
		line := []byte("a line\n")
		for _, others := range []int{0, 3} {
			done := false
			var wg sync.WaitGroup
			for range others {
				wg.Go(func() {
					for !done {
						w.Write(line)
					}
				})
			}
			var failed error
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				_, err := w.Write(line)
				failed = errors.Join(failed, err)
			}), "%d others", others)
			assert.NoError(t, failed)
			done = true
			wg.Wait()
		}
	})
}
