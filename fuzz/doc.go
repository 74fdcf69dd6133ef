// Package fuzz holds the fuzz targets of wasio and their corpora, which go test replays.
//
//	go test -fuzz FuzzWrite ./fuzz
//
// A target is given two strings of bytes: the program, operations of fixed width, and
// the host, from which a script takes one byte for each choice that the contract leaves
// to a host.
package fuzz
