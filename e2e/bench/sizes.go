package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// programs lists the programs whose sizes are measured.
var programs = []struct {
	name   string
	source string
	tag    bool // whether the tag module.std makes a difference
}{
	{"empty main", "func main() {}", false},
	{"hello, os.Stdout", `import "os"

func main() { os.Stdout.WriteString("hello\n") }`, false},
	{"hello, wasio", `import "github.com/wasio-dev/wasio"

func main() { wasio.Stdout().WriteString("hello\n") }`, true},
	{"fmt, os.Stdout", `import (
	"fmt"
	"os"
)

func main() { fmt.Fprintln(os.Stdout, "hello", 42) }`, false},
	{"fmt, wasio", `import (
	"fmt"

	"github.com/wasio-dev/wasio"
)

func main() { fmt.Fprintln(wasio.Stdout(), "hello", 42) }`, true},
}

// guestSizes builds the programs with each toolchain, with the tag module.std and without,
// and returns a table of their sizes. It makes its files in dir.
func guestSizes(dir string) (string, error) {
	var t strings.Builder
	t.WriteString("| program | TinyGo | TinyGo, module.std | Go | Go, module.std |\n| --- | ---: | ---: | ---: | ---: |\n")
	type variant struct {
		program   string
		toolchain component.Toolchain
		tag       string
	}
	sizes := make(map[variant]int64)
	for _, p := range programs {
		progress("measuring the size of %s", p.name)
		source := filepath.Join(dir, "hello.go")
		if err := os.WriteFile(source, []byte("package main\n\n"+p.source+"\n"), 0o666); err != nil {
			return "", err
		}
		fmt.Fprintf(&t, "| %s |", p.name)
		for _, toolchain := range toolchains {
			for _, tag := range []string{"", "module.std"} {
				if tag != "" && !p.tag {
					t.WriteString(" – |")
					continue
				}
				size, err := guestSize(dir, source, toolchain, tag)
				if err != nil {
					return "", err
				}
				sizes[variant{p.name, toolchain, tag}] = size
				fmt.Fprintf(&t, " %s |", kilobytes(size))
			}
		}
		t.WriteString("\n")
	}
	t.WriteString("\n| target, TinyGo | measured | |\n| --- | --- | --- |\n")
	row := func(name string, got, most int64) {
		fmt.Fprintf(&t, "| %s: at most %s | %s | %s |\n", name, kilobytes(most), kilobytes(got), verdict(got <= most))
	}
	row("hello, wasio", sizes[variant{"hello, wasio", component.TinyGo, ""}], 104_000)
	row("hello, wasio, module.std", sizes[variant{"hello, wasio", component.TinyGo, "module.std"}], 56_000)
	row("fmt, wasio, compared to fmt, os.Stdout", sizes[variant{"fmt, wasio", component.TinyGo, ""}],
		sizes[variant{"fmt, os.Stdout", component.TinyGo, ""}])
	return t.String(), nil
}

// guestSize returns the size of a program. With TinyGo that is a component. With Go it is a
// core module, because go build makes no component.
func guestSize(dir, source string, toolchain component.Toolchain, tag string) (int64, error) {
	out := filepath.Join(dir, "hello.wasm")
	tags := "-tags=" + tag
	var err error
	if toolchain == component.TinyGo {
		err = component.Command("", nil, "tinygo", "build", "-target=wasip2", "-opt=z", "-no-debug", tags, "-o", out, source)
	} else {
		err = component.Command("", component.GoEnv, "go", "build", "-ldflags=-s -w", tags, "-o", out, source)
	}
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func kilobytes(n int64) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f KB", float64(n)/1e3)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}
