package xlsxfile

import (
	"strconv"
	"strings"
)

// area is a range of cells, from its first to its last.
type area struct {
	firstRow, lastRow       int64
	firstColumn, lastColumn int
}

func (a area) single() bool { return a.firstRow == a.lastRow && a.firstColumn == a.lastColumn }

func (a area) String() string {
	return cellName(a.firstColumn, a.firstRow) + ":" + cellName(a.lastColumn, a.lastRow)
}

// columnName is A for 1, Z for 26, AA for 27.
func columnName(column int) string {
	var name [8]byte
	at := len(name)
	for column > 0 && at > 0 {
		column--
		at--
		name[at] = byte('A' + column%26)
		column /= 26
	}
	return string(name[at:])
}

func cellName(column int, row int64) string { return columnName(column) + strconv.FormatInt(row, 10) }

// parseCellName reads a place such as B7. It may stand in lower case.
func parseCellName(name []byte) (column int, row int64, ok bool) {
	i := 0
	for i < len(name) {
		c := name[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		if column = column*26 + int(c-'A') + 1; column > maxColumns {
			return 0, 0, false
		}
		i++
	}
	if column == 0 || i == len(name) || name[i] == '0' {
		return 0, 0, false
	}
	for ; i < len(name); i++ {
		c := name[i]
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		if row = row*10 + int64(c-'0'); row > maxRows {
			return 0, 0, false
		}
	}
	return column, row, true
}

// parseArea reads a range such as A1:C9, or one cell.
func parseArea(ref string) (area, bool) {
	first, last, two := strings.Cut(strings.ReplaceAll(ref, "$", ""), ":")
	if !two {
		last = first
	}
	var a area
	var ok1, ok2 bool
	a.firstColumn, a.firstRow, ok1 = parseCellName([]byte(first))
	a.lastColumn, a.lastRow, ok2 = parseCellName([]byte(last))
	return a, ok1 && ok2 && a.firstRow <= a.lastRow && a.firstColumn <= a.lastColumn
}
