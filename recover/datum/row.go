package datum

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// Toaster fetches values that were moved out of their tuple.
type Toaster interface {
	// Fetch returns the stored bytes of a value, all chunks in a row, compressed
	// still if the pointer says so. They need be valid only until the next call.
	// The error says what is missing.
	Fetch(p heap.ToastPointer) ([]byte, error)
}

// Reasons of unknown values that do not come from an error, the same sentence
// for all rows.
const (
	reasonDamaged    = "the tuple is damaged before this value"
	reasonNoToaster  = "it is stored out of line and the TOAST relation is not at hand"
	reasonNoShape    = "the catalog at hand lacks an attribute before this one"
	reasonMissingVal = "the tuple is older than the column, and the column's default of that time could not be read"
)

// errEncoding tells of damage: no server stores such a text, nor would it take it back.
var errEncoding = errors.New("text: not valid in the database's encoding UTF8")

// keptArena bounds the bytes that a RowDecoder keeps between rows.
const keptArena = 4 << 20

// column is what decodes one column that is not dropped.
type column struct {
	attribute int // index in the tuple
	append    Append
	reason    string // why append is nil
	utf8      bool   // holds texts of a database in UTF-8
	missing   evidence.Value
}

// RowDecoder turns the tuples of one relation into rows. It keeps its buffers
// between calls and serves one goroutine.
type RowDecoder struct {
	relation *evidence.Relation
	attrs    []heap.Attr
	columns  []column
	datums   []heap.Datum
	arena    []byte // the texts of the last row
	unpacked []byte // the last value that was decompressed
}

// NewRowDecoder makes the decoder of a relation. Columns of types that are not
// supported are unknown in every row, with their bytes.
func NewRowDecoder(db *catalog.Database, rel *catalog.Relation) *RowDecoder {
	types := NewRegistry(db)
	name := evidence.RelationName{Schema: rel.Schema, Name: rel.Name}
	if db != nil {
		name.Database = db.Name
	}
	d := &RowDecoder{relation: &evidence.Relation{RelationName: name, OID: rel.OID}}
	for i := range rel.Attributes {
		a := &rel.Attributes[i]
		// Behind a gap in the numbers nobody knows where attributes begin.
		known := int(a.Number) == i+1 && len(d.attrs) == i
		if known {
			d.attrs = append(d.attrs, heap.Attr{Len: a.Len, Align: catalog.AlignBytes(a.Align)})
		}
		if a.Dropped {
			continue
		}
		d.relation.Columns = append(d.relation.Columns, evidence.Column{
			Name: a.Name, Type: types.TypeName(a.Type, a.TypeMod),
			Key: slices.Contains(rel.PrimaryKey, a.Number), Generated: a.Generated != "", Identity: firstByte(a.Identity),
		})
		c := column{attribute: i}
		if !known {
			c.attribute, c.reason = -1, reasonNoShape
		} else if found, err := types.ForType(a.Type); err != nil {
			c.reason = err.Error()
		} else {
			c.append, c.utf8 = found, db != nil && db.Encoding == "UTF8" && types.holdsText(a.Type)
		}
		c.missing = missingValue(&c, a)
		d.columns = append(d.columns, c)
	}
	d.datums = make([]heap.Datum, len(d.attrs))
	return d
}

func firstByte(text string) byte {
	if text == "" {
		return 0
	}
	return text[0]
}

// missingValue decodes the value that rows older than the column have.
func missingValue(c *column, a *catalog.Attribute) evidence.Value {
	switch {
	case a.MissingUnknown:
		return evidence.Value{State: evidence.Unknown, Reason: reasonMissingVal}
	case a.Missing == nil:
		return evidence.Value{State: evidence.Null}
	}
	unknown := evidence.Value{State: evidence.Unknown, Reason: c.reason, Raw: a.Missing}
	if c.append == nil {
		return unknown
	}
	head, elements, err := readArrayHead(a.Missing)
	if err == nil && (head.items != 1 || head.element != a.Type) {
		err = errors.New("it is not an array of one value of the column's type")
	}
	var text []byte
	if err == nil {
		one := arrayType{append: c.append, attr: heap.Attr{Len: a.Len, Align: catalog.AlignBytes(a.Align)}}
		text, err = one.only(elements)
	}
	if err != nil {
		unknown.Reason = reasonMissingVal + ": " + err.Error()
		return unknown
	}
	return evidence.Value{State: evidence.Known, Text: text}
}

// Relation is the shape of the rows, dropped columns left out.
func (d *RowDecoder) Relation() *evidence.Relation { return d.relation }

