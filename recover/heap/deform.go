package heap

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// Attr is the physical shape of one attribute (attlen and attalign of
// pg_attribute): what is needed to find it in a tuple.
type Attr struct {
	Len   int16 // bytes; -1 varlena, -2 C string
	Align uint8 // 1, 2, 4 or 8 bytes
}

// Form tells in which form a Datum's bytes are.
type Form uint8

// The forms of an attribute on disk (varattrib_1b, varattrib_4b and
// varattrib_1b_e in postgres.h).
const (
	FormNull       Form = iota
	FormMissing         // the tuple is older than the column
	FormPlain           // the value's bytes, varlena header removed
	FormCompressed      // varlena compressed inline: Bytes begins with va_tcinfo
	FormExternal        // TOAST pointer: Bytes is varatt_external, 16 bytes
)

// Datum is one attribute as Deform found it. Bytes points into the tuple.
type Datum struct {
	Form  Form
	Bytes []byte
}

// ErrAttribute tells that a tuple's bytes end before its attributes do.
var ErrAttribute = errors.New("attribute does not fit the tuple")

// Deform finds the attributes of a tuple. It fills one element of out for each
// of attrs; attributes that the tuple is too old to hold get FormMissing. On
// damage it returns an error, with the attributes before the damage filled and
// the others FormMissing. It allocates nothing (heap_deform_tuple in heaptuple.c).
func Deform(t *Tuple, attrs []Attr, out []Datum) error {
	for i := range out {
		out[i] = Datum{Form: FormMissing}
	}
	r := binreader.New(t.Raw)
	r.Seek(int(t.DataOffset))
	data := r.Rest()
	nulls := t.Infomask&HasNull != 0
	r = binreader.New(data)
	for i := 0; i < len(attrs) && i < len(out) && i < t.Natts(); i++ {
		if nulls && t.Null(i) {
			out[i] = Datum{Form: FormNull}
			continue
		}
		d, err := readDatum(&r, attrs[i])
		if err != nil {
			return fmt.Errorf("%w: attribute %d at byte %d: %v", ErrAttribute, i+1, int(t.DataOffset)+r.Offset(), err)
		}
		out[i] = d
	}
	return nil
}

// readDatum reads one attribute at the reader's position. A varlena with a
// one-byte header is not aligned, and a padding byte is never a header
// (att_align_pointer in access/tupmacs.h).
func readDatum(r *binreader.Reader, a Attr) (Datum, error) {
	var d Datum
	switch {
	case a.Len > 0:
		r.Align(int(a.Align))
		d = Datum{Form: FormPlain, Bytes: r.Bytes(int(a.Len))}
	case a.Len == -2:
		d = Datum{Form: FormPlain, Bytes: r.CString()}
	default:
		return ReadVarlena(r, int(a.Align))
	}
	return d, r.Err()
}

// Varlena headers (SET_VARSIZE and VARATT macros in postgres.h, little-endian).
const (
	varTagOnDisk     = 18 // VARTAG_ONDISK
	externalSize     = 16 // sizeof(varatt_external)
	varHeaderSize    = 4
	compressedHeader = 4 // va_tcinfo
)

// ReadVarlena reads a varlena at the reader's position, aligned to align bytes
// unless its header is the short one. Array elements and other nested values
// are read with it too.
func ReadVarlena(r *binreader.Reader, align int) (Datum, error) {
	start := *r
	head := r.Uint8()
	if head == 0 { // padding before a 4-byte header
		*r = start
		r.Align(align)
		start = *r
		head = r.Uint8()
	}
	switch {
	case !r.OK():
		return Datum{}, r.Err()
	case head == 0x01: // external
		tag := r.Uint8()
		if r.OK() && tag != varTagOnDisk {
			return Datum{}, fmt.Errorf("TOAST pointer has tag %d, which is never on disk", tag)
		}
		return Datum{Form: FormExternal, Bytes: r.Bytes(externalSize)}, r.Err()
	case head&0x01 != 0: // one-byte header: length in the upper seven bits, itself included
		return Datum{Form: FormPlain, Bytes: r.Bytes(int(head>>1) - 1)}, r.Err()
	}
	*r = start
	r.Align(align)
	word := r.Uint32()
	length := int(word>>2) - varHeaderSize
	if word&0x03 == 0x02 {
		b := r.Bytes(length)
		if r.OK() && length < compressedHeader {
			return Datum{}, fmt.Errorf("compressed value of %d bytes", length)
		}
		return Datum{Form: FormCompressed, Bytes: b}, r.Err()
	}
	return Datum{Form: FormPlain, Bytes: r.Bytes(length)}, r.Err()
}
