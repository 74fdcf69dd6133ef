// Package server writes HTTP bodies in the ways that are compared.
package server

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/bench/loops"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// buffer has the bytes of all bodies. An instance answers many requests.
var buffer []byte

// Write writes a body to an own<output-stream>, and drops that. The path is that of the
// request: the name of a contender, the size of the body, and the size of a write.
func Write(stream uint32, path string) error {
	var size, piece int
	contender, numbers, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if _, err := fmt.Sscanf(numbers, "%d/%d", &size, &piece); err != nil {
		return err
	}
	if len(buffer) < size {
		buffer = make([]byte, size)
		for i := range buffer {
			buffer[i] = byte(i)
		}
	}
	body := buffer[:size]
	out := streams.OutputStream(stream)
	switch w := wasio.NewWriter(stream); contender {
	case "Writer":
		return errors.Join(each(body, piece, func(p []byte) error { _, err := w.Write(p); return err }), w.Close())
	case "BufWriter":
		b := wasio.NewBufWriter(w)
		return errors.Join(each(body, piece, func(p []byte) error { _, err := b.Write(p); return err }), b.Close())
	case "copy":
		_, err := io.Copy(w, &pieces{body, piece})
		return errors.Join(err, w.Close())
	case "blocking":
		defer out.ResourceDrop()
		return each(body, piece, loops.Loop{Out: out}.Blocking)
	case "protocol":
		defer out.ResourceDrop()
		return each(body, piece, loops.Loop{Out: out}.Protocol)
	}
	return errors.New("unknown contender")
}

// each calls write for each piece of p.
func each(p []byte, size int, write func(p []byte) error) error {
	for len(p) > 0 {
		n := min(size, len(p))
		if err := write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// pieces is a reader that returns so many bytes at most at a time.
type pieces struct {
	p    []byte
	size int
}

func (r *pieces) Read(p []byte) (n int, err error) {
	if len(r.p) == 0 {
		return 0, io.EOF
	}
	n = copy(p[:min(len(p), r.size)], r.p)
	r.p = r.p[n:]
	return n, nil
}
