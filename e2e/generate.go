// Package e2e runs guests on real hosts. It has nothing but tests; README.md says what
// they have found.
package e2e

// The guest file has the generator that wasio has. Oldpath has the one from before its
// module was renamed, which needs wasm-tools on the PATH (../.ci/tinygo has it).
//
//go:generate rm -rf guests/file/generated guests/oldpath/generated
//go:generate go -C ../tools tool wit-bindgen-go generate --world file --package-root github.com/wasio-dev/wasio/e2e/guests/file/generated --out ../e2e/guests/file/generated ../e2e/guests/file/wit
//go:generate sh -c "wasm-tools component wit -j guests/oldpath/wit | go -C tools run ./oldjson | go -C tools tool wit-bindgen-go generate --world oldpath --package-root github.com/wasio-dev/wasio/e2e/guests/oldpath/generated --out ../guests/oldpath/generated -"
//go:generate find guests/oldpath/generated -type f -exec chmod 644 {} +
