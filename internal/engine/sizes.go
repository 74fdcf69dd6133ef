package engine

import (
	"encoding/binary"
	"errors"
)

// wazero believes the sizes in a module: a vector of 2³² elements makes it ask for their
// memory before it finds that they are not there, and Go ends the process if the system has
// not got it. So what is run must not lie about sizes: no vector has more elements than
// there are bytes left, and no function more local variables than engines allow.

const maxLocals = 50_000 // as Wasmtime and browsers have it

var errSizes = errors.New("invalid module: a size or number in it cannot be true")

// checked returns the module without its custom sections, which say nothing that matters
// here, or an error if it lies about sizes.
func checked(module []byte) (out []byte, err error) {
	out = append(out, module[:len(coreHeader)]...)
	for rest := module[len(coreHeader):]; len(rest) > 0; {
		id := rest[0]
		content, after, ok := cutSized(rest[1:])
		if !ok {
			return nil, errSizes
		}
		rest = after
		if id == 0 {
			continue
		}
		if s := (sizes{rest: content}); id != 8 && id != 12 { // those are not vectors
			s.section(id)
			if s.lies {
				return nil, errSizes
			}
		}
		out = appendSized(append(out, id), content)
	}
	return out, nil
}

// sizes reads a section. After a lie it reads no further.
type sizes struct {
	rest []byte
	lies bool
}

func (s *sizes) section(id byte) {
	n := s.count()
	for range n {
		if s.lies {
			return
		}
		switch id {
		case 1: // types
			if s.byte() != 0x60 { // wazero refuses all but those of functions
				return
			}
			s.valueTypes()
			s.valueTypes()
		case 9: // elements of tables
			s.elements()
		case 10: // functions
			body := sizes{rest: s.bytes()}
			locals := uint64(0)
			for range body.count() {
				locals += min(body.number(), maxLocals+1)
				body.valueType()
				if body.lies || locals > maxLocals {
					break
				}
			}
			s.lies = s.lies || body.lies || locals > maxLocals
		case 11: // data
			switch s.number() {
			case 2:
				s.number()
				s.expression()
			case 0:
				s.expression()
			}
			s.bytes()
		}
	}
}

// elements reads an element segment. Its first number has three flags.
func (s *sizes) elements() {
	flags := s.number()
	passive, explicit, expressions := flags&1 != 0, flags&2 != 0, flags&4 != 0
	if !passive {
		if explicit {
			s.number() // of the table
		}
		s.expression()
	}
	if passive || explicit {
		if expressions {
			s.valueType()
		} else {
			s.byte() // the kind
		}
	}
	for range s.count() {
		if s.lies {
			return
		}
		if expressions {
			s.expression()
		} else {
			s.number()
		}
	}
}

// expression reads a constant expression.
func (s *sizes) expression() {
	for !s.lies {
		switch s.byte() {
		case 0x0b: // end
			return
		case 0x41, 0x42, 0x23, 0xd0, 0xd2: // numbers, variables and references
			s.number()
		case 0x43:
			s.skip(4)
		case 0x44:
			s.skip(8)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // arithmetic
		default:
			s.lies = true
		}
	}
}

func (s *sizes) valueTypes() {
	for range s.count() {
		if s.lies {
			return
		}
		s.valueType()
	}
}

func (s *sizes) valueType() {
	if t := s.byte(); t == 0x63 || t == 0x64 { // a reference, to a type
		s.number()
	}
}

// count reads the number of elements of a vector, each of which takes a byte at least.
func (s *sizes) count() uint64 {
	n := s.number()
	if n > uint64(len(s.rest)) {
		s.lies = true
		return 0
	}
	return n
}

// bytes reads a number and as many bytes.
func (s *sizes) bytes() []byte {
	n := s.count()
	p := s.rest[:n]
	s.rest = s.rest[n:]
	return p
}

func (s *sizes) byte() byte {
	if len(s.rest) == 0 {
		s.lies = true
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *sizes) skip(n int) {
	if n > len(s.rest) {
		s.lies = true
		n = len(s.rest)
	}
	s.rest = s.rest[n:]
}

// number reads a LEB128. Where it is signed, its value is not used.
func (s *sizes) number() uint64 {
	n, size := binary.Uvarint(s.rest)
	if size <= 0 {
		s.lies = true
		s.rest = nil
		return 0
	}
	s.rest = s.rest[size:]
	return n
}
