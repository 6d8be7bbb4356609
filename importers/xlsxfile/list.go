package xlsxfile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// A List is the records of one sheet. It implements importers.List.
type List struct {
	book    *Book
	sheet   *sheetPart
	survey  *survey
	columns *columns
	head    importers.Head
}

var _ importers.List = (*List)(nil)

// Head says what is known before reading.
func (l *List) Head() *importers.Head { return &l.head }

// Gaps lists what of the sheet could not be read, or is not certain. It is known before the
// records are read.
func (l *List) Gaps() []evidence.Gap { return slices.Clone(l.survey.gaps) }

// errChanged tells that reading gave something else than the guard saw.
var errChanged = errors.New("it is not what it was when it was looked at first")

// Records yields the rows below the header that hold a value.
func (l *List) Records(ctx context.Context, rejects importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		if err := l.read(ctx, rejects, func(r *importers.Record) bool { return yield(r, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// read reads the sheet again and gives its records to yield until that says no.
func (l *List) read(ctx context.Context, rejects importers.Rejects, yield func(*importers.Record) bool) error {
	if l.survey.noRows != "" {
		return nil // which is a gap
	}
	part, err := l.book.parts.open(l.sheet.part)
	if err != nil {
		return l.fail("open", err)
	}
	defer part.Close()
	rows, err := newRowReader(part)
	if err != nil {
		return l.fail("read", err)
	}
	m := l.newMaker()
	bad := int64(0)
	for row := rows.next(); row != nil; row = rows.next() {
		if row.ordinal%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if row.bad != "" {
			bad++
		}
		if row.ordinal < l.columns.ordinal || row.ordinal == l.columns.ordinal && row.bad == "" {
			m.pass(row)
			continue
		}
		if refused := m.refused(row); refused != "" {
			if err := rejects(m.reject(row, refused)); err != nil {
				return err
			}
			continue
		}
		if record := m.record(row); record != nil && !yield(record) {
			return nil
		}
	}
	if rows.row.ordinal != l.survey.elements || bad != l.survey.damagedAt {
		return l.fail("read", errChanged)
	}
	return nil
}

func (l *List) fail(op string, err error) error {
	return &evidence.Error{Op: "xlsx: " + op + " sheet", Place: fmt.Sprintf("%s, sheet %q", l.book.source.Place(), l.sheet.name), Err: err}
}

// A maker makes records of rows.
type maker struct {
	list   *List
	values *values
	fill   *filler
	out    importers.Record
	refuse importers.Reject
	note   []byte
}

func (l *List) newMaker() *maker {
	m := &maker{list: l, values: l.book.newValues()}
	m.out.Fields = make([]importers.Field, len(l.columns.names))
	if l.book.options.Merged == Fill && len(l.survey.tail.merged) > 0 {
		m.fill = newFiller(l.survey.tail.merged, l.columns)
	}
	return m
}

// pass takes from a row that gives no record what later rows need of it.
func (m *maker) pass(row *sheetRow) {
	if m.fill != nil {
		m.fields(row)
		m.fill.apply(row.number, m.out.Fields)
	}
}

// fields sets the fields of the row, and reports whether it has any.
func (m *maker) fields(row *sheetRow) bool {
	for i := range m.out.Fields {
		m.out.Fields[i] = importers.Field{Kind: importers.Missing}
	}
	m.values.reset()
	m.note = m.note[:0]
	any := false
	for i := range row.cells {
		c := &row.cells[i]
		at := m.list.columns.index[c.column]
		if at < 0 {
			continue
		}
		field := m.values.field(row, c)
		if field.Kind == importers.Missing {
			continue
		}
		any = true
		m.out.Fields[at] = field
		if c.flaw != "" && field.Kind != importers.Unknown {
			m.addNote("cell " + cellName(c.column, row.number) + " " + c.flaw)
		}
	}
	return any
}

func (m *maker) addNote(note string) {
	if len(m.note) > 0 {
		m.note = append(m.note, "; "...)
	}
	m.note = append(m.note, note...)
}

// record is the record of the row, or nil if the row is empty.
func (m *maker) record(row *sheetRow) *importers.Record {
	any := m.fields(row)
	if m.fill != nil {
		m.fill.apply(row.number, m.out.Fields)
	}
	if !any {
		return nil
	}
	if row.hidden {
		m.addNote("hidden row")
	}
	if row.note != "" {
		m.addNote(row.note)
	}
	if m.list.survey.unsure != "" {
		m.addNote(m.list.survey.unsure)
	}
	m.out.Number++
	m.out.Line, m.out.Offset, m.out.Note = row.number, -1, ""
	if len(m.note) > 0 {
		m.out.Note = string(m.note)
	}
	return &m.out
}

// refused says why the row is no record.
func (m *maker) refused(row *sheetRow) string {
	if row.bad != "" {
		return fmt.Sprintf("the row is damaged at byte %d of its part: %s", row.offset, row.bad)
	}
	if table, ok := m.list.survey.totalsOf(row.number); ok {
		return fmt.Sprintf("it is the row of totals of table %q", table)
	}
	return ""
}

// reject is the row as far as it could be read.
func (m *maker) reject(row *sheetRow, reason string) *importers.Reject {
	m.fields(row)
	m.refuse = importers.Reject{Line: row.number, Offset: -1, Reason: reason, Fields: m.out.Fields}
	return &m.refuse
}
