package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// programs are what is weighed.
var programs = []struct {
	name   string
	source string
	tag    bool // whether module.std makes a difference
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

// sizesOfGuests builds the programs with each toolchain, with the tag and without it.
func sizesOfGuests(folder string) (string, error) {
	var b strings.Builder
	b.WriteString("| program | TinyGo | TinyGo, module.std | Go | Go, module.std |\n| --- | ---: | ---: | ---: | ---: |\n")
	met := map[string]int64{}
	for _, p := range programs {
		progress("weighing %s", p.name)
		source := filepath.Join(folder, "hello.go")
		if err := os.WriteFile(source, []byte("package main\n\n"+p.source+"\n"), 0o666); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s", p.name)
		for _, with := range component.Toolchains {
			for _, tag := range []string{"", "module.std"} {
				if tag != "" && !p.tag {
					b.WriteString(" | –")
					continue
				}
				size, err := weigh(folder, source, with, tag)
				if err != nil {
					return "", err
				}
				met[p.name+string(with)+tag] = size
				fmt.Fprintf(&b, " | %s", kilobytes(size))
			}
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n| target, TinyGo | measured | |\n| --- | --- | --- |\n")
	line := func(what string, got, most int64) {
		fmt.Fprintf(&b, "| %s: at most %s | %s | %s |\n", what, kilobytes(most), kilobytes(got), verdict(got <= most))
	}
	line("hello, wasio", met["hello, wasioTinyGo"], 104_000)
	line("hello, wasio, module.std", met["hello, wasioTinyGomodule.std"], 56_000)
	line("fmt, wasio: as much as with os.Stdout", met["fmt, wasioTinyGo"], met["fmt, os.StdoutTinyGo"])
	return b.String(), nil
}

// weigh returns the size of the program: of TinyGo a component, of Go a core module,
// which is what it makes.
func weigh(folder, source string, with component.Toolchain, tag string) (int64, error) {
	out := filepath.Join(folder, "hello.wasm")
	tags := "-tags=" + tag
	var err error
	if with == component.TinyGo {
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
