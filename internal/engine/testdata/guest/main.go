// Guest is the program that the tests of package engine run. The first argument selects
// what it does.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"github.com/wasio-dev/wasio/internal/engine/testdata/script"
)

func main() {
	switch os.Args[1] {
	case "print":
		fmt.Fprint(wasio.Stdout(), strings.Join(os.Args[2:], " "))
		fmt.Fprint(wasio.Stderr(), "to stderr")
	case "large":
		n, _ := strconv.Atoi(os.Args[2])
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(i * i >> 3)
		}
		if n, err := wasio.Stdout().Write(p); n != len(p) || err != nil {
			panic(err)
		}
	case "copy":
		if _, err := io.Copy(wasio.Stdout(), os.Stdin); err != nil {
			panic(err)
		}
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "panic":
		panic("on purpose")
	case "deadlock":
		select {}
	case "alternate":
		for i := range 20 {
			fmt.Fprintf(os.Stdout, "os %d\n", i)
			fmt.Fprintf(wasio.Stdout(), "wasio %d\n", i)
		}
	case "together":
		together()
	case "yield":
		go fmt.Fprint(os.Stdout, "another goroutine\n")
		fmt.Fprint(wasio.Stdout(), "after a wait\n")
	case "failing":
		failing()
	case "random":
		fmt.Fprintln(os.Stdout, rand.Uint64(), rand.Uint64())
	case "sleep":
		start := time.Now()
		time.Sleep(time.Millisecond)
		if time.Since(start) < time.Millisecond {
			os.Exit(1)
		}
	case "scripts":
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			fmt.Println(script.Run(wasio.NewWriter(stdout.GetStdout()), in.Text()))
		}
	}
}

// together writes lines from several goroutines at once. The lines must not interleave.
func together() {
	var wg sync.WaitGroup
	b := wasio.NewBufWriterSize(wasio.Stdout(), 16)
	for i := range 8 {
		line := strings.Repeat(string(rune('a'+i)), 30+i) + "\n"
		wg.Go(func() {
			for j := range 20 {
				var err error
				if j%2 == 0 {
					_, err = fmt.Fprint(wasio.Stdout(), line)
				} else {
					_, err = b.WriteString(line)
				}
				if err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	if err := b.Close(); err != nil {
		panic(err)
	}
}

// failing prints the results of two Writes to a stream that fails.
func failing() {
	w := wasio.Stdout()
	for range 2 {
		n, err := w.Write([]byte("text"))
		fmt.Println(n, err, errors.Is(err, io.ErrClosedPipe))
	}
	if w.Close() != nil {
		os.Exit(4)
	}
}
