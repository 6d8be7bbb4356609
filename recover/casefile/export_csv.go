package casefile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// csvLine is a line of CSV (RFC 4180) on its way. NULL is \N, and a text that is
// those two characters stands in quotes.
type csvLine struct {
	text   []byte
	fields int
}

const csvNull = `\N`

func (l *csvLine) null() { l.field([]byte(csvNull), false) }

func (l *csvLine) value(text []byte) {
	l.field(text, bytes.ContainsAny(text, "\",\r\n") || string(text) == csvNull)
}

func (l *csvLine) field(text []byte, quoted bool) {
	if l.fields++; l.fields > 1 {
		l.text = append(l.text, ',')
	}
	if !quoted {
		l.text = append(l.text, text...)
		return
	}
	l.text = append(l.text, '"')
	l.text = append(l.text, bytes.ReplaceAll(text, []byte(`"`), []byte(`""`))...)
	l.text = append(l.text, '"')
}

// end writes the line.
func (l *csvLine) end(f *bundleFile) error {
	_, err := f.Write(append(l.text, '\n'))
	l.text, l.fields = l.text[:0], 0
	return err
}

// tables writes one CSV file of rows for each table.
func (e *export) tables() error {
	relations, shapes, err := e.copied.readShapes()
	if err != nil {
		return err
	}
	several := slices.ContainsFunc(relations, func(r *Relation) bool { return r.Database != relations[0].Database })
	taken := make(map[string]bool)
	for _, rel := range relations {
		if len(rel.Shapes) == 0 {
			continue // lines of the ledger alone
		}
		parts := []string{rel.Schema, rel.Name}
		if several {
			parts = append([]string{rel.Database}, parts...)
		}
		if err := e.table(rel, shapes, RowsFolder+"/"+safeName(taken, parts...)+".csv"); err != nil {
			return fmt.Errorf("rows of %s: %w", rel.RelationName, err)
		}
	}
	return nil
}

// origins are the columns that say where a row comes from.
func origins() []string {
	return []string{
		"_route", "_confidence", "_operation", "_commit_time", "_lsn", "_tid", "_xmin", "_xmax", "_intermediate", "_source", "_line", "_note", "_origins",
	}
}

func (e *export) table(rel *Relation, shapes map[int64]*evidence.Relation, name string) error {
	f, err := e.bundle.payloadFile(name)
	if err != nil {
		return err
	}
	defer f.file.Close() // closed twice where all is well
	columns, places := unionOf(rel.Shapes)
	var line csvLine
	for _, header := range append(append(origins(), "_unknown"), columns...) {
		line.value([]byte(header))
	}
	if err := line.end(f); err != nil {
		return err
	}
	rows, err := e.copied.query(e.ctx, `SELECT row.shape_id, row.data, l.route, l.confidence, l.operation, l.commit_time, l.lsn, l.tid, l.xmin, l.xmax,
 l.intermediate, l.source, l.line, l.note, `+e.copied.originsColumn()+` FROM row JOIN row_list AS l ON l.id = row.id WHERE row.relation_id = ? ORDER BY row.id`, rel.ID)
	if err != nil {
		return err
	}
	defer rows.close()
	var values []evidence.Value
	var buf []byte
	for {
		more, err := rows.next(func(stmt *sqlite.Stmt) error {
			buf = columnBytes(stmt, 1, buf)
			var err error
			if values, err = ParseValues(values[:0], buf); err != nil {
				return err
			}
			shape := shapes[stmt.ColumnInt64(0)]
			for i := range origins() {
				line.column(stmt, i+2)
			}
			line.row(shape, values, places[shape], len(columns))
			e.result.Rows++
			return line.end(f)
		})
		if err != nil {
			return err
		}
		if !more {
			return f.close()
		}
	}
}

// unionOf lists the columns that any shape of a table has, each name once, and for
// each shape where they stand in it; -1: not there.
func unionOf(shapes []*evidence.Relation) (columns []string, places map[*evidence.Relation][]int) {
	for _, shape := range shapes {
		for _, c := range shape.Columns {
			if !slices.Contains(columns, c.Name) {
				columns = append(columns, c.Name)
			}
		}
	}
	places = make(map[*evidence.Relation][]int)
	for _, shape := range shapes {
		for _, name := range columns {
			places[shape] = append(places[shape], shape.Column(name))
		}
	}
	return columns, places
}

// column appends what a query found.
func (l *csvLine) column(stmt *sqlite.Stmt, i int) {
	if stmt.ColumnIsNull(i) {
		l.null()
		return
	}
	l.value([]byte(stmt.ColumnText(i)))
}

