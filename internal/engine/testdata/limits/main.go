// Limits is a program built with Go alone. The first limit of its waits is what its argument says.
// It reports on os.Stdout.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := wasio.Stdout()
	switch os.Args[1] {
	case "deadline":
		w.SetWriteDeadline(time.Now().Add(time.Second))
	case "deadline of a BufWriter":
		wasio.NewBufWriter(w).SetWriteDeadline(time.Now().Add(time.Second))
	case "recheck":
		w.SetRecheckInterval(time.Millisecond)
	}
	n, err := w.WriteString("text")
	fmt.Fprintln(os.Stdout, n, err)
}
