package restore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// reads are the names of the tables that are read for the rows of a table, by their OIDs:
// itself, and those that its foreign keys refer to.
func (t *targetTable) reads() map[string]string {
	names := map[string]string{t.oid: t.String()}
	for _, key := range t.keys {
		names[key.parent.oid] = key.parent.name
	}
	return names
}

// checkPages refuses to read tables, whose names it gets by their OIDs, whose dead tuples
// nobody has saved. Without a case nobody can know that they are not needed.
func (l *loader) checkPages(ctx context.Context, names map[string]string) error {
	if l.PagesNotNeeded {
		return nil
	}
	var summary *casefile.Summary
	if l.Loading.Case != nil {
		var err error
		if summary, err = l.Loading.Case.Summary(ctx); err != nil {
			return err
		}
		source, err := strconv.ParseUint(summary.SystemIdentifier, 10, 64)
		if err == nil && source != 0 && source != l.card.SystemIdentifier {
			return nil // the loss is another cluster's
		}
	}
	read := make(map[string]readTable, len(names))
	for oid, name := range names {
		read[oid] = l.readTable(name, summary)
	}
	hurt, err := unsaved(ctx, l.conn(), summary, read)
	if err != nil || len(hurt) == 0 {
		return err
	}
	return l.fail(ErrPagesNeeded, fmt.Errorf("this reads %s, which prunes dead tuples, and nothing holds their pages or every lost row", strings.Join(hurt, ", ")),
		"copy the data directory, or fetch the pages, with --case first, and name the case; or say that they are not needed with --pages-not-needed")
}

// readTable finds what the case knows of a table. The name is quoted where SQL needs it.
func (l *loader) readTable(name string, summary *casefile.Summary) readTable {
	read := readTable{name: name}
	if summary == nil {
		return read
	}
	for i := range summary.Tables {
		table := &summary.Tables[i]
		if (table.Database == l.card.Database || table.Database == "") && (table.RelationName.String() == name || table.PartitionOf.String() == name) {
			read.known = append(read.known, table)
		}
	}
	return read
}
