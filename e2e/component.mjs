// Converts a core module for WASI preview 1 to a component:
//
//	node component.mjs WIT WORLD core.wasm component.wasm command|reactor
//
// The last argument selects the adapter: a command has a main function, a reactor does not.
// This script combines `jco embed` and `jco new`. The command `jco embed` of jco 1.35 does
// not work, because it gives its tool no directory from which to read the WIT.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [wit, world, core, out, kind] = process.argv.slice(2);

const jco = createRequire(createRequire(import.meta.url).resolve("@bytecodealliance/jco"));
const transpile = jco.resolve("@bytecodealliance/jco-transpile/wasm-tools");
const { _addPreopen } = await import(
	pathToFileURL(createRequire(transpile).resolve("@bytecodealliance/preview2-shim/filesystem"))
);
const { componentEmbed, componentNew } = await import(pathToFileURL(transpile));

_addPreopen("/", "/");
// The texts of the tools are enough, without the stack.
process.on("uncaughtException", (error) => {
	console.error(error.message);
	process.exit(1);
});
const embedded = await componentEmbed({ binary: await readFile(core), witPath: resolve(wit), world });
const adapter = new URL(`../lib/wasi_snapshot_preview1.${kind}.wasm`, pathToFileURL(jco.resolve("@bytecodealliance/jco")));
const adapters = [["wasi_snapshot_preview1", await readFile(adapter)]];
await writeFile(out, await componentNew(embedded, adapters));