// row appends which values are unknown and why, and the values; an unknown one is empty.
func (l *csvLine) row(shape *evidence.Relation, values []evidence.Value, places []int, columns int) {
	var unknown []string
	for i := range min(len(values), len(shape.Columns)) {
		if values[i].State == evidence.Unknown {
			unknown = append(unknown, shape.Columns[i].Name+": "+values[i].Reason)
		}
	}
	l.value([]byte(strings.Join(unknown, "; ")))
	for i := range columns {
		at := -1
		if i < len(places) {
			at = places[i]
		}
		switch {
		case at < 0 || at >= len(values) || values[at].State == evidence.Null:
			l.null()
		case values[at].State == evidence.Unknown:
			l.value(nil)
		default:
			l.value(values[at].Text)
		}
	}
}

// lists writes what is not rows.
func (e *export) lists() error {
	if err := e.balance(); err != nil {
		return err
	}
	const moment = "strftime('%%Y-%%m-%%d %%H:%%M:%%S', %[1]s / 1000000, 'unixepoch') || printf('.%%06dZ', %[1]s %% 1000000) AS %[1]s"
	type list struct{ name, query string }
	lists := []list{
		{"ledger.csv", "SELECT * FROM ledger_list"},
		{"timeline.csv", fmt.Sprintf("SELECT "+moment+", source, "+e.copied.lineColumn()+" AS line, certainty, actor, tenant, statement, message, detail FROM event ORDER BY event.time, id", "time")},
		{"evidence.csv", fmt.Sprintf("SELECT path, kind, size, sha256, "+moment+", how, relfile, first_run, last_run FROM evidence ORDER BY path, last_run", "mtime")},
		{"gaps.csv", "SELECT place, what, why, consequence FROM gap ORDER BY id"},
		{"runs.csv", fmt.Sprintf("SELECT id, command, version, argv, who, host, "+moment+", exit_code FROM run ORDER BY id", "began")},
	}
	if e.copied.version >= versionOrigins {
		lists = append(lists, list{"counts.csv", "SELECT database, schema, name, what, rows, source, line, why FROM logged_count JOIN relation ON relation.id = relation_id ORDER BY 1, 2, 3, 4, 6, 7"})
	}
	for _, list := range lists {
		if err := e.list(list.name, list.query); err != nil {
			return fmt.Errorf("%s: %w", list.name, err)
		}
	}
	return nil
}

// list writes what a query finds.
func (e *export) list(name, query string) error {
	f, err := e.bundle.payloadFile(name)
	if err != nil {
		return err
	}
	defer f.file.Close() // closed twice where all is well
	rows, err := e.copied.query(e.ctx, query)
	if err != nil {
		return err
	}
	defer rows.close()
	var line csvLine
	for i := range rows.stmt.ColumnCount() {
		line.value([]byte(rows.stmt.ColumnName(i)))
	}
	if err := line.end(f); err != nil {
		return err
	}
	for {
		more, err := rows.next(func(stmt *sqlite.Stmt) error {
			for i := range stmt.ColumnCount() {
				line.column(stmt, i)
			}
			return line.end(f)
		})
		if err != nil {
			return err
		}
		if !more {
			return f.close()
		}
	}
}

// balance writes the equation of each table.
func (e *export) balance() error {
	summary, err := e.copied.Summary(e.ctx)
	if err != nil {
		return err
	}
	f, err := e.bundle.payloadFile("balance.csv")
	if err != nil {
		return err
	}
	var line csvLine
	header := []string{"table", "lost"}
	for _, route := range evidence.Routes() {
		header = append(header, string(route))
	}
	for _, text := range append(header, "in_part", "missing", "in_conflict", "restored", "complete") {
		line.value([]byte(text))
	}
	err = line.end(f)
	for i := range summary.Tables {
		t := &summary.Tables[i]
		line.value([]byte(t.RelationName.String()))
		numbers := []int64{t.Lost}
		for _, route := range evidence.Routes() {
			numbers = append(numbers, t.Settled[route])
		}
		for _, n := range append(numbers, t.InPart, t.Missing, t.Conflicts, t.Restored) {
			line.value(strconv.AppendInt(nil, n, 10))
		}
		line.value(fmt.Append(nil, !slices.ContainsFunc(t.Losses, func(l Loss) bool { return !l.Covered })))
		err = errors.Join(err, line.end(f))
	}
	return errors.Join(err, f.close())
}
