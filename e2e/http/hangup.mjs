// Fixes four bugs of `jco serve` in jco 1.35 that show when a client hangs up or stops reading.
// The flag --jco-import loads this file. The bugs are in worker-http.ts and worker-thread.ts in
// https://github.com/bytecodealliance/jco/tree/main/packages/preview2-shim/src/io.
//
// jco pipes a body to its response, and pipe does not close the body when the response closes
// (https://github.com/nodejs/node/issues/19288). The guest does not notice that nothing reads
// the body any more. The fix closes the body.
//
// A flush of a body waits until the client has read, where no deadline ends it, and forever if
// the body is closed then. It is a write of no bytes, which the fix ends at once.
//
// jco traps if the guest subscribes to a stream that has just closed. The fix returns a
// pollable that is ready.
//
// jco disposes of a body when the guest drops it and again when the guest returns, which ends
// the server. The fix disposes of it only when the guest returns.
import { createRequire, syncBuiltinESMExports } from "node:module";
import { PassThrough, Readable } from "node:stream";
import threads from "node:worker_threads";
import { pathToFileURL } from "node:url";

if (threads.isMainThread) {
	// jco does I/O on a separate thread, which must load this file too.
	threads.Worker = class extends threads.Worker {
		constructor(script, options) {
			super(script, { ...options, execArgv: ["--import", import.meta.url] });
		}
	};
	syncBuiltinESMExports();

	const jco = createRequire(createRequire(import.meta.url).resolve("@bytecodealliance/jco"));
	const shim = (name) => import(pathToFileURL(jco.resolve("@bytecodealliance/preview2-shim/" + name)));
	const { OutputStream } = (await shim("io")).streams;
	const { monotonicClock } = await shim("clocks");
	const { OutgoingBody } = (await shim("http")).types;

	const { subscribe } = OutputStream.prototype;
	OutputStream.prototype.subscribe = function () {
		try {
			return subscribe.call(this);
		} catch {
			return monotonicClock.subscribeDuration(0n);
		}
	};
	OutgoingBody.prototype[Symbol.dispose ?? Symbol.for("dispose")] = () => {};
} else {
	PassThrough.prototype.pipe = function (response, ...rest) {
		response.once("close", () => this.destroy());
		return Readable.prototype.pipe.call(this, response, ...rest);
	};
	const { write } = PassThrough.prototype;
	PassThrough.prototype.write = function (bytes, done) {
		if (bytes.length > 0 || !done) return write.call(this, bytes, done);
		process.nextTick(done);
		return true;
	};
}
