package xlsxfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/importers"
)

// thousand is a workbook with a header and 999 records of three columns.
func thousand(t testing.TB) string {
	t.Helper()
	file := excelize.NewFile()
	rows := [][]any{{"Name", "Number", "Owner"}}
	for i := 2; i <= 1000; i++ {
		rows = append(rows, []any{fmt.Sprintf("srv-%04d", i), i, fmt.Sprintf("team %d", i%7)})
	}
	fill(t, file, "Sheet1", rows...)
	if err := file.SetSheetDimension("Sheet1", "A1:C1000"); err != nil {
		t.Fatal(err)
	}
	return save(t, file)
}

// excelizeRows counts the rows that excelize gives, and what it says is wrong.
func excelizeRows(t testing.TB, path string) (int, error) {
	t.Helper()
	file, err := excelize.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	rows, err := file.Rows("Sheet1")
	if err != nil {
		return 0, err
	}
	n := 0
	for rows.Next() {
		if _, err := rows.Columns(excelize.Options{RawCellValue: true}); err != nil {
			return n, err
		}
		n++
	}
	if err := rows.Error(); err != nil {
		return n, err
	}
	return n, rows.Close()
}

// losesInSilence makes sure that a test's damage is one that excelize passes over.
func losesInSilence(t testing.TB, path string, atMost int) {
	t.Helper()
	if n, err := excelizeRows(t, path); err != nil || n > atMost {
		t.Fatalf("excelize gives %d rows and error %v: the damage is not what this test is about", n, err)
	}
}

// theList is the only list of the book.
func theList(t testing.TB, path string, opts Options) *List {
	t.Helper()
	lists := openBook(t, path, opts).Lists()
	if len(lists) != 1 {
		t.Fatalf("the book has %d lists", len(lists))
	}
	return lists[0]
}

// gapsOf prints the gaps of a list, a line each.
func gapsOf(list *List) []string {
	var lines []string
	for _, gap := range list.Gaps() {
		lines = append(lines, gap.String())
	}
	return lines
}

// hasLine expects one of the lines to hold all the texts.
func hasLine(t testing.TB, lines []string, texts ...string) {
	t.Helper()
	for _, line := range lines {
		found := true
		for _, text := range texts {
			found = found && strings.Contains(line, text)
		}
		if found {
			return
		}
	}
	t.Errorf("no line holds %q:\n%s", texts, strings.Join(lines, "\n"))
}

func TestHalfASheet(t *testing.T) {
	t.Parallel()
	path := change(t, thousand(t), sheetPartName, func(text []byte) []byte {
		return text[:bytes.Index(text, []byte(`<c r="B504"`))+8]
	})
	losesInSilence(t, path, 504)
	list := theList(t, path, Options{})
	records, rejects := readAll(t, list)
	if len(records) != 502 || records[501] != `503: "srv-0503" 503 "team 6"` {
		t.Errorf("%d records, the last %s", len(records), records[len(records)-1])
	}
	if len(rejects) != 1 || !strings.HasPrefix(rejects[0], `504: "srv-0504" - -: the row is damaged at byte `) {
		t.Errorf("rejects %q", rejects)
	}
	hasLine(t, gapsOf(list), `sheet "Sheet1": behind row 504`, "its part ends before its rows do", "it reaches to row 1000")
	hasLine(t, gapsOf(list), "row 504", "the part ends within")
}

// flip changes one bit in the compressed data of a part.
func flip(t testing.TB, path, name string, at float64) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range archive.File {
		if part.Name == name {
			begin, err := part.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			content[begin+int64(at*float64(part.CompressedSize64))] ^= 4
		}
	}
	out := filepath.Join(t.TempDir(), "flipped.xlsx")
	if err := os.WriteFile(out, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFlippedBit flips a bit in many places of the compressed sheet. Whatever comes out of it,
// it is never fewer or other rows without a gap.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	whole := thousand(t)
	want, _ := readAll(t, theList(t, whole, Options{}))
	silent := 0
	for i := range 40 {
		path := flip(t, whole, sheetPartName, float64(i)/40)
		if n, err := excelizeRows(t, path); err == nil && n < 1000 {
			silent++
		}
		list := theList(t, path, Options{})
		got, rejects := readAll(t, list)
		if len(gapsOf(list)) == 0 {
			t.Errorf("bit at %d/40: no gap; %d records, %d rejects", i, len(got), len(rejects))
		}
		if len(got) > 0 && !strings.Contains(got[0], "# ") {
			t.Errorf("bit at %d/40: the records do not say that they may be wrong: %s", i, got[0])
		}
		if len(got) > len(want) {
			t.Errorf("bit at %d/40: %d records of %d", i, len(got), len(want))
		}
	}
	if silent == 0 {
		t.Error("excelize found all of the damage: the test is not about what it was made for")
	}
}

