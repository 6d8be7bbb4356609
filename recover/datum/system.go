package datum

import (
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// appendTID follows tidout (tid.c): the block number is two halves, the upper first.
func appendTID(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	high, low, offset := r.Uint16(), r.Uint16(), r.Uint16()
	if err := whole(&r, "tid"); err != nil {
		return dst, err
	}
	dst = strconv.AppendUint(append(dst, '('), uint64(high)<<16|uint64(low), 10)
	dst = strconv.AppendUint(append(dst, ','), uint64(offset), 10)
	return append(dst, ')'), nil
}

// appendLSN follows pg_lsn_out (pg_lsn.c).
func appendLSN(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := pg.LSN(r.Uint64())
	if err := whole(&r, "pg_lsn"); err != nil {
		return dst, err
	}
	return append(dst, v.String()...), nil
}

// appendSnapshot follows pg_snapshot_out (xid8funcs.c) and txid_snapshot_out
// before it: xmin, xmax, and the transactions in progress between them.
func appendSnapshot(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	count := int(r.Uint32())
	xmin, xmax := r.Uint64(), r.Uint64()
	if r.OK() && r.Remaining() != 8*count {
		return dst, fmt.Errorf("pg_snapshot: %d transactions in %d bytes", count, r.Remaining())
	}
	dst = strconv.AppendUint(dst, xmin, 10)
	dst = strconv.AppendUint(append(dst, ':'), xmax, 10)
	dst = append(dst, ':')
	for i := 0; r.OK() && i < count; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, r.Uint64(), 10)
	}
	return dst, whole(&r, "pg_snapshot")
}

// appendInt2Vector follows int2vectorout (int.c).
func appendInt2Vector(dst, raw []byte) ([]byte, error) {
	return appendVector(dst, raw, 2, func(dst []byte, r *binreader.Reader) []byte {
		return strconv.AppendInt(dst, int64(r.Int16()), 10)
	})
}

// appendOIDVector follows oidvectorout (oid.c).
func appendOIDVector(dst, raw []byte) ([]byte, error) {
	return appendVector(dst, raw, 4, func(dst []byte, r *binreader.Reader) []byte {
		return strconv.AppendUint(dst, uint64(r.Uint32()), 10)
	})
}

// appendVector prints an array of one dimension and no NULLs with spaces between
// its elements of size bytes (int2vector and oidvector in c.h).
func appendVector(dst, raw []byte, size int, element func(dst []byte, r *binreader.Reader) []byte) ([]byte, error) {
	r := binreader.New(raw)
	dimensions, offset := r.Int32(), r.Int32()
	r.Skip(4)
	count := int(r.Int32())
	r.Skip(4)
	switch {
	case !r.OK():
		return dst, fmt.Errorf("vector: %w", r.Err())
	case dimensions != 1 || offset != 0:
		return dst, fmt.Errorf("vector: %d dimensions, elements at %d", dimensions, offset)
	case count < 0 || r.Remaining() != count*size:
		return dst, fmt.Errorf("vector: %d elements in %d bytes", count, r.Remaining())
	}
	for i := range count {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = element(dst, &r)
	}
	return dst, nil
}
