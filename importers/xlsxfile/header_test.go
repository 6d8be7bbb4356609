package xlsxfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/xuri/excelize/v2"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rowsBook is a workbook of rows of cells, the first in A1.
func rowsBook(t testing.TB, rows ...[]any) *excelize.File {
	t.Helper()
	file := excelize.NewFile()
	fill(t, file, "Sheet1", rows...)
	return file
}

func TestHeaderIsFound(t *testing.T) {
	t.Parallel()
	record := []any{"srv1", "10.0.0.1", 4, "Berlin"}
	for name, c := range map[string]struct {
		rows [][]any
		line int64
		want string
	}{
		"first row":           {[][]any{{"Name", "IP", "CPU", "Site"}, record}, 1, "Name|IP|CPU|Site"},
		"header alone":        {[][]any{{"Name", "IP", "CPU", "Site"}}, 1, "Name|IP|CPU|Site"},
		"title":               {[][]any{{"Assets 2025"}, {"Name", "IP", "CPU", "Site"}, record, record}, 2, "Name|IP|CPU|Site"},
		"title, blank":        {[][]any{{"Assets 2025"}, nil, nil, {"Name", "IP", "CPU", "Site"}, record}, 4, "Name|IP|CPU|Site"},
		"stamps":              {[][]any{{"Report", "Assets"}, {"Made by", "Bob"}, {"Total", 2}, {"Name", "IP", "CPU", "Site"}, record, record}, 4, "Name|IP|CPU|Site"},
		"years":               {[][]any{{"Name", "Owner", "Site", 2024}, {"a", "b", "c", 5}}, 1, "Name|Owner|Site|2024"},
		"one column":          {[][]any{{"Host"}, {"srv1"}, {"srv2"}}, 1, "Host"},
		"sparse records":      {[][]any{{"Title"}, {"Name", "IP", "CPU", "Site"}, {"srv1"}, {"srv2"}, record}, 2, "Name|IP|CPU|Site"},
		"a name is missing":   {[][]any{{"T"}, {"Name", nil, "CPU", "Site"}, record, record}, 2, "Name|column B|CPU|Site"},
		"a name twice":        {[][]any{{"T"}, {"Name", "Name", "CPU", "Site"}, record, record}, 2, "Name|Name (2)|CPU|Site"},
		"texts, a name twice": {[][]any{{"Id", "Name", "Name"}, {"x1", "a", "b"}, {"x2", "c", "d"}}, 1, "Id|Name|Name (2)"},
		"groups above":        {[][]any{{"Host", "Host", "Size", "Size", "Size"}, {"Name", "IP", "CPU", "RAM", "Disk"}, {"a", "b", 1, 2, 3}}, 2, "Name|IP|CPU|RAM|Disk"},
		"spaces around":       {[][]any{{" Name ", "IP\n", "CPU", "Site"}, record}, 1, "Name|IP|CPU|Site"},
		"nothing but texts":   {[][]any{{"Name", "Site"}, {"srv1", "Berlin"}, {"srv2", "Rome"}}, 1, "Name|Site"},
		"nothing but numbers": {[][]any{{1, 2}, {3, 4}}, 1, "1|2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head := theList(t, save(t, rowsBook(t, c.rows...)), Options{}).Head()
			if got := strings.Join(head.Header, "|"); head.Line != c.line || got != c.want {
				t.Errorf("header %s in row %d, expected %s in row %d", got, head.Line, c.want, c.line)
			}
		})
	}
}

// TestRowsAboveTheHeader: what is left out is told.
func TestRowsAboveTheHeader(t *testing.T) {
	t.Parallel()
	list := theList(t, save(t, rowsBook(t, []any{"Assets 2025"}, []any{"Made by", "Bob"}, []any{"Name", "IP", "CPU"}, []any{"srv1", "10.0.0.1", 4})), Options{})
	hasLine(t, list.Head().Notes, `rows above the header were left out, as no part of the table: 2, the first begins with "Assets 2025"`)
}

// TestGuessedHeader: a row of which nothing says that it is a header is told, for it may be a record.
func TestGuessedHeader(t *testing.T) {
	t.Parallel()
	path := save(t, rowsBook(t, []any{1, 2}, []any{3, 4}))
	hasLine(t, theList(t, path, Options{}).Head().Notes, "no row looks like a header, so row 1 is taken for it")
	if notes := theList(t, path, Options{Header: 1}).Head().Notes; len(notes) > 0 {
		t.Errorf("a header that was asked for: %q", notes)
	}
}

