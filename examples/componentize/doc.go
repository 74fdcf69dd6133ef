// Componentize is a command for the ordinary Go toolchain, built with componentize-go. It
// writes a report with package fmt, and logs with packages log and log/slog.
//
// A program takes four steps:
//
//  1. The world, in wit/world.wit, says what the component imports and exports. For all of
//     wasio one line is enough:
//
//     include wasi:cli/imports@0.2.0;
//
//     Any version 0.2.x will do. Without the line the build ends with "missing component
//     metadata for import of" and the name of what is missing. A program that only writes to
//     streams of its own, such as HTTP bodies, does not need it; see examples/httpserver.
//
//  2. The program starts at an export, here wasi:cli/run. Nobody calls main. The generated
//     code calls the function Run in export_wasi_cli_run, which is written by hand, and
//     main.go imports the generated code. It also imports package componentize of wasio, for
//     exact deadlines and the host's text in errors.
//
//  3. Bindings and build:
//
//     componentize-go -w app bindings --pkg-name github.com/wasio-dev/wasio/examples/componentize/generated --export-pkg-name github.com/wasio-dev/wasio/examples/componentize -o generated
//     componentize-go -w app build
//
//     In a clone of wasio, this replaces the second command, without componentize-go:
//
//     go -C e2e run ./componentize -C ../examples/componentize -w app build
//
//     A plain Go command needs an adapter and more initial memory. Here componentize-go adds
//     the adapter, and its runtime package, which the generated code imports, lets the adapter
//     allocate from Go's memory.
//
//  4. Run:
//
//     wasmtime run main.wasm
package main

//go:generate go -C ../../e2e run ./componentize -C ../examples/componentize -w app bindings
