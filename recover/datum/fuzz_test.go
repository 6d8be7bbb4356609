package datum_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// FuzzValue decodes any bytes as a value of any type. What was in dst stays, and
// decoding twice gives the same.
func FuzzValue(f *testing.F) {
	for _, v := range readGolden(f) {
		f.Add(uint32(v.oid), v.raw)
	}
	types := datum.NewRegistry(nil)
	f.Fuzz(func(t *testing.T, oid uint32, raw []byte) {
		decode, err := types.ForType(pg.OID(oid))
		if err != nil {
			return
		}
		before := bytes.Clone(raw)
		const prefix = "kept"
		text, err := decode([]byte(prefix), raw)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(text, []byte(prefix)) {
			t.Errorf("dst was changed: %q", text[:min(len(text), 20)])
		}
		if !bytes.Equal(raw, before) {
			t.Error("raw was changed")
		}
		again, err := decode(nil, raw)
		if err != nil || !bytes.Equal(again, text[len(prefix):]) {
			t.Errorf("the second time: %.100q, %v; the first: %.100q", again, err, text[len(prefix):])
		}
	})
}

// wideRelation has a column of every type of the golden values, and a dropped one.
func wideRelation(values []goldenValue) *catalog.Relation {
	rel := &catalog.Relation{Schema: "public", Name: "wide", PrimaryKey: []int16{1}}
	lengths := map[pg.OID]int16{
		16: 1, 18: 1, 19: 64, 20: 8, 21: 2, 23: 4, 26: 4, 28: 4, 29: 4, 700: 4, 701: 8, 774: 8, 829: 6,
		1082: 4, 1083: 8, 1114: 8, 1184: 8, 1186: 16, 1266: 12, 2950: 16, 5069: 8,
	}
	aligns := map[pg.OID]string{
		16: "c", 18: "c", 19: "c", 20: "d", 21: "s", 701: "d", 1083: "d", 1114: "d", 1184: "d", 1186: "d", 1266: "d", 2950: "c", 5069: "d",
	}
	seen := map[pg.OID]bool{}
	for _, v := range values {
		if seen[v.oid] {
			continue
		}
		seen[v.oid] = true
		a := catalog.Attribute{Number: int16(len(rel.Attributes) + 1), Name: "c", Type: v.oid, TypeMod: -1, Len: -1, Align: "i"}
		if n, fixed := lengths[v.oid]; fixed {
			a.Len = n
		}
		if align, known := aligns[v.oid]; known {
			a.Align = align
		}
		rel.Attributes = append(rel.Attributes, a)
	}
	rel.Attributes = append(rel.Attributes, catalog.Attribute{Number: int16(len(rel.Attributes) + 1), Name: "gone", Len: 4, Align: "i", Dropped: true})
	return rel
}

// wideTuple is a tuple of wideRelation, with the first value of each type.
func wideTuple(rel *catalog.Relation, values []goldenValue) []byte {
	le := binary.LittleEndian
	raw := make([]byte, 24)
	le.PutUint16(raw[18:], uint16(len(rel.Attributes)))
	le.PutUint16(raw[20:], heap.HasVarWidth)
	raw[22] = 24
	for i, a := range rel.Attributes {
		value := []byte{0, 0, 0, 0}
		for _, v := range values {
			if v.oid == a.Type {
				value = v.raw
				break
			}
		}
		if a.Len < 0 && len(value) < 100 && i%2 == 0 {
			raw = append(append(raw, byte(len(value)+1)<<1|1), value...)
			continue
		}
		for len(raw)%int(catalog.AlignBytes(a.Align)) != 0 {
			raw = append(raw, 0)
		}
		if a.Len < 0 {
			raw = le.AppendUint32(raw, uint32(len(value)+4)<<2)
		}
		raw = append(raw, value...)
	}
	return raw
}

// anyToaster gives the same stored bytes for every pointer.
type anyToaster []byte

func (a anyToaster) Fetch(heap.ToastPointer) ([]byte, error) { return a, nil }

// FuzzRow decodes any bytes as a tuple: the row always comes, with a value for
// each column, and each unknown value has its reason.
func FuzzRow(f *testing.F) {
	values := readGolden(f)
	rel := wideRelation(values)
	seed := wideTuple(rel, values)
	decoder := datum.NewRowDecoder(nil, rel)
	if tuple, err := heap.DecodeTuple(seed); err != nil {
		f.Fatal(err)
	} else {
		var row evidence.Row
		if err := decoder.Decode(&tuple, nil, &row); err != nil || !row.Complete() {
			f.Fatalf("the seed is no row: %v, %s", err, joinValues(&row))
		}
	}
	f.Add(seed, []byte("stored"))
	f.Add(simpleTuple(6, "some text"), []byte{})
	// A value out of line, and one that is compressed in the tuple.
	f.Add(append(simpleTuple(2, "")[:44], "\x01\x12\x28\x00\x00\x00\x06\x00\x00\x00\x01\x40\x00\x00\x02\x40\x00\x00"...), []byte("stored"))
	f.Add(append(simpleTuple(3, "")[:44], "\x3a\x00\x00\x00\x08\x00\x00\x00\x00somete\x02\x01"...), []byte{})
	f.Fuzz(func(t *testing.T, raw, stored []byte) {
		tuple, err := heap.DecodeTuple(raw)
		if err != nil {
			return
		}
		var row evidence.Row
		err = decoder.Decode(&tuple, anyToaster(stored), &row)
		if len(row.Values) != len(decoder.Relation().Columns) || row.Relation != decoder.Relation() {
			t.Fatalf("%d values for %d columns", len(row.Values), len(decoder.Relation().Columns))
		}
		for i, v := range row.Values {
			if v.State == evidence.Unknown && v.Reason == "" {
				t.Errorf("column %d is unknown without a reason", i)
			}
			if v.State != evidence.Unknown && v.Reason != "" {
				t.Errorf("column %d is known and has the reason %q", i, v.Reason)
			}
		}
		if err == nil && tuple.Natts() > len(rel.Attributes) {
			t.Error("a tuple with more attributes than the relation is no error")
		}
	})
}
