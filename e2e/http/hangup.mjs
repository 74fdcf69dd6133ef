// What jco 1.35 lacks when a client of `jco serve` hangs up, for --jco-import. The code meant is in
// https://github.com/bytecodealliance/jco/tree/main/packages/preview2-shim/src/io (worker-http.ts, worker-thread.ts).
//
// It pipes a body to its response, and pipe leaves the body alone when the response closes
// (https://github.com/nodejs/node/issues/19288). So nobody reads the body any more, and
// the guest is not told. Here the body is closed too.
//
// It traps when the guest subscribes to a stream that has just closed. Here the pollable
// is one that is ready.
//
// It disposes of a body that the guest drops, and once more when the guest returns, which
// ends the server. Here it is disposed of when the guest returns.
import { createRequire, syncBuiltinESMExports } from "node:module";
import { PassThrough, Readable } from "node:stream";
import threads from "node:worker_threads";
import { pathToFileURL } from "node:url";

if (threads.isMainThread) {
	// jco does input and output on a thread of its own, which must load this file too.
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
}
