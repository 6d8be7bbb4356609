package triage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// ReadDataDir tells what a data directory and its catalogs say. Of relations it asks the size
// of their files only.
// removed are files that the WAL says transactions removed, after the catalogs on disk were written.
func ReadDataDir(ctx context.Context, ev *undelete.Evidence, removed map[string]bool, trail *evidence.Trail) (*DataDir, []Table, error) {
	var tables []Table
	if ev.DataDir == "" {
		return nil, tablesOf(ev.Snapshot), nil
	}
	dir := heap.DataDir{Path: ev.DataDir, Tablespaces: ev.Tablespaces, Trail: trail}
	d := &DataDir{Path: ev.DataDir}
	if control, err := catalog.ReadControl(dir); err == nil {
		d.SystemIdentifier, d.Made, d.State, d.CleanShutdown = control.SystemIdentifier, madeBy(control.SystemIdentifier), control.State, control.CleanShutdown
		d.Checkpoint, d.Redo, d.Timeline = control.CheckpointTime, control.Redo, control.Timeline
	}
	_, alive, err := catalog.RunningServer(ev.DataDir)
	d.Running = err == nil && alive
	d.restored(trail)
	if d.Partial = d.partial(); !d.Partial {
		d.essentials()
	}
	tables = tablesOf(ev.Snapshot)
	if ev.Snapshot != nil {
		for i := range ev.Snapshot.Databases {
			d.Databases = append(d.Databases, ev.Snapshot.Databases[i].Name)
		}
	}
	missing, err := d.files(ctx, dir, ev.Snapshot, tables, removed)
	if err != nil || len(missing) == 0 || d.Partial {
		return d, tables, err
	}
	made, err := madeSince(ctx, ev.Archive, d.Redo)
	for _, m := range missing {
		if made[m.file] {
			continue
		}
		if d.MissingCount++; len(d.Missing) < mostPoints {
			d.Missing = append(d.Missing, m.text)
		}
	}
	return d, tables, err
}

// missingFile is a file of a relation that is not there.
type missingFile struct{ file, text string }

// madeSince are the files whose making the WAL holds since the last checkpoint: recovery makes them again. In a directory
// that was copied while its server ran, those are missing that were made behind the copy.
func madeSince(ctx context.Context, archive *wal.Archive, redo pg.LSN) (map[string]bool, error) {
	made := make(map[string]bool)
	if archive == nil || redo == 0 {
		return made, nil
	}
	err := wal.Scan(ctx, archive, wal.ScanOptions{From: redo, Rmgrs: wal.Rmgrs(wal.RmgrSmgr), TrustOthers: true},
		func() *[]string { return new([]string) },
		func(files *[]string, rec *wal.Record) error {
			if f, ok := wal.DecodeFileRecord(rec); ok && f.Op == wal.FileCreate {
				*files = append(*files, f.Relation.String())
			}
			return nil
		},
		func(files *[]string, _ *wal.Span) error {
			for _, file := range *files {
				made[file] = true
			}
			*files = nil
			return nil
		})
	return made, err
}

// onlyBegun reports whether a base backup left the rows of an unlogged table out: of its files only the one that it begins with is there.
func onlyBegun(rel *catalog.Relation, path string) bool {
	if rel.Persistence != "u" {
		return false
	}
	_, err := os.Stat(path + "_init")
	return err == nil
}

// restored looks for what recovery from a base backup leaves behind.
func (d *DataDir) restored(trail *evidence.Trail) {
	for _, sign := range []string{"backup_label.old", "tablespace_map.old", "recovery.done"} {
		if _, err := os.Stat(filepath.Join(d.Path, sign)); err == nil {
			d.RestoredBy = sign
			break
		}
	}
	for _, sign := range []string{"standby.signal", "recovery.conf"} {
		if _, err := os.Stat(filepath.Join(d.Path, sign)); err == nil {
			d.Standby = true
		}
	}
	if !strings.HasPrefix(d.RestoredBy, "backup_label") {
		return
	}
	file, err := trail.Open(filepath.Join(d.Path, d.RestoredBy), evidence.KindBackup)
	if err != nil {
		return
	}
	defer file.Close()
	if text, err := io.ReadAll(io.LimitReader(file, 64<<10)); err == nil {
		label := backups.ReadLabel(string(text))
		d.BackupStart, d.BackupTime = label.LSN, label.Begun
	}
}

// essentials looks for files that no cluster is without, and counts those that are there. base/1 is template1.
func (d *DataDir) essentials() (there int) {
	for _, name := range []string{"PG_VERSION", "global/pg_control", "global/pg_filenode.map", "base/1", "pg_xact"} {
		switch _, err := os.Stat(filepath.Join(d.Path, name)); {
		case err == nil:
			there++
		case name == "base/1" && d.partial(): // nobody copies template1 to read tables
		case errors.Is(err, fs.ErrNotExist):
			d.MissingCount++
			d.Missing = append(d.Missing, name)
		}
	}
	return there
}

