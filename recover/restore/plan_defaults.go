package restore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// takeDefaults gives new rows from source files the target's defaults where the file has no
// such column, as an INSERT that leaves the columns out would; and other new rows where their
// values are not known, if somebody said so.
func (b *batch) takeDefaults(ctx context.Context, items []*item) error {
	lacking := map[int][]*item{}
	for _, it := range items {
		if it.action == Blocked {
			continue
		}
		for _, at := range it.lacks {
			lacking[at] = append(lacking[at], it)
		}
	}
	for at := range b.table.plan.Columns {
		some := lacking[at]
		if len(some) == 0 {
			continue
		}
		column := &b.table.columns[b.table.places[at]]
		name := pg.QuoteIdent(column.name)
		values, reason, err := b.defaults(ctx, column, len(some))
		if err != nil {
			return err
		}
		for n, it := range some {
			why := "not in the source"
			if !it.imported || it.data[at].Reason != evidence.ReasonNoColumn {
				why = valueText(&it.data[at])
			}
			if reason != "" {
				it.block("column %s is %s, and %s", name, why, reason)
				continue
			}
			it.data[at] = values[n]
			it.note("column %s is %s, and takes its default: %s", name, why, valueText(&values[n]))
			it.again = true
		}
	}
	return nil
}

// defaults asks for the default of a column, as often as there are rows: it may be another one
// each time. reason says why there is none to be had now.
func (b *batch) defaults(ctx context.Context, column *targetColumn, count int) (values []evidence.Value, reason string, err error) {
	const byThen = "its number is taken when rows go in, which a plan cannot do: give it in the source, or put the rows in with `import --apply`"
	if column.identity != 0 {
		return nil, byThen, nil
	}
	values = make([]evidence.Value, count)
	if column.defaults == "" {
		for i := range values {
			values[i].State = evidence.Null
		}
		return values, "", nil
	}
	if err := b.m.Conn.Exec(ctx, opAsk, savePlan); err != nil {
		return nil, "", err
	}
	n := 0
	sql := fmt.Sprintf("SELECT (%s)::%s FROM pg_catalog.generate_series(1, $1::int)", column.defaults, column.typ)
	err = b.m.Conn.Query(ctx, opAsk, sql, live.Parameters(strconv.Itoa(count)), func(row [][]byte) error {
		values[n] = valuesOf(row)[0]
		n++
		return nil
	})
	if err == nil {
		return values, "", b.m.Conn.Exec(ctx, opAsk, donePlan)
	}
	if !aboutRow(err) {
		return nil, "", err
	}
	reason = "its default cannot be had: " + live.Message(err)
	if live.Code(err) == codeReadOnly {
		reason = byThen
	}
	return nil, reason, b.m.Conn.Exec(ctx, opAsk, undoPlan+"; "+donePlan)
}

// codeReadOnly is the SQLSTATE of what a transaction that only reads may not do.
const codeReadOnly = "25006"
