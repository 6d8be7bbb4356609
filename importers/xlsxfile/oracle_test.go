package xlsxfile

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// rawRows reads a sheet with the own reader, in excelize's form: the text of every cell as it
// is stored, without what is empty at the end of a row.
func rawRows(t testing.TB, path string) [][]string {
	t.Helper()
	book := openBook(t, path, Options{Header: -1})
	part, err := book.parts.open(sheetPartName)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	r, err := newRowReader(part)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for row := r.next(); row != nil; row = r.next() {
		for int64(len(all)) < row.number {
			all = append(all, nil)
		}
		var texts []string
		for i := range row.cells {
			c := &row.cells[i]
			text := string(row.valueOf(c))
			if c.kind == "s" && text != "" {
				number, err := strconv.Atoi(text)
				if err != nil {
					t.Fatal(err)
				}
				shared, err := book.strings.at(number)
				if err != nil {
					t.Fatal(err)
				}
				text = string(shared)
			}
			for len(texts) < c.column {
				texts = append(texts, "")
			}
			texts[c.column-1] = text
		}
		all[row.number-1] = texts
	}
	if r.readErr != nil {
		t.Fatal(r.readErr)
	}
	return trimRows(all)
}

// trimRows takes away the empty cells at the end of rows, and the empty rows at the end.
func trimRows(rows [][]string) [][]string {
	for i := range rows {
		for len(rows[i]) > 0 && rows[i][len(rows[i])-1] == "" {
			rows[i] = rows[i][:len(rows[i])-1]
		}
	}
	for len(rows) > 0 && len(rows[len(rows)-1]) == 0 {
		rows = rows[:len(rows)-1]
	}
	return rows
}

func oracleRows(t testing.TB, path string, raw bool) [][]string {
	t.Helper()
	file, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := file.GetRows("Sheet1", excelize.Options{RawCellValue: raw})
	if err != nil {
		t.Fatal(err)
	}
	return trimRows(rows)
}

func sameCells(t testing.TB, what string, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, excelize gives %d", what, len(got), len(want))
	}
	cells := 0
	for i := range min(len(got), len(want)) {
		if !slices.Equal(got[i], want[i]) {
			t.Fatalf("%s: row %d is %q, excelize gives %q", what, i+1, got[i], want[i])
		}
		cells += len(want[i])
	}
	if cells == 0 {
		t.Errorf("%s: no cell was compared", what)
	}
}

// oddBook is a workbook with all that excelize can write.
func oddBook(t testing.TB) *excelize.File {
	t.Helper()
	file := excelize.NewFile()
	values := []any{
		"text", " spaces ", "", "line\nbreak", "tab\t", "quote\"<>&'", "_x0041_", "ä€𝄞", "-", "=no formula", 0, -1, 1.5, 1e-7,
		1e21, 12345678901234567, 0.1 + 0.2, true, false, nil, time.Date(2024, 2, 29, 12, 34, 35, 0, time.UTC), 90 * time.Minute,
		[]excelize.RichTextRun{{Text: "rich "}, {Text: "text", Font: &excelize.Font{Bold: true}}, {Text: " runs"}},
	}
	for i, value := range values {
		for column := range 5 {
			name := cellName(1+(i+column*3)%29, int64(i+1))
			if runs, ok := value.([]excelize.RichTextRun); ok {
				if err := file.SetCellRichText("Sheet1", name, runs); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if err := file.SetCellValue("Sheet1", name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := file.SetCellFormula("Sheet1", "AF3", "SUM(A1:A9)"); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCellsEqualExcelize compares every cell with what excelize reads, as it is stored.
func TestCellsEqualExcelize(t *testing.T) {
	t.Parallel()
	odd := save(t, oddBook(t))
	prefixed := change(t, odd, sheetPartName, prefixElements)
	for name, path := range map[string]string{
		"odd":           odd,
		"prefixed":      prefixed,
		"single quotes": change(t, odd, sheetPartName, singleQuotes),
		"line breaks": change(t, odd, sheetPartName, func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte(`<c r=`), []byte("<c\r\n\tr\n=\n"))
		}),
		"thousand":      thousand(t),
		"many, shared":  bigBook(t, t.TempDir(), 3000, true),
		"many, inline":  bigBook(t, t.TempDir(), 3000, false),
		"no references": change(t, thousand(t), sheetPartName, withoutReferences),
		"CDATA and comments": change(t, thousand(t), stringsPartName, func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte("<t>team 3</t>"), []byte("<!-- <t>no</t> --><t>te<![CDATA[am <&]]> 3<?pi <t>?></t>"))
		}),
	} {
		sameCells(t, name, rawRows(t, path), oracleRows(t, path, true))
	}
}

// prefixElements gives all elements the prefix x, as some programs write them.
func prefixElements(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("<"), []byte("<x:"))
	text = bytes.ReplaceAll(text, []byte("<x:/"), []byte("</x:"))
	text = bytes.Replace(text, []byte("<x:?xml"), []byte("<?xml"), 1)
	return bytes.Replace(text, []byte("xmlns="), []byte("xmlns:x="), 1)
}

