package wasm_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/wasio-dev/wasio/internal/wasm"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		want string
	}{{0, "\x00"}, {127, "\x7f"}, {128, "\x80\x01"}, {624485, "\xe5\x8e\x26"},
		{math.MaxUint64, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}} {
		assert.Equal(t, c.want, string(wasm.AppendUint(nil, c.n)))
		r := wasm.NewReader([]byte(c.want + "x"))
		assert.Equal(t, c.n, r.Uint())
		assert.Equal(t, "x", string(r.Rest()))
	}
	for _, c := range []struct {
		n    int64
		want string
	}{{0, "\x00"}, {63, "\x3f"}, {64, "\xc0\x00"}, {-1, "\x7f"}, {-64, "\x40"}, {-65, "\xbf\x7f"}, {-123456, "\xc0\xbb\x78"}} {
		assert.Equal(t, c.want, string(wasm.AppendInt(nil, c.n)))
	}
	r := wasm.NewReader([]byte("\x85\x80\x80\x80\x00")) // as linkers write it, to be patched
	assert.EqualValues(t, 5, r.Uint())
	assert.True(t, r.OK())
}

// TestReaderFails checks that a Reader that was asked for what is not there returns zeros.
func TestReaderFails(t *testing.T) {
	for name, read := range map[string]func(r *wasm.Reader){
		"byte":   func(r *wasm.Reader) { r.Skip(2); r.Byte() },
		"skip":   func(r *wasm.Reader) { r.Skip(3) },
		"number": func(r *wasm.Reader) { r.Skip(1); r.Uint() },
		"count":  func(r *wasm.Reader) { assert.Zero(t, r.Count()) },
		"bytes":  func(r *wasm.Reader) { assert.Empty(t, r.Bytes()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := wasm.NewReader([]byte{2, 0x80})
			read(r)
			assert.False(t, r.OK())
			assert.Zero(t, r.Len())
			assert.Zero(t, r.Byte())
			assert.Zero(t, r.Uint())
		})
	}
}

func TestSections(t *testing.T) {
	b := wasm.AppendSection(wasm.AppendSection([]byte(wasm.ModuleHeader), 1, nil), 7, []byte("content"))
	one, seven := wasm.Section{ID: 1, Content: []byte{}}, wasm.Section{ID: 7, Content: []byte("content")}
	sections, ok := wasm.Sections(b)
	assert.True(t, ok)
	assert.Equal(t, []wasm.Section{one, seven}, sections)
	for n := range len(b) {
		sections, ok := wasm.Sections(b[:n])
		assert.Equal(t, n == len(wasm.ModuleHeader) || n == len(wasm.ModuleHeader)+2, ok, n)
		assert.Equal(t, n >= len(wasm.ModuleHeader)+2, len(sections) == 1, n)
	}
}
