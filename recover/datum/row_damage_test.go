package datum_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// A tuple that is cut at any place gives what lies before the cut, and says that
// it is damaged unless the cut takes nothing away.
func TestCutTuples(t *testing.T) {
	t.Parallel()
	decoder := datum.NewRowDecoder(nil, simpleRelation())
	whole := simpleTuple(6, "some text")
	want := strings.Split(simpleText+"\t1234.42", "\t")
	for size := heap.TupleHeaderSize + 1; size <= len(whole); size++ {
		tuple, err := heap.DecodeTuple(whole[:size])
		if err != nil {
			t.Fatal(err)
		}
		var row evidence.Row
		err = decoder.Decode(&tuple, nil, &row)
		if (err != nil) != (size < len(whole)) || err != nil && !errors.Is(err, heap.ErrAttribute) {
			t.Errorf("%d bytes of %d: error %v", size, len(whole), err)
		}
		damaged := false
		for i, v := range row.Values {
			switch {
			case v.State == evidence.Known && !damaged && string(v.Text) == want[i]:
			case v.State == evidence.Unknown && v.Reason != "" && size < len(whole):
				damaged = true
			default:
				t.Errorf("%d bytes of %d, column %d: state %d, text %q, reason %q", size, len(whole), i, v.State, v.Text, v.Reason)
			}
		}
		if damaged != (size < len(whole)) {
			t.Errorf("%d bytes of %d: values are unknown: %v", size, len(whole), damaged)
		}
	}
}

// A tuple with more attributes than the catalog knows says so.
func TestTupleNewerThanCatalog(t *testing.T) {
	t.Parallel()
	rel := simpleRelation()
	rel.Attributes = rel.Attributes[:4]
	var row evidence.Row
	err := datum.NewRowDecoder(nil, rel).Decode(benchTuple(t, simpleTuple(6, "some text")), nil, &row)
	if err == nil || !strings.Contains(err.Error(), "6 attributes") || !row.Complete() || len(row.Values) != 4 {
		t.Errorf("error %v, %d values", err, len(row.Values))
	}
}

// When the catalog lost an attribute, nobody knows where those behind it are.
func TestCatalogLacksAttribute(t *testing.T) {
	t.Parallel()
	rel := simpleRelation()
	rel.Attributes = append(rel.Attributes[:2:2], rel.Attributes[3:]...)
	var row evidence.Row
	err := datum.NewRowDecoder(nil, rel).Decode(benchTuple(t, simpleTuple(6, "some text")), nil, &row)
	if err == nil {
		t.Error("no error")
	}
	if got := string(joinValues(&row)); got != "550e8400-e29b-41d4-a716-446655440000\t1234567\t?\t?\t?" {
		t.Errorf("got %q", got)
	}
	for _, v := range row.Values[2:] {
		if !strings.Contains(v.Reason, "catalog") {
			t.Errorf("reason is %q", v.Reason)
		}
	}
}

// Text that the server would not take back is unknown, not passed on.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text, encoding string
		known          bool
	}{
		{"gr\u00fcn", "UTF8", true},
		{"gr\xfcn", "UTF8", false},
		{"gr\xfcn", "LATIN1", true},
		{"gr\x00n", "LATIN1", false},
	} {
		db := &catalog.Database{Name: "db", Encoding: test.encoding}
		var row evidence.Row
		if err := datum.NewRowDecoder(db, simpleRelation()).Decode(benchTuple(t, simpleTuple(5, test.text)), nil, &row); err != nil {
			t.Fatal(err)
		}
		v := row.Values[2]
		switch {
		case test.known && (v.State != evidence.Known || string(v.Text) != test.text):
			t.Errorf("%q in %s: state %d, text %q", test.text, test.encoding, v.State, v.Text)
		case !test.known && (v.State != evidence.Unknown || string(v.Raw) != test.text || v.Reason == ""):
			t.Errorf("%q in %s: state %d, raw %q, reason %q", test.text, test.encoding, v.State, v.Raw, v.Reason)
		}
		if row.Values[3].State != evidence.Known {
			t.Errorf("%q: the value behind is unknown: %s", test.text, row.Values[3].Reason)
		}
	}
}

// A missing value that could not be read is unknown in rows older than the column.
func TestMissingValueUnknown(t *testing.T) {
	t.Parallel()
	rel := simpleRelation()
	for name, a := range map[string]catalog.Attribute{
		"not read":         {MissingUnknown: true},
		"cut":              {Missing: []byte{1, 0, 0, 0}},
		"of another type":  {Missing: missingArray(25, []byte{3<<1 | 1, 'a', 'b'})},
		"element is short": {Missing: missingArray(1700, []byte{9<<1 | 1, 0, 0})},
	} {
		a.Number, a.Name, a.Type, a.TypeMod, a.Len, a.Align = 6, "price", 1700, -1, -1, "i"
		rel.Attributes[5] = a
		var row evidence.Row
		if err := datum.NewRowDecoder(nil, rel).Decode(benchTuple(t, simpleTuple(5, "x")), nil, &row); err != nil {
			t.Fatal(err)
		}
		v := row.Values[5]
		if v.State != evidence.Unknown || v.Reason == "" || !bytes.Equal(v.Raw, a.Missing) {
			t.Errorf("%s: state %d, raw %x, reason %q", name, v.State, v.Raw, v.Reason)
		}
	}
}

// missingArray makes the bytes of attmissingval: an array of one element.
func missingArray(element uint32, value []byte) []byte {
	var b []byte
	for _, word := range []uint32{1, 0, element, 1, 1} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return append(b, value...)
}

// Types that a damaged catalog makes impossible are refused by name.
func TestImpossibleTypes(t *testing.T) {
	t.Parallel()
	types := datum.NewRegistry(&catalog.Database{Types: []catalog.Type{
		{OID: 20001, Schema: "public", Name: "circle_a", Len: 4, Align: "i", Kind: "d", Base: 20002},
		{OID: 20002, Schema: "public", Name: "circle_b", Len: 4, Align: "i", Kind: "d", Base: 20001},
		{OID: 20003, Schema: "public", Name: "nothing", Len: -1, Align: "i", Kind: "d", Base: 29999},
		{OID: 20004, Schema: "public", Name: "self", Len: -1, Align: "i", Kind: "b", Category: "A", Element: 20004},
		{OID: 20005, Schema: "public", Name: "pair", Len: -1, Align: "d", Kind: "c"},
		{OID: 20006, Schema: "public", Name: "_pair", Len: -1, Align: "d", Kind: "b", Category: "A", Element: 20005},
		{OID: 20007, Schema: "public", Name: "_odd", Len: -1, Align: "i", Kind: "b", Category: "A", Element: 20008},
		{OID: 20008, Schema: "public", Name: "odd", Len: 0, Align: "i", Kind: "e"},
	}})
	for _, oid := range []pg.OID{0, 20001, 20002, 20003, 20004, 20005, 20006, 20007, 99999} {
		if _, err := types.ForType(oid); !errors.Is(err, datum.ErrUnsupported) {
			t.Errorf("type %d: error %v", oid, err)
		}
	}
	if _, err := types.ForType(20006); err == nil || !strings.Contains(err.Error(), "pair") {
		t.Errorf("the error does not name the type: %v", err)
	}
}
