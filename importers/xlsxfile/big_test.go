package xlsxfile

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/xuri/excelize/v2"
)

// skeleton is a workbook with one sheet, one shared string, a style for dates and one for times.
func skeleton(t testing.TB) string {
	t.Helper()
	file := excelize.NewFile()
	if err := file.SetCellValue("Sheet1", "A1", "only"); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"} {
		if _, err := file.NewStyle(&excelize.Style{CustomNumFmt: &code}); err != nil {
			t.Fatal(err)
		}
	}
	return save(t, file)
}

const (
	bigColumns = 20
	xmlHead    = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	mainSpace  = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
)

// bigText is what the column of texts holds in a row: every third column of a few values, as
// environments and owners are, the others of many.
func bigText(row, column int) string {
	if column%3 == 0 {
		return fmt.Sprintf("team %d of department %d", row%17, column)
	}
	return fmt.Sprintf("srv-%06d.example.org/%d <ä & b>", row, column)
}

// bigBook writes a workbook of so many rows of 20 columns: eleven texts, six numbers, two dates
// and a boolean.
func bigBook(t testing.TB, dir string, rows int, shared bool) string {
	t.Helper()
	path := filepath.Join(dir, fmt.Sprintf("big-%v.xlsx", shared))
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewWriterSize(file, 1<<20)
	archive := zip.NewWriter(buffered)
	for _, part := range unpack(t, skeleton(t)) {
		w, err := archive.Create(part.name)
		if err != nil {
			t.Fatal(err)
		}
		out := bufio.NewWriterSize(w, 1<<16)
		switch {
		case part.name == sheetPartName:
			writeBigSheet(out, rows, shared)
		case part.name == stringsPartName && shared:
			writeBigStrings(out, rows)
		default:
			_, _ = out.Write(part.text)
		}
		if err := out.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func isTextColumn(column int) bool { return column < 11 }

func writeEscaped(w io.Writer, text string) {
	var escaped []byte
	for i := range len(text) {
		switch text[i] {
		case '<':
			escaped = append(escaped, "&lt;"...)
		case '&':
			escaped = append(escaped, "&amp;"...)
		default:
			escaped = append(escaped, text[i])
		}
	}
	_, _ = w.Write(escaped)
}

func writeBigStrings(w *bufio.Writer, rows int) {
	fmt.Fprintf(w, `%s<sst %s>`, xmlHead, mainSpace)
	for column := range bigColumns {
		fmt.Fprintf(w, "<si><t>Column %d</t></si>", column)
	}
	for row := range rows {
		for column := range bigColumns {
			if isTextColumn(column) && column%3 != 0 {
				_, _ = w.WriteString("<si><t>")
				writeEscaped(w, bigText(row, column))
				_, _ = w.WriteString("</t></si>")
			}
		}
	}
	for column := 0; isTextColumn(column); column += 3 {
		for row := range 17 {
			fmt.Fprintf(w, "<si><t>%s</t></si>", bigText(row, column))
		}
	}
	_, _ = w.WriteString("</sst>")
}

// bigStringNumber is the number of the text of a cell among the shared strings.
func bigStringNumber(rows, row, column int) int {
	const many = 7 // columns of many texts
	if column%3 == 0 {
		return bigColumns + rows*many + column/3*17 + row%17
	}
	return bigColumns + row*many + column - column/3 - 1
}

func writeBigSheet(w *bufio.Writer, rows int, shared bool) {
	fmt.Fprintf(w, `%s<worksheet %s><dimension ref="A1:T%d"/><sheetData><row r="1">`, xmlHead, mainSpace, rows+1)
	for column := range bigColumns {
		name := cellName(column+1, 1)
		if shared {
			fmt.Fprintf(w, `<c r="%s" t="s"><v>%d</v></c>`, name, column)
		} else {
			fmt.Fprintf(w, `<c r="%s" t="inlineStr"><is><t>Column %d</t></is></c>`, name, column)
		}
	}
	_, _ = w.WriteString("</row>")
	for row := range rows {
		fmt.Fprintf(w, `<row r="%d" spans="1:20">`, row+2)
		for column := range bigColumns {
			writeBigCell(w, rows, row, column, shared)
		}
		_, _ = w.WriteString("</row>")
	}
	_, _ = w.WriteString("</sheetData></worksheet>")
}

func writeBigCell(w *bufio.Writer, rows, row, column int, shared bool) {
	name := cellName(column+1, int64(row+2))
	switch {
	case isTextColumn(column) && shared:
		fmt.Fprintf(w, `<c r="%s" t="s"><v>%d</v></c>`, name, bigStringNumber(rows, row, column))
	case isTextColumn(column):
		fmt.Fprintf(w, `<c r="%s" t="inlineStr"><is><t>`, name)
		writeEscaped(w, bigText(row, column))
		_, _ = w.WriteString("</t></is></c>")
	case column == 11:
		fmt.Fprintf(w, `<c r="%s" s="1"><v>%d</v></c>`, name, 40000+row%6000)
	case column == 12:
		fmt.Fprintf(w, `<c r="%s" s="2"><v>%s</v></c>`, name, strconv.FormatFloat(45000+float64(row)/86400, 'f', -1, 64))
	case column == 13:
		fmt.Fprintf(w, `<c r="%s" t="b"><v>%d</v></c>`, name, row%2)
	case column == 14 && row%50 == 0:
		fmt.Fprintf(w, `<c r="%s" s="1"/>`, name)
	default:
		fmt.Fprintf(w, `<c r="%s"><v>%s</v></c>`, name, strconv.FormatFloat(float64(row*column)/8, 'f', -1, 64))
	}
}
