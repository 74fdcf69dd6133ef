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

// build compiles the guest, or its counting variant, for Wasmtime and returns the name of the
// compiled file in dir.
func build(dir string, toolchain component.Toolchain, counting bool) (string, error) {
	if !wasmtime.Available {
		return "", errors.New("no cgo, which Wasmtime needs: install a C compiler, and set CGO_ENABLED=1")
	}
	module, name := ".", string(toolchain)
	if counting {
		name += "-counting"
	}
	wasm := filepath.Join(dir, name+".wasm")
	compiled := filepath.Join(dir, name+".compiled")
	if _, err := os.Stat(compiled); err == nil {
		return compiled, nil
	}
	if counting {
		root := filepath.Join(dir, "copy")
		module = filepath.Join(root, "e2e")
		if err := copyCounting(root); err != nil {
			return "", err
		}
	}
	var flags []string
	if toolchain == component.TinyGo {
		if _, err := exec.LookPath("tinygo"); err != nil {
			return "", errors.New("TinyGo is not on the PATH: PATH=$(.ci/tinygo):$PATH installs and adds it")
		}
		flags = []string{"-opt=2"}
	}
	// The guest also imports blocking-write-and-flush.
	wit, err := os.MkdirTemp("", "wasio-bench-wit")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(wit)
	if err := copyWIT(wit); err != nil {
		return "", err
	}
	if err := component.BuildWIT(wit, toolchain, module, "./bench/guest", wasm, flags...); err != nil {
		return "", err
	}
	_, err = job{From: wasm, To: compiled}.do()
	return compiled, err
}

// copyWIT copies ../wit to dir and adds blocking-write-and-flush.
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
	before, after, ok := strings.Cut(string(text), resource)
	if !ok {
		return fmt.Errorf("%s has no %q", file, resource)
	}
	return os.WriteFile(file, []byte(before+resource+function+after), 0o666)
}

// copyCounting copies the sources of the guest, from this module and from wasio, to dir. In
// the copy a call of an imported function is counted.
func copyCounting(dir string) error {
	sources, err := filepath.Glob("../*.go")
	if err != nil {
		return err
	}
	for _, root := range []string{"../generated", "../internal/platform", "bench/guest", "bench/loops", "bench/calls"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
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
			if text, err = addCounting(text); err != nil {
				return err
			}
		}
		target := filepath.Join(dir, "e2e", source)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(target, text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// addCounting renames each imported function in a Go file and adds a function with its old
// name that counts the call and makes it.
func addCounting(source []byte) ([]byte, error) {
	if !bytes.Contains(source, []byte("\n//go:wasmimport ")) {
		return source, nil
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	var out, added bytes.Buffer
	copied := offset(file.Name.End())
	out.Write(source[:copied])
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
		out.Write(source[copied:at])
		out.WriteString("uncounted_")
		copied = at
		fmt.Fprintf(&added, "\nfunc %s {\n\thostcalls.Add(%q)\n\t%suncounted_%s(%s)\n}\n",
			source[at:offset(f.Type.End())], importName(f), result, f.Name.Name, strings.Join(args, ", "))
	}
	out.Write(source[copied:])
	out.Write(added.Bytes())
	return out.Bytes(), nil
}

// importName returns the name that f has in the interface that it is imported from.
func importName(f *ast.FuncDecl) string {
	for _, comment := range f.Doc.List {
		if fields := strings.Fields(comment.Text); len(fields) == 3 && fields[0] == "//go:wasmimport" {
			return fields[2]
		}
	}
	return ""
}
