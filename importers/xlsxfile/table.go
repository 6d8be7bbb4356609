package xlsxfile

import (
	"bytes"
	"strconv"
)

// table is a range of a sheet that Excel knows as a table.
type table struct {
	name   string
	place  area
	header int64 // rows of it
	totals int64 // rows of it
}

// readTables reads the tables of a sheet. One that cannot be read says nothing of the rows.
func (b *Book) readTables(sheet *sheetPart) []table {
	relations, err := readRelations(b.parts, sheet.part)
	if err != nil {
		return nil
	}
	var tables []table
	for _, r := range relations {
		if r.kind != "table" {
			continue
		}
		if text, err := b.parts.readSmall(r.target); err == nil {
			if t, ok := parseTable(text); ok {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

func parseTable(text []byte) (table, bool) {
	s := newScanner(bytes.NewReader(text))
	if v, err := readRoot(s); err != nil || v.root != "table" {
		return table{}, false
	}
	count := func(name string, usual int64) int64 {
		text, _ := s.attr(name)
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return n
		}
		return usual
	}
	ref, _ := s.attr("ref")
	place, ok := parseArea(ref)
	name, _ := s.attr("displayName")
	return table{name: name, place: place, header: count("headerRowCount", 1), totals: count("totalsRowCount", 0)}, ok
}

// isHeader reports whether a table begins with the row.
func (v *survey) isHeader(row int64) bool {
	if v.tail.filter.firstRow == row {
		return true
	}
	for _, t := range v.tables {
		if t.header > 0 && t.place.firstRow == row {
			return true
		}
	}
	return false
}

// totalsOf is the name of the table of which the row is a total.
func (v *survey) totalsOf(row int64) (string, bool) {
	for _, t := range v.tables {
		if row <= t.place.lastRow && row > t.place.lastRow-t.totals {
			return t.name, true
		}
	}
	return "", false
}
