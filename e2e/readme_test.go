package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of hosts in the README of wasio has the versions that the tests install, and names
// existing tests.
func TestReadmeHosts(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	_, table, _ := strings.Cut(read("../README.md"), "\n## Hosts\n")
	table, _, _ = strings.Cut(table, "\n## ")

	files := map[string]string{ // with the text before the version
		"go.mod":                      `wasmtime-go/v\d+ v`,
		"package.json":                `jco": "`,
		"hosts/wasmtime21/Cargo.toml": `wasmtime = \{ version = "=`,
	}
	wheels, err := filepath.Glob("hosts/wheels/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, wheels)
	for _, file := range wheels {
		files[file] = `# The \D+ `
	}
	for file, before := range files {
		version := regexp.MustCompile(before + `(\d+\.\d+\.\d+)`).FindStringSubmatch(read(file))
		require.NotNil(t, version, file)
		assert.Contains(t, table, " "+version[1], file)
	}

	sources, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	tests := ""
	for _, file := range sources {
		tests += read(file)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(table, -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		assert.Contains(t, tests, "\nfunc "+name[1]+"(", "README.md names a test that does not exist")
	}
}
