package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// removalText says in the table of transactions what became of whole tables.
func removalText(tables []triage.RemovedTable) string {
	const shown = 3
	var parts []string
	for _, t := range tables[:min(len(tables), shown)] {
		parts = append(parts, fmt.Sprintf("%s %s", t.Loss, t.Table))
	}
	text := strings.Join(parts, ", ")
	if more := len(tables) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// collect lists the transactions. When some removed files that the catalogs at
// hand do not know, the WAL is asked what was dropped, and the list is made anew:
// what took whole tables comes first. Every one that destroyed something is noted.
func (o *walTransactionsOptions) collect(ctx context.Context, ev *undelete.Evidence, progress *stages, found *recorder) (*xact.Result, *triage.Names, error) {
	for again := false; ; again = true {
		names := triage.NewNames(ev.Snapshot)
		puzzled := false
		opts, err := o.collectOptions(ctx, ev, names, &puzzled)
		if err != nil {
			return nil, nil, err
		}
		if found != nil {
			opts.Kept = func(tx *xact.Transaction) error {
				if tx.Destroyed() == 0 && len(tx.Dropped) == 0 {
					return nil
				}
				return found.transactions([]xact.Transaction{*tx}, names)
			}
		}
		opts.Scan.Progress = progress.begin("reading WAL", ev.Archive.BytesFrom(opts.Scan.From))
		result, err := xact.Collect(ctx, ev.Archive, opts)
		if err != nil || again || !puzzled || !ev.HasHistory() {
			return result, names, err
		}
		if err := ev.ReadHistory(ctx, 0); err != nil {
			return nil, nil, err
		}
		if err := found.forgetEvents(); err != nil { // tables have other names now
			return nil, nil, err
		}
	}
}

// files lists all files that a table has or had.
func filesOf(rel *catalog.Relation, files map[pg.RelFileLocator]bool) {
	files[rel.File] = true
	for _, former := range rel.FormerFiles {
		files[former] = true
	}
}
