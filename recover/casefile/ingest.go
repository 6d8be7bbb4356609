package casefile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Table says whose rows and ledger lines follow.
type Table struct {
	Relation    *evidence.Relation
	PartitionOf evidence.RelationName // the partitioned table at its root; zero: none
	Encoding    string                // of its database, in PostgreSQL's words; "" when not known
	// Intermediate reports whether a row was made by the transaction that destroyed
	// it. nil: its xmin is its xmax.
	Intermediate func(row *evidence.Row) bool
}

// RunTable takes what a run finds of one table.
type RunTable struct {
	run    *Run
	table  Table
	id     int64
	shapes map[*evidence.Relation]shape

	// Of the row before, which mostly had the same.
	last      *evidence.Relation
	lastShape shape
	source    int64 // of the last row from a text
	line, nth int64
}

// shape is the number of a shape, and which columns are its key.
type shape struct {
	id  int64
	key []int
}

// LedgerLine is one line of the ledger: one version that was destroyed.
type LedgerLine struct {
	File       string // tablespace/database/relation
	TID        pg.TID
	LSN        pg.LSN
	XID        pg.XID // toplevel transaction
	Subxact    pg.XID // when a subtransaction did it
	Operation  evidence.Operation
	CommitTime time.Time
	NamedBy    evidence.Route
	Settled    evidence.Route // "": missing
	InPart     bool
	Reason     string // why missing or in part
	Carved     bool
	Derived    bool
	Unsure     bool
	Copy       string // the further copy it was found in
}

