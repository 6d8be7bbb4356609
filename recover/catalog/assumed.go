package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// unsettled are the versions of pg_class rows that give a relation another file, by
// transactions of which no source knows how they ended.
type unsettled struct {
	former map[fileGiven]pg.RelFileLocator   // the file that the transaction took away
	given  map[fileGiven][]pg.RelFileLocator // those that it gave
	names  map[pg.OID]string
}

// fileGiven names a transaction that gave a relation another file.
type fileGiven struct {
	by       pg.XID
	relation pg.OID
}

func newUnsettled() *unsettled {
	return &unsettled{former: map[fileGiven]pg.RelFileLocator{}, given: map[fileGiven][]pg.RelFileLocator{}, names: map[pg.OID]string{}}
}

// note takes a version of a row in.
func (u *unsettled) note(d *databaseReader, oid pg.OID, row *classRow, rec *record) {
	file := d.file(row)
	if file.Relation == 0 || row.persistence == "t" {
		return
	}
	u.names[oid] = row.name
	if by, state := d.judge.deleter(&rec.tuple); state == heap.XactUnknown {
		u.former[fileGiven{by, oid}] = file
	}
	if d.judge.inserted(&rec.tuple) == doubtfulRow {
		key := fileGiven{rec.tuple.RawXmin, oid}
		u.given[key] = append(u.given[key], file)
	}
}

// assume settles by the files themselves what became of transactions that gave
// relations other files: the end of a transaction removes the files that do not count
// any more. It tells what it takes for true, and reports whether that is news.
func (d *databaseReader) assume(u *unsettled) (news bool) {
	keys := slices.SortedFunc(maps.Keys(u.former), func(a, b fileGiven) int {
		return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.relation, b.relation))
	})
	for _, key := range keys {
		former := u.former[key]
		given := slices.DeleteFunc(u.given[key], func(file pg.RelFileLocator) bool { return file == former })
		if _, settled := d.judge.assumed[key.by]; settled || len(given) == 0 {
			continue
		}
		status, why := heap.XactCommitted, "neither file is there"
		there := slices.ContainsFunc(given, func(file pg.RelFileLocator) bool { return d.fileSize(file) >= 0 })
		switch size := d.fileSize(former); {
		case size >= 0 && !there:
			status, why = heap.XactAborted, "the file that it gave is not there, and the one before is"
		case size > 0 && there:
			status, why = heap.XactAborted, "the file before is there, which a commit would have emptied"
		case there: // a removed file stays, emptied, until the next checkpoint
			why = "the file that it gave is there, and the one before is gone"
		}
		taken := "committed"
		if status == heap.XactAborted {
			taken = "rolled back"
		}
		d.judge.assumed[key.by], news = status, true
		d.gap("pg_class of "+d.row.name, fmt.Sprintf("how transaction %d ended, which gave %s another file", key.by, d.readable(u.names[key.relation], "pg_class of "+d.row.name)),
			"neither pg_xact nor hint bits tell", fmt.Sprintf("it is taken for %s: %s", taken, why))
	}
	return news
}

// fileSize is the size of a relation's first segment; -1 without one.
func (d *databaseReader) fileSize(file pg.RelFileLocator) int64 {
	path, err := d.opts.dir().RelationPath(file)
	if err != nil {
		return -1
	}
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}
