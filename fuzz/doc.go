// Package fuzz holds the fuzz targets of wasio and their corpora, which go test replays.
//
//	go test -fuzz FuzzWrite ./fuzz
//
// Most targets take two byte slices. The first is a program of operations of fixed width. From
// the second, a script takes one byte for each choice that the contract leaves to a host.
package fuzz
