package p3

import "github.com/wasio-dev/wasio/internal/builtins"

var stdoutWriter = Writer{open: func(reader uint32) uint32 { return builtins.WriteToStdout(reader) }}
var stderrWriter = Writer{open: func(reader uint32) uint32 { return builtins.WriteToStderr(reader) }}

// Stdout returns the Writer on the standard output of the program: always the same one. A guest gets
// no signal if the reader has gone, so a loop that ignores the errors of its Writes does not end.
func Stdout() *Writer { return &stdoutWriter }

// Stderr returns the Writer on the standard error output of the program, as Stdout does.
func Stderr() *Writer { return &stderrWriter }
