package xlsxfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
)

// columns are the names of a list, and where each stands in the sheet.
type columns struct {
	names   []string
	at      []int   // column of each name, from 1
	index   []int32 // by column: of its name, or -1
	number  int64   // of the header row; 0: there is none
	ordinal int64
	notes   []string
}

// findHeader looks for the row that names the columns.
//
// A table of Excel's, or the range of a filter, begins with it. Otherwise it is the first row that is mostly texts, mostly
// different, and that names most of the columns which are filled in the rows below: titles and
// stamps above a table fill one or two.
func (v *survey) findHeader() *keptRow {
	for i := range v.first {
		if row := &v.first[i]; v.isHeader(row.number) && !row.bad {
			return row
		}
	}
	var fallback *keptRow
	for i := range v.first {
		row := &v.first[i]
		if row.bad {
			continue
		}
		if fallback == nil {
			fallback = row
		}
		if named := v.withNamesFromAbove(row); named.mostlyDifferent() && named.covers(v.first[i+1:]) {
			return v.lowest(row)
		}
	}
	v.guessed = fallback != nil
	return fallback
}

// above counts the rows above the header that hold something, and has the first text of the first.
func (v *survey) above(header int64) (rows int, first string) {
	for i := range v.first {
		if row := &v.first[i]; row.number < header && len(row.cells) > 0 {
			if rows++; rows == 1 {
				first = row.cells[0].text
			}
		}
	}
	return rows, first
}

// lowest is the last row of a header of several, whose names are merged down to it.
func (v *survey) lowest(row *keptRow) *keptRow {
	const tallest = 4
	for _, merged := range v.tail.merged {
		if merged.firstRow != row.number || merged.lastRow == row.number || merged.lastRow >= row.number+tallest {
			continue
		}
		for i := range v.first {
			if lower := &v.first[i]; lower.number == merged.lastRow && v.withNamesFromAbove(lower).mostlyDifferent() {
				return lower
			}
		}
	}
	return row
}

// mostlyDifferent reports whether the row is mostly texts, of which one in three may stand there once more:
// a table with a name twice has a header all the same, and the record below is none.
func (r *keptRow) mostlyDifferent() bool {
	seen := make(map[string]bool, len(r.cells))
	texts := 0
	for _, c := range r.cells {
		name := strings.TrimSpace(c.text)
		if name == "" || c.kind == importers.Unknown {
			return false
		}
		seen[name] = true
		if c.kind == importers.Text {
			texts++
		}
	}
	return texts > 0 && 3*texts >= 2*len(r.cells) && 3*len(seen) >= 2*len(r.cells)
}

// covers reports whether the row has a cell in seven of ten columns that are filled in half of
// the rows below.
func (r *keptRow) covers(below []keptRow) bool {
	const looked = 20
	below = below[:min(len(below), looked)]
	if len(below) == 0 {
		return true
	}
	filled := make(map[int]int)
	for _, row := range below {
		for _, c := range row.cells {
			filled[c.column]++
		}
	}
	own := make(map[int]bool, len(r.cells))
	for _, c := range r.cells {
		own[c.column] = true
	}
	dense, named := 0, 0
	for column, n := range filled {
		if 2*n >= len(below) {
			dense++
			if own[column] {
				named++
			}
		}
	}
	return dense > 0 && 10*named >= 7*dense
}

// nameColumns makes the names of the list. row is the header; nil: there is none.
func (v *survey) nameColumns(row *keptRow) *columns {
	c := &columns{index: make([]int32, maxColumns+1)}
	for i := range c.index {
		c.index[i] = -1
	}
	names := make(map[int]string)
	if row != nil {
		c.number, c.ordinal = row.number, row.ordinal
		for _, own := range v.withNamesFromAbove(row).cells {
			names[own.column] = strings.TrimSpace(own.text)
		}
	}
	taken := make(map[string]bool)
	for _, name := range names {
		taken[name] = true
	}
	used := make(map[string]bool)
	for column := 1; column <= maxColumns; column++ {
		name := names[column]
		if name == "" && v.lastUsed[column] <= c.ordinal {
			continue
		}
		c.add(column, name, taken, used)
	}
	return c
}

// withNamesFromAbove is the row with the cells that are merged down to it from rows above.
func (v *survey) withNamesFromAbove(row *keptRow) *keptRow {
	named := *row
	for _, merged := range v.tail.merged {
		if merged.firstRow >= row.number || merged.lastRow < row.number || row.has(merged.firstColumn) {
			continue
		}
		for i := range v.first {
			if above := &v.first[i]; above.number == merged.firstRow {
				for _, c := range above.cells {
					if c.column == merged.firstColumn {
						named.cells = append(named.cells[:len(named.cells):len(named.cells)], c)
					}
				}
			}
		}
	}
	return &named
}

func (r *keptRow) has(column int) bool {
	return slices.ContainsFunc(r.cells, func(c keptCell) bool { return c.column == column })
}

// add adds a column under a name that no other has.
func (c *columns) add(column int, name string, taken, used map[string]bool) {
	given := name
	if name == "" {
		name = "column " + columnName(column)
		if c.number > 0 {
			c.notes = append(c.notes, fmt.Sprintf("column %s has values and no name: it is called %q", columnName(column), name))
		}
	}
	for n := 2; used[name] || name != given && taken[name]; n++ {
		name = fmt.Sprintf("%s (%d)", strings.TrimSpace(given), n)
		if given == "" {
			name = fmt.Sprintf("column %s (%d)", columnName(column), n)
		}
	}
	if given != "" && name != given {
		c.notes = append(c.notes, fmt.Sprintf("the name %q stands twice: the one in column %s is called %q", given, columnName(column), name))
	}
	used[name] = true
	c.index[column] = int32(len(c.names))
	c.names = append(c.names, name)
	c.at = append(c.at, column)
}
