package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Step is one thing that happens to a cluster in a Scenario.
type Step func(ctx context.Context, c *Cluster) error

// SQL is the Step that runs SQL texts in one session, as Exec does.
func SQL(db string, texts ...string) Step {
	return func(ctx context.Context, c *Cluster) error { return c.Exec(ctx, db, texts...) }
}

// Checkpoint is the Step that writes all dirty pages to their files.
func Checkpoint(ctx context.Context, c *Cluster) error { return c.Exec(ctx, "postgres", "CHECKPOINT") }

// Crash is the Step that stops the server at once, with unwritten pages.
func Crash(ctx context.Context, c *Cluster) error { return c.Crash(ctx) }

// Scenario is one row of a table of losses: a cluster is prepared, the rows that
// will be destroyed are copied out, they are destroyed, and then something
// happens to the evidence.
type Scenario struct {
	Name    string
	Options Options
	Prepare []Step
	// Database is where the queries of Doomed run; empty means postgres.
	Database string
	// Doomed has a query for each table that gives the rows about to be destroyed.
	Doomed map[string]string
	Loss   []Step
	// After is what the evidence goes through: a checkpoint, a vacuum, a crash.
	After []Step
}

// Outcome is what a Scenario knows to be true.
type Outcome struct {
	// Doomed is COPY's text of each query of Scenario.Doomed, taken just before the loss.
	Doomed map[string][]byte
	// Before and After bound the loss in the cluster's WAL, time and transactions:
	// every transaction of the loss has Before.NextXID <= xid < After.NextXID.
	Before, After Instant
}

// Instant is a point in a cluster's life.
type Instant struct {
	LSN     pg.LSN    // where the next WAL record went
	NextXID pg.XID    // the next transaction id to be given out
	Time    time.Time // the server's clock, UTC
}

// Run plays the scenario on a started cluster.
func (s *Scenario) Run(ctx context.Context, c *Cluster) (*Outcome, error) {
	db := s.Database
	if db == "" {
		db = "postgres"
	}
	if err := play(ctx, c, s.Prepare); err != nil {
		return nil, fmt.Errorf("cluster: scenario %s: prepare: %w", s.Name, err)
	}
	outcome := &Outcome{Doomed: make(map[string][]byte, len(s.Doomed))}
	for _, table := range slices.Sorted(maps.Keys(s.Doomed)) {
		rows, err := c.CopyOut(ctx, db, s.Doomed[table])
		if err != nil {
			return nil, fmt.Errorf("cluster: scenario %s: copy doomed rows of %s: %w", s.Name, table, err)
		}
		outcome.Doomed[table] = rows
	}
	var err error
	if outcome.Before, err = c.Now(ctx); err != nil {
		return nil, err
	}
	if err := play(ctx, c, s.Loss); err != nil {
		return nil, fmt.Errorf("cluster: scenario %s: loss: %w", s.Name, err)
	}
	if outcome.After, err = c.Now(ctx); err != nil {
		return nil, err
	}
	if err := play(ctx, c, s.After); err != nil {
		return nil, fmt.Errorf("cluster: scenario %s: after the loss: %w", s.Name, err)
	}
	return outcome, nil
}

func play(ctx context.Context, c *Cluster, steps []Step) error {
	for _, step := range steps {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Now asks the server for the present Instant. The query takes no transaction id.
func (c *Cluster) Now(ctx context.Context) (Instant, error) {
	conn, err := c.Connect(ctx, "postgres")
	if err != nil {
		return Instant{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var lsn string
	var next uint64
	var now time.Time
	const query = `SELECT pg_current_wal_insert_lsn()::text, txid_snapshot_xmax(txid_current_snapshot()), clock_timestamp()`
	if err := conn.QueryRow(ctx, query).Scan(&lsn, &next, &now); err != nil {
		return Instant{}, fmt.Errorf("cluster: ask for the present LSN and transaction: %w", err)
	}
	at := Instant{NextXID: pg.FullXID(next).XID(), Time: now.UTC()}
	at.LSN, err = pg.ParseLSN(lsn)
	return at, err
}
