package e2e

import (
	"os"
	"testing"

	"github.com/wasio-dev/wasio/e2e/internal/self"
)

// stampFile is a file that requireTools opens and TestMain rewrites after the tests. For go test
// it is an input that changed during the tests, so their result is not cached. Caching would be
// wrong, because go test does not know that the guests are inputs, too.
const stampFile = "node_modules/.tested"

// A task is the work of a process. Each guest runs in a copy of the test binary.
type task = self.Task

func TestMain(m *testing.M) {
	self.Main()
	code := m.Run()
	os.RemoveAll(builds.dir)
	os.WriteFile(stampFile, nil, 0o644)
	os.Exit(code)
}
