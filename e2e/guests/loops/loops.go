// Package loops makes the host calls that the writers of other guests make, with as little other
// code as possible.
package loops

import (
	"errors"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// A Loop writes to a stream. It reads results by value, because with TinyGo their OK and Err
// methods allocate.
type Loop struct {
	Out     streams.OutputStream
	Bounded bool // with TinyGo a wait ends when a clock fires, as in wasio
}

var errHost = errors.New("the host failed")

const (
	// maxPiece is half of the most bytes that Wasmtime takes in one call.
	maxPiece = 64 << 20

	// maxBlocking is the most bytes that blocking-write-and-flush takes.
	maxBlocking = 4096
)

// Blocking calls blocking-write-and-flush and nothing else, as os.Stdout and most Go SDKs
// do.
func (l Loop) Blocking(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), maxBlocking)
		contents, size := cm.LowerList(cm.ToList(p[:n]))
		var result cm.Result[streams.StreamError, struct{}, streams.StreamError]
		blockingWriteAndFlush(uint32(l.Out), contents, size, &result)
		if _, _, failed := result.Result(); failed {
			return errHost
		}
		p = p[n:]
	}
	return nil
}

// BlockingSplice calls blocking-splice and nothing else until the source ends.
func (l Loop) BlockingSplice(src streams.InputStream) error {
	for {
		var result cm.Result[uint64, uint64, streams.StreamError]
		blockingSplice(uint32(l.Out), uint32(src), 1<<20, &result)
		if _, e, failed := result.Result(); failed {
			if e.Closed() {
				return nil
			}
			return errHost
		}
	}
}

// SpliceProtocol makes the host calls that wasio.Splice makes until the source ends.
func (l Loop) SpliceProtocol(src streams.InputStream) error {
	for {
		n, e, failed := l.Out.Splice(src, 1<<20).Result()
		if failed {
			if e.Closed() {
				return nil
			}
			return errHost
		}
		if n > 0 {
			continue
		}
		permit, _, failed := l.Out.CheckWrite().Result()
		if failed {
			return errHost
		}
		if permit == 0 {
			l.wait()
		} else {
			l.waitOn(src.Subscribe())
		}
	}
}

// WaitEach writes and flushes each piece, and then waits even if the stream is ready.
func (l Loop) WaitEach(p []byte) error {
	for len(p) > 0 {
		permit, _, failed := l.Out.CheckWrite().Result()
		if failed {
			return errHost
		}
		n := int(min(permit, uint64(len(p)), maxPiece))
		if n > 0 {
			if _, _, failed := l.Out.Write(cm.ToList(p[:n])).Result(); failed {
				return errHost
			}
			if _, _, failed := l.Out.Flush().Result(); failed {
				return errHost
			}
			p = p[n:]
		}
		l.wait()
	}
	return nil
}

// Unflushed writes without a flush, as the write method of Rust's wasi crate does.
func (l Loop) Unflushed(p []byte) error {
	for len(p) > 0 {
		permit, _, failed := l.Out.CheckWrite().Result()
		if failed {
			return errHost
		}
		if permit == 0 {
			l.wait()
			continue
		}
		n := int(min(permit, uint64(len(p)), maxPiece))
		if _, _, failed := l.Out.Write(cm.ToList(p[:n])).Result(); failed {
			return errHost
		}
		p = p[n:]
	}
	return nil
}

// Flush flushes, and waits until the flush is complete. Rust's wasi crate calls blocking-flush
// instead, which does both inside the host.
func (l Loop) Flush() error {
	if _, _, failed := l.Out.Flush().Result(); failed {
		return errHost
	}
	for {
		permit, _, failed := l.Out.CheckWrite().Result()
		if failed {
			return errHost
		}
		if permit > 0 {
			return nil
		}
		l.wait()
	}
}

// Protocol makes the host calls that a Writer makes.
func (l Loop) Protocol(p []byte) error {
	if err := l.Unflushed(p); err != nil {
		return err
	}
	return l.Flush()
}

// wait waits until the stream is ready.
func (l Loop) wait() { l.waitOn(l.Out.Subscribe()) }

// waitOn waits until p is ready, and drops it.
func (l Loop) waitOn(p poll.Pollable) {
	if l.Bounded {
		blockBounded(p)
	} else {
		p.Block()
	}
	p.ResourceDrop()
}
