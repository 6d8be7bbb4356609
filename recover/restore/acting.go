package restore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
)

// Stage is what apply, verify or undo is doing.
type Stage string

// The stages.
const (
	StageCheck     Stage = "check"     // the plan against the case and the target
	StageCompare   Stage = "compare"   // rows that are there already with the plan
	StageCopy      Stage = "copy"      // rows of the case into temporary tables
	StageWrite     Stage = "write"     // the server writes the rows
	StageKeys      Stage = "keys"      // foreign keys are checked
	StageCommit    Stage = "commit"    // COMMIT is about to be sent
	StageCommitted Stage = "committed" // the target and the case have it
)

// Step says how far apply, verify or undo has come.
type Step struct {
	Stage Stage
	Table string
	Rows  int64 // done in all transactions so far
	Total int64 // that are to be done; 0 when not known yet
	Bytes int64 // sent so far
}

// Acting is what apply, verify and undo need.
type Acting struct {
	Case *casefile.Case
	Plan *Plan
	// Connect opens a session of the target. It is called again when one is lost.
	Connect func(ctx context.Context) (*live.Conn, error)
	// Progress is called now and then; nil: nobody looks.
	Progress func(Step)
	// Finding is called for each row that is not as it should be; nil: nobody looks.
	Finding func(Finding)
}

// Finding is a row that is not as it should be, and why.
type Finding struct {
	Table string           `json:"table"`
	Seq   int64            `json:"seq"` // in the plan; 0: of none of its rows
	Key   []evidence.Value `json:"-"`
	// Columns are those with other values, if that is what is wrong.
	Columns []string `json:"columns,omitempty"`
	Why     string   `json:"why"`
}

// String is the finding on one line.
func (f Finding) String() string {
	if f.Key == nil {
		return f.Table + ": " + f.Why
	}
	return f.Table + " " + rowText(f.Key) + ": " + f.Why
}

// counted is a number with the words for one and for more.
func counted[N int | int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// engine is one apply, verify or undo on its way.
type engine struct {
	Acting
	op       string // for errors, such as "restore: apply to"
	conn     *live.Conn
	card     *live.Card
	replica  bool   // triggers and the server's own foreign key checks are off
	again    string // what to do when the target has changed; "": plan anew
	step     Step
	reported time.Time
	findings int64
	example  Finding // the last one
}

// progressEvery is how often Progress is called within one stage.
const progressEvery = 100 * time.Millisecond

// at tells that a stage begins.
func (e *engine) at(stage Stage, table string) {
	e.step.Stage, e.step.Table = stage, table
	if e.Progress != nil {
		e.reported = time.Now()
		e.Progress(e.step)
	}
}

// advance tells of rows and bytes that are done.
func (e *engine) advance(rows, bytes int64) {
	e.step.Rows += rows
	e.step.Bytes += bytes
	if e.Progress != nil && time.Since(e.reported) >= progressEvery {
		e.reported = time.Now()
		e.Progress(e.step)
	}
}

// find tells of a row that is not as it should be.
func (e *engine) find(f Finding) {
	e.findings++
	e.example = f
	if e.Finding != nil {
		e.Finding(f)
	}
}

// connect opens the session, or opens it again, and checks that it is the plan's target.
func (e *engine) connect(ctx context.Context) error {
	if e.conn != nil {
		e.conn.Close()
		e.conn = nil
	}
	conn, err := e.Connect(ctx)
	if err != nil {
		return err
	}
	e.conn = conn
	if e.card, err = conn.Card(ctx); err != nil {
		return err
	}
	return e.checkTarget()
}

// checkTarget refuses another database than the plan's.
func (e *engine) checkTarget() error {
	planned := &e.Plan.Target
	switch {
	case planned.SystemIdentifier != 0 && e.card.SystemIdentifier != 0 && planned.SystemIdentifier != e.card.SystemIdentifier:
		return e.fail(ErrStale, fmt.Errorf("the plan is for the cluster with system identifier %d, this one has %d",
			planned.SystemIdentifier, e.card.SystemIdentifier), "name the plan's target, or plan anew for this one")
	case planned.Database != e.card.Database:
		return e.fail(ErrStale, fmt.Errorf("the plan is for database %q, this is %q", planned.Database, e.card.Database),
			"name the plan's target, or plan anew for this one")
	}
	return nil
}

func (e *engine) close() {
	if e.conn != nil {
		e.conn.Close()
	}
}

// fail makes an error about the target.
func (e *engine) fail(sentinel, cause error, hint string) error {
	return e.conn.Endpoint().Failure(e.op, sentinel, cause, hint)
}

// rowsOf lists the rows of a table of the plan between two sequence numbers.
func (e *engine) rowsOf(ctx context.Context, table int, s *span) iter.Seq2[*casefile.PlanRow, error] {
	return func(yield func(*casefile.PlanRow, error) bool) {
		for row, err := range e.Case.PlanRows(ctx, e.Plan.PlanID, table, s.first) {
			if err == nil && row.Seq > s.last {
				return
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// checkPlan refuses a plan that is not as it was made.
func (e *engine) checkPlan(ctx context.Context) error {
	e.at(StageCheck, "")
	return e.Plan.Check(ctx, e.Case)
}
