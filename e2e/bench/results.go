package main

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"

	"github.com/wasio-dev/wasio/e2e/internal/component"
)

// A series names the results of one benchmark.
type series struct {
	toolchain  component.Toolchain
	host       string
	name, unit string
}

// results has the values of each series in the order in which they were measured. If contenders
// take turns, values with the same index are of the same turns.
type results map[series][]float64

// readResults reads all files of results. The units are those of package benchunit: seconds and
// bytes.
func readResults() (results, error) {
	paths, err := filepath.Glob(filepath.Join(*out, "bench", "*.txt"))
	if err != nil {
		return nil, err
	}
	r := make(results)
	files := benchfmt.Files{Paths: paths}
	for files.Scan() {
		switch record := files.Result().(type) {
		case *benchfmt.Result:
			for _, v := range record.Values {
				toolchain := component.Toolchain(record.GetConfig("toolchain"))
				s := series{toolchain, record.GetConfig("host"), record.Name.String(), v.Unit}
				r[s] = append(r[s], v.Value)
			}
		case *benchfmt.SyntaxError:
			return nil, record
		}
	}
	return r, files.Err()
}

// benchmark returns the name of the benchmark of a contender.
func benchmark(kind, by, what string) string { return fmt.Sprintf("%s/by=%s/%s", kind, by, what) }

// writes returns what is written by one Write of size bytes, for benchmark.
func writes(size int) string { return fmt.Sprintf("size=%d", size) }

// median returns NaN if there are no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(sample, 0.95).Center
}

func (r results) median(toolchain component.Toolchain, host, name, unit string) float64 {
	return median(r[series{toolchain, host, name, unit}])
}

// faster returns how many times as fast as its rival a benchmark is: the median of the ratios of
// all turns. In a turn both are measured within milliseconds of each other, which matters because
// a host may be much slower at some times than at others.
func (r results) faster(toolchain component.Toolchain, host, name, rival string) float64 {
	own, other := r[series{toolchain, host, name, "sec/op"}], r[series{toolchain, host, rival, "sec/op"}]
	var ratios []float64
	for i := range min(len(own), len(other)) {
		ratios = append(ratios, other[i]/own[i])
	}
	return median(ratios)
}

// grid returns a table in Markdown. It calls cell with the indices of each row and column.
func grid(corner string, rows, columns []string, cell func(i, j int) string) string {
	var t strings.Builder
	fmt.Fprintf(&t, "| %s | %s |\n| --- |%s\n", corner, strings.Join(columns, " | "), strings.Repeat(" ---: |", len(columns)))
	for i, row := range rows {
		t.WriteString("| " + row + " |")
		for j := range columns {
			t.WriteString(" " + cell(i, j) + " |")
		}
		t.WriteString("\n")
	}
	return t.String() + "\n"
}

// texts returns the texts of values, for the rows or columns of a grid.
func texts[V any](values []V, text func(V) string) (all []string) {
	for _, v := range values {
		all = append(all, text(v))
	}
	return all
}

// compare compares a ratio to a target, unless that is 0. A ratio that misses it is bold.
func compare(ratio, least float64) string {
	switch {
	case math.IsNaN(ratio):
		return "–"
	case least == 0:
		return fmt.Sprintf("%.3g", ratio)
	case ratio < least:
		return fmt.Sprintf("**%.3g < %g**", ratio, least)
	}
	return fmt.Sprintf("%.3g ≥ %g", ratio, least)
}

// number formats a value with at least three digits, and its unit.
func number(value float64, unit string) string {
	if math.IsNaN(value) {
		return "–"
	}
	text := benchunit.Scale(value, benchunit.Decimal)
	digits := strings.TrimRight(text, "nµmkMG")
	return strings.TrimSpace(digits + " " + strings.TrimPrefix(text, digits) + unit)
}
