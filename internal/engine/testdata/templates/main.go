// Templates prints through package text/template, which makes the linker keep all exported
// methods of the Writer.
package main

import (
	"os"
	"text/template"

	"github.com/wasio-dev/wasio"
)

func main() {
	if err := template.Must(template.New("").Parse("{{.}}\n")).Execute(wasio.Stderr(), "hello"); err != nil {
		os.Exit(1)
	}
}
