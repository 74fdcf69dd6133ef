package choices_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio/internal/choices"
)

func TestEachPathOnce(t *testing.T) {
	var paths []string
	var p choices.Path
	for more := true; more; more = p.Advance() {
		var first, again string
		for _, path := range []*string{&first, &again} {
			*path = fmt.Sprint(p.Next(2))
			if *path == "1" { // later choices depend on earlier ones
				*path += fmt.Sprint(p.Next(3))
			}
			p.Repeat()
		}
		assert.Equal(t, first, again)
		paths = append(paths, first)
	}
	assert.Equal(t, []string{"0", "10", "11", "12"}, paths)
}
