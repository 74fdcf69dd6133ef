package main

import (
	"errors"

	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// Loops are the host calls of other guests' writers, made with as little around them as
// can be. Results are read by value: their OK and Err methods have TinyGo allocate.
type loops struct{ out streams.OutputStream }

var bare = loops{stdout.GetStdout()}

var errHost = errors.New("the host failed")

// maxPiece is the most that Wasmtime takes per call, halved.
const maxPiece = 64 << 20

// blocking is what most Go SDKs and os.Stdout do, and what the WIT describes as
// convenient: blocking-write-and-flush, which takes 4096 bytes at most.
func (l loops) blocking(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), 4096)
		if _, _, failed := l.out.BlockingWriteAndFlush(cm.ToList(p[:n])).Result(); failed {
			return errHost
		}
		p = p[n:]
	}
	return nil
}

// waitEach asks, writes, flushes and waits, without looking whether it has to wait.
func (l loops) waitEach(p []byte) error {
	for len(p) > 0 {
		permit, _, failed := l.out.CheckWrite().Result()
		if failed {
			return errHost
		}
		n := int(min(permit, uint64(len(p)), maxPiece))
		if n > 0 {
			if _, _, failed := l.out.Write(cm.ToList(p[:n])).Result(); failed {
				return errHost
			}
			if _, _, failed := l.out.Flush().Result(); failed {
				return errHost
			}
			p = p[n:]
		}
		l.block()
	}
	return nil
}

// unflushed asks and writes, as the write method of Rust's crate does. Its flush is
// blocking-flush, which is settle by another name.
func (l loops) unflushed(p []byte) error {
	for len(p) > 0 {
		permit, _, failed := l.out.CheckWrite().Result()
		if failed {
			return errHost
		}
		if permit == 0 {
			l.block()
			continue
		}
		n := int(min(permit, uint64(len(p)), maxPiece))
		if _, _, failed := l.out.Write(cm.ToList(p[:n])).Result(); failed {
			return errHost
		}
		p = p[n:]
	}
	return nil
}

// settle flushes and waits until that is complete.
func (l loops) settle() error {
	if _, _, failed := l.out.Flush().Result(); failed {
		return errHost
	}
	for {
		permit, _, failed := l.out.CheckWrite().Result()
		switch {
		case failed:
			return errHost
		case permit > 0:
			return nil
		}
		l.block()
	}
}

// protocol is unflushed and settle: what wasio's Writer does.
func (l loops) protocol(p []byte) error {
	if err := l.unflushed(p); err != nil {
		return err
	}
	return l.settle()
}

func (l loops) block() {
	p := l.out.Subscribe()
	p.Block()
	p.ResourceDrop()
}
