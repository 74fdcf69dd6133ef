// Wrong writes to standard output, and makes the mistake that its argument names.
package main

import (
	"os"
	"strings"

	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

var text = []byte(strings.Repeat("a line of thirty-two characters\n", 320))

func main() {
	out := stdout.GetStdout()
	switch os.Args[1] {
	case "no-check-write":
		must(out.Write(cm.ToList(text)))
	case "no-flush":
		writeAll(out, wait)
	case "keeps-a-pollable":
		first := true
		writeAll(out, func(out streams.OutputStream) {
			p := out.Subscribe()
			p.Block()
			if !first {
				p.ResourceDrop()
			}
			first = false
		})
		flush(out)
		if !first {
			os.Exit(0) // a stream may not be dropped before its pollables
		}
	case "too-much-at-once":
		must(blockingWrite(out, text))
	case "blocks":
		for p := text; len(p) > 0; p = p[min(4096, len(p)):] {
			must(blockingWrite(out, p[:min(4096, len(p))]))
		}
	}
	out.ResourceDrop()
}

// wasio's bindings leave this function out, since wasio does not call it.
//
//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-write-and-flush
//go:noescape
func blockingWriteAndFlush(out uint32, contents *byte, size uint32, result *cm.Result[streams.StreamError, struct{}, streams.StreamError])

func blockingWrite(out streams.OutputStream, p []byte) (result cm.Result[streams.StreamError, struct{}, streams.StreamError]) {
	blockingWriteAndFlush(cm.Reinterpret[uint32](out), &p[0], uint32(len(p)), &result)
	return result
}

// writeAll writes the text as the host permits.
func writeAll(out streams.OutputStream, wait func(streams.OutputStream)) {
	for p := text; len(p) > 0; {
		n := permitted(out)
		if n == 0 {
			wait(out)
			continue
		}
		n = min(n, uint64(len(p)))
		must(out.Write(cm.ToList(p[:n])))
		p = p[n:]
	}
}

func flush(out streams.OutputStream) {
	must(out.Flush())
	for permitted(out) == 0 {
		wait(out)
	}
}

func wait(out streams.OutputStream) {
	p := out.Subscribe()
	p.Block()
	p.ResourceDrop()
}

func permitted(out streams.OutputStream) uint64 {
	result := out.CheckWrite()
	n, err, failed := result.Result()
	if failed {
		fail(err)
	}
	return n
}

func must(result cm.Result[streams.StreamError, struct{}, streams.StreamError]) {
	if _, err, failed := result.Result(); failed {
		fail(err)
	}
}

func fail(err streams.StreamError) {
	if failure := err.LastOperationFailed(); failure != nil {
		failure.ResourceDrop()
	}
	os.Exit(1)
}
