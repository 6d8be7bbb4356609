package redo

import (
	"context"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// History holds the versions of catalog rows that the WAL saw destroyed: what
// tables, columns and types looked like that are gone, whatever VACUUM did to the
// catalogs since. It is a catalog.DestroyedRows.
type History struct {
	versions map[historyKey][]destroyedVersion
	memory   arena
	unknown  int64  // destroyed versions whose page is not known
	why      string // of the first
}

// historyKey names a catalog of a database.
type historyKey struct {
	database pg.OID
	catalog  string
}

type destroyedVersion struct {
	tid pg.TID
	raw []byte
}

// ReadHistory replays the catalogs' pages over a range of the WAL and keeps each
// version of a row that a record destroys. The pages in the data directory are the
// base of those without an image, when its last checkpoint began behind the range's start.
func ReadHistory(ctx context.Context, archive *wal.Archive, dir heap.DataDir, control *catalog.ControlState, scan wal.ScanOptions) (*History, error) {
	var h *History
	// A rewritten pg_class names the files that catalogs had before only in rows that
	// are destroyed: these have to be read before all files are known.
	for known := -1; ; {
		var destroyed catalog.DestroyedRows
		if h != nil {
			destroyed = h
		}
		catalogs, err := CatalogFiles(ctx, archive, dir, destroyed)
		if err != nil {
			return nil, err
		}
		if len(catalogs) == known {
			return h, nil
		}
		known = len(catalogs)
		if h, err = replayHistory(ctx, archive, dir, control, scan, catalogs); err != nil {
			return nil, err
		}
		if !rewritten(catalogs) {
			return h, nil
		}
	}
}

// replayHistory is ReadHistory of the given files.
func replayHistory(
	ctx context.Context, archive *wal.Archive, dir heap.DataDir, control *catalog.ControlState, scan wal.ScanOptions, catalogs map[pg.RelFileLocator]string,
) (*History, error) {
	h := &History{versions: make(map[historyKey][]destroyedVersion)}
	opts := Options{
		Scan:  scan,
		Wants: func(key PageKey) bool { _, wanted := catalogs[key.Relation]; return wanted },
		Destroyed: func(d *Destroyed) (Verdict, error) {
			h.keep(historyKey{d.Key.Relation.Database, catalogs[d.Key.Relation]}, d)
			return Keep, nil
		},
	}
	if base := newFileBase(dir); control != nil && control.Redo >= max(scan.From, archive.Start()) {
		defer base.close()
		opts.Base = base.read
	}
	result, err := Replay(ctx, archive, opts)
	if err != nil {
		return nil, fmt.Errorf("redo: read the history of the catalogs: %w", err)
	}
	return h, result.Close()
}

// keep copies the destroyed version. A page out of a file may be younger than the
// record: then the version counts only if it still lies there.
func (h *History) keep(key historyKey, d *Destroyed) {
	t, err := destroyedTuple(d)
	if err != nil {
		if h.unknown++; h.unknown == 1 {
			h.why = err.Error()
		}
		return
	}
	h.versions[key] = append(h.versions[key], destroyedVersion{
		tid: pg.TID{Block: d.Key.Block, Offset: d.Offset}, raw: h.memory.clone(t.Raw),
	})
}

func destroyedTuple(d *Destroyed) (heap.Tuple, error) {
	if d.Page == nil {
		return heap.Tuple{}, fmt.Errorf("%s", d.Unknown)
	}
	head, err := d.Page.Header()
	if err != nil {
		return heap.Tuple{}, err
	}
	t, err := d.Page.Tuple(head, d.Offset)
	if err == nil && t.Xmax != d.XID && t.Infomask&heap.XmaxIsMulti == 0 {
		err = fmt.Errorf("another row lies at %d", d.Offset)
	}
	return t, err
}

// ReadDestroyed hands out what is known of one catalog of one database, in the
// order in which it was destroyed.
func (h *History) ReadDestroyed(database pg.OID, name string, visit func(tid pg.TID, t *heap.Tuple) error) error {
	for _, v := range h.versions[historyKey{database, name}] {
		t, err := heap.DecodeTuple(v.raw)
		if err != nil {
			continue // the page was sound, so its tuple is damaged: nothing is known of it
		}
		if err := visit(v.tid, &t); err != nil {
			return err
		}
	}
	return nil
}

// Gaps tells what the WAL at hand does not show.
func (h *History) Gaps() []evidence.Gap {
	if h.unknown == 0 {
		return nil
	}
	return []evidence.Gap{{
		Where: "WAL", What: fmt.Sprintf("%d catalog rows that were destroyed", h.unknown), Why: h.why,
		Consequence: "what was dropped then may have no name and no columns",
	}}
}
