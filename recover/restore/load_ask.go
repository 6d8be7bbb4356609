package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/live"
)

// asker asks the target about values on a session of its own, so that what it refuses
// does not end the transaction that writes.
type asker struct {
	connect func(ctx context.Context) (*live.Conn, error)
	conn    *live.Conn
	types   map[askedColumn]string
	bytes   int // of the values whose answers are kept
}

// askedColumn is a column of a table of the load.
type askedColumn struct{ table, column int }

const (
	opAskValue = "ask about values at"
	// mostKnown bounds the values whose answers are kept.
	mostKnown = 4 << 20
	// askTogether is how many values of a batch that was refused go into the next smaller one.
	askTogether = 64
)

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// answer fills in why values are refused.
func (a *asker) answer(ctx context.Context, l *loader, table *loadTable, asked []question) error {
	if a.bytes > mostKnown {
		for _, table := range l.tables {
			for i := range table.checks {
				clear(table.checks[i].known)
			}
		}
		a.bytes = 0
	}
	open := map[int][]string{}
	for i := range asked {
		column := asked[i].column
		known := table.checks[column].known
		if _, ok := known[string(asked[i].text)]; !ok {
			text := string(asked[i].text)
			known[text] = ""
			a.bytes += len(text) + 64
			open[column] = append(open[column], text)
		}
	}
	for column, texts := range open {
		if err := a.column(ctx, l, table, askedColumn{table.index, column}, texts); err != nil {
			return err
		}
	}
	for i := range asked {
		asked[i].reason = table.checks[asked[i].column].known[string(asked[i].text)]
	}
	return nil
}

// column asks about different values of one column: all together, and if one of them is
// refused in smaller batches and in the end one by one.
func (a *asker) column(ctx context.Context, l *loader, table *loadTable, column askedColumn, texts []string) error {
	if err := a.open(ctx, l); err != nil {
		return err
	}
	typ, err := a.rowType(ctx, l, table, column)
	if err != nil {
		return err
	}
	good, err := a.together(ctx, typ, texts)
	if good || err != nil {
		return err
	}
	for len(texts) > 0 {
		some := texts[:min(askTogether, len(texts))]
		texts = texts[len(some):]
		good, err := a.together(ctx, typ, some)
		if err == nil && !good {
			err = a.each(ctx, typ, some, table.checks[column.column].known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) open(ctx context.Context, l *loader) (err error) {
	if a.conn != nil {
		return nil
	}
	if a.connect == nil {
		return l.fail(live.ErrRefused, errors.New("values must be asked about, and there is no second session"), "")
	}
	a.conn, err = a.connect(ctx)
	return err
}

// literal is a row of one value that is given as a parameter, in the column's own type. Its
// input function gets the modifier, as from COPY: a cast would cut a text to its length.
const literal = `('("' || pg_catalog.replace(pg_catalog.replace(%s, '\', '\\'), '"', '""') || '")')::%s`

// together asks whether all values are taken.
func (a *asker) together(ctx context.Context, typ string, texts []string) (bool, error) {
	sql := fmt.Sprintf("SELECT count(r) FROM (SELECT "+literal+" AS r FROM pg_catalog.unnest($1::pg_catalog.text[]) AS u(t) OFFSET 0) AS rows", "u.t", typ)
	err := a.conn.Query(ctx, opAskValue, sql, live.Parameters(textArray(texts)), func([][]byte) error { return nil })
	if err != nil && !aboutRow(err) {
		return false, err
	}
	return err == nil, nil
}

// each asks about values one by one, all of them on their way at once.
func (a *asker) each(ctx context.Context, typ string, texts []string, known map[string]string) error {
	sql := fmt.Sprintf("SELECT "+literal+" IS NULL", "$1::pg_catalog.text", typ)
	return a.conn.Each(ctx, opAskValue, sql, texts, func(n int, err error) error {
		if err == nil || !aboutRow(err) {
			return err
		}
		known[texts[n]] = live.Message(err)
		return nil
	})
}

// rowType makes a type of one column, as the target's table has it, for this session alone.
func (a *asker) rowType(ctx context.Context, l *loader, table *loadTable, column askedColumn) (string, error) {
	if typ := a.types[column]; typ != "" {
		return typ, nil
	}
	name := fmt.Sprintf("pgrescue_value_%d_%d", column.table, column.column)
	sql := fmt.Sprintf("BEGIN READ WRITE; CREATE TEMPORARY TABLE %s AS SELECT %s FROM %s WITH NO DATA; COMMIT",
		name, table.place.columns[column.column].name, table.place.table.from())
	if err := a.conn.Exec(ctx, opAskValue, sql); err != nil {
		return "", l.explain(err)
	}
	if a.types == nil {
		a.types = map[askedColumn]string{}
	}
	a.types[column] = "pg_temp." + name
	return a.types[column], nil
}
