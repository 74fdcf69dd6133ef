// Gives the guest the directory $GUEST_DIR, since jco gives it none by default. The flag
// --jco-import makes jco load this file first.
import { createRequire } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

const jco = createRequire(createRequire(import.meta.url).resolve("@bytecodealliance/jco"));
const shim = jco.resolve("@bytecodealliance/preview2-shim/filesystem");

if (process.env.GUEST_DIR) {
	const { _addPreopen } = await import(pathToFileURL(shim));
	_addPreopen("/", process.env.GUEST_DIR);
}
