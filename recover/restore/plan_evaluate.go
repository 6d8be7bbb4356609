package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// answer is what the server says about one row.
type answer struct {
	refused string           // why its values do not fit the table; "" when they do
	values  []evidence.Value // as the target's types print them
	found   bool             // the key is in the target
	before  []evidence.Value // what it has there
	failed  []string         // names of checks that do not hold
	taken   []takenValue     // one for each of evaluation.uniques
	parents []parentRef      // one for each of evaluation.keys
}

// takenValue is a value of a unique index.
type takenValue struct {
	counts bool // the index has the row at all
	values []evidence.Value
	by     string // a row of the target that has the same; "": none
}

// parentRef is a value of a foreign key.
type parentRef struct {
	refers, exists bool
	values         []evidence.Value
}

// evaluate asks the server about rows. A row that it cannot read is found by halving.
func (e *evaluation) evaluate(ctx context.Context, conn *live.Conn, rows [][]evidence.Value) ([]answer, error) {
	answers := make([]answer, len(rows))
	return answers, e.ask(ctx, conn, rows, answers)
}

const (
	opAsk    = "restore: compare rows with"
	savePlan = "SAVEPOINT plan"
	undoPlan = "ROLLBACK TO SAVEPOINT plan"
	donePlan = "RELEASE SAVEPOINT plan"
)

func (e *evaluation) ask(ctx context.Context, conn *live.Conn, rows [][]evidence.Value, answers []answer) error {
	if len(rows) == 0 {
		return nil
	}
	if err := conn.Exec(ctx, opAsk, savePlan); err != nil {
		return err
	}
	err := e.query(ctx, conn, rows, answers)
	if err == nil {
		return conn.Exec(ctx, opAsk, donePlan)
	}
	if !aboutRow(err) {
		return err
	}
	if undone := conn.Exec(ctx, opAsk, undoPlan+"; "+donePlan); undone != nil {
		return undone
	}
	if len(rows) == 1 {
		answers[0] = answer{refused: live.Message(err)}
		return nil
	}
	half := len(rows) / 2
	if err := e.ask(ctx, conn, rows[:half], answers[:half]); err != nil {
		return err
	}
	return e.ask(ctx, conn, rows[half:], answers[half:])
}

// aboutRow reports whether an error is about the values of a row: data exceptions,
// violated constraints of domains, and whatever functions raise.
func aboutRow(err error) bool {
	if errors.Is(err, live.ErrLost) || errors.Is(err, live.ErrTimeout) {
		return false
	}
	code := live.Code(err)
	for _, class := range []string{"22", "23", "P0", "42", "0A"} {
		if strings.HasPrefix(code, class) && code != "42501" {
			return true
		}
	}
	return code == "54000" || code == "25006"
}

func (e *evaluation) query(ctx context.Context, conn *live.Conn, rows [][]evidence.Value, answers []answer) error {
	parameter := []byte{'{'}
	var row []byte
	for i := range rows {
		if i > 0 {
			parameter = append(parameter, ',')
		}
		row = e.appendRow(row[:0], rows[i])
		parameter = pg.AppendArrayItem(parameter, row)
	}
	parameter = append(parameter, '}')
	return conn.Query(ctx, opAsk, e.sql, [][]byte{e.encode(parameter)}, func(row [][]byte) error {
		n, err := strconv.Atoi(string(row[0]))
		if err != nil || n < 1 || n > len(answers) {
			return fmt.Errorf("%s %s: row %q came back of %d", opAsk, conn.Endpoint(), row[0], len(answers))
		}
		answers[n-1] = e.read(row[1:])
		return nil
	})
}

// read takes the answer apart, in the order in which statement lists it.
func (e *evaluation) read(row [][]byte) answer {
	take := func(n int) [][]byte {
		taken := row[:n]
		row = row[n:]
		return taken
	}
	a := answer{values: valuesOf(take(len(e.columns)))}
	if e.key != nil {
		a.found = isTrue(take(1)[0])
		before := take(len(e.columns))
		if a.found {
			a.before = valuesOf(before)
		}
	}
	for i, holds := range take(len(e.checks)) {
		if !isTrue(holds) {
			a.failed = append(a.failed, e.checks[i].name)
		}
	}
	for _, index := range e.uniques {
		t := takenValue{counts: isTrue(take(1)[0]), values: valuesOf(take(len(index.expressions)))}
		t.by = string(take(1)[0])
		a.taken = append(a.taken, t)
	}
	for _, fk := range e.keys {
		flags := take(2)
		a.parents = append(a.parents, parentRef{refers: isTrue(flags[0]), exists: isTrue(flags[1]), values: valuesOf(take(len(fk.pairs)))})
	}
	return a
}

// valuesOf copies values that the server sent.
func valuesOf(row [][]byte) []evidence.Value {
	values := make([]evidence.Value, len(row))
	for i, text := range row {
		if text == nil {
			values[i].State = evidence.Null
			continue
		}
		values[i].Text = bytes.Clone(text)
		if values[i].Text == nil {
			values[i].Text = []byte{}
		}
	}
	return values
}

// probe asks about no row at all, which shows whether the statement makes sense. A
// check that it cannot evaluate by itself is left out and named.
func (e *evaluation) probe(ctx context.Context, conn *live.Conn) (notes []string, err error) {
	try := func(e *evaluation) error {
		if err := conn.Exec(ctx, opAsk, savePlan); err != nil {
			return err
		}
		failed := conn.Query(ctx, opAsk, e.sql, [][]byte{e.encode([]byte("{}"))}, func([][]byte) error { return nil })
		if failed == nil {
			return conn.Exec(ctx, opAsk, donePlan)
		}
		return errors.Join(failed, conn.Exec(ctx, opAsk, undoPlan+"; "+donePlan))
	}
	whole := try(e)
	if whole == nil || !aboutRow(whole) {
		return nil, whole
	}
	var kept []targetCheck
	for _, check := range e.checks {
		alone := newEvaluation(e.table, e.columns, e.key, []targetCheck{check}, e.encoding)
		if failed := try(alone); failed != nil {
			notes = append(notes, fmt.Sprintf("check %s is left to the server when rows go in: %s", check.name, live.Message(failed)))
			continue
		}
		kept = append(kept, check)
	}
	if len(kept) == len(e.checks) {
		return nil, whole // the checks are not to blame
	}
	e.checks = kept
	e.sql = e.statement()
	return notes, try(e)
}
