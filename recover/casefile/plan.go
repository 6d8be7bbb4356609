package casefile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"iter"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ErrNoPlan: the case has no such plan.
var ErrNoPlan = errors.New("there is no such plan")

// Plan is a plan of `restore plan`, without its rows.
type Plan struct {
	ID       int64
	Made     time.Time
	Hash     string // SHA-256 of Header
	RowsHash string // of all rows
	Rows     int64
	Header   []byte // JSON
	State    string
}

// The states of a plan.
const (
	PlanMade     = "made"
	PlanApplying = "applying" // in part, or about to
	PlanApplied  = "applied"
	PlanVerified = "verified"
	PlanUndoing  = "undoing"
	PlanUndone   = "undone"
	// PlanKept: undo left rows, because somebody changed them or refers to them.
	PlanKept = "undone in part"
)

// The actions that a plan chooses from for a row.
const (
	ActionInsert    = "insert"
	ActionEqual     = "equal"
	ActionOverwrite = "overwrite"
	ActionFill      = "fill"
	ActionKeep      = "keep"
	ActionConflict  = "conflict"
	ActionBlocked   = "blocked"
)

// ActionWrites reports whether apply changes the target for an action.
func ActionWrites(action string) bool {
	return action == ActionInsert || action == ActionOverwrite || action == ActionFill
}

// PlanRow is the decision for one row.
type PlanRow struct {
	Seq    int64 // in the plan, from 1; 0 in Put: the next one
	Table  int   // index of the table in the plan
	Action string
	Key    []evidence.Value // values in the order of the plan's columns; nil: none
	Data   []evidence.Value
	Before []evidence.Value // what the target had
	Note   string
	From   []int64 // numbers of rows of the case
}

// PlanWriter takes the rows of a new plan. They are in the case when Finish
// returns, or when the run in progress is committed.
type PlanWriter struct {
	c      *Case
	ctx    context.Context
	id     int64
	within bool // a run's transaction
	insert *sqlite.Stmt
	hash   hash.Hash
	rows   int64
	seq    int64
	table  int
	sorted bool // rows came in the order in which they are read
	buf    [4][]byte
	done   bool
}

const planSavepoint = "plan"

