package fuzz

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
)

// maxMemory is what the process of a fuzz target may take.
const maxMemory = 2 << 30

// moduleOf returns a module made of the numbers in data: types, functions and tables. Their
// numbers and references are small, and often wrong or forward.
func moduleOf(data []byte) []byte {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	number := func() uint64 { // mostly a small one
		n := uint64(next())
		if n >= 0xf0 {
			n = 1 << (2 * (n & 0xf))
		}
		return n
	}
	valueType := func() byte { return []byte{0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x63}[next()%8] }
	vector := func(most byte, element func(b []byte) []byte) []byte {
		n := next() % (most + 1)
		b := []byte{n}
		for range n {
			b = element(b)
		}
		return b
	}
	types := func(b []byte) []byte {
		one := func(b []byte) []byte { return append(b, valueType()) }
		return append(append(append(b, 0x60), vector(2, one)...), vector(2, one)...)
	}
	index := func(b []byte) []byte { return wasm.AppendUint(b, number()) }
	limits := func(b []byte) []byte {
		if next()%2 == 0 {
			return index(append(b, 0))
		}
		return index(index(append(b, 1)))
	}
	constant := func(b []byte) []byte { return append(index(append(b, []byte{0x41, 0x23, 0xd2}[next()%3])), 0x0b) }
	operators := []byte{0x00, 0x01, 0x0f, 0x10, 0x11, 0x12, 0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x3f, 0x40, 0x41, 0x42, 0x6a, 0xd0, 0xd2, 0xfc}
	body := func(b []byte) []byte {
		code := vector(3, func(b []byte) []byte { return append(index(b), valueType()) })
		for range next() % 16 {
			switch op := operators[int(next())%len(operators)]; op {
			case 0x10, 0x12, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x41, 0x42, 0xd0, 0xd2:
				code = index(append(code, op))
			case 0x11:
				code = index(index(append(code, op)))
			case 0x3f, 0x40:
				code = append(code, op, 0)
			case 0xfc:
				code = index(index(append(code, op, 8+next()%10)))
			default:
				code = append(code, op)
			}
		}
		return wasm.AppendBytes(b, append(code, 0x0b))
	}
	exported := false
	export := func(b []byte) []byte {
		name := "memory"
		if !exported {
			name, exported = "_start", true
		}
		return index(append(wasm.AppendBytes(b, []byte(name)), next()%5))
	}

	m := []byte(wasm.ModuleHeader)
	section := func(id byte, content []byte) { m = wasm.AppendSection(m, id, content) }
	section(1, vector(4, types))
	section(3, vector(6, index))
	section(4, vector(3, func(b []byte) []byte { return limits(append(b, valueType())) }))
	section(5, vector(1, limits))
	section(6, vector(3, func(b []byte) []byte { return constant(append(b, valueType(), next()%2)) }))
	section(7, vector(3, export))
	if next()%4 == 0 {
		section(8, index(nil))
	}
	section(9, vector(3, func(b []byte) []byte { return append(constant(append(b, 0)), vector(4, index)...) }))
	section(10, vector(6, body))
	return m
}

// FuzzModule runs modules whose parts refer to each other, rightly and wrongly. An invalid module
// gives a one-line error that a terminal can show, and takes little memory.
func FuzzModule(f *testing.F) {
	f.Add([]byte{})
	// One type. Two functions, of which the first calls the second, whose type does not exist.
	f.Add([]byte{1, 0, 0, 2, 0, 5, 0, 0, 0, 0, 1, 0, 2, 0, 1, 3, 1, 0, 0})
	// One function, _start, which grows a table.
	f.Add([]byte{1, 0, 0, 1, 0, 1, 5, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 4, 20, 0x70, 17, 0xf9, 22, 7, 0, 0, 6})
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := host.New(host.Options{Clock: engine.Clock(ctx)})
		h.SetStdio(host.Stdout, host.Plan{Handles: 1000}, io.Discard)
		_, err := engine.Run(ctx, engine.Guest{
			Module:      moduleOf(data),
			Host:        h,
			Stdout:      io.Discard,
			Stderr:      io.Discard,
			MemoryPages: 64,
		})
		var trap *host.Trap
		if err != nil && !errors.As(err, &trap) && ctx.Err() == nil {
			require.Equal(t, -1, strings.IndexFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }), err)
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		require.Less(t, memory.Sys, uint64(maxMemory))
	})
}
