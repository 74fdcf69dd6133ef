package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/httpserver"
)

// requireOthers skips the test if a tool is missing that the other hosts need.
func requireOthers(t *testing.T) {
	t.Helper()
	for _, tool := range []func() (string, error){component.Wasmtime36, component.Wasmtime49, component.WasmtimePy, component.Wash} {
		if _, err := tool(); err != nil {
			missing(t, err.Error())
		}
	}
}

// TestOtherHosts runs some rows of the matrix, all of one guest, on the hosts that are not in it.
// They show how a host takes, flushes and fails; the other rows would repeat that.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	telling := []string{"copied", "both", "panic", "fatal", "fail", "failures", "stopped", "fair", "waits"}
	m := &matrix{name: "other hosts", hosts: others, cells: make(map[cell]string)}
	for _, r := range rows(t) {
		if r.pkg == casesGuest && slices.Contains(telling, r.args[0]) {
			m.rows = append(m.rows, r)
		}
	}
	t.Run("run", func(t *testing.T) {
		for _, toolchain := range component.Toolchains {
			t.Run(string(toolchain), func(t *testing.T) {
				requireTools(t, toolchain)
				requireOthers(t)
				t.Parallel()
				g, err := build(casesGuest, toolchain)
				require.NoError(t, err)
				for _, engine := range []software{wasmtime36, wasmtime49} {
					_, err := compileFor(engine, g.wasm)
					require.NoError(t, err)
				}
				for _, r := range m.rows {
					t.Run(r.name(), func(t *testing.T) { r.run(t, m, toolchain) })
				}
			})
		}
	})
	if !t.Failed() {
		m.checkReadme(t)
	}
}

// TestOtherServers serves a body of each example on these hosts, hangs up on them, and stops
// reading until a deadline ends the body.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	for _, server := range []struct {
		toolchain component.Toolchain
		build     func() (string, error)
		check     func(t *testing.T, s *server)
		endless   string
	}{
		{component.Componentize, buildServer, func(t *testing.T, s *server) {
			checkPage(t, s)
			checkDownload(t, s)
		}, "/download"},
		{component.TinyGo, buildHTTPBody, func(t *testing.T, s *server) {
			got := body(t, s.get(t, "/length"))
			assert.Equal(t, sha256.Sum256(bodyOf(1<<20)), sha256.Sum256(got))
		}, "/endless"},
	} {
		t.Run(string(server.toolchain), func(t *testing.T) {
			requireTools(t, server.toolchain)
			requireOthers(t)
			wasm, err := server.build()
			require.NoError(t, err)
			for _, host := range []software{wasmtime36, wasmtime49, wash} {
				t.Run(string(host), func(t *testing.T) {
					t.Parallel()
					s := serve(t, host, wasm)
					server.check(t, s)
					response := s.get(t, server.endless)
					_, err := io.ReadFull(response.Body, make([]byte, 1<<20))
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					for !strings.Contains(s.line(t), "the host takes no more") {
					}
					s.get(t, server.endless)
					for !strings.Contains(s.line(t), "the client does not read") {
					}
					server.check(t, s)
				})
			}
		})
	}
}

// TestWashService runs a command as a service of wash, which inherits the standard output.
func TestWashService(t *testing.T) {
	t.Parallel()
	for _, toolchain := range []component.Toolchain{component.Componentize, component.TinyGo} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			requireOthers(t)
			t.Parallel()
			wasm, err := buildComponent("github.com/wasio-dev/wasio/examples/hello", toolchain)
			require.NoError(t, err)
			address := freeAddress(t)
			p, err := httpserver.Start(address, "hello, component world", washDev(t, address, wasm, true)...)
			require.NoError(t, err)
			t.Cleanup(p.Stop)
			s := &server{p.URL, p.PID, p.Lines}
			for !strings.Contains(s.line(t), "service exited successfully") {
			}
		})
	}
}

// washDev returns the command that runs a component with `wash dev`.
func washDev(t *testing.T, address, wasm string, service bool) []string {
	t.Helper()
	program, err := component.Wash()
	require.NoError(t, err)
	config := tempPath("config.yaml")
	text := fmt.Sprintf("build:\n  command: \"true\"\n  component_path: %s\ndev:\n  address: %s\n  service: %t\n", wasm, address, service)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o666))
	dir := filepath.Dir(config) // of the project, of its configuration, and of the user
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, ".wash")))
	return []string{"env", "-C", dir, "HOME=" + dir, program, "--non-interactive", "dev"}
}

// A server whose port is in use ends, and the error says so.
func TestPortInUse(t *testing.T) {
	requireTools(t, component.Componentize)
	t.Parallel()
	wasm, err := buildServer()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for host, want := range map[software]string{wasmtime48: "Address already in use", jco: "EADDRINUSE"} {
		_, err := serveAt(t, l.Addr().String(), host, wasm)
		assert.ErrorContains(t, err, "the server has ended: ", host)
		assert.ErrorContains(t, err, want, host)
	}
}
