package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// expected is a planned row that should be in the target with some values.
type expected struct {
	seq    int64
	key    []evidence.Value
	values []evidence.Value
	found  bool
}

// compare checks that the rows of the target which the plan found there are still as the
// plan found them. Those that are to be changed are locked.
func (a *applier) compare(ctx context.Context, l *load) error {
	if len(l.key) == 0 || l.updates+l.equal == 0 {
		return nil
	}
	a.at(StageCompare, l.table.name)
	before := a.findings
	locked, seen := newComparison(&a.engine, l.place, true), newComparison(&a.engine, l.place, false)
	for row, err := range a.rowsOf(ctx, l.place.index, l.span) {
		if err != nil {
			return err
		}
		switch Action(row.Action) {
		case Overwrite, Fill:
			err = locked.add(ctx, row, row.Before)
		case Equal:
			err = seen.add(ctx, row, row.Data)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(locked.flush(ctx), seen.flush(ctx)); err != nil {
		return err
	}
	if n := a.findings - before; n > 0 {
		return l.stale(fmt.Errorf("%s, such as %s", counted(n, "row is not as the plan found it", "rows are not as the plan found them"), a.example))
	}
	return nil
}

// comparison reads planned rows back and tells of those that are not as expected.
type comparison struct {
	e      *engine
	place  *place
	reader *reader
	rows   []expected
	odd    []oddity
	good   func(row *expected) // called for a row that is as expected
}

// oddity is a row that is there with other text than planned.
type oddity struct {
	row    *expected
	there  []evidence.Value
	column []int
}

func newComparison(e *engine, p *place, lock bool) *comparison {
	return &comparison{e: e, place: p, reader: newReader(e.conn, p, lock), rows: make([]expected, 0, readBatch)}
}

// add takes one more row; values is what the target should have.
func (c *comparison) add(ctx context.Context, row *casefile.PlanRow, values []evidence.Value) error {
	if len(row.Key) != len(c.place.key) || len(values) != len(c.place.columns) {
		return c.place.stale(fmt.Errorf("row %d of the plan has %d values in its key and %d in all", row.Seq, len(row.Key), len(values)))
	}
	c.reader.key(row.Key, values)
	c.rows = append(c.rows, expected{seq: row.Seq, key: evidence.CloneValues(row.Key), values: evidence.CloneValues(values)})
	if c.reader.full() {
		return c.flush(ctx)
	}
	return nil
}

// flush compares the rows that were added.
func (c *comparison) flush(ctx context.Context) error {
	c.odd = c.odd[:0]
	err := c.reader.read(ctx, "read rows of "+c.place.table.name+" at", func(n int, there *standing) error {
		row := &c.rows[n]
		row.found = true
		if columns := differing(row.values, there.values); len(columns) > 0 {
			c.odd = append(c.odd, oddity{row, evidence.CloneValues(there.values), columns})
		} else if c.good != nil {
			c.good(row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range c.rows {
		if !c.rows[i].found {
			c.e.find(Finding{Table: c.place.table.name, Seq: c.rows[i].seq, Key: c.rows[i].key, Why: "the row is not there"})
		}
	}
	for i := range c.odd {
		if err := c.judge(ctx, &c.odd[i]); err != nil {
			return err
		}
	}
	c.rows = c.rows[:0]
	return nil
}

// judge tells whether a row with other text is another row.
func (c *comparison) judge(ctx context.Context, o *oddity) error {
	different, err := c.e.different(ctx, c.place, o.row.values, o.there, o.column)
	if err != nil {
		return err
	}
	if len(different) == 0 {
		if c.good != nil {
			c.good(o.row)
		}
		return nil
	}
	c.e.find(Finding{Table: c.place.table.name, Seq: o.row.seq, Key: o.row.key, Columns: different, Why: "the row has other values in " + strings.Join(different, ", ")})
	return nil
}

// different names those of some columns that have another value than planned. The evidence
// may write a value in another way than the target does, such as 1.0 for a numeric(10,2),
// so the target writes the planned values in its own way.
func (e *engine) different(ctx context.Context, p *place, planned, there []evidence.Value, columns []int) ([]string, error) {
	if len(columns) == 0 {
		return nil, nil
	}
	var selected []string
	var parameters [][]byte
	for _, i := range columns {
		parameters = append(parameters, textOf(&planned[i]))
		selected = append(selected, fmt.Sprintf("$%d::pg_catalog.text::%s", len(parameters), p.columns[i].typ))
	}
	var names []string
	err := e.conn.Query(ctx, "compare values at", "SELECT "+strings.Join(selected, ", "), parameters, func(row [][]byte) error {
		for n, i := range columns {
			text := textOf(&there[i])
			if (row[n] == nil) != (text == nil) || string(row[n]) != string(text) {
				names = append(names, p.columns[i].name)
			}
		}
		return nil
	})
	return names, err
}

// textOf is a value as a parameter: nil for NULL.
func textOf(v *evidence.Value) []byte {
	if v.State != evidence.Known {
		return nil
	}
	if v.Text == nil {
		return []byte{}
	}
	return v.Text
}