// NewPlan begins a plan, within the transaction of the run in progress if there is one.
func (c *Case) NewPlan(ctx context.Context) (*PlanWriter, error) {
	if run := c.inProgress(); run != nil {
		// What the plan takes back must not be rows of the run.
		if err := run.pipe.flush(); err != nil {
			return nil, c.fail(ctx, "take rows into", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &PlanWriter{c: c, ctx: ctx, hash: sha256.New(), sorted: true}
	err := w.begin()
	if err != nil {
		return nil, c.fail(ctx, "begin a plan in", err)
	}
	return w, nil
}

func (w *PlanWriter) begin() error {
	c := w.c
	if c.run != nil {
		if err := c.run.start(); err != nil {
			return err
		}
		w.within = true
	}
	if err := sqlitex.ExecuteTransient(c.conn, "SAVEPOINT "+planSavepoint, nil); err != nil {
		return err
	}
	err := sqlitex.Execute(c.conn, "INSERT INTO plan (made, hash, rows_hash, rows, header, state) VALUES (?, '', '', 0, '', '')",
		&sqlitex.ExecOptions{Args: []any{micros(time.Now())}})
	if err != nil {
		return errors.Join(err, w.undo())
	}
	w.id = c.conn.LastInsertRowID()
	w.insert, err = c.conn.Prepare("INSERT INTO plan_row (plan_id, tbl, seq, action, key, data, before, note, from_rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	return err
}

// Put adds a row.
func (w *PlanWriter) Put(row *PlanRow) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return w.c.fail(w.ctx, "write a plan into", w.put(row))
}

func (w *PlanWriter) put(row *PlanRow) error {
	switch {
	case w.done:
		return errors.New("the plan is finished")
	case w.rows%1024 == 0 && w.ctx.Err() != nil:
		return w.ctx.Err()
	}
	if err := w.c.inTransaction(); err != nil {
		return err
	}
	seq := row.Seq
	if seq == 0 {
		seq = w.seq + 1
	}
	w.sorted = w.sorted && (w.rows == 0 || row.Table > w.table || row.Table == w.table && seq > w.seq)
	w.seq, w.table = max(seq, w.seq), row.Table
	for i, values := range [][]evidence.Value{row.Key, row.Data, row.Before} {
		w.buf[i] = w.buf[i][:0]
		if values != nil {
			w.buf[i] = AppendValues(w.buf[i], values)
		}
	}
	from := row.From
	if from == nil {
		from = []int64{}
	}
	fromText := jsonText(from)
	stmt := w.insert
	stmt.BindInt64(1, w.id)
	stmt.BindInt64(2, int64(row.Table))
	stmt.BindInt64(3, seq)
	stmt.BindText(4, row.Action)
	for i := range 3 {
		bindText(stmt, 5+i, w.buf[i])
	}
	stmt.BindText(8, row.Note)
	stmt.BindText(9, fromText)
	if _, err := stmt.Step(); err != nil {
		return err
	}
	w.rows++
	w.buf[3] = appendPlanHash(w.buf[3][:0], int64(row.Table), seq, row.Action, w.buf[0], w.buf[1], w.buf[2], row.Note, fromText)
	w.hash.Write(w.buf[3])
	return stmt.Reset()
}

// bindText binds a text, or NULL for the empty one.
func bindText(stmt *sqlite.Stmt, n int, text []byte) {
	if len(text) == 0 {
		stmt.BindNull(n)
		return
	}
	stmt.BindText(n, string(text))
}

// appendPlanHash appends what is hashed of a row: each part with its length, so
// that no two rows are the same bytes.
func appendPlanHash(dst []byte, table, seq int64, action string, key, data, before []byte, note, from string) []byte {
	number := func(n int64) { dst = append(strconv.AppendInt(dst, n, 10), ' ') }
	number(table)
	number(seq)
	number(int64(len(action)))
	dst = append(append(dst, action...), ' ')
	number(int64(len(key)))
	number(int64(len(data)))
	number(int64(len(before)))
	dst = append(append(append(dst, key...), data...), before...)
	number(int64(len(note)))
	dst = append(append(dst, note...), ' ')
	return append(append(dst, from...), '\n')
}

// Amend changes what was decided for a row that Put took, adds to its note, and
// returns the action that it had.
func (w *PlanWriter) Amend(table int, seq int64, action, note string) (before string, err error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.done {
		return "", w.c.fail(w.ctx, "write a plan into", errors.New("the plan is finished"))
	}
	w.sorted = false // the hash is made of the rows as they are in the end
	found := false
	err = sqlitex.Execute(w.c.conn, "SELECT action FROM plan_row WHERE plan_id = ? AND tbl = ? AND seq = ?", &sqlitex.ExecOptions{
		Args: []any{w.id, table, seq},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			before, found = stmt.ColumnText(0), true
			return nil
		},
	})
	if err == nil && !found {
		err = fmt.Errorf("the plan has no row %d of table %d", seq, table)
	}
	if err == nil {
		err = sqlitex.Execute(w.c.conn, `UPDATE plan_row SET action = ?1, note = CASE note WHEN '' THEN ?2 ELSE note || '; ' || ?2 END
WHERE plan_id = ?3 AND tbl = ?4 AND seq = ?5`, &sqlitex.ExecOptions{Args: []any{action, note, w.id, table, seq}})
	}
	return before, w.c.fail(w.ctx, "write a plan into", err)
}

// Finish makes the plan whole. header is its description, as JSON.
func (w *PlanWriter) Finish(header []byte) (Plan, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	plan, err := w.finish(header)
	if err != nil {
		return plan, errors.Join(w.c.fail(w.ctx, "write a plan into", err), w.undo())
	}
	return plan, nil
}

func (w *PlanWriter) finish(header []byte) (Plan, error) {
	if w.done {
		return Plan{}, errors.New("the plan is finished")
	}
	if err := w.c.inTransaction(); err != nil {
		return Plan{}, err
	}
	rowsHash := hex.EncodeToString(w.hash.Sum(nil))
	if !w.sorted {
		var err error
		if rowsHash, _, err = w.c.hashPlanRows(w.ctx, w.id); err != nil {
			return Plan{}, err
		}
	}
	sum := sha256.Sum256(header)
	err := sqlitex.Execute(w.c.conn, "UPDATE plan SET hash = ?, rows_hash = ?, rows = ?, header = ?, state = ? WHERE id = ?",
		&sqlitex.ExecOptions{Args: []any{hex.EncodeToString(sum[:]), rowsHash, w.rows, string(header), PlanMade, w.id}})
	if err != nil {
		return Plan{}, err
	}
	if err := w.c.digest(planTables()); err != nil {
		return Plan{}, err
	}
	if err := sqlitex.ExecuteTransient(w.c.conn, "RELEASE "+planSavepoint, nil); err != nil {
		return Plan{}, err
	}
	w.done = true
	return w.c.plan(w.id)
}

// Abandon takes the plan back. After Finish it does nothing.
func (w *PlanWriter) Abandon() error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return w.c.fail(context.Background(), "take back a plan in", w.undo())
}

func (w *PlanWriter) undo() error {
	if w.done {
		return nil
	}
	w.done = true
	if w.c.conn == nil || w.c.conn.AutocommitEnabled() {
		return nil
	}
	return w.c.script("ROLLBACK TO " + planSavepoint + "; RELEASE " + planSavepoint)
}

// Plan finds a plan; id 0 is the last one.
func (c *Case) Plan(ctx context.Context, id int64) (Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 {
		last, err := c.number("SELECT ifnull(max(id), 0) FROM plan")
		if err != nil {
			return Plan{}, c.fail(ctx, "read a plan of", err)
		}
		id = last
	}
	plan, err := c.plan(id)
	return plan, c.fail(ctx, "read a plan of", err)
}

func (c *Case) plan(id int64) (Plan, error) {
	plan := Plan{}
	err := sqlitex.Execute(c.conn, "SELECT id, made, hash, rows_hash, rows, header, state FROM plan WHERE id = ?", &sqlitex.ExecOptions{
		Args: []any{id},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			plan = Plan{
				ID: stmt.ColumnInt64(0), Made: time.UnixMicro(stmt.ColumnInt64(1)).UTC(), Hash: stmt.ColumnText(2),
				RowsHash: stmt.ColumnText(3), Rows: stmt.ColumnInt64(4), Header: []byte(stmt.ColumnText(5)), State: stmt.ColumnText(6),
			}
			return nil
		},
	})
	if err == nil && plan.ID == 0 {
		err = failure("read a plan of", c.dir, ErrNoPlan, fmt.Errorf("there is no plan %d in it", id), "`restore plan` makes one")
	}
	return plan, err
}

