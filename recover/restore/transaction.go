package restore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// beginSQL begins a transaction that writes. Each statement sees what was committed
// before it, so that what was read while a row is locked is what is there. A commit
// that we noted must outlive a crash of the server.
const beginSQL = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE;
SELECT pg_catalog.set_config('synchronous_commit', 'local', true) WHERE pg_catalog.current_setting('synchronous_commit') = 'off'`

// begin begins the transaction, keeps the tables from being changed, and reads how they are.
func (e *engine) begin(ctx context.Context, tables []int) ([]*place, error) {
	if err := e.conn.Exec(ctx, "begin at", beginSQL); err != nil {
		return nil, err
	}
	if e.replica {
		if err := e.conn.Exec(ctx, "set session_replication_role at", "SET LOCAL session_replication_role = replica"); err != nil {
			return nil, err
		}
	}
	for _, index := range tables {
		table := &e.Plan.Tables[index]
		if err := e.conn.Exec(ctx, "lock table "+table.QualifiedName()+" at", "LOCK TABLE "+table.QualifiedName()+" IN ROW EXCLUSIVE MODE"); err != nil {
			return nil, e.explain(err)
		}
	}
	return e.readPlaces(ctx, tables)
}

// readPlaces reads tables of the plan, within a transaction, and refuses those that
// are not as they were planned for.
func (e *engine) readPlaces(ctx context.Context, tables []int) ([]*place, error) {
	var places []*place
	err := qualified(ctx, e.conn, func() error {
		for _, index := range tables {
			p, err := readPlace(ctx, e.conn, index, &e.Plan.Tables[index])
			if err != nil {
				return err
			}
			places = append(places, p)
		}
		if err := linkForeignKeys(ctx, e.conn, e.card.VersionNumber, places); err != nil {
			return err
		}
		return readLateConstraints(ctx, e.conn, places)
	})
	return places, err
}

// rollback gives the transaction up. That the server may not hear it changes nothing:
// it rolls back when the session ends.
func (e *engine) rollback(ctx context.Context) {
	if e.conn == nil {
		return
	}
	_ = e.conn.Exec(context.WithoutCancel(ctx), "roll back at", "ROLLBACK")
}

// record is where it is noted that a transaction is about to be committed, and then how it ended.
type record interface {
	begun(ctx context.Context, xid pg.FullXID) error
	ended(ctx context.Context, state string) error
}

// batchRecord notes a batch in the case.
type batchRecord struct {
	e *engine
	b casefile.Batch
}

func (r *batchRecord) begun(ctx context.Context, xid pg.FullXID) error {
	r.b.XID = xid
	return r.e.Case.BeginBatch(ctx, r.e.Plan.PlanID, r.b)
}

func (r *batchRecord) ended(ctx context.Context, state string) error {
	return r.e.settled(ctx, r.b, state)
}

// commit notes the transaction, and then commits it in the target. Its id is noted before
// the server can have committed it, so whatever happens in between, the server can be
// asked later.
func (e *engine) commit(ctx context.Context, r record) error {
	if err := e.conn.Exec(ctx, "check deferred constraints at", "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return e.explain(err)
	}
	xid, err := e.currentXID(ctx)
	if err != nil {
		return err
	}
	if err := r.begun(ctx, xid); err != nil {
		return err
	}
	e.at(StageCommit, "")
	// From here on an interruption would only leave us in doubt.
	ctx = context.WithoutCancel(ctx)
	results, err := e.conn.PgConn().Exec(ctx, "COMMIT").ReadAll()
	switch {
	case err == nil && results[len(results)-1].CommandTag.String() != "COMMIT":
		err = errors.New("the server rolled back instead of committing")
		return errors.Join(e.fail(live.ErrRefused, err, ""), r.ended(ctx, casefile.BatchAborted))
	case err == nil:
		return r.ended(ctx, casefile.BatchCommitted)
	}
	if live.Code(err) != "" && !e.conn.PgConn().IsClosed() {
		return errors.Join(e.explain(e.conn.Failure(ctx, "commit at", err)), r.ended(ctx, casefile.BatchAborted))
	}
	return e.resolve(ctx, r, xid, e.conn.Failure(ctx, "commit at", err))
}

// settled notes in the case what became of a batch.
func (e *engine) settled(ctx context.Context, b casefile.Batch, state string) error {
	if err := e.Case.CommitBatch(ctx, e.Plan.PlanID, b.Batch, state); err != nil {
		return fmt.Errorf("the target has %s transaction %d, and the case could not note it: %w", state, b.XID, err)
	}
	if state == casefile.BatchCommitted {
		e.at(StageCommitted, "")
	}
	return nil
}

// resolve finds out what became of a COMMIT whose answer did not come.
func (e *engine) resolve(ctx context.Context, r record, xid pg.FullXID, lost error) error {
	if err := e.connect(ctx); err != nil {
		return errors.Join(e.inDoubt(xid, lost), err)
	}
	state, err := e.fate(ctx, xid)
	if err != nil {
		return errors.Join(e.inDoubt(xid, lost), err)
	}
	if err := r.ended(ctx, state); err != nil {
		return err
	}
	if state != casefile.BatchCommitted {
		return lost
	}
	return nil
}

// inDoubt says that the end of a transaction is not known.
func (e *engine) inDoubt(xid pg.FullXID, lost error) error {
	return failure(e.op, e.Plan.Target.Place(), ErrInDoubt, fmt.Errorf("whether transaction %d was committed is not known: %w", xid, lost),
		"run the command again when the server is back: it asks the server, and neither loses nor repeats a row")
}

// currentXID is the id of the running transaction, with its epoch.
func (e *engine) currentXID(ctx context.Context) (pg.FullXID, error) {
	text, err := e.conn.Value(ctx, "ask for the transaction's id at", "SELECT pg_catalog.txid_current()")
	if err != nil {
		return 0, err
	}
	xid, err := strconv.ParseUint(text, 10, 64)
	return pg.FullXID(xid), err
}

const (
	fateWithin = time.Minute
	fateEvery  = 100 * time.Millisecond
)

// fate asks the server what became of a transaction, and waits while it still runs:
// the server may not have noticed yet that its client is gone.
func (e *engine) fate(ctx context.Context, xid pg.FullXID) (string, error) {
	until := time.NewTimer(fateWithin)
	defer until.Stop()
	tick := time.NewTicker(fateEvery)
	defer tick.Stop()
	for {
		status, err := e.conn.Value(ctx, "ask for the end of a transaction at", "SELECT pg_catalog.txid_status($1::bigint)", strconv.FormatUint(uint64(xid), 10))
		if err != nil {
			return "", e.fail(ErrInDoubt, fmt.Errorf("the server cannot tell what became of transaction %d: %w", xid, err),
				"was the target restored to an earlier time since? plan anew then")
		}
		switch status {
		case "committed":
			return casefile.BatchCommitted, nil
		case "aborted":
			return casefile.BatchAborted, nil
		case "":
			return "", e.fail(ErrInDoubt, fmt.Errorf("transaction %d is too old, the server does not know any more what became of it", xid),
				"`restore verify` says which rows are there; plan anew for the others")
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-until.C:
			return "", e.fail(live.ErrTimeout, fmt.Errorf("transaction %d of an earlier run is still in progress", xid),
				"end its session, which pg_stat_activity shows, or wait")
		case <-tick.C:
		}
	}
}

// explain turns an answer of the server into what it means for the plan.
func (e *engine) explain(err error) error {
	stale, rejected := hintPlanAnew, "nothing was changed; a trigger or a constraint may have changed since the plan was made"
	if e.again != "" {
		stale, rejected = e.again, e.again
	}
	code := live.Code(err)
	switch {
	case code == "":
		return err
	case code == "23505", code == "23503", code == "23P01":
		return e.fail(ErrStale, errors.Unwrap(err), stale)
	case strings.HasPrefix(code, "23"), strings.HasPrefix(code, "22"), strings.HasPrefix(code, "P0"):
		return e.fail(ErrRejected, errors.Unwrap(err), rejected)
	case strings.HasPrefix(code, "40"):
		return e.fail(live.ErrTimeout, errors.Unwrap(err), "others work on the same rows; nothing of this transaction was done, run the command again")
	case code == "42P01", code == "3F000":
		return e.fail(ErrStale, errors.Unwrap(err), stale)
	}
	return err
}
