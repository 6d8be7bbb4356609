package datum_test

import (
	"encoding/binary"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// simpleRelation is a table of the types that most tables are made of.
func simpleRelation() *catalog.Relation {
	return &catalog.Relation{Schema: "public", Name: "simple", Attributes: []catalog.Attribute{
		{Number: 1, Name: "id", Type: 2950, TypeMod: -1, Len: 16, Align: "c"},
		{Number: 2, Name: "n", Type: 23, TypeMod: -1, Len: 4, Align: "i"},
		{Number: 3, Name: "name", Type: 25, TypeMod: -1, Len: -1, Align: "i"},
		{Number: 4, Name: "made", Type: 1184, TypeMod: -1, Len: 8, Align: "d"},
		{Number: 5, Name: "done", Type: 16, TypeMod: -1, Len: 1, Align: "c"},
		{Number: 6, Name: "price", Type: 1700, TypeMod: -1, Len: -1, Align: "i"},
	}}
}

// simpleTuple is a tuple of simpleRelation; natts leaves later columns out, as
// in tuples older than them.
func simpleTuple(natts int, name string) []byte {
	le := binary.LittleEndian
	raw := make([]byte, 24)
	le.PutUint16(raw[18:], uint16(natts))
	le.PutUint16(raw[20:], heap.HasVarWidth)
	raw[22] = 24
	raw = append(raw, "\x55\x0e\x84\x00\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44\x00\x00"...)
	raw = le.AppendUint32(raw, 1234567)
	raw = append(raw, byte(len(name)+1)<<1|1)
	raw = append(raw, name...)
	for len(raw)%8 != 0 {
		raw = append(raw, 0)
	}
	raw = le.AppendUint64(raw, 826_123_456_789_012)
	raw = append(raw, 1)
	if natts > 5 {
		raw = append(raw, 7<<1|1, 0x00, 0x81, 0xD2, 0x04, 0x68, 0x10) // 1234.42
	}
	return raw
}

const simpleText = "550e8400-e29b-41d4-a716-446655440000\t1234567\tsome text\t2026-03-06 14:44:16.789012+00\tt"

// benchTuple decodes the head of a tuple that the test itself made.
func benchTuple(tb testing.TB, raw []byte) *heap.Tuple {
	tb.Helper()
	tuple, err := heap.DecodeTuple(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return &tuple
}

func TestSimpleRowsAllocateNothing(t *testing.T) {
	decoder := datum.NewRowDecoder(nil, simpleRelation())
	tuple := benchTuple(t, simpleTuple(5, "some text"))
	var row evidence.Row
	decode := func() {
		if err := decoder.Decode(tuple, nil, &row); err != nil {
			t.Fatal(err)
		}
	}
	for natts, price := range map[int]string{5: `\N`, 6: "1234.42"} {
		tuple = benchTuple(t, simpleTuple(natts, "some text"))
		decode()
		if got := string(joinValues(&row)); got != simpleText+"\t"+price {
			t.Errorf("got %q", got)
		}
	}
	if n := testing.AllocsPerRun(100, decode); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

// joinValues prints known values with tabs between them; NULL is \N, an unknown value ?.
func joinValues(row *evidence.Row) []byte {
	var line []byte
	for i, v := range row.Values {
		if i > 0 {
			line = append(line, '\t')
		}
		switch v.State {
		case evidence.Known:
			line = append(line, v.Text...)
		case evidence.Null:
			line = append(line, `\N`...)
		default:
			line = append(line, '?')
		}
	}
	return line
}
