// Package binreader is the only way in which a decoder of pgrescue touches
// bytes that it did not make itself.
//
//   - Reader: a position in a byte slice. Every read checks bounds.
//   - sticky: the first read past the end sets the error; every later read
//     gives zero values, so a decoder reads a whole structure and asks Err once.
//   - short: the error of a read past the end; it says where and how much was wanted.
//
// Integers are little-endian, as in the files of every platform that pgrescue
// supports. The package imports the standard library only.
package binreader

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ShortError tells that the bytes ended before the structure did.
type ShortError struct {
	Offset int // where the read began, in bytes from the start of the slice
	Want   int // bytes asked for
	Have   int // bytes in the slice
}

// Error says which read failed.
func (e *ShortError) Error() string {
	return fmt.Sprintf("want %d bytes at offset %d, have %d bytes in all", e.Want, e.Offset, e.Have)
}

// Reader reads values from a byte slice and never past its end. The zero
// Reader is an empty one. A Reader is small and may live on the stack.
type Reader struct {
	buf []byte
	off int
	bad *ShortError
}

// New returns a Reader at the start of buf. The Reader does not copy buf.
func New(buf []byte) Reader { return Reader{buf: buf} }

// Err returns the first failed read as a *ShortError, or nil.
func (r *Reader) Err() error {
	if r.bad == nil {
		return nil
	}
	return r.bad
}

// OK reports whether every read so far succeeded.
func (r *Reader) OK() bool { return r.bad == nil }

// Offset is the position in bytes from the start of the slice.
func (r *Reader) Offset() int { return r.off }

// Remaining is the number of bytes from the position to the end; 0 after an error.
func (r *Reader) Remaining() int { return len(r.buf) - r.off }

// fail records the first failure and moves to the end, so that the cheap
// bounds check of every later read fails too.
func (r *Reader) fail(want int) {
	if r.bad == nil {
		r.bad = &ShortError{Offset: r.off, Want: want, Have: len(r.buf)}
	}
	r.off = len(r.buf)
}

// Uint8 reads one byte.
func (r *Reader) Uint8() uint8 {
	if len(r.buf)-r.off < 1 {
		r.fail(1)
		return 0
	}
	v := r.buf[r.off]
	r.off++
	return v
}

// Uint16 reads two bytes.
func (r *Reader) Uint16() uint16 {
	if len(r.buf)-r.off < 2 {
		r.fail(2)
		return 0
	}
	v := binary.LittleEndian.Uint16(r.buf[r.off:])
	r.off += 2
	return v
}

// Uint32 reads four bytes.
func (r *Reader) Uint32() uint32 {
	if len(r.buf)-r.off < 4 {
		r.fail(4)
		return 0
	}
	v := binary.LittleEndian.Uint32(r.buf[r.off:])
	r.off += 4
	return v
}

// Uint64 reads eight bytes.
func (r *Reader) Uint64() uint64 {
	if len(r.buf)-r.off < 8 {
		r.fail(8)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.buf[r.off:])
	r.off += 8
	return v
}

// Int16 reads two bytes as a signed number.
func (r *Reader) Int16() int16 { return int16(r.Uint16()) }

// Int32 reads four bytes as a signed number.
func (r *Reader) Int32() int32 { return int32(r.Uint32()) }

// Int64 reads eight bytes as a signed number.
func (r *Reader) Int64() int64 { return int64(r.Uint64()) }

// Float32 reads four bytes as an IEEE 754 number.
func (r *Reader) Float32() float32 { return math.Float32frombits(r.Uint32()) }

// Float64 reads eight bytes as an IEEE 754 number.
func (r *Reader) Float64() float64 { return math.Float64frombits(r.Uint64()) }

// Bytes returns the next n bytes without copying, or nil with the error set
// when there are fewer or n is negative.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || len(r.buf)-r.off < n {
		r.fail(n)
		return nil
	}
	v := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return v
}

// Rest returns all bytes from the position to the end, and moves there.
func (r *Reader) Rest() []byte {
	v := r.buf[r.off:]
	r.off = len(r.buf)
	return v
}

// CString returns the bytes up to the next NUL and moves behind it.
func (r *Reader) CString() []byte {
	for i := r.off; i < len(r.buf); i++ {
		if r.buf[i] == 0 {
			v := r.buf[r.off:i:i]
			r.off = i + 1
			return v
		}
	}
	r.fail(len(r.buf) - r.off + 1)
	return nil
}

// Skip moves n bytes on.
func (r *Reader) Skip(n int) {
	if n < 0 || len(r.buf)-r.off < n {
		r.fail(n)
		return
	}
	r.off += n
}

// Seek moves to an absolute position; the error stays if there is one.
func (r *Reader) Seek(off int) {
	if r.bad != nil {
		return
	}
	if off < 0 || off > len(r.buf) {
		r.fail(off - r.off)
		return
	}
	r.off = off
}

// Align moves to the next multiple of n, a power of two, counted from the
// start of the slice. Moving past the end is an error.
func (r *Reader) Align(n int) { r.Skip((r.off+n-1)&^(n-1) - r.off) }
