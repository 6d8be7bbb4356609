package xlsxfile

import (
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// cellsSheet is a sheet with a header of its own and one column, whose cells are given.
func cellsSheet(cells ...string) string {
	var b strings.Builder
	b.WriteString(xmlHead + `<worksheet ` + mainSpace + `><sheetData><row><c t="inlineStr"><is><t>Value</t></is></c></row>`)
	for _, cell := range cells {
		b.WriteString("<row>" + cell + "</row>")
	}
	return b.String() + `</sheetData></worksheet>`
}

func TestStoredValues(t *testing.T) {
	t.Parallel()
	cells := []struct{ cell, want string }{
		{`<c><v>12345678901234567</v></c>`, `12345678901234567`},
		{`<c><v>9007199254740993</v></c>`, `9007199254740993`},
		{`<c><v>0.30000000000000004</v></c>`, `0.30000000000000004`},
		{`<c><v>1.1000000000000001</v></c>`, `1.1`},
		{`<c><v>-0.10000000000000001</v></c>`, `-0.1`},
		{`<c><v>1.0000000000000001E-5</v></c>`, `1E-05`},
		{`<c><v>3.14159265358979323846</v></c>`, `3.14159265358979323846`},
		{`<c><v>0.10000000000000000001</v></c>`, `0.10000000000000000001`},
		{`<c><v>1E+21</v></c>`, `1E+21`},
		{`<c><v>-0</v></c>`, `-0`},
		{`<c><v> 7 </v></c>`, `7`},
		{`<c s="1"><v>45306</v></c>`, `"2024-01-15"`},
		{`<c s="2"><v>45306.416666666664</v></c>`, `"2024-01-15 10:00:00"`},
		{`<c s="2"><v>60</v></c>`, `?(the date's number 60 is 29 February 1900 in Excel, a day that never was)`},
		{`<c t="n" s="1"><v>45306</v></c>`, `"2024-01-15"`},
		{`<c t="b"><v>1</v></c>`, `true`},
		{`<c t="b"><v>0</v></c>`, `false`},
		{`<c t="b"><v>2</v></c>`, `?("2" is neither true nor false)`},
		{`<c t="e"><v>#N/A</v></c>`, `?(the error #N/A)`},
		{`<c t="e"><f>1/0</f><v>#DIV/0!</v></c>`, `?(the error #DIV/0!)`},
		{`<c><f>A1+1</f><v>5</v></c>`, `5`},
		{`<c t="str"><f>A1&amp;"x"</f><v>x &amp; y</v></c>`, `"x & y"`},
		{`<c t="str"><f>""</f><v></v></c>`, `""`},
		{`<c><f>A1+1</f></c>`, `?(a formula whose result is not stored)`},
		{`<c><f>A1+1</f><v/></c>`, `?(a formula whose result is not stored)`},
		{`<c t="str"><f>A1</f></c>`, `?(a formula whose result is not stored)`},
		{`<c t="d"><v>2024-01-15T10:00:00</v></c>`, `"2024-01-15 10:00:00"`},
		{`<c t="d"><v>2024-01-15</v></c>`, `"2024-01-15"`},
		{`<c t="s"><v>0</v></c>`, `"only"`},
		{`<c t="s"><v>1</v></c>`, `?(shared string 1 is not there)`},
		{`<c t="s"><v>-1</v></c>`, `?(shared string -1 is not there)`},
		{`<c t="s"><v>x</v></c>`, `?(shared string x is not there)`},
		{`<c t="inlineStr"><is><r><t>rich </t></r><r><rPr><b/></rPr><t xml:space="preserve"> text</t></r><rPh sb="0" eb="1"><t>no</t></rPh></is></c>`, `"rich  text"`},
		{`<c t="inlineStr"><is><t/></is></c>`, `""`},
		{`<c t="inlineStr"><is><t>a_x000D_b _x005F_x0041_ _xD83D__xDE00_ _xD800_ _xZZZZ_ _x1</t></is></c>`, `"a\rb _x0041_ 😀 _xD800_ _xZZZZ_ _x1"`},
		{`<c t="inlineStr"><is><t>a&#10;b&#x41;&lt;&apos;</t></is></c>`, `"a\nbA<'"`},
		{"<c t=\"inlineStr\"><is><t>a\r\nb\rc</t></is></c>", `"a\nb\nc"`},
		{`<c><v>abc</v></c>`, `?("abc" is no number)`},
		{`<c><v>NaN</v></c>`, `?("NaN" is no number)`},
		{`<c><v>1,5</v></c>`, `?("1,5" is no number)`},
		{`<c><v>1e</v></c>`, `?("1e" is no number)`},
		{`<c t="zz"><v>1</v></c>`, `?(a cell of type "zz")`},
	}
	var given, want []string
	for i, c := range cells {
		given = append(given, c.cell)
		want = append(want, cellName(1, int64(i+2))[1:]+": "+c.want)
	}
	list := theList(t, withSheet(t, cellsSheet(given...)), Options{})
	records, rejects := readAll(t, list)
	equalLines(t, "records", records, want...)
	equalLines(t, "rejects", rejects)
	notes := list.Head().Notes
	hasLine(t, notes, "2 cells hold an error such as #N/A")
	hasLine(t, notes, "3 formulas have no stored result")
	hasLine(t, notes, "1 number is shown as a date and is none: it is unknown")
	hasLine(t, notes, "3 numbers are stored with 17 digits")
	hasLine(t, gapsOf(list), "3 shared strings, the first in A31", "there are only 1")
}

// TestCellsWithNothing holds cells that are there and hold nothing: they make no record.
func TestCellsWithNothing(t *testing.T) {
	t.Parallel()
	records, _ := readAll(t, theList(t, withSheet(t, cellsSheet(`<c s="1"/>`, `<c><v></v></c>`, `<c t="s"><v/></c>`, ``, `<c><v>1</v></c>`)), Options{}))
	equalLines(t, "records", records, "6: 1")
}

func TestDatesFrom1904(t *testing.T) {
	t.Parallel()
	for name, property := range map[string]string{"1": `date1904="1"`, "true": `date1904='true'`} {
		path := change(t, withSheet(t, cellsSheet(`<c s="1"><v>43844</v></c>`, `<c s="1"><v>0</v></c>`, `<c s="1"><v>60</v></c>`)), "xl/workbook.xml",
			func(text []byte) []byte {
				return []byte(strings.Replace(string(text), "<sheets>", "<workbookPr "+property+"/><sheets>", 1))
			})
		records, _ := readAll(t, theList(t, path, Options{}))
		equalLines(t, name, records, `2: "2024-01-15"`, `3: "1904-01-01"`, `4: "1904-03-01"`)
	}
}

// TestLeadingZeros: a number that is shown with zeros before it is stored without them.
func TestLeadingZeros(t *testing.T) {
	t.Parallel()
	file := excelize.NewFile()
	fill(t, file, "Sheet1", []any{"ZIP"}, []any{1067}, []any{80331})
	code := "00000"
	style, err := file.NewStyle(&excelize.Style{CustomNumFmt: &code})
	if err != nil {
		t.Fatal(err)
	}
	if err := file.SetCellStyle("Sheet1", "A2", "A3", style); err != nil {
		t.Fatal(err)
	}
	path := save(t, file)
	list := theList(t, path, Options{})
	records, _ := readAll(t, list)
	equalLines(t, "stored", records, "2: 1067", "3: 80331")
	hasLine(t, list.Head().Notes, "1 number is shown with zeros before it, in A2")
	records, _ = readAll(t, theList(t, path, Options{Values: Shown}))
	equalLines(t, "shown", records, `2: "01067"`, `3: "80331"`)
}

// TestStylesThatAreNotThere: without its format a number may be a date, which is said.
func TestStylesThatAreNotThere(t *testing.T) {
	t.Parallel()
	path := withSheet(t, cellsSheet(`<c s="1"><v>45306</v></c>`, `<c s="99"><v>45306</v></c>`))
	list := theList(t, path, Options{})
	records, _ := readAll(t, list)
	equalLines(t, "records", records, `2: "2024-01-15"`, `3: 45306`)
	hasLine(t, gapsOf(list), "the number formats of 1 cells, the first A3", "dates among them are given as numbers")

	list = theList(t, change(t, path, "xl/styles.xml", func(text []byte) []byte { return text[:300] }), Options{})
	records, _ = readAll(t, list)
	equalLines(t, "without styles", records, `2: 45306`, `3: 45306`)
	hasLine(t, gapsOf(list), "the number formats of 2 cells, the first A2", "the part ends within")
}
