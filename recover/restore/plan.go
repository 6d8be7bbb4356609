package restore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// planFormat is the format of plan.json. It goes up when an older pgrescue would
// misunderstand a newer plan.
const planFormat = 1

// Action is what a plan does with one key.
type Action string

// The actions. PlanRow.Action holds one of them as text.
const (
	// Insert: the target does not have the key.
	Insert Action = casefile.ActionInsert
	// Equal: the target has the row with the same values. Nothing is to be done.
	Equal Action = casefile.ActionEqual
	// Overwrite: the target has the key with other values, and they are replaced.
	// Data is the whole row as it is to be, Before as it is.
	Overwrite Action = casefile.ActionOverwrite
	// Fill: as Overwrite, of columns alone that are NULL in the target.
	Fill Action = casefile.ActionFill
	// Keep: the target has the key with other values, and they stay.
	Keep Action = casefile.ActionKeep
	// Conflict: undecided. Apply refuses the plan until somebody has chosen.
	Conflict Action = casefile.ActionConflict
	// Blocked: the row cannot go in; the note says why.
	Blocked Action = casefile.ActionBlocked
)

// Writes reports whether apply changes the target for it.
func (a Action) Writes() bool { return casefile.ActionWrites(string(a)) }

// Plan is plan.json. The decisions for rows are in the case, under PlanID.
type Plan struct {
	Format int    `json:"format"`
	Case   string `json:"case"` // the case's name
	PlanID int64  `json:"plan_id"`
	// Made is when, Tool by which pgrescue.
	Made   time.Time `json:"made"`
	Tool   string    `json:"tool"`
	Target live.Card `json:"target"`
	// SourceSystemIdentifier is that of the cluster whose loss it is; 0 when the case does not know it.
	SourceSystemIdentifier uint64  `json:"source_system_identifier,string"`
	Options                Options `json:"options"`
	// Replica: the role may set session_replication_role, so no trigger fires.
	Replica bool `json:"session_replication_role_replica"`
	// Tables are in the order in which rows go in: what is referred to first.
	Tables []TablePlan `json:"tables"`
	Notes  []string    `json:"notes,omitempty"`
	// Missing are tables of the case that the target does not have.
	Missing []string `json:"missing_tables,omitempty"`
	// RowsSHA256 is the hash of the plan's rows in the case; SHA256 that of all else here.
	RowsSHA256 string `json:"rows_sha256"`
	SHA256     string `json:"sha256"`
}

// TablePlan is the plan of one table. PlanRow.Table is its index in Plan.Tables.
type TablePlan struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Order  int    `json:"order"`
	// Component is the same for tables that refer to each other in a circle.
	Component int `json:"component"`
	// Columns are those of PlanRow.Data and Before, in their order. Generated ones are not among them.
	Columns []ColumnPlan `json:"columns"`
	// Key are the names of the columns that tell rows apart; none: all of Columns do, as a multiset.
	Key []string `json:"key"`
	// Multiset holds that no unique index tells rows apart: Key is empty.
	Multiset bool             `json:"multiset,omitempty"`
	Counts   map[Action]int64 `json:"counts"`
	Triggers []TriggerPlan    `json:"triggers,omitempty"`
	Rules    []string         `json:"rules,omitempty"`
	// RowSecurity is "", enabled or forced.
	RowSecurity string         `json:"row_security,omitempty"`
	Sequences   []SequencePlan `json:"sequences,omitempty"`
	// Fingerprint is the hash of the target's definition of the table.
	Fingerprint string   `json:"fingerprint"`
	Lacks       []string `json:"lacks,omitempty"` // privileges that the role does not have
	Notes       []string `json:"notes,omitempty"`
}

// ColumnPlan is a column of a TablePlan.
type ColumnPlan struct {
	Name     string `json:"name"`
	Type     string `json:"type"`               // as format_type prints it
	Identity string `json:"identity,omitempty"` // always or default
	NotNull  bool   `json:"not_null,omitempty"`
}

// TriggerPlan is a trigger that writing the rows concerns.
type TriggerPlan struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
	Table      string `json:"table,omitempty"` // a partition, if it is not the table itself
	// Fires tells whether it does when the plan is applied as Plan.Replica says.
	Fires bool `json:"fires"`
}

// SequencePlan is a sequence that gives a column its numbers.
type SequencePlan struct {
	Name   string `json:"name"` // schema and name, quoted
	Column string `json:"column"`
	// To is the value that it must not be behind, which is the last one of the rows.
	To int64 `json:"to"`
	// Down: it counts down, so that behind is above.
	Down bool `json:"down,omitempty"`
}

// QualifiedName is schema and name, quoted.
func (t *TablePlan) QualifiedName() string {
	return pg.QuoteIdentAlways(t.Schema) + "." + pg.QuoteIdentAlways(t.Name)
}

// String is the table for people.
func (t *TablePlan) String() string { return pg.QuoteIdent(t.Schema) + "." + pg.QuoteIdent(t.Name) }

// ColumnNames lists the names of the columns.
func (t *TablePlan) ColumnNames() []string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return names
}

