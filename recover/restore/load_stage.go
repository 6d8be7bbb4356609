package restore

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// valueCheck tells whether a column surely takes a text. What it does not know for sure
// is asked of the server before it goes into COPY, which would end with the first error.
type valueCheck struct {
	certain func(text []byte) bool
	notNull bool
	known   map[string]string // values that were asked about -> why they are refused, or ""
}

// taken reports whether the server is known to take a text.
func (c *valueCheck) taken(text []byte) bool {
	reason, known := c.known[string(text)]
	return known && reason == ""
}

// settleAt is how much text is gathered behind the first value that is asked about, so that
// many are asked about together.
const settleAt = 1 << 20

// outKinds are what the rows of a table that do not go in are.
const (
	outThere     = 't' // the target has it with the same values
	outDifferent = 'd' // with other values
	outTwice     = 'w' // it came before, with the same values
	outRefused   = 'r'
)

// outTable is the temporary table of those rows.
func (t *loadTable) outTable() string { return "pg_temp.pgrescue_out_" + strconv.Itoa(t.index) }

// sharedTable is the temporary table of rows that have unique values in common.
func (t *loadTable) sharedTable() string { return "pg_temp.pgrescue_shared_" + strconv.Itoa(t.index) }

// open begins the transaction, and makes the temporary tables. One that only compares takes
// the right to write anything else from itself.
func (l *loader) open(ctx context.Context) error {
	all := make([]int, len(l.tables))
	for i := range all {
		all[i] = i
	}
	places, err := l.openPlaces(ctx, all)
	if err != nil {
		return err
	}
	var make strings.Builder
	for i, table := range l.tables {
		table.place = places[i]
		table.checks = l.valueChecks(table)
		if table.lines, err = newLineFile(); err != nil {
			return err
		}
		make.WriteString(table.place.createStagingWith("0::bigint AS "+seqColumn) + ";\n")
		fmt.Fprintf(&make, "CREATE TEMPORARY TABLE pgrescue_out_%d (seq bigint PRIMARY KEY, kind \"char\", what text, detail text, other bigint, by text) ON COMMIT DROP;\n", i)
		fmt.Fprintf(&make, "CREATE TEMPORARY TABLE pgrescue_shared_%d (key int, seq bigint, first bigint) ON COMMIT DROP;\n", i)
	}
	if l.dry {
		make.WriteString("SET TRANSACTION READ ONLY")
	} else {
		make.WriteString("SET CONSTRAINTS ALL IMMEDIATE")
	}
	// Compiling the statements costs more than it saves.
	make.WriteString("; SET LOCAL jit = off")
	return l.explain(l.conn().Exec(ctx, "make temporary tables at", make.String()))
}

func (l *loader) openPlaces(ctx context.Context, all []int) ([]*place, error) {
	if !l.dry {
		return l.begin(ctx, all)
	}
	if err := l.conn().Exec(ctx, "begin at", "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"); err != nil {
		return nil, err
	}
	return l.readPlaces(ctx, all)
}

// valueChecks are those of the columns of a table.
func (l *loader) valueChecks(table *loadTable) []valueCheck {
	checks := make([]valueCheck, len(table.fields))
	// A trigger may give a value to a row that comes without.
	before := len(table.target.triggers) > 0 || len(table.target.rules) > 0
	for i := range checks {
		column := &table.target.columns[table.ask.columns[i]]
		certain := pg.CertainInput(column.typ)
		if l.card.Encoding != "UTF8" && l.card.Encoding != "SQL_ASCII" {
			// A character may have no place in the database's encoding.
			inUTF8 := certain
			certain = func(text []byte) bool { return isASCII(text) && inUTF8(text) }
		}
		if l.card.Encoding != "UTF8" && column.typ == "jsonb" {
			// Nor may one that JSON writes as an escape.
			plain := certain
			certain = func(text []byte) bool { return bytes.IndexByte(text, '\\') < 0 && plain(text) }
		}
		checks[i] = valueCheck{certain, column.notNull && !before, map[string]string{}}
	}
	return checks
}

// stager brings the rows of a table into its temporary table.
type stager struct {
	l       *loader
	table   *loadTable
	ctx     context.Context
	seq     int64
	pending []pendingRow
	asked   []question
	texts   []byte // of the values that are asked about
}

// pendingRow is a row in the piece of COPY's text at hand with values that are asked about.
type pendingRow struct {
	seq        int64
	start, end int
	first      int // of stager.asked
}

