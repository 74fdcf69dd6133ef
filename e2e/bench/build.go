package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// build makes the guest, or its counting variant, and returns it compiled for Wasmtime.
func build(folder string, with component.Toolchain, counting bool) (string, error) {
	if !wasmtime.Available {
		return "", errors.New("no cgo, which Wasmtime needs: install a C compiler, and set CGO_ENABLED=1")
	}
	module, name := ".", string(with)
	if counting {
		name += "-counting"
	}
	wasm := filepath.Join(folder, name+".wasm")
	compiled := filepath.Join(folder, name+".compiled")
	if _, err := os.Stat(compiled); err == nil {
		return compiled, nil
	}
	if counting {
		module = filepath.Join(folder, "copy", "e2e")
		if err := copyCounting(filepath.Dir(module)); err != nil {
			return "", err
		}
	}
	var flags []string
	if with == component.TinyGo {
		if _, err := exec.LookPath("tinygo"); err != nil {
			return "", errors.New("TinyGo is not on the PATH: PATH=$(.ci/tinygo):$PATH installs and adds it")
		}
		flags = []string{"-opt=2"}
	}
	if err := component.Build(with, module, "./bench/guest", wasm, flags...); err != nil {
		return "", err
	}
	_, err := job{From: wasm, To: compiled}.do()
	return compiled, err
}

// copyCounting copies what the guest is made of, of this module and of wasio, and puts a
// function that counts before every function that the host provides.
func copyCounting(to string) error {
	sources, err := filepath.Glob("../*.go")
	if err != nil {
		return err
	}
	for _, folder := range []string{"../generated", "bench/guest", "bench/calls"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				sources = append(sources, path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	sources = append(sources, "../go.mod", "../go.sum", "go.mod", "go.sum")
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if filepath.Ext(source) == ".go" {
			if text, err = counting(text); err != nil {
				return err
			}
		}
		target := filepath.Join(to, "e2e", source)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(target, text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// counting renames each function without a body in a Go file, and adds one of its name
// that counts and calls it.
func counting(source []byte) ([]byte, error) {
	if !bytes.Contains(source, []byte("\n//go:wasmimport ")) {
		return source, nil
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	offset := func(p token.Pos) int { return files.Position(p).Offset }
	var out, more bytes.Buffer
	done := offset(file.Name.End())
	out.Write(source[:done])
	out.WriteString("\n\nimport hostcalls \"github.com/wasio-dev/wasio/e2e/bench/calls\"\n")
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body != nil {
			continue
		}
		var args []string
		for _, param := range f.Type.Params.List {
			for _, name := range param.Names {
				args = append(args, name.Name)
			}
		}
		result := ""
		if f.Type.Results != nil {
			result = "return "
		}
		at := offset(f.Name.Pos())
		out.Write(source[done:at])
		out.WriteString("uncounted_")
		done = at
		fmt.Fprintf(&more, "\nfunc %s {\n\thostcalls.N++\n\t%suncounted_%s(%s)\n}\n",
			source[at:offset(f.Type.End())], result, f.Name.Name, strings.Join(args, ", "))
	}
	out.Write(source[done:])
	out.Write(more.Bytes())
	return out.Bytes(), nil
}