// Counts adds up the actions of all tables.
func (p *Plan) Counts() map[Action]int64 {
	return totals(p.Tables, func(t *TablePlan) map[Action]int64 { return t.Counts })
}

// totals adds up the actions of tables.
func totals[T any](tables []T, counts func(*T) map[Action]int64) map[Action]int64 {
	all := map[Action]int64{}
	for i := range tables {
		for action, n := range counts(&tables[i]) {
			all[action] += n
		}
	}
	return all
}

// seal computes the hash of a plan.
func (p *Plan) seal() (string, error) {
	open := *p
	open.SHA256 = ""
	text, err := json.Marshal(&open)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// header is what the case keeps of a plan: all that is known before its rows are counted.
func (p *Plan) header() ([]byte, error) {
	open := *p
	open.PlanID, open.RowsSHA256, open.SHA256 = 0, "", ""
	return json.Marshal(&open)
}

// Check refuses a plan that is not the one which the case has under its number, with
// the rows that it was made with.
func (p *Plan) Check(ctx context.Context, c *casefile.Case) error {
	const op = "restore: compare the plan with"
	if p.Case != c.ID() {
		return failure(op, c.Dir(), ErrEdited, fmt.Errorf("the plan is of case %s, this is %s", p.Case, c.ID()), "name the plan's case with --case")
	}
	stored, err := c.Plan(ctx, p.PlanID)
	if err != nil {
		return err
	}
	header, err := p.header()
	if err != nil {
		return failure(op, c.Dir(), ErrEdited, err, hintPlanAnew)
	}
	if !bytes.Equal(header, stored.Header) || p.RowsSHA256 != stored.RowsHash {
		return failure(op, c.Dir(), ErrEdited, fmt.Errorf("plan %d was made with other contents", p.PlanID), hintPlanAnew)
	}
	whole, err := c.VerifyPlan(ctx, p.PlanID)
	if err == nil && !whole {
		err = failure(op, c.Dir(), ErrEdited, fmt.Errorf("the rows of plan %d are not those that it was made with", p.PlanID), hintPlanAnew)
	}
	return err
}

const hintPlanAnew = "make a new one with `pgrescue restore plan`"

// Write writes plan.json, whole or not at all.
func (p *Plan) Write(path string) error {
	staged, err := p.Stage(path)
	if err != nil {
		return err
	}
	return staged.Place()
}

const opWritePlan = "restore: write the plan"

// StagedPlan is a plan.json that lies beside its place. Its rows may not be in the case
// yet, and the plan that it replaces may be needed when they never are.
type StagedPlan struct{ temp, path string }

// Stage writes plan.json beside path. Place or Drop ends it.
func (p *Plan) Stage(path string) (_ *StagedPlan, err error) {
	if p.SHA256, err = p.seal(); err != nil {
		return nil, failure(opWritePlan, path, nil, err, "")
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, failure(opWritePlan, path, nil, err, "")
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return nil, failure(opWritePlan, path, nil, err, "")
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, failure(opWritePlan, path, nil, errors.Join(err, os.Remove(file.Name())), "")
	}
	return &StagedPlan{temp: file.Name(), path: path}, nil
}

// Place puts the plan into its place.
func (s *StagedPlan) Place() error {
	if err := os.Rename(s.temp, s.path); err != nil {
		return failure(opWritePlan, s.path, nil, errors.Join(err, s.Drop()), "")
	}
	return nil
}

// Drop removes the plan, and leaves what is in its place.
func (s *StagedPlan) Drop() error {
	return os.Remove(s.temp)
}

// maxPlan bounds the size of plan.json.
const maxPlan = 256 << 20

// Read reads plan.json and refuses one that is not as it was written.
func Read(path string) (*Plan, error) {
	const op = "restore: read the plan"
	file, err := os.Open(path)
	if err != nil {
		return nil, failure(op, path, nil, err, "")
	}
	defer file.Close() //nolint:errcheck // it was read only
	text, err := io.ReadAll(io.LimitReader(file, maxPlan))
	if err != nil {
		return nil, failure(op, path, nil, err, "")
	}
	return parsePlan(op, path, text)
}

func parsePlan(op, path string, text []byte) (*Plan, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, failure(op, path, ErrEdited, fmt.Errorf("it is no plan: %w", err), hintPlanAnew)
	}
	if head.Format != planFormat {
		return nil, failure(op, path, ErrEdited, fmt.Errorf("its format is %d, and this pgrescue knows %d", head.Format, planFormat), hintPlanAnew)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	p := new(Plan)
	if err := decoder.Decode(p); err != nil {
		return nil, failure(op, path, ErrEdited, err, hintPlanAnew)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, failure(op, path, ErrEdited, errors.New("something follows the plan"), hintPlanAnew)
	}
	sum, err := p.seal()
	if err != nil {
		return nil, failure(op, path, ErrEdited, err, hintPlanAnew)
	}
	if sum != p.SHA256 {
		return nil, failure(op, path, ErrEdited, errors.New("it was edited: its hash is another one"), "decide conflicts with the options of `pgrescue restore plan`, which makes a new plan")
	}
	return p, nil
}
