package casefile

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// NotKnown stands for a number of rows that nobody knows.
const NotKnown = -1

// Triage is what a triage made of the evidence that was at hand. Its words are those of
// `triage`; a case keeps them, and does not read them.
type Triage struct {
	At         time.Time     `json:"at"`   // when it began
	Hurt       string        `json:"hurt"` // the answer to: rows, table, or files?
	Why        string        `json:"why"`
	Named      string        `json:"named,omitempty"` // the hypothesis that the evidence points to
	Tables     []TriageTable `json:"tables"`          // those that are hurt
	Hypotheses []Hypothesis  `json:"hypotheses"`
	Coverage   []Coverage    `json:"coverage"`
}

// TriageTable is a table that a triage takes for hurt.
type TriageTable struct {
	evidence.RelationName
	XID  pg.XID `json:"xid,omitempty"` // 0: not known
	Way  string `json:"way"`
	Rows int64  `json:"rows"` // NotKnown
}

// Hypothesis is what may have happened.
type Hypothesis struct {
	Name     string  `json:"name"`
	Standing string  `json:"standing"`
	Loses    bool    `json:"loses"` // rows are gone if it is true
	For      []Point `json:"for"`
	Against  []Point `json:"against"`
}

// Point is one piece of evidence for or against a hypothesis.
type Point struct {
	Source string `json:"source"`
	Text   string `json:"text"`
}

// Coverage is a way back, as the triage saw it.
type Coverage struct {
	Name    string    `json:"name"`
	Covers  string    `json:"covers"` // yes, no, in part, cannot be told
	Why     string    `json:"why"`
	Rows    int64     `json:"rows"` // that it is expected to give; NotKnown
	Lost    int64     `json:"lost"` // of which; NotKnown
	Expires time.Time `json:"expires,omitzero"`
	Expiry  string    `json:"expiry"`
}

// Triage notes what a triage says. It says it once in a run.
func (r *Run) Triage(t *Triage) error {
	return r.do("note the triage in", func() error {
		if err := r.exec("INSERT INTO triage (run_id, hurt, why, named) VALUES (?, ?, ?, ?)", r.id, t.Hurt, t.Why, t.Named); err != nil {
			return err
		}
		for i := range t.Tables {
			table := &t.Tables[i]
			if err := r.exec("INSERT INTO triage_table (run_id, place, database, schema, name, xid, way, rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				r.id, i+1, table.Database, table.Schema, table.Name, int64(table.XID), table.Way, rowsOrNull(table.Rows)); err != nil {
				return err
			}
		}
		for i := range t.Hypotheses {
			if err := r.hypothesis(i+1, &t.Hypotheses[i]); err != nil {
				return err
			}
		}
		for i := range t.Coverage {
			c := &t.Coverage[i]
			var expires any
			if !c.Expires.IsZero() {
				expires = micros(c.Expires)
			}
			if err := r.exec("INSERT INTO coverage (run_id, place, name, covers, why, rows, lost, expires, expiry) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
				r.id, i+1, c.Name, c.Covers, c.Why, rowsOrNull(c.Rows), rowsOrNull(c.Lost), expires, c.Expiry); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Run) hypothesis(place int, h *Hypothesis) error {
	if err := r.exec("INSERT INTO hypothesis (run_id, place, name, standing, loses) VALUES (?, ?, ?, ?, ?)", r.id, place, h.Name, h.Standing, one(h.Loses)); err != nil {
		return err
	}
	nth := 0
	for against, points := range [][]Point{h.For, h.Against} {
		for _, point := range points {
			nth++
			if err := r.exec("INSERT INTO point (run_id, place, nth, against, source, text) VALUES (?, ?, ?, ?, ?, ?)", r.id, place, nth, against, point.Source, point.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

func rowsOrNull(rows int64) any {
	if rows < 0 {
		return nil
	}
	return rows
}

// LastTriage reads what the last triage of the case says; nil when there was none.
func (c *Case) LastTriage(ctx context.Context) (*Triage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, c.fail(ctx, "read the triage of", err)
	}
	t, err := c.lastTriage()
	return t, c.fail(ctx, "read the triage of", err)
}

func (c *Case) lastTriage() (*Triage, error) {
	if c.version < versionTriage {
		return nil, nil
	}
	var t *Triage
	var id int64
	err := c.each(`SELECT run.id, run.began, hurt, why, named FROM triage JOIN run ON run.id = run_id ORDER BY run.id DESC LIMIT 1`, func(stmt *sqlite.Stmt) error {
		id = stmt.ColumnInt64(0)
		t = &Triage{At: time.UnixMicro(stmt.ColumnInt64(1)).UTC(), Hurt: stmt.ColumnText(2), Why: stmt.ColumnText(3), Named: stmt.ColumnText(4)}
		return nil
	})
	if err != nil || t == nil {
		return nil, err
	}
	for _, list := range []struct {
		query string
		read  func(stmt *sqlite.Stmt) error
	}{
		{"SELECT database, schema, name, xid, way, rows FROM triage_table WHERE run_id = ? ORDER BY place", t.readTable},
		{"SELECT name, standing, loses FROM hypothesis WHERE run_id = ? ORDER BY place", t.readHypothesis},
		{"SELECT place, against, source, text FROM point WHERE run_id = ? ORDER BY place, nth", t.readPoint},
		{"SELECT name, covers, why, rows, lost, expires, expiry FROM coverage WHERE run_id = ? ORDER BY place", t.readCoverage},
	} {
		if err := sqlitex.Execute(c.conn, list.query, &sqlitex.ExecOptions{Args: []any{id}, ResultFunc: list.read}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Triage) readTable(stmt *sqlite.Stmt) error {
	t.Tables = append(t.Tables, TriageTable{
		RelationName: evidence.RelationName{Database: stmt.ColumnText(0), Schema: stmt.ColumnText(1), Name: stmt.ColumnText(2)},
		XID:          pg.XID(stmt.ColumnInt64(3)), Way: stmt.ColumnText(4), Rows: rowsOf(stmt, 5),
	})
	return nil
}

func (t *Triage) readHypothesis(stmt *sqlite.Stmt) error {
	t.Hypotheses = append(t.Hypotheses, Hypothesis{Name: stmt.ColumnText(0), Standing: stmt.ColumnText(1), Loses: stmt.ColumnBool(2)})
	return nil
}

func (t *Triage) readPoint(stmt *sqlite.Stmt) error {
	place := stmt.ColumnInt(0)
	if place < 1 || place > len(t.Hypotheses) {
		return nil // VerifyIntegrity tells of it
	}
	h, point := &t.Hypotheses[place-1], Point{Source: stmt.ColumnText(2), Text: stmt.ColumnText(3)}
	if stmt.ColumnBool(1) {
		h.Against = append(h.Against, point)
	} else {
		h.For = append(h.For, point)
	}
	return nil
}

func (t *Triage) readCoverage(stmt *sqlite.Stmt) error {
	c := Coverage{
		Name: stmt.ColumnText(0), Covers: stmt.ColumnText(1), Why: stmt.ColumnText(2), Rows: rowsOf(stmt, 3), Lost: rowsOf(stmt, 4), Expiry: stmt.ColumnText(6),
	}
	if !stmt.ColumnIsNull(5) {
		c.Expires = time.UnixMicro(stmt.ColumnInt64(5)).UTC()
	}
	t.Coverage = append(t.Coverage, c)
	return nil
}

func rowsOf(stmt *sqlite.Stmt, column int) int64 {
	if stmt.ColumnIsNull(column) {
		return NotKnown
	}
	return stmt.ColumnInt64(column)
}
