package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// programs lists the programs whose sizes are measured.
var programs = []struct {
	name   string
	source string
	tag    bool // whether the tag module.std makes a difference
}{
	{"empty", `func main() {}`, false},
	{"hello-os.Stdout", `import "os"; func main() { os.Stdout.WriteString("hello\n") }`, false},
	{"hello-wasio", `import "github.com/wasio-dev/wasio"; func main() { wasio.Stdout().WriteString("hello\n") }`, true},
	{"fmt-os.Stdout", `import ("fmt"; "os"); func main() { fmt.Fprintln(os.Stdout, "hello", 42) }`, false},
	{"fmt-wasio", `import ("fmt"; "github.com/wasio-dev/wasio"); func main() { fmt.Fprintln(wasio.Stdout(), "hello", 42) }`, true},
}

var buildTags = []string{"default", "module.std"}

// measureSizes builds the programs. With TinyGo the size is that of a component. With Go it is
// that of a core module, because go build makes no component.
func measureSizes(raw *bytes.Buffer, dir string) error {
	source, wasm := filepath.Join(dir, "hello.go"), filepath.Join(dir, "hello.wasm")
	for _, toolchain := range toolchains {
		fmt.Fprintf(raw, "toolchain: %s\nhost: none\n", toolchain)
		for _, p := range programs {
			progress("measuring the size of %s with %s", p.name, toolchain)
			if err := os.WriteFile(source, []byte("package main; "+p.source), 0o666); err != nil {
				return err
			}
			for _, tags := range buildTags {
				if tags == "module.std" && !p.tag {
					continue
				}
				command := []string{"go", "build", "-ldflags=-s -w"}
				if toolchain == component.TinyGo {
					command = []string{"tinygo", "build", "-target=wasip2", "-opt=z", "-no-debug"}
				}
				command = append(command, "-tags", tags, "-o", wasm, source)
				if err := component.Command("", component.GoEnv, command[0], command[1:]...); err != nil {
					return err
				}
				info, err := os.Stat(wasm)
				if err != nil {
					return err
				}
				fmt.Fprintf(raw, "Benchmark%s\t1\t%d B\n", benchmark("Size", p.name, tags), info.Size())
			}
		}
	}
	return nil
}
