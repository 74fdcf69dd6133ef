// Chart draws what bench has measured, given as JSON on standard input, as SVG on
// standard output. It is a module of its own for the sake of the plotting library.
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

// data is what bench measured.
type data struct {
	Sizes  []int
	Panels []panel
}

type panel struct {
	Title string
	Lines []line
}

type line struct {
	Name   string
	Times  []float64 // as fast as os.Stdout, at each size
	Dashed bool
}

// colors can be told apart with any eyes (Okabe and Ito).
var colors = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {0, 0, 0, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {213, 94, 0, 255}, {0, 114, 178, 255},
}

func main() {
	var d data
	if err := json.NewDecoder(os.Stdin).Decode(&d); err != nil {
		log.Fatal(err)
	}
	const width, height = 13 * vg.Inch, 5.2 * vg.Inch
	var row []*plot.Plot
	for i, panel := range d.Panels {
		p, err := d.plot(panel, i == len(d.Panels)-1)
		if err != nil {
			log.Fatal(err)
		}
		row = append(row, p)
	}
	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	tiles := draw.Tiles{Rows: 1, Cols: len(row), PadX: 5 * vg.Millimeter,
		PadTop: 2 * vg.Millimeter, PadBottom: 2 * vg.Millimeter, PadLeft: 2 * vg.Millimeter, PadRight: 4 * vg.Millimeter}
	for i, canvas := range plot.Align([][]*plot.Plot{row}, tiles, c)[0] {
		row[i].Draw(canvas)
	}
	if _, err := svg.WriteTo(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func (d data) plot(panel panel, legend bool) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = panel.Title + ", Wasmtime, null file"
	p.X.Label.Text = "bytes per write"
	p.Y.Label.Text = "times as fast as os.Stdout"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker = plot.ConstantTicks(d.ticks())
	p.Y.Tick.Marker = plot.ConstantTicks(powers())
	p.Y.Min, p.Y.Max = 0.25, 256 // with room for the legend
	p.Add(plotter.NewGrid())
	for i, l := range panel.Lines {
		points := make(plotter.XYs, len(l.Times))
		for j, times := range l.Times {
			points[j].X, points[j].Y = float64(d.Sizes[j]), times
			p.Y.Max, p.Y.Min = max(p.Y.Max, times), min(p.Y.Min, times)
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		drawn.Color, dots.Color = colors[i%len(colors)], colors[i%len(colors)]
		drawn.Width = 1.5
		dots.Shape, dots.Radius = draw.CircleGlyph{}, 2
		if l.Dashed {
			drawn.Dashes = []vg.Length{4, 3}
			drawn.Width, dots.Radius = 1, 1.2
		}
		p.Add(drawn, dots)
		if legend {
			p.Legend.Add(l.Name, drawn, dots)
		}
	}
	p.Legend.Top = true
	p.Legend.TextStyle.Font.Size = 9
	return p, nil
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

func powers() (ticks []plot.Tick) {
	for x := 0.125; x <= 1024; x *= 2 {
		ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(x)})
	}
	return ticks
}
