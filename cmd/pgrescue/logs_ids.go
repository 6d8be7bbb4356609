package main

import (
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// loggedIDs gives rows of imports that the case holds the ids that logs tell, where the
// imports have made ones. The rows of logs must be in the case, or put by this run. headers
// are those that logs tell of imports, by their ids, beside rows; may be nil. It returns
// what was found of each import with a made id: for those that were not taken, why not.
func (r *recorder) loggedIDs(ctx context.Context, headers map[string][]string) ([]discovery.LoggedImport, error) {
	if r == nil {
		return nil, nil
	}
	relations, err := r.applicationTables(ctx)
	if err != nil || len(relations) == 0 {
		return nil, err
	}
	ids := discovery.NewLoggedIDs()
	for id, names := range headers {
		ids.Header(id, names)
	}
	for _, route := range []evidence.Route{evidence.RouteLogs, evidence.RouteImport} {
		for i := range relations {
			if err := r.file.Rows(ctx, relations[i].ID, route, ids.Put); err != nil {
				return nil, libraryError(err)
			}
		}
	}
	matches := ids.Match()
	if !slices.ContainsFunc(matches, func(m discovery.LoggedImport) bool { return m.IDs > 0 }) {
		return matches, nil
	}
	for i := range relations {
		if _, err := r.run.Rewrite(relations[i].ID, evidence.RouteImport, ids.Rewrite); err != nil {
			return nil, libraryError(err)
		}
	}
	return matches, nil
}

// applicationTables are the case's tables of the application, in the order in which they tell of each other.
func (r *recorder) applicationTables(ctx context.Context) ([]casefile.Relation, error) {
	relations, err := r.file.Relations(ctx)
	if err != nil {
		return nil, libraryError(err)
	}
	names := discovery.Names()
	relations = slices.DeleteFunc(relations, func(rel casefile.Relation) bool { return !slices.Contains(names, rel.Name) })
	slices.SortStableFunc(relations, func(a, b casefile.Relation) int { return slices.Index(names, a.Name) - slices.Index(names, b.Name) })
	return relations, nil
}
