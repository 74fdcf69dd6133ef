package examples_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

// A responseWriter is an http.ResponseWriter for a body of wasi:http. With its methods
// FlushError and SetWriteDeadline it supports http.ResponseController.
//
// It does not embed the BufWriter: io.Copy would find ReadFrom and bypass WriteHeader.
type responseWriter struct {
	body   *wasio.BufWriter
	send   func(status int, header http.Header) // passes the response to the host
	header http.Header
	sent   bool
}

func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader passes the response to the host, which reads the body only then.
func (w *responseWriter) WriteHeader(status int) {
	if !w.sent {
		w.sent = true
		w.send(status, w.header)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// FlushError is Flush of http.ResponseController.
func (w *responseWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return w.body.Flush()
}

func (w *responseWriter) SetWriteDeadline(t time.Time) error {
	return w.body.SetWriteDeadline(t)
}

func Example_responseWriter() {
	// events knows nothing of wasio.
	events := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		c := http.NewResponseController(w)
		for i := range 3 {
			c.SetWriteDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprintf(w, "data: event %d\n\n", i)
			if err := c.Flush(); err != nil {
				return
			}
		}
	}

	events(&responseWriter{
		body: wasio.NewBufWriter(wasio.Stdout()), // or wasio.NewWriter(stream)
		send: func(status int, header http.Header) { // or response-outparam.set
			fmt.Println(status, header)
		},
		header: http.Header{},
	}, nil)
	// Output:
	// 200 map[Content-Type:[text/event-stream]]
	// data: event 0
	//
	// data: event 1
	//
	// data: event 2
}

func TestResponseWriter(t *testing.T) {
	// controlled returns a writer on a stream that behaves as the plan says, and its
	// controller.
	controlled := func(t *testing.T, plan wasiotest.Plan) (*wasiotest.Stream, *responseWriter, *http.ResponseController) {
		s := wasiotest.NewStream(t, plan)
		w := &responseWriter{
			body:   wasio.NewBufWriter(wasio.NewWriter(s.Handle())),
			send:   func(status int, _ http.Header) { assert.Equal(t, http.StatusOK, status) },
			header: http.Header{},
		}
		t.Cleanup(func() { w.body.Close() })
		return s, w, http.NewResponseController(w)
	}

	t.Run("flush", func(t *testing.T) {
		s, w, c := controlled(t, wasiotest.Plan{})
		fmt.Fprint(w, "hello")
		assert.Empty(t, s.String())
		assert.NoError(t, c.Flush())
		assert.Equal(t, "hello", s.String())
		assert.True(t, w.sent)
	})

	t.Run("client stops reading", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, w, c := controlled(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour})
			assert.NoError(t, c.SetWriteDeadline(time.Now().Add(5*time.Second)))
			fmt.Fprint(w, "hello")
			assert.ErrorIs(t, c.Flush(), os.ErrDeadlineExceeded)
		})
	})

	t.Run("the host takes no more", func(t *testing.T) {
		_, w, c := controlled(t, wasiotest.Plan{Capacity: 4})
		fmt.Fprint(w, "hello")
		assert.ErrorIs(t, c.Flush(), io.ErrClosedPipe)
	})
}
