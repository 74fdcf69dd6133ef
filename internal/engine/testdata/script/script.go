// Package script runs a random sequence of calls of wasio, so that a test can compare a
// guest with a native program.
package script

import (
	"fmt"
	"strings"

	"github.com/wasio-dev/wasio"
)

// Run makes the calls that the words of script stand for, on w or on a BufWriter on top of
// it, and then closes that writer. It returns the results of all calls.
//
// A word is a letter and a number n:
//
//	b  puts a BufWriter with a buffer of n bytes on top of w
//	l  calls SetLineMode(n > 0)
//	w  calls Write with n bytes
//	s  calls WriteString with n bytes
//	r  calls ReadFrom with a reader of n bytes
//	f  calls Flush
//	c  calls WriteByte(n)
//	u  calls WriteRune(n)
//
// The words l, c and u need a BufWriter.
func Run(w *wasio.Writer, script string) string {
	var results []string
	record := func(v ...any) { results = append(results, fmt.Sprint(v...)) }
	var b *wasio.BufWriter
	written := 0
	next := func(n int) []byte { // returns the next n bytes to write
		p := make([]byte, n)
		for i := range p {
			if p[i] = byte('a' + written%26); written%13 == 12 {
				p[i] = '\n'
			}
			written++
		}
		return p
	}
	for _, word := range strings.Fields(script) {
		var n int
		fmt.Sscan(word[1:], &n)
		switch {
		case word[0] == 'b':
			b = wasio.NewBufWriterSize(w, n)
		case word[0] == 'l':
			b.SetLineMode(n > 0)
		case word[0] == 'w' && b == nil:
			record(w.Write(next(n)))
		case word[0] == 'w':
			record(b.Write(next(n)))
		case word[0] == 's' && b == nil:
			record(w.WriteString(string(next(n))))
		case word[0] == 's':
			record(b.WriteString(string(next(n))))
		case word[0] == 'r' && b == nil:
			record(w.ReadFrom(strings.NewReader(string(next(n)))))
		case word[0] == 'r':
			record(b.ReadFrom(strings.NewReader(string(next(n)))))
		case word[0] == 'f' && b == nil:
			record(w.Flush())
		case word[0] == 'f':
			record(b.Flush())
		case word[0] == 'c':
			record(b.WriteByte(byte(n)), b.Buffered())
		case word[0] == 'u':
			record(b.WriteRune(rune(n)))
		}
	}
	if b != nil {
		record(b.Close())
	} else {
		record(w.Close())
	}
	return strings.Join(results, "; ")
}
