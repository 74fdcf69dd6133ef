// Json encodes values directly to the output stream.
package main

import (
	"encoding/json"
	"os"

	"github.com/wasio-dev/wasio"
)

type planet struct {
	Name  string   `json:"name"`
	Moons []string `json:"moons"`
}

func main() {
	e := json.NewEncoder(wasio.Stdout())
	e.SetIndent("", "  ")
	err := e.Encode([]planet{
		{"Earth", []string{"Moon"}},
		{"Mars", []string{"Phobos", "Deimos"}},
		{"Venus", []string{}},
	})
	if err != nil {
		os.Exit(1)
	}
}
