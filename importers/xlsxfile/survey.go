package xlsxfile

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// survey is what the guard learned of a sheet: it reads the whole part before any record is
// given, so that damage is known first.
type survey struct {
	dimension  string
	rows       int64 // that hold a value
	elements   int64 // of rows
	damagedAt  int64 // rows that could not be read
	hiddenRows int64
	lastRow    int64
	lastUsed   []int64 // by column, from 1: ordinal of the last row with a value there; 0: none
	first      []keptRow
	wanted     *keptRow // the row that was asked for as the header
	tail       tail
	tables     []table
	counts     valueCounts
	gaps       []evidence.Gap
	moreGaps   int64
	unsure     string // why any value may be wrong
	noted      string // the first thing that is odd about a row
	guessed    bool   // the header is none of which anything says that it is one
	noRows     string // why the part is no sheet at all
}

// keptRow is one of the first rows of a sheet, among which the header is looked for.
type keptRow struct {
	number, ordinal int64
	bad             bool
	cells           []keptCell
}

type keptCell struct {
	column int
	kind   importers.Kind
	text   string
}

const (
	keptRows = 60
	mostGaps = 50 // of a sheet that are told one by one
	keptText = 4 << 20
)

// surveySheet reads a sheet to its end. An error is one of the context; damage is in the survey.
func (b *Book) surveySheet(ctx context.Context, sheet *sheetPart, wanted int64) (*survey, error) {
	v := &survey{lastUsed: make([]int64, maxColumns+1), gaps: b.gaps()}
	v.tables = b.readTables(sheet)
	place := fmt.Sprintf("%s: sheet %q", b.source.Name, sheet.name)
	part, err := b.parts.open(sheet.part)
	if err != nil {
		v.noRows = err.Error()
		v.gap(place, "the sheet", err.Error(), "none of its rows is read")
		return v, nil
	}
	defer part.Close()
	rows, err := newRowReader(b.counted(part))
	if err != nil {
		v.noRows = err.Error()
		v.gap(place, "the sheet", err.Error(), "none of its rows is read")
		return v, nil
	}
	v.dimension = rows.dimension
	cells := b.newValues()
	kept := 0
	for row := rows.next(); row != nil; row = rows.next() {
		if row.ordinal%1024 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		kept += v.add(place, row, cells, kept, wanted)
	}
	rows.readTail()
	v.elements, v.lastRow, v.tail, v.counts = rows.row.ordinal, rows.last, rows.tail, cells.counts
	v.judge(place, rows, b)
	return v, nil
}

func (v *survey) gap(where, what, why, consequence string) {
	if len(v.gaps) == mostGaps {
		v.moreGaps++
		return
	}
	v.gaps = append(v.gaps, evidence.Gap{Where: where, What: what, Why: why, Consequence: consequence})
}

// add takes a row into account, and returns how much text it kept of it.
func (v *survey) add(place string, row *sheetRow, cells *values, kept int, wanted int64) int {
	if row.bad != "" {
		v.damagedAt++
		where := place + fmt.Sprintf(": row %d", row.number)
		if row.number == 0 {
			where = place + ": between rows"
		}
		v.gap(where, "the row", fmt.Sprintf("byte %d of its part: %s", row.offset, row.bad), "")
	}
	if row.hidden {
		v.hiddenRows++
	}
	if row.note != "" && v.noted == "" {
		v.noted = fmt.Sprintf("row %d: %s", row.number, row.note)
	}
	cells.reset()
	keep := len(v.first) < keptRows && kept < keptText
	this := keptRow{number: row.number, ordinal: row.ordinal, bad: row.bad != ""}
	used, size := false, 0
	for i := range row.cells {
		c := &row.cells[i]
		field := cells.field(row, c)
		if field.Kind == importers.Missing {
			continue
		}
		used = true
		v.lastUsed[c.column] = row.ordinal
		if keep || row.number == wanted {
			this.cells = append(this.cells, keptCell{c.column, field.Kind, string(field.Text)})
			size += len(field.Text)
		}
	}
	if !used {
		return 0
	}
	v.rows++
	if row.number == wanted && v.wanted == nil {
		v.wanted = &this
	}
	if keep {
		v.first = append(v.first, this)
	}
	return size
}

// judge says what the end of the sheet means.
func (v *survey) judge(place string, rows *rowReader, b *Book) {
	missing := ""
	if claimed, ok := parseArea(v.dimension); ok && claimed.lastRow > v.lastRow {
		missing = fmt.Sprintf("the sheet says that it reaches to row %d", claimed.lastRow)
	}
	after := fmt.Sprintf("%s: behind row %d", place, v.lastRow)
	switch {
	case rows.readErr != nil && rows.over && isChecksum(rows.readErr):
		v.unsure = "the checksum of the sheet is wrong: any of its values may be"
		v.gap(place, "the sheet", rows.readErr.Error(), "all rows could be read, and any value in them may be wrong")
	case rows.readErr != nil:
		v.unsure = "the sheet could not be read to its end, so its checksum could not be compared: any of its values may be wrong"
		v.gap(after, "the rest of the sheet", rows.readErr.Error(), strings.TrimPrefix(missing+"; any value in the rows before may be wrong", "; "))
	case !rows.over:
		v.gap(after, "the rest of the sheet", "its part ends before its rows do", missing)
	case rows.tail.bad != "":
		v.gap(place, "what stands behind the rows", rows.tail.bad, "merged cells may not be known")
	}
	if v.counts.noString > 0 {
		why := "there are only " + fmt.Sprint(b.strings.count)
		if b.strings.bad != "" {
			why = b.strings.bad
		}
		v.gap(place, fmt.Sprintf("%d shared strings, the first in %s", v.counts.noString, v.counts.noStringAt), why, "these values are unknown")
	}
	if v.counts.strings > 0 && b.strings.check != "" {
		v.unsure = "the checksum of the shared strings is wrong: any text may be"
		v.gap(place, "the shared strings", b.strings.check, "any text of the sheet may be wrong")
	}
	if v.counts.noStyle > 0 {
		why := b.styles.bad
		if why == "" {
			why = fmt.Sprintf("the book has only %d", len(b.styles.formats))
		}
		v.gap(place, fmt.Sprintf("the number formats of %d cells, the first %s", v.counts.noStyle, v.counts.noStyleAt), why,
			"dates among them are given as numbers")
	}
	if v.moreGaps > 0 {
		v.gaps = append(v.gaps, evidence.Gap{Where: place, What: fmt.Sprintf("%d more rows", v.moreGaps), Why: "as those before"})
	}
}
