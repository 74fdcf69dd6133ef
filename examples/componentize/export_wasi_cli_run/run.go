// Package export_wasi_cli_run is the interface wasi:cli/run, by which a host runs a
// command.
package export_wasi_cli_run

import (
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/examples/componentize/generated/wasi_cli_stderr"
	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Run runs the command. An Err makes the exit code 1.
func Run() witTypes.Result[witTypes.Unit, witTypes.Unit] {
	// The stream comes from the program's own bindings. TakeHandle gives it away: the
	// garbage collector no longer drops it, but Close of the Writer does.
	logs := wasio.NewWriter(wasi_cli_stderr.GetStderr().TakeHandle())
	defer logs.Close()
	log.SetOutput(logs)
	log.SetFlags(0)

	if err := report(os.Args[1:]); err != nil {
		log.Println("report:", err)
		return witTypes.Err[witTypes.Unit](witTypes.Unit{})
	}
	log.Println("done")
	return witTypes.Ok[witTypes.Unit, witTypes.Unit](witTypes.Unit{})
}

// report writes a line for each argument, then a record for a program to read.
func report(args []string) error {
	w := wasio.NewBufWriter(wasio.Stdout())
	for i, arg := range args {
		fmt.Fprintf(w, "%d: %s\n", i+1, arg)
	}
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: untimed})).Info("report", "arguments", len(args))
	return w.Flush()
}