// TestUnknownKeepsWhatStandsThere: a record with it goes into the rejects, where a person repairs it.
func TestUnknownKeepsWhatStandsThere(t *testing.T) {
	t.Parallel()
	v := values{}
	for kind, raw := range map[string]string{"e": "#N/A", "b": "7"} {
		row := sheetRow{text: []byte(raw)}
		c := cell{kind: kind, value: true, end: len(raw)}
		if f := v.field(&row, &c); f.Kind != importers.Unknown || string(f.Text) != raw {
			t.Errorf("a cell of type %s is %+v", kind, f)
		}
	}
}

func TestHeaderThatWasAskedFor(t *testing.T) {
	t.Parallel()
	path := save(t, rowsBook(t, []any{"Name", "Name", nil, "Name (2)"}, []any{"a", "b", "c", "d"}, []any{"e", "f", nil, nil, "g"}))
	list := theList(t, path, Options{Header: 1})
	if got := strings.Join(list.Head().Header, "|"); got != "Name|Name (3)|column C|Name (2)|column E" {
		t.Errorf("header %s", got)
	}
	hasLine(t, list.Head().Notes, `the name "Name" stands twice: the one in column B is called "Name (3)"`)
	hasLine(t, list.Head().Notes, `column E has values and no name: it is called "column E"`)
	records, _ := readAll(t, list)
	equalLines(t, "records", records, `2: "a" "b" "c" "d" -`, `3: "e" "f" - - "g"`)

	list = theList(t, path, Options{Header: 2})
	records, _ = readAll(t, list)
	equalLines(t, "records below row 2", records, `3: "e" "f" - - "g"`)

	list = theList(t, path, Options{Header: -1})
	if got := strings.Join(list.Head().Header, "|"); got != "column A|column B|column C|column D|column E" || list.Head().Line != 0 {
		t.Errorf("header %s in row %d", got, list.Head().Line)
	}
	if records, _ = readAll(t, list); len(records) != 3 {
		t.Errorf("records %q", records)
	}

	_, err := Open(t.Context(), sourceOf(path), Options{Header: 9})
	if !errors.Is(err, errNoHeader) || !strings.Contains(err.Error(), `row 9 of sheet "Sheet1"`) {
		t.Errorf("row 9 as the header: %v", err)
	}
}

// TestHeaderOfAFilter: where the range of a filter begins is the header, whatever it looks like.
func TestHeaderOfAFilter(t *testing.T) {
	t.Parallel()
	file := rowsBook(t, []any{"Some", "words", "above"}, []any{"Name", 1, 2}, []any{"x", "y", "z"})
	if err := file.AutoFilter("Sheet1", "A2:C3", nil); err != nil {
		t.Fatal(err)
	}
	if head := theList(t, save(t, file), Options{}).Head(); head.Line != 2 || strings.Join(head.Header, "|") != "Name|1|2" {
		t.Errorf("header %q in row %d", head.Header, head.Line)
	}
}

func merge(t testing.TB, file *excelize.File, first, last string) {
	t.Helper()
	if err := file.MergeCell("Sheet1", first, last); err != nil {
		t.Fatal(err)
	}
}

func TestMergedCells(t *testing.T) {
	t.Parallel()
	file := rowsBook(t,
		[]any{"Assets", nil, nil, nil},
		[]any{"Name", "Hardware", nil, "Site"},
		[]any{nil, "CPU", "RAM", nil},
		[]any{"srv1", 4, 8, "Berlin"},
		[]any{"srv2", 2, 4, nil},
		[]any{nil, nil, nil, nil},
		[]any{"srv3", 1, nil, nil},
		[]any{"srv4", 3, 5, nil},
		[]any{"both", nil, 7, "Rome"})
	for _, area := range [][2]string{{"A1", "D1"}, {"B2", "C2"}, {"A2", "A3"}, {"D2", "D3"}, {"D4", "D7"}, {"A9", "B9"}} {
		merge(t, file, area[0], area[1])
	}
	path := save(t, file)
	list := theList(t, path, Options{})
	if head := list.Head(); head.Line != 3 || strings.Join(head.Header, "|") != "Name|CPU|RAM|Site" {
		t.Errorf("header %q in row %d", head.Header, head.Line)
	}
	hasLine(t, list.Head().Notes, "6 ranges of cells are merged")
	records, _ := readAll(t, list)
	equalLines(t, "filled", records,
		`4: "srv1" 4 8 "Berlin"`,
		`5: "srv2" 2 4 "Berlin"`,
		`7: "srv3" 1 - "Berlin"`,
		`8: "srv4" 3 5 -`,
		`9: "both" "both" 7 "Rome"`)
	records, _ = readAll(t, theList(t, path, Options{Merged: Anchor}))
	equalLines(t, "first cell only", records,
		`4: "srv1" 4 8 "Berlin"`,
		`5: "srv2" 2 4 -`,
		`7: "srv3" 1 - -`,
		`8: "srv4" 3 5 -`,
		`9: "both" - 7 "Rome"`)
}

