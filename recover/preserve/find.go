package preserve

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// findTables finds the hurt tables, and what is below them: at the server, or else in the catalogs of the files.
func (w *work) findTables(ctx context.Context) error {
	names := make([]tableName, 0, len(w.Tables))
	for _, text := range w.Tables {
		folded, exact, err := pg.SplitName(text)
		if err != nil || len(folded) > 2 {
			return &evidence.Error{
				Op: "preserve: find table", Place: text, Err: catalog.ErrBadName,
				Hint: `write it as in SQL: orders, sales.orders, or sales."Order Lines" in quotes of the shell`,
			}
		}
		names = append(names, tableName{text, folded, exact})
	}
	switch {
	case len(names) == 0:
		return nil
	case w.read != nil:
		return w.findAtServer(ctx, names)
	case w.DataDir != "":
		return w.findInFiles(ctx)
	}
	return nil
}

// tableName is a name as somebody typed it, as SQL reads it, and with the letters that it was typed with.
type tableName struct {
	typed         string
	folded, exact []string
}

// findAtServer looks in the database of the connection string, and then in the others.
func (w *work) findAtServer(ctx context.Context, names []tableName) error {
	names, err := w.findIn(ctx, w.read, names)
	if err != nil || len(names) == 0 {
		return err
	}
	var others []string
	err = w.read.Query(ctx, "ask for the databases at", `SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate
		AND datname <> current_database() AND pg_catalog.has_database_privilege(oid, 'CONNECT') ORDER BY 1`, nil, func(row [][]byte) error {
		others = append(others, string(row[0]))
		return nil
	})
	for i := 0; err == nil && i < len(others) && len(names) > 0; i++ {
		conn, failed := w.Server.Open(ctx, others[i], live.Read)
		if failed != nil {
			if ctx.Err() != nil {
				return failed
			}
			continue // pg_hba.conf may not let us in
		}
		names, err = w.findIn(ctx, conn, names)
		conn.Close()
	}
	for _, name := range names {
		w.gone = append(w.gone, name.typed)
	}
	return err
}

// findIn finds tables in one database, and gives those that it does not have.
func (w *work) findIn(ctx context.Context, conn *live.Conn, names []tableName) (rest []tableName, err error) {
	for _, name := range names {
		found, err := findHurt(ctx, conn, name.folded)
		if err == nil && len(found) == 0 && !slices.Equal(name.exact, name.folded) {
			found, err = findHurt(ctx, conn, name.exact)
		}
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			rest = append(rest, name)
		}
		w.addHurt(found)
	}
	return rest, nil
}

// addHurt adds tables, each once: one may be named, and be a partition of another.
func (w *work) addHurt(tables []hurtTable) {
	for _, t := range tables {
		known := false
		for i := range w.hurt {
			known = known || w.hurt[i].database == t.database && w.hurt[i].oid == t.oid
		}
		if !known {
			w.hurt = append(w.hurt, t)
		}
	}
}

// findInFiles reads the catalogs of the data directory, as far as they can be read.
func (w *work) findInFiles(ctx context.Context) error {
	ev, _, err := undelete.Open(ctx, undelete.Sources{DataDir: w.DataDir, Progress: w.Progress, Room: "preserve"})
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		w.lacks("the files of the hurt tables by their names", err.Error())
		return nil
	}
	defer ev.Close() //nolint:errcheck // opened for reading only
	if ev.Snapshot == nil {
		return nil
	}
	for _, name := range w.Tables {
		if !w.findInSnapshot(ev.Snapshot, name) {
			w.gone = append(w.gone, name)
		}
	}
	return nil
}

func (w *work) findInSnapshot(snapshot *catalog.Snapshot, name string) (found bool) {
	for i := range snapshot.Databases {
		db := &snapshot.Databases[i]
		rel, err := db.Table(name)
		if err != nil || rel.DroppedBy != pg.InvalidXID {
			continue
		}
		found = true
		w.addRelation(db, rel)
	}
	return found
}

// addRelation adds a table of the files and what inherits from it.
func (w *work) addRelation(db *catalog.Database, rel *catalog.Relation) {
	t := hurtTable{database: db.Name, oid: rel.OID, toast: rel.Toast, name: rel.QualifiedName(), kind: rel.Kind}
	w.addFile(&t, rel.File)
	for i := range db.Relations {
		other := &db.Relations[i]
		if other.OID == rel.Toast && rel.Toast != 0 {
			w.addFile(&t, other.File)
		}
	}
	w.addHurt([]hurtTable{t})
	for i := range db.Relations {
		for _, parent := range db.Relations[i].Parents {
			if parent == rel.OID && db.Relations[i].DroppedBy == pg.InvalidXID {
				w.addRelation(db, &db.Relations[i])
			}
		}
	}
}

func (w *work) addFile(t *hurtTable, file pg.RelFileLocator) {
	if file.Relation == 0 {
		return
	}
	path, err := heap.DataDir{Path: w.DataDir}.RelationPath(file)
	if err != nil {
		return // its tablespace is not here
	}
	if relative, err := filepath.Rel(w.DataDir, path); err == nil && filepath.IsLocal(relative) {
		t.files = append(t.files, filepath.ToSlash(relative))
	}
}
