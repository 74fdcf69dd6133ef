package component

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// If a wheel cannot be installed, the error is one line, and nothing stays in the cache.
func TestWheelErrors(t *testing.T) {
	if err := exec.Command("python3", "-m", "pip", "--version").Run(); err != nil {
		t.Skip("needs Python with pip")
	}
	dir, cache := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	t.Setenv("WASIO_CACHE", cache)
	wheelFile := filepath.Join(dir, "tool-1.0-py3-none-any.whl")
	require.NoError(t, os.WriteFile(wheelFile, []byte("another wheel"), 0o666))
	require.NoError(t, os.MkdirAll("hosts/wheels", 0o777))
	requirement := "tool @ file://" + filepath.ToSlash(wheelFile) + " --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n"
	require.NoError(t, os.WriteFile("hosts/wheels/tool.txt", []byte(requirement), 0o666))

	_, err := wheel("tool")
	assert.EqualError(t, err, "a wheel has none of the hashes in hosts/wheels/tool.txt")

	python := "#!/bin/sh\necho python3: No module named pip >&2; exit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "python3"), []byte(python), 0o777))
	t.Setenv("PATH", dir)
	_, err = wheel("tool")
	assert.EqualError(t, err, "needs Python with pip, to install hosts/wheels/tool.txt")

	t.Setenv("PATH", cache)
	_, err = wheel("tool")
	assert.EqualError(t, err, "needs Python with pip, to install hosts/wheels/tool.txt")
	assert.NoDirExists(t, filepath.Join(cache, "tool"))
	assert.NoDirExists(t, filepath.Join(cache, "tool.tmp"))
}
