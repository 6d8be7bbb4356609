package preserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// view is something that the server says of itself, kept as JSON Lines.
type view struct {
	name     string // of the file
	sql      string // gives rows
	since    int    // the first version that has it; 0: all
	optional bool   // where it is not there, nothing is missing
}

// volatileViews are gone in seconds: who is connected, and what they do.
func volatileViews() []view {
	return []view{
		{name: "activity", sql: "SELECT * FROM pg_catalog.pg_stat_activity"},
		{name: "locks", sql: "SELECT * FROM pg_catalog.pg_locks"},
		{name: "prepared-transactions", sql: "SELECT * FROM pg_catalog.pg_prepared_xacts"},
		{name: "slots", sql: "SELECT * FROM pg_catalog.pg_replication_slots"},
		{name: "replication", sql: "SELECT * FROM pg_catalog.pg_stat_replication"},
		{name: "vacuum-progress", sql: "SELECT * FROM pg_catalog.pg_stat_progress_vacuum"},
	}
}

// slowViews are gone after a crash, or change with what people do next.
func slowViews() []view {
	return []view{
		{name: "statistics-databases", sql: "SELECT * FROM pg_catalog.pg_stat_database"},
		{name: "statistics-tables", sql: "SELECT current_database() AS database, * FROM pg_catalog.pg_stat_all_tables"},
		{name: "statistics-archiver", sql: "SELECT * FROM pg_catalog.pg_stat_archiver"},
		{name: "statistics-writer", sql: "SELECT * FROM pg_catalog.pg_stat_bgwriter"},
		{name: "statistics-wal", sql: "SELECT * FROM pg_catalog.pg_stat_wal", since: 140000},
		{name: "statistics-statements", sql: "SELECT * FROM pg_stat_statements", optional: true},
		{name: "settings", sql: "SELECT * FROM pg_catalog.pg_settings"},
		{name: "settings-files", sql: "SELECT * FROM pg_catalog.pg_file_settings"},
		{name: "settings-roles", sql: "SELECT * FROM pg_catalog.pg_db_role_setting"},
		{name: "control", sql: "SELECT s.*, c.*, r.* FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r"},
		{name: "databases", sql: "SELECT * FROM pg_catalog.pg_database"},
		{name: "tablespaces", sql: "SELECT * FROM pg_catalog.pg_tablespace"},
		{name: "extensions", sql: "SELECT * FROM pg_catalog.pg_extension"},
		{name: "tables", sql: `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, pg_catalog.pg_relation_filepath(c.oid) AS file, c.reltoastrelid, c.relpages, c.reltuples, c.reloptions
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm', 't', 'S')`},
		{name: "columns", sql: "SELECT attrelid, attnum, attname, atttypid::regtype, atttypmod, attnotnull, attisdropped FROM pg_catalog.pg_attribute WHERE attnum > 0 AND attrelid >= 16384"},
		{name: "constraints", sql: "SELECT oid, conname, contype, conrelid::regclass, confrelid::regclass, confdeltype, pg_catalog.pg_get_constraintdef(oid) AS definition FROM pg_catalog.pg_constraint WHERE conrelid >= 16384"},
	}
}

// state keeps views of the server. A later capture writes files of its own.
func (c *copier) state(ctx context.Context, name string, views []view) (*Copied, error) {
	done := &Copied{Name: name, To: toServer}
	for _, v := range views {
		if c.Server.Card.VersionNumber < v.since {
			continue
		}
		err := c.keep(ctx, &v, done)
		switch {
		case err == nil:
		case lost(ctx, err), isOurs(err):
			return done, err
		case !v.optional:
			c.lacks("server/"+v.name, live.Message(err))
		}
	}
	return done, nil
}

// keep writes one view.
func (c *copier) keep(ctx context.Context, v *view, done *Copied) error {
	path := c.freeName(filepath.Join(c.Folder, toServer), v.name, ".jsonl")
	return c.write(path, KindState, c.Server.Card.Place()+": "+v.name, done, func(out io.Writer) error {
		return c.read.Query(ctx, "ask for "+v.name+" at", "SELECT pg_catalog.row_to_json(x) FROM ("+v.sql+") x", nil, func(row [][]byte) error {
			_, err := fmt.Fprintf(out, "%s\n", row[0])
			return ours(err)
		})
	})
}

// freeName is a name in a folder that no file has.
func (c *copier) freeName(folder, name, ext string) string {
	for n := 1; ; n++ {
		path := filepath.Join(folder, name+ext)
		if n > 1 {
			path = filepath.Join(folder, fmt.Sprintf("%s-%d%s", name, n, ext))
		}
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path
		}
	}
}

// write makes a file of what fill writes, and counts it.
func (c *copier) write(path string, kind evidence.Kind, from string, done *Copied, fill func(io.Writer) error) error {
	info, sum, err := whole(path, time.Time{}, fill)
	if err != nil {
		return err
	}
	done.Files++
	done.Bytes += info.Size()
	c.files = append(c.files, File{Path: path, From: from, Kind: kind, Size: info.Size(), Modified: info.ModTime(), SHA256: sum})
	return nil
}
