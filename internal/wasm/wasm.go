// Package wasm reads and writes the framing of the WebAssembly binary format: sections,
// vectors, and numbers in LEB128. It does not trust what it reads.
package wasm

import "encoding/binary"

// The first bytes of a core module, and of a component.
const (
	ModuleHeader    = "\x00asm\x01\x00\x00\x00"
	ComponentHeader = "\x00asm\x0d\x00\x01\x00"
)

// A Section is a section of a module or a component.
type Section struct {
	ID      byte
	Content []byte
}

// Sections returns the sections that follow the header of a module or a component. If the last
// one is truncated, ok is false, and sections has those before it.
func Sections(b []byte) (sections []Section, ok bool) {
	r := NewReader(b)
	r.Skip(len(ModuleHeader))
	for r.Len() > 0 {
		s := Section{r.Byte(), r.Bytes()}
		if !r.OK() {
			break
		}
		sections = append(sections, s)
	}
	return sections, r.OK()
}

// A Reader reads the parts of a section. If one of them is missing, that read and all later
// ones return zero, and OK is false from then on.
type Reader struct {
	rest   []byte
	failed bool
}

// NewReader returns a Reader that reads b.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// OK reports whether everything read so far was there.
func (r *Reader) OK() bool { return !r.failed }

// Len returns the number of bytes that are left to read.
func (r *Reader) Len() int { return len(r.rest) }

// Rest returns the bytes that are left to read.
func (r *Reader) Rest() []byte { return r.rest }

// Fail makes OK report false.
func (r *Reader) Fail() { r.rest, r.failed = nil, true }

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if len(r.rest) == 0 {
		r.Fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// Skip skips n bytes.
func (r *Reader) Skip(n int) {
	if n > len(r.rest) {
		r.Fail()
		return
	}
	r.rest = r.rest[n:]
}

// Uint reads an unsigned number. It can also skip a signed one, but does not return its value.
func (r *Reader) Uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Count reads the number of elements of a vector. Each element takes at least one byte, so a
// number greater than that of the bytes left fails.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Bytes reads a vector of bytes. A name is one.
func (r *Reader) Bytes() []byte {
	n := r.Count()
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// AppendUint appends a number.
func AppendUint(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

// AppendInt appends a signed number. Its encoding is not that of [binary.AppendVarint].
func AppendInt(b []byte, n int64) []byte {
	for {
		low := byte(n & 0x7f)
		n >>= 7
		if n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// AppendBytes appends a vector of bytes.
func AppendBytes(b, content []byte) []byte {
	return append(AppendUint(b, uint64(len(content))), content...)
}

// AppendSection appends a section.
func AppendSection(b []byte, id byte, content []byte) []byte {
	return AppendBytes(append(b, id), content)
}
