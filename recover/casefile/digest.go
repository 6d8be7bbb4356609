package casefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Rows and ledger lines have checksums of their own, and the rows of a plan have
// the plan's hash. Of every other table the case keeps a digest of its whole
// content: they are small, or seldom written.

// runTables are the tables that a run writes, planTables those that plans and
// batches write. The schema itself is one of the first.
func runTables() []string {
	tables := []string{
		"sqlite_schema", "route", "confidence", "operation", "cluster", "run", "evidence", "relation", "shape", "loss", "gap", "text", "event",
	}
	for version := int64(1); version <= schemaVersion; version++ {
		tables = append(tables, newTables()[version]...)
	}
	return tables
}

func planTables() []string { return []string{"plan", "plan_batch", "plan_absent"} }

// seldom says whether a table may be large, and is digested only when it changed.
func seldom(table string) bool { return table == "text" || table == "event" }

// digest makes the digests of tables anew.
func (c *Case) digest(tables []string) error {
	for _, table := range c.present(tables) {
		sum, err := c.digestOf(table)
		if err != nil {
			return err
		}
		if err := sqlitex.Execute(c.conn, "INSERT OR REPLACE INTO digest VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{table, sum}}); err != nil {
			return err
		}
	}
	return nil
}

// present leaves out the tables that an older case does not have.
func (c *Case) present(tables []string) []string {
	for version := c.version + 1; version <= schemaVersion; version++ {
		tables = slices.DeleteFunc(tables, func(table string) bool { return slices.Contains(newTables()[version], table) })
	}
	return tables
}

// digestOf hashes the content of a table, in the order of its first two columns.
func (c *Case) digestOf(table string) (string, error) {
	digest := sha256.New()
	var buf []byte
	err := c.each("SELECT * FROM "+table+" ORDER BY 1, 2", func(stmt *sqlite.Stmt) error {
		for i := range stmt.ColumnCount() {
			if table == "sqlite_schema" && stmt.ColumnName(i) == "rootpage" {
				continue
			}
			// Before the text is asked for, which makes a text of bytes.
			switch kind := stmt.ColumnType(i); kind {
			case sqlite.TypeNull:
				buf = append(buf[:0], 'n')
			case sqlite.TypeInteger:
				buf = strconv.AppendInt(append(buf[:0], 'i'), stmt.ColumnInt64(i), 10)
			default:
				text := stmt.ColumnText(i)
				buf = append(fmt.Appendf(buf[:0], "%d,%d ", kind, len(text)), text...)
			}
			digest.Write(append(buf, '\n'))
		}
		return nil
	})
	return hex.EncodeToString(digest.Sum(nil)), err
}

// verifyDigests compares the tables with their digests.
func (c *Case) verifyDigests(problems *[]Problem) error {
	known := make(map[string]string)
	err := c.each("SELECT name, sha256 FROM digest", func(stmt *sqlite.Stmt) error {
		known[stmt.ColumnText(0)] = stmt.ColumnText(1)
		return nil
	})
	if err != nil {
		return err
	}
	for _, table := range c.present(append(runTables(), planTables()...)) {
		sum, err := c.digestOf(table)
		switch {
		case damage(err):
			sum = err.Error()
		case err != nil:
			return err
		}
		if known[table] != sum {
			*problems = append(*problems, Problem{DatabaseName + " table " + table, "its content is not what was written"})
		}
		delete(known, table)
	}
	for table := range known {
		*problems = append(*problems, Problem{DatabaseName + " table digest", "it knows a table " + strconv.Quote(table) + ", which there is not"})
	}
	return nil
}

// damage reports whether a file was found not to be what was written: by SQLite, or by
// what reads it here, whose errors have the general code too.
func damage(err error) bool {
	code := sqlite.ErrCode(err).ToPrimary()
	return err != nil && (code == sqlite.ResultCorrupt || code == sqlite.ResultNotADB || code == sqlite.ResultError)
}

// verifySums compares rows and ledger lines with their checksums.
func (c *Case) verifySums(problems *[]Problem) error {
	return errors.Join(
		c.verifySumsOf(problems, "SELECT "+c.rowColumns()+", id FROM row", false, func(stmt *sqlite.Stmt) string {
			return fmt.Sprintf("%s row %d", DatabaseName, stmt.ColumnInt64(recordNumbers+5))
		}),
		c.verifySumsOf(problems, "SELECT "+insertLedger().columns+" FROM ledger", true, func(stmt *sqlite.Stmt) string {
			return fmt.Sprintf("%s ledger line of table %d at (%d,%d)", DatabaseName, stmt.ColumnInt64(0), stmt.ColumnInt64(3), stmt.ColumnInt64(4))
		}))
}

// mostTold bounds how many rows of one table are told of one by one.
const mostTold = 100

func (c *Case) verifySumsOf(problems *[]Problem, query string, ledger bool, where func(*sqlite.Stmt) string) error {
	told := 0
	var text []byte
	err := c.each(query, func(stmt *sqlite.Stmt) error {
		rec := record{ledger: ledger}
		sound := true
		for i := range rec.numbers {
			rec.numbers[i] = stmt.ColumnInt64(i)
			sound = sound && stmt.ColumnType(i) == rec.columnType(i)
		}
		at := recordNumbers
		text = text[:0]
		if !ledger {
			for _, column := range []int{at + 1, at, at + 2, at + 3} { // values, key, successor, origins
				n := len(text)
				text = slices.Grow(text, stmt.ColumnLen(column))
				text = text[:n+stmt.ColumnBytes(column, text[n:cap(text)])]
				sound = sound && (stmt.ColumnType(column) == sqlite.TypeText) == (len(text) > n) && stmt.ColumnType(column) != sqlite.TypeBlob
			}
			at += 4
		}
		if sound && stmt.ColumnType(at) == sqlite.TypeInteger && int64(rec.checksum(text)) == stmt.ColumnInt64(at) {
			return nil
		}
		if told++; told <= mostTold {
			*problems = append(*problems, Problem{where(stmt), "its content is not what was written"})
		}
		return nil
	})
	if told > mostTold {
		*problems = append(*problems, Problem{DatabaseName, fmt.Sprintf("%d more like it", told-mostTold)})
	}
	if damage(err) {
		*problems = append(*problems, Problem{DatabaseName, err.Error()})
		return nil
	}
	return err
}
