// Package length is shared by two servers that echo the body of a request as a body of known
// length. The path of the request is that length. After a path that ends in /write, the body is
// a byte longer, and comes from a Write.
package length

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/wasio-dev/wasio"
)

// Of returns the length that a path asks for.
func Of(path string) []byte {
	return []byte(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/write"))
}

// Echo moves all of src to an own<output-stream>, which it drops, and reports the result on
// standard error. After an error it tries to write one more byte.
func Echo(path string, to, src uint32) error {
	w := wasio.NewWriter(to)
	var moved int64
	var err error
	if size, _ := strconv.Atoi(string(Of(path))); strings.HasSuffix(path, "/write") {
		var n int
		n, err = w.Write(make([]byte, size+1))
		moved = int64(n)
	} else {
		moved, err = wasio.Splice(w, src, -1)
	}
	if err != nil {
		n, again := w.Write([]byte("x"))
		fmt.Fprintf(wasio.Stderr(), "again: n=%d same=%t\n", n, again == err)
	}
	closed := w.Close()
	fmt.Fprintf(wasio.Stderr(), "moved=%d err=%v close=%v\n", moved, err, closed)
	return err
}
