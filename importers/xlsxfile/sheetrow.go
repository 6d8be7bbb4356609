package xlsxfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The bounds of a sheet, which are Excel's own.
const (
	maxRows    = 1 << 20
	maxColumns = 1 << 14
	// longestRow bounds the text of one row.
	longestRow = 64 << 20
)

// cell is one cell as it is stored.
type cell struct {
	column     int    // from 1
	style      int    // index of its format
	kind       string // the attribute t; "" is a number
	formula    bool
	value      bool // it has one, if an empty one
	begin, end int  // of the value, in the row's text
	flaw       string
	lost       bool // so that the value cannot be had
}

// sheetRow is one row as it is stored.
type sheetRow struct {
	number  int64 // from 1
	ordinal int64 // among the row elements, from 1
	hidden  bool
	cells   []cell
	text    []byte
	note    string
	bad     string // why the rest of it could not be read
	offset  int64  // in the part, of what is bad
}

func (r *sheetRow) valueOf(c *cell) []byte { return r.text[c.begin:c.end] }

// A rowReader reads the rows of a sheet one after the other, and goes on behind damage.
type rowReader struct {
	s    *scanner
	v    *vocabulary
	row  sheetRow
	last int64 // number of the row before
	tag  int64 // where the tag of the row begins
	// resumed is where reading went on behind damage.
	resumed int64
	seen    [maxColumns/64 + 1]uint64

	dimension string
	inRows    bool
	over      bool  // the rows were read to their end
	readErr   error // reading ended so
	tail      tail
}

// tail is what stands behind the rows.
type tail struct {
	merged []area
	more   int // merged ranges that are not kept
	filter area
	bad    string
}

// newRowReader reads up to the rows.
func newRowReader(part io.Reader) (*rowReader, error) {
	r := &rowReader{s: newScanner(part)}
	var err error
	if r.v, err = readRoot(r.s); err != nil {
		return r, err
	}
	r.tag, r.resumed = -1, -1
	if r.v.root != "worksheet" {
		return r, &structureError{"it is a " + r.v.root + " and holds no rows"}
	}
	for {
		found, err := r.s.next()
		if err != nil || found == tokenEnd {
			r.over = err == nil
			return r, err
		}
		if found != tokenOpen {
			continue
		}
		switch string(r.v.local(r.s.name)) {
		case "dimension":
			r.dimension, _ = r.s.attr("ref")
		case "sheetData":
			r.inRows = true
			return r, nil
		}
		if err := r.s.skip(); err != nil {
			return r, err
		}
	}
}

// rowsDepth is how many elements are open around a row.
const rowsDepth = 2

// next reads a row, which is valid until the call after. Behind the last it returns nil; what
// ended the rows is in over and readErr then.
func (r *rowReader) next() *sheetRow {
	if !r.inRows || r.readErr != nil {
		return nil
	}
	r.row = sheetRow{cells: r.row.cells[:0], text: r.row.text[:0], ordinal: r.row.ordinal}
	for {
		found, err := r.s.next()
		switch {
		case err != nil:
			return r.spoilt(err)
		case found == tokenClose:
			r.inRows, r.over = false, true
			return nil
		case found == tokenText:
			if len(bytes.TrimSpace(r.s.text)) > 0 {
				return r.spoilt(&structureError{"text between rows"})
			}
		case r.v.local(r.s.name) == nil:
			if err := r.s.skip(); err != nil {
				return r.spoilt(err)
			}
		case string(r.v.local(r.s.name)) != "row":
			return r.spoilt(&structureError{"<" + short(r.s.name) + "> where a row is due"})
		default:
			if err := r.readRow(); err != nil {
				return r.spoilt(err)
			}
			return &r.row
		}
	}
}

// spoilt goes to the next row, and returns this one as far as it came.
func (r *rowReader) spoilt(err error) *sheetRow {
	if !damaged(err) {
		r.readErr = err
		if r.row.number == 0 {
			return nil
		}
		r.row.bad, r.row.offset = err.Error(), r.s.offset()
		return &r.row
	}
	opening, closing := "<"+r.v.prefixes[0]+"row", "</"+r.v.prefixes[0]+"sheetData"
	var syntax *syntaxError
	r.s.pos = r.s.start
	r.row.bad, r.row.offset = err.Error(), r.s.offset()
	if errors.As(err, &syntax) {
		r.row.bad = syntax.why
	}
	broken := syntax != nil && beginsTag(r.s.buf[r.s.pos:r.s.end], opening)
	if broken || r.row.offset == r.tag || r.row.offset <= r.resumed {
		r.s.pos++ // it is this tag that is damaged, not what is before it
	}
	if on, err := r.s.resume(rowsDepth, opening, closing); !on || err != nil {
		r.inRows = false
		if err == nil && !errors.Is(r.s.readErr, io.EOF) {
			err = r.s.readErr
		}
		r.readErr = err
	}
	r.resumed = r.s.offset()
	return &r.row
}

