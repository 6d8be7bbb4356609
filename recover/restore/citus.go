package restore

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/live"
)

// distributedSQL finds those of some tables that Citus distributes. Its catalog is only
// there with the extension.
const distributedSQL = `SELECT d.logicalrelid::pg_catalog.regclass::text FROM pg_catalog.pg_dist_partition d
WHERE d.logicalrelid::pg_catalog.oid = ANY ($1::oid[]) ORDER BY 1`

// distributed lists those of some tables, by their OIDs, that Citus distributes. Apply and
// undo tell rows apart by where they lie (tableoid, ctid, xmin), which means something
// else on each worker.
func distributed(ctx context.Context, conn *live.Conn, oids []string) ([]string, error) {
	const op = "ask for distributed tables at"
	there, err := conn.Value(ctx, op, "SELECT pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL")
	if err != nil || there != "t" {
		return nil, err
	}
	var names []string
	err = conn.Query(ctx, op, distributedSQL, oidArray(oids), func(row [][]byte) error {
		names = append(names, string(row[0]))
		return nil
	})
	return names, err
}

// hintDistributed is what can be done with tables that Citus distributes.
const hintDistributed = "`pgrescue restore plan --offline` writes a script of statements that Citus takes; psql runs it"

// refuseDistributed refuses a plan with tables that Citus distributes.
func (e *engine) refuseDistributed(ctx context.Context, places []*place) error {
	var oids []string
	for _, p := range places {
		oids = append(oids, p.table.oid)
	}
	names, err := distributed(ctx, e.conn, oids)
	if err != nil || len(names) == 0 {
		return err
	}
	return e.fail(ErrRejected, fmt.Errorf("the tables are distributed by Citus: %s", strings.Join(names, ", ")), hintDistributed)
}

// noteDistributed says in the plan that apply will refuse it.
func (m *planner) noteDistributed(ctx context.Context, oids []string) error {
	names, err := distributed(ctx, m.Conn, oids)
	if len(names) > 0 {
		m.plan.Notes = append(m.plan.Notes, fmt.Sprintf("Citus distributes %s, so apply refuses this plan; `restore plan --offline` writes a script instead", strings.Join(names, ", ")))
	}
	return err
}
