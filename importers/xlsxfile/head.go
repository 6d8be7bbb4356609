package xlsxfile

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

var errNoHeader = errors.New("the row holds nothing")

// header is the row that names the columns: the one that was asked for, or the one found.
func (b *Book) header(sheet *sheetPart, v *survey) (*keptRow, error) {
	switch {
	case b.options.Header < 0:
		return nil, nil
	case b.options.Header == 0:
		return v.findHeader(), nil
	case v.wanted == nil:
		return nil, &evidence.Error{
			Op: "xlsx: find header", Place: fmt.Sprintf("row %d of sheet %q of %s", b.options.Header, sheet.name, b.source.Place()),
			Err:  errNoHeader,
			Hint: "name another row, or let it be looked for",
		}
	}
	return v.wanted, nil
}

func (b *Book) newList(sheet *sheetPart, v *survey, header *keptRow) *List {
	l := &List{book: b, sheet: sheet, survey: v, columns: v.nameColumns(header)}
	l.head = importers.Head{Source: b.source, Part: sheet.name, Header: l.columns.names, Line: l.columns.number}
	l.head.Settings = b.settings(l)
	l.head.Notes = b.notesOf(l)
	return l
}

func (b *Book) settings(l *List) []importers.Setting {
	header := "none"
	if l.columns.number > 0 {
		header = strconv.FormatInt(l.columns.number, 10)
	}
	shown, dates, merged := "stored", "from 1900", "filled"
	if b.options.Values == Shown {
		shown = "shown"
	}
	if b.workbook.from1904 {
		dates = "from 1904"
	}
	if b.options.Merged == Anchor {
		merged = "first cell only"
	}
	settings := []importers.Setting{
		{Name: "sheet", Value: l.sheet.name, Found: len(b.options.Sheets) == 0},
		{Name: "header row", Value: header, Found: b.options.Header == 0},
		{Name: "values", Value: shown, Found: b.options.Values == Stored}, // nobody needs to ask for that
		{Name: "dates", Value: dates, Found: true},
	}
	if len(l.survey.tail.merged) > 0 {
		settings = append(settings, importers.Setting{Name: "merged cells", Value: merged, Found: b.options.Merged != Anchor})
	}
	return settings
}

// notesOf says what a person should know about a list.
func (b *Book) notesOf(l *List) []string {
	v := l.survey
	notes := append([]string(nil), l.columns.notes...)
	add := func(when bool, format string, args ...any) {
		if when {
			notes = append(notes, fmt.Sprintf(format, args...))
		}
	}
	count := func(n int64, one, many string) {
		if n == 1 {
			many = one
		}
		add(n > 0, "%d %s", n, many)
	}
	add(l.sheet.hidden, "the sheet is hidden")
	add(v.guessed && b.options.Header == 0, "no row looks like a header, so row %d is taken for it: if it is a record, say that there is no header (--header none)", l.columns.number)
	if above, first := v.above(l.columns.number); above > 0 {
		add(true, "rows above the header were left out, as no part of the table: %d, the first begins with %q", above, first)
	}
	count(v.hiddenRows, "row is hidden; it is read", "rows are hidden; they are read")
	if n := int64(len(v.tail.merged)); n > 0 {
		count(n, "range of cells is merged: "+v.tail.merged[0].String(), "ranges of cells are merged, the first "+v.tail.merged[0].String())
	}
	count(int64(v.tail.more), "more merged range is not looked at", "more merged ranges are not looked at")
	count(v.counts.errors, "cell holds an error such as #N/A: it is unknown", "cells hold an error such as #N/A: they are unknown")
	count(v.counts.formulas, "formula has no stored result: it is unknown. Excel stores it when it saves the file", "formulas have no stored result: they are unknown. Excel stores them when it saves the file")
	count(v.counts.noDate, "number is shown as a date and is none: it is unknown", "numbers are shown as dates and are none: they are unknown")
	count(v.counts.shortened, "number is stored with 17 digits, such as 1.1000000000000001, and is given with as many as it needs", "numbers are stored with 17 digits, such as 1.1000000000000001, and are given with as many as they need")
	count(v.counts.padded, "number is shown with zeros before it, in "+v.counts.paddedAt+": ask for values as shown to keep these", "numbers are shown with zeros before them, the first in "+v.counts.paddedAt+": ask for values as shown to keep these")
	count(v.counts.flaws, "text holds what no Excel file may, in "+v.counts.flawAt+": it "+v.counts.flaw, "texts hold what no Excel file may, the first in "+v.counts.flawAt+": it "+v.counts.flaw)
	add(v.noted != "", "%s", v.noted)
	if claimed, ok := parseArea(v.dimension); ok && claimed.lastRow > v.lastRow {
		add(true, "the sheet says that it reaches to row %d, and its last is %d", claimed.lastRow, v.lastRow)
	}
	return append(notes, b.notes...)
}
