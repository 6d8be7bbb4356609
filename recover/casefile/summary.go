package casefile

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Summary is what is known, for `case show`.
type Summary struct {
	Case             string         `json:"case"`
	Dir              string         `json:"dir"`
	SystemIdentifier string         `json:"system_identifier,omitempty"`
	Version          pg.Version     `json:"server_version,omitempty"`
	Databases        []string       `json:"databases,omitempty"`
	Tables           []TableSummary `json:"tables"`
	Runs             []RunSummary   `json:"runs"`
	Evidence         []File         `json:"evidence"`
	Gaps             []evidence.Gap `json:"gaps"`
	Events           int64          `json:"events"`
	Plans            []PlanSummary  `json:"plans"`
	Triage           *Triage        `json:"triage,omitempty"` // the last one
	ForeignKeys      []ForeignKey   `json:"foreign_keys,omitempty"`
	Runbooks         []RunbookRun   `json:"runbook_runs,omitempty"`
}

// TableSummary is the equation of one table, and what was found beside it:
// Lost is the sum of Settled, InPart and Missing.
type TableSummary struct {
	Relation
	Lost    int64                    `json:"lost"`
	Settled map[evidence.Route]int64 `json:"settled,omitempty"`
	InPart  int64                    `json:"in_part"`
	Missing int64                    `json:"missing"`
	Derived int64                    `json:"derived"` // of the settled: from an older page, not proven
	Unsure  int64                    `json:"commit_state_unknown"`
	Reasons []ReasonCount            `json:"reasons,omitempty"`
	Losses  []Loss                   `json:"losses,omitempty"`
	Rows    map[evidence.Route]int64 `json:"rows,omitempty"` // versions in the case, by route
	// Conflicts counts keys of which two versions that should be the same differ.
	Conflicts int64 `json:"in_conflict"`
	Restored  int64 `json:"restored"` // rows that applied plans put into a target
	// Intermediate counts lost versions that the transaction made which destroyed them.
	Intermediate int64 `json:"intermediate"`
	Fate         Fate  `json:"fate"`
	// Logged compares what logs count with the rows of the case; nil: they count none.
	Logged *Logged `json:"logged,omitempty"`
}

