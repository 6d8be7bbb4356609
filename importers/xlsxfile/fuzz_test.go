package xlsxfile

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/importers"
)

// FuzzRows reads any bytes as a sheet. Nothing panics or reads for ever; and where the rows are
// said to be whole, the part is well-formed for the XML decoder of the standard library too,
// which counts the same rows and cells.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		cellsSheet(`<c r="A2" s="1"><v>1</v></c>`, `<c t="inlineStr"><is><r><t>a&amp;b</t></r></is></c>`),
		`<x:worksheet xmlns:x='m'><x:sheetData><x:row r='1'><x:c r='A1'><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>`,
		"<worksheet><sheetData><row><c><f>1</f><v>\x01</v></c></row><row><c/></row></sheetData><mergeCells><mergeCell ref=\"A1:B2\"/></mergeCells></worksheet>",
		`<worksheet><sheetData><row r="1"><c r="A1"><v>1</v><row r="2"><c><v>2</v></c></row></sheetData></worksheet>`,
		`<worksheet><sheetData/><!-- c --><autoFilter ref="A1:C3"/></worksheet>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, part []byte) {
		r, err := newRowReader(bytes.NewReader(part))
		if err != nil {
			return
		}
		rows, cells, whole := 0, 0, true
		for row := r.next(); row != nil; row = r.next() {
			if rows++; rows > len(part) {
				t.Fatal("more rows than bytes")
			}
			cells += len(row.cells)
			whole = whole && row.bad == ""
			for i := range row.cells {
				if c := &row.cells[i]; c.begin > c.end || c.end > len(row.text) {
					t.Fatalf("cell %+v of a row of %d bytes", c, len(row.text))
				} else if c.flaw != "" {
					whole = false
				}
			}
		}
		started := r.inRows || r.over
		r.readTail()
		if started && whole && r.over && r.readErr == nil && r.tail.bad == "" && len(r.v.prefixes) == 1 {
			checkAgainstDecoder(t, part, r, rows)
		}
	})
}

// checkAgainstDecoder counts the rows with the decoder of the standard library.
func checkAgainstDecoder(t *testing.T, part []byte, r *rowReader, rows int) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(part))
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	prefix := strings.TrimSuffix(r.v.prefixes[0], ":")
	depth, inRows, counted := 0, false, 0
	for {
		found, err := decoder.RawToken()
		if err != nil {
			if err != io.EOF && !tolerated(err) {
				t.Fatalf("%d rows are said to be whole: %v", rows, err)
			}
			if err == io.EOF && counted != rows {
				t.Fatalf("%d rows, the decoder counts %d", rows, counted)
			}
			return
		}
		switch element := found.(type) {
		case xml.StartElement:
			depth++
			own := element.Name.Space == prefix
			if depth == 2 && own && element.Name.Local == "sheetData" {
				inRows = counted == 0
			}
			if depth == 3 && inRows && own && element.Name.Local == "row" {
				counted++
			}
		case xml.EndElement:
			if depth == 2 && element.Name.Local == "sheetData" {
				inRows = false
			}
			depth--
		}
	}
}

// tolerated is what the scanner takes within texts and names on purpose, and where it is of no
// account: in comments and instructions.
func tolerated(err error) bool {
	for _, text := range []string{
		"invalid character entity", "illegal character code", "unescaped ]]>", "invalid UTF-8", "invalid sequence \"--\"",
		"processing instruction", "invalid XML name", "encoding", "version", "expected",
	} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// FuzzStrings reads any bytes as shared strings.
func FuzzStrings(f *testing.F) {
	f.Add([]byte(`<sst><si><t>a</t></si><si><r><t>b</t></r><rPh><t>no</t></rPh></si><si/></sst>`))
	f.Add([]byte("<sst><si><t>_x0041_\x00</t></si></sst>"))
	f.Fuzz(func(t *testing.T, part []byte) {
		st := &sharedStrings{flaws: make(map[uint32]gathered)}
		_ = st.read(newScanner(bytes.NewReader(part)))
		for i := range st.count {
			if _, err := st.at(i); err != nil {
				t.Fatalf("string %d of %d: %v", i, st.count, err)
			}
		}
		if _, err := st.at(st.count); err == nil {
			t.Fatal("there is a string behind the last")
		}
	})
}

// FuzzShown shows any number with any format: excelize must stand it.
func FuzzShown(f *testing.F) {
	for _, code := range []string{
		"0.00", "[h]:mm:ss.00", "yyyy-mm-dd hh:mm AM/PM", "# ?/?", "[$-411]ggge", `"a"0;-0;;@`, "[>1]0;[<=-1]0;General", "0.0E+0", "*-_-\\", "[$€-407]",
	} {
		f.Add("45306.5", code)
		f.Add("-1E+300", code)
	}
	shown, err := newShower(false)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := shown.close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, number, code string) {
		format := newNumberFormat(164, map[int]string{164: code})
		v := values{shown: shown, styles: &styles{formats: []numberFormat{format}}}
		row := sheetRow{text: []byte(number)}
		c := cell{value: true, end: len(number)}
		if field := v.field(&row, &c); field.Kind == importers.Unknown && field.Reason == "" {
			t.Fatal("unknown without a reason")
		}
	})
}
