package restore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Loading is what Load and Compare need: rows that come from somewhere else than a case, such
// as a source file, and the target.
type Loading struct {
	Conn *live.Conn // no transaction is open in it
	// Probe opens another session of the same target. It is asked about values that the
	// target may refuse, and about a COMMIT whose answer did not come.
	Probe func(ctx context.Context) (*live.Conn, error)
	// Tables in the order in which rows are read. They go in as foreign keys demand.
	Tables []LoadTable
	// Progress is called now and then; nil: nobody looks.
	Progress func(LoadStep)
	// Refused is called for each row that does not go in; its error ends the work. nil:
	// nobody looks.
	Refused func(LoadRefusal) error
	// DryRun: Load does what Compare does.
	DryRun bool
	// PagesNotNeeded: nobody needs dead tuples of the tables any more, which reading prunes.
	PagesNotNeeded bool
	// Case may hold the pages of the tables; nil: there is none.
	Case *casefile.Case
}

// LoadTable is rows for one table.
type LoadTable struct {
	// Relation has the columns that are given. Others of the target take their defaults.
	Relation *evidence.Relation
	// Keys are columns by which a row is known, beside the primary key: a row that has the
	// same in any of them as one of the target is there.
	Keys [][]string
	// Rows are asked for once.
	Rows iter.Seq2[*evidence.Row, error]
	// Clocks are, by column, regular expressions of what a clock once said, such as .* for a time or
	// "seen": "[^"]*" within JSON. Rows of the target that differ in nothing else are equal. The
	// expressions mean the same to PostgreSQL and to package regexp.
	Clocks map[string]string
	// Update gives a row that is there the values of this one.
	Update bool
}

// LoadStep says how far Load has come.
type LoadStep = Step

// LoadRefusal is a row that does not go in.
type LoadRefusal struct {
	Table evidence.RelationName `json:"table"`
	evidence.Provenance
	Column     string `json:"column,omitempty"`     // whose value it is; "": it is the row
	Constraint string `json:"constraint,omitempty"` // that it violates, as the target names it
	Reason     string `json:"reason"`
	Text       []byte `json:"text,omitempty"` // of the value
}

// LoadDifference is a column of a row that is there with another value.
type LoadDifference struct {
	evidence.Provenance
	Key    string         `json:"key"` // by which the row is known, and its values
	Column string         `json:"column"`
	Theirs evidence.Value `json:"theirs"` // in the target
	Ours   evidence.Value `json:"ours"`   // as the target's type has it
}

