package examples_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// build compiles a package and returns the path of the program.
func build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program.exe")
	output, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput()
	require.NoError(t, err, string(output))
	return program
}

// run runs a program and returns its standard output. The program must exit with code 0 and
// write nothing to standard error.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	assert.Empty(t, stderr.String())
	return stdout.String()
}

// TestExamples checks that every example prints the contents of its output.txt, both as a
// native program and as a guest.
func TestExamples(t *testing.T) {
	wasirun := build(t, "../cmd/wasirun")
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	examples := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(e.Name(), "go.mod")); err == nil {
			continue // a separate module needs a certain toolchain and host, so e2e tests it
		}
		examples++
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join(e.Name(), "output.txt"))
			require.NoError(t, err)
			require.NotEmpty(t, want)
			pkg := "./" + e.Name()
			assert.Equal(t, string(want), run(t, build(t, pkg)), "native program")
			assert.Equal(t, string(want), run(t, wasirun, pkg), "guest")
		})
	}
	assert.GreaterOrEqual(t, examples, 6)
}
