package datum

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/heap"
)

// Sound reports whether bytes can be a tuple of the relation: its attributes end
// where the tuple does, and each value that lies in it is one of its column's type.
// Values of types that are not decoded, and those out of line, are believed. The
// error says what is against it. It is for tuples that no line pointer vouches for.
func (d *RowDecoder) Sound(t *heap.Tuple) error {
	end, err := heap.Extent(t, d.attrs)
	if err != nil {
		return err
	}
	if end != len(t.Raw) {
		return fmt.Errorf("its attributes end at byte %d of %d", end, len(t.Raw))
	}
	if err := heap.Deform(t, d.attrs, d.datums); err != nil {
		return err
	}
	d.arena = d.arena[:0]
	for i := range d.columns {
		c := &d.columns[i]
		if c.attribute < 0 {
			return errors.New(c.reason)
		}
		if err := d.soundValue(c, d.datums[c.attribute]); err != nil {
			return fmt.Errorf("column %s: %w", d.relation.Columns[i].Name, err)
		}
	}
	return nil
}

func (d *RowDecoder) soundValue(c *column, raw heap.Datum) error {
	value := raw.Bytes
	switch raw.Form {
	case heap.FormExternal:
		_, err := heap.DecodeToastPointer(raw.Bytes)
		return err
	case heap.FormCompressed:
		unpacked, err := heap.DecompressInline(d.unpacked[:0], raw.Bytes)
		if err != nil {
			return err
		}
		d.unpacked, value = unpacked, unpacked
	case heap.FormPlain:
	default:
		return nil
	}
	if c.append == nil {
		return nil
	}
	text, err := c.append(d.arena[:0], value)
	if err != nil {
		return err
	}
	d.arena = text
	if c.utf8 && !utf8.Valid(text) {
		return errEncoding
	}
	return nil
}