// Decode fills row.Relation and row.Values, and nothing else of row. The values'
// bytes are valid until the next call; row.Values is used again. toast may be nil.
//
// A value that cannot be decoded is unknown, with the reason and its bytes, and
// that is no error. The error tells that attributes of the tuple itself could not
// be found; the row has what was found, and the other values are unknown.
func (d *RowDecoder) Decode(t *heap.Tuple, toast Toaster, row *evidence.Row) error {
	if cap(d.arena) > keptArena {
		d.arena = nil
	}
	d.arena = d.arena[:0]
	row.Relation = d.relation
	row.Values = slices.Grow(row.Values[:0], len(d.columns))[:len(d.columns)]
	err := heap.Deform(t, d.attrs, d.datums)
	if err != nil {
		err = fmt.Errorf("datum: decode tuple of %s: %w", d.relation.RelationName, err)
	} else if t.Natts() > len(d.attrs) {
		err = fmt.Errorf("datum: decode tuple of %s: it has %d attributes, the catalog at hand knows %d",
			d.relation.RelationName, t.Natts(), len(d.attrs))
	}
	for i := range d.columns {
		d.decodeColumn(&d.columns[i], t.Natts(), toast, &row.Values[i])
	}
	return err
}

// decodeColumn fills one value.
func (d *RowDecoder) decodeColumn(c *column, natts int, toast Toaster, v *evidence.Value) {
	if c.attribute < 0 {
		*v = evidence.Value{State: evidence.Unknown, Reason: c.reason}
		return
	}
	raw := d.datums[c.attribute]
	switch {
	case raw.Form == heap.FormPlain && c.append != nil:
		d.decodeValue(c, raw.Bytes, v)
		return
	case raw.Form == heap.FormNull:
		*v = evidence.Value{State: evidence.Null}
		return
	case raw.Form == heap.FormMissing && c.attribute < natts:
		*v = evidence.Value{State: evidence.Unknown, Reason: reasonDamaged}
		return
	case raw.Form == heap.FormMissing:
		*v = c.missing
		return
	}
	value, reason := d.unpack(raw, toast)
	if reason != "" {
		*v = evidence.Value{State: evidence.Unknown, Reason: reason, Raw: d.keep(raw.Bytes)}
		return
	}
	if c.append == nil {
		*v = evidence.Value{State: evidence.Unknown, Reason: c.reason, Raw: d.keep(value)}
		return
	}
	d.decodeValue(c, value, v)
}

// decodeValue decodes the plain bytes of a value.
func (d *RowDecoder) decodeValue(c *column, raw []byte, v *evidence.Value) {
	start := len(d.arena)
	arena, err := c.append(d.arena, raw)
	if err == nil && c.utf8 && !utf8.Valid(arena[start:]) {
		err = errEncoding
	}
	if err != nil {
		*v = evidence.Value{State: evidence.Unknown, Reason: err.Error(), Raw: d.keep(raw)}
		return
	}
	// When the arena moves, texts before it stay where they are, unchanged.
	d.arena = arena
	*v = evidence.Value{State: evidence.Known, Text: arena[start:len(arena):len(arena)]}
}

// keep copies bytes into the arena.
func (d *RowDecoder) keep(raw []byte) []byte {
	start := len(d.arena)
	d.arena = append(d.arena, raw...)
	return d.arena[start:len(d.arena):len(d.arena)]
}

// unpack gives the plain bytes of a value in any form, or the reason why it
// cannot. They are valid until the next call.
func (d *RowDecoder) unpack(raw heap.Datum, toast Toaster) (value []byte, reason string) {
	if cap(d.unpacked) > keptArena {
		d.unpacked = nil
	}
	var err error
	switch raw.Form {
	case heap.FormCompressed:
		value, err = heap.DecompressInline(d.unpacked[:0], raw.Bytes)
		if err == nil {
			d.unpacked = value
		}
	case heap.FormExternal:
		if toast == nil {
			return nil, reasonNoToaster
		}
		value, err = d.fetch(raw.Bytes, toast)
	default:
		value = raw.Bytes
	}
	if err != nil {
		return nil, err.Error()
	}
	return value, ""
}

// fetch gets a value from its TOAST relation.
func (d *RowDecoder) fetch(pointer []byte, toast Toaster) ([]byte, error) {
	p, err := heap.DecodeToastPointer(pointer)
	if err != nil {
		return nil, err
	}
	stored, err := toast.Fetch(p)
	if err != nil {
		return nil, err
	}
	value, err := p.Unpack(d.unpacked[:0], stored)
	if err == nil && p.Compressed() {
		d.unpacked = value
	}
	return value, err
}
