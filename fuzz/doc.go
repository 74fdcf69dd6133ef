// Package fuzz holds the fuzz targets of wasio and their corpora, which go test replays.
//
//	go test -fuzz FuzzWrite ./fuzz
//
// A target gets two strings of bytes. The first is the program, operations of fixed width.
// From the second a script takes one byte for each choice that the contract leaves to a host.
package fuzz
