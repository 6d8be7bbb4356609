package restore

import (
	"context"
	"maps"
)

// MayRead refuses, with ErrPagesNeeded, to read tables of the target, as DescribeTables found
// them, whose dead tuples nobody has saved. Load and Compare do so before they read any: it is
// for who reads them before. loading.Tables are not looked at.
func MayRead(ctx context.Context, loading Loading, tables ...*TableShape) error {
	l := newLoader(loading, true)
	var err error
	if l.card, err = l.conn().Card(ctx); err != nil {
		return err
	}
	read := map[string]string{}
	for _, table := range tables {
		maps.Copy(read, table.reads)
	}
	return l.checkPages(ctx, read)
}
