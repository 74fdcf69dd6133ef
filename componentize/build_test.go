package componentize_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each build fails with an error that docs/building.md explains.
func TestBadBuilds(t *testing.T) {
	page, err := os.ReadFile("../docs/building.md")
	require.NoError(t, err)
	const (
		without = "package main\n\nimport _ \"github.com/wasio-dev/wasio/componentize\"\n\nfunc main() {}\n"
		second  = without + "\n//go:wasmexport cabi_import_realloc\nfunc realloc() {}\n"
	)
	for name, c := range map[string]struct{ program, ldflags, want string }{
		"without bindings":           {without, "-checklinkname=0", "relocation target go.bytecodealliance.org/pkg/wit/runtime.cabiRealloc not defined"},
		"without -checklinkname=0":   {without, "", "invalid reference to runtime.sbrk"},
		"a second export of realloc": {second, "-checklinkname=0", "duplicated definition of symbol cabi_import_realloc"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "main.go")
			require.NoError(t, os.WriteFile(file, []byte(c.program), 0o600))
			cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags="+c.ldflags, "-o", filepath.Join(dir, "main.wasm"), file)
			cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Contains(t, string(out), c.want)
			assert.Contains(t, string(page), "`"+c.want+"`")
		})
	}
}
