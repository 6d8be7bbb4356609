package restore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// readBatch is how many rows are read back with one statement, and readBytes about how
// much of them is kept until then: rows can be large.
const (
	readBatch = 2000
	readBytes = 8 << 20
)

// standing is a row of the target as it stands, found by a key.
type standing struct {
	table, ctid string // where the tuple is: tableoid and ctid
	xmin        uint32
	values      []evidence.Value // of the plan's columns; valid until the next row is read
}

// lists are values on their way into a query: one array for each column.
type lists struct {
	arrays [][]byte
	count  int
	bytes  int // of these rows, and of what is kept along with them
}

func newLists(columns int) lists {
	l := lists{arrays: make([][]byte, columns)}
	l.reset()
	return l
}

func (l *lists) reset() {
	for i := range l.arrays {
		l.arrays[i] = append(l.arrays[i][:0], '{')
	}
	l.count, l.bytes = 0, 0
}

// add takes one more row; its number is how many were added before. value gives its columns.
func (l *lists) add(value func(column int) *evidence.Value) {
	for i := range l.arrays {
		if l.count > 0 {
			l.arrays[i] = append(l.arrays[i], ',')
		}
		before := len(l.arrays[i])
		l.arrays[i] = appendElement(l.arrays[i], value(i))
		l.bytes += len(l.arrays[i]) - before
	}
	l.count++
}

func (l *lists) full() bool { return l.count >= readBatch || l.bytes >= readBytes }

// query runs a statement with the arrays as its first parameters, and begins anew. The
// first column of the result is the number of the row plus one.
func (l *lists) query(ctx context.Context, conn *live.Conn, op, sql string, each func(n int, row [][]byte) error) error {
	if l.count == 0 {
		return nil
	}
	defer l.reset()
	for i := range l.arrays {
		l.arrays[i] = append(l.arrays[i], '}')
	}
	return conn.Query(ctx, op, sql, l.arrays, func(row [][]byte) error {
		n, err := strconv.Atoi(string(row[0]))
		if err != nil {
			return err
		}
		return each(n-1, row[1:])
	})
}

// unnested is the arrays as a table k with the columns k0, k1, … and n, for a FROM clause.
func (l *lists) unnested() string {
	var names, calls []string
	for i := range l.arrays {
		names = append(names, "k"+strconv.Itoa(i))
		calls = append(calls, fmt.Sprintf("pg_catalog.unnest($%d::pg_catalog.text[])", i+1))
	}
	return fmt.Sprintf("ROWS FROM (%s) WITH ORDINALITY AS k(%s, n)", strings.Join(calls, ", "), strings.Join(names, ", "))
}

// keyed compares the key of a place's alias with the lists, which hold keys.
func (p *place) keyed(alias string) string {
	terms := make([]string, len(p.key))
	for n, at := range p.key {
		c := &p.columns[at]
		terms[n] = fmt.Sprintf("%s.%s %s k.k%d::%s", alias, c.name, c.equal, n, c.bare)
	}
	return strings.Join(terms, " AND ")
}

// reader reads rows of a place back by their keys.
type reader struct {
	conn  *live.Conn
	place *place
	sql   string
	found standing
	lists
}

// newReader makes a reader. With lock the rows stay as they were read until the
// transaction ends, and no row that is not there yet can come to refer to them.
func newReader(conn *live.Conn, p *place, lock bool) *reader {
	r := &reader{conn: conn, place: p, lists: newLists(len(p.key))}
	r.sql = fmt.Sprintf("SELECT k.n, t.tableoid, t.ctid, t.xmin, t.%s FROM %s JOIN %s t ON %s",
		strings.Join(p.names(), ", t."), r.unnested(), p.table.from(), p.keyed("t"))
	if lock {
		r.sql += " FOR UPDATE OF t"
	}
	return r
}

// key takes the key of one more row; kept are values that the caller keeps along with it.
func (r *reader) key(key []evidence.Value, kept ...[]evidence.Value) {
	r.add(func(column int) *evidence.Value { return &key[column] })
	for _, values := range kept {
		for i := range values {
			r.bytes += len(values[i].Text)
		}
	}
}

// read asks for the rows whose keys were added, and begins anew. each gets the number
// of the key; a key that no row has is not told of.
func (r *reader) read(ctx context.Context, op string, each func(n int, found *standing) error) error {
	return r.query(ctx, r.conn, op, r.sql, func(n int, row [][]byte) error {
		xmin, err := strconv.ParseUint(string(row[2]), 10, 32)
		if err != nil {
			return err
		}
		r.found.table, r.found.ctid, r.found.xmin = string(row[0]), string(row[1]), uint32(xmin)
		r.found.values = valuesOf(row[3:])
		return each(n, &r.found)
	})
}

// appendElement appends a value to an array literal.
func appendElement(dst []byte, v *evidence.Value) []byte {
	if v.State != evidence.Known {
		return append(dst, "NULL"...)
	}
	return pg.AppendArrayItem(dst, v.Text)
}

// differing lists the columns whose planned value is known and not the one that is there.
func differing(planned, there []evidence.Value) []int {
	var columns []int
	for i := range planned {
		if !sameValue(&planned[i], &there[i]) {
			columns = append(columns, i)
		}
	}
	return columns
}

// sameValue compares a planned value with one that the target printed. What the plan
// does not know is equal to anything.
func sameValue(planned, there *evidence.Value) bool {
	return planned.State == evidence.Unknown || equalValue(planned, there)
}

func (l *lists) clone() lists {
	c := lists{arrays: make([][]byte, len(l.arrays)), count: l.count}
	for i := range l.arrays {
		c.arrays[i] = slices.Clone(l.arrays[i])
	}
	return c
}