// partial reports whether somebody copied a part of a data directory only: the folders are not there that nobody needs for
// reading tables, and every cluster has.
func (d *DataDir) partial() bool {
	for _, name := range []string{"pg_notify", "pg_replslot", "pg_stat"} {
		if _, err := os.Stat(filepath.Join(d.Path, name)); err == nil {
			return false
		}
	}
	return true
}

// gutted tells of a data directory of which the files went that no cluster is without; nil: it does not look like that. serves: a
// server is known to run.
func gutted(path string, serves bool) *DataDir {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil
	}
	d := &DataDir{Path: path}
	there := d.essentials()
	_, alive, err := catalog.RunningServer(path)
	d.Running = err == nil && alive
	if d.MissingCount == 0 || there == 0 && !d.Running && !serves { // another folder, by mistake
		return nil
	}
	return d
}

// ofUser reports whether a relation is a table that somebody made.
func ofUser(rel *catalog.Relation) bool {
	return rel.OID >= pg.FirstNormalOID && rel.Kind != "t" && rel.Schema != "pg_catalog" && rel.Schema != "information_schema" && !strings.HasPrefix(rel.Schema, "pg_toast") &&
		!strings.HasPrefix(rel.Schema, "pg_temp")
}

func tablesOf(snapshot *catalog.Snapshot) (list []Table) {
	if snapshot == nil {
		return nil
	}
	for i := range snapshot.Databases {
		db := &snapshot.Databases[i]
		for j := range db.Relations {
			rel := &db.Relations[j]
			if !ofUser(rel) {
				continue
			}
			t := Table{
				Name: evidence.RelationName{Database: db.Name, Schema: rel.Schema, Name: rel.Name}, OID: rel.OID, File: rel.File.String(),
				Rows: float64(rel.Rows), Unlogged: rel.Persistence == "u", Bytes: -1, Dropped: rel.DroppedBy != pg.InvalidXID, ReplicaIdentity: rel.ReplicaIdentity,
			}
			for k := range rel.Attributes {
				if a := &rel.Attributes[k]; !a.Dropped {
					t.Columns = append(t.Columns, a.Name)
				}
			}
			for _, change := range rel.FileChanges { // what the table had when it was truncated
				former := t
				former.File, former.Rows, former.Dropped = change.File.String(), float64(change.Rows), true
				list = append(list, former)
			}
			list = append(list, t)
		}
		list = cascading(list, db)
	}
	return list
}

// cascading notes of the tables of a database from which parents a DELETE comes to them. A
// snapshot of an older pgrescue holds no foreign keys, and tells nothing by that.
func cascading(tables []Table, db *catalog.Database) []Table {
	if len(db.ForeignKeys) == 0 {
		return tables
	}
	parents := make(map[pg.OID][]evidence.RelationName)
	for _, key := range db.References() {
		if key.OnDelete == "c" {
			parents[key.Child] = append(parents[key.Child], evidence.RelationName{Database: db.Name, Schema: key.To.Schema, Name: key.To.Name})
		}
	}
	for i := range tables {
		if t := &tables[i]; t.Name.Database == db.Name {
			t.Parents, t.ParentsKnown = parents[t.OID], true
		}
	}
	return tables
}

// files looks how long the files of the tables are, and which are not there.
func (d *DataDir) files(ctx context.Context, dir heap.DataDir, snapshot *catalog.Snapshot, tables []Table, removed map[string]bool) (missing []missingFile, err error) {
	if snapshot == nil {
		return nil, nil
	}
	at := make(map[string]*Table)
	for i := range tables {
		if !tables[i].Dropped {
			at[tables[i].File] = &tables[i]
			d.UserTables++
		}
	}
	for i := range snapshot.Databases {
		for j := range snapshot.Databases[i].Relations {
			rel := &snapshot.Databases[i].Relations[j]
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if rel.DroppedBy != pg.InvalidXID || rel.File.Relation == 0 || rel.Persistence == "t" {
				continue
			}
			path, err := dir.RelationPath(rel.File)
			if err != nil {
				continue // its tablespace is not here, which opening it told
			}
			info, err := os.Stat(path)
			t := at[rel.File.String()]
			switch {
			case err == nil && t != nil && ofUser(rel):
				t.Bytes, t.Written = info.Size(), info.ModTime().UTC()
			case errors.Is(err, fs.ErrNotExist) && !removed[rel.File.String()] && !onlyBegun(rel, path):
				missing = append(missing, missingFile{rel.File.String(), rel.QualifiedName() + " (" + path + ")"})
			}
		}
	}
	return missing, nil
}
