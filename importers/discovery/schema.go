package discovery

import (
	"context"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Schema is the shapes of the application's tables in a target. A column that the application
// writes and the target lacks is left out; one that only the target has takes its default.
type Schema struct {
	Name   string // migration, in the application's own databases
	Tables map[string]*evidence.Relation
}

// Names lists the tables that an import writes, in the order in which foreign keys let them be written.
func Names() []string {
	return []string{
		tableClients, tableEngagements, tableUsers, tableMasterFlows, tableImports,
		tableRawRecords, tableMappings, tableFlows, tableAssets, tableDependencies,
	}
}

// Has reports whether a table has a column.
func (s *Schema) Has(table, column string) bool {
	rel := s.Tables[table]
	return rel != nil && rel.Column(column) >= 0
}

// Querier asks a server; a session of package live is one.
type Querier interface {
	Query(ctx context.Context, op, sql string, parameters [][]byte, each func(row [][]byte) error) error
}

// shape is the columns of a table that an import gives.
type shape struct {
	rel *evidence.Relation
	at  []int // where the i-th of the names is in rel; -1: the target lacks it
}

// shape picks the named columns; nil: the target lacks the table.
func (s *Schema) shape(table string, names []string) *shape {
	full := s.Tables[table]
	if full == nil {
		return nil
	}
	sh := &shape{rel: &evidence.Relation{RelationName: full.RelationName, OID: full.OID}, at: make([]int, len(names))}
	for i, name := range names {
		sh.at[i] = -1
		at := full.Column(name)
		if at >= 0 && !full.Columns[at].Generated {
			sh.at[i] = len(sh.rel.Columns)
			sh.rel.Columns = append(sh.rel.Columns, full.Columns[at])
		}
	}
	return sh
}

// writer makes the rows of one table. Values are put by the place of their name in the shape's
// names, also those that the target lacks: others are made of them.
type writer struct {
	*shape
	row   evidence.Row
	all   []evidence.Value // one for each of the names
	buf   []byte           // of the texts of the row
	jsonb []int            // the columns of that type, by their place in the row
}

func (im *Import) writer(sh *shape) *writer {
	w := &writer{shape: sh, all: make([]evidence.Value, len(sh.at))}
	w.row.Relation = sh.rel
	for i := range sh.rel.Columns {
		if sh.rel.Columns[i].Type == "jsonb" {
			w.jsonb = append(w.jsonb, i)
		}
	}
	w.row.Values = make([]evidence.Value, len(sh.rel.Columns))
	w.row.Provenance = evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: im.place}
	return w
}

// begin starts a row: all its values are NULL.
func (w *writer) begin(line int64) {
	w.buf = w.buf[:0]
	for i := range w.all {
		w.all[i] = evidence.Value{State: evidence.Null}
	}
	w.row.Line = line
}

// end gives the row.
func (w *writer) end() *evidence.Row {
	for i, at := range w.at {
		if at >= 0 {
			w.row.Values[at] = w.all[i]
		}
	}
	for _, at := range w.jsonb {
		v := &w.row.Values[at]
		if _, size, _ := nextEscape(v.Text); size == 0 {
			continue
		}
		start := len(w.buf)
		w.buf = appendCharacters(w.buf, v.Text)
		v.Text = w.buf[start:len(w.buf):len(w.buf)]
	}
	return &w.row
}

// text puts a text that stays as it is as long as the row.
func (w *writer) text(i int, text []byte) {
	w.all[i] = evidence.Value{State: evidence.Known, Text: text}
}

// string puts a text.
func (w *writer) string(i int, text string) {
	w.build(i, func(dst []byte) []byte { return append(dst, text...) })
}

// build puts what the function appends.
func (w *writer) build(i int, appendTo func(dst []byte) []byte) {
	start := len(w.buf)
	w.buf = appendTo(w.buf)
	w.text(i, w.buf[start:len(w.buf):len(w.buf)])
}

// id puts an id.
func (w *writer) id(i int, id uuid.UUID) {
	w.build(i, func(dst []byte) []byte { return appendID(dst, id) })
}

// appendID appends an id as PostgreSQL prints it.
func appendID(dst []byte, id uuid.UUID) []byte {
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// strings puts texts from a place on.
func (w *writer) strings(from int, texts ...string) {
	for i, text := range texts {
		w.string(from+i, text)
	}
}

// known is a text that was put, or nil.
func (w *writer) known(i int) []byte {
	if w.all[i].State != evidence.Known {
		return nil
	}
	return w.all[i].Text
}
