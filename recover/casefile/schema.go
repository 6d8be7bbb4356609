package casefile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// checkSchema makes sure that case.db is a case that this program can read.
func (c *Case) checkSchema(ctx context.Context) error {
	id, err := c.number("PRAGMA application_id")
	if err != nil {
		return c.fail(ctx, "open", err)
	}
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return c.fail(ctx, "open", err)
	}
	c.version = version
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return c.fail(ctx, "open", err)
	}
	switch {
	case id == 0 && version == 0 && tables == 0 && c.mode != Read:
		return c.fail(ctx, "make", c.writeSchema())
	case id == 0 && version == 0 && tables == 0:
		return failure("open", c.dir, ErrNoCase, errors.New(DatabaseName+" is empty"), "the command that began to make it was stopped; run it again")
	case id != applicationID:
		return failure("open", c.dir, ErrNoCase, errors.New(DatabaseName+" is a database of another program"), "name another folder")
	case version < 1:
		return failure("open", c.dir, ErrDamaged, errors.New(DatabaseName+" has no version"), hintDamaged)
	case version > schemaVersion:
		return failure("open", c.dir, ErrNewer, fmt.Errorf("its schema has version %d, this program knows %d", version, schemaVersion),
			"use the pgrescue that made it, or a newer one")
	}
	return nil
}

// writeSchema makes the tables, in one transaction: a process that is killed in
// between leaves an empty file.
func (c *Case) writeSchema() error {
	if err := sqlitex.ExecuteTransient(c.conn, fmt.Sprintf("PRAGMA page_size = %d", pageSize), nil); err != nil {
		return err
	}
	// The pragmas are in the file's header, which is part of the transaction.
	script := fmt.Sprintf("BEGIN IMMEDIATE;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\n%s;\n"+
		"INSERT INTO meta VALUES ('case', '%s'), ('journal_seq', '0'), ('journal_hash', '');",
		applicationID, schemaVersion, schema, rand.Text())
	err := c.script(script)
	c.version = schemaVersion
	if err == nil {
		err = c.digest(append(runTables(), planTables()...))
	}
	if err == nil {
		err = sqlitex.ExecuteTransient(c.conn, "COMMIT", nil)
	}
	if err != nil {
		return errors.Join(err, c.rollback())
	}
	return nil
}

// script runs statements one after the other, outside of any savepoint.
func (c *Case) script(text string) error {
	for {
		stmt, rest, err := c.conn.PrepareTransient(text)
		if err != nil {
			return err
		}
		if stmt != nil {
			_, err = stmt.Step()
			err = errors.Join(err, stmt.Finalize())
		}
		if err != nil {
			return err
		}
		if rest == 0 {
			return nil
		}
		text = text[len(text)-rest:]
	}
}

// rollback ends a transaction that failed; SQLite may have ended it itself.
func (c *Case) rollback() error {
	if c.conn.AutocommitEnabled() {
		return nil
	}
	return sqlitex.ExecuteTransient(c.conn, "ROLLBACK", nil)
}

// atomic runs f in a savepoint: all of what it writes is kept, or nothing. Without a
// transaction around it, it is one. (sqlitex.Save runs the code even when it gets no
// savepoint, and panics when it cannot be taken back.)
func (c *Case) atomic(f func() error) error {
	if err := sqlitex.ExecuteTransient(c.conn, "SAVEPOINT atomic", nil); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = sqlitex.ExecuteTransient(c.conn, "RELEASE atomic", nil)
	}
	if err == nil || c.conn.AutocommitEnabled() {
		return err
	}
	before := c.conn.SetInterrupt(nil)
	defer c.conn.SetInterrupt(before)
	return errors.Join(err, c.script("ROLLBACK TO atomic; RELEASE atomic"))
}

// number runs a query whose answer is one number.
func (c *Case) number(query string, args ...any) (int64, error) {
	var n int64
	err := sqlitex.Execute(c.conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		n = stmt.ColumnInt64(0)
		return nil
	}})
	return n, err
}

// meta reads one entry of meta; "" when there is none.
func (c *Case) meta(key string) (string, error) {
	var value string
	err := sqlitex.Execute(c.conn, "SELECT value FROM meta WHERE key = ?", &sqlitex.ExecOptions{Args: []any{key}, ResultFunc: func(stmt *sqlite.Stmt) error {
		value = stmt.ColumnText(0)
		return nil
	}})
	return value, err
}

func (c *Case) setMeta(key, value string) error {
	return sqlitex.Execute(c.conn, "INSERT OR REPLACE INTO meta VALUES (?, ?)", &sqlitex.ExecOptions{Args: []any{key, value}})
}
