package restore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
)

// leafFilesSQL finds the files of tables and their partitions. One without a page has no
// dead tuples to lose.
const leafFilesSQL = `SELECT pg_catalog.format('%s/%s', (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()),
	pg_catalog.pg_relation_filenode(w.oid)), w.root
FROM (SELECT t.relid::pg_catalog.oid AS oid, r.oid AS root FROM pg_catalog.unnest($1::oid[]) AS r(oid),
	LATERAL (SELECT r.oid AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(r.oid)) t) w
WHERE pg_catalog.pg_relation_filenode(w.oid) IS NOT NULL AND pg_catalog.pg_relation_size(w.oid) > 0`

// unsaved lists those of some tables, which are given by their OIDs, whose dead tuples
// nobody has saved: reading a table by SQL prunes its pages. A standby prunes nothing.
// summary is nil when there is no case: then nobody knows that they are not needed.
func unsaved(ctx context.Context, conn *live.Conn, summary *casefile.Summary, tables map[string]readTable) ([]string, error) {
	held := map[string]bool{} // database/file
	if summary != nil {
		for i := range summary.Evidence {
			if _, file, ok := strings.Cut(summary.Evidence[i].RelFile, "/"); ok {
				held[file] = true
			}
		}
	}
	oids := slices.Sorted(maps.Keys(tables))
	missing := map[string]bool{}
	err := conn.Query(ctx, "look for the files of the tables at", leafFilesSQL, oidArray(oids), func(row [][]byte) error {
		if !held[string(row[0])] {
			missing[string(row[1])] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var hurt []string
	for _, oid := range oids {
		if missing[oid] && (summary == nil || !settled(tables[oid].known)) {
			hurt = append(hurt, tables[oid].name)
		}
	}
	return hurt, nil
}

// readTable is a table of the target that is read, and what the case knows of it.
type readTable struct {
	name  string
	known []*casefile.TableSummary
}

// settled reports whether every version that the ledgers of tables name is there in
// whole, and the ledgers name all.
func settled(tables []*casefile.TableSummary) bool {
	for _, table := range tables {
		if len(table.Losses) == 0 || table.Missing > 0 || table.InPart > 0 {
			return false
		}
		for _, loss := range table.Losses {
			if !loss.Covered {
				return false
			}
		}
	}
	return len(tables) > 0
}
