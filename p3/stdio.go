package p3

import "github.com/wasio-dev/wasio/internal/builtins"

var stdoutWriter = Writer{open: func(reader uint32) uint32 { return builtins.WriteToStdout(reader) }}
var stderrWriter = Writer{open: func(reader uint32) uint32 { return builtins.WriteToStderr(reader) }}

// Stdout returns the Writer on the standard output of the program, always the same one. A guest
// gets no SIGPIPE when the reader goes, so a loop that ignores the errors of Write does not end.
func Stdout() *Writer { return &stdoutWriter }

// Stderr returns the Writer on the standard error of the program, as Stdout does on its output.
func Stderr() *Writer { return &stderrWriter }
