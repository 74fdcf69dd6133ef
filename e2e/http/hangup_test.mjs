// A client that does not read hangs up while the guest waits for a flush, which jco does as a
// write of no bytes. Prints whether the flush ends, and that the body closes.
import { PassThrough, Writable } from "node:stream";
import { Worker, isMainThread } from "node:worker_threads";

if (isMainThread) {
	new Worker(new URL(import.meta.url)); // hangup.mjs changes bodies only on a thread like jco's
} else {
	await import("./hangup.mjs");
	const response = new Writable({ write() {} });
	const body = new PassThrough();
	body.on("close", () => console.log("closed"));
	body.pipe(response);

	const fill = () => {
		const permit = body.writableHighWaterMark - body.writableLength;
		if (permit > 0) {
			body.write(new Uint8Array(permit));
			setImmediate(fill);
			return;
		}
		body.write(new Uint8Array(), () => console.log("flushed"));
		response.destroy();
	};
	fill();
}
