// Package chart draws the pictures of docs/performance.md.
package chart

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// A Chart shows how many times as fast as a rival its contenders are, at each size. It has
// panels side by side with the same contenders, logarithmic axes, and a legend of its own at the
// right.
type Chart struct {
	XLabel, YLabel string
	Sizes          []int
	Names          []string
	panels         []panel
}

type panel struct {
	title string
	times [][]float64 // of each name, at each size
}

// colors can be told apart with any color vision. They are those of Okabe and Ito, and two more.
// The lines of floors are dashed, so that a line under them stays visible.
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#806000", "#000000", "#808080"}

// Add adds a panel with what times returns for each name and the index of each size.
func (c *Chart) Add(title string, times func(name string, i int) float64) {
	p := panel{title: title}
	for _, name := range c.Names {
		var line []float64
		for i := range c.Sizes {
			line = append(line, times(name, i))
		}
		p.times = append(p.times, line)
	}
	c.panels = append(c.panels, p)
}

const (
	panelWidth, panelHeight = 370, 270
	left, top, gap          = 70, 30, 60
)

// Draw writes the chart to a file.
func (c Chart) Draw(file string) error {
	low, high := 0.5, 2.0
	for _, p := range c.panels {
		for _, times := range p.times {
			for _, t := range times {
				for ; low > t; low /= 2 {
				}
				for ; high < t; high *= 2 {
				}
			}
		}
	}
	y := func(t float64) float64 {
		return top + panelHeight*(1-math.Log(t/low)/math.Log(high/low))
	}
	legend := left + len(c.panels)*(panelWidth+gap)
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n"+
		`<rect width="100%%" height="100%%" fill="white"/>`+"\n", legend+150, panelHeight+85)
	text := func(x, y float64, anchor, text string) {
		fmt.Fprintf(&s, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, text)
	}
	rule := func(x1, y1, x2, y2 float64) {
		fmt.Fprintf(&s, `<path d="M%.1f %.1fL%.1f %.1f" stroke="#d0d0d0"/>`+"\n", x1, y1, x2, y2)
	}
	for i, p := range c.panels {
		x0 := float64(left + i*(panelWidth+gap))
		x := func(size int) float64 {
			first, last := float64(c.Sizes[0]), float64(c.Sizes[len(c.Sizes)-1])
			return x0 + panelWidth*math.Log(float64(size)/first)/math.Log(last/first)
		}
		text(x0+panelWidth/2, top-12, "middle", p.title)
		text(x0+panelWidth/2, top+panelHeight+40, "middle", c.XLabel)
		for t := low; t <= high; t *= 2 {
			rule(x0, y(t), x0+panelWidth, y(t))
			text(x0-6, y(t)+4, "end", fmt.Sprintf("%.4g", t))
		}
		for _, size := range c.Sizes {
			rule(x(size), top, x(size), top+panelHeight)
			text(x(size), top+panelHeight+18, "middle", Bytes(size))
		}
		for n, name := range c.Names {
			style := c.style(n)
			var points []string
			for j, t := range p.times[n] {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(c.Sizes[j]), y(t)))
			}
			fmt.Fprintf(&s, `<polyline points="%s" %s/>`+"\n", strings.Join(points, " "), style)
			if i == 0 {
				at := float64(top + 10 + 20*n)
				fmt.Fprintf(&s, `<polyline points="%d,%.1f %d,%.1f" %s/>`+"\n", legend-20, at, legend+10, at, style)
				text(float64(legend+18), at+4, "start", name)
			}
		}
	}
	fmt.Fprintf(&s, `<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n</svg>\n", top+panelHeight/2, c.YLabel)
	return os.WriteFile(file, []byte(s.String()), 0o644)
}

// style returns the attributes of the line of a name.
func (c Chart) style(n int) string {
	color := colors[n%len(colors)]
	if strings.HasPrefix(c.Names[n], "floor") {
		color += `" stroke-dasharray="5 4`
	}
	return fmt.Sprintf(`fill="none" stroke-width="2" stroke="%s"`, color)
}

// Bytes returns a short text for a number of bytes.
func Bytes(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}
