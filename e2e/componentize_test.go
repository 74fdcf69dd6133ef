package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

const (
	commandExample = "../examples/componentize"
	serverExample  = "../examples/httpserver"
)

// componentized returns the component that componentize-go makes of an example.
func componentized(t *testing.T, dir, world string) string {
	t.Helper()
	wasm := tempPath(filepath.Base(dir) + ".wasm")
	require.NoError(t, component.BuildExports(filepath.Join(dir, "wit"), world, dir, ".", wasm))
	return wasm
}

// TestComponentizeExample runs the command of examples/componentize.
func TestComponentizeExample(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm := componentized(t, commandExample, "app")
	command, err := component.Wasmtime()
	require.NoError(t, err)
	p := process{task: task{Exec: []string{command, "run", wasm, "one", "two"}}, limit: time.Minute}
	r, err := p.run()
	require.NoError(t, err)
	assert.Zero(t, r.exit)
	assert.Equal(t, "1: one\n2: two\n"+`{"level":"INFO","msg":"report","arguments":2}`+"\n", string(r.stdout))
	assert.Equal(t, "done\n", string(r.stderr))
}

// docs/building.md has the tools' message for a world without the imports, and the cure.
func TestWorldWithoutImports(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wit := filepath.Join(t.TempDir(), "wit")
	require.NoError(t, os.CopyFS(wit, os.DirFS(filepath.Join(commandExample, "wit"))))
	world := "package example:componentize;\nworld app {\n  export wasi:cli/run@0.2.0;\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(wit, "world.wit"), []byte(world), 0o666))
	err := component.BuildExports(wit, "app", commandExample, ".", tempPath("main.wasm"))
	const message = "missing component metadata for import of `wasi:io/"
	require.ErrorContains(t, err, message)

	page, err := os.ReadFile("../docs/building.md")
	require.NoError(t, err)
	assert.Contains(t, string(page), "missing component metadata for import of")
	assert.Contains(t, string(page), "Add `include wasi:cli/imports@0.2.0;` to the world.")

	// With that line, and nothing else, the component can be built.
	world = "package example:componentize;\nworld app {\n  include wasi:cli/imports@0.2.0;\n  export wasi:cli/run@0.2.0;\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(wit, "world.wit"), []byte(world), 0o666))
	require.NoError(t, component.BuildExports(wit, "app", commandExample, ".", tempPath("main.wasm")))
}