// ReasonCount says how many versions are missing, or in part, for one reason.
type ReasonCount struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// RunSummary is one run.
type RunSummary struct {
	ID       int64     `json:"id"`
	Command  string    `json:"command"`
	Version  string    `json:"version"`
	Argv     []string  `json:"argv"`
	Who      string    `json:"who"`
	Host     string    `json:"host"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	ExitCode int       `json:"exit_code"`
}

// PlanSummary is one plan.
type PlanSummary struct {
	ID    int64     `json:"id"`
	Made  time.Time `json:"made"`
	State string    `json:"state"`
	Rows  int64     `json:"rows"`
}

// Summary reads what is known.
func (c *Case) Summary(ctx context.Context) (*Summary, error) {
	list, shapes, err := c.readShapes()
	if err != nil {
		return nil, c.fail(ctx, "read", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		c.conn.SetInterrupt(ctx.Done())
		defer c.conn.SetInterrupt(nil)
	}
	s := &Summary{Case: c.id, Dir: c.dir, Tables: make([]TableSummary, len(list))}
	byID := make(map[int64]*TableSummary, len(list))
	for i, rel := range list {
		s.Tables[i] = TableSummary{Relation: *rel, Settled: make(map[evidence.Route]int64), Rows: make(map[evidence.Route]int64)}
		byID[rel.ID] = &s.Tables[i]
	}
	for _, read := range []func() error{
		func() error { return c.sumLedger(byID) }, func() error { return c.sumLosses(byID) }, func() error { return c.sumRows(byID) },
		func() error { return c.sumLogged(ctx, byID, shapes) },
		func() error { return c.listCluster(s) }, func() error { return c.listRuns(s) }, func() error { return c.listEvidence(s) },
		func() error { return c.listGaps(s) }, func() error { return c.listPlans(s) },
		func() (err error) { s.Triage, err = c.lastTriage(); return err }, func() error { return c.listForeignKeys(s) }, func() error { return c.listRunbooks(s) },
	} {
		if err := read(); err != nil {
			return nil, c.fail(ctx, "read", err)
		}
	}
	return s, nil
}

// each runs a query and hands each line to read.
func (c *Case) each(query string, read func(*sqlite.Stmt) error) error {
	return sqlitex.Execute(c.conn, query, &sqlitex.ExecOptions{ResultFunc: read})
}

func (c *Case) sumLedger(tables map[int64]*TableSummary) error {
	err := c.each(`SELECT relation_id, settled_by, in_part, derived, unsure, count(*) FROM ledger
GROUP BY relation_id, settled_by, in_part, derived, unsure`, func(stmt *sqlite.Stmt) error {
		t, n := tables[stmt.ColumnInt64(0)], stmt.ColumnInt64(5)
		if t == nil {
			return nil
		}
		t.Lost += n
		t.Unsure += n * stmt.ColumnInt64(4)
		switch {
		case stmt.ColumnIsNull(1):
			t.Missing += n
		case stmt.ColumnBool(2):
			t.InPart += n
		default:
			t.Settled[routeOf(stmt.ColumnInt64(1))] += n
			t.Derived += n * stmt.ColumnInt64(3)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.sumIntermediate(tables); err != nil {
		return err
	}
	return c.each(`SELECT relation_id, text.text, count(*) AS n FROM ledger LEFT JOIN text ON text.id = reason_id WHERE standing >= 4
GROUP BY relation_id, reason_id ORDER BY n DESC, text.text`, func(stmt *sqlite.Stmt) error {
		if t := tables[stmt.ColumnInt64(0)]; t != nil {
			t.Reasons = append(t.Reasons, ReasonCount{stmt.ColumnText(1), stmt.ColumnInt64(2)})
		}
		return nil
	})
}

// sumIntermediate counts the lost versions that their own destroyer made.
func (c *Case) sumIntermediate(tables map[int64]*TableSummary) error {
	return c.each(`SELECT relation_id, count(*) FROM ledger WHERE settled_by IS NOT NULL AND (relation_id, block << 16 | offset, lsn) IN
 (SELECT relation_id, place, lsn FROM row WHERE intermediate AND origin = 0) GROUP BY relation_id`, func(stmt *sqlite.Stmt) error {
		if t := tables[stmt.ColumnInt64(0)]; t != nil {
			t.Intermediate = stmt.ColumnInt64(1)
		}
		return nil
	})
}

func (c *Case) sumLosses(tables map[int64]*TableSummary) error {
	return c.each("SELECT relation_id, xids, covered, why, unseen, sequences FROM loss", func(stmt *sqlite.Stmt) error {
		t := tables[stmt.ColumnInt64(0)]
		if t == nil {
			return nil
		}
		loss := Loss{Covered: stmt.ColumnBool(2), Why: stmt.ColumnText(3)}
		if text := stmt.ColumnText(4); text != "" {
			loss.Unseen = json.RawMessage(text)
		}
		if text := stmt.ColumnText(5); text != "" {
			loss.Sequences = json.RawMessage(text)
		}
		t.Losses = append(t.Losses, loss)
		return json.Unmarshal([]byte(stmt.ColumnText(1)), &t.Losses[len(t.Losses)-1].XIDs)
	})
}

// sumRows counts the rows by route, those in conflict, and those that were restored.
func (c *Case) sumRows(tables map[int64]*TableSummary) error {
	err := c.each("SELECT relation_id, route, count(*) FROM row GROUP BY relation_id, route", func(stmt *sqlite.Stmt) error {
		if t := tables[stmt.ColumnInt64(0)]; t != nil {
			t.Rows[routeOf(stmt.ColumnInt64(1))] = stmt.ColumnInt64(2)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.sumConflicts(tables); err != nil {
		return err
	}
	return c.sumRestored(tables)
}

// sumConflicts counts the versions on which routes disagree: of one place and
// history, and with different values, all of them known.
func (c *Case) sumConflicts(tables map[int64]*TableSummary) error {
	var ids []string
	for id, t := range tables {
		if len(t.Rows) > 1 { // one route alone cannot disagree
			ids = append(ids, strconv.FormatInt(id, 10))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return c.each(`SELECT relation_id, count(*) FROM (SELECT relation_id FROM row
 WHERE relation_id IN (`+strings.Join(ids, ",")+`) AND origin = 0 AND unknown = 0 GROUP BY relation_id, place, xmin, xmax HAVING count(DISTINCT route) > 1 AND min(data) <> max(data)) GROUP BY relation_id`, func(stmt *sqlite.Stmt) error {
		if t := tables[stmt.ColumnInt64(0)]; t != nil {
			t.Conflicts = stmt.ColumnInt64(1)
		}
		return nil
	})
}

func (c *Case) listCluster(s *Summary) error {
	return c.each("SELECT system_identifier, version, databases FROM cluster", func(stmt *sqlite.Stmt) error {
		s.SystemIdentifier, s.Version = stmt.ColumnText(0), pg.Version(stmt.ColumnInt64(1))
		return json.Unmarshal([]byte(stmt.ColumnText(2)), &s.Databases)
	})
}

func (c *Case) listRuns(s *Summary) error {
	return c.each("SELECT id, command, version, argv, who, host, began, ended, exit_code FROM run ORDER BY id", func(stmt *sqlite.Stmt) error {
		r := RunSummary{
			ID: stmt.ColumnInt64(0), Command: stmt.ColumnText(1), Version: stmt.ColumnText(2), Who: stmt.ColumnText(4), Host: stmt.ColumnText(5),
			Began: time.UnixMicro(stmt.ColumnInt64(6)).UTC(), Ended: time.UnixMicro(stmt.ColumnInt64(7)).UTC(), ExitCode: stmt.ColumnInt(8),
		}
		err := json.Unmarshal([]byte(stmt.ColumnText(3)), &r.Argv)
		s.Runs = append(s.Runs, r)
		return err
	})
}

func (c *Case) listEvidence(s *Summary) error {
	return c.each("SELECT path, kind, size, sha256, mtime, how, relfile FROM evidence ORDER BY id", func(stmt *sqlite.Stmt) error {
		f := File{
			Path: stmt.ColumnText(0), Kind: stmt.ColumnText(1), Size: stmt.ColumnInt64(2), SHA256: stmt.ColumnText(3),
			How: stmt.ColumnText(5), RelFile: stmt.ColumnText(6),
		}
		if !stmt.ColumnIsNull(4) {
			f.Modified = time.UnixMicro(stmt.ColumnInt64(4)).UTC()
		}
		s.Evidence = append(s.Evidence, f)
		return nil
	})
}

func (c *Case) listGaps(s *Summary) error {
	err := c.each("SELECT place, what, why, consequence FROM gap ORDER BY id", func(stmt *sqlite.Stmt) error {
		s.Gaps = append(s.Gaps, evidence.Gap{Where: stmt.ColumnText(0), What: stmt.ColumnText(1), Why: stmt.ColumnText(2), Consequence: stmt.ColumnText(3)})
		return nil
	})
	if err != nil {
		return err
	}
	s.Events, err = c.number("SELECT count(*) FROM event")
	return err
}

func (c *Case) listPlans(s *Summary) error {
	return c.each("SELECT id, made, state, rows FROM plan ORDER BY id", func(stmt *sqlite.Stmt) error {
		s.Plans = append(s.Plans, PlanSummary{
			ID: stmt.ColumnInt64(0), Made: time.UnixMicro(stmt.ColumnInt64(1)).UTC(), State: stmt.ColumnText(2), Rows: stmt.ColumnInt64(3),
		})
		return nil
	})
}
