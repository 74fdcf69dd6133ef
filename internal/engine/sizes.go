package engine

import (
	"errors"

	"github.com/wasio-dev/wasio/internal/wasm"
)

// wazero trusts the sizes in a module: for a vector of 2³² elements it allocates memory before
// it finds that the elements are missing, and Go ends the process if the system has not that
// much. So a module must not lie about sizes: no vector has more elements than there are bytes
// left, and no function has more local variables than engines allow. What a few bytes can make
// large is also limited for the module as a whole.

const (
	maxLocals       = 50_000     // of a function, as Wasmtime and browsers have it
	maxModuleLocals = 10_000_000 // a Go program with 50 MB of code has some 4 million
	maxElements     = 4 << 20    // of all tables; a program has one for each function
	maxTables       = 100        // as Wasmtime has it
	maxExports      = 10_000     // for each function, wazero looks at all of them
)

var errSizes = errors.New("invalid module: it has an impossible size or number")

// checked returns the module without its custom sections, which do not matter here, and with
// a limit for each table, since wazero has none. It returns an error if the module lies about
// sizes, or is too large.
func checked(module []byte) ([]byte, error) {
	sections, ok := wasm.Sections(module)
	if !ok {
		return nil, errSizes
	}
	out := []byte(wasm.ModuleHeader)
	for _, s := range sections {
		r := sizes{Reader: wasm.NewReader(s.Content)}
		switch s.ID {
		case customSection:
			continue
		case startSection, dataCountSection: // not vectors
		case tableSection:
			s.Content = r.tables()
		default:
			r.section(s.ID)
		}
		if r.tooMany != "" {
			return nil, errors.New("invalid module: too many " + r.tooMany)
		}
		if !r.OK() {
			return nil, errSizes
		}
		out = wasm.AppendSection(out, s.ID, s.Content)
	}
	return out, nil
}

// sizes reads a section. A read fails if the section lies about a size.
type sizes struct {
	*wasm.Reader
	locals  uint64 // so far
	tooMany string // the things of which there are too many
}

// exceeds makes checked report too many things.
func (s *sizes) exceeds(things string) {
	s.tooMany = things
	s.Fail()
}

func (s *sizes) section(id byte) {
	count := s.Count()
	if id == exportSection && count > maxExports {
		s.exceeds("exports")
		return
	}
	for range count {
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
			s.body(s.Bytes())
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

// body reads the local variables of the body of a function.
func (s *sizes) body(body []byte) {
	b := sizes{Reader: wasm.NewReader(body)}
	for range b.Count() {
		b.locals += min(b.Uint(), maxLocals+1)
		b.valueType()
		if b.locals > maxLocals {
			b.Fail()
		}
	}
	s.locals += b.locals
	switch {
	case !b.OK():
		s.Fail()
	case s.locals > maxModuleLocals:
		s.exceeds("local variables")
	}
}

// tables reads a table section, and returns it with a maximum for each table: an equal share of
// maxElements, or the initial size if that is greater, unless the table has a smaller maximum.
func (s *sizes) tables() []byte {
	count := s.Count()
	if count > maxTables {
		s.exceeds("tables")
		return nil
	}
	out := wasm.AppendUint(nil, uint64(count))
	elements := uint64(0)
	for range count {
		entry := s.Rest()
		valued := len(entry) > 0 && entry[0] == 0x40
		if valued {
			s.Skip(2)
		}
		s.valueType()
		out = append(out, entry[:len(entry)-s.Len()]...)
		flags, size := s.Byte(), s.Uint()
		maximum := max(size, maxElements/uint64(count))
		if flags&1 != 0 {
			maximum = min(maximum, s.Uint())
		}
		out = wasm.AppendUint(wasm.AppendUint(append(out, flags|1), size), maximum)
		if valued {
			value := s.Rest()
			s.expression()
			out = append(out, value[:len(value)-s.Len()]...)
		}
		elements += min(size, maxElements+1)
		if !s.OK() {
			return nil
		}
	}
	if elements > maxElements {
		s.exceeds("elements of tables")
	}
	return append(out, s.Rest()...)
}

// elements reads an element segment. Its first number has three flags.
func (s *sizes) elements() {
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
func (s *sizes) expression() {
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

func (s *sizes) valueTypes() {
	for range s.Count() {
		s.valueType()
	}
}

func (s *sizes) valueType() {
	if t := s.Byte(); t == 0x63 || t == 0x64 { // a reference, to a type
		s.Uint()
	}
}
