// Package e2e tests guests on real hosts. README.md describes the tests and their results.
package e2e

// The bindings of the guest file come from the same generator as those of wasio. The
// bindings of oldpath come from the generator under its old module path, which needs
// wasm-tools in the PATH. The script ../.ci/tinygo installs wasm-tools.
//
//go:generate rm -rf guests/file/generated guests/oldpath/generated
//go:generate go -C ../tools tool wit-bindgen-go generate --world file --package-root github.com/wasio-dev/wasio/e2e/guests/file/generated --out ../e2e/guests/file/generated ../e2e/guests/file/wit
//go:generate sh -c "wasm-tools component wit -j guests/oldpath/wit | go -C tools run ./oldjson | go -C tools tool wit-bindgen-go generate --world oldpath --package-root github.com/wasio-dev/wasio/e2e/guests/oldpath/generated --out ../guests/oldpath/generated -"
//go:generate find guests/oldpath/generated -type f -exec chmod 644 {} +
