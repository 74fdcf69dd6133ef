package component

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/wasm"
)

const (
	custom = "\x00\x03\x01ab"           // a custom section named "a"
	before = "\x01\x04\x01\x60\x00\x00" // a type section: func()
	after  = "\x0b\x01\x00"             // an empty data section
)

func TestRaiseMemory(t *testing.T) {
	for _, test := range []struct {
		name, section string
		pages         uint32
		want          string
	}{
		{"one byte", "\x05\x03\x01\x00\x02", 16, "\x05\x03\x01\x00\x10"},
		{"longer number", "\x05\x03\x01\x00\x02", 1024, "\x05\x04\x01\x00\x80\x08"},
		{"with a maximum", "\x05\x05\x01\x01\x02\x80\x10", 1024, "\x05\x06\x01\x01\x80\x08\x80\x10"},
		{"large enough", "\x05\x04\x01\x00\x80\x10", 1024, "\x05\x04\x01\x00\x80\x10"},
		{"padded numbers", "\x05\x87\x80\x00\x81\x00\x00\x82\x80\x80\x00", 3, "\x05\x03\x01\x00\x03"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := RaiseMemory([]byte(wasm.ModuleHeader+before+custom+test.section+after), test.pages)
			require.NoError(t, err)
			assert.Equal(t, wasm.ModuleHeader+before+custom+test.want+after, string(got))
		})
	}
}

func TestRaiseMemoryRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		module string
		pages  uint32
	}{
		"empty":              {"", 1},
		"component":          {"\x00asm\x0d\x00\x01\x00", 1},
		"no memory":          {wasm.ModuleHeader + before + after, 1},
		"truncated section":  {wasm.ModuleHeader + "\x05\x7f", 1},
		"truncated size":     {wasm.ModuleHeader + "\x05\x80", 1},
		"empty section":      {wasm.ModuleHeader + "\x05\x00", 1},
		"truncated limits":   {wasm.ModuleHeader + "\x05\x03\x01\x00\x80", 1},
		"missing maximum":    {wasm.ModuleHeader + "\x05\x03\x01\x01\x02", 1},
		"two memories":       {wasm.ModuleHeader + "\x05\x05\x02\x00\x01\x00\x01", 1},
		"shared memory":      {wasm.ModuleHeader + "\x05\x04\x01\x03\x01\x02", 1},
		"beyond the maximum": {wasm.ModuleHeader + "\x05\x04\x01\x01\x02\x10", 17},
		"beyond 4 GiB":       {wasm.ModuleHeader + "\x05\x03\x01\x00\x02", 65537},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := RaiseMemory([]byte(test.module), test.pages)
			assert.Error(t, err)
		})
	}
}

func FuzzRaiseMemory(f *testing.F) {
	f.Add([]byte(wasm.ModuleHeader+before+"\x05\x03\x01\x00\x02"+after), uint32(1024))
	f.Fuzz(func(t *testing.T, module []byte, pages uint32) {
		raised, err := RaiseMemory(module, pages)
		if err != nil {
			return
		}
		again, err := RaiseMemory(raised, pages)
		require.NoError(t, err)
		assert.Equal(t, raised, again)
	})
}
