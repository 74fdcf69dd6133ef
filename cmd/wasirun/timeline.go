package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/wasio-dev/wasio/internal/host"
)

// A timeline writes host calls as trace events, the format of JSON that Perfetto and
// chrome://tracing read. There is a track for waits, and one for each stream, with the calls of its
// pollables and errors.
type timeline struct {
	out    *bufio.Writer     // keeps the first error
	tracks map[string]int    // their numbers, by name
	of     map[uint32]string // the names of the tracks of resources, by handle
}

const (
	process = 1       // the number of the guest
	waits   = "waits" // the name of the track of the calls that may wait
)

// An event is one of a few kinds: M names a track, and X is a call. Times are in microseconds.
type event struct {
	Kind  string         `json:"ph"`
	Name  string         `json:"name"`
	PID   int            `json:"pid"`
	Track int            `json:"tid"`
	Start float64        `json:"ts"`
	Took  float64        `json:"dur"`
	Args  map[string]any `json:"args,omitempty"`
}

func newTimeline(out io.Writer) *timeline {
	l := &timeline{out: bufio.NewWriter(out), tracks: make(map[string]int), of: make(map[uint32]string)}
	fmt.Fprintf(l.out, `[{"ph":"M","name":"process_name","pid":%d,"args":{"name":"guest"}}`, process)
	l.track(waits)
	return l
}

// end completes the file, and returns the first error of writing it. Nothing may be added then.
func (l *timeline) end() error {
	fmt.Fprint(l.out, "\n]\n")
	return l.out.Flush()
}

// add adds a call, also to the file: an interrupt ends wasirun without a call of end, and viewers
// read a file without its end. The times count from first.
func (l *timeline) add(c *host.Call, first time.Duration) {
	track := c.Who()
	if name, ok := l.of[c.Handle]; ok && c.Op != host.OpFdWrite {
		track = name
	}
	switch c.Result {
	case host.Handle:
		if c.Op == host.OpGetStdin || c.Op == host.OpGetStdout || c.Op == host.OpGetStderr {
			track = fmt.Sprintf("%s(%d)", c.Who(), c.Value)
		}
		l.of[uint32(c.Value)] = track
	case host.LastOperationFailed:
		l.of[uint32(c.Value)] = track
	}
	e := event{Kind: "X", Name: c.What(), Start: micros(c.Start - first), Took: micros(c.Took)}
	e.Args = map[string]any{"on": c.Who()}
	if outcome := c.Outcome(); outcome != "" {
		e.Args["result"] = outcome
	}
	if c.Op != host.OpBlock && c.Op != host.OpPoll {
		l.write(track, e)
	}
	if c.Waits() {
		if c.Op != host.OpPoll {
			e.Name = track + "." + e.Name
		}
		l.write(waits, e)
	}
	if c.Op == host.OpDropPollable || c.Op == host.OpDropError {
		delete(l.of, c.Handle)
	}
	l.out.Flush()
}

// track returns the number of a track. Viewers show the tracks in the order of their numbers. No
// track has the number of the process: Perfetto would call it the main thread.
func (l *timeline) track(name string) int {
	n, ok := l.tracks[name]
	if !ok {
		n = process + 1 + len(l.tracks)
		l.tracks[name] = n
		l.write(name, event{Kind: "M", Name: "thread_name", Args: map[string]any{"name": name}})
		l.write(name, event{Kind: "M", Name: "thread_sort_index", Args: map[string]any{"sort_index": n}})
	}
	return n
}

func (l *timeline) write(track string, e event) {
	e.PID, e.Track = process, l.track(track)
	text, _ := json.Marshal(e)
	fmt.Fprintf(l.out, ",\n%s", text)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
