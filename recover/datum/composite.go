package datum

import (
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/binreader"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// compositeHead is the size of what precedes the null bitmap in a composite,
// the varlena header left out (HeapTupleHeaderData with DatumTupleFields).
const compositeHead = heap.TupleHeaderSize - 4

// field is one attribute of a composite.
type field struct {
	member
	dropped bool
	missing evidence.Value // in values older than the attribute
}

// compositeType decodes the values of one composite type. They are tuples whose
// header tells the type in place of transactions.
type compositeType struct {
	oid    pg.OID
	fields []field
}

// newComposite finds what decodes each attribute. A composite is printed whole
// or not at all, so an attribute of a type that is not supported is an error.
func (g *Registry) newComposite(t *catalog.Type, depth int) (Append, error) {
	attributes := g.attributesOf(t)
	if len(attributes) == 0 {
		return nil, fmt.Errorf("%w: %s, whose attributes the catalog at hand does not know", ErrUnsupported, g.TypeName(t.OID, -1))
	}
	c := &compositeType{oid: t.OID}
	for i := range attributes {
		a := &attributes[i]
		f := field{dropped: a.Dropped}
		f.attr = heap.Attr{Len: a.Len, Align: catalog.AlignBytes(a.Align)}
		if int(a.Number) != i+1 {
			return nil, fmt.Errorf("%w: %s, of which an attribute before number %d is not known", ErrUnsupported, g.TypeName(t.OID, -1), a.Number)
		}
		if !a.Dropped {
			each, err := g.forType(a.Type, depth+1)
			if err != nil {
				return nil, err
			}
			f.append = each
			f.missing = missingValue(&column{append: each}, a)
		}
		c.fields = append(c.fields, f)
	}
	return c.appendRecord, nil
}

// attributesOf finds the attributes of a composite: its own, or those of the
// table whose rows it describes.
func (g *Registry) attributesOf(t *catalog.Type) []catalog.Attribute {
	if len(t.Attributes) > 0 || g.db == nil {
		return t.Attributes
	}
	for i := range g.db.Relations {
		if rel := &g.db.Relations[i]; rel.OID == t.Relation {
			return rel.Attributes
		}
	}
	return nil
}

var errCompositeType = errors.New("it is a composite of another type")

// appendRecord follows record_out (rowtypes.c).
func (c *compositeType) appendRecord(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	r.Skip(4) // typmod
	oid := pg.OID(r.Uint32())
	r.Skip(6) // ctid
	natts, infomask, offset := int(r.Uint16()&heap.NattsMask), r.Uint16(), int(r.Uint8())
	if !r.OK() {
		return dst, fmt.Errorf("composite: %w", r.Err())
	}
	if oid != c.oid {
		return dst, fmt.Errorf("%w: %d, want %d", errCompositeType, oid, c.oid)
	}
	if natts > len(c.fields) {
		return dst, fmt.Errorf("composite: it has %d attributes, the catalog at hand knows %d", natts, len(c.fields))
	}
	var nulls []byte
	if infomask&heap.HasNull != 0 {
		nulls = r.Bytes((natts + 7) / 8)
	}
	if offset-(heap.TupleHeaderSize-compositeHead) < r.Offset() || offset%8 != 0 {
		return dst, fmt.Errorf("composite: impossible data offset %d", offset)
	}
	r.Seek(offset - (heap.TupleHeaderSize - compositeHead))
	if !r.OK() {
		return dst, fmt.Errorf("composite: %w", r.Err())
	}
	data := binreader.New(r.Rest())
	return c.appendFields(dst, &data, natts, nulls)
}

// appendFields prints the attributes. A NULL is printed as nothing.
func (c *compositeType) appendFields(dst []byte, r *binreader.Reader, natts int, nulls []byte) (_ []byte, err error) {
	dst = append(dst, '(')
	first := true
	for i := range c.fields {
		f := &c.fields[i]
		null := i < natts && nulls != nil && nulls[i/8]&(1<<(i%8)) == 0
		if f.dropped {
			if i < natts && !null {
				if _, err := f.next(r); err != nil {
					return dst, fmt.Errorf("composite: %w", err)
				}
			}
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		switch {
		case i >= natts && f.missing.State == evidence.Unknown:
			return dst, errors.New("composite: " + f.missing.Reason)
		case i >= natts && f.missing.State == evidence.Known:
			start := len(dst)
			dst = quoteDoubled(append(dst, f.missing.Text...), start, recordSpecial)
		case i >= natts || null:
		default:
			if dst, err = f.appendQuoted(dst, r, "composite", recordSpecial); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, ')'), nil
}

// recordSpecial are the characters that are quoted within a composite.
const recordSpecial = `(),`
