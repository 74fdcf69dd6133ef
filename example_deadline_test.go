//go:build !module.std

package wasio_test

import (
	"errors"
	"log"
	"os"
	"time"

	"github.com/wasio-dev/wasio"
)

func ExampleWriter_SetWriteDeadline() {
	page := []byte("<!doctype html>\n")
	w := wasio.Stdout()
	defer w.SetWriteDeadline(time.Time{}) // none

	w.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := w.Write(page); errors.Is(err, os.ErrDeadlineExceeded) {
		log.Print("the client reads too slowly")
	}
	// Output:
	// <!doctype html>
}
