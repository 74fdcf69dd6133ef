package p3

// NewStdout returns what Stdout returns at first.
func NewStdout() *Writer { return &Writer{open: stdoutWriter.open} }

// NewStderr returns what Stderr returns at first.
func NewStderr() *Writer { return &Writer{open: stderrWriter.open} }

// Yield is yield, and reports whether others ran.
func Yield(bytes int) bool {
	yield(bytes)
	return worked.Load() == 0
}
