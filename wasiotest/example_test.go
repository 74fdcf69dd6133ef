package wasiotest_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
	"go.bytecodealliance.org/cm"
)

func listOf(s string) cm.List[uint8] { return cm.ToList([]byte(s)) }

// greet is the program under test.
func greet(w io.Writer, name string) error {
	_, err := fmt.Fprintf(w, "hello, %s\n", name)
	return err
}

// In a test, t is the argument of the test function.
var t testing.TB = new(exampleT)

// exampleT stands in for a test. It runs its cleanups when the next example begins.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (e *exampleT) Name() string { return "Example" }

func (e *exampleT) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// Helper is the first method called in each example.
func (e *exampleT) Helper() {
	for _, f := range slices.Backward(e.cleanups) {
		f()
	}
	e.cleanups = nil
}

func Example() {
	// func TestGreet(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{4, 0, 100}})
	w := wasio.NewWriter(s.Handle())
	defer w.Close()

	if err := greet(w, "world"); err != nil {
		t.Fatal(err)
	}
	fmt.Print(s)
	fmt.Printf("%q\n", s.Records())
	// Output:
	// hello, world
	// ["hell" "o, world\n"]
}

// SetStdout tests programs that write to wasio.Stdout themselves.
func ExampleSetStdout() {
	run := func() error { // as in the program
		_, err := fmt.Fprintln(wasio.Stdout(), "hello")
		return err
	}

	// func TestRun(t *testing.T) {
	s := wasiotest.SetStdout(t, wasiotest.Plan{Permits: []uint64{2, 0}})
	if err := run(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%q\n", s.Records())
	// Output:
	// ["he" "ll" "o\n"]
}

// A Fault shows what the program does when the disk is full or the client goes away.
func ExampleFault() {
	s := wasiotest.NewStream(t, wasiotest.Plan{
		Permits: []uint64{4},
		Faults:  []wasiotest.Fault{{At: "write", Call: 3, Closed: true}},
	})
	w := wasio.NewWriter(s.Handle())
	defer w.Close()

	err := greet(w, "world")
	fmt.Println(err, errors.Is(err, io.ErrClosedPipe))
	fmt.Printf("%q\n", s)
	// Output:
	// wasio: write: stream closed by the host true
	// "hello, w"
}

// As imitates a real host. On this one each write is a record, such as a log line.
func ExamplePlan_as() {
	s := wasiotest.NewStream(t, wasiotest.As("viceroy"))
	w := wasio.NewBufWriter(wasio.NewWriter(s.Handle()))
	defer w.Close()

	for _, word := range strings.Fields("all in one record") {
		fmt.Fprint(w, word, " ")
	}
	w.Flush()
	fmt.Printf("%q\n", s.Records())
	// Output:
	// ["all in one record "]
}

// TestWriter tests a writer of your own:
func ExampleTestWriter() {
	var t *testing.T // in a test, its argument

	// func TestHardCases(t *testing.T) {
	wasiotest.TestWriter(t, func(handle uint32) io.WriteCloser {
		return wasio.NewWriter(handle) // or whatever is made of it
	})
}

// Calls returns every host call, with its handles.
func ExampleStream_Calls() {
	s := wasiotest.NewStream(t, wasiotest.Plan{FlushWaits: []int{1}})
	w := wasio.NewWriter(s.Handle())
	defer w.Close()

	fmt.Fprint(w, "hello")
	fmt.Println(strings.Join(s.Calls(), "\n"))
	// Output:
	// output-stream(1).check-write = 1048576
	// output-stream(1).write(5)
	// output-stream(1).flush
	// output-stream(1).check-write = 0
	// output-stream(1).subscribe = pollable(2)
	// pollable(2).block
	// pollable(2).drop
	// output-stream(1).check-write = 1048576
}
