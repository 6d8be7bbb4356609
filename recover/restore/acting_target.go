package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/recover/live"
)

// decided refuses a plan that leaves something open. No such plan was ever applied, so
// this is for apply alone.
func (e *engine) decided() error {
	if n := e.Plan.Counts()[Conflict]; n > 0 {
		return e.fail(ErrUndecided, fmt.Errorf("%s in conflict with what the target has", counted(n, "row of the plan is", "rows of the plan are")),
			"choose for each table what becomes of them, and plan anew")
	}
	return nil
}

// mayWrite refuses a target that takes no writes.
func (e *engine) mayWrite(ctx context.Context) error {
	if e.card.InRecovery {
		return e.fail(live.ErrReadOnly, errors.New("the server is a standby, or still in recovery"), "connect to the primary")
	}
	e.replica = e.Plan.Replica
	if !e.replica {
		return nil
	}
	// In no transaction: what fails leaves nothing behind.
	err := e.conn.Exec(ctx, "set session_replication_role at", "SET session_replication_role = replica; RESET session_replication_role")
	if errors.Is(err, live.ErrDenied) {
		return e.fail(live.ErrDenied, errors.New("the plan is to be applied with session_replication_role = replica, which this role may not set"),
			"use the role that the plan was made with, or plan anew with this one")
	}
	return err
}

// sight is how the tables of the plan are in the target before anything is done.
type sight struct {
	places []*place
	tied   []bool // the rows of the table's component go in together
}

// examine reads the definitions of the plan's tables, and refuses a plan that was made
// for others.
func (e *engine) examine(ctx context.Context) (*sight, error) {
	e.at(StageCheck, "")
	if err := e.conn.Exec(ctx, "begin at", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	defer e.rollback(ctx)
	all := make([]int, len(e.Plan.Tables))
	for i := range all {
		all[i] = i
	}
	places, err := e.readPlaces(ctx, all)
	if err == nil {
		err = e.refuseDistributed(ctx, places)
	}
	if err != nil {
		return nil, err
	}
	seen := &sight{places, make([]bool, len(places))}
	for i := range places {
		var component []*load
		for j, p := range places {
			if e.Plan.Tables[i].Component == e.Plan.Tables[j].Component {
				component = append(component, &load{place: p})
			}
		}
		// How often the target has a row without a key is compared for the whole table.
		seen.tied[i] = tied(component) || len(places[i].key) == 0
	}
	return seen, nil
}

// checkRights refuses a role that may not do what is to be done, before it is begun.
func (e *engine) checkRights(ctx context.Context, seen *sight, todo map[int]work, sequences bool) error {
	var r rights
	r.need("TEMPORARY on database "+e.card.Database, "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')")
	for _, p := range seen.places {
		r.place(p, todo[p.index], e.replica)
		if !sequences {
			continue
		}
		for _, s := range e.Plan.Tables[p.index].Sequences {
			for _, privilege := range []string{"SELECT", "UPDATE"} {
				r.need(privilege+" on sequence "+s.Name, "pg_catalog.has_sequence_privilege(%s, '%s')", quoteLiteral(s.Name), privilege)
			}
		}
	}
	return r.check(ctx, e.conn, e.op)
}
