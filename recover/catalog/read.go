package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Options say what Read reads, and how it decides which rows count.
type Options struct {
	DataDir string
	// Tablespaces says where those lie that the links in pg_tblspc do not lead to.
	Tablespaces map[pg.OID]string
	// Trail remembers the files that are read; may be nil.
	Trail *evidence.Trail
	// Pages is where the pages of catalogs come from; nil means the files in DataDir.
	Pages PageSource
	// Status knows the outcome of transactions; what it does not know is looked
	// up in pg_xact. nil means pg_xact alone.
	Status XactStatusFunc
	// Destroyed gives versions of catalog rows back that the pages do not hold any more; may be nil.
	Destroyed DestroyedRows
	// NotYet, if not nil, names committed transactions that are to count as not having
	// happened. With Destroyed, the result is the catalogs as they were before those.
	NotYet func(pg.XID) bool
	// Databases are the names of those to read; empty means all that accept connections.
	Databases []string
	// Templates adds template databases when Databases is empty.
	Templates bool
}

func (o *Options) dir() heap.DataDir {
	return heap.DataDir{Path: o.DataDir, Tablespaces: o.Tablespaces, Trail: o.Trail}
}

// reader is one run of Read.
type reader struct {
	scanner
	opts   Options
	layout *layout
}

// ErrNoDatabase tells that the catalogs of no database can be read. The snapshot
// beside it knows the cluster, and no tables.
var ErrNoDatabase = errors.New("no database can be read")

// Read reads the catalogs of a data directory. Damage that leaves something to
// work with is told in the Gaps, which are valid beside an error too. It fails
// when the version is not known or not supported, when a database of
// Options.Databases is not there, and when no database can be read.
func Read(ctx context.Context, opts Options) (*Snapshot, []evidence.Gap, error) {
	r, snapshot, err := begin(opts)
	if err != nil {
		return nil, nil, err
	}
	err = r.read(ctx, snapshot)
	if source, ok := r.pages.(interface{ Gaps() []evidence.Gap }); ok {
		r.gaps = append(r.gaps, source.Gaps()...)
	}
	if err != nil && !errors.Is(err, ErrNoDatabase) {
		return nil, r.gaps, err
	}
	return snapshot, r.gaps, err
}

// begin finds out the version and opens what decides about transactions.
func begin(opts Options) (*reader, *Snapshot, error) {
	r := &reader{opts: opts}
	dir := opts.DataDir
	control, controlErr := ReadControl(opts.dir())
	if err := r.chooseLayout(dir, control); err != nil {
		var detailed *evidence.Error
		if errors.As(err, &detailed) {
			return nil, nil, err
		}
		return nil, nil, &evidence.Error{Op: "catalog: open data directory", Place: dir, Err: err}
	}
	snapshot := &Snapshot{Format: SnapshotFormat, Version: r.layout.version, TakenFrom: dir}
	if absolute, err := filepath.Abs(dir); err == nil {
		snapshot.TakenFrom = absolute
	}
	checksums := false
	if controlErr != nil {
		r.gap(filepath.Join(dir, "global", "pg_control"), "control file", controlErr.Error(), "the redo point and the system identifier are not known")
	} else {
		snapshot.SystemIdentifier, snapshot.Control = control.SystemIdentifier, &control.ControlState
		checksums = control.Checksums
		if control.CatalogVersion != r.layout.catalogVersion {
			r.gap(filepath.Join(dir, "global", "pg_control"), "catalog version", fmt.Sprintf("%d instead of %d for PostgreSQL %d",
				control.CatalogVersion, r.layout.catalogVersion, r.layout.version), "the catalogs may have another shape than expected")
		}
	}
	r.pages = opts.Pages
	if r.pages == nil {
		r.pages = NewFiles(opts.dir(), checksums)
	}
	r.destroyed = opts.Destroyed
	r.openXacts(dir)
	return r, snapshot, nil
}

// chooseLayout finds out the version: from pg_control, whose CRC vouches for it,
// or else from PG_VERSION, a text that anything may have written.
func (r *reader) chooseLayout(dir string, control *Control) error {
	version, err := ReadVersion(r.opts.dir())
	if control != nil {
		if l, found := layoutOfCatalogVersion(control.CatalogVersion); found {
			r.layout = l
			switch {
			case err != nil:
				r.gap(filepath.Join(dir, "PG_VERSION"), "version", err.Error(), "the version was taken from pg_control")
			case version != l.version:
				r.gap(filepath.Join(dir, "PG_VERSION"), "version", fmt.Sprintf("it says %d, and pg_control is of %d", version, l.version),
					"the version was taken from pg_control")
			}
			return nil
		}
	}
	if err == nil {
		r.layout, err = layoutOf(version)
	}
	return err
}

