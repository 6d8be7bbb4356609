package heap

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pierrec/lz4/v4"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pg/pglz"
)

// CompressionMethod is how a TOAST value is compressed: the two upper bits of
// va_tcinfo and of va_extinfo (ToastCompressionId in access/toast_compression.h).
type CompressionMethod uint8

// The methods.
const (
	CompressionPGLZ CompressionMethod = 0
	CompressionLZ4  CompressionMethod = 1
)

// String names the method as SET COMPRESSION does.
func (m CompressionMethod) String() string {
	switch m {
	case CompressionPGLZ:
		return "pglz"
	case CompressionLZ4:
		return "lz4"
	}
	return fmt.Sprintf("method %d", uint8(m))
}

// The size and the method share a word (VARLENA_EXTSIZE_BITS in postgres.h).
const (
	toastSizeBits = 30
	toastSizeMask = 1<<toastSizeBits - 1
)

// lz4MaxExpansion bounds the bytes that one byte of an LZ4 block can unpack to:
// a byte that extends a match's length adds at most 255.
const lz4MaxExpansion = 255

// ToastPointer says where a value lies that was moved out of its tuple
// (varatt_external in postgres.h).
type ToastPointer struct {
	RawSize       uint32 // bytes of the value when it is unpacked, without a varlena header
	ExtSize       uint32 // bytes stored in the chunks
	Method        CompressionMethod
	ValueID       pg.OID // chunk_id
	ToastRelation pg.OID
}

// DecodeToastPointer decodes the bytes of a FormExternal Datum. It fails when
// the sizes or the method are impossible.
func DecodeToastPointer(raw []byte) (ToastPointer, error) {
	r := binreader.New(raw)
	size, info := r.Int32(), r.Uint32()
	p := ToastPointer{ValueID: pg.OID(r.Uint32()), ToastRelation: pg.OID(r.Uint32())}
	if !r.OK() {
		return ToastPointer{}, fmt.Errorf("TOAST pointer: %w", r.Err())
	}
	if size < varHeaderSize || size > toastSizeMask {
		return ToastPointer{}, fmt.Errorf("TOAST pointer has an impossible raw size of %d bytes", size)
	}
	p.RawSize = uint32(size) - varHeaderSize
	p.ExtSize, p.Method = info&toastSizeMask, CompressionMethod(info>>toastSizeBits)
	switch {
	case p.ExtSize > p.RawSize:
		return ToastPointer{}, fmt.Errorf("TOAST pointer has %d bytes stored for a value of %d", p.ExtSize, p.RawSize)
	case p.ToastRelation == 0 || p.ValueID == 0:
		return ToastPointer{}, fmt.Errorf("TOAST pointer names value %d of relation %d", p.ValueID, p.ToastRelation)
	case p.Method > CompressionLZ4:
		return ToastPointer{}, fmt.Errorf("TOAST pointer has unknown compression %s", p.Method)
	}
	return p, nil
}

// Compressed reports whether the stored bytes are compressed
// (VARATT_EXTERNAL_IS_COMPRESSED).
func (p ToastPointer) Compressed() bool { return p.ExtSize < p.RawSize }

// Unpack turns the stored bytes into the value. A compressed value is appended
// to dst; of one that is not, the result is stored itself.
func (p ToastPointer) Unpack(dst, stored []byte) ([]byte, error) {
	if len(stored) != int(p.ExtSize) {
		return nil, fmt.Errorf("TOAST value %d of relation %d has %d bytes stored, want %d", p.ValueID, p.ToastRelation, len(stored), p.ExtSize)
	}
	if !p.Compressed() {
		return stored, nil
	}
	size, method, data, err := compressionHeader(stored)
	if err != nil {
		return nil, err
	}
	if size != p.RawSize || method != p.Method {
		return nil, fmt.Errorf("TOAST value %d of relation %d says %s of %d bytes, its pointer %s of %d",
			p.ValueID, p.ToastRelation, method, size, p.Method, p.RawSize)
	}
	return decompress(dst, data, size, method)
}

// DecompressInline unpacks a value that is compressed in its tuple, the bytes
// of a FormCompressed Datum: va_tcinfo, then the data. It appends to dst.
func DecompressInline(dst, src []byte) ([]byte, error) {
	size, method, data, err := compressionHeader(src)
	if err != nil {
		return nil, err
	}
	return decompress(dst, data, size, method)
}

// compressionHeader takes va_tcinfo off compressed bytes.
func compressionHeader(src []byte) (size uint32, method CompressionMethod, data []byte, err error) {
	r := binreader.New(src)
	info := r.Uint32()
	if !r.OK() {
		return 0, 0, nil, fmt.Errorf("compressed value: %w", r.Err())
	}
	return info & toastSizeMask, CompressionMethod(info >> toastSizeBits), r.Rest(), nil
}

// decompress appends the unpacked bytes to dst. The size is checked against
// what the data can give before anything is allocated.
func decompress(dst, data []byte, size uint32, method CompressionMethod) ([]byte, error) {
	switch method {
	case CompressionPGLZ:
		out, err := pglz.Decompress(dst, data, int(size))
		if err != nil {
			return nil, fmt.Errorf("decompress value: %w", err)
		}
		return out, nil
	case CompressionLZ4:
		return decompressLZ4(dst, data, int(size))
	}
	return nil, fmt.Errorf("value has unknown compression %s", method)
}

func decompressLZ4(dst, data []byte, size int) ([]byte, error) {
	if size > len(data)*lz4MaxExpansion {
		return nil, fmt.Errorf("decompress value: %d bytes of lz4 cannot unpack to %d", len(data), size)
	}
	if size == 0 { // no server compresses nothing, and the library cannot unpack to no room
		return nil, errors.New("decompress value: lz4 of an empty value")
	}
	start := len(dst)
	out := slices.Grow(dst, size)[:start+size]
	n, err := lz4.UncompressBlock(data, out[start:])
	if err != nil {
		return nil, fmt.Errorf("decompress value of %d bytes: %w", size, err)
	}
	if n != size {
		return nil, fmt.Errorf("decompress value: lz4 gave %d bytes, want %d", n, size)
	}
	return out, nil
}
