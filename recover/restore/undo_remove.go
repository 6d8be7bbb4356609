package restore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
)

// spare takes off the list what rows that stay refer to, and changed rows whose former
// values refer to nothing any more. Sparing one row can make others stay, so it goes on
// until nothing changes.
func (u *undoer) spare(ctx context.Context, dooms []*doom, done *Undone) error {
	byOID := map[string]*doom{}
	for _, d := range dooms {
		u.at(StageKeys, d.table.name)
		for oid := range d.tree {
			byOID[oid] = d
		}
	}
	for again := true; again; {
		again = false
		for _, d := range dooms {
			spared, err := u.spareOf(ctx, d, byOID)
			if err != nil {
				return err
			}
			done.Kept += spared
			again = again || spared > 0
		}
	}
	return nil
}

// spareOf spares the rows of one place, and counts them.
func (u *undoer) spareOf(ctx context.Context, d *doom, byOID map[string]*doom) (int64, error) {
	spared := int64(0)
	run := func(key *foreignKey, sql, why string) error {
		return u.conn.Query(ctx, "check foreign key "+key.name+" at", sql, nil, func(row [][]byte) error {
			seq, err := strconv.ParseInt(string(row[0]), 10, 64)
			if err != nil {
				return err
			}
			spared++
			u.find(Finding{Table: d.table.name, Seq: seq, Why: fmt.Sprintf("row %s: %s", row[1], why)})
			return nil
		})
	}
	for _, key := range d.in {
		why := fmt.Sprintf("rows of table %s refer to it (foreign key %s)", key.child.name, key.name)
		if err := run(key, d.spareReferred(key, byOID[key.child.oid]), why); err != nil {
			return spared, err
		}
	}
	if d.updates == 0 {
		return spared, nil
	}
	for _, key := range d.out {
		if !d.gives(key) { // nothing in its columns was changed
			continue
		}
		why := fmt.Sprintf("what it referred to before is gone from table %s (foreign key %s)", key.parent.name, key.name)
		if err := run(key, d.spareReferring(key, byOID[key.parent.oid]), why); err != nil {
			return spared, err
		}
	}
	return spared, nil
}

// removeAll takes the listed rows back: what refers to others before the others. It
// returns the rows whose former values the target does not take.
func (u *undoer) removeAll(ctx context.Context, dooms []*doom, done *Undone) ([]refusal, error) {
	var all []refusal
	for len(dooms) > 0 {
		last := len(dooms) - 1
		first := last
		for first > 0 && u.component(dooms[first-1]) == u.component(dooms[last]) {
			first--
		}
		refused, err := u.removeComponent(ctx, dooms[first:], done)
		if err != nil {
			return nil, u.explain(err)
		}
		all = append(all, refused...)
		dooms = dooms[:first]
	}
	return all, nil
}

func (u *undoer) component(d *doom) int { return u.Plan.Tables[d.place.index].Component }

