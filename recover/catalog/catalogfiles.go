package catalog

import (
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// CatalogFiles tells which files hold the catalogs that Read reads, in all
// databases: for an overlay, which replays WAL over just these. It goes by what
// is on disk: the maps of file numbers, and every version of the catalogs' rows
// in pg_class, so that one which only the WAL knows to be committed is among
// them; and the number that initdb gave, its OID. destroyed, if not nil, adds the
// versions that are on disk no more. The value is the catalog's name.
func CatalogFiles(ctx context.Context, dir heap.DataDir, destroyed DestroyedRows) (map[pg.RelFileLocator]string, error) {
	r, _, err := begin(Options{DataDir: dir.Path, Tablespaces: dir.Tablespaces, Destroyed: destroyed})
	if err != nil {
		return nil, err
	}
	roles := authidTable()
	files := map[pg.RelFileLocator]string{
		r.sharedFile(databaseOID): r.layout.database.name,
		r.sharedFile(roles.oid):   roles.name,
	}
	databases, err := r.databases(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range r.databaseDirectories() { // one that pg_database on disk does not know yet
		if !slices.ContainsFunc(databases, func(known databaseRow) bool { return known.oid == row.oid }) {
			databases = append(databases, row)
		}
	}
	for _, row := range databases {
		d := &databaseReader{reader: r, row: row}
		// An error means that pg_class cannot be read: then the defaults stand.
		if err := d.readClasses(ctx); err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, t := range append(r.layout.tables(), r.layout.lookupTables()...) {
			files[d.catalogFile(t.oid)] = t.name
			files[d.mapped(d.base, t.oid, d.maps)] = t.name
			files[d.mapped(d.base, t.oid, nil)] = t.name // before VACUUM FULL gave it another one
			for _, v := range d.versions[t.oid] {
				files[v.file] = t.name
			}
		}
	}
	return files, nil
}
