package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/engine/testdata/script"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// build compiles a package for GOOS=wasip1 and returns the module.
func build(pkg string) ([]byte, error) { return buildBy("go", wasip1, pkg, "-ldflags=-s -w") }

var wasip1 = []string{"GOOS=wasip1", "GOARCH=wasm"}

// buildBy returns what a toolchain builds, with variables added to its environment.
func buildBy(toolchain string, env []string, pkg string, flags ...string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command(toolchain, append(append([]string{"build", "-o", out}, flags...), pkg)...)
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	return os.ReadFile(out)
}

// testGuest returns the module of testdata/guest, which is compiled once.
var testGuest = sync.OnceValues(func() ([]byte, error) { return build("./testdata/guest") })

// A result is the outcome of a run of testdata/guest.
type result struct {
	exit   int
	err    error
	stream string // written through wasio.Stdout
	stdout string // written through os.Stdout
	stderr string // written through either standard error
	host   *host.Host
}

// runGuest runs testdata/guest. Its wasio.Stdout is a stream that follows the plan p.
func runGuest(t *testing.T, o host.Options, p host.Plan, stdin io.Reader, args ...string) result {
	t.Helper()
	module, err := testGuest()
	require.NoError(t, err)
	var stream, stdout, stderr bytes.Buffer
	h := host.New(o)
	h.SetStdio(host.Stdout, p, &stream)
	h.SetStdio(host.Stderr, host.Plan{}, &stderr)
	exit, err := engine.Run(t.Context(), engine.Guest{Module: module, Args: append([]string{"guest"}, args...), Host: h,
		Stdin: stdin, Stdout: &stdout, Stderr: &stderr, Cache: cache})
	return result{exit, err, stream.String(), stdout.String(), stderr.String(), h}
}

// slow is a plan with small permits, waits and slow flushes.
var slow = host.Plan{Permits: []uint64{7, 0, 0, 1, 0, 64}, FlushWaits: []int{2, 0}, Hold: true}

func TestGuestPrints(t *testing.T) {
	for name, plan := range map[string]host.Plan{"synchronous": {}, "slow": slow} {
		t.Run(name, func(t *testing.T) {
			r := runGuest(t, host.Options{}, plan, nil, "print", "héllo", "component", "world")
			require.NoError(t, r.err)
			assert.Zero(t, r.exit)
			assert.Equal(t, "héllo component world", r.stream)
			assert.Equal(t, "to stderr", r.stderr)
			assert.Empty(t, r.stdout)
			assert.Len(t, r.host.Live(), 2, "only the standard streams are left")
		})
	}
}

func TestGuestWritesMuch(t *testing.T) {
	for _, c := range []struct {
		size string
		plan host.Plan
	}{
		{"3000000", host.Plan{}},
		{"3000000", host.Plan{Permits: []uint64{1 << 20, 0}, FlushWaits: []int{1}, Hold: true}},
		{"20000", slow},
	} {
		r := runGuest(t, host.Options{}, c.plan, nil, "large", c.size)
		require.NoError(t, r.err)
		require.Zero(t, r.exit, r.stderr)
		assert.Equal(t, c.size, fmt.Sprint(len(r.stream)))
		wrong := 0
		for i := range r.stream {
			if r.stream[i] != byte(i*i>>3) {
				wrong++
			}
		}
		assert.Zero(t, wrong)
	}
}

func TestGuestCopies(t *testing.T) {
	text := strings.Repeat("line of input\n", 5000)
	r := runGuest(t, host.Options{}, host.Plan{Permits: []uint64{1000}}, strings.NewReader(text), "copy")
	require.NoError(t, r.err)
	assert.Zero(t, r.exit)
	assert.Equal(t, text, r.stream)
}

func TestGuestEnds(t *testing.T) {
	for _, c := range []struct {
		args   []string
		exit   int
		stderr string
	}{
		{[]string{"exit", "0"}, 0, ""},
		{[]string{"exit", "3"}, 3, ""},
		{[]string{"exit", "255"}, 255, ""},
		{[]string{"panic"}, 2, "panic: on purpose"},
		{[]string{"deadlock"}, 2, "fatal error: all goroutines are asleep - deadlock!"},
		{[]string{"sleep"}, 0, ""},
		{nil, 2, "panic: runtime error: index out of range [1] with length 1"},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			r := runGuest(t, host.Options{}, host.Plan{}, nil, c.args...)
			require.NoError(t, r.err)
			assert.Equal(t, c.exit, r.exit)
			line, _, _ := strings.Cut(r.stderr, "\n")
			assert.Equal(t, c.stderr, line)
		})
	}
}

