// Chart draws the results of bench. It reads them from standard input, as JSON, and writes
// an SVG file to standard output. It is a module of its own, because only it requires the
// plotting library.
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"log"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// data has the results.
type data struct {
	XLabel, YLabel string
	Sizes          []int
	Panels         []panel
}

// A panel is one of the plots, which stand side by side. All have the same lines.
type panel struct {
	Title string
	Lines []line
}

type line struct {
	Name   string
	Times  []float64 // how many times as fast as the rival, at each size
	Dashed bool
}

// These colors of Okabe and Ito can be told apart by people with any color vision.
var colors = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255}, color.RGBA{0, 0, 0, 255}, color.RGBA{230, 159, 0, 255},
	color.RGBA{86, 180, 233, 255},
}

// Dashed lines have colors of their own. They may lie on a solid line, and stay visible
// there, because they are drawn after it.
var dashedColors = []color.Color{color.Gray{0}, color.Gray{128}}

const (
	width       = 13 * vg.Inch
	height      = 5 * vg.Inch
	legendWidth = 2.1 * vg.Inch
	margin      = 2 * vg.Millimeter
)

func main() {
	var d data
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil {
		log.Fatal(err)
	}
	var row []*plot.Plot
	var legend plot.Legend
	for _, panel := range d.Panels {
		var err error
		var p *plot.Plot
		if p, legend, err = d.plot(panel); err != nil {
			log.Fatal(err)
		}
		row = append(row, p)
	}
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	tiles := draw.Tiles{Rows: 1, Cols: len(row), PadX: 5 * vg.Millimeter}
	for i, canvas := range plot.Align([][]*plot.Plot{row}, tiles, draw.Crop(c, 0, -legendWidth, 0, 0))[0] {
		row[i].Draw(canvas)
	}
	// The legend has a column of its own, at the right of the panels.
	legend.Draw(draw.Crop(c, width-2*margin-legendWidth+10, 0, 0, -20))
	if _, err := svg.WriteTo(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// plot returns the plot of a panel, and the legend of its lines.
func (d data) plot(panel panel) (*plot.Plot, plot.Legend, error) {
	p, legend := plot.New(), plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.Padding = 4
	legend.TextStyle.Font.Size = 10
	p.Title.Text = panel.Title
	p.X.Label.Text, p.Y.Label.Text = d.XLabel, d.YLabel
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks(d.ticks())
	p.Y.Tick.Marker = plot.ConstantTicks(powersOfTwo())
	p.X.Tick.Label.Font.Size, p.Y.Tick.Label.Font.Size = 10, 10
	p.Y.Min, p.Y.Max = d.limits()
	p.Add(plotter.NewGrid())
	solid, dashed := 0, 0
	for _, l := range panel.Lines {
		points := make(plotter.XYs, len(l.Times))
		for i, times := range l.Times {
			points[i].X, points[i].Y = float64(d.Sizes[i]), times
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, legend, err
		}
		dots.Shape = draw.CircleGlyph{}
		if l.Dashed {
			drawn.Color = dashedColors[dashed%len(dashedColors)]
			drawn.Dashes = []vg.Length{4, 3}
			drawn.Width, dots.Radius = 1, 1.2
			dashed++
		} else {
			drawn.Color = colors[solid%len(colors)]
			drawn.Width, dots.Radius = 1.5, 2
			solid++
		}
		dots.Color = drawn.Color
		p.Add(drawn, dots)
		legend.Add(l.Name, drawn, dots)
	}
	return p, legend, nil
}

// limits returns the limits of the Y axis, which are the same in all panels.
func (d data) limits() (low, high float64) {
	low, high = 0.5, 2
	for _, panel := range d.Panels {
		for _, l := range panel.Lines {
			for _, times := range l.Times {
				low = min(low, times)
				for high < times {
					high *= 2
				}
			}
		}
	}
	return low, high
}

func (d data) ticks() (ticks []plot.Tick) {
	for _, size := range d.Sizes {
		label := fmt.Sprintf("%d B", size)
		switch {
		case size >= 1<<20:
			label = fmt.Sprintf("%d MiB", size>>20)
		case size >= 1<<10:
			label = fmt.Sprintf("%d KiB", size>>10)
		}
		ticks = append(ticks, plot.Tick{Value: float64(size), Label: label})
	}
	return ticks
}

func powersOfTwo() (ticks []plot.Tick) {
	for x := 0.125; x <= 1024; x *= 2 {
		ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(x)})
	}
	return ticks
}
