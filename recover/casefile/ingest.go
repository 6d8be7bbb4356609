package casefile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Table says whose rows and ledger lines follow.
type Table struct {
	Relation    *evidence.Relation
	PartitionOf evidence.RelationName // the partitioned table at its root; zero: none
	Encoding    string                // of its database, in PostgreSQL's words; "" when not known
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
	texts     textRows
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
		if r.pipe == nil {
			if r.pipe, err = r.newPipe(); err != nil {
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
		s = shape{id: id, key: keyColumns(rel)}
		t.shapes[rel] = s
	}
	t.last, t.lastShape = rel, s
	return s, nil
}

// keyColumns are the columns of a shape that are its key.
func keyColumns(rel *evidence.Relation) (key []int) {
	for i := range rel.Columns {
		if rel.Columns[i].Key {
			key = append(key, i)
		}
	}
	return key
}

// Put takes one row. An error may be that of a row that was put before.
func (t *RunTable) Put(row *evidence.Row) error {
	return t.run.c.fail(t.run.ctx, "take in a row of "+t.table.Relation.Name+" into", t.put(row))
}

func (t *RunTable) put(row *evidence.Row) error {
	s, err := t.shapeOf(row.Relation)
	if err != nil {
		return err
	}
	if want := len(t.last.Columns); len(row.Values) != want || row.Successor != nil && len(row.Successor) != want || row.Origins != nil && len(row.Origins) != want {
		return fmt.Errorf("row %s has %d values and %d origins for %d columns", row.TID, len(row.Values), len(row.Origins), want)
	}
	route := routeID(row.Route)
	if route == 0 {
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
	b, err := t.run.pipe.room(t.run)
	if err != nil {
		return err
	}
	place := t.identify(row, source, s.key)
	// The route knows subtransactions; without it the same id in both places says enough.
	intermediate := row.Intermediate || row.Xmin == row.Xmax && row.Xmin.Normal()
	rec := record{from: len(b.text)}
	values := row.Values
	rec.encode(b, s, values, row.Successor)
	rec.encodeOrigins(b, row)
	for successor := row.Successor; rec.length() > t.run.pipe.longest; {
		if rec.origins == 0 { // which go first
			values, successor = shorten(values, successor)
		}
		rec.encode(b, s, values, successor)
	}
	rec.numbers = [recordNumbers]int64{
		t.id, t.run.id, s.id, route, confidenceID(row.Confidence), place.place, int64(row.LSN), int64(row.Xmin), int64(row.Xmax),
		place.origin, place.nth, source, row.Line, operationID(row.Operation), timeOrZero(row.CommitTime), note,
		one(intermediate), one(row.Moved), unknownValues(values),
	}
	rec.sum = rec.checksum(b.text[rec.from:])
	b.rows = append(b.rows, rec)
	return nil
}

// encode appends the texts of a row to the batch: values, key, successor.
func (rec *record) encode(b *pipeBatch, s shape, values, successor []evidence.Value) {
	b.text = AppendValues(b.text[:rec.from], values)
	rec.data, rec.key, rec.successor, rec.origins = len(b.text)-rec.from, 0, 0, 0
	if len(s.key) > 0 {
		b.key = b.key[:0]
		for _, i := range s.key {
			b.key = append(b.key, values[i])
		}
		b.text = AppendValues(b.text, b.key)
		rec.key = len(b.text) - rec.from - rec.data
	}
	if successor != nil {
		b.text = AppendValues(b.text, successor)
		rec.successor = len(b.text) - rec.from - rec.data - rec.key
	}
}

// shorten makes a row shorter that SQLite cannot hold: first the successor goes,
// then the longest value is not known.
func shorten(values, successor []evidence.Value) (fewer, none []evidence.Value) {
	if successor != nil {
		return values, nil
	}
	values = slices.Clone(values)
	longest, most := 0, -1
	for i := range values {
		if n := len(values[i].Text) + len(values[i].Raw) + len(values[i].Reason); n > most {
			longest, most = i, n
		}
	}
	values[longest] = evidence.Value{State: evidence.Unknown, Reason: fmt.Sprintf("too long for the case: %d bytes", most)}
	return values, nil
}

// Ledger takes one line of the ledger.
func (t *RunTable) Ledger(line LedgerLine) error {
	return t.run.c.fail(t.run.ctx, "take in a ledger line of "+t.table.Relation.Name+" into", t.ledger(&line))
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
	b, err := t.run.pipe.room(t.run)
	if err != nil {
		return err
	}
	rec := record{ledger: true, numbers: [recordNumbers]int64{
		t.id, t.run.id, file, int64(line.TID.Block), int64(line.TID.Offset), int64(line.LSN), line.standing(), int64(line.XID), int64(line.Subxact),
		operationID(line.Operation), timeOrZero(line.CommitTime), routeID(line.NamedBy), routeID(line.Settled),
		one(line.InPart), one(line.Carved), one(line.Derived), one(line.Unsure), reason, further,
	}}
	rec.sum = rec.checksum(nil)
	b.lines = append(b.lines, rec)
	return nil
}

// timeOrZero is a time in microseconds; 0 when it is not known.
func timeOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return micros(t)
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
