package casefile

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// tableCounts is where counts are kept.
const tableCounts = "logged_count"

// Count says how many rows of a table there are, or were made, as a line of a log
// says: it tells of rows that nothing else may know of.
type Count struct {
	Relation evidence.RelationName `json:"-"`
	// What tells which rows: a text that stands as a value in each of them, such as the
	// id of their import; "" means all rows of the table.
	What   string `json:"what"`
	Rows   int64  `json:"rows"`
	Source string `json:"source"`
	Line   int64  `json:"line"`
	Why    string `json:"why"`
}

// Count takes a count. The last word of the same line on the same rows counts.
func (r *Run) Count(count Count) error {
	return r.do("note a count in", func() error {
		id, err := r.relation(&Table{Relation: &evidence.Relation{RelationName: count.Relation}})
		if err != nil {
			return err
		}
		return r.exec(`INSERT INTO logged_count (relation_id, what, source, line, rows, why, run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET rows = ?5, why = ?6, run_id = ?7 WHERE (rows, why) <> (?5, ?6)`,
			id, count.What, count.Source, count.Line, count.Rows, count.Why, r.id)
	})
}

// Logged compares what logs count of a table with the rows that the case holds of it.
type Logged struct {
	// Rows is how many rows there are as the logs say, Held how many of them the case
	// holds, and Missing how many no route has brought back.
	Rows    int64 `json:"rows"`
	Held    int64 `json:"held"`
	Missing int64 `json:"not_brought_back"`
	// Others is the number of rows that the case holds beside them.
	Others int64         `json:"others"`
	Of     []LoggedCount `json:"of"`
}

// LoggedCount is that of the rows that one text names.
type LoggedCount struct {
	What    string  `json:"what"`
	Rows    int64   `json:"rows"` // the largest count
	Held    int64   `json:"held"`
	Missing int64   `json:"not_brought_back"`
	Counts  []Count `json:"counts"`
	// Differ tells that the counts are not the same.
	Differ bool `json:"differ"`
}

// sumLogged compares the counts of logs with the rows of their tables.
func (c *Case) sumLogged(ctx context.Context, tables map[int64]*TableSummary, shapes map[int64]*evidence.Relation) error {
	if c.version < versionOrigins {
		return nil
	}
	err := c.each("SELECT relation_id, what, rows, source, line, why FROM logged_count ORDER BY relation_id, what, source, line", func(stmt *sqlite.Stmt) error {
		if t := tables[stmt.ColumnInt64(0)]; t != nil {
			if t.Logged == nil {
				t.Logged = &Logged{}
			}
			t.Logged.add(Count{
				Relation: t.RelationName, What: stmt.ColumnText(1), Rows: stmt.ColumnInt64(2),
				Source: stmt.ColumnText(3), Line: stmt.ColumnInt64(4), Why: stmt.ColumnText(5),
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.Logged == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.sumHeld(sameTable(tables, t), t.Logged, shapes); err != nil {
			return err
		}
	}
	return nil
}

// sameTable lists what has rows of a table: the table itself, under the name of its
// database and without, which logs do not always know, and its partitions.
func sameTable(tables map[int64]*TableSummary, of *TableSummary) (ids []string) {
	for id, t := range tables {
		database := t.Database == of.Database || t.Database == "" || of.Database == ""
		own := t.Schema == of.Schema && t.Name == of.Name
		if database && (own || t.PartitionOf.Name == of.Name && t.PartitionOf.Schema == of.Schema) {
			ids = append(ids, strconv.FormatInt(id, 10))
		}
	}
	return ids
}

func (l *Logged) add(count Count) {
	if n := len(l.Of); n == 0 || l.Of[n-1].What != count.What {
		l.Of = append(l.Of, LoggedCount{What: count.What, Rows: count.Rows})
	}
	of := &l.Of[len(l.Of)-1]
	of.Differ = of.Differ || count.Rows != of.Rows
	of.Rows = max(of.Rows, count.Rows)
	of.Counts = append(of.Counts, count)
}

// heldRows counts the rows that routes found.
type heldRows struct {
	found, imported map[int64]bool           // keys
	keyless         map[evidence.Route]int64 // rows whose key is not known
}

func newHeldRows() *heldRows {
	return &heldRows{found: make(map[int64]bool), imported: make(map[int64]bool), keyless: make(map[evidence.Route]int64)}
}

func (h *heldRows) add(row *evidence.Row, key []int) {
	switch sum := keySum(row, key); {
	case sum == 0:
		h.keyless[row.Route]++
	case row.Route == evidence.RouteImport:
		h.imported[sum] = true
	default:
		h.found[sum] = true
	}
}

// rows is how many rows these are at least. What an import made has keys of its own, and
// may be the same rows as others found; so may rows of two routes whose key is not known.
func (h *heldRows) rows() int64 {
	var keyless int64
	for route, n := range h.keyless {
		if route != evidence.RouteImport {
			keyless = max(keyless, n)
		}
	}
	return max(int64(len(h.found))+keyless, int64(len(h.imported))+h.keyless[evidence.RouteImport])
}

// sumHeld counts the rows of a table by what the logs count.
func (c *Case) sumHeld(ids []string, l *Logged, shapes map[int64]*evidence.Relation) error {
	of, others := make(map[string]*heldRows), newHeldRows()
	for i := range l.Of {
		of[l.Of[i].What] = newHeldRows()
	}
	if all := of[""]; all != nil {
		others = all
	}
	keys := make(map[*evidence.Relation][]int)
	for _, rel := range shapes {
		keys[rel] = keyColumns(rel)
	}
	var row evidence.Row
	var buf []byte
	err := c.each("SELECT shape_id, route, data FROM row WHERE relation_id IN ("+strings.Join(ids, ",")+")", func(stmt *sqlite.Stmt) error {
		row.Relation, row.Route = shapes[stmt.ColumnInt64(0)], routeOf(stmt.ColumnInt64(1))
		buf = columnBytes(stmt, 2, buf)
		var err error
		if row.Values, err = ParseValues(row.Values[:0], buf); err != nil {
			return err
		}
		if row.Relation == nil || len(row.Values) != len(row.Relation.Columns) {
			return nil // VerifyIntegrity tells of it
		}
		what, tells := named(&row, keys[row.Relation], of)
		switch {
		case !tells:
		case what != nil:
			what.add(&row, keys[row.Relation])
		default:
			others.add(&row, keys[row.Relation])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range l.Of {
		one := &l.Of[i]
		one.Held = of[one.What].rows()
		one.Missing = max(0, one.Rows-one.Held)
		l.Rows, l.Held, l.Missing = l.Rows+one.Rows, l.Held+one.Held, l.Missing+one.Missing
	}
	if of[""] == nil {
		l.Others = others.rows()
	}
	return nil
}

// named finds the text that names a row, and reports whether anything is known of the
// row beside that and its key.
func named(row *evidence.Row, key []int, of map[string]*heldRows) (what *heldRows, tells bool) {
	for i := range row.Values {
		v := &row.Values[i]
		if v.State == evidence.Unknown {
			continue
		}
		if names := of[string(v.Text)]; names != nil && len(v.Text) > 0 && v.State == evidence.Known {
			what = names
			continue
		}
		tells = tells || !slices.Contains(key, i)
	}
	return what, tells
}
