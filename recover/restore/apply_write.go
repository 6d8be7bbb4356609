package restore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// load is a place and its rows in one transaction.
type load struct {
	*place
	*share
	span *span
}

// mixed reports whether the temporary table must say what each of its rows is for.
func (l *load) mixed() bool { return l.updates > 0 || len(l.key) == 0 }

// write puts the rows of a span into the target, within a transaction.
func (a *applier) write(ctx context.Context, s *span, places []*place, last bool) error {
	var loads []*load
	for i, p := range places {
		loads = append(loads, &load{p, &s.tables[i], s})
	}
	for _, l := range loads {
		if err := a.compare(ctx, l); err != nil {
			return err
		}
	}
	for _, l := range loads {
		if err := a.stage(ctx, l); err != nil {
			return err
		}
	}
	for len(loads) > 0 {
		component, rest := a.firstComponent(loads)
		if err := a.move(ctx, component); err != nil {
			return err
		}
		loads = rest
	}
	for i, p := range places {
		if err := a.checkKeys(ctx, &load{p, &s.tables[i], s}); err != nil {
			return err
		}
	}
	if !last {
		return nil
	}
	return a.moveSequences(ctx)
}

// firstComponent cuts off the tables that refer to each other with the first of them.
func (a *applier) firstComponent(loads []*load) (component, rest []*load) {
	n := 1
	for n < len(loads) && a.Plan.Tables[loads[n].place.index].Component == a.Plan.Tables[loads[0].place.index].Component {
		n++
	}
	return loads[:n], loads[n:]
}

// stage makes the temporary table of a place and copies its rows into it.
func (a *applier) stage(ctx context.Context, l *load) error {
	if l.writes() == 0 {
		return nil
	}
	if err := a.stageRows(ctx, l, l.mixed()); err != nil {
		return err
	}
	if l.mixed() || a.replica && len(l.out) > 0 {
		// Joins with the temporary table are to come.
		if err := a.conn.Exec(ctx, "analyze a temporary table at", "ANALYZE "+l.staging()); err != nil {
			return err
		}
	}
	if len(l.key) > 0 {
		return nil
	}
	a.at(StageCompare, l.table.name)
	return a.conn.Query(ctx, "compare the rows of "+l.table.name+" at", l.changedMultiset(shown), nil, func(row [][]byte) error {
		return l.stale(fmt.Errorf("the row %s is there %s times, the plan found it %s times", row[0], row[1], row[2]))
	})
}

// stageRows copies the rows of a place that are written into a temporary table. With
// mixed the table says what each row is for, and of a place without a key has the rows
// too that are there already.
func (e *engine) stageRows(ctx context.Context, l *load, mixed bool) error {
	e.at(StageCopy, l.table.name)
	if err := e.conn.Exec(ctx, "make a temporary table at", l.createStaging(mixed)); err != nil {
		return e.explain(err)
	}
	rows := int64(0)
	line := func(dst []byte, row *casefile.PlanRow) ([]byte, error) {
		kind := stagedAs(Action(row.Action), mixed && len(l.key) == 0)
		if kind == 0 {
			return dst, nil
		}
		if err := l.checkRow(row); err != nil {
			return dst, err
		}
		dst = appendCopyLine(dst, row.Data)
		if mixed {
			dst = append(dst[:len(dst)-1], '\t', kind, '\n')
		}
		if kind != stagedEqual {
			rows++
		}
		return dst, nil
	}
	source := &copyReader[*casefile.PlanRow]{rows: e.rowsOf(ctx, l.place.index, l.span), line: line, advance: e.advance}
	if err := copyRows(ctx, e.conn, l.staging(), source); err != nil {
		return e.explain(err)
	}
	if rows != l.writes() {
		return l.stale(fmt.Errorf("the case gave %s, and %d were counted", counted(rows, "row", "rows"), l.writes()))
	}
	return nil
}

// shown is how many rows an error tells of.
const shown = 5

// stagedAs is what a row with an action is for in a temporary table, 0 for none.
func stagedAs(action Action, equal bool) byte {
	switch action {
	case Insert:
		return stagedInsert
	case Overwrite, Fill:
		return stagedUpdate
	case Equal:
		if equal {
			return stagedEqual
		}
	}
	return 0
}

// checkRow refuses a row that cannot be written: nothing is made up for a value that is
// not known.
func (p *place) checkRow(row *casefile.PlanRow) error {
	if len(row.Data) != len(p.columns) {
		return p.stale(fmt.Errorf("row %d of the plan has %d values for %d columns", row.Seq, len(row.Data), len(p.columns)))
	}
	for i := range row.Data {
		if row.Data[i].State == evidence.Unknown {
			return p.stale(fmt.Errorf("row %d of the plan: the value of column %s is not known: %s", row.Seq, p.columns[i].name, row.Data[i].Reason))
		}
	}
	return nil
}

