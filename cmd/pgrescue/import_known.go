package main

import (
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// mayRead refuses to read the target's tables while reading would destroy what nobody holds
// yet: their dead tuples.
func (r *importRun) mayRead(ctx context.Context, tables ...*restore.TableShape) error {
	t := r.target
	if t.conn == nil {
		return nil
	}
	loading := restore.Loading{Conn: t.conn, PagesNotNeeded: r.options.pages, Case: r.caseFile()}
	return restoreError(restore.MayRead(ctx, loading, tables...))
}

// known finds the ids that are still known of a tenant's imports: those of the receipt, of the
// rows that are there, and of the rows that the case has.
func (r *importRun) known(ctx context.Context, made *importMade, tenant discovery.Tenant, schema *discovery.Schema) (discovery.Known, error) {
	if made.receipt != nil {
		return r.replay(ctx, made, tenant, schema)
	}
	choice, err := discovery.ParseChoice(made.options.importID)
	if err != nil {
		return nil, exitcode.With(exitcode.Usage, err)
	}
	var known []discovery.Known
	if r.target.conn != nil {
		ids, err := discovery.Lookup(ctx, r.target.conn, schema, tenant, choice)
		if err != nil {
			return nil, restoreError(err)
		}
		r.except(ids, made, tenant)
		made.notes = append(made.notes, ids.Notes()...)
		known = append(known, ids)
	}
	if r.found != nil {
		ids, err := r.knownToCase(ctx, tenant, choice, schema)
		if err != nil {
			return nil, err
		}
		r.except(ids, made, tenant)
		made.notes = append(made.notes, ids.Strangers()...)
		known = append(known, ids)
	}
	return discovery.Prefer(known...), nil
}

// replay knows what a receipt tells. Where the receipt did not say which import of the file is
// meant, the target must not have another one: somebody may have imported the file by hand since.
func (r *importRun) replay(ctx context.Context, made *importMade, tenant discovery.Tenant, schema *discovery.Schema) (discovery.Known, error) {
	var there *discovery.Ids
	if r.target.conn != nil && made.options.importID == "" && made.Head().Part == "" { // sheets share a name
		var err error
		if there, err = discovery.Lookup(ctx, r.target.conn, schema, tenant, discovery.Choice{}); err != nil {
			return nil, restoreError(err)
		}
		r.except(there, made, tenant)
	}
	known, err := discovery.Replay(made.receipt.IDs, made.receipt.Known, there)
	return known, exitcode.With(exitcode.Usage, err)
}

// except leaves out what other lists of this run are made into: sheets of one workbook have its
// name, and may have as many records.
func (r *importRun) except(ids *discovery.Ids, made *importMade, tenant discovery.Tenant) {
	own := discovery.MadeID(tenant, made.Head())
	for _, other := range r.lists {
		if id := discovery.MadeID(tenant, other.Head()); id != own {
			ids.Except(id)
		}
	}
}

// beside is a list among the others of the run, whose assets it finds as if they were there already.
// A receipt tells all ids that were known when it was written. A case takes the rows of each file
// for themselves: restore plan compares them.
func (r *importRun) beside(made *importMade, tenant discovery.Tenant) *discovery.Beside {
	if len(r.lists) < 2 || made.receipt != nil || r.intoCase || r.options.via != "sql" {
		return nil
	}
	client, engagement, _ := tenant.Texts() // an asset is found by whoever imports
	whose := client + " " + engagement
	if r.together[whose] == nil {
		r.together[whose] = discovery.NewTogether()
	}
	return r.together[whose].Another()
}

// knownToCase learns from the rows that the case has of the application's tables.
func (r *importRun) knownToCase(ctx context.Context, tenant discovery.Tenant, choice discovery.Choice, schema *discovery.Schema) (*discovery.Ids, error) {
	ids := discovery.FromRows(tenant, choice)
	relations, err := r.found.file.Relations(ctx)
	if err != nil {
		return nil, libraryError(err)
	}
	for i := range relations {
		relation := &relations[i]
		ours := slices.Contains(discovery.Names(), relation.Name) && (schema == nil || relation.Schema == "" || relation.Schema == schema.Name)
		if !ours || r.target.database != "" && relation.Database != "" && relation.Database != r.target.database {
			continue
		}
		for candidate, err := range r.found.file.Candidates(ctx, []int64{relation.ID}, []string{"id"}) {
			if err != nil {
				return nil, libraryError(err)
			}
			if err := ids.Put(&candidate.Row); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// checkTenant asks whether the tenant is there, unless it is to be made.
func (r *importRun) checkTenant(ctx context.Context, made *importMade, tenant discovery.Tenant) error {
	if r.target.conn == nil || made.options.create || r.checked[tenant] {
		return nil
	}
	if err := discovery.CheckTenant(ctx, r.target.conn, r.options.schema, tenant); err != nil {
		return importError(err)
	}
	r.checked[tenant] = true
	return nil
}
