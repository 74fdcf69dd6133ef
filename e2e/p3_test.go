package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/wasio-dev/wasio/e2e/guests/p3server/content"
	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/self"
)

const (
	p3Command = "../examples/p3command"
	p3Server  = "../examples/p3server"
)

// oneEach gives each request an instance of its own.
var oneEach = []string{"--max-instance-reuse-count", "1"}

// buildP3 builds a command or server of WASI 0.3 with a world of an example.
func buildP3(t *testing.T, toolchain component.Toolchain, world, dir, pkg string) (wasm string) {
	t.Helper()
	wit := p3Command + "/wit"
	if world == "server" {
		wit = p3Server + "/wit"
	}
	wasm = tempPath("p3.wasm")
	require.NoError(t, component.BuildP3(toolchain, wit, world, dir, pkg, wasm))
	return wasm
}

// eachP3 runs a test with Go and with TinyGo as they are.
func eachP3(t *testing.T, f func(t *testing.T, toolchain component.Toolchain)) {
	for _, toolchain := range []component.Toolchain{component.TinyGo, component.Go} {
		t.Run(string(toolchain), func(t *testing.T) {
			requireTools(t, toolchain)
			t.Parallel()
			f(t, toolchain)
		})
	}
}

// commandP3 returns the command line that runs a component of WASI 0.3 on Wasmtime.
func commandP3(t *testing.T, wasm string, args ...string) []string {
	t.Helper()
	program, err := component.Wasmtime()
	require.NoError(t, err)
	compiled, err := compileFor(wasmtime48, wasm)
	require.NoError(t, err)
	return append([]string{program, "run", "--allow-precompiled", compiled}, args...)
}

// runP3 runs a command of WASI 0.3.
func runP3(t *testing.T, wasm string, stdout stdoutMode, args ...string) *result {
	t.Helper()
	p := process{task: self.Task{Exec: commandP3(t, wasm, args...)}, stdout: stdout, limit: 3 * time.Minute}
	r, err := p.run()
	require.NoError(t, err)
	return r
}

// TestP3Command runs commands of WASI 0.3.
func TestP3Command(t *testing.T) {
	t.Parallel()
	eachP3(t, func(t *testing.T, toolchain component.Toolchain) {
		example := buildP3(t, toolchain, "app", p3Command, ".")
		wasm := buildP3(t, toolchain, "app", "", "./guests/p3command")
		var squares, lines, both bytes.Buffer
		for i := range 1000 {
			fmt.Fprintf(&squares, "%3d squared is %6d\n", i, i*i)
			fmt.Fprintf(&lines, "line %d\n", i)
			fmt.Fprintf(&both, "line %d\nline %d of WASI 0.2\n", i, i)
		}

		t.Run("example", func(t *testing.T) {
			t.Parallel()
			r := runP3(t, example, stdoutMode{})
			assert.Zero(t, r.exit)
			assertStdout(t, squares.Bytes(), r.stdout)
			assert.Equal(t, "1000 lines\n", string(r.stderr))
		})
		for name, mode := range map[string]stdoutMode{"pipe": {}, "file": {File: tempPath("stdout")}} {
			t.Run("lines, "+name, func(t *testing.T) {
				t.Parallel()
				r := runP3(t, wasm, mode, "lines")
				assert.Zero(t, r.exit)
				assertStdout(t, lines.Bytes(), r.stdout)
				assert.Equal(t, "n=1000 closed=false <nil>\n", string(r.stderr))
			})
		}
		t.Run("head", func(t *testing.T) {
			t.Parallel()
			one := len("in vain\n")
			r := runP3(t, wasm, stdoutMode{Stop: &one}, "fail")
			assert.Equal(t, 1, r.exit)
			assert.Equal(t, "in vain\n", string(r.stdout))
			var n int
			_, err := fmt.Sscanf(string(r.stderr), "n=%d closed=true wasio: write: stream closed by the reader\n", &n)
			assert.NoError(t, err, "stderr: %s", r.stderr)
			assert.Positive(t, n)
		})
		t.Run("full device", func(t *testing.T) {
			t.Parallel()
			r := runP3(t, wasm, stdoutMode{File: "/dev/full", Discard: true}, "fail")
			assert.Equal(t, 1, r.exit)
			assert.Equal(t, "n=0 closed=false wasio: write: input/output error\n", string(r.stderr))
		})
		t.Run("slow reader", func(t *testing.T) {
			t.Parallel()
			line := commandP3(t, wasm, "once")
			command := exec.Command(line[0], line[1:]...)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			stdout, err := command.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			got, err := io.ReadAll(&limited{r: stdout, rate: 10_000_000})
			require.NoError(t, err)
			require.NoError(t, command.Wait())
			assertStdout(t, bytes.Repeat([]byte("0123456789abcdef"), 3_000_000/16), got)
			assert.Equal(t, "n=3000000 closed=false <nil>\n", stderr.String())
		})
		t.Run("with WASI 0.2", func(t *testing.T) {
			t.Parallel()
			r := runP3(t, wasm, stdoutMode{}, "both")
			assert.Zero(t, r.exit)
			assertStdout(t, both.Bytes(), r.stdout)
			assert.Equal(t, "n=1000 closed=false <nil>\n", string(r.stderr))
		})
		t.Run("memory", func(t *testing.T) {
			t.Parallel()
			r := runP3(t, wasm, stdoutMode{}, "memory")
			assert.Zero(t, r.exit)
			assertStdout(t, lines.Bytes()[:bytes.Index(lines.Bytes(), []byte("line 100\n"))], r.stdout)
			assert.True(t, strings.HasSuffix(string(r.stderr), "\n99\nn=100 closed=false <nil>\n"), "%s", r.stderr)
		})
	})
}

