// Package tested has tests to run on wasirun. They also pass natively.
package tested

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Example prints something. To compare it, package testing needs a temporary file.
func Example() {
	fmt.Println("printed")
	// Output: printed
}

func TestFiles(t *testing.T) {
	if _, err := os.Stat("tested_test.go"); err != nil {
		t.Error(err)
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(name); string(content) != "content" {
		t.Error(string(content), err)
	}
}

func TestFails(t *testing.T) {
	if flag.Arg(0) == "fail" {
		t.Fatal("as it was asked to")
	}
}
