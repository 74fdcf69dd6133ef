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

// A toolchain makes guests.
type toolchain string

const (
	tinyGo toolchain = "TinyGo"
	stdGo  toolchain = "Go"
)

var toolchains = []toolchain{tinyGo, stdGo}

// memoryPages is the initial memory of a guest that Go has compiled: see the README.
const memoryPages = 2048

// build makes the guest, or its counting variant, and returns it compiled for Wasmtime.
func build(folder string, with toolchain, counting bool) (string, error) {
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
	switch with {
	case tinyGo:
		if _, err := exec.LookPath("tinygo"); err != nil {
			return "", errors.New("TinyGo is not on the PATH: PATH=$(.ci/tinygo):$PATH installs and adds it")
		}
		err := command(module, nil, "tinygo", "build", "-target=wasip2", "-opt=2", "-o", wasm, "./bench/guest")
		if err != nil {
			return "", err
		}
	case stdGo:
		core := filepath.Join(folder, name+".core.wasm")
		if err := command(module, goEnv, "go", "build", "-o", core, "./bench/guest"); err != nil {
			return "", err
		}
		bytes, err := os.ReadFile(core)
		if err != nil {
			return "", err
		}
		if bytes, err = component.RaiseMemory(bytes, memoryPages); err != nil {
			return "", err
		}
		if err := os.WriteFile(core, bytes, 0o600); err != nil {
			return "", err
		}
		if err := command(".", nil, "node", "component.mjs", "../wit", "imports", core, wasm); err != nil {
			return "", err
		}
	}
	_, err := job{From: wasm, To: compiled}.do()
	return compiled, err
}

var goEnv = []string{"GOOS=wasip1", "GOARCH=wasm"}

// command runs a tool, which must succeed.
func command(folder string, env []string, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = folder
	c.Env = append(os.Environ(), env...)
	said, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// installed makes sure that jco is there.
func installed() error {
	if _, err := os.Stat("node_modules/@bytecodealliance/jco"); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return command(".", nil, "npm", "install", "--no-save", "--no-audit", "--no-fund")
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