// TestHiddenRows: excelize gives the options of the next row to one that is not there; here
// each has its own.
func TestHiddenRows(t *testing.T) {
	t.Parallel()
	file := rowsBook(t, []any{"Name"}, []any{"a"}, []any{"b"}, nil, []any{"d"})
	for _, row := range []int{3, 5} {
		if err := file.SetRowVisible("Sheet1", row, false); err != nil {
			t.Fatal(err)
		}
	}
	list := theList(t, save(t, file), Options{})
	records, _ := readAll(t, list)
	equalLines(t, "records", records, `2: "a"`, `3: "b" # hidden row`, `5: "d" # hidden row`)
	hasLine(t, list.Head().Notes, "2 rows are hidden; they are read")
}

func TestSheets(t *testing.T) {
	t.Parallel()
	file := rowsBook(t, []any{"Name"}, []any{"a"})
	for _, name := range []string{"Second", "Empty", "Lookup"} {
		if _, err := file.NewSheet(name); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, file, "Second", []any{"Host"}, []any{"b"})
	fill(t, file, "Lookup", []any{"Code"}, []any{"c"})
	if err := file.SetSheetVisible("Lookup", false); err != nil {
		t.Fatal(err)
	}
	if err := file.AddChartSheet("Chart", &excelize.Chart{Type: excelize.Col, Series: []excelize.ChartSeries{{Values: "Sheet1!$A$2:$A$2"}}}); err != nil {
		t.Fatal(err)
	}
	path := save(t, file)
	names := func(book *Book) string {
		var names []string
		for _, list := range book.Lists() {
			names = append(names, list.Head().Part+" "+strings.Join(list.Head().Header, "|"))
		}
		return strings.Join(names, ", ")
	}
	book := openBook(t, path, Options{})
	if got := names(book); got != "Sheet1 Name, Second Host" {
		t.Errorf("lists %s", got)
	}
	var infos []string
	for _, info := range book.Sheets() {
		infos = append(infos, fmt.Sprintf("%s hidden=%v read=%v rows=%d empty=%v %s", info.Name, info.Hidden, info.Read, info.Rows, info.Empty, info.Note))
	}
	equalLines(t, "sheets", infos,
		"Sheet1 hidden=false read=true rows=2 empty=false ",
		"Second hidden=false read=true rows=2 empty=false ",
		"Empty hidden=false read=false rows=0 empty=true it is empty",
		"Lookup hidden=true read=false rows=2 empty=false it is hidden, and is read only when it is named",
		"Chart hidden=false read=false rows=0 empty=true it is no sheet of cells")
	if got := names(openBook(t, path, Options{Sheets: []string{"lookup"}})); got != "Lookup Code" {
		t.Errorf("lists %s", got)
	}
	_, err := Open(t.Context(), sourceOf(path), Options{Sheets: []string{"Third"}})
	var told *evidence.Error
	if !errors.Is(err, ErrNoSheet) || !errors.As(err, &told) || !strings.Contains(told.Hint, `"Second"`) {
		t.Errorf("a sheet that is not there: %v", err)
	}
}

