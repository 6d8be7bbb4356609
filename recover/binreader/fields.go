package binreader

import "encoding/binary"

// Fields reads the fields of a structure at offsets that its decoder knows. A
// read that does not lie within the bytes gives zero, so the decoder compares the
// structure's size with len once. It is for the hottest paths: unlike a Reader,
// it has no position to keep, and so stays in registers.
type Fields []byte

// Has reports whether n bytes lie at the offset.
func (f Fields) Has(off, n int) bool { return off >= 0 && n >= 0 && off <= len(f) && n <= len(f)-off }

// Uint8 reads one byte.
func (f Fields) Uint8(off int) uint8 {
	if uint(off) >= uint(len(f)) {
		return 0
	}
	return f[off]
}

// Uint16 reads two bytes.
func (f Fields) Uint16(off int) uint16 {
	if off < 0 || len(f)-off < 2 {
		return 0
	}
	return binary.LittleEndian.Uint16(f[off:])
}

// Uint32 reads four bytes.
func (f Fields) Uint32(off int) uint32 {
	if off < 0 || len(f)-off < 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(f[off:])
}

// Uint64 reads eight bytes.
func (f Fields) Uint64(off int) uint64 {
	if off < 0 || len(f)-off < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(f[off:])
}

// Bytes returns n bytes without copying, or nil when they do not lie within.
func (f Fields) Bytes(off, n int) []byte {
	if !f.Has(off, n) {
		return nil
	}
	return f[off : off+n : off+n]
}
