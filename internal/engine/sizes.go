package engine

import (
	"errors"

	"github.com/wasio-dev/wasio/internal/wasm"
)

// wazero believes the sizes in a module: a vector of 2³² elements makes it ask for their
// memory before it finds that they are not there, and Go ends the process if the system has
// not got it. So what is run must not lie about sizes: no vector has more elements than
// there are bytes left, and no function more local variables than engines allow. What a few
// bytes can make large is limited for the module as a whole, too.

const (
	maxLocals       = 50_000     // of a function, as Wasmtime and browsers have it
	maxModuleLocals = 10_000_000 // a program of Go's with 50 MB of code has some 4 million
	maxElements     = 4 << 20    // of all tables; a program has one for each function
	maxTables       = 100        // as Wasmtime has it
	maxExports      = 10_000     // wazero looks at each for each function
)

var errSizes = errors.New("invalid module: a size or number in it cannot be true")

// checked returns the module without its custom sections, which say nothing that matters
// here, and with a limit for each table, which wazero does not limit otherwise. It returns an
// error if the module lies about sizes, or is too large.
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

// sizes reads a section. A lie is a read that fails.
type sizes struct {
	*wasm.Reader
	locals  uint64 // so far
	tooMany string // things
}

// exceeds makes the section one of too many things.
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

// tables reads tables, and returns them with a maximum that they have in sum if each is as
// large as it can be.
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
