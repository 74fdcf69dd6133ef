// Oldjson converts the output of a current `wasm-tools component wit -j` to the format that
// wasm-tools-go v0.3.2 reads, in which a function has a list of results.
package main

import (
	"encoding/json"
	"log"
	"os"
)

type object = map[string]any

func main() {
	var wit object
	if err := json.NewDecoder(os.Stdin).Decode(&wit); err != nil {
		log.Fatal(err)
	}
	for _, i := range wit["interfaces"].([]any) {
		for _, f := range i.(object)["functions"].(object) {
			results := []any{}
			if result, ok := f.(object)["result"]; ok && result != nil {
				results = append(results, object{"type": result})
			}
			f.(object)["results"] = results
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(wit); err != nil {
		log.Fatal(err)
	}
}
