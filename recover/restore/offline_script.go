package restore

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// The parts of the script that are the same for every plan. They read what they
// are about from pg_temp.pgrescue_table, so that no name stands in program text.
var (
	//go:embed offline_tables.sql
	offlineTablesSQL string
	//go:embed offline_rows.sql
	offlineRowsSQL string
	//go:embed offline_insert.sql
	offlineInsertSQL string
	//go:embed offline_triggers.sql
	offlineTriggersSQL string
	//go:embed offline_finish.sql
	offlineFinishSQL string
)

// offlineScriptName is the file that psql runs; the others are included by it.
const offlineScriptName = "restore.sql"

// script writes a plan as files for psql: restore.sql, and one file with the rows
// of each table beside it.
type script struct {
	dir      string
	head     scriptHead
	tables   []*scriptTable
	begun    int // tables, those that were dropped too
	replace  bool
	encoding string
}

// scriptHead is what the script is for.
type scriptHead struct {
	Database         string
	SystemIdentifier uint64 // 0: not known, or another cluster is meant
	Encoding         string // of the database; "" is UTF8
	Tool             string // name and version of the program
	FireTriggers     bool
}

// scriptTable is the file of one table while it is written.
type scriptTable struct {
	relation *evidence.Relation // columns that can be inserted
	key      []string
	load     string // name of the temporary table
	name     string // of the file
	file     *os.File
	buffer   *bufio.Writer
	writer   *evidence.Writer
}

// newScript begins a script in a folder, which is made if it is not there. With replace
// files of the same names make way.
func newScript(dir string, head scriptHead, replace bool) (*script, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("restore: make folder for the script: %w", err)
	}
	if replace {
		// A script whose tables are about to change must not be run any more.
		if err := os.Remove(filepath.Join(dir, offlineScriptName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("restore: replace script: %w", err)
		}
	}
	s := &script{dir: dir, head: head, encoding: head.Encoding, replace: replace}
	if s.encoding == "" {
		s.encoding = "UTF8"
	}
	return s, nil
}

// table begins the file of a table. The relation's generated columns are left out;
// the rows that it takes must have no value for them.
func (s *script) table(relation *evidence.Relation, key []string) (*scriptTable, error) {
	s.begun++
	number := s.begun
	t := &scriptTable{relation: relation, key: key, load: fmt.Sprintf("pgrescue_%d", number)}
	t.name = fmt.Sprintf("%02d-%s.sql", number, plainName(relation.Schema+"."+relation.Name))
	file, err := s.create(t.name)
	if err != nil {
		return nil, err
	}
	t.file, t.buffer = file, bufio.NewWriterSize(file, 1<<16)
	s.tables = append(s.tables, t)
	columns := quotedNames(relation)
	fmt.Fprintf(t.buffer, "-- The rows of %s. restore.sql includes this file.\n", comment(relation.String()))
	fmt.Fprintf(t.buffer, "CREATE TEMPORARY TABLE %s ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA;\n", t.load, columns, quotedTable(relation))
	fmt.Fprintf(t.buffer, "COPY pg_temp.%s (%s) FROM stdin;\n", t.load, columns)
	t.writer, err = evidence.NewWriter(evidence.FormatCopy, t.buffer)
	return t, err
}

// create makes a file of the script.
func (s *script) create(name string) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if s.replace {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(filepath.Join(s.dir, name), flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("restore: write script: %w", err)
	}
	return file, nil
}

// Put takes a row.
func (t *scriptTable) Put(row *evidence.Row) error { return t.writer.Put(row) }

// rows is how many rows the file has.
func (t *scriptTable) rows() int64 { return t.writer.Rows() }

// drop takes the file of a table back, of which no row goes in.
func (s *script) drop(t *scriptTable) {
	s.tables = slices.DeleteFunc(s.tables, func(other *scriptTable) bool { return other == t })
	t.remove()
}

// remove closes and removes the file of a table that is not finished.
func (t *scriptTable) remove() {
	if t.file == nil {
		return
	}
	// The file holds nothing that anybody needs.
	_ = t.file.Close()
	_ = os.Remove(t.file.Name())
	t.file = nil
}

