package restore

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// doom is the rows of one place that a transaction takes back.
type doom struct {
	load
	undo *undoer
	xids []uint32
	// batch is planned rows that are not read yet; values is what apply gave them.
	batch    []doomed
	reader   *reader
	removals lists
	reverts  lists
}

// doomed is a planned row that apply put in.
type doomed struct {
	expected
	before []evidence.Value // nil: apply inserted the row
}

// places of a row in the temporary table, before its values
const doomColumns = 3

func (u *undoer) newDoom(p *place, s *share, sp *span) *doom {
	return &doom{
		load: load{p, s, sp}, undo: u, xids: u.past.xids(), reader: newReader(u.conn, p, true),
		removals: newLists(doomColumns), reverts: newLists(doomColumns + len(p.columns)),
	}
}

// stage locks the rows that are to be taken back, and notes in a temporary table those
// that are as apply left them.
func (d *doom) stage(ctx context.Context, done *Undone) error {
	u := d.undo
	u.at(StageCompare, d.table.name)
	if err := u.conn.Exec(ctx, "make a temporary table at", d.createDoom()); err != nil {
		return err
	}
	for row, err := range u.rowsOf(ctx, d.place.index, d.span) {
		if err != nil {
			return err
		}
		if !Action(row.Action).Writes() {
			continue
		}
		d.take(row)
		if d.reader.full() {
			if err := d.sort(ctx, done); err != nil {
				return err
			}
		}
		u.advance(1, 0)
	}
	if err := d.sort(ctx, done); err != nil {
		return err
	}
	return u.conn.Exec(ctx, "analyze a temporary table at", "ANALYZE "+d.staging())
}

func (d *doom) take(row *casefile.PlanRow) {
	d.reader.key(row.Key, row.Data, row.Before)
	planned := doomed{expected: expected{seq: row.Seq, key: evidence.CloneValues(row.Key), values: evidence.CloneValues(row.Data)}}
	if Action(row.Action) != Insert {
		planned.before = evidence.CloneValues(row.Before)
	}
	d.batch = append(d.batch, planned)
}

// sort reads the rows that were taken, and tells those that can be taken back from those
// that cannot.
func (d *doom) sort(ctx context.Context, done *Undone) error {
	var odd []standingRow
	err := d.reader.read(ctx, "read rows of "+d.table.name+" at", func(n int, there *standing) error {
		row := &d.batch[n]
		row.found = true
		_, ours := slices.BinarySearch(d.xids, there.xmin)
		if ours && len(differing(row.values, there.values)) == 0 {
			d.list(row, there)
			return nil
		}
		copied := *there
		copied.values = evidence.CloneValues(there.values)
		odd = append(odd, standingRow{row, copied, ours})
		return nil
	})
	if err != nil {
		return err
	}
	for i := range d.batch {
		if !d.batch[i].found {
			done.Gone++
		}
	}
	for i := range odd {
		if err := d.judge(ctx, &odd[i], done); err != nil {
			return err
		}
	}
	d.batch = d.batch[:0]
	return d.note(ctx)
}

// standingRow is a row that is not as the plan says.
type standingRow struct {
	row   *doomed
	there standing
	ours  bool // our transaction wrote it, and nobody since
}

// judge tells what becomes of a row that is not as the plan says.
func (d *doom) judge(ctx context.Context, o *standingRow, done *Undone) error {
	u := d.undo
	same := func(planned []evidence.Value) (bool, error) {
		names, err := u.different(ctx, d.place, planned, o.there.values, differing(planned, o.there.values))
		return len(names) == 0, err
	}
	if o.ours {
		// A trigger may have given our row other values; then its xmin alone must do.
		untouched, err := same(o.row.values)
		if err != nil {
			return err
		}
		if untouched || !u.replica {
			d.list(o.row, &o.there)
			return nil
		}
	} else if o.row.before != nil {
		back, err := same(o.row.before)
		if err != nil {
			return err
		}
		if back {
			done.Gone++
			return nil
		}
	}
	done.Kept++
	u.find(Finding{Table: d.table.name, Seq: o.row.seq, Key: o.row.key, Why: "somebody changed the row since"})
	return nil
}

// list notes a row that is to be taken back.
func (d *doom) list(row *doomed, there *standing) {
	place := [doomColumns]evidence.Value{
		{Text: strconv.AppendInt(nil, row.seq, 10)}, {Text: []byte(there.table)}, {Text: []byte(there.ctid)},
	}
	rows := &d.removals
	if row.before != nil {
		rows = &d.reverts
	}
	rows.add(func(column int) *evidence.Value {
		if column < doomColumns {
			return &place[column]
		}
		return &row.before[column-doomColumns]
	})
}

// note writes the noted rows into the temporary table.
func (d *doom) note(ctx context.Context) error {
	const op = "note rows in a temporary table at"
	nothing := func(int, [][]byte) error { return nil }
	if err := d.removals.query(ctx, d.undo.conn, op, d.noteRemovals(&d.removals), nothing); err != nil {
		return err
	}
	return d.reverts.query(ctx, d.undo.conn, op, d.noteReverts(&d.reverts), nothing)
}

// takeBack takes the rows of a span back, within a transaction.
// multisets counts what it removes from tables without a key.
func (u *undoer) takeBack(ctx context.Context, s *span, places []*place, multisets map[int]int64) (done Undone, err error) {
	var dooms []*doom
	for i, p := range places {
		switch {
		case s.tables[i].writes() == 0:
		case len(p.key) == 0:
			multisets[p.index], err = u.removeMultiset(ctx, &load{p, &s.tables[i], s}, &done)
		default:
			d := u.newDoom(p, &s.tables[i], s)
			err = d.stage(ctx, &done)
			dooms = append(dooms, d)
		}
		if err != nil {
			return done, err
		}
	}
	const point = "pgrescue_undo"
	for {
		if err := u.spare(ctx, dooms, &done); err != nil {
			return done, err
		}
		if err := u.conn.Exec(ctx, "set a savepoint at", "SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT "+point); err != nil {
			return done, err
		}
		trial := done
		refused, err := u.removeAll(ctx, dooms, &trial)
		if err != nil {
			return done, err
		}
		if len(refused) == 0 {
			return trial, u.conn.Exec(ctx, "release a savepoint at", "RELEASE "+point)
		}
		// What cannot get its former values back stays, and so does what it refers to.
		if err := u.conn.Exec(ctx, "roll back to a savepoint at", "ROLLBACK TO "+point); err != nil {
			return done, err
		}
		for _, r := range refused {
			if err := u.keep(ctx, r, &done); err != nil {
				return done, err
			}
		}
	}
}

// refusal is a row whose former values the target does not take.
type refusal struct {
	doom *doom
	seq  int64
	why  string
}

// keep takes a row off the list of those that are taken back.
func (u *undoer) keep(ctx context.Context, r refusal, done *Undone) error {
	done.Kept++
	u.find(Finding{Table: r.doom.table.name, Seq: r.seq, Why: "its former values cannot come back: " + r.why})
	return u.conn.Exec(ctx, "keep a row at", fmt.Sprintf("DELETE FROM %s WHERE %s = %d", r.doom.staging(), seqColumn, r.seq))
}
