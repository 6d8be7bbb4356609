package datum

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// appendText decodes text, varchar, bpchar and json: the bytes as they are, in
// the database's encoding. No server stores a NUL in them.
func appendText(dst, raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, 0) >= 0 {
		return dst, errors.New("text: a NUL byte among the characters")
	}
	return append(dst, raw...), nil
}

// appendName decodes a name: up to the first NUL (NameData in c.h).
func appendName(dst, raw []byte) ([]byte, error) {
	text, _, _ := bytes.Cut(raw, []byte{0})
	return append(dst, text...), nil
}

// appendChar follows charout (char.c): a byte above 127 is printed in octal,
// the byte 0 as nothing.
func appendChar(dst, raw []byte) ([]byte, error) {
	at := len(dst)
	dst, err := appendRawChar(dst, raw)
	if err != nil || len(dst) == at || dst[at] <= 127 {
		return dst, err
	}
	c := dst[at]
	return append(dst[:at], '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7), nil
}

// appendRawChar follows charout before version 15: the byte, whatever it is.
func appendRawChar(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	c := r.Uint8()
	if err := whole(&r, `"char"`); err != nil || c == 0 {
		return dst, err
	}
	return append(dst, c), nil
}

// appendBytea follows byteaout (varlena.c) with bytea_output hex.
func appendBytea(dst, raw []byte) ([]byte, error) {
	return hex.AppendEncode(append(dst, `\x`...), raw), nil
}

// appendUUID follows uuid_out (uuid.c).
func appendUUID(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	b := r.Bytes(16)
	if err := whole(&r, "uuid"); err != nil {
		return dst, err
	}
	const digits = "0123456789abcdef"
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst, nil
}

// enumType decodes the values of one enum: the OID of a label (enum.c).
type enumType struct {
	name   string
	labels map[uint32]string
}

func (e *enumType) append(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	oid := r.Uint32()
	if err := whole(&r, "enum"); err != nil {
		return dst, err
	}
	label, ok := e.labels[oid]
	if !ok {
		return dst, fmt.Errorf("enum %s has no label with OID %d", e.name, oid)
	}
	return append(dst, label...), nil
}