func TestGuestHasRandomNumbers(t *testing.T) {
	a, b := runGuest(t, host.Options{}, host.Plan{}, nil, "random"), runGuest(t, host.Options{}, host.Plan{}, nil, "random")
	assert.NotEmpty(t, a.stdout)
	assert.NotEqual(t, a.stdout, b.stdout)
}

// TestGuestAlternatesStandardOutputs checks that writes to os.Stdout and wasio.Stdout stay
// in order if both end in the same place.
func TestGuestAlternatesStandardOutputs(t *testing.T) {
	module, err := testGuest()
	require.NoError(t, err)
	var out bytes.Buffer
	h := host.New(host.Options{})
	h.SetStdio(host.Stdout, slow, &out)
	exit, err := engine.Run(t.Context(), engine.Guest{Module: module, Args: []string{"guest", "alternate"}, Host: h, Stdout: &out, Cache: cache})
	require.NoError(t, err)
	assert.Zero(t, exit)
	var want strings.Builder
	for i := range 20 {
		fmt.Fprintf(&want, "os %d\nwasio %d\n", i, i)
	}
	assert.Equal(t, want.String(), out.String())
}

func TestGuestWritesFromManyGoroutines(t *testing.T) {
	for name, plan := range map[string]host.Plan{
		"synchronous": {},
		"slow":        {Permits: []uint64{11, 0, 3}, FlushWaits: []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := runGuest(t, host.Options{}, plan, nil, "together")
			require.NoError(t, r.err)
			require.Zero(t, r.exit, r.stderr)
			seen := make(map[string]int)
			for line := range strings.Lines(r.stream) {
				seen[line]++
			}
			assert.Len(t, seen, 8)
			for i := range 8 {
				assert.Equal(t, 20, seen[strings.Repeat(string(rune('a'+i)), 30+i)+"\n"])
			}
		})
	}
}

// TestGuestLetsOthersRunBeforeItWaits checks that a Write that must wait lets another
// goroutine run before it blocks the program.
func TestGuestLetsOthersRunBeforeItWaits(t *testing.T) {
	var events []string
	record := writerFunc(func(p []byte) (int, error) {
		events = append(events, string(p))
		return len(p), nil
	})
	module, err := testGuest()
	require.NoError(t, err)
	h := host.New(host.Options{OnCall: func(c *host.Call) {
		if c.Op == host.OpBlock {
			events = append(events, "block")
		}
	}})
	// Go's scheduler checks its global queue every 61st time, and may then resume the
	// goroutine that has just yielded. It does not do so twice in a row.
	h.SetStdio(host.Stdout, host.Plan{Permits: []uint64{0, 0, 100}}, record)
	_, err = engine.Run(t.Context(), engine.Guest{Module: module, Args: []string{"guest", "yield"}, Host: h, Stdout: record, Cache: cache})
	require.NoError(t, err)
	require.Contains(t, events, "another goroutine\n")
	require.Contains(t, events, "after a wait\n")
	var blocks int
	for _, e := range events[:slices.Index(events, "another goroutine\n")] {
		assert.Equal(t, "block", e)
		blocks++
	}
	assert.LessOrEqual(t, blocks, 1)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestGuestIsToldOfFailures(t *testing.T) {
	fault := func(at string, f host.Fault) host.Plan {
		f.At = at
		return host.Plan{Faults: []host.Fault{f}}
	}
	for _, c := range []struct {
		name string
		plan host.Plan
		exit int
		want string
	}{
		{"closed", fault(host.AtCheckWrite, host.Fault{Closed: true}), 4, "0 wasio: check-write: stream closed by the host true\n"},
		{"closed at write", fault(host.AtWrite, host.Fault{Closed: true}), 4, "0 wasio: write: stream closed by the host true\n"},
		{"failed", fault(host.AtWrite, host.Fault{}), 4, "0 wasio: write: last operation failed false\n"},
		{"failed at flush", fault(host.AtFlush, host.Fault{}), 4, "4 wasio: flush: last operation failed false\n"},
		{"failed in the flush", fault(host.AtFlushed, host.Fault{}), 4, "4 wasio: check-write: last operation failed false\n"},
		{"full", host.Plan{Capacity: 2}, 4, "2 wasio: check-write: stream closed by the host true\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runGuest(t, host.Options{}, c.plan, nil, "failing")
			require.NoError(t, r.err)
			assert.Equal(t, c.exit, r.exit)
			assert.Equal(t, c.want+"0"+c.want[1:], r.stdout, "first and second Write")
			assert.Equal(t, []string{"output-stream(1)"}, r.host.Live())
		})
	}
}

