package restore

import (
	"context"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// MayRead refuses, with ErrPagesNeeded, to read tables of the target whose dead tuples nobody
// has saved, as Load and Compare do before they read any: it is for who reads them before.
// loading.Tables are not looked at; a table that is not there is passed over.
func MayRead(ctx context.Context, loading Loading, names []evidence.RelationName) error {
	loading.Tables = nil
	l := newLoader(loading, true)
	target, found, err := readTables(ctx, l.conn(), names)
	if err != nil {
		return err
	}
	l.target, l.card = target, target.card
	for _, at := range found {
		if table := target.tables[at.oid]; table != nil {
			l.tables = append(l.tables, &loadTable{target: table})
		}
	}
	return l.checkPages(ctx)
}
