package catalog

import (
	"cmp"
	"slices"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// classVersion is what one version of a pg_class row says of the relation's file.
type classVersion struct {
	file     pg.RelFileLocator
	xmin, by pg.XID
	pages    uint32
	tuples   float32
}

// rewrite names a transaction that filled a transient relation in the place of another.
type rewrite struct {
	relation pg.OID
	by       pg.XID
}

// remember keeps which files a relation had, and which relations were rewritten.
func (d *databaseReader) remember(oid pg.OID, row *classRow, rec *record, f fate) {
	if row.rewrites != 0 { // the transient relation is made and dropped by the one transaction
		d.rewrites[rewrite{row.rewrites, rec.tuple.RawXmin}] = true
		return
	}
	v := classVersion{file: d.file(row), xmin: rec.tuple.RawXmin, by: f.by, pages: row.pages, tuples: row.tuples}
	if v.file.Relation != 0 && !slices.Contains(d.versions[oid], v) {
		d.versions[oid] = append(d.versions[oid], v)
	}
}

// formerFiles are the files that other versions of the relation's row name, and
// which transactions gave them up.
func (d *databaseReader) formerFiles(oid pg.OID, current pg.RelFileLocator) (former []pg.RelFileLocator, changes []FileChange) {
	last := map[pg.RelFileLocator]classVersion{} // the last version with each file
	for _, v := range d.versions[oid] {
		if v.file == current {
			continue
		}
		old, seen := last[v.file]
		if !seen {
			former = append(former, v.file)
		}
		if !seen || old.xmin.Precedes(v.xmin) || old.xmin == v.xmin && (old.by == pg.InvalidXID || old.by.Precedes(v.by)) {
			last[v.file] = v
		}
	}
	slices.SortFunc(former, pg.RelFileLocator.Compare)
	for _, file := range former {
		if by := last[file].by; by != pg.InvalidXID {
			made := d.madeBy(oid, by)
			changes = append(changes, FileChange{
				File: file, By: by, Rewritten: d.rewrites[rewrite{oid, by}],
				Moved: made.Relation != 0 && made.Tablespace != file.Tablespace,
				Pages: last[file].pages, Rows: last[file].tuples,
			})
		}
	}
	return former, changes
}

// madeBy is the file that a transaction gave a relation: its tablespace tells
// whether the relation moved. Zero when no version says so.
func (d *databaseReader) madeBy(oid pg.OID, by pg.XID) pg.RelFileLocator {
	var made pg.RelFileLocator
	for _, v := range d.versions[oid] {
		if v.xmin == by {
			made = v.file
		}
	}
	return made
}

// toastRewrites notes that a TOAST relation is rewritten with its owner: the
// transient relation that says so replaces the owner.
func (d *databaseReader) toastRewrites(relations []Relation) {
	owners := map[pg.OID]pg.OID{}
	for i := range relations {
		if toast := relations[i].Toast; toast != 0 {
			owners[toast] = relations[i].OID
		}
	}
	for i := range relations {
		for j := range relations[i].FileChanges {
			if change := &relations[i].FileChanges[j]; d.rewrites[rewrite{owners[relations[i].OID], change.By}] {
				change.Rewritten = true
			}
		}
	}
}

// sequences lists the user's sequences, those that are gone among them.
func (d *databaseReader) sequences() []Sequence {
	var sequences []Sequence
	for _, found := range []newest[pg.OID, classRow]{d.classes.live, d.classes.gone} {
		for oid, v := range found {
			if v.row.kind != "S" || !d.usersOwn(&v.row) {
				continue
			}
			s := Sequence{
				OID: oid, Schema: d.schema(v.row.namespace), Name: d.readable(v.row.name, "pg_class of "+d.row.name),
				File: d.file(&v.row), DroppedBy: v.by,
			}
			s.FormerFiles, s.FileChanges = d.formerFiles(oid, s.File)
			sequences = append(sequences, s)
		}
	}
	slices.SortFunc(sequences, func(a, b Sequence) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.OID, b.OID))
	})
	return sequences
}