const selectPlanRows = "SELECT tbl, seq, action, key, data, before, note, from_rows FROM plan_row WHERE plan_id = ?1"

// PlanRows lists the rows of one table of a plan from a sequence number on; table
// -1 is all tables. A row is valid until the next one.
func (c *Case) PlanRows(ctx context.Context, id int64, table int, fromSeq int64) iter.Seq2[*PlanRow, error] {
	return func(yield func(*PlanRow, error) bool) {
		query, args := selectPlanRows+" AND seq >= ?2 ORDER BY tbl, seq", []any{id, fromSeq}
		if table >= 0 {
			query, args = selectPlanRows+" AND tbl = ?3 AND seq >= ?2 ORDER BY seq", append(args, int64(table))
		}
		rows, err := c.query(ctx, query, args...)
		if err != nil {
			yield(nil, c.fail(ctx, "read a plan of", err))
			return
		}
		defer rows.close()
		var row PlanRow
		var bufs [3][]byte
		for {
			more, err := rows.next(func(stmt *sqlite.Stmt) error { return scanPlanRow(stmt, &row, &bufs) })
			if err != nil {
				yield(nil, c.fail(ctx, "read a plan of", err))
				return
			}
			if !more || !yield(&row, nil) {
				return
			}
		}
	}
}

