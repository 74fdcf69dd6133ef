package wasio_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/wasio-dev/wasio"
)

func Example() {
	w := wasio.Stdout()
	log.SetOutput(w)
	log.SetFlags(0)
	defer log.SetOutput(os.Stderr)

	fmt.Fprintln(w, "hello")
	log.Println("from the logger")
	// Output:
	// hello
	// from the logger
}

func ExampleStdout() {
	logger := slog.New(slog.NewTextHandler(wasio.Stdout(), &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	logger.Info("listening", "port", 8080)
	// Output:
	// level=INFO msg=listening port=8080
}

// Body is a resource of the program's own bindings.
type Body struct{}

// OutputStream is the type of own<output-stream> in bindings by wit-bindgen-go.
type OutputStream uint32

func (Body) Write() OutputStream { return 0 }

func ExampleNewWriter() {
	var body Body // of wasi:http, say
	w := wasio.NewWriter(body.Write())
	defer w.Close() // drops the stream; the body can be finished then

	_, err := fmt.Fprint(w, "<!doctype html>")
	switch {
	case errors.Is(err, io.ErrClosedPipe):
		fmt.Println("the host takes no more: the client has gone, or the body is complete")
	case err != nil:
		fmt.Println(err)
	}
	// Output:
	// wasio: write: writer is not open
}

// ErrorCode is the error-code of wasi:filesystem/types.
type ErrorCode uint8

func (e ErrorCode) Error() string { return "insufficient space" }

// HostError is the type of borrow<error> in bindings by wit-bindgen-go.
type HostError uint32

// fileErrorCode is the filesystem-error-code of wasi:filesystem/types.
func fileErrorCode(err HostError) *ErrorCode { return new(ErrorCode) }

func ExampleWriter_SetErrorDecoder() {
	w := wasio.Stdout() // a file of wasi:filesystem, say
	defer w.SetErrorDecoder(nil)

	w.SetErrorDecoder(func(err wasio.ErrorHandle) error {
		if code := fileErrorCode(HostError(err)); code != nil {
			return *code
		}
		return nil
	})

	var code ErrorCode
	if _, err := w.WriteString("text\n"); errors.As(err, &code) {
		fmt.Println("cannot write:", code)
	}
	// Output:
	// text
}

func ExampleBufWriter() {
	w := wasio.NewBufWriter(wasio.Stdout())
	for i := range 3 {
		fmt.Fprintf(w, "row %d\n", i) // no host call yet
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// row 0
	// row 1
	// row 2
}

func ExampleBufWriter_SetLineMode() {
	w := wasio.NewBufWriter(wasio.Stdout())
	w.SetLineMode(true)

	fmt.Fprint(w, "working")
	fmt.Fprint(w, "...")
	fmt.Fprintln(w, " done") // the whole line is out now
	// Output:
	// working... done
}

// InputStream is the type of own<input-stream> in bindings by wit-bindgen-go.
type InputStream uint32

func (Body) Stream() InputStream { return 0 }

func (InputStream) ResourceDrop() {}

func ExampleSplice() {
	var request, response Body
	w := wasio.NewWriter(response.Write())
	defer w.Close()
	stream := request.Stream()
	defer stream.ResourceDrop()

	n, err := wasio.Splice(w, stream, -1) // all of it; the bytes never enter the program
	var failed *wasio.Error
	switch {
	case errors.As(err, &failed) && failed.Source:
		fmt.Println("the request broke off after", n, "bytes")
	case err != nil:
		fmt.Println("the response broke off:", err)
	}
}

// A Source reads from an input stream with the program's own bindings. With its method
// WriteTo, io.Copy to a Writer is a splice.
type Source struct {
	io.Reader
	stream InputStream
}

func (s Source) WriteTo(w io.Writer) (int64, error) {
	if w, ok := w.(*wasio.Writer); ok {
		return wasio.Splice(w, s.stream, -1)
	}
	return io.Copy(w, s.Reader)
}

func ExampleSplice_copy() {
	var request, response Body
	w := wasio.NewWriter(response.Write())
	defer w.Close()
	io.Copy(w, Source{nil, request.Stream()})
}
