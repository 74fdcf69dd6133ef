// Componentize makes components of Go packages as componentize-go does, with tools from package
// registries. It takes some of its arguments:
//
//	go -C e2e run ./componentize [-C directory] -w world [-o main.wasm] bindings|build
//
// In the directory, bindings generates the bindings of the world in ./wit, in ./generated, except
// the packages with the exports, which the module has itself. Build compiles the package and makes
// the component. If the world includes or exports something of version 0.3, that is a component of
// WASI 0.3.
//
// It needs Go, Node with npm and Python with pip, and cargo for bindings: it installs jco,
// wasm-tools and wit-bindgen.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

func main() {
	dir := flag.String("C", ".", "`directory` of the program, relative to e2e")
	world := flag.String("w", "", "name of the `world` in ./wit")
	out := flag.String("o", "main.wasm", "`file` for the component")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go -C e2e run ./componentize [-C directory] -w world [-o main.wasm] bindings|build")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *world == "" {
		flag.Usage()
		os.Exit(2)
	}
	err := check(*dir, *world)
	switch {
	case err != nil:
	case flag.Arg(0) == "bindings":
		err = bindings(*dir, *world)
	case flag.Arg(0) == "build":
		err = build(*dir, *world, *out)
	default:
		err = fmt.Errorf("unknown command %q", flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "componentize:", err)
		os.Exit(1)
	}
}

// check finds mistakes for which the tools have unclear messages.
func check(dir, world string) error {
	if _, err := os.Stat("setup.mjs"); err != nil {
		return errors.New("not in the directory e2e: use go -C e2e run ./componentize")
	}
	wit := filepath.Join(dir, "wit")
	files, err := filepath.Glob(filepath.Join(wit, "*.wit"))
	if err == nil && len(files) == 0 {
		err = errors.New("no .wit files in " + wit)
	}
	pattern := regexp.MustCompile(`(?m)^\s*world\s+` + regexp.QuoteMeta(world) + `\s*\{`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if pattern.Match(text) {
			return nil
		}
	}
	return cmp.Or(err, fmt.Errorf("no world %s in %s", world, wit))
}

func bindings(dir, world string) error {
	list := exec.Command("go", "list", "-m")
	list.Dir = dir
	output, err := list.Output()
	if err != nil {
		return fmt.Errorf("no module in %s: %w", dir, err)
	}
	module := strings.TrimSpace(string(output))
	witBindgen, err := component.WitBindgen()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "generated")); err != nil {
		return err
	}
	return component.Command(dir, nil, witBindgen, "go", "-w", world, "--pkg-name", module+"/generated",
		"--export-pkg-name", module, "--out-dir", "generated", "wit")
}

func build(dir, world, out string) error {
	if err := component.Install(); err != nil {
		return err
	}
	if !filepath.IsAbs(out) {
		out = filepath.Join(dir, out)
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	defer os.Remove(out + ".core")
	return component.BuildExports(filepath.Join(dir, "wit"), world, dir, ".", out)
}
