package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// huge is 2³²-1 as a LEB128.
const huge = "\xff\xff\xff\xff\x0f"

// A module that lies about its sizes is refused before anything asks for the memory.
func TestModulesThatLieAboutSizes(t *testing.T) {
	const header = "\x00asm\x01\x00\x00\x00"
	section := func(id byte, content string) string {
		return string([]byte{id, byte(len(content))}) + content
	}
	for name, module := range map[string]string{
		"section":                        "\x01" + huge,
		"section, truncated":             "\x01\xff",
		"types":                          section(1, huge),
		"parameters":                     section(1, "\x01\x60"+huge),
		"results":                        section(1, "\x01\x60\x00"+huge),
		"imports":                        section(2, huge),
		"functions":                      section(3, huge),
		"exports":                        section(7, huge),
		"elements":                       section(9, huge),
		"functions in a table":           section(9, "\x01\x00\x41\x00\x0b"+huge),
		"functions in a second table":    section(9, "\x01\x02\x00\x41\x00\x0b\x00"+huge),
		"expressions in a passive table": section(9, "\x01\x05\x70"+huge),
		"expression without end":         section(9, "\x01\x04\x41\x00"),
		"bodies":                         section(10, huge),
		"body":                           section(10, "\x01"+huge),
		"groups of locals":               section(10, "\x01\x06"+huge+"\x0b"),
		"locals":                         section(10, "\x01\x08\x01"+huge+"\x7f\x0b"),
		"data":                           section(11, "\x01\x00\x41\x00\x0b"+huge),
		"passive data":                   section(11, "\x01\x01"+huge),
		"data of a memory":               section(11, "\x01\x02\x00\x41\x00\x0b"+huge),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := engine.Run(t.Context(), engine.Guest{Module: []byte(header + module), Host: host.New(host.Options{})})
			assert.EqualError(t, err, "invalid module: a size or number in it cannot be true")
		})
	}
	// All kinds of elements and expressions that are as they say pass, here to the next check.
	for name, module := range map[string]string{
		"another type": section(1, "\x01\x5f"+huge),
		"types":        section(1, "\x01\x60\x02\x7f\x63\x70\x01\x7e"),
		"elements":     section(9, "\x05\x00\x41\x00\x0b\x01\x00\x01\x00\x01\x00\x02\x00\x41\x00\x0b\x00\x01\x00\x04\x42\x00\x0b\x01\xd2\x00\x0b\x05\x70\x01\xd0\x70\x0b"),
		"expression":   section(9, "\x01\x00\x43\x00\x00\x00\x00\x44\x00\x00\x00\x00\x00\x00\x00\x00\x23\x00\x6a\x0b\x00"),
		"locals":       section(10, "\x01\x07\x02\x03\x7f\x01\x64\x70\x0b"),
		"data":         section(11, "\x02\x00\x41\x00\x0b\x01x\x01\x01x"),
		"names":        section(0, "\x04name\x01\x06"+huge+"\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := engine.Run(t.Context(), engine.Guest{Module: []byte(header + module), Host: host.New(host.Options{})})
			assert.Error(t, err)
			assert.NotContains(t, err.Error(), "cannot be true")
		})
	}
}