// Table begins to take what the run finds of a table. The same table may be begun
// more than once.
func (r *Run) Table(t Table) (*RunTable, error) {
	out := &RunTable{run: r, table: t, shapes: make(map[*evidence.Relation]shape)}
	err := r.do("take in a table of", func() error {
		if t.Relation == nil {
			return errors.New("it names no relation")
		}
		var err error
		if r.ingest == nil {
			if r.ingest, err = newIngest(r.c.conn); err != nil {
				return err
			}
		}
		out.id, err = r.relation(&t)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.tables = append(r.tables, out)
	return out, nil
}

// ingest holds the statements that take rows and lines in.
type ingest struct {
	row, ledger *sqlite.Stmt
	data        []byte // of one row: its values, key and successor
	key         []evidence.Value
}

// The better of two finds of the same version stays: more known values, then the
// better confidence, then the one that knows the successor, then the last.
const putRow = `INSERT INTO row (relation_id, shape_id, run_id, route, confidence, place, lsn, xmin, xmax, origin, nth, source_id, line,
 operation, commit_time, note_id, intermediate, moved, unknown, key, data, successor, sum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
ON CONFLICT (relation_id, route, place, lsn, xmin, xmax, origin, nth) DO UPDATE SET
 shape_id = ?2, run_id = ?3, confidence = ?5, source_id = ?12, line = ?13, operation = ?14, commit_time = ?15, note_id = ?16,
 intermediate = ?17, moved = ?18, unknown = ?19, key = ?20, data = ?21, successor = ?22, sum = ?23
WHERE ?19 < unknown OR ?19 = unknown AND (?5 < confidence OR ?5 = confidence AND
 ((?22 IS NOT NULL) > (successor IS NOT NULL) OR (?22 IS NOT NULL) = (successor IS NOT NULL) AND (?23 <> sum OR ?21 <> data)))`

const putLedger = `INSERT INTO ledger (relation_id, file_id, block, offset, lsn, standing, xid, subxid, operation, commit_time, named_by,
 settled_by, in_part, carved, derived, unsure, reason_id, copy_id, run_id, sum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
ON CONFLICT (relation_id, file_id, block, offset, lsn) DO UPDATE SET
 standing = ?6, xid = ?7, subxid = ?8, operation = ?9, commit_time = ?10, named_by = ?11, settled_by = ?12, in_part = ?13,
 carved = ?14, derived = ?15, unsure = ?16, reason_id = ?17, copy_id = ?18, run_id = ?19, sum = ?20
WHERE ?6 < standing OR ?6 = standing AND (ifnull(?12, 9) < ifnull(settled_by, 9) OR ifnull(?12, 9) = ifnull(settled_by, 9) AND ?20 <> sum)`

func newIngest(conn *sqlite.Conn) (*ingest, error) {
	row, err := conn.Prepare(putRow)
	if err != nil {
		return nil, err
	}
	ledger, err := conn.Prepare(putLedger)
	return &ingest{row: row, ledger: ledger}, err
}

// shapeOf numbers the shape of a row.
func (t *RunTable) shapeOf(rel *evidence.Relation) (shape, error) {
	if rel == nil {
		rel = t.table.Relation
	}
	if rel == t.last {
		return t.lastShape, nil
	}
	s, known := t.shapes[rel]
	if !known {
		id, err := t.run.shape(t.id, rel)
		if err != nil {
			return s, err
		}
		s = shape{id: id}
		for i := range rel.Columns {
			if rel.Columns[i].Key {
				s.key = append(s.key, i)
			}
		}
		t.shapes[rel] = s
	}
	t.last, t.lastShape = rel, s
	return s, nil
}

// identity is what makes two finds of a version the same: where it lay, or in a
// text its source and line. Several rows may come from one line.
type identity struct{ place, origin, nth int64 }

func (t *RunTable) identify(row *evidence.Row, source int64) identity {
	if row.TID.Offset != 0 || row.LSN != 0 {
		return identity{place: int64(row.TID.Block)<<16 | int64(row.TID.Offset)}
	}
	if source != t.source || row.Line != t.line {
		t.source, t.line, t.nth = source, row.Line, 0
	}
	t.nth++
	if source == 0 {
		source = -1 // of no known source; 0 would make place a TID
	}
	return identity{place: row.Line, origin: source, nth: t.nth}
}

// Put takes one row.
func (t *RunTable) Put(row *evidence.Row) error {
	c := t.run.c
	c.mu.Lock()
	defer c.mu.Unlock()
	err := t.run.start()
	if err == nil {
		err = t.put(row)
	}
	if err != nil {
		return c.fail(t.run.ctx, "take in a row of "+t.table.Relation.String()+" into", err)
	}
	return nil
}

func (t *RunTable) put(row *evidence.Row) error {
	s, err := t.shapeOf(row.Relation)
	if err != nil {
		return err
	}
	if want := len(t.last.Columns); len(row.Values) != want || row.Successor != nil && len(row.Successor) != want {
		return fmt.Errorf("row %s has %d values for %d columns", row.TID, len(row.Values), want)
	}
	if routeID(row.Route) == 0 {
		return fmt.Errorf("row %s names no route", row.TID)
	}
	source, err := t.run.text(row.Source)
	if err != nil {
		return err
	}
	note, err := t.run.text(row.Note)
	if err != nil {
		return err
	}
	in := t.run.ingest
	place := t.identify(row, source)
	intermediate := row.Xmin == row.Xmax && row.Xmin.Normal()
	if t.table.Intermediate != nil {
		intermediate = t.table.Intermediate(row)
	}
	in.data = AppendValues(in.data[:0], row.Values)
	keyFrom := len(in.data)
	if len(s.key) > 0 {
		in.key = in.key[:0]
		for _, i := range s.key {
			in.key = append(in.key, row.Values[i])
		}
		in.data = AppendValues(in.data, in.key)
	}
	successorFrom := len(in.data)
	if row.Successor != nil {
		in.data = AppendValues(in.data, row.Successor)
	}
	stmt := in.row
	w := bindings{stmt: stmt}
	w.plain(t.id)
	w.number(s.id)
	w.plain(t.run.id)
	w.number(routeID(row.Route))
	w.number(confidenceID(row.Confidence))
	w.number(place.place)
	w.number(int64(row.LSN))
	w.number(int64(row.Xmin))
	w.number(int64(row.Xmax))
	w.number(place.origin)
	w.number(place.nth)
	w.optional(source)
	w.number(row.Line)
	w.optional(operationID(row.Operation))
	w.time(row.CommitTime)
	w.optional(note)
	w.number(one(intermediate))
	w.number(one(row.Moved))
	w.number(unknownValues(row.Values))
	w.text(in.data[keyFrom:successorFrom])
	w.text(in.data[:keyFrom])
	w.text(in.data[successorFrom:])
	w.finish()
	return in.step(stmt)
}

// step runs an INSERT.
func (in *ingest) step(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

// Ledger takes one line of the ledger.
func (t *RunTable) Ledger(line LedgerLine) error {
	c := t.run.c
	c.mu.Lock()
	defer c.mu.Unlock()
	err := t.run.start()
	if err == nil {
		err = t.ledger(&line)
	}
	if err != nil {
		return c.fail(t.run.ctx, "take in a ledger line of "+t.table.Relation.String()+" into", err)
	}
	return nil
}

func (t *RunTable) ledger(line *LedgerLine) error {
	file, err := t.run.text(line.File)
	if err != nil {
		return err
	}
	reason, err := t.run.text(line.Reason)
	if err != nil {
		return err
	}
	further, err := t.run.text(line.Copy)
	if err != nil {
		return err
	}
	stmt := t.run.ingest.ledger
	w := bindings{stmt: stmt}
	w.plain(t.id)
	w.number(file)
	w.number(int64(line.TID.Block))
	w.number(int64(line.TID.Offset))
	w.number(int64(line.LSN))
	w.number(line.standing())
	w.number(int64(line.XID))
	w.number(int64(line.Subxact))
	w.optional(operationID(line.Operation))
	w.time(line.CommitTime)
	w.optional(routeID(line.NamedBy))
	w.optional(routeID(line.Settled))
	w.number(one(line.InPart))
	w.number(one(line.Carved))
	w.number(one(line.Derived))
	w.number(one(line.Unsure))
	w.optional(reason)
	w.optional(further)
	w.plain(t.run.id)
	w.finish()
	return t.run.ingest.step(stmt)
}

// standing orders settlements, the best first: whole, whole from an older page, in
// part, missing; and of the same those whose transaction is known to have committed.
func (l *LedgerLine) standing() int64 {
	n := int64(0)
	switch {
	case l.Settled == "":
		n = 6
	case l.InPart:
		n = 4
	case l.Derived:
		n = 2
	}
	return n + one(l.Unsure)
}

func unknownValues(values []evidence.Value) int64 {
	n := int64(0)
	for i := range values {
		if values[i].State != evidence.Known && values[i].State != evidence.Null {
			n++
		}
	}
	return n
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// bindings binds the parameters of a statement one after the other, and sums them up.
type bindings struct {
	stmt *sqlite.Stmt
	n    int
	sum  uint32
	word [8]byte
}

// plain binds a number that is not part of the sum: it tells who found the line.
func (w *bindings) plain(n int64) {
	w.n++
	w.stmt.BindInt64(w.n, n)
}

func (w *bindings) number(n int64) {
	w.plain(n)
	for i := range w.word {
		w.word[i] = byte(n >> (8 * i))
	}
	w.sum = crc32.Update(w.sum, castagnoli(), w.word[:])
}

// optional binds a number, or NULL for 0.
func (w *bindings) optional(n int64) {
	w.number(n)
	if n == 0 {
		w.stmt.BindNull(w.n)
	}
}

func (w *bindings) time(t time.Time) {
	if t.IsZero() {
		w.optional(0)
		return
	}
	w.number(micros(t))
}

// text binds a text, or NULL for the empty one.
func (w *bindings) text(text []byte) {
	w.n++
	w.sum = crc32.Update(w.sum, castagnoli(), text)
	if len(text) == 0 {
		w.stmt.BindNull(w.n)
		return
	}
	w.stmt.BindText(w.n, string(text))
}

// finish binds the sum as the last parameter.
func (w *bindings) finish() { w.stmt.BindInt64(w.n+1, int64(int32(w.sum))) }

// castagnoli is the polynomial that processors compute themselves.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