func TestControlCharacter(t *testing.T) {
	t.Parallel()
	inline := withSheet(t, xmlHead+`<worksheet `+mainSpace+`><dimension ref="A1:A1000"/><sheetData>`+
		numbered(1, 1000, func(i int) string {
			text := fmt.Sprintf("text %d", i)
			if i == 5 {
				text = "one\x0btwo"
			}
			return `<c r="A%d" t="inlineStr"><is><t>` + text + `</t></is></c>`
		})+`</sheetData></worksheet>`)
	losesInSilence(t, inline, 5)
	list := theList(t, inline, Options{})
	records, rejects := readAll(t, list)
	if len(records) != 999 || len(rejects) != 0 {
		t.Fatalf("%d records, rejects %q", len(records), rejects)
	}
	if want := `5: "one\vtwo" # cell A5 holds the control character U+000B, which XML forbids`; records[3] != want {
		t.Errorf("%s, expected %s", records[3], want)
	}
	hasLine(t, list.Head().Notes, "1 text holds what no Excel file may, in A5")

	shared := change(t, thousand(t), stringsPartName, func(text []byte) []byte {
		return bytes.Replace(text, []byte("srv-0005"), []byte("srv\x01005"), 1)
	})
	records, _ = readAll(t, theList(t, shared, Options{}))
	if want := `5: "srv\x01005" 5 "team 5" # cell A5 holds the control character U+0001, which XML forbids`; records[3] != want || len(records) != 999 {
		t.Errorf("%d records, %s, expected %s", len(records), records[3], want)
	}
}

// numbered makes rows; cell is a format of the number of the row.
func numbered(first, last int, cell func(int) string) string {
	var b strings.Builder
	for i := first; i <= last; i++ {
		fmt.Fprintf(&b, `<row r="%d">`+cell(i)+"</row>", i, i)
	}
	return b.String()
}

func TestWhatNoTextCanHold(t *testing.T) {
	t.Parallel()
	path := withSheet(t, xmlHead+`<worksheet `+mainSpace+`><sheetData>`+
		`<row><c t="inlineStr"><is><t>Name</t></is></c><c t="inlineStr"><is><t>Other</t></is></c></row>`+
		"<row><c t=\"inlineStr\"><is><t>a\x00b</t></is></c><c><v>1</v></c></row>"+
		"<row><c t=\"inlineStr\"><is><t>caf\xe9 </t></is></c><c><v>2</v></c></row>"+
		"<row><c t=\"inlineStr\"><is><t>R&D ]]> &#1; &lt;ok&gt;</t></is></c><c><v>3</v></c></row>"+
		"<row><c t=\"inlineStr\"><is><t>_x0000_</t></is></c><c><v>4</v></c></row>"+
		`</sheetData></worksheet>`)
	records, rejects := readAll(t, theList(t, path, Options{}))
	equalLines(t, "records", records,
		`2: ?(the text holds the control character U+0000, which XML forbids) 1`,
		`3: ?(the text holds the byte 0xe9, which is no UTF-8 there) 2`,
		`4: "R&D ]]> \x01 <ok>" 3 # cell A4 holds ]]>, which XML forbids`,
		`5: ?(the text holds the character U+0000) 4`)
	equalLines(t, "rejects", rejects)
}

func TestSharedStringThatIsNotThere(t *testing.T) {
	t.Parallel()
	path := replace(t, thousand(t), sheetPartName, `<c r="A9" t="s"><v>`, `<c r="A9" t="s"><v>99`)
	file, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if rows, err := file.GetRows("Sheet1"); err != nil || rows[8][0] != "" {
		t.Fatalf("excelize gives %q and error %v: the damage is not what this test is about", rows[8], err)
	}
	list := theList(t, path, Options{})
	records, _ := readAll(t, list)
	if !strings.HasPrefix(records[7], `9: ?(shared string 9`) || !strings.HasSuffix(records[7], ` is not there) 9 "team 2"`) {
		t.Error(records[7])
	}
	hasLine(t, gapsOf(list), "1 shared strings, the first in A9", "these values are unknown")
}

func TestDamagedSharedStrings(t *testing.T) {
	t.Parallel()
	path := change(t, thousand(t), stringsPartName, func(text []byte) []byte {
		return bytes.Replace(text, []byte("<t>srv-0500</t></si>"), []byte("<t>srv-0500</t>"), 1)
	})
	list := theList(t, path, Options{})
	records, _ := readAll(t, list)
	if len(records) != 999 {
		t.Errorf("%d records", len(records))
	}
	if records[497] != `499: "srv-0499" 499 "team 2"` {
		t.Error(records[497])
	}
	if !strings.Contains(records[498], "is behind damage) 500") || !strings.Contains(records[998], "is behind damage) 1000") {
		t.Error(records[498], records[998])
	}
	hasLine(t, gapsOf(list), "shared strings, the first in A500", "these values are unknown")

	path = flip(t, thousand(t), stringsPartName, 0.5)
	list = theList(t, path, Options{})
	records, _ = readAll(t, list)
	hasLine(t, gapsOf(list), "any text of the sheet may be wrong")
	hasLine(t, records, "999", "the checksum of the shared strings is wrong")
}

