// Package script runs sequences of calls of wasio that a test has drawn by lot, so that
// the same can be done in a guest and natively.
package script

import (
	"fmt"
	"strings"

	"github.com/wasio-dev/wasio"
)

// Run does what the words of a script say, on w or a BufWriter on it, and closes it. It
// returns what each call returned.
func Run(w *wasio.Writer, script string) string {
	var results []string
	result := func(v ...any) { results = append(results, fmt.Sprint(v...)) }
	var b *wasio.BufWriter
	written := 0
	bytes := func(n int) []byte {
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
			result(w.Write(bytes(n)))
		case word[0] == 'w':
			result(b.Write(bytes(n)))
		case word[0] == 's' && b == nil:
			result(w.WriteString(string(bytes(n))))
		case word[0] == 's':
			result(b.WriteString(string(bytes(n))))
		case word[0] == 'r' && b == nil:
			result(w.ReadFrom(strings.NewReader(string(bytes(n)))))
		case word[0] == 'r':
			result(b.ReadFrom(strings.NewReader(string(bytes(n)))))
		case word[0] == 'f' && b == nil:
			result(w.Flush())
		case word[0] == 'f':
			result(b.Flush())
		case word[0] == 'c':
			result(b.WriteByte(byte(n)), b.Buffered())
		case word[0] == 'u':
			result(b.WriteRune(rune(n)))
		}
	}
	if b != nil {
		result(b.Close())
	} else {
		result(w.Close())
	}
	return strings.Join(results, "; ")
}