// A limited reader reads rate bytes a second.
type limited struct {
	r     io.Reader
	rate  int
	start time.Time
	n     int
}

func (l *limited) Read(p []byte) (n int, err error) {
	if l.start.IsZero() {
		l.start = time.Now()
	}
	time.Sleep(time.Until(l.start.Add(time.Duration(l.n) * time.Second / time.Duration(l.rate))))
	n, err = l.r.Read(p[:min(len(p), 64<<10)])
	l.n += n
	return n, err
}

// sumOf returns the hash of size bytes of package content.
func sumOf(size int) (sum [sha256.Size]byte) {
	hash := sha256.New()
	io.Copy(hash, content.New(size))
	hash.Sum(sum[:0])
	return sum
}

// checkNoise checks a body of size bytes of package content.
func checkNoise(t *testing.T, body io.Reader, size int) {
	t.Helper()
	hash := sha256.New()
	n, err := io.Copy(hash, body)
	assert.NoError(t, err)
	assert.EqualValues(t, size, n)
	want := sumOf(size)
	assert.Equal(t, want[:], hash.Sum(nil))
}

// TestP3Server serves bodies of WASI 0.3 on the loopback interface.
func TestP3Server(t *testing.T) {
	t.Parallel()
	eachP3(t, func(t *testing.T, toolchain component.Toolchain) {
		example := buildP3(t, toolchain, "server", p3Server, ".")
		wasm := buildP3(t, toolchain, "server", "", "./guests/p3server")
		serveP3 := func(t *testing.T, wasm string, options ...string) *server {
			t.Parallel()
			return serve(t, wasmtime48, wasm, options...)
		}

		t.Run("example", func(t *testing.T) {
			s := serveP3(t, example, oneEach...)
			checkBodies(t, s)
		})
		t.Run("events", func(t *testing.T) {
			s := serveP3(t, example, oneEach...)
			response := s.get(t, "/events")
			assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
			in := bufio.NewScanner(response.Body)
			late := 0
			for i := range 20 {
				require.True(t, in.Scan())
				arrived := time.Now()
				var n int
				var written int64
				_, err := fmt.Sscanf(in.Text(), "data: event %d of %d", &n, &written)
				require.NoError(t, err)
				require.Equal(t, i, n)
				if arrived.Sub(time.UnixMilli(written)) >= 100*time.Millisecond {
					late++
				}
				require.True(t, in.Scan())
			}
			// The next event is 100 ms away: no event is held back until the next one comes. On a
			// busy machine some are late.
			assert.Less(t, late, 10)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, "/events: the host takes no more", s.line(t))
			checkPage(t, s)
		})
		t.Run("one Write", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			checkNoise(t, s.get(t, "/once").Body, 3_000_000)
			assert.Equal(t, "/once: n=3000000 closed=false <nil>", s.line(t))
		})
		t.Run("100 MB", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			checkNoise(t, &limited{r: s.get(t, "/large").Body, rate: 10_000_000}, 100_000_000)
			assert.Equal(t, "/large: n=100000000 closed=false <nil>", s.line(t))
		})
		t.Run("hang-up", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			response := s.get(t, "/forever")
			_, err := io.CopyN(io.Discard, response.Body, 1<<20)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			var n int
			line := s.line(t)
			_, err = fmt.Sscanf(line, "/forever: n=%d closed=true wasio: write: stream closed by the reader", &n)
			assert.NoError(t, err, line)
			assert.GreaterOrEqual(t, n, 1<<20)
			assert.Equal(t, "page", string(body(t, s.get(t, "/page"))))
		})
		t.Run("panic", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			response := s.get(t, "/panic")
			io.Copy(io.Discard, response.Body)
			assert.Equal(t, "page", string(body(t, s.get(t, "/page"))))
		})

		// The client does not read until the deadline has passed. n is exact: the guest goes on
		// with p[n:], and every byte arrives once.
		t.Run("deadline", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			response := s.get(t, "/stall")
			var n, micros int
			for previous := -1; n != previous; { // the first may come while buffers fill
				previous = n
				line := s.line(t)
				_, err := fmt.Sscanf(line, "/stall: timeout %d %d", &n, &micros)
				require.NoError(t, err, line)
			}
			t.Logf("a deadline of 1 s was met after %d µs", micros)
			assert.GreaterOrEqual(t, micros, 1_000_000)
			checkNoise(t, response.Body, 20_000_000)
			for line := s.line(t); line != "/stall: n=20000000 closed=false <nil>"; line = s.line(t) {
				assert.Contains(t, line, "timeout") // one more while this client wakes up
			}
		})
		t.Run("five at once", func(t *testing.T) {
			s := serveP3(t, wasm, oneEach...)
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() { checkNoise(t, s.get(t, "/once").Body, 3_000_000) })
			}
			wg.Wait()
		})

		// One client stalls, and two others come.
		for name, options := range map[string][]string{"instances reused": nil, "an instance each": oneEach} {
			t.Run("stalled client, "+name, func(t *testing.T) {
				s := serveP3(t, wasm, options...)
				stalled := s.get(t, "/forever")
				_, err := io.CopyN(io.Discard, stalled.Body, 1000)
				require.NoError(t, err)
				var wg sync.WaitGroup
				others := func() {
					for range 2 {
						wg.Go(func() { assert.Equal(t, "page", string(body(t, s.get(t, "/page")))) })
					}
				}
				if options != nil {
					others()
					wg.Wait()
					for range 2 {
						assert.Equal(t, "/page: n=0 closed=false <nil>", s.line(t))
					}
					require.NoError(t, stalled.Body.Close())
					assert.Contains(t, s.line(t), "/forever: n=")
					return
				}
				others()
				require.NoError(t, stalled.Body.Close())
				wg.Wait() // they are not held up for good
			})
		}
	})
}

