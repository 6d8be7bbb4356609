package datum_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// familyTypes are types that only a catalog can tell: those of extensions, a
// composite, its array, and a range over it.
func familyTypes() *catalog.Database {
	db := &catalog.Database{Encoding: "UTF8", Types: []catalog.Type{
		{OID: 20001, Schema: "public", Name: "pair", Len: -1, Align: "d", Kind: "c", Attributes: []catalog.Attribute{
			{Number: 1, Name: "a", Type: 23, TypeMod: -1, Len: 4, Align: "i"},
			{Number: 2, Name: "gone", Len: -1, Align: "i", Dropped: true},
			{Number: 3, Name: "b", Type: 25, TypeMod: -1, Len: -1, Align: "i"},
			{Number: 4, Name: "r", Type: 3906, TypeMod: -1, Len: -1, Align: "i"},
		}},
		{OID: 20002, Schema: "public", Name: "_pair", Len: -1, Align: "d", Kind: "b", Category: "A", Delimiter: ",", Element: 20001},
		{OID: 20003, Schema: "public", Name: "pairrange", Len: -1, Align: "d", Kind: "r", Subtype: 20001},
		{OID: 20004, Schema: "public", Name: "pairmultirange", Len: -1, Align: "d", Kind: "m", Range: 20003},
	}}
	for i, name := range []string{"hstore", "ltree", "lquery", "ltxtquery", "query_int", "vector", "halfvec", "sparsevec"} {
		db.Types = append(db.Types, catalog.Type{OID: pg.OID(21000 + i), Schema: "public", Name: name, Len: -1, Align: "i", Kind: "b"})
	}
	for i, name := range []string{"cube", "geometry"} {
		db.Types = append(db.Types, catalog.Type{OID: pg.OID(22000 + i), Schema: "public", Name: name, Len: -1, Align: "d", Kind: "b"})
	}
	db.Types = append(db.Types, catalog.Type{OID: 22002, Schema: "public", Name: "seg", Len: 12, Align: "i", Kind: "b"})
	for i, name := range []string{"ean13", "isbn"} {
		db.Types = append(db.Types, catalog.Type{OID: pg.OID(22003 + i), Schema: "public", Name: name, Len: 8, Align: "d", Kind: "b"})
	}
	return db
}

// familyValues are values that a server wrote, one for each of familyTypes. Those of
// pgvector are made by hand after its headers; no package of it was to be had.
func familyValues() []struct {
	oid       pg.OID
	raw, text string
} {
	return []struct {
		oid       pg.OID
		raw, text string
	}{
		{21000, "02000080010000800200000005000000050000406131622063", `"a"=>"1", "b c"=>NULL`},
		{21001, "020000000300546f700000000700536369656e636500000000000000", `Top.Science`},
		{21002, "0300000001000000000000003000110002000000000000000000000043beb7e8010000610000000000000000f9efbe7101000162000000000000000010000000000001000300000000000000200024000100020002000000000000006fdfb906010004630000000000000000", `!a|b*.*{1,3}.c%{2}`},
		{21003, "06000000030005002600000000000000030001002100000000000000030002007c00000000000000020000006fdfb9060201040002000000f9efbe71010102000200000043beb7e800010000610062006300", `a & !( b* | c@ )`},
		{21004, "060000000200000001000000020000000200000002000000030000000300feff7c0000000300ffff210000000300fbff26000000", `1 & !( 2 | 3 )`},
		{22000, "02000000000000000000f03f000000000000004000000000000008400000000000001040", `(1, 2),(3, 4)`},
		{22001, "0010e644000000000000803f000000000000803f07000000020000000300000001000000040000000000000000000000000000000000000000000000000000000000f03f0000000000000000000000000000f03f000000000000f03f000000000000000000000000000000000100000000000000", `0107000020E6100000020000000103000000010000000400000000000000000000000000000000000000000000000000F03F0000000000000000000000000000F03F000000000000F03F000000000000000000000000000000000101000000000000000000F87F000000000000F87F`},
		{22002, "0000c03f0000004003013c00", `<1.50 .. 2`},
		{22003, "3bb1b459ca110000", "978-0-393-04002-9!"},
		{22004, "3ab1b459ca110000", "0-393-04002-X"},
		{20001, "ffffffff214e0000ffffffff000004000300180d010000000978207925420f00000f8080010088130b0080020002", `(1,"x y","[1.5,2)")`},
		{20002, "0100000020000000214e00000200000001000000010000000000000070000000ffffffff214e0000ffffffff00000400010018010100000000000000", `{"(1,,)",NULL}`},
		{20003, "234e000037ffffffff214e0000ffffffff000004000300180501000000056143ffffffff214e0000ffffffff000004000300180d0200000005620d420f00000102", `["(1,a,)","(2,b,empty)")`},
		{20004, "244e00000200000038000000021200000000000037ffffffff214e0000ffffffff000004000300180501000000056137ffffffff214e0000ffffffff0000040003001805020000000562000037ffffffff214e0000ffffffff00000400030018050500000005610000000000", `{["(1,a,)","(2,b,)"),["(5,a,)",)}`},
		{21005, "03000000" + "0000803f" + "000000c0" + "cdcccc3d", "[1,-2,0.1]"},
		{21006, "03000000" + "003c" + "00c0" + "662e", "[1,-2,0.099975586]"},
		{21007, "05000000" + "02000000" + "00000000" + "00000000" + "02000000" + "0000003f" + "00004040", "{1:0.5,3:3}/5"},
	}
}

// TestFamilyValues decodes them without a server.
func TestFamilyValues(t *testing.T) {
	types := datum.NewRegistry(familyTypes())
	for _, v := range familyValues() {
		raw, err := hex.DecodeString(v.raw)
		if err != nil {
			t.Fatal(err)
		}
		decode, err := types.ForType(v.oid)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(nil, raw); err != nil || string(got) != v.text {
			t.Errorf("type %d: got %q, %v, want %q", v.oid, got, err, v.text)
		}
	}
}

// FuzzFamilies decodes any bytes as a composite, a range or multirange over one,
// or a value of an extension's type.
func FuzzFamilies(f *testing.F) {
	for _, v := range familyValues() {
		raw, err := hex.DecodeString(v.raw)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(v.oid), raw)
	}
	types := datum.NewRegistry(familyTypes())
	f.Fuzz(func(t *testing.T, oid uint32, raw []byte) {
		decode, err := types.ForType(pg.OID(oid))
		if err != nil {
			return
		}
		before := bytes.Clone(raw)
		text, err := decode([]byte("kept"), raw)
		if !bytes.Equal(raw, before) {
			t.Error("raw was changed")
		}
		if err == nil && !bytes.HasPrefix(text, []byte("kept")) {
			t.Errorf("dst was changed: %.20q", text)
		}
	})
}
