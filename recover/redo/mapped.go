package redo

import (
	"context"
	"fmt"
	"maps"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// CatalogFiles tells which files hold, or held, the catalogs that are read, as
// catalog.CatalogFiles does, and adds those that mapped catalogs had between
// rewrites, as the WAL names them.
func CatalogFiles(ctx context.Context, archive *wal.Archive, dir heap.DataDir, destroyed catalog.DestroyedRows) (map[pg.RelFileLocator]string, error) {
	catalogs, err := catalog.CatalogFiles(ctx, dir, destroyed)
	if err != nil || !rewritten(catalogs) {
		return catalogs, err
	}
	return catalogs, addMappedFiles(ctx, archive, catalogs)
}

// addMappedFiles reads all of the WAL: the map that was in force at some time may
// have been written long before. initdb's files are numbered by OID, so each
// catalog's first file is among those known, and names the catalog.
func addMappedFiles(ctx context.Context, archive *wal.Archive, catalogs map[pg.RelFileLocator]string) error {
	scan := wal.ScanOptions{Rmgrs: wal.Rmgrs(wal.RmgrRelMap), SkipCRC: true} // the map has a CRC of its own
	type files map[pg.RelFileLocator]string
	all := files{}
	err := wal.Scan(ctx, archive, scan,
		func() *files { return &files{} },
		func(acc *files, rec *wal.Record) error {
			update, ok, err := rec.RelMapUpdate()
			if !ok || err != nil {
				return nil // a damaged record costs its own map only; replay tells of the WAL's damage
			}
			m, err := catalog.DecodeRelMap(update.Map)
			if err != nil {
				return nil
			}
			for oid, file := range m {
				loc := pg.RelFileLocator{Tablespace: update.Tablespace, Database: update.Database, Relation: pg.RelFileNumber(oid)}
				if name, known := catalogs[loc]; known {
					loc.Relation = file
					(*acc)[loc] = name
				}
			}
			return nil
		},
		func(acc *files, _ *wal.Span) error {
			maps.Copy(all, *acc)
			clear(*acc)
			return nil
		})
	if err != nil {
		return fmt.Errorf("redo: read which files catalogs had: %w", err)
	}
	maps.Copy(catalogs, all) // not before: the scan reads catalogs on several goroutines
	return nil
}

// rewritten reports whether any catalog has a file that initdb did not make.
func rewritten(catalogs map[pg.RelFileLocator]string) bool {
	for loc := range catalogs {
		if loc.Relation >= pg.RelFileNumber(pg.FirstNormalOID) {
			return true
		}
	}
	return false
}
