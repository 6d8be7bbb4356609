package restore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
)

// settle brings the rows of tables that refer to each other in. At first as if nothing
// could be wrong with them, which costs least; then after a look at what could; and then
// some at a time, until each row that the server refuses stands alone.
func (l *loader) settle(ctx context.Context, tables []*loadTable) error {
	for _, table := range tables {
		if err := l.match(ctx, table); err != nil {
			return err
		}
	}
	if l.dry {
		return l.look(ctx, tables)
	}
	for _, table := range tables {
		if err := l.update(ctx, table); err != nil {
			return err
		}
	}
	twice, err := l.anyTwice(ctx, tables)
	if err != nil {
		return err
	}
	if !twice {
		if whole, err := l.insert(ctx, tables); whole || err != nil {
			return err
		}
	}
	for _, table := range tables {
		// Somebody may have put rows in since.
		if err := l.match(ctx, table); err != nil {
			return err
		}
	}
	if err := l.look(ctx, tables); err != nil {
		return err
	}
	whole, err := l.insert(ctx, tables)
	if whole || err != nil {
		return err
	}
	if len(tables) > 1 {
		return l.fail(ErrRejected, fmt.Errorf("tables that refer to each other in a circle take rows only together, and refuse them: %w", l.refused),
			"take the rows out that the message names")
	}
	return l.insertSome(ctx, tables[0])
}

// anyTwice reports whether rows have a key in common that no index of the target watches over.
func (l *loader) anyTwice(ctx context.Context, tables []*loadTable) (bool, error) {
	for _, table := range tables {
		for n := range table.keys {
			if table.keys[n].index != nil || table.staged == table.out {
				continue
			}
			names := table.keyNames(n, "s")
			sql := fmt.Sprintf("SELECT EXISTS (SELECT FROM %s s WHERE ROW(%s) IS NOT NULL AND %s GROUP BY %s HAVING count(*) > 1)",
				table.place.staging(), names, table.notOut("s"), names)
			twice, err := l.conn().Value(ctx, "compare rows at", sql)
			if err != nil || twice == "t" {
				return true, err
			}
		}
	}
	return false, nil
}

const opInsert = "write rows at"

// insert puts all rows in that nothing is known against. It reports whether the server took them.
func (l *loader) insert(ctx context.Context, tables []*loadTable) (bool, error) {
	var statements []string
	var wanted []int64
	var loads []*load
	for _, table := range tables {
		loads = append(loads, &load{place: table.place})
		if n := table.staged - table.out; n > 0 {
			condition := ""
			if table.out > 0 {
				condition = table.notOut("s")
			}
			statements, wanted = append(statements, table.place.insertWhere(condition)), append(wanted, n)
		}
	}
	if len(statements) == 0 {
		return true, nil
	}
	l.at(StageWrite, tables[0].target.name)
	return l.try(ctx, statements, wanted, tied(loads))
}

// try runs statements that write, and undoes them if the server refuses a row.
func (l *loader) try(ctx context.Context, statements []string, wanted []int64, together bool) (bool, error) {
	if err := l.conn().Exec(ctx, opInsert, "SAVEPOINT load"); err != nil {
		return false, err
	}
	done, err := l.writeAll(ctx, statements, together)
	l.wrote = 0
	if err == nil {
		for i := range wanted {
			l.wrote += done[i]
			if done[i] != wanted[i] {
				err = l.fail(ErrRejected, errKeptOut, "")
			}
		}
	}
	if err == nil {
		return true, l.conn().Exec(ctx, opInsert, "RELEASE SAVEPOINT load")
	}
	if !errors.Is(err, errKeptOut) && !aboutRow(err) {
		return false, l.explain(err)
	}
	l.refused = err
	return false, l.conn().Exec(ctx, opInsert, "ROLLBACK TO SAVEPOINT load; RELEASE SAVEPOINT load")
}

// errKeptOut: the server took a row, and it is not in the table.
var errKeptOut = errors.New("a trigger, a rule or a policy of the table kept the row out")

// someRows is how many rows go in together when some of them are refused.
const someRows = 1000

// insertSome puts rows in some at a time, and refuses those that the server refuses.
func (l *loader) insertSome(ctx context.Context, table *loadTable) error {
	err := l.run(ctx, fmt.Sprintf("CREATE INDEX ON %s (%s); ANALYZE %s (%s)", table.place.staging(), seqColumn, table.place.staging(), seqColumn))
	if err != nil {
		return err
	}
	inserted := int64(0)
	for from := int64(1); from <= table.result.Read; from += someRows {
		n, err := l.insertRange(ctx, table, from, from+someRows-1)
		if err != nil {
			return err
		}
		if inserted += n; inserted == 0 && l.hopeless >= someRows/2 {
			return l.fail(ErrRejected, fmt.Errorf("table %s takes no row: %s", table.target, live.Message(l.refused)),
				"nothing was changed; what does the table need, such as a setting that its triggers ask for?")
		}
	}
	// A row that refers to one of its own table may have come before it.
	for again := table.refersToItself(); again; {
		orphans := table.orphans
		table.orphans, again = nil, false
		for _, seq := range orphans {
			if err := l.run(ctx, fmt.Sprintf("DELETE FROM %s WHERE seq = %d", table.outTable(), seq)); err != nil {
				return err
			}
			table.out--
			n, err := l.insertRange(ctx, table, seq, seq)
			if err != nil {
				return err
			}
			again = again || n > 0
		}
	}
	return nil
}

// insertRange puts the rows between two numbers in, and tells how many went.
func (l *loader) insertRange(ctx context.Context, table *loadTable, from, to int64) (int64, error) {
	rows := fmt.Sprintf("s.%s BETWEEN %d AND %d AND %s", seqColumn, from, to, table.notOut("s"))
	count, err := l.conn().Value(ctx, opInsert, fmt.Sprintf("SELECT count(*) FROM %s s WHERE %s", table.place.staging(), rows))
	if err != nil || count == "0" {
		return 0, err
	}
	wanted, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return 0, err
	}
	whole, err := l.try(ctx, []string{table.place.insertWhere(rows)}, []int64{wanted}, false)
	if err != nil || whole {
		return wanted, err
	}
	if from == to || l.wrote == 0 && errors.Is(l.refused, errKeptOut) {
		return 0, l.refuseRows(ctx, table, rows, wanted, from)
	}
	half := from + (to-from)/2
	first, err := l.insertRange(ctx, table, from, half)
	if err != nil {
		return 0, err
	}
	second, err := l.insertRange(ctx, table, half+1, to)
	return first + second, err
}

// codeNoParent is the SQLSTATE of a row whose foreign key finds no parent.
const codeNoParent = "23503"

// refuseRows takes rows out in the server's own words: one, or some that were all kept out.
func (l *loader) refuseRows(ctx context.Context, table *loadTable, rows string, count, first int64) error {
	code, message := live.Code(l.refused), live.Message(l.refused)
	switch {
	case errors.Is(l.refused, errKeptOut):
		message = errKeptOut.Error()
		l.hopeless += count
	case code == codeNoParent:
		table.orphans = append(table.orphans, first)
	case !strings.HasPrefix(code, "23"):
		l.hopeless++
	}
	table.out += count
	return l.conn().Query(ctx, opInsert, fmt.Sprintf("INSERT INTO %s (seq, kind, what, detail, by) SELECT s.%s, '%c', $1, $2, $3 FROM %s s WHERE %s",
		table.outTable(), seqColumn, outRefused, table.place.staging(), rows),
		live.Parameters("x"+code, message, live.Constraint(l.refused)), func([][]byte) error { return nil })
}
