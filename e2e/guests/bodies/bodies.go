// Package bodies writes HTTP bodies, or moves them from a request or a file, in the ways that the
// benchmark compares.
package bodies

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/loops"
	"github.com/wasio-dev/wasio/e2e/internal/files"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// buffer has the bytes of all bodies. An instance answers many requests.
var buffer []byte

// Write writes a body to an own<output-stream>, and drops the stream. The path of the request has
// the name of a contender, the size of the body, the size of a write, and in how many nanoseconds
// the write deadline is, or 0.
func Write(stream uint32, path string) error {
	var size, piece int
	var deadline time.Duration
	contender, numbers, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if _, err := fmt.Sscanf(numbers, "%d/%d/%d", &size, &piece, &deadline); err != nil {
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
	w := wasio.NewWriter(stream)
	if deadline > 0 {
		w.SetWriteDeadline(time.Now().Add(deadline))
	}
	switch contender {
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

// Move moves the bytes of src to an own<output-stream>, and drops the stream. The path of the
// request has echo or file, the name of a contender and, after file, the name of a file to read
// instead of src. The function reader returns a reader on an input stream.
func Move(stream, src uint32, path string, reader func(src uint32) io.Reader) error {
	what, contender, name := cut(path)
	if what == "file" {
		file, err := files.Open(name)
		if err != nil {
			return err
		}
		src = file
		defer streams.InputStream(file).ResourceDrop()
	}
	out := streams.OutputStream(stream)
	switch w := wasio.NewWriter(stream); contender {
	case "splice":
		_, err := wasio.Splice(w, src, -1)
		return errors.Join(err, w.Close())
	case "copy":
		_, err := io.Copy(w, reader(src))
		return errors.Join(err, w.Close())
	case "blocking":
		defer out.ResourceDrop()
		return loops.Loop{Out: out}.BlockingSplice(streams.InputStream(src))
	case "protocol":
		defer out.ResourceDrop()
		return loops.Loop{Out: out}.SpliceProtocol(streams.InputStream(src))
	}
	return errors.New("unknown contender")
}

// Moves reports whether a path is one for Move.
func Moves(path string) bool {
	what, _, _ := cut(path)
	return what == "echo" || what == "file"
}

// cut cuts a path of up to three parts.
func cut(path string) (a, b, c string) {
	a, b, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	b, c, _ = strings.Cut(b, "/")
	return a, b, c
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

// pieces is a reader that returns at most size bytes at a time.
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