func singleQuotes(text []byte) []byte { return bytes.ReplaceAll(text, []byte(`"`), []byte("'")) }

// withoutReferences takes away the places that rows and cells give themselves.
func withoutReferences(text []byte) []byte {
	for {
		begin := bytes.Index(text, []byte(` r="`))
		if begin < 0 {
			return text
		}
		end := begin + 4 + bytes.IndexByte(text[begin+4:], '"') + 1
		text = append(text[:begin], text[end:]...)
	}
}

// TestShownEqualsExcelize compares every cell with what excelize shows.
func TestShownEqualsExcelize(t *testing.T) {
	t.Parallel()
	file := oddBook(t)
	codes := []string{
		"0.00%", "#,##0.00;[Red]-#,##0.00", "yyyy-mm-dd", "[h]:mm", "[$-407]d. mmmm yyyy", "00000", "@", `"no" 0`,
		"mm:ss.0", "0.00E+00", "# ?/?", `[$€-2] #,##0.00`,
	}
	numbers := []string{"0", "1", "-1", "0.5", "59", "61.25", "45292.524016203702", "12345678901234567", "1234.5", "0.12345"}
	for i, code := range codes {
		style, err := file.NewStyle(&excelize.Style{CustomNumFmt: &code})
		if err != nil {
			t.Fatal(err)
		}
		setNumbers(t, file, numbers, 40+i, style)
	}
	for id := range 50 {
		style, err := file.NewStyle(&excelize.Style{NumFmt: id})
		if err != nil {
			t.Fatal(err)
		}
		setNumbers(t, file, numbers, 60+id, style)
	}
	path := save(t, file)
	list := theList(t, path, Options{Header: -1, Values: Shown})
	want := oracleRows(t, path, false)
	compared := 0
	for record, err := range list.Records(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range list.Head().Header {
			column, _, _ := parseCellName([]byte(strings.TrimPrefix(name, "column ") + "1"))
			cell := ""
			if row := want[record.Line-1]; column <= len(row) {
				cell = row[column-1]
			}
			if got := string(record.Fields[i].Text); got != cell {
				t.Errorf("%s is shown as %q, excelize shows %q", cellName(column, record.Line), got, cell)
			}
			if cell != "" {
				compared++
			}
		}
	}
	if compared < 600 {
		t.Errorf("only %d cells were compared", compared)
	}
}

func setNumbers(t testing.TB, file *excelize.File, numbers []string, row, style int) {
	t.Helper()
	for i, number := range numbers {
		name := cellName(i+1, int64(row))
		if err := file.SetCellDefault("Sheet1", name, number); err != nil {
			t.Fatal(err)
		}
		if err := file.SetCellStyle("Sheet1", name, name, style); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDatesEqualExcelize compares every tenth day, and every fraction of some, with excelize's.
func TestDatesEqualExcelize(t *testing.T) {
	t.Parallel()
	for _, from1904 := range []bool{false, true} {
		for day := 61; day < 2900000; day += 97 {
			serial := float64(day) + float64(day%1440)/1440 + float64(day%60)/86400
			at, err := excelize.ExcelDateToTime(serial, from1904)
			if err != nil {
				t.Fatal(err)
			}
			want := at.Round(time.Second).Format(time.DateTime)
			text, reason := appendSerial(nil, serial, isDateTime, from1904)
			if reason != "" || string(text) != want {
				t.Fatalf("%v (from 1904: %v) is %s %s, excelize says %s", serial, from1904, text, reason, want)
			}
		}
	}
}

// TestStylesEqualExcelize compares the number format of every style with what excelize says.
func TestStylesEqualExcelize(t *testing.T) {
	t.Parallel()
	file := excelize.NewFile()
	for id := range 60 {
		if _, err := file.NewStyle(&excelize.Style{NumFmt: id}); err != nil {
			t.Fatal(err)
		}
		code := fmt.Sprintf(`0.00 "kind %d"`, id)
		if _, err := file.NewStyle(&excelize.Style{CustomNumFmt: &code}); err != nil {
			t.Fatal(err)
		}
	}
	path := save(t, file)
	book := openBook(t, path, Options{})
	again, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if len(book.styles.formats) < 100 {
		t.Fatalf("%d styles", len(book.styles.formats))
	}
	for i, format := range book.styles.formats {
		style, err := again.GetStyle(i)
		if err != nil {
			t.Fatal(err)
		}
		if style.CustomNumFmt != nil && *style.CustomNumFmt != format.code || style.CustomNumFmt == nil && style.NumFmt != format.id {
			t.Errorf("style %d has format %d %q, excelize says %+v", i, format.id, format.code, style)
		}
	}
}