// LoadedTable is what became of the rows for one table:
// Read = Inserted + There + Different + Twice + Refused.
type LoadedTable struct {
	evidence.RelationName
	Read int64 `json:"read"`
	// Inserted counts those that went in; of Compare, those that would.
	Inserted int64 `json:"inserted"`
	// There counts those that the target has with the same values in the given columns,
	// Different those that it has with other values, and that were left alone. Updated counts
	// those of Different whose values it was given.
	There     int64 `json:"there"`
	Different int64 `json:"different"`
	Updated   int64 `json:"updated"`
	// Twice counts rows that came before with the same key and the same values.
	Twice       int64            `json:"twice"`
	Refused     int64            `json:"refused"`
	Differences []LoadDifference `json:"-"` // of the first rows of Different
	// Defaults are columns that were not given, and take the target's default or NULL.
	Defaults []string      `json:"defaults,omitempty"`
	Triggers []TriggerPlan `json:"triggers,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
}

// Loaded is what Load or Compare did.
type Loaded struct {
	Target live.Card     `json:"target"`
	Tables []LoadedTable `json:"tables"` // as in Loading
	// XID is the transaction's, Committed when the server had it; Compare has none.
	XID       pg.FullXID `json:"xid,omitempty"`
	Committed time.Time  `json:"committed"`
	Sequences []Moved    `json:"sequences,omitempty"`
	Bytes     int64      `json:"bytes"`
}

// loader is one call of Load or Compare.
type loader struct {
	engine
	Loading
	dry    bool
	target *targetDB
	tables []*loadTable          // as in Loading
	order  []component           // as foreign keys demand
	byOID  map[string]*loadTable // partitions too
	asker  *asker
	// refused is why the server did not take some rows, and wrote how many it did take. hopeless
	// counts those that were refused for no constraint.
	refused         error
	wrote, hopeless int64
	result          *Loaded
}

// Load puts rows into the target in one transaction: all that it takes, and none of those
// that it refuses, each of which is told with the reason. Rows that are there stay as they
// are, so a second call changes nothing.
//
// The error is ErrPagesNeeded when reading the tables would destroy what nobody holds
// yet, ErrNoTable or ErrNoColumn when the target does not have what is named, live.ErrDenied
// when the role may not do it; nothing is in the target then. It is ErrInDoubt when the
// connection was lost at COMMIT and the server cannot be asked.
func Load(ctx context.Context, loading Loading) (*Loaded, error) {
	return newLoader(loading, loading.DryRun).load(ctx)
}

// Compare reads what Load would do, and does none of it. It makes temporary tables, which a
// standby does not have.
func Compare(ctx context.Context, loading Loading) (*Loaded, error) {
	return newLoader(loading, true).load(ctx)
}

func newLoader(loading Loading, dry bool) *loader {
	l := &loader{Loading: loading, dry: dry, byOID: map[string]*loadTable{}, result: &Loaded{Tables: make([]LoadedTable, len(loading.Tables))}}
	l.engine = engine{Acting: Acting{Connect: loading.Probe, Progress: loading.Progress}, op: "restore: load rows into", conn: loading.Conn, again: "nothing was changed; run the command again"}
	if dry {
		l.engine.op = "restore: compare rows with"
	}
	l.asker = &asker{connect: loading.Probe}
	return l
}

func (l *loader) load(ctx context.Context) (*Loaded, error) {
	defer l.close()
	if err := l.prepare(ctx); err != nil {
		return l.result, err
	}
	err := l.transact(ctx)
	l.result.Bytes = l.step.Bytes
	return l.result, err
}

// close gives back what the loader opened itself; the first session is the caller's.
func (l *loader) close() {
	if l.engine.conn != l.Loading.Conn {
		l.engine.close()
	}
	l.asker.close()
	for _, table := range l.tables {
		table.lines.close()
	}
}

// transact does all of it in one transaction.
func (l *loader) transact(ctx context.Context) error {
	err := l.open(ctx)
	if err == nil {
		err = l.fill(ctx)
	}
	if err != nil || l.dry {
		l.rollback(ctx)
		return err
	}
	if err := l.commit(ctx, l); err != nil {
		l.rollback(ctx)
		return err
	}
	return nil
}

// begun and ended take the end of the transaction into the result.
func (l *loader) begun(_ context.Context, xid pg.FullXID) error {
	l.result.XID = xid
	return nil
}

func (l *loader) ended(_ context.Context, state string) error {
	if state == casefile.BatchCommitted {
		l.result.Committed = time.Now().UTC()
		l.at(StageCommitted, "")
	}
	return nil
}

// fill brings all rows into temporary tables, and from there to where they belong.
func (l *loader) fill(ctx context.Context) error {
	for _, table := range l.tables {
		if err := l.stage(ctx, table); err != nil {
			return err
		}
	}
	for _, component := range l.order {
		var tables []*loadTable
		for _, table := range component.tables {
			tables = append(tables, l.byOID[table.oid])
		}
		if err := l.settle(ctx, tables); err != nil {
			return err
		}
	}
	for _, table := range l.tables {
		if err := l.tell(ctx, table); err != nil {
			return err
		}
	}
	if l.dry {
		return nil
	}
	return l.moveSequences(ctx)
}

// Refuse tells of a row that does not go in.
func (l *loader) refuse(table *loadTable, r LoadRefusal) error {
	table.result.Refused++
	if l.Loading.Refused == nil {
		return nil
	}
	r.Table = table.result.RelationName
	return l.Loading.Refused(r)
}

// noColumn is the error of a column that the target does not have.
func (l *loader) noColumn(table *loadTable, name string) error {
	return l.fail(ErrNoColumn, fmt.Errorf("table %s has no column %s", table.target, pg.QuoteIdent(name)),
		"name columns that the table has")
}

var errNoRelation = errors.New("no relation is named")