// TestDamagedTag breaks one tag of forty rows, at every byte of a row. The other rows are
// all there, and the row that is not is told of.
func TestDamagedTag(t *testing.T) {
	t.Parallel()
	sheet := []byte(`<worksheet ` + mainSpace + `><sheetData>` + numbered(1, 40, func(int) string {
		return `<c r="A%d" s="1"><v>5</v></c><c t="inlineStr"><is><t>a &amp; b</t></is></c><c><f>A1</f><v>6</v></c>`
	}) + `</sheetData><mergeCells><mergeCell ref="A1:B2"/></mergeCells></worksheet>`)
	begin := bytes.Index(sheet, []byte(`<row r="20"`))
	end := bytes.Index(sheet, []byte(`<row r="21"`))
	for at := begin; at < end; at++ {
		for _, c := range []byte{'<', '=', '>', 0x01, '"'} {
			if sheet[at] == c {
				continue
			}
			damaged := bytes.Clone(sheet)
			damaged[at] = c
			rows := rowsOf(t, damaged)
			lost := 0
			for number := int64(1); number <= 40; number++ {
				if rows[number] == nil && number != 20 {
					lost++
				}
			}
			if lost > 1 {
				t.Errorf("byte %d of row 20 made %q: %d other rows are lost", at-begin, c, lost)
			}
			if rows[20] == nil && rows[-1] == nil {
				t.Errorf("byte %d of row 20 made %q: it is lost in silence", at-begin, c)
			}
		}
	}
}

// rowsOf reads the rows of a sheet; those that are damaged have the number -1.
func rowsOf(t testing.TB, sheet []byte) map[int64][]cell {
	t.Helper()
	r, err := newRowReader(bytes.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[int64][]cell)
	for row := r.next(); row != nil; row = r.next() {
		number := row.number
		if row.bad != "" {
			number = -1
		}
		rows[number] = append([]cell{{}}, row.cells...)
	}
	return rows
}

func TestBombs(t *testing.T) {
	t.Parallel()
	spaces := bytes.Repeat([]byte(" "), 80<<20)
	tail := `</sheetData></worksheet>`
	head := xmlHead + `<worksheet ` + mainSpace + `><sheetData><row r="1"><c r="A1"><v>1</v></c></row>`
	path := change(t, skeleton(t), sheetPartName, func([]byte) []byte {
		return append(append([]byte(head), spaces...), tail...)
	})
	list := theList(t, path, Options{})
	hasLine(t, gapsOf(list), "this looks like a zip bomb", "behind row 1")

	path = packAt(t, flate.DefaultCompression, changed(t, skeleton(t), stringsPartName, func([]byte) []byte {
		return append([]byte(`<sst `+mainSpace+`><si><t>only</t></si>`), bytes.Repeat([]byte("<si><t/></si>"), 6<<20)...)
	}))
	list = theList(t, path, Options{Header: -1})
	hasLine(t, gapsOf(list), "this looks like a zip bomb", "any text of the sheet may be wrong")
}

func TestLengthsThatLie(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(thousand(t))
	if err != nil {
		t.Fatal(err)
	}
	// In the central directory, of every part: the length when inflated.
	for at := 0; ; {
		n := bytes.Index(content[at:], []byte("PK\x01\x02"))
		if n < 0 {
			break
		}
		at += n + 4
		binary.LittleEndian.PutUint32(content[at+20:], 0xfffffff0)
	}
	path := filepath.Join(t.TempDir(), "lies.xlsx")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), sourceOf(path), Options{}); err == nil {
		t.Error("a book whose parts have other lengths than they say was read without a word")
	}
}

func TestEveryColumn(t *testing.T) {
	t.Parallel()
	file := excelize.NewFile()
	stream, err := file.NewStreamWriter("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	header, row := make([]any, maxColumns), make([]any, maxColumns)
	for i := range header {
		header[i], row[i] = fmt.Sprintf("Name %d", i), i
	}
	for i, values := range [][]any{header, row, row, {"short"}} {
		if err := stream.SetRow(cellName(1, int64(i+1)), values); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Flush(); err != nil {
		t.Fatal(err)
	}
	list := theList(t, save(t, file), Options{})
	if head := list.Head(); len(head.Header) != maxColumns || head.Header[maxColumns-1] != "Name 16383" {
		t.Errorf("%d names", len(head.Header))
	}
	n := 0
	for record, err := range list.Records(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		last := record.Fields[maxColumns-1]
		if n++; n < 3 && string(last.Text) != "16383" || n == 3 && last.Kind != importers.Missing {
			t.Errorf("record %d ends with %s", n, last.Text)
		}
	}
	if n != 3 {
		t.Errorf("%d records", n)
	}
	over := replace(t, skeleton(t), sheetPartName, `<c r="A1"`, `<c r="XFE1"`)
	hasLine(t, gapsOf(theList(t, over, Options{Header: -1})), `"XFE1" is no place of a cell`)
}