// TestGuestHangIsATrap checks that the model host reports a hang as a trap (C36). On a
// host that loses wake-ups, a guest hangs if it waits for the stream alone.
func TestGuestHangIsATrap(t *testing.T) {
	plan, err := host.Named("wasmtime-22-async")
	require.NoError(t, err)
	r := runGuest(t, host.Options{Clock: new(host.VirtualClock)}, plan, nil, "print", "issue 8781")
	var trap *host.Trap
	require.ErrorAs(t, r.err, &trap)
	assert.Equal(t, "the guest hangs: it waits for a wake-up that never comes", trap.Reason)
}

// TestHelloImportsWhatItUses checks that a guest imports only the functions that it uses,
// since some hosts lack the others (C40). Hello sets no deadline, so it imports neither
// pollable.ready nor a clock.
func TestHelloImportsWhatItUses(t *testing.T) {
	module, err := build("../../examples/hello")
	require.NoError(t, err)
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(context.Background())
	compiled, err := runtime.CompileModule(t.Context(), module)
	require.NoError(t, err)
	var imported []string
	for _, f := range compiled.ImportedFunctions() {
		if from, name, _ := f.Import(); from != "wasi_snapshot_preview1" {
			imported = append(imported, from+" "+name)
		}
	}
	slices.Sort(imported)
	assert.Equal(t, []string{
		"wasi:cli/stdout@0.2.0 get-stdout",
		"wasi:io/error@0.2.0 [resource-drop]error",
		"wasi:io/poll@0.2.0 [method]pollable.block",
		"wasi:io/poll@0.2.0 [resource-drop]pollable",
		"wasi:io/streams@0.2.0 [method]output-stream.check-write",
		"wasi:io/streams@0.2.0 [method]output-stream.flush",
		"wasi:io/streams@0.2.0 [method]output-stream.subscribe",
		"wasi:io/streams@0.2.0 [method]output-stream.write",
	}, imported)
}

// A scenario is a script and the plan of the stream that it writes to.
type scenario struct {
	plan   host.Plan
	script string
}

// randomScenario returns a scenario that depends on the seed alone.
func randomScenario(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 8781))
	var s scenario
	for range r.IntN(8) {
		s.plan.Permits = append(s.plan.Permits, make([]uint64, r.IntN(3))...)
		s.plan.Permits = append(s.plan.Permits, 1+r.Uint64N(1<<r.IntN(12)))
	}
	for range r.IntN(4) {
		s.plan.FlushWaits = append(s.plan.FlushWaits, r.IntN(3))
	}
	s.plan.Hold = r.IntN(2) == 0
	s.plan.Background = r.IntN(4) == 0
	s.plan.Latch = r.IntN(4) == 0
	switch r.IntN(6) {
	case 0:
		s.plan.Capacity = 1 + r.Uint64N(2000)
	case 1:
		s.plan.Faults = []host.Fault{{At: []string{host.AtCheckWrite, host.AtWrite, host.AtFlush, host.AtFlushed}[r.IntN(4)], Call: 1 + r.IntN(8),
			Closed: r.IntN(2) == 0, Then: host.Then(r.IntN(3))}}
	}

	words := []string{}
	add := func(op string, n int) { words = append(words, fmt.Sprint(op, n)) }
	ops := "wwwsrf"
	if r.IntN(2) == 0 {
		add("b", 16<<r.IntN(8))
		add("l", r.IntN(2))
		ops = "wwwssrfcuul"
	}
	for range 1 + r.IntN(12) {
		switch op := ops[r.IntN(len(ops))]; op {
		case 'c':
			add("c", int("\nxyz"[r.IntN(4)]))
		case 'u':
			add("u", []int{'\n', 'é', '€', '😀', -1}[r.IntN(5)])
		case 'l':
			add("l", r.IntN(2))
		default:
			add(string(op), r.IntN(1<<r.IntN(12)))
		}
	}
	s.script = strings.Join(words, " ")
	return s
}

// An outcome is everything that can be observed of a scenario.
type outcome struct {
	Results string
	Bytes   string
	Calls   []string
}

