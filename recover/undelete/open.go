package undelete

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Sources name the evidence to open.
type Sources struct {
	DataDir     string
	WAL         []string // what wal.OpenArchive reads; empty: pg_wal of DataDir
	CatalogFile string   // a snapshot file; "": the catalogs in DataDir
	Also        []string // further data directories and base backups, of the same cluster
	Timeline    pg.TimelineID
	Tablespaces map[pg.OID]string // see heap.DataDir
	Databases   []string          // of DataDir to read; empty: all but templates
	Trail       *evidence.Trail   // remembers the files that are read; may be nil
	Progress    func(stage string, bytes int64) func(done int64)
	Room        string // of the command that asks, which errors begin with; "": undelete
}

// ErrOtherCluster tells that two pieces of evidence come from different clusters.
var ErrOtherCluster = errors.New("the evidence comes from different clusters")

// Open opens a data directory, WAL and catalogs as far as they are there. What
// cannot be read but can be done without is a gap.
func Open(ctx context.Context, s Sources) (*Evidence, []evidence.Gap, error) {
	o := opener{sources: s, ev: &Evidence{Room: s.Room, DataDir: s.DataDir, Tablespaces: s.Tablespaces, Progress: s.Progress, trail: s.Trail}}
	err := o.open(ctx)
	if err != nil {
		return nil, o.gaps, errors.Join(err, o.ev.Close())
	}
	return o.ev, o.gaps, nil
}

// Close closes what Open opened.
func (ev *Evidence) Close() error {
	if ev.Archive == nil {
		return nil
	}
	return ev.Archive.Close()
}

type opener struct {
	sources Sources
	ev      *Evidence
	control *catalog.Control
	gaps    []evidence.Gap
}

func (o *opener) gap(where, what, why, consequence string) {
	o.gaps = append(o.gaps, evidence.Gap{Where: where, What: what, Why: why, Consequence: consequence})
}

func (o *opener) open(ctx context.Context) error {
	if err := o.openDataDir(); err != nil {
		return err
	}
	if err := o.openWAL(ctx); err != nil {
		return err
	}
	if err := o.openCatalog(ctx); err != nil {
		return err
	}
	return o.openAlso()
}

func (o *opener) openCatalog(ctx context.Context) error {
	if o.sources.CatalogFile != "" {
		return o.loadCatalog()
	}
	if o.sources.DataDir == "" {
		return nil
	}
	return o.readCatalog(ctx)
}

func (o *opener) openDataDir() error {
	dir := o.sources.DataDir
	if dir == "" {
		return nil
	}
	if _, err := os.ReadDir(dir); errors.Is(err, fs.ErrPermission) {
		return &evidence.Error{
			Op: o.ev.op("open data directory"), Place: dir, Err: err,
			Hint: "run as a user who may read the data directory, such as the one that owns it, or copy it first",
		}
	}
	var err error
	if o.control, err = catalog.ReadControl(o.ev.dir()); err != nil {
		o.control = nil // said by catalog.Read, which needs it too
		if _, err := catalog.ReadVersion(o.ev.dir()); err != nil {
			return err // it is no data directory at all
		}
	}
	for space := range o.sources.Tablespaces {
		if path, err := o.ev.dir().TablespacePath(space); err != nil {
			return &evidence.Error{
				Op: o.ev.op(fmt.Sprintf("open tablespace %d", space)), Place: path, Err: err,
				Hint: "name the folder that has a folder PG_… in it",
			}
		}
	}
	if o.ev.Clog, err = o.ev.dir().OpenXactLog(); err != nil {
		o.ev.Clog = nil
	}
	if o.ev.Subtrans, err = o.ev.dir().OpenSubTrans(); err != nil {
		o.ev.Subtrans = nil
	}
	if o.ev.Multi, err = o.ev.dir().OpenMultiXact(); err != nil {
		o.ev.Multi = nil
	}
	return nil
}

func (o *opener) openWAL(ctx context.Context) error {
	paths := o.sources.WAL
	if len(paths) == 0 {
		if o.sources.DataDir == "" {
			return nil
		}
		own := filepath.Join(o.sources.DataDir, "pg_wal")
		if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
			consequence := "what was not written to the files yet is not known"
			if o.control != nil && o.control.CleanShutdown { // the files hold everything then
				consequence = "only dead tuples can name what was destroyed"
			}
			o.gap(own, "WAL", "the data directory has no pg_wal", consequence)
			return nil
		}
		paths = []string{own}
	}
	options := wal.OpenOptions{Timeline: o.sources.Timeline, Trail: o.sources.Trail, Progress: o.sources.Progress, Interrupted: ctx.Err}
	if o.control != nil {
		options.SystemIdentifier = o.control.SystemIdentifier
	}
	archive, err := wal.OpenArchive(paths, options)
	switch {
	case err != nil && (len(o.sources.WAL) > 0 || o.sources.Timeline != 0 && errors.Is(err, wal.ErrNoTimeline)):
		return err
	case err != nil:
		o.gap(paths[0], "WAL", err.Error(), "what was not written to the files yet is not known")
		return nil
	}
	o.ev.Archive = archive
	if o.control != nil && len(o.sources.WAL) == 0 && o.control.Checkpoint >= archive.End() {
		o.gap(paths[0], "WAL", fmt.Sprintf("it ends at %s, before the checkpoint at %s that pg_control names", archive.End(), o.control.Checkpoint),
			"what happened behind its end is not known")
	}
	if o.control != nil && archive.SystemIdentifier() != o.control.SystemIdentifier {
		return &evidence.Error{
			Op: o.ev.op("open WAL"), Place: paths[0],
			Err: fmt.Errorf("%w: the WAL has system identifier %d, the data directory %d",
				ErrOtherCluster, archive.SystemIdentifier(), o.control.SystemIdentifier),
			Hint: "give WAL and data directory of the same cluster",
		}
	}
	return nil
}