// move writes the staged rows of tables that refer to each other into them.
func (a *applier) move(ctx context.Context, component []*load) error {
	var statements []string
	var wanted []int64
	for _, l := range component {
		// Changes come first: they may free a unique value that a new row takes.
		if l.updates > 0 {
			statements, wanted = append(statements, l.updateRows()), append(wanted, l.updates)
		}
		if l.inserts > 0 {
			statements, wanted = append(statements, l.insertRows(l.mixed())), append(wanted, l.inserts)
		}
	}
	if len(statements) == 0 {
		return nil
	}
	a.at(StageWrite, component[0].table.name)
	done, err := a.writeAll(ctx, statements, !a.replica && tied(component))
	if err != nil {
		return a.explain(err)
	}
	for i := range wanted {
		if done[i] != wanted[i] {
			return component[0].rejected(fmt.Errorf("the server wrote %s of %d: a trigger, a rule or a policy kept the others out", counted(done[i], "row", "rows"), wanted[i]))
		}
	}
	return nil
}

// writeAll runs statements that write, together or one after the other, and tells how many
// rows each wrote.
func (e *engine) writeAll(ctx context.Context, statements []string, together bool) ([]int64, error) {
	const op = "write rows at"
	done := make([]int64, len(statements))
	if together && len(statements) > 1 {
		err := e.conn.Query(ctx, op, inOneStatement(statements), nil, func(row [][]byte) (err error) {
			for i := range done {
				if done[i], err = strconv.ParseInt(string(row[i]), 10, 64); err != nil {
					return err
				}
			}
			return nil
		})
		return done, err
	}
	for i, statement := range statements {
		results, err := e.conn.PgConn().Exec(ctx, statement).ReadAll()
		if err != nil {
			return nil, e.conn.Failure(ctx, op, err)
		}
		done[i] = results[0].CommandTag.RowsAffected()
	}
	return done, nil
}

// tied reports whether rows of the places refer to each other: then only one statement
// can bring them in while the server checks their foreign keys.
func tied(component []*load) bool {
	if len(component) > 1 {
		return true
	}
	for _, key := range component[0].out {
		if component[0].tree[key.parent.oid] {
			return true
		}
	}
	return false
}

// checkKeys checks what the server leaves unchecked while session_replication_role is
// replica: foreign keys, and unique and exclusion constraints that are deferrable.
func (a *applier) checkKeys(ctx context.Context, l *load) error {
	if !a.replica || l.writes() == 0 {
		return nil
	}
	a.at(StageKeys, l.table.name)
	for _, key := range l.out {
		err := a.conn.Query(ctx, "check foreign key "+key.name+" at", key.orphansSQL(l.written(key), shown), nil, func(row [][]byte) error {
			return l.stale(fmt.Errorf("foreign key %s: table %s has no row %s", key.name, key.parent.name, row[0]))
		})
		if err != nil {
			return err
		}
	}
	if l.updates > 0 {
		before := a.findings
		if err := a.checkAbandoned(ctx, l.place, l.span); err != nil {
			return err
		}
		if a.findings > before {
			return l.stale(errors.New(a.example.Why))
		}
	}
	return a.checkLate(ctx, l)
}

// written is the rows of the transaction that a foreign key is checked for, for a FROM
// clause. A key that only a partition has concerns only the rows that went there; columns that
// the rows do not have are as the target filled them.
func (l *load) written(key *foreignKey) string {
	where := ""
	if l.mixed() {
		where = " WHERE " + actionColumn + " IN ('i', 'u')"
	}
	rows := fmt.Sprintf("(SELECT * FROM %s%s) s", l.staging(), where)
	if key.child.oid == l.table.oid && l.gives(key) {
		return rows
	}
	if len(l.key) == 0 {
		return key.child.from() + " s"
	}
	return fmt.Sprintf("(SELECT t.* FROM %s t JOIN %s ON %s) s", key.child.from(), rows, l.sameKey("t", "s"))
}

// gives reports whether the rows have all columns of a foreign key.
func (p *place) gives(key *foreignKey) bool {
	for _, pair := range key.pairs {
		if !p.has(pair.child) {
			return false
		}
	}
	return true
}

// checkLate looks for rows that a deferrable unique or exclusion constraint forbids.
func (e *engine) checkLate(ctx context.Context, l *load) error {
	if len(l.deferred) == 0 {
		return nil
	}
	xid, err := e.currentXID(ctx)
	if err != nil {
		return err
	}
	for _, c := range l.deferred {
		err := e.conn.Query(ctx, "check constraint "+c.name+" at", c.violatedSQL(uint32(xid), shown), nil, func(row [][]byte) error {
			return l.stale(fmt.Errorf("constraint %s of table %s: another row is in conflict with %s", c.name, c.table.name, row[0]))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rejected is the error of rows that the target does not take.
func (p *place) rejected(cause error) error {
	return failure("restore: write rows of", p.table.name, ErrRejected, cause, "nothing was changed; look at the triggers, rules and policies of the table")
}