// docs/building.md has the tools' messages for frequent mistakes, and the cures.
func TestP3Mistakes(t *testing.T) {
	requireTools(t, component.Go)
	t.Parallel()
	page, err := os.ReadFile("../docs/building.md")
	require.NoError(t, err)

	wit := filepath.Join(t.TempDir(), "wit")
	require.NoError(t, os.CopyFS(wit, os.DirFS(p3Command+"/wit")))
	world := "package example:p3command;\nworld app {\n  export wasi:cli/run@0.3.0;\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(wit, "world.wit"), []byte(world), 0o666))
	wasm := tempPath("p3.wasm")
	for message, build := range map[string]func() error{
		"failed to resolve import `wasi:cli/stdout@0.3.0::write-via-stream`": func() error {
			return component.BuildP3(component.Go, wit, "app", p3Command, ".", wasm)
		},
		"invalid reference to runtime.sbrk": func() error {
			return component.BuildP3(component.Go, p3Command+"/wit", "app", p3Command, ".", wasm, "-ldflags=")
		},
		"cannot leave component instance": func() error {
			err := component.BuildP3(component.Go, p3Command+"/wit", "app", p3Command, ".", wasm, "-buildmode=exe")
			require.NoError(t, err)
			return errors.New(string(runP3(t, wasm, stdoutMode{}).stderr))
		},
	} {
		assert.ErrorContains(t, build(), message)
		assert.Contains(t, string(page), message)
	}
}
