package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/self"
)

// optimize has the flags of a toolchain.
var optimize = map[component.Toolchain][]string{component.TinyGo: {"-opt=2"}}

// build compiles the guest, or its counting variant, for Wasmtime and returns the name of the
// compiled file in dir, or of a component of WASI 0.3.
func build(dir string, toolchain component.Toolchain, counting, p3 bool) (string, error) {
	module, name := ".", string(toolchain)
	if counting {
		name += "-counting"
		root := filepath.Join(dir, "copy")
		module = filepath.Join(root, "e2e")
		if err := copyCounting(root); err != nil {
			return "", err
		}
	}
	flags := optimize[toolchain]
	wasm := filepath.Join(dir, name+".wasm")
	if p3 {
		wit := "../examples/p3command/wit"
		return wasm, component.BuildP3(toolchain, wit, "app", module, "./bench/guest", wasm, append([]string{"-tags=p3"}, flags...)...)
	}
	wit := filepath.Join(dir, name+"-wit")
	if err := copyWIT(wit); err != nil {
		return "", err
	}
	compiled := filepath.Join(dir, name+".compiled")
	if err := component.BuildWIT(wit, toolchain, module, "./bench/guest", wasm, flags...); err != nil {
		return "", err
	}
	_, err := do(self.Task{Compile: &self.Compile{From: wasm, To: compiled, Optimize: true}}, false)
	return compiled, err
}

// copyWIT copies ../wit to dir and adds blocking-write-and-flush, which the guest also imports.
func copyWIT(dir string) error {
	if err := os.CopyFS(dir, os.DirFS("../wit")); err != nil {
		return err
	}
	file := filepath.Join(dir, "deps/io/streams.wit")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const (
		resource = "resource output-stream {\n"
		function = "blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;\n"
	)
	return os.WriteFile(file, bytes.Replace(text, []byte(resource), []byte(resource+function), 1), 0o666)
}

// copyCounting copies the sources of the guest, from this module and from wasio, to dir. In
// the copy a call of an imported function is counted.
func copyCounting(dir string) error {
	for _, pattern := range []string{"../go.*", "../*.go", "../generated/*/*/*/*.go", "../internal/*/*.go", "../p3/*.go",
		"go.*", "guests/loops/*.go", "bench/*/*.go"} {
		sources, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, source := range sources {
			if strings.HasSuffix(source, "_test.go") {
				continue
			}
			text, err := os.ReadFile(source)
			if err != nil {
				return err
			}
			target := filepath.Join(dir, "e2e", source)
			if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(target, []byte(addCounting(string(text))), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	packageClause = regexp.MustCompile(`(?m)^package \w+$`)
	imported      = regexp.MustCompile(`(?m)^(//go:wasmimport \S+ (\S+)\n(?://.*\n)*func )((\w+)\((.*?)\)(.*))$`)
	typeArguments = regexp.MustCompile(`\[[^]]*\]`)
)

// addCounting renames each imported function in a Go file and adds a function with its old
// name that counts the call and makes it.
func addCounting(source string) string {
	functions := imported.FindAllStringSubmatch(source, -1)
	if len(functions) == 0 {
		return source
	}
	source = imported.ReplaceAllString(source, "${1}uncounted_$3")
	source = packageClause.ReplaceAllString(source, "$0\n\nimport hostcalls \"github.com/wasio-dev/wasio/e2e/bench/calls\"")
	for _, f := range functions {
		function, signature, name, params, result := f[2], f[3], f[4], f[5], f[6]
		var args []string
		for param := range strings.SplitSeq(typeArguments.ReplaceAllString(params, ""), ", ") {
			arg, _, _ := strings.Cut(param, " ")
			args = append(args, arg)
		}
		if result != "" {
			result = "return "
		}
		source += fmt.Sprintf("\nfunc %s {\n\thostcalls.One(%q)\n\t%suncounted_%s(%s)\n}\n",
			signature, function, result, name, strings.Join(args, ", "))
	}
	return source
}
