module github.com/wasio-dev/wasio/examples/p3server

go 1.25.0

replace github.com/wasio-dev/wasio => ../..

require (
	github.com/wasio-dev/wasio v0.0.0-00010101000000-000000000000
	go.bytecodealliance.org/pkg v0.2.1
)

require go.bytecodealliance.org/cm v0.3.0 // indirect
