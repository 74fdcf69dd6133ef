package e2e

import (
	"os"
	"os/exec"
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
		if filepath.Base(file) == "wasm-tools.txt" {
			continue // no host; see TestReadmeToolchains
		}
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

// READMEs name the releases of Go and TinyGo that are tested. On CI the tests run with these.
func TestReadmeToolchains(t *testing.T) {
	first := func(path, pattern string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		require.NotNil(t, found, "%s has no %s", path, pattern)
		return found[1]
	}
	oldest := first("../go.mod", `\ngo (\d+\.\d+)\.0\n`)
	newest := first("go.mod", `\ntoolchain go(\d+\.\d+\.\d+)\n`)
	tinygo := first("../.ci/tinygo", `home=.*/tinygo-(\d+\.\d+\.\d+)\n`)
	tools := first("hosts/wheels/wasm-tools.txt", `wasm-tools (\d+\.\d+\.\d+)`)
	minor := func(version string) string { return version[:strings.LastIndexByte(version, '.')] }

	assert.Equal(t, oldest, first("../README.md", `\*\*With Go alone\*\* \((\S+) to `))
	assert.Equal(t, minor(newest), first("../README.md", `\*\*With Go alone\*\* \(\S+ to (\S+)\)`))
	assert.Equal(t, minor(tinygo), first("../README.md", `\*\*With TinyGo\*\* (\S+):`))
	assert.Equal(t, minor(tools), first("../README.md", `wasm-tools (\S+) \(`))
	assert.Equal(t, newest, first("README.md", `Made with Go (\S+) and TinyGo`))
	assert.Equal(t, tinygo, first("README.md", `Made with Go \S+ and TinyGo (\d+\.\d+\.\d+)\.`))
	if os.Getenv("CI") != "true" {
		return
	}
	version, err := exec.Command("tinygo", "version").Output() // which finds Go as a build does
	require.NoError(t, err)
	assert.Contains(t, string(version), "tinygo version "+tinygo+" ")
	assert.Contains(t, string(version), "go version go"+newest+" ")
}
