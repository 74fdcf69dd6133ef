package wasio_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
)

// goList returns what go list prints, as words.
func goList(t *testing.T, env []string, args ...string) []string {
	t.Helper()
	skipInGuest(t)
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// The package goes into every guest, and every guest pays for what it imports.
func TestImportsArePinned(t *testing.T) {
	guest := []string{"GOOS=wasip1", "GOARCH=wasm"}
	const module = "github.com/wasio-dev/wasio/"
	const generated = module + "generated/wasi/"
	own := []string{
		generated + "cli/stderr", generated + "cli/stdout",
		generated + "cli/terminal-output", generated + "cli/terminal-stderr", generated + "cli/terminal-stdout",
		generated + "io/poll", generated + "io/streams", module + "internal/platform",
		"go.bytecodealliance.org/cm", "bytes", "io", "runtime", "sync", "unicode/utf8", "unsafe",
	}
	both := []string{generated + "clocks/monotonic-clock", generated + "io/poll", "sync"}
	for _, c := range []struct {
		pkg, tags string
		want      []string
	}{
		{".", "module.std", own},
		{".", "", append(own, "os", "time")},
		{".", "tinygo.wasm,module.std", own},
		{"./internal/platform", "", append(both, "time")},
		{"./internal/platform", "tinygo.wasm", append(both, "go.bytecodealliance.org/cm", "unsafe")},
		{"./componentize", "", []string{generated + "io/poll", module + "internal/platform", "unsafe"}},
		{"./componentize", "tinygo.wasm", nil},
	} {
		assert.ElementsMatch(t, c.want, goList(t, guest, "-tags", c.tags, "-f", `{{join .Imports "\n"}}`, c.pkg), c)
	}
}

// componentize-go would use the worlds that such a file names for every program that imports the
// package. See CONTRIBUTING.md.
func TestNoComponentizeGoFile(t *testing.T) {
	skipInGuest(t)
	assert.NoFileExists(t, "componentize-go.toml")
}

// If a value is stored in an interface, TinyGo links the methods of all types that its type
// refers to. Those of time.Time add 51 KB to a guest.
func TestNoTypeOfPackageTimeIsInAWriter(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(r reflect.Type) {
		if seen[r] {
			return
		}
		seen[r] = true
		assert.NotEqual(t, "time", r.PkgPath(), r)
		switch r.Kind() {
		case reflect.Array, reflect.Chan, reflect.Map, reflect.Pointer, reflect.Slice:
			visit(r.Elem())
		case reflect.Struct:
			for i := range r.NumField() {
				visit(r.Field(i).Type)
			}
		}
	}
	visit(reflect.TypeFor[wasio.Writer]())
	visit(reflect.TypeFor[wasio.BufWriter]())
	assert.Greater(t, len(seen), 10)
}

func TestRequirementsArePinned(t *testing.T) {
	direct := goList(t, nil, "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all")
	assert.ElementsMatch(t, []string{
		"go.bytecodealliance.org/cm",
		"github.com/stretchr/testify",
		"github.com/tetratelabs/wazero",
	}, direct)
}

// Every Go block of the README is part of an example or a test, so it compiles.
func TestReadmeShowsCodeThatCompiles(t *testing.T) {
	skipInGuest(t)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	more, err := filepath.Glob("wasiotest/*_test.go")
	require.NoError(t, err)
	var tests strings.Builder
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		tests.WriteString(withoutIndent(string(text)))
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		assert.True(t, strings.Contains(tests.String(), withoutIndent(block[1])), "not found:\n%s", block[1])
	}
}

func withoutIndent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, "\t "))
	}
	return b.String()
}
