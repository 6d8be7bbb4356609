package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// targets finds the tables that were named, each with the tables that inherit
// from it at any depth, as SQL means a name; only leaves those out, but for
// partitions. A name that several databases hold has to be told apart by --database.
func targets(snapshot *catalog.Snapshot, names []string, only bool) ([]undelete.Target, error) {
	var found []undelete.Target
	for _, name := range names {
		named, err := target(snapshot, name)
		if err != nil {
			return nil, libraryError(err)
		}
		family := named.Database.Family(named.Relation)
		switch {
		case named.Relation.Kind == "p" && len(family) == 0:
			return nil, exitcode.With(exitcode.NotFound, fmt.Errorf("find table %s: it is partitioned, and has no partition now", name))
		case only && named.Relation.Kind != "p":
			family = []*catalog.Relation{named.Relation}
		}
		for _, rel := range family {
			found = append(found, undelete.Target{Database: named.Database, Relation: rel})
		}
	}
	return found, nil
}

// targetsOf finds the tables that were named in the evidence's catalogs. One that
// was dropped, and whose dead rows there are gone, is looked for in the WAL.
func targetsOf(ctx context.Context, ev *undelete.Evidence, names []string, only bool) ([]undelete.Target, error) {
	found, err := targets(ev.Snapshot, names, only)
	if !errors.Is(err, catalog.ErrNotFound) {
		return found, err
	}
	if failed := ev.ReadHistory(ctx, 0); failed != nil {
		return nil, failed
	}
	return targets(ev.Snapshot, names, only)
}

// addOnly adds the flag that leaves children out.
func addOnly(command *cobra.Command, only *bool) {
	command.Flags().BoolVar(only, "only", false, "leave out the tables that inherit from --table, as ONLY does in SQL; partitions stay in")
}

// target finds one table.
func target(snapshot *catalog.Snapshot, name string) (undelete.Target, error) {
	var found []undelete.Target
	var failure error
	for i := range snapshot.Databases {
		db := &snapshot.Databases[i]
		rel, err := db.Table(name)
		switch {
		case err == nil:
			found = append(found, undelete.Target{Database: db, Relation: rel})
		case failure == nil || !errors.Is(err, catalog.ErrNotFound):
			failure = err
		}
	}
	if len(found) == 0 && errors.Is(failure, catalog.ErrNotFound) {
		failure = notFoundAnywhere(snapshot, name)
	}
	switch {
	case len(found) == 0 && failure == nil:
		return undelete.Target{}, exitcode.With(exitcode.NotFound, fmt.Errorf("find table %s: the catalogs hold no database", name))
	case len(found) == 0:
		return undelete.Target{}, failure
	case len(found) > 1:
		var databases []string
		for _, t := range found {
			databases = append(databases, t.Database.Name)
		}
		return undelete.Target{}, exitcode.Usagef("name one with --database", "find table %s: it is in the databases %s", name, strings.Join(databases, ", "))
	}
	return found[0], nil
}

// notFoundAnywhere is the error of a name that no database has. The names close
// to it come from all of them.
func notFoundAnywhere(snapshot *catalog.Snapshot, name string) error {
	var all catalog.Database
	for i := range snapshot.Databases {
		all.Relations = append(all.Relations, snapshot.Databases[i].Relations...)
	}
	_, err := all.Table(name)
	return err
}
