package engine

import (
	"errors"

	"github.com/wasio-dev/wasio/internal/wasm"
)

// wazero believes the sizes in a module: a vector of 2³² elements makes it ask for their
// memory before it finds that they are not there, and Go ends the process if the system has
// not got it. So what is run must not lie about sizes: no vector has more elements than
// there are bytes left, and no function more local variables than engines allow.

const maxLocals = 50_000 // as Wasmtime and browsers have it

var errSizes = errors.New("invalid module: a size or number in it cannot be true")

// checked returns the module without its custom sections, which say nothing that matters
// here, or an error if it lies about sizes.
func checked(module []byte) ([]byte, error) {
	sections, ok := wasm.Sections(module)
	if !ok {
		return nil, errSizes
	}
	out := []byte(wasm.ModuleHeader)
	for _, s := range sections {
		if s.ID == customSection {
			continue
		}
		r := sizes{wasm.NewReader(s.Content)}
		if s.ID != startSection && s.ID != dataCountSection { // those are not vectors
			r.section(s.ID)
		}
		if !r.OK() {
			return nil, errSizes
		}
		out = wasm.AppendSection(out, s.ID, s.Content)
	}
	return out, nil
}

// sizes reads a section. A lie is a read that fails.
type sizes struct{ *wasm.Reader }

func (s sizes) section(id byte) {
	for range s.Count() {
		switch id {
		case typeSection:
			if s.Byte() != 0x60 { // wazero refuses all but those of functions
				return
			}
			s.valueTypes()
			s.valueTypes()
		case elementSection:
			s.elements()
		case codeSection:
			s.locals(s.Bytes())
		case dataSection:
			switch s.Uint() {
			case 2:
				s.Uint()
				s.expression()
			case 0:
				s.expression()
			}
			s.Bytes()
		}
		if !s.OK() {
			return
		}
	}
}

// locals reads the local variables of the body of a function.
func (s sizes) locals(body []byte) {
	b := sizes{wasm.NewReader(body)}
	locals := uint64(0)
	for range b.Count() {
		locals += min(b.Uint(), maxLocals+1)
		b.valueType()
		if !b.OK() || locals > maxLocals {
			s.Fail()
			return
		}
	}
	if !b.OK() {
		s.Fail()
	}
}

// elements reads an element segment. Its first number has three flags.
func (s sizes) elements() {
	flags := s.Uint()
	passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
	if !passive {
		if explicit {
			s.Uint() // of the table
		}
		s.expression()
	}
	if passive || explicit {
		if expressions {
			s.valueType()
		} else {
			s.Byte() // the kind
		}
	}
	for range s.Count() {
		if expressions {
			s.expression()
		} else {
			s.Uint()
		}
	}
}

// expression reads a constant expression.
func (s sizes) expression() {
	for s.OK() {
		switch s.Byte() {
		case 0x0b: // end
			return
		case 0x41, 0x42, 0x23, 0xd0, 0xd2: // numbers, variables and references
			s.Uint()
		case 0x43:
			s.Skip(4)
		case 0x44:
			s.Skip(8)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // arithmetic
		default:
			s.Fail()
		}
	}
}

func (s sizes) valueTypes() {
	for range s.Count() {
		s.valueType()
	}
}

func (s sizes) valueType() {
	if t := s.Byte(); t == 0x63 || t == 0x64 { // a reference, to a type
		s.Uint()
	}
}