// removeComponent takes back rows of tables that refer to each other.
func (u *undoer) removeComponent(ctx context.Context, dooms []*doom, done *Undone) ([]refusal, error) {
	u.at(StageWrite, dooms[0].table.name)
	var statements []string
	var counts []*int64
	var loads []*load
	var reverting []*doom
	wanted := int64(0)
	for _, d := range dooms {
		loads = append(loads, &d.load)
		if d.inserts > 0 {
			statements, counts = append(statements, d.removeRows()), append(counts, &done.Removed)
		}
		if d.updates > 0 {
			reverting = append(reverting, d)
		}
		n, err := u.conn.Value(ctx, "count rows at", "SELECT count(*) FROM "+d.staging())
		if err != nil {
			return nil, err
		}
		listed, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return nil, err
		}
		wanted += listed
	}
	together := !u.replica && tied(loads)
	if together {
		for _, d := range reverting {
			statements, counts = append(statements, d.revertRows(0, everything().last)), append(counts, &done.Reverted)
		}
		reverting = nil
	}
	before := done.Removed + done.Reverted
	written, err := u.writeAll(ctx, statements, together)
	if err != nil {
		return nil, err
	}
	for i, n := range written {
		*counts[i] += n
	}
	var refused []refusal
	for _, d := range reverting {
		n, some, err := u.revert(ctx, d, 0, d.span.last)
		if err != nil {
			return nil, err
		}
		done.Reverted += n
		refused = append(refused, some...)
	}
	if got := done.Removed + done.Reverted - before; len(refused) == 0 && got != wanted {
		return nil, dooms[0].rejected(fmt.Errorf("the server took back %s of %d: a trigger, a rule or a policy kept the others", counted(got, "row", "rows"), wanted))
	}
	if len(refused) > 0 || !u.replica {
		return refused, nil
	}
	for _, d := range dooms {
		if err := u.checkReverted(ctx, d); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// revert gives the changed rows between two sequence numbers their former values. When
// the target does not take them, halves are tried, down to the rows that it does not take.
func (u *undoer) revert(ctx context.Context, d *doom, first, last int64) (int64, []refusal, error) {
	const point = "pgrescue_revert"
	if err := u.conn.Exec(ctx, "set a savepoint at", "SAVEPOINT "+point); err != nil {
		return 0, nil, err
	}
	written, err := u.writeAll(ctx, []string{d.revertRows(first, last)}, false)
	if err == nil {
		return written[0], nil, u.conn.Exec(ctx, "release a savepoint at", "RELEASE "+point)
	}
	if !strings.HasPrefix(live.Code(err), "23") {
		return 0, nil, err
	}
	cause := errors.Unwrap(err)
	if err := u.conn.Exec(ctx, "roll back to a savepoint at", "ROLLBACK TO "+point+"; RELEASE "+point); err != nil {
		return 0, nil, err
	}
	middle, least, most, err := u.middle(ctx, d, first, last)
	if err != nil {
		return 0, nil, err
	}
	if least == most {
		return 0, []refusal{{d, least, cause.Error()}}, nil
	}
	n, refused, err := u.revert(ctx, d, first, middle)
	if err != nil {
		return n, refused, err
	}
	m, more, err := u.revert(ctx, d, middle+1, last)
	return n + m, append(refused, more...), err
}

// middle finds where to cut the changed rows between two sequence numbers in halves.
func (u *undoer) middle(ctx context.Context, d *doom, first, last int64) (middle, least, most int64, err error) {
	query := fmt.Sprintf("SELECT min(%[1]s), (min(%[1]s) + max(%[1]s)) / 2, max(%[1]s) FROM %[2]s WHERE %[3]s = 'u' AND %[1]s BETWEEN %[4]d AND %[5]d",
		seqColumn, d.staging(), actionColumn, first, last)
	err = u.conn.Query(ctx, "count rows at", query, nil, func(row [][]byte) error {
		for i, n := range []*int64{&least, &middle, &most} {
			if *n, err = strconv.ParseInt(string(row[i]), 10, 64); err != nil {
				return err
			}
		}
		return nil
	})
	return middle, least, most, err
}

// checkReverted checks, and holds, what the reverted rows refer to, which the server
// leaves unchecked while session_replication_role is replica.
func (u *undoer) checkReverted(ctx context.Context, d *doom) error {
	if d.updates == 0 {
		return nil
	}
	for _, key := range d.out {
		if !d.gives(key) {
			continue
		}
		source := fmt.Sprintf("(SELECT * FROM %s WHERE %s = 'u') s", d.staging(), actionColumn)
		err := u.conn.Query(ctx, "check foreign key "+key.name+" at", key.orphansSQL(source, shown), nil, func(row [][]byte) error {
			return d.stale(fmt.Errorf("foreign key %s: table %s has no row %s", key.name, key.parent.name, row[0]))
		})
		if err != nil {
			return err
		}
	}
	return u.checkLate(ctx, &d.load)
}

// removeMultiset takes back rows of a table without a key: as many of those that apply put
// in as the plan says, told apart by all of their values.
func (u *undoer) removeMultiset(ctx context.Context, l *load, done *Undone) (int64, error) {
	if err := u.stageRows(ctx, l, false); err != nil {
		return 0, err
	}
	var xids []string
	for _, xid := range u.past.xids() {
		xids = append(xids, strconv.FormatUint(uint64(xid), 10))
	}
	u.at(StageWrite, l.table.name)
	written, err := u.writeAll(ctx, []string{l.removeMultisetRows(xids)}, false)
	if err != nil {
		return 0, u.explain(err)
	}
	removed, before := written[0], u.past.multisets[l.place.index]
	done.Removed += removed
	done.Gone += before
	if left := l.inserts - removed - before; left > 0 {
		done.Kept += left
		u.find(Finding{Table: l.table.name, Why: fmt.Sprintf("somebody changed or removed %d of the rows since", left)})
	}
	return removed, nil
}
