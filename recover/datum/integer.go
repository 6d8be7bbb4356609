package datum

import (
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// whole fails unless the reader has read the datum to its end and no further.
func whole(r *binreader.Reader, typeName string) error {
	if !r.OK() {
		return fmt.Errorf("%s: %w", typeName, r.Err())
	}
	if r.Remaining() != 0 {
		return fmt.Errorf("%s: %d bytes too many", typeName, r.Remaining())
	}
	return nil
}

// appendBool follows boolout (bool.c): every byte but 0 is true.
func appendBool(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Uint8()
	if err := whole(&r, "boolean"); err != nil {
		return dst, err
	}
	if v == 0 {
		return append(dst, 'f'), nil
	}
	return append(dst, 't'), nil
}

func appendInt2(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Int16()
	if err := whole(&r, "smallint"); err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, int64(v), 10), nil
}

func appendInt4(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Int32()
	if err := whole(&r, "integer"); err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, int64(v), 10), nil
}

func appendInt8(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Int64()
	if err := whole(&r, "bigint"); err != nil {
		return dst, err
	}
	return strconv.AppendInt(dst, v, 10), nil
}

// appendUint4 decodes oid, xid and cid.
func appendUint4(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Uint32()
	if err := whole(&r, "unsigned number of 4 bytes"); err != nil {
		return dst, err
	}
	return strconv.AppendUint(dst, uint64(v), 10), nil
}

// appendUint8 decodes xid8.
func appendUint8(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	v := r.Uint64()
	if err := whole(&r, "unsigned number of 8 bytes"); err != nil {
		return dst, err
	}
	return strconv.AppendUint(dst, v, 10), nil
}
