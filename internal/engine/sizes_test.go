package engine_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
)

// huge is 2³²-1 as a LEB128.
const huge = "\xff\xff\xff\xff\x0f"

// header and section make modules that a wasmtest.Module cannot describe.
const header = wasm.ModuleHeader

func section(id byte, content string) string {
	return string(wasm.AppendSection(nil, id, []byte(content)))
}

// runBytes runs a module with a host of its own.
func runBytes(t *testing.T, module string) (int, error) {
	t.Helper()
	return engine.Run(t.Context(), engine.Guest{Module: []byte(module), Host: host.New(host.Options{}), MemoryPages: 16})
}

// A module that lies about its sizes is refused before anything asks for the memory.
func TestModulesThatLieAboutSizes(t *testing.T) {
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
		"tables":                         section(4, huge),
		"second table":                   section(4, "\x02\x70\x00\x00"),
		"size of a table":                section(4, "\x01\x70\x00\x80"),
		"value of a table":               section(4, "\x01\x40\x00\x70\x00\x00\xd0"),
		"data":                           section(11, "\x01\x00\x41\x00\x0b"+huge),
		"passive data":                   section(11, "\x01\x01"+huge),
		"data of a memory":               section(11, "\x01\x02\x00\x41\x00\x0b"+huge),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runBytes(t, header+module)
			assert.EqualError(t, err, "invalid module: it has an impossible size or number")
		})
	}
	// Elements and expressions of all kinds pass if their sizes are true, and fail a later
	// check.
	for name, module := range map[string]string{
		"another type": section(1, "\x01\x5f"+huge),
		"types":        section(1, "\x01\x60\x02\x7f\x63\x70\x01\x7e"),
		"elements":     section(9, "\x05\x00\x41\x00\x0b\x01\x00\x01\x00\x01\x00\x02\x00\x41\x00\x0b\x00\x01\x00\x04\x42\x00\x0b\x01\xd2\x00\x0b\x05\x70\x01\xd0\x70\x0b"),
		"expression":   section(9, "\x01\x00\x43\x00\x00\x00\x00\x44\x00\x00\x00\x00\x00\x00\x00\x00\x23\x00\x6a\x0b\x00"),
		"locals":       section(10, "\x01\x07\x02\x03\x7f\x01\x64\x70\x0b"),
		"tables":       section(4, "\x05\x70\x00\x01\x70\x01\x01\x02\x63\x70\x00\x01\x40\x00\x70\x00\x01\xd0\x70\x0b\x40\x00\x64\x70\x01\x01\x02\xd2\x00\x0b"),
		"data":         section(11, "\x02\x00\x41\x00\x0b\x01x\x01\x01x"),
		"names":        section(0, "\x04name\x01\x06"+huge+"\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runBytes(t, header+module)
			assert.Error(t, err)
			assert.NotContains(t, err.Error(), "impossible")
		})
	}
}

// TestModulesThatAreTooLarge checks that a few bytes cannot ask for much memory, in many
// functions or tables.
func TestModulesThatAreTooLarge(t *testing.T) {
	vector := func(n int, element string) string {
		return string(wasm.AppendUint(nil, uint64(n))) + strings.Repeat(element, n)
	}
	// body has 50,000 local variables.
	body := string(wasm.AppendBytes(nil, []byte("\x01\xd0\x86\x03\x7f\x0b")))
	for name, c := range map[string]struct{ module, want string }{
		"locals":                             {section(1, "\x01\x60\x00\x00") + section(3, vector(201, "\x00")) + section(10, vector(201, body)), "local variables"},
		"tables":                             {section(4, vector(101, "\x70\x00\x00")), "tables"},
		"elements":                           {section(4, vector(64, "\x70\x00\x80\x80\x80\x40")), "elements of tables"},
		"exports":                            {section(7, vector(10_001, "\x00\x00\x00")), "exports"},
		"elements of a table with a maximum": {section(4, "\x01\x70\x01\x80\x80\x80\x40\x80\x80\x80\x40"), "elements of tables"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runBytes(t, header+c.module)
			assert.EqualError(t, err, "invalid module: too many "+c.want)
		})
	}
}

// TestTableLimit checks that table.grow ends at the limit of the engine, or at the maximum of
// the table.
func TestTableLimit(t *testing.T) {
	// grower exits with the number of times that it could grow one of two tables by 2^18.
	grower := func(limits string) string {
		exit := "\x04exit\x09proc_exit\x00\x01"
		exit = "\x16wasi_snapshot_preview1" + exit[5:]
		code := wasm.AppendBytes([]byte{1}, []byte("\x01\x01\x7f"+ // one local variable
			"\x03\x40"+"\xd0\x70\x41\x80\x80\x10\xfc\x0f\x01"+ // loop: table.grow
			"\x41\x7f\x47\x04\x40"+"\x20\x00\x41\x01\x6a\x21\x00\x0c\x01\x0b\x0b"+ // if so, again
			"\x20\x00\x10\x00\x0b"))
		return header + section(1, "\x02\x60\x00\x00\x60\x01\x7f\x00") + section(2, "\x01"+exit) + section(3, "\x01\x00") +
			section(4, "\x02\x70\x00\x01\x70"+limits) + section(7, "\x01\x06_start\x00\x01") + section(10, string(code))
	}
	exit, err := runBytes(t, grower("\x00\x00"))
	assert.NoError(t, err)
	assert.Equal(t, 8, exit, "half of 2^22 elements")
	exit, err = runBytes(t, grower("\x01\x00\x80\x80\x30"))
	assert.NoError(t, err)
	assert.Equal(t, 3, exit, "its maximum")
}

// TestModulesOnWhichTheEngineFails checks that a module on which wazero panics is an invalid one.
func TestModulesOnWhichTheEngineFails(t *testing.T) {
	// A function calls a later one, whose type does not exist.
	_, err := runBytes(t, header+section(1, "\x01\x60\x00\x00")+section(3, "\x02\x00\x05")+
		section(10, "\x02\x04\x00\x10\x01\x0b\x02\x00\x0b"))
	assert.EqualError(t, err, "invalid module: the engine failed: runtime error: index out of range [5] with length 1")
}

// TestNamesAreQuoted checks that errors quote names from a guest, which a terminal might obey.
func TestNamesAreQuoted(t *testing.T) {
	const name = "\x1b[2J\u202e\r\n"
	named := string(wasm.AppendBytes(nil, []byte(name)))
	function := section(1, "\x01\x60\x00\x00")
	for _, module := range []string{
		function + section(2, "\x01"+named+named+"\x00\x00"),
		function + section(2, "\x01\x16wasi_snapshot_preview1"+named+"\x00\x00") + section(3, "\x01\x00") +
			section(7, "\x01\x06_start\x00\x01") + section(10, "\x01\x02\x00\x0b"),
		section(5, "\x01\x00\x01") + section(7, "\x02"+strings.Repeat(named+"\x02\x00", 2)),
	} {
		_, err := runBytes(t, header+module)
		require.Error(t, err)
		assert.Contains(t, err.Error(), `\x1b[2J\u202e\r`)
		assert.False(t, bytes.ContainsAny([]byte(err.Error()), name[:1]+"\r\n"), err)
	}
}
