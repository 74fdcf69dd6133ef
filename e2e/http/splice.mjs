// Fixes two bugs of jco 1.35 in splice, besides those that hangup.mjs fixes. The flag
// --jco-import loads this file. The bugs are in worker-io.ts and worker-thread.ts in
// https://github.com/bytecodealliance/jco/tree/main/packages/preview2-shim/src/io.
//
// OutputStream.splice reads a private field of its class from an InputStream, which is a
// TypeError and ends the program. The code after that would respect neither the number of
// bytes nor the permit. The fix does what the WIT says: check-write, read, write.
import { createRequire } from "node:module";
import threads from "node:worker_threads";
import { pathToFileURL } from "node:url";
import "../setup.mjs"; // for files
import "./hangup.mjs";

if (threads.isMainThread) {
	const jco = createRequire(createRequire(import.meta.url).resolve("@bytecodealliance/jco"));
	const { streams } = await import(pathToFileURL(jco.resolve("@bytecodealliance/preview2-shim/io")));
	streams.OutputStream.prototype.splice = function (src, size) {
		const permit = this.checkWrite();
		const bytes = permit > 0n ? src.read(permit < size ? permit : size) : new Uint8Array();
		if (bytes.byteLength > 0) this.write(bytes);
		return BigInt(bytes.byteLength);
	};
}