var handlePattern = regexp.MustCompile(`(output-stream|pollable|error)\((\d+)\)`)

// normalize formats calls with their handles renumbered in order of appearance. It omits
// calls of get-stdout, and of to-debug-string, which Go cannot import in a guest.
func normalize(calls []host.Call) []string {
	numbers := make(map[string]string)
	var lines []string
	for _, c := range calls {
		if c.Op == host.OpGetStdout || c.Op == host.OpDebugString {
			continue
		}
		lines = append(lines, handlePattern.ReplaceAllStringFunc(c.String(), func(s string) string {
			if numbers[s] == "" {
				numbers[s] = fmt.Sprintf("%s#%d", s[:strings.Index(s, "(")], len(numbers))
			}
			return numbers[s]
		}))
	}
	return lines
}

// runNatively runs a scenario in this process.
func runNatively(t *testing.T, s scenario) outcome {
	var calls []host.Call
	var out bytes.Buffer
	h := host.New(host.Options{Clock: new(host.VirtualClock), OnCall: func(c *host.Call) { calls = append(calls, *c) }})
	base, err := native.Expose(h)
	require.NoError(t, err)
	defer native.Withdraw(base)
	results := script.Run(wasio.NewWriter(base|h.NewStream(s.plan, &out)), s.script)
	return outcome{results, out.String(), normalize(calls)}
}

// A feeder is the standard input of a guest that runs scripts. Each Read returns the next
// script and replaces the guest's standard output by a stream that follows its plan.
type feeder struct {
	host      *host.Host
	scenarios []scenario
	calls     [][]host.Call   // by scenario
	outs      []*bytes.Buffer // by scenario
}

func (f *feeder) Read(p []byte) (int, error) {
	n := len(f.outs)
	if n == len(f.scenarios) {
		return 0, io.EOF
	}
	f.outs = append(f.outs, new(bytes.Buffer))
	f.calls = append(f.calls, nil)
	f.host.SetStdio(host.Stdout, f.scenarios[n].plan, f.outs[n])
	return copy(p, f.scenarios[n].script+"\n"), nil
}

// TestGuestDoesWhatNativeProgramsDo checks that a script makes the same host calls,
// returns the same results and writes the same bytes in a guest and in this process. On a
// virtual clock no Read takes so long that it is flushed at once.
func TestGuestDoesWhatNativeProgramsDo(t *testing.T) {
	var f feeder
	for seed := range uint64(120) {
		f.scenarios = append(f.scenarios, randomScenario(seed))
	}
	module, err := testGuest()
	require.NoError(t, err)
	f.host = host.New(host.Options{Clock: new(host.VirtualClock), OnCall: func(c *host.Call) {
		last := &f.calls[len(f.calls)-1]
		*last = append(*last, *c)
	}})
	var stdout, stderr bytes.Buffer
	exit, err := engine.Run(t.Context(), engine.Guest{Module: module, Args: []string{"guest", "scripts"}, Host: f.host,
		Stdin: &f, Stdout: &stdout, Stderr: &stderr, Cache: cache})
	require.NoError(t, err)
	require.Zero(t, exit, stderr.String())
	results := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	require.Len(t, results, len(f.scenarios))
	assert.Empty(t, f.host.Live())
	var bytes, failed int
	for i, s := range f.scenarios {
		var want outcome
		synctest.Test(t, func(t *testing.T) { want = runNatively(t, s) })
		got := outcome{results[i], f.outs[i].String(), normalize(f.calls[i])}
		require.Equal(t, want, got, "seed %d: %s on %+v", i, s.script, s.plan)
		bytes += len(got.Bytes)
		if strings.Contains(got.Results, "wasio: ") {
			failed++
		}
	}
	t.Logf("%d scripts, %d bytes, %d with an error", len(results), bytes, failed)
	assert.Greater(t, bytes, 10_000)
	assert.Greater(t, failed, 10, "too few scripts end in an error")
	assert.Less(t, failed, len(results)/2, "too many scripts end in an error")
}

// A program with package text/template, which keeps all methods of a Writer, imports no
// terminals: the world of a server has none.
func TestTemplatesImportNoTerminals(t *testing.T) {
	module, err := build("./testdata/templates")
	require.NoError(t, err)
	assert.Contains(t, string(module), "wasi:cli/stderr")
	assert.NotContains(t, string(module), "wasi:cli/terminal-")
}
