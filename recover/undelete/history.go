package undelete

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/redo"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// catalogSource is where the catalogs came from, to read them again with what
// the WAL adds.
type catalogSource struct {
	dir       heap.DataDir
	databases []string
	control   *catalog.ControlState
	history   *redo.History
	from      pg.LSN        // of history
	shown     *redo.History // that the snapshot has
}

// readCatalogs reads the catalogs of the data directory. destroyed and notYet
// are those of catalog.Options, and may be nil.
func (ev *Evidence) readCatalogs(ctx context.Context, destroyed catalog.DestroyedRows, notYet func(pg.XID) bool) (*catalog.Snapshot, []evidence.Gap, error) {
	source := ev.catalogs
	opts := catalog.Options{DataDir: source.dir.Path, Tablespaces: source.dir.Tablespaces, Trail: source.dir.Trail, Databases: source.databases, Destroyed: destroyed, NotYet: notYet}
	if ev.Archive != nil {
		overlay, err := redo.NewOverlay(ctx, ev.Archive, source.dir, source.control)
		if err != nil {
			return nil, nil, err
		}
		defer overlay.Close()
		opts.Pages, opts.Status = overlay, ev.walStatus
	}
	return catalog.Read(ctx, opts)
}

// ReadHistory makes the snapshot know what was dropped since a place of the WAL,
// and which files relations had. The WAL tells it when the dead rows of the catalogs
// were vacuumed. from has to be a checkpoint's redo point, or 0 for all of the WAL. It
// does nothing where the catalogs came from a snapshot file, or without WAL.
//
// The snapshot is a new one: what points into the old one stays as it is.
func (ev *Evidence) ReadHistory(ctx context.Context, from pg.LSN) error {
	if err := ev.learn(ctx, from); err != nil || ev.catalogs == nil || ev.catalogs.history == nil {
		return err
	}
	if ev.catalogs.shown == ev.catalogs.history {
		return nil
	}
	snapshot, _, err := ev.readCatalogs(ctx, ev.catalogs.history, nil) // its gaps are those that Open told
	switch {
	case err == nil:
		ev.Snapshot, ev.catalogs.shown = snapshot, ev.catalogs.history
	case errors.Is(err, catalog.ErrNoDatabase): // as Open found them: what was destroyed is counted by file numbers
		return nil
	}
	return err
}

// HasHistory reports whether ReadHistory can add anything.
func (ev *Evidence) HasHistory() bool { return ev.catalogs != nil && ev.Archive != nil }

// CatalogBefore reads the catalogs as they were just before a transaction whose
// commit record is at an LSN: neither it nor what committed later has happened.
func (ev *Evidence) CatalogBefore(ctx context.Context, from, commit pg.LSN) (*catalog.Snapshot, []evidence.Gap, error) {
	if err := ev.learn(ctx, from); err != nil {
		return nil, nil, err
	}
	if ev.catalogs == nil || ev.catalogs.history == nil {
		return ev.Snapshot, nil, nil
	}
	later, err := xact.Collect(ctx, ev.Archive, xact.Options{
		Scan:   wal.ScanOptions{From: commit},
		Counts: func(pg.RelFileLocator) bool { return false },
		Keep:   func(*xact.Transaction) bool { return false },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", ev.op("read WAL"), err)
	}
	snapshot, gaps, err := ev.readCatalogs(ctx, ev.catalogs.history, func(xid pg.XID) bool { return later.Outcomes.Get(xid) == xact.Committed })
	return snapshot, append(gaps, ev.catalogs.history.Gaps()...), err
}

// learn reads the destroyed catalog rows from a place of the WAL on, once.
func (ev *Evidence) learn(ctx context.Context, from pg.LSN) error {
	source := ev.catalogs
	if source == nil || ev.Archive == nil || source.history != nil && source.from <= from {
		return nil
	}
	history, err := redo.ReadHistory(ctx, ev.Archive, source.dir, source.control, wal.ScanOptions{
		From: from, Progress: ev.stage("reading the history of the catalogs", ev.Archive.Bytes()),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", ev.op("read the history of the catalogs"), err)
	}
	source.history, source.from = history, from
	return nil
}