// openXacts opens pg_xact and pg_multixact; without them hint bits decide.
func (r *reader) openXacts(dir string) {
	log, err := r.opts.dir().OpenXactLog()
	if err != nil {
		r.gap(filepath.Join(dir, "pg_xact"), "commit log", err.Error(), "hint bits decide which catalog rows count")
	}
	multi, err := r.opts.dir().OpenMultiXact()
	if err != nil {
		r.gap(filepath.Join(dir, "pg_multixact"), "multixacts", err.Error(), "who changed a row that several had locked is not known")
	}
	r.judge = judge{injected: r.opts.Status, log: log, multi: multi, notYet: r.opts.NotYet, assumed: map[pg.XID]heap.XactStatus{}}
}

// read fills the snapshot with databases.
func (r *reader) read(ctx context.Context, snapshot *Snapshot) error {
	databases, err := r.databases(ctx)
	if err != nil {
		return err
	}
	chosen, err := r.choose(databases)
	if err != nil {
		return err
	}
	var failures []error
	for _, row := range chosen {
		db, err := r.readDatabase(ctx, row)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failures = append(failures, err)
			r.gap("database "+row.name, "catalogs", err.Error(), "none of its tables are known")
			continue
		}
		snapshot.Databases = append(snapshot.Databases, *db)
	}
	if len(snapshot.Databases) == 0 {
		return &evidence.Error{
			// The causes are told by their texts: a missing file among them must not look like a missing directory.
			Op: "catalog: read data directory", Place: r.opts.DataDir, Err: fmt.Errorf("%w: %v", ErrNoDatabase, errors.Join(failures...)),
			Hint: "use a snapshot file made by `pgrescue catalog dump` from an intact copy, with --catalog FILE",
		}
	}
	return nil
}

// databases lists pg_database. When it cannot be read, or names none, the
// directories in base stand in, with their OIDs for names.
func (r *reader) databases(ctx context.Context) ([]databaseRow, error) {
	loc := r.sharedFile(databaseOID)
	rows, err := collect(ctx, &r.scanner, &r.layout.database, loc, databaseDecoder(&r.layout.database))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var list []databaseRow
	for _, v := range rows.live {
		v.row.name = r.readable(v.row.name, "pg_database")
		list = append(list, v.row)
	}
	if err != nil || len(list) == 0 {
		list = append(list, r.databaseDirectories()...)
		why := "it names no database"
		if err != nil {
			why = err.Error()
		}
		r.gap("pg_database", "names of databases", why, "databases are named by the OID of their directory")
	}
	slices.SortFunc(list, func(a, b databaseRow) int { return int(int64(a.oid) - int64(b.oid)) })
	return list, nil
}

// databaseDirectories lists the directories in base.
func (r *reader) databaseDirectories() []databaseRow {
	entries, err := os.ReadDir(filepath.Join(r.opts.DataDir, "base"))
	if err != nil {
		return nil // the caller finds no database, and says so
	}
	var list []databaseRow
	for _, entry := range entries {
		number, err := strconv.ParseUint(entry.Name(), 10, 32)
		if err != nil || number == 0 {
			continue
		}
		list = append(list, databaseRow{oid: pg.OID(number), name: entry.Name(), encoding: -1, connectable: true, tablespace: pg.DefaultTablespace})
	}
	return list
}

// choose keeps the databases that Options ask for.
func (r *reader) choose(all []databaseRow) ([]databaseRow, error) {
	if len(r.opts.Databases) == 0 {
		return slices.DeleteFunc(slices.Clone(all), func(row databaseRow) bool {
			return !r.opts.Templates && (row.template || !row.connectable)
		}), nil
	}
	var names []string
	for _, row := range all {
		names = append(names, row.name)
	}
	var chosen []databaseRow
	for _, name := range r.opts.Databases {
		at := slices.Index(names, name)
		if at < 0 {
			return nil, notFound("catalog: find database", name, names)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// sharedFile is the file of a mapped shared catalog.
func (r *reader) sharedFile(catalog pg.OID) pg.RelFileLocator {
	dir := filepath.Join(r.opts.DataDir, "global")
	return r.mapped(pg.RelFileLocator{Tablespace: pg.GlobalTablespace}, catalog, r.relMap(dir))
}

// relMap reads a map of file numbers; nil stands for one that cannot be read.
func (r *reader) relMap(dir string) RelMap {
	m, err := ReadRelMap(dir, r.opts.Trail)
	if err != nil {
		r.gap(relativePath(r.opts.DataDir, filepath.Join(dir, "pg_filenode.map")), "file numbers of catalogs", err.Error(),
			"they are taken to be the numbers that initdb gave")
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return m
}

// mapped names the file of a mapped catalog: from the map, or else the number
// that it had at first.
func (r *reader) mapped(base pg.RelFileLocator, catalog pg.OID, m RelMap) pg.RelFileLocator {
	base.Relation = pg.RelFileNumber(catalog)
	if file := m[catalog]; file != 0 {
		base.Relation = file
	}
	return base
}

// readable makes a name fit for JSON, and says so once it had to.
func (r *reader) readable(name, where string) string {
	text, changed := readableName(name)
	if changed {
		r.gap(where, "name "+text, "it is not in UTF-8", "bytes outside ASCII are shown as \\xNN")
	}
	return text
}
