package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Planning is what it takes to make a plan.
type Planning struct {
	Case    *casefile.Case
	Conn    *live.Conn // for reading
	Options Options
	Tool    string // this pgrescue and its version
	// Progress is called with the table and the number of rows that are decided so far, of
	// all tables; nil: nobody looks.
	Progress func(table string, rows int64)
}

const opPlan = "restore: plan for"

// planner makes one plan.
type planner struct {
	Planning
	target  *targetDB
	summary *casefile.Summary
	asOf    moment
	plan    *Plan
	writer  *casefile.PlanWriter
	tables  []*plannedTable
	byOID   map[string]*plannedTable // partitions too
	seq     int64
	decided int64
	blocked *keySet // rows that are blocked because of a parent, by digestOfRow
	others  map[string]*keySet
	// left are tables of the case that are not restored, by the OID in the target.
	left map[string][]*casefile.TableSummary
}

// plannedTable is a table of the plan on its way.
type plannedTable struct {
	*targetTable
	index     int
	relations []*casefile.TableSummary
	ids       []int64
	plan      *TablePlan
	places    []int // of the plan's columns in targetTable.columns
	key       *targetIndex
	keyAt     []int // places of the key's columns in the plan's columns
	ask       *evaluation
	claims    []*keySet // for each of ask.uniques: values that rows of the plan have
	keyClaims *keySet   // the same of the key, if two texts may be one key; else nil
	refs      []*refSet
	bounds    map[string]int64 // of sequences
	component int
	circle    bool
	noInsert  string // why nothing can be inserted; ""
	wentSince int64  // rows to insert that were there after the loss
}

// Make makes a plan and writes its rows into the case. It only reads the target.
// The plan is not yet in a file: Write does that.
func (p Planning) Make(ctx context.Context) (*Plan, error) {
	m := &planner{Planning: p, byOID: map[string]*plannedTable{}, others: map[string]*keySet{}, left: map[string][]*casefile.TableSummary{}}
	if err := m.checkOptions(); err != nil {
		return nil, err
	}
	plan, err := m.make(ctx)
	return plan, errors.Join(err, m.close())
}

func (m *planner) make(ctx context.Context) (*Plan, error) {
	var err error
	if m.summary, err = m.Case.Summary(ctx); err != nil {
		return nil, err
	}
	m.target = &targetDB{conn: m.Conn}
	if m.target.card, err = m.Conn.Card(ctx); err != nil {
		return nil, err
	}
	if err := m.checkCluster(); err != nil {
		return nil, err
	}
	if !m.Options.Triggers {
		if err := m.target.askReplica(ctx); err != nil {
			return nil, err
		}
	}
	m.plan = &Plan{
		Format: planFormat, Case: m.Case.ID(), Made: time.Now().UTC().Truncate(time.Microsecond), Tool: m.Tool, Target: *m.target.card,
		SourceSystemIdentifier: m.source(), Options: m.Options, Replica: m.target.replica,
	}
	if err := m.Conn.Exec(ctx, opPlan, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, err
	}
	defer func() { _ = m.Conn.Exec(context.WithoutCancel(ctx), opPlan, "ROLLBACK") }() // nothing was written
	if err := m.choose(ctx); err != nil {
		return nil, err
	}
	if err := m.checkPages(ctx); err != nil {
		return nil, err
	}
	return m.fill(ctx)
}

// fill decides every row, and writes the decisions into the case.
func (m *planner) fill(ctx context.Context) (_ *Plan, err error) {
	if m.writer, err = m.Case.NewPlan(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.writer.Abandon())
		}
	}()
	if m.blocked, err = newKeySet(); err != nil {
		return nil, err
	}
	// Every look into a table goes by an index. Without statistics of the rows that we
	// send the planner may think otherwise, and read the whole table for each batch.
	if err := m.Conn.Exec(ctx, opPlan, "SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"); err != nil {
		return nil, err
	}
	for at := 0; at < len(m.tables); {
		end := at + 1
		for end < len(m.tables) && m.tables[end].component == m.tables[at].component {
			end++
		}
		if err := m.planComponent(ctx, m.tables[at:end]); err != nil {
			return nil, err
		}
		at = end
	}
	for _, table := range m.tables {
		table.finish()
	}
	header, err := m.plan.header()
	if err != nil {
		return nil, err
	}
	stored, err := m.writer.Finish(header)
	if err != nil {
		return nil, err
	}
	m.plan.PlanID, m.plan.RowsSHA256 = stored.ID, stored.RowsHash
	m.plan.SHA256, err = m.plan.seal()
	return m.plan, err
}

// close gives back the files for temporary data.
func (m *planner) close() error {
	errs := []error{m.blocked.close()}
	for _, set := range m.others {
		errs = append(errs, set.close())
	}
	for _, table := range m.tables {
		errs = append(errs, table.keyClaims.close())
		for _, set := range table.claims {
			errs = append(errs, set.close())
		}
		for _, ref := range table.refs {
			errs = append(errs, ref.set.close(), ref.strangers.close())
		}
	}
	return errors.Join(errs...)
}

// fail makes an error about the target.
func (m *planner) fail(sentinel, cause error, hint string) error {
	place := m.Conn.Endpoint().String() + "/" + m.Conn.Database()
	return failure(opPlan, place, sentinel, cause, hint)
}

func (m *planner) checkOptions() error {
	var err error
	if m.asOf, err = m.Options.asOf(); err != nil {
		return failure(opPlan, "", ErrChoice, err, "")
	}
	for _, choice := range m.Options.Choices {
		if !slices.Contains([]Resolution{TakeTarget, TakeCase, FillNulls}, choice.Resolution) {
			return failure(opPlan, "", ErrChoice, fmt.Errorf("%q is not one of keep, overwrite and fill", choice.Resolution), "")
		}
	}
	if !slices.Contains([]Unknowns{BlockUnknown, NullUnknown, DefaultUnknown}, m.Options.Unknowns) {
		return failure(opPlan, "", ErrChoice, fmt.Errorf("%q says not what becomes of unknown values", m.Options.Unknowns), "")
	}
	if !slices.Contains([]Twice{TwiceConflict, TwiceFirst, TwiceLast}, m.Options.Twice) {
		return failure(opPlan, "", ErrChoice, fmt.Errorf("%q says not which row is meant", m.Options.Twice), "")
	}
	return nil
}

// source is the system identifier of the cluster that the case is about; 0: not known.
func (m *planner) source() uint64 {
	n, err := strconv.ParseUint(m.summary.SystemIdentifier, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// checkCluster refuses a target that is not the cluster of the evidence, unless somebody said so.
func (m *planner) checkCluster() error {
	source, card := m.source(), m.target.card
	if source == 0 || m.Options.OtherCluster || source == card.SystemIdentifier {
		return nil
	}
	cause := fmt.Errorf("the evidence is of the cluster with system identifier %d, the target has %d", source, card.SystemIdentifier)
	if card.SystemIdentifier == 0 {
		cause = fmt.Errorf("the evidence is of the cluster with system identifier %d, and this role may not ask the target for its own", source)
	}
	return m.fail(ErrOtherCluster, cause, "is it the right server? if rows are to go to another cluster, say so with --other-cluster")
}

// matches reports whether a table is named by one of the options' names.
func matches(name evidence.RelationName, wanted []string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, name.String()) || slices.Contains(wanted, pg.QuoteIdent(name.Name)) ||
		slices.Contains(wanted, name.Name) || slices.Contains(wanted, name.Schema+"."+name.Name)
}