// TestOddPlaces: rows and cells that stand elsewhere than they say, or nowhere.
func TestOddPlaces(t *testing.T) {
	t.Parallel()
	path := withSheet(t, xmlHead+`<worksheet `+mainSpace+`><sheetData>`+
		`<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c><c r="B1" t="inlineStr"><is><t>Other</t></is></c></row>`+
		`<row r="5"><c r="B5"><v>2</v></c><c r="A5"><v>1</v></c></row>`+
		`<row r="3"><c r="A3"><v>3</v></c></row>`+
		`<row><c r="A9"><v>4</v></c><c><v>5</v></c></row>`+
		`<row r="7"><c r="A7"><v>6</v></c><c r="A7"><v>7</v></c></row>`+
		`<row r="0"><c r="A7"><v>8</v></c></row>`+
		`<row r="1048577"><c><v>9</v></c></row>`+
		`<row r="8"><c r="8"><v>10</v></c></row>`+
		`<row r="9" hidden="true"><c r="b9"><v>11</v></c></row>`+
		`</sheetData></worksheet>`)
	list := theList(t, path, Options{})
	records, rejects := readAll(t, list)
	equalLines(t, "records", records,
		`5: 1 2`,
		`3: 3 - # it stands behind row 5`,
		`4: 4 5 # its cell says that it is A9`,
		`9: - 11 # hidden row`)
	for i, reason := range []string{"cell A7 stands twice in row 7", `"0" is no number of a row`, `"1048577" is no number of a row`, `"8" is no place of a cell`} {
		if i >= len(rejects) || !strings.HasSuffix(rejects[i], reason) {
			t.Errorf("rejects %q", rejects)
		}
	}
	if len(rejects) != 4 || len(gapsOf(list)) != 4 {
		t.Errorf("rejects %q, gaps %q", rejects, gapsOf(list))
	}
}

// TestWrongDimension: what a sheet says of its size is noted, and never believed.
func TestWrongDimension(t *testing.T) {
	t.Parallel()
	for dimension, note := range map[string]string{
		"A1":       "",
		"A1:A1":    "",
		"nonsense": "",
		"A1:B9":    "the sheet says that it reaches to row 9, and its last is 3",
	} {
		file := rowsBook(t, []any{"Name", "Site"}, []any{"a", "b"}, []any{"c", "d"})
		path := change(t, save(t, file), sheetPartName, func(text []byte) []byte {
			before, behind, _ := strings.Cut(string(text), `<dimension ref="`)
			_, behind, _ = strings.Cut(behind, `"`)
			return []byte(before + `<dimension ref="` + dimension + `"` + behind)
		})
		list := theList(t, path, Options{})
		if list.survey.dimension != dimension {
			t.Errorf("dimension %q, expected %q", list.survey.dimension, dimension)
		}
		records, _ := readAll(t, list)
		equalLines(t, dimension, records, `2: "a" "b"`, `3: "c" "d"`)
		if got := strings.Join(list.Head().Notes, "\n"); got != note {
			t.Errorf("dimension %s: notes %s, expected %s", dimension, got, note)
		}
	}
}

// TestTable: where a table of Excel's begins is the header, and its totals are no record.
func TestTable(t *testing.T) {
	t.Parallel()
	file := rowsBook(t, []any{"Some", "words"}, []any{"above", "all"}, []any{"Name", "CPU"}, []any{"x", 1}, []any{"y", 2}, []any{"Total", 3}, []any{"z", 4})
	if err := file.AddTable("Sheet1", &excelize.Table{Range: "A3:B6", Name: "Assets"}); err != nil {
		t.Fatal(err)
	}
	path := save(t, file)
	if head := theList(t, path, Options{}).Head(); head.Line != 3 {
		t.Errorf("header in row %d", head.Line)
	}
	path = replace(t, path, "xl/tables/table1.xml", ` displayName=`, ` totalsRowCount="1" displayName=`)
	records, rejects := readAll(t, theList(t, path, Options{}))
	equalLines(t, "records", records, `4: "x" 1`, `5: "y" 2`, `7: "z" 4`)
	equalLines(t, "rejects", rejects, `6: "Total" 3: it is the row of totals of table "Assets"`)
}

// TestWidePart: a part may be written in UTF-16.
func TestWidePart(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]binary.AppendByteOrder{"little": binary.LittleEndian, "big": binary.BigEndian} {
		path := change(t, thousand(t), sheetPartName, func(text []byte) []byte {
			units := utf16.Encode([]rune("\uFEFF" + strings.Replace(string(text), "UTF-8", "UTF-16", 1)))
			var wide []byte
			for _, unit := range units {
				wide = order.AppendUint16(wide, unit)
			}
			return wide
		})
		if records, _ := readAll(t, theList(t, path, Options{})); len(records) != 999 || records[0] != `2: "srv-0002" 2 "team 2"` {
			t.Errorf("%s: %d records", name, len(records))
		}
	}
}