// question is a value that the server is asked about.
type question struct {
	column int // of place.columns
	text   []byte
	reason string // why the server does not take it; "": it does
}

// stage copies the rows of a table into its temporary table.
func (l *loader) stage(ctx context.Context, table *loadTable) error {
	l.at(StageCopy, table.target.name)
	s := &stager{l: l, table: table, ctx: ctx}
	source := &copyReader[*evidence.Row]{rows: table.Rows, line: s.line, enough: s.enough, settle: s.settle, advance: l.advance}
	if err := copyRows(ctx, l.conn(), table.place.staging(), source); err != nil {
		return l.explain(err)
	}
	table.result.Read = s.seq
	table.staged = s.seq - table.result.Refused
	return nil
}

// line appends the line of a row, unless it is refused.
func (s *stager) line(dst []byte, row *evidence.Row) ([]byte, error) {
	table := s.table
	if len(row.Values) != len(table.Relation.Columns) {
		return dst, fmt.Errorf("restore: load rows into %s: row %d has %d values for %d columns", table.target, s.seq+1, len(row.Values), len(table.Relation.Columns))
	}
	s.seq++
	if err := table.lines.put(&row.Provenance); err != nil {
		return dst, err
	}
	start, first := len(dst), len(s.asked)
	for i, field := range table.fields {
		v, check := &row.Values[field], &table.checks[i]
		switch v.State {
		case evidence.Known:
			if !check.certain(v.Text) && !check.taken(v.Text) {
				s.ask(i, v.Text)
			}
			dst = evidence.AppendCopyText(dst, v.Text)
			dst = append(dst, '\t')
			continue
		case evidence.Unknown:
			s.asked = s.asked[:first]
			return dst[:start], s.refuse(s.seq, i, v.Reason, nil)
		}
		if check.notNull {
			s.asked = s.asked[:first]
			return dst[:start], s.refuse(s.seq, i, "it must not be NULL", nil)
		}
		dst = append(dst, '\\', 'N', '\t')
	}
	dst = strconv.AppendInt(dst, s.seq, 10)
	dst = append(dst, '\n')
	if len(s.asked) > first {
		s.pending = append(s.pending, pendingRow{s.seq, start, len(dst), first})
	}
	return dst, nil
}

// ask notes a value that the server is asked about. The row is gone by then.
func (s *stager) ask(column int, text []byte) {
	start := len(s.texts)
	s.texts = append(s.texts, text...)
	s.asked = append(s.asked, question{column: column, text: s.texts[start:len(s.texts):len(s.texts)]})
}

func (s *stager) refuse(seq int64, column int, reason string, text []byte) error {
	where, err := s.table.lines.of(seq)
	if err != nil {
		return err
	}
	return s.l.refuse(s.table, LoadRefusal{Provenance: where, Column: s.table.columnName(column), Reason: reason, Text: text})
}

func (s *stager) enough(bytes int) bool {
	if len(s.pending) > 0 {
		return bytes >= settleAt
	}
	return bytes >= copyChunk
}

// settle asks about the values of a piece, and takes the rows out that the server refuses.
func (s *stager) settle(piece []byte) ([]byte, int64, error) {
	if len(s.pending) == 0 {
		return piece, 0, nil
	}
	if err := s.l.asker.answer(s.ctx, s.l, s.table, s.asked); err != nil {
		return piece, 0, err
	}
	kept, from, dropped := piece[:0], 0, int64(0)
	for i := range s.pending {
		row := &s.pending[i]
		end := len(s.asked)
		if i+1 < len(s.pending) {
			end = s.pending[i+1].first
		}
		refused, err := s.judge(row.seq, s.asked[row.first:end])
		if err != nil {
			return piece, 0, err
		}
		if refused {
			kept = append(kept, piece[from:row.start]...)
			from = row.end
			dropped++
		}
	}
	kept = append(kept, piece[from:]...)
	s.pending, s.asked, s.texts = s.pending[:0], s.asked[:0], s.texts[:0]
	return kept, dropped, nil
}

// judge refuses a row if the server refuses one of its values.
func (s *stager) judge(seq int64, asked []question) (bool, error) {
	var bad *question
	also := ""
	for i := range asked {
		switch q := &asked[i]; {
		case q.reason == "":
		case bad == nil:
			bad = q
		default:
			also += fmt.Sprintf("; column %s too: %s", s.table.place.columns[q.column].name, q.reason)
		}
	}
	if bad == nil {
		return false, nil
	}
	return true, s.refuse(seq, bad.column, bad.reason+also, bad.text)
}
