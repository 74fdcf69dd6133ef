// jco gives a guest no folder of its own accord. `jco run --jco-import` loads this first.
import { createRequire } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

const jco = createRequire(createRequire(import.meta.url).resolve("@bytecodealliance/jco"));
const shim = jco.resolve("@bytecodealliance/preview2-shim/filesystem");

if (process.env.GUEST_FOLDER) {
	const { _addPreopen } = await import(pathToFileURL(shim));
	_addPreopen("/", process.env.GUEST_FOLDER);
}
