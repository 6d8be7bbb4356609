package casefile

import (
	"errors"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite/sqlitex"
)

// Versions of the schema, by what was new in them.
const (
	// versionOrigins has row.origins, event.line and the counts of logs.
	versionOrigins = 2
	// versionTriage has what triage says, foreign keys and the runs of runbooks.
	versionTriage = 3
)

// newTables are the tables that a version added.
func newTables() map[int64][]string {
	return map[int64][]string{
		versionOrigins: {tableCounts},
		versionTriage:  {"triage", "triage_table", "hypothesis", "point", "coverage", "foreign_key", "runbook_run"},
	}
}

// originsColumn is row.origins in a query, and lineColumn event.line: an older case
// that is open for reading only has none.
func (c *Case) originsColumn() string { return c.since(versionOrigins, "row.origins") }
func (c *Case) lineColumn() string    { return c.since(versionOrigins, "event.line") }

func (c *Case) since(version int64, column string) string {
	if c.version < version {
		return "NULL"
	}
	return column
}

// rowColumns are the columns of a row that its checksum covers, and the sum.
func (c *Case) rowColumns() string {
	return strings.Replace(insertRow().columns, " origins,", " "+c.originsColumn()+",", 1)
}

// upgrade adds to an older case that is open for writing what its schema lacks, in one
// transaction. Rows keep their checksums. What was not as it was written before is not
// so afterwards either.
func (c *Case) upgrade() error {
	if c.mode == Read || c.version >= schemaVersion {
		return nil
	}
	// The schema itself changes, and event with it once.
	changed, err := c.soundTables("sqlite_schema", "event")
	if err != nil {
		return err
	}
	var statements []string
	for version := c.version + 1; version <= schemaVersion; version++ {
		if version == versionOrigins {
			statements = append(statements, "ALTER TABLE row ADD COLUMN origins TEXT", "ALTER TABLE event ADD COLUMN line INTEGER",
				"DROP VIEW row_list", schemaStatement("CREATE VIEW row_list"))
		}
		for _, table := range newTables()[version] {
			statements = append(statements, schemaStatement("CREATE TABLE "+table+" ("))
			changed = append(changed, table)
		}
	}
	if err := sqlitex.ExecuteTransient(c.conn, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	err = c.script(strings.Join(append(statements, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)), ";\n"))
	before := c.version
	c.version = schemaVersion
	if err == nil {
		err = c.digest(changed)
	}
	if err == nil {
		err = sqlitex.ExecuteTransient(c.conn, "COMMIT", nil)
	}
	if err != nil {
		c.version = before
		return errors.Join(err, c.rollback())
	}
	return nil
}

// soundTables lists those of the tables whose content is what was written.
func (c *Case) soundTables(tables ...string) ([]string, error) {
	var sound []string
	for _, table := range tables {
		sum, err := c.digestOf(table)
		if err != nil {
			return nil, err
		}
		known, err := c.textOf("SELECT sha256 FROM digest WHERE name = ?", table)
		if err != nil {
			return nil, err
		}
		if known == sum {
			sound = append(sound, table)
		}
	}
	return sound, nil
}

// schemaStatement is the one statement of schema.sql that begins so.
func schemaStatement(begin string) string {
	_, rest, _ := strings.Cut(schema, begin)
	text, _, _ := strings.Cut(rest, ";\n")
	return begin + text
}
