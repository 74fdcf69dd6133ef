// Package choices lets a test explore all behaviors, by running it for all choices.
package choices

// A Path is a path through a tree of choices. Each run takes another path, until all have been
// taken:
//
//	var p choices.Path
//	for more := true; more; more = p.Advance() {
//		run(&p)
//	}
type Path struct {
	Made []Choice // from the first to the last
	at   int
}

// A Choice is a choice of one of several.
type Choice struct{ Taken, Of int }

// Next makes the next choice: a number below of.
func (p *Path) Next(of int) int {
	if p.at == len(p.Made) {
		p.Made = append(p.Made, Choice{0, of})
	}
	p.at++
	return p.Made[p.at-1].Taken
}

// Advance moves on to the next path, and reports whether there is one.
func (p *Path) Advance() bool {
	p.at = 0
	for n := len(p.Made) - 1; n >= 0; n-- {
		if p.Made[n].Taken++; p.Made[n].Taken < p.Made[n].Of {
			return true
		}
		p.Made = p.Made[:n]
	}
	return false
}

// Repeat makes the next run take the same path again.
func (p *Path) Repeat() { p.at = 0 }
