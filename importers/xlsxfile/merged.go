package xlsxfile

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/pgrescue/pgrescue/importers"
)

// A filler gives the value of merged cells, which only the first of them has, to all of them.
type filler struct {
	merged []area   // by their first row
	next   int      // of merged
	active []filled // for each field
}

// filled is what fills a field, up to a row.
type filled struct {
	until int64
	field importers.Field
}

func newFiller(merged []area, columns *columns) *filler {
	f := &filler{active: make([]filled, len(columns.names))}
	for _, a := range merged {
		// The columns of the range that the list has are neighbors in it.
		first, _ := slices.BinarySearch(columns.at, a.firstColumn)
		last, _ := slices.BinarySearch(columns.at, a.lastColumn+1)
		if first < last && columns.at[first] == a.firstColumn {
			f.merged = append(f.merged, area{a.firstRow, a.lastRow, first, last - 1})
		}
	}
	slices.SortStableFunc(f.merged, func(a, b area) int { return cmp.Compare(a.firstRow, b.firstRow) })
	return f
}

// apply fills the fields of a row, and remembers those that begin a range.
func (f *filler) apply(row int64, fields []importers.Field) {
	for f.next < len(f.merged) && f.merged[f.next].firstRow <= row {
		a := f.merged[f.next]
		f.next++
		if a.firstRow < row { // the sheet has no such row: the range is empty
			continue
		}
		field := fields[a.firstColumn]
		if field.Kind == importers.Missing {
			continue
		}
		field.Text = bytes.Clone(field.Text)
		for i := a.firstColumn; i <= a.lastColumn; i++ {
			f.active[i] = filled{until: a.lastRow, field: field}
		}
	}
	for i := range fields {
		if fields[i].Kind == importers.Missing && row <= f.active[i].until {
			fields[i] = f.active[i].field
		}
	}
}
