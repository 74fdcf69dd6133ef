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

// build compiles a package into a folder of the test and returns the path of the program.
func build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program.exe")
	said, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput()
	require.NoError(t, err, string(said))
	return program
}

// run returns what a program writes to its standard output. It must be content, and
// silent otherwise.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	assert.Empty(t, stderr.String())
	return stdout.String()
}

// Every example prints what its output.txt says, natively and as a guest.
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
			continue // a module of its own, for one toolchain and one kind of host: tested in e2e
		}
		examples++
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join(e.Name(), "output.txt"))
			require.NoError(t, err)
			require.NotEmpty(t, want)
			pkg := "./" + e.Name()
			assert.Equal(t, string(want), run(t, build(t, pkg)), "natively")
			assert.Equal(t, string(want), run(t, wasirun, pkg), "as a guest")
		})
	}
	assert.GreaterOrEqual(t, examples, 6)
}
