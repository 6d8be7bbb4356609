package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Format names a way of printing rows.
type Format string

// The formats.
const (
	// FormatCopy is COPY's text format: one line a row, tabs between values, \N
	// for NULL. It holds one table, and as COPY of a table no generated columns.
	FormatCopy Format = "copy"
	// FormatCSV is COPY's CSV format with a header line. NULL is empty, the empty
	// text is "". It holds one table, and no generated columns.
	FormatCSV Format = "csv"
	// FormatJSONL is one JSON object a row, provenance included.
	FormatJSONL Format = "jsonl"
	// FormatSQL is one statement a row, for psql: INSERT, or UPDATE for the
	// version that an update replaced.
	FormatSQL Format = "sql"
)

// Formats lists the formats, in the order in which help texts name them.
func Formats() []Format {
	return []Format{FormatCopy, FormatCSV, FormatJSONL, FormatSQL}
}

const (
	flushAt  = 64 << 10 // bytes of printed rows that are written together
	keepMost = 4 << 20  // bytes of buffer that are kept after a huge row
)

// encoder appends the printed form of one row.
type encoder interface {
	appendRow(dst []byte, row *Row) []byte
}

// Writer is the Sink that prints rows. It buffers: call Flush after the last
// row. Texts are printed in the encoding in which they were stored.
type Writer struct {
	format  Format
	out     io.Writer
	encoder encoder
	buf     []byte
	first   *Relation // the one table of a copy or csv stream
	rows    int64
	unknown int64
	err     error // the first failed write; nothing is printed after it
}

var _ Sink = (*Writer)(nil)

// NewWriter makes a Writer that prints rows to w. The error names the formats
// when format is none of them.
func NewWriter(format Format, w io.Writer) (*Writer, error) {
	out := &Writer{format: format, out: w}
	switch format {
	case FormatCopy:
		out.encoder = copyEncoder{}
	case FormatCSV:
		out.encoder = &csvEncoder{}
	case FormatJSONL:
		out.encoder = jsonEncoder{}
	case FormatSQL:
		out.encoder = &sqlEncoder{}
	default:
		return nil, &Error{
			Op: "evidence: write rows as", Place: fmt.Sprintf("%q", format), Err: errors.New("this format is not known"),
			Hint: "formats are copy, csv, jsonl and sql",
		}
	}
	return out, nil
}

// Put prints one row. A copy or csv stream holds the rows of one table: a row
// of a second one is refused, and the stream stays as it was. After a write
// that failed, every Put and Flush returns its error.
func (w *Writer) Put(row *Row) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(row); err != nil {
		return err
	}
	w.buf = w.encoder.appendRow(w.buf, row)
	w.rows++
	for i := range row.Values {
		if row.Values[i].unprintable() && (w.format == FormatJSONL || !row.Relation.Columns[i].Generated) {
			w.unknown++
		}
	}
	if len(w.buf) >= flushAt {
		return w.Flush()
	}
	return nil
}

// check refuses rows that cannot be printed.
func (w *Writer) check(row *Row) error {
	rel := row.Relation
	if rel == nil {
		return fmt.Errorf("evidence: write %s row %s: it names no relation", w.format, row.TID)
	}
	if len(row.Values) != len(rel.Columns) {
		return fmt.Errorf("evidence: write %s row %s of %s: it has %d values for %d columns",
			w.format, row.TID, rel, len(row.Values), len(rel.Columns))
	}
	if n := len(row.Successor); row.Successor != nil && n != len(rel.Columns) {
		return fmt.Errorf("evidence: write %s row %s of %s: its successor has %d values for %d columns",
			w.format, row.TID, rel, n, len(rel.Columns))
	}
	if w.format != FormatCopy && w.format != FormatCSV {
		return nil
	}
	if w.first == nil {
		w.first = rel
	}
	if w.first != rel && !sameTable(w.first, rel) {
		return &Error{
			Op: fmt.Sprintf("evidence: write %s row of", w.format), Place: rel.String(),
			Err:  fmt.Errorf("the stream holds rows of %s, and can hold one table only", w.first),
			Hint: "write one file for each table, or use the format jsonl or sql",
		}
	}
	return nil
}

// sameTable reports whether two shapes are of one table with the same columns.
func sameTable(a, b *Relation) bool {
	return a.OID == b.OID && a.RelationName == b.RelationName && slices.Equal(a.Columns, b.Columns)
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	if _, err := w.out.Write(w.buf); err != nil {
		w.err = fmt.Errorf("evidence: write %s rows: %w", w.format, err)
		return w.err
	}
	w.buf = w.buf[:0]
	if cap(w.buf) > keepMost {
		w.buf = nil
	}
	return nil
}

// Rows is the number of rows that Put took.
func (w *Writer) Rows() int64 { return w.rows }

// UnknownValues is the number of values in those rows that are not known, or
// that hold a zero byte, which no text of PostgreSQL can. copy and csv can only
// print them as NULL; jsonl and sql say which they are and why. Generated columns
// count in jsonl only, where they are printed.
func (w *Writer) UnknownValues() int64 { return w.unknown }

// Unstated is the number of rows that sql could write no statement for, such as
// an updated row of a table without a primary key; a comment tells of each.
func (w *Writer) Unstated() int64 {
	if sql, ok := w.encoder.(*sqlEncoder); ok {
		return sql.unstated
	}
	return 0
}

// reasonZeroByte is why a text is taken for unknown: a client program would end it at the byte.
const reasonZeroByte = "the text holds a zero byte, which no text of PostgreSQL can"

// unprintable reports whether the value is unknown, or no text that a client could read.
func (v *Value) unprintable() bool {
	return v.State == Unknown || (v.State == Known && bytes.IndexByte(v.Text, 0) >= 0)
}

// why is the reason of an unprintable value, and the bytes to show for it.
func (v *Value) why() (reason string, raw []byte) {
	if v.State == Known {
		return reasonZeroByte, v.Text
	}
	if v.Reason == "" {
		return "no reason is recorded", v.Raw
	}
	return v.Reason, v.Raw
}