func scanPlanRow(stmt *sqlite.Stmt, row *PlanRow, bufs *[3][]byte) error {
	row.Table, row.Seq, row.Action, row.Note = stmt.ColumnInt(0), stmt.ColumnInt64(1), stmt.ColumnText(2), stmt.ColumnText(6)
	for i, values := range []*[]evidence.Value{&row.Key, &row.Data, &row.Before} {
		if stmt.ColumnIsNull(3 + i) {
			*values = nil
			continue
		}
		bufs[i] = columnBytes(stmt, 3+i, bufs[i])
		var err error
		if *values, err = ParseValues((*values)[:0], bufs[i]); err != nil {
			return err
		}
	}
	var err error
	row.From, err = parseNumbers(row.From[:0], stmt.ColumnText(7))
	return err
}

// parseNumbers appends the numbers of a JSON array as jsonText writes it.
func parseNumbers(dst []int64, text string) ([]int64, error) {
	inner, opened := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !opened || !closed {
		return dst, fmt.Errorf("case: parse numbers: %q is no array", text)
	}
	if inner == "" {
		return dst, nil
	}
	for part := range strings.SplitSeq(inner, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return dst, fmt.Errorf("case: parse numbers: %w", err)
		}
		dst = append(dst, n)
	}
	return dst, nil
}

// VerifyPlan reports whether the rows of a plan are those that were written.
func (c *Case) VerifyPlan(ctx context.Context, id int64) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole, err := c.verifyPlan(ctx, id)
	return whole, c.fail(ctx, "verify a plan of", err)
}

func (c *Case) verifyPlan(ctx context.Context, id int64) (bool, error) {
	plan, err := c.plan(id)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(plan.Header)
	odd, err := c.number(`SELECT count(*) FROM plan_row WHERE plan_id = ? AND NOT (typeof(action) = 'text' AND typeof(note) = 'text' AND typeof(from_rows) = 'text'
 AND (key IS NULL OR typeof(key) = 'text' AND key <> '') AND (data IS NULL OR typeof(data) = 'text' AND data <> '')
 AND (before IS NULL OR typeof(before) = 'text' AND before <> ''))`, id)
	if err != nil || odd > 0 {
		return false, err
	}
	rowsHash, rows, err := c.hashPlanRows(ctx, id)
	return rowsHash == plan.RowsHash && rows == plan.Rows && hex.EncodeToString(sum[:]) == plan.Hash, err
}

// hashPlanRows hashes the rows of a plan in the order in which they are read.
func (c *Case) hashPlanRows(ctx context.Context, id int64) (string, int64, error) {
	digest, rows, buf := sha256.New(), int64(0), []byte(nil)
	err := sqlitex.Execute(c.conn, selectPlanRows+" ORDER BY tbl, seq", &sqlitex.ExecOptions{Args: []any{id}, ResultFunc: func(stmt *sqlite.Stmt) error {
		if rows++; rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		buf = appendPlanHash(buf[:0], stmt.ColumnInt64(0), stmt.ColumnInt64(1), stmt.ColumnText(2), []byte(stmt.ColumnText(3)),
			[]byte(stmt.ColumnText(4)), []byte(stmt.ColumnText(5)), stmt.ColumnText(6), stmt.ColumnText(7))
		digest.Write(buf)
		return nil
	}})
	return hex.EncodeToString(digest.Sum(nil)), rows, err
}

// SetPlanState says how far a plan has come.
func (c *Case) SetPlanState(ctx context.Context, id int64, state string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.plan(id)
	if err == nil {
		err = c.writePlans("UPDATE plan SET state = ? WHERE id = ?", state, id)
	}
	return c.fail(ctx, "note the state of a plan in", err)
}