// readRow reads the row whose tag was found last.
func (r *rowReader) readRow() error {
	r.row.ordinal++
	r.row.number = r.last + 1
	r.tag = r.s.base + int64(r.s.start)
	for _, a := range r.s.attrs {
		switch string(a.name) {
		case "r":
			text := r.s.attrText(a.value)
			number, err := strconv.ParseInt(text, 10, 64)
			if err != nil || number < 1 || number > maxRows {
				return &structureError{fmt.Sprintf("%.40q is no number of a row", text)}
			}
			r.row.number = number
		case "hidden":
			r.row.hidden = isTrue(a.value)
		}
	}
	if r.row.number <= r.last {
		r.row.note = "it stands behind row " + strconv.FormatInt(r.last, 10)
	}
	r.last = r.row.number
	column := 0
	for {
		found, err := r.s.next()
		switch {
		case err != nil:
			return err
		case found == tokenClose:
			return r.checkTwice()
		case found == tokenText:
			if len(bytes.TrimSpace(r.s.text)) > 0 {
				return &structureError{"text between cells"}
			}
		default:
			switch string(r.v.local(r.s.name)) {
			case "c":
				column, err = r.readCell(column + 1)
			case "extLst", "":
				err = r.s.skip()
			default:
				err = &structureError{"<" + short(r.s.name) + "> where a cell is due"}
			}
			if err != nil {
				return err
			}
		}
	}
}

func isTrue(value []byte) bool { return string(value) == "1" || string(value) == "true" }

// checkTwice looks for two cells in one place.
func (r *rowReader) checkTwice() error {
	clear(r.seen[:])
	for i := range r.row.cells {
		column := r.row.cells[i].column
		if r.seen[column/64]&(1<<(column%64)) != 0 {
			return &structureError{fmt.Sprintf("cell %s stands twice in row %d", cellName(column, r.row.number), r.row.number)}
		}
		r.seen[column/64] |= 1 << (column % 64)
	}
	return nil
}

// readCell reads the cell whose tag was found last, and returns its column. column is where it
// stands if it does not say so.
func (r *rowReader) readCell(column int) (int, error) {
	c := cell{column: column, begin: len(r.row.text)}
	for _, a := range r.s.attrs {
		switch string(a.name) {
		case "r":
			at, row, ok := parseCellName(a.value)
			if !ok {
				return 0, &structureError{fmt.Sprintf("%.40q is no place of a cell", a.value)}
			}
			c.column = at
			if row != r.row.number && r.row.note == "" {
				r.row.note = fmt.Sprintf("its cell says that it is %s", a.value)
			}
		case "s":
			style, err := strconv.Atoi(string(a.value))
			if err != nil || style < 0 {
				return 0, &structureError{fmt.Sprintf("%.40q is no number of a style", a.value)}
			}
			c.style = style
		case "t":
			c.kind = cellKind(r.s, a.value)
		}
	}
	if c.column > maxColumns {
		return 0, &structureError{fmt.Sprintf("a cell stands beyond column %d", maxColumns)}
	}
	if err := r.readValue(&c); err != nil {
		return 0, err
	}
	c.end = len(r.row.text)
	if c.end > longestRow {
		return 0, &structureError{fmt.Sprintf("the row holds more than %d MiB", longestRow>>20)}
	}
	if c.value || c.formula {
		r.row.cells = append(r.row.cells, c)
	}
	return c.column, nil
}

// cellKind is the kind without an allocation for those that are known.
func cellKind(s *scanner, value []byte) string {
	switch string(value) {
	case "s":
		return "s"
	case "n":
		return ""
	case "str":
		return "str"
	case "inlineStr":
		return "inlineStr"
	case "b":
		return "b"
	case "e":
		return "e"
	case "d":
		return "d"
	}
	return s.attrText(value)
}

func (r *rowReader) readValue(c *cell) error {
	for {
		found, err := r.s.next()
		switch {
		case err != nil:
			return err
		case found == tokenClose:
			return nil
		case found == tokenText:
			if len(bytes.TrimSpace(r.s.text)) > 0 {
				return &structureError{"text in a cell that is not in its value"}
			}
			continue
		}
		var g gathered
		switch string(r.v.local(r.s.name)) {
		case "v":
			c.value = true
			r.row.text, err = r.s.plain(r.row.text[:c.begin], &g)
			c.flaw, c.lost = g.flaw, g.lost
		case "is":
			c.value = true
			r.row.text, err = r.s.rich(r.v, r.row.text[:c.begin], &g)
			c.flaw, c.lost = g.flaw, g.lost
		case "f":
			c.formula = true
			err = r.s.skip()
		case "extLst", "":
			err = r.s.skip()
		default:
			err = &structureError{"<" + short(r.s.name) + "> in a cell"}
		}
		if err != nil {
			return err
		}
	}
}

// readTail reads what stands behind the rows, to the end of the part.
func (r *rowReader) readTail() {
	if r.readErr != nil || !r.over {
		return
	}
	err := r.tailElements()
	switch {
	case err == nil:
	case damaged(err):
		r.tail.bad = err.Error()
		_, err = io.Copy(io.Discard, r.s.r)
		r.readErr = err
	default:
		r.readErr = err
	}
}

func (r *rowReader) tailElements() error {
	for {
		found, err := r.s.next()
		if err != nil || found == tokenEnd {
			return err
		}
		if found != tokenOpen {
			continue
		}
		switch string(r.v.local(r.s.name)) {
		case "mergeCells":
			continue // its children are looked at
		case "mergeCell":
			r.addMerged()
		case "autoFilter":
			ref, _ := r.s.attr("ref")
			r.tail.filter, _ = parseArea(ref)
		case "row", "sheetData":
			return &structureError{"rows behind the end of the rows"}
		}
		if err := r.s.skip(); err != nil {
			return err
		}
	}
}

// mostMerged bounds the merged ranges that are kept of a sheet.
const mostMerged = 200_000

func (r *rowReader) addMerged() {
	ref, _ := r.s.attr("ref")
	at, ok := parseArea(ref)
	switch {
	case !ok || at.single():
	case len(r.tail.merged) == mostMerged:
		r.tail.more++
	default:
		r.tail.merged = append(r.tail.merged, at)
	}
}