// finish ends the files of the tables, and writes restore.sql last: without it
// nothing can be run.
func (s *script) finish() error {
	for _, t := range s.tables {
		err := t.writer.Flush()
		if err == nil {
			_, err = fmt.Fprintf(t.buffer, "\\.\nANALYZE pg_temp.%s;\n", t.load)
		}
		if err = errors.Join(err, t.buffer.Flush(), t.file.Sync()); err != nil {
			return fmt.Errorf("restore: write %s: %w", filepath.Join(s.dir, t.name), err)
		}
		err = t.file.Close()
		t.file = nil
		if err != nil {
			return fmt.Errorf("restore: write %s: %w", filepath.Join(s.dir, t.name), err)
		}
	}
	path := filepath.Join(s.dir, offlineScriptName)
	file, err := s.create(offlineScriptName)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(file)
	s.write(w)
	if err := errors.Join(w.Flush(), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("restore: write %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return nil
}

// discard removes the files of a script that is not finished.
func (s *script) discard() {
	for _, t := range s.tables {
		t.remove()
	}
}

// write writes restore.sql. Its writer keeps the first error.
func (s *script) write(w *bufio.Writer) {
	fmt.Fprintf(w, `-- Gives lost rows back. Made by %s; run it with
--
--     psql -X -d %s -f restore.sql
--
-- It is one transaction: when anything is not as it has to be, nothing is changed.
-- psql -v rehearse=1 does everything, and takes it back in the end.
-- Rows of a table without a key do not go in while equal ones are there, as after a first
-- run; with psql -v allow_equal=1 they do.
\set ON_ERROR_STOP on
\set QUIET on
\encoding %s
BEGIN;
SET LOCAL standard_conforming_strings = on;
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = postgres;
SET LOCAL TimeZone = 'UTC';
SET LOCAL xmloption = content;
SET LOCAL row_security = off;
SET LOCAL lock_timeout = '10s';

`, comment(s.head.Tool), comment(s.head.Database), s.encoding)
	s.writeTarget(w)
	s.writeTables(w)
	fmt.Fprint(w, "\n", offlineTablesSQL, "\n")
	if !s.head.FireTriggers {
		fmt.Fprint(w, offlineTriggersSQL, "\n")
	}
	for _, t := range s.tables {
		fmt.Fprintf(w, "\\ir %s\n", t.name)
	}
	fmt.Fprint(w, `
\if :{?allow_equal}
SET LOCAL pgrescue.allow_equal = :'allow_equal';
\endif
`, offlineRowsSQL, "\n", offlineInsertSQL, `
\if :{?rehearse}
SET LOCAL pgrescue.rehearsal = on;
\endif
`, offlineFinishSQL, `
\if :{?rehearse}
ROLLBACK;
\echo 'This was a rehearsal: nothing was changed.'
\else
COMMIT;
\echo 'The rows are back.'
\endif
`)
}

// writeTarget asserts that this is the database that the rows are of.
func (s *script) writeTarget(w *bufio.Writer) {
	fmt.Fprintf(w, `-- It is the right database, of the right cluster.
CREATE TEMPORARY TABLE pgrescue_target ON COMMIT DROP AS SELECT %s::text AS database, %s::numeric AS system_identifier;
DO $pgrescue$
DECLARE
    t record;
    system numeric;
BEGIN
    SELECT * INTO t FROM pg_temp.pgrescue_target;
    IF current_database() <> t.database THEN
        RAISE EXCEPTION 'pgrescue: nothing was changed: this is database %%, and the rows are of %%', current_database(), t.database;
    END IF;
    IF t.system_identifier IS NOT NULL THEN
        BEGIN
            SELECT CASE WHEN s.system_identifier < 0 THEN 18446744073709551616 ELSE 0 END + s.system_identifier INTO system FROM pg_control_system() s;
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE WARNING 'pgrescue: this role may not ask for the system identifier; the rows are of %%', t.system_identifier;
        END;
        IF system <> t.system_identifier THEN
            RAISE EXCEPTION 'pgrescue: nothing was changed: this cluster has system identifier %%, and the rows are of %%', system, t.system_identifier;
        END IF;
    END IF;
END $pgrescue$;

`, quoteLiteral(s.head.Database), systemLiteral(s.head.SystemIdentifier))
}

func systemLiteral(system uint64) string {
	if system == 0 {
		return "NULL"
	}
	return strconv.FormatUint(system, 10)
}

// writeTables tells the parts of the script which tables they are about.
func (s *script) writeTables(w *bufio.Writer) {
	fmt.Fprint(w, `CREATE TEMPORARY TABLE pgrescue_table (
    n int PRIMARY KEY, schema name, name name, load name, rows bigint, key name[], columns name[], types text[],
    insertion text, target regclass, standing text, done bigint) ON COMMIT DROP;
`)
	for i, t := range s.tables {
		var columns, types []string
		for _, c := range t.relation.Columns {
			columns, types = append(columns, c.Name), append(types, c.Type)
		}
		fmt.Fprintf(w, "INSERT INTO pg_temp.pgrescue_table VALUES (%d, %s, %s, %s, %d, %s, %s, %s, %s);\n", i+1, quoteLiteral(t.relation.Schema), quoteLiteral(t.relation.Name),
			quoteLiteral(t.load), t.rows(), arrayLiteral(t.key), arrayLiteral(columns), arrayLiteral(types), quoteLiteral(t.insertion()))
	}
}

// insertion is the statement that puts the rows of a table in.
func (t *scriptTable) insertion() string {
	columns := quotedNames(t.relation)
	return fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM pg_temp.%s", quotedTable(t.relation), columns, columns, t.load)
}

// quotedTable is a table's name as SQL writes it.
func quotedTable(relation *evidence.Relation) string {
	return pg.QuoteIdentAlways(relation.Schema) + "." + pg.QuoteIdentAlways(relation.Name)
}

// quotedNames lists the columns of a relation.
func quotedNames(relation *evidence.Relation) string {
	names := make([]string, len(relation.Columns))
	for i := range relation.Columns {
		names[i] = pg.QuoteIdentAlways(relation.Columns[i].Name)
	}
	return strings.Join(names, ", ")
}

// arrayLiteral writes texts as an array.
func arrayLiteral(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quoteLiteral(text)
	}
	if len(quoted) == 0 {
		return "'{}'"
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]"
}

// comment makes a text fit behind --.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
}

// plainName is a name with nothing in it that a shell, psql or a file system takes
// for something else.
func plainName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, name)
	return name[:min(len(name), 100)]
}
