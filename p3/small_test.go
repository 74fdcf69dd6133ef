//go:build race || mutation

package p3_test

// small makes exhaustive tests less so: with -race they would take minutes, and a
// mutation tester runs them once for each mutant.
const small = true