func (o *opener) loadCatalog() error {
	file, err := openSnapshot(o.sources.CatalogFile)
	if err != nil {
		return &evidence.Error{
			Op: o.ev.op("open snapshot file"), Place: o.sources.CatalogFile, Err: err,
			Hint: "give a file that `pgrescue catalog dump` made",
		}
	}
	defer file.Close()
	o.sources.Trail.Note(o.sources.CatalogFile, evidence.KindCatalog)
	o.ev.Snapshot, err = catalog.Load(file)
	if err != nil {
		return fmt.Errorf("%s: %w", o.sources.CatalogFile, err)
	}
	id := o.ev.Snapshot.SystemIdentifier
	if o.ev.Archive != nil && id != 0 && id != o.ev.Archive.SystemIdentifier() {
		return &evidence.Error{
			Op: o.ev.op("open snapshot file"), Place: o.sources.CatalogFile,
			Err:  fmt.Errorf("%w: the WAL has system identifier %d, the catalogs %d", ErrOtherCluster, o.ev.Archive.SystemIdentifier(), id),
			Hint: "give the catalog file of the cluster that wrote the WAL",
		}
	}
	return nil
}

// openSnapshot opens a snapshot file, which may be a pipe: what a shell makes of
// <(zstdcat FILE). A pipe that nobody writes to is empty, and does not wait; a
// device is refused, because it may have no end.
func openSnapshot(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeNamedPipe {
		return nil, &os.PathError{Op: "open", Path: path, Err: evidence.ErrNotRegular}
	}
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// readCatalog reads the catalogs of the data directory, with the WAL replayed
// over them where there is WAL behind the last checkpoint.
func (o *opener) readCatalog(ctx context.Context) error {
	o.ev.catalogs = &catalogSource{dir: o.ev.dir(), databases: o.sources.Databases, control: o.controlState()}
	if o.ev.Archive != nil {
		if err := o.readOutcomes(ctx); err != nil {
			return err
		}
	}
	snapshot, gaps, err := o.ev.readCatalogs(ctx, nil, nil)
	o.gaps = append(o.gaps, gaps...)
	o.ev.Snapshot = snapshot
	if errors.Is(err, catalog.ErrNoDatabase) && snapshot != nil && o.ev.Archive != nil {
		return nil // told in the gaps; the WAL still names what was destroyed, by file numbers
	}
	return err
}

func (o *opener) controlState() *catalog.ControlState {
	if o.control == nil {
		return nil
	}
	return &o.control.ControlState
}

// readOutcomes learns which transactions ended since the last checkpoint:
// pg_xact on disk may not know yet.
func (o *opener) readOutcomes(ctx context.Context) error {
	var from pg.LSN
	if o.control != nil {
		from = o.control.Redo
	}
	result, err := xact.Collect(ctx, o.ev.Archive, xact.Options{
		Scan:   wal.ScanOptions{From: from},
		Counts: func(pg.RelFileLocator) bool { return false },
		Keep:   func(*xact.Transaction) bool { return false },
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o.ev.op("read WAL"), err)
	}
	o.ev.outcomes = &result.Outcomes
	damaged := func(g wal.Gap) bool { return !g.Doubt }
	o.ev.endsKnown = o.control != nil && from >= o.ev.Archive.Start() &&
		!slices.ContainsFunc(result.Gaps, damaged) && !slices.ContainsFunc(result.Missing, damaged)
	return nil
}

// walStatus tells what the WAL since the last checkpoint says of a transaction.
func (ev *Evidence) walStatus(xid pg.XID) heap.XactStatus {
	if ev.outcomes == nil {
		return heap.XactUnknown
	}
	switch ev.outcomes.Get(xid) {
	case xact.Committed:
		return heap.XactCommitted
	case xact.Aborted:
		return heap.XactAborted
	}
	return heap.XactUnknown
}

// Status tells what became of a transaction: the WAL first, then pg_xact.
func (ev *Evidence) Status(xid pg.XID) heap.XactStatus {
	if !xid.Normal() {
		return heap.XactCommitted
	}
	if status := ev.walStatus(xid); status != heap.XactUnknown {
		return status
	}
	if ev.Clog == nil {
		return heap.XactUnknown
	}
	return ev.Clog.Status(xid)
}
