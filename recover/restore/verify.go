package restore

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Verified is what Verify found.
type Verified struct {
	Tables []VerifiedTable `json:"tables"`
	// Findings is how many rows are not as they should be.
	Findings int64 `json:"findings"`
}

// VerifiedTable is one table of it.
type VerifiedTable struct {
	Table string `json:"table"`
	// Promised rows should be in the target after the plan; Restored of them are.
	Promised int64 `json:"promised"`
	Restored int64 `json:"restored"`
}

// verifier is one call of Verify.
type verifier struct {
	engine
	result Verified
	absent []int64 // rows of the plan that are not as it promises
}

// Verify reads every row back that the plan promises, compares each value, and checks the
// foreign keys of these rows. It writes nothing into the target, and into the case which
// rows are not there: they do not count as restored. The error is ErrDiffers
// when a row is not as it should be; Finding was called for each of them then.
func Verify(ctx context.Context, acting Acting) (*Verified, error) {
	v := &verifier{engine: engine{Acting: acting, op: "restore: verify"}}
	v.Finding = func(f Finding) {
		if f.Seq > 0 && v.step.Stage == StageCompare {
			v.absent = append(v.absent, f.Seq)
		}
		if acting.Finding != nil {
			acting.Finding(f)
		}
	}
	defer v.close()
	err := v.verify(ctx)
	v.result.Findings = v.findings
	return &v.result, err
}

func (v *verifier) verify(ctx context.Context) error {
	if err := v.checkPlan(ctx); err != nil {
		return err
	}
	if err := v.connect(ctx); err != nil {
		return err
	}
	seen, err := v.examine(ctx)
	if err != nil {
		return err
	}
	var r rights
	for _, p := range seen.places {
		r.place(p, work{}, false)
	}
	if err := r.check(ctx, v.conn, v.op); err != nil {
		return err
	}
	for i := range v.Plan.Tables {
		v.step.Total += v.promised(i)
	}
	for _, p := range seen.places {
		if err := v.table(ctx, p); err != nil {
			return err
		}
	}
	if err := v.Case.SetAbsent(ctx, v.Plan.PlanID, v.absent); err != nil {
		return err
	}
	if v.findings > 0 {
		return v.fail(ErrDiffers, fmt.Errorf("%s, such as %s", counted(v.findings, "row is not as it should be", "rows are not as they should be"), v.example), "")
	}
	kept, err := v.Case.Plan(ctx, v.Plan.PlanID)
	if err != nil || kept.State != casefile.PlanApplied {
		return err
	}
	return v.Case.SetPlanState(ctx, v.Plan.PlanID, casefile.PlanVerified)
}

// promises reports whether the plan says that the target has the row, with the values in Data.
func promises(row *casefile.PlanRow) bool { return Action(row.Action).Promises() }

// Promises reports whether the target has the row with the plan's values afterwards.
func (a Action) Promises() bool { return a.Writes() || a == Equal }

// promised is how many rows of a table the plan promises.
func (v *verifier) promised(table int) int64 {
	counts := v.Plan.Tables[table].Counts
	return counts[Insert] + counts[Overwrite] + counts[Fill] + counts[Equal]
}

// table verifies one table.
func (v *verifier) table(ctx context.Context, p *place) error {
	v.at(StageCompare, p.table.name)
	t := VerifiedTable{Table: p.table.name, Promised: v.promised(p.index)}
	var err error
	if len(p.key) == 0 {
		t.Restored, err = v.multiset(ctx, p)
	} else {
		t.Restored, err = v.keyed(ctx, p)
	}
	if err != nil {
		return err
	}
	v.result.Tables = append(v.result.Tables, t)
	if len(p.key) == 0 {
		return nil
	}
	v.at(StageKeys, p.table.name)
	if err := v.checkReferences(ctx, p); err != nil {
		return err
	}
	if counts := v.Plan.Tables[p.index].Counts; counts[Overwrite]+counts[Fill] == 0 {
		return nil
	}
	return v.checkAbandoned(ctx, p, everything())
}

// everything is the span of all rows of a plan.
func everything() *span { return &span{first: 1, last: allRows} }

// keyed compares the rows of a table that has a key, and counts those that are there.
func (v *verifier) keyed(ctx context.Context, p *place) (int64, error) {
	good := int64(0)
	c := newComparison(&v.engine, p, false)
	c.good = func(*expected) { good++ }
	for row, err := range v.rowsOf(ctx, p.index, everything()) {
		if err != nil {
			return 0, err
		}
		if !promises(row) {
			continue
		}
		if err := c.add(ctx, row, row.Data); err != nil {
			return 0, err
		}
		v.advance(1, 0)
	}
	return good, c.flush(ctx)
}

// checkReferences checks that what the promised rows refer to is there.
func (v *verifier) checkReferences(ctx context.Context, p *place) error {
	if len(p.out) == 0 {
		return nil
	}
	keys := newLists(len(p.key))
	var rows []expected
	flush := func() error {
		defer func() { rows = rows[:0] }()
		for i, key := range p.out {
			// Each query empties the lists; all but the last work on a copy.
			list := keys
			if i < len(p.out)-1 {
				list = keys.clone()
			}
			err := list.query(ctx, v.conn, "check foreign key "+key.name+" at", key.danglingSQL(p, &list), func(n int, row [][]byte) error {
				v.find(Finding{
					Table: p.table.name, Seq: rows[n].seq, Key: rows[n].key,
					Why: fmt.Sprintf("foreign key %s: table %s has no row %s", key.name, key.parent.name, row[0]),
				})
				return nil
			})
			if err != nil {
				return err
			}
		}
		keys.reset()
		return nil
	}
	for row, err := range v.rowsOf(ctx, p.index, everything()) {
		if err != nil {
			return err
		}
		if !promises(row) {
			continue
		}
		key := evidence.CloneValues(row.Key)
		keys.add(func(column int) *evidence.Value { return &key[column] })
		if rows = append(rows, expected{seq: row.Seq, key: key}); keys.full() {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// danglingSQL finds rows of a place, by the keys in the lists, that refer to nothing.
func (k *foreignKey) danglingSQL(p *place, keys *lists) string {
	child := p.table
	if k.child.oid != p.table.oid {
		child = k.child
	}
	parent := fmt.Sprintf("SELECT FROM %s p WHERE %s", k.parent.from(), k.matches("p", "t"))
	missing := "NOT EXISTS (" + parent + ")"
	if k.period {
		missing = k.uncovered("t", k.parent.from()+" p")
	}
	return fmt.Sprintf("SELECT k.n, ROW(%s)::text FROM %s JOIN %s t ON %s WHERE %s AND %s",
		k.childColumns("t"), keys.unnested(), child.from(), p.keyed("t"), k.referring("t"), missing)
}

// rowText is values for people.
func rowText(values []evidence.Value) string {
	texts := make([]string, len(values))
	for i := range values {
		switch values[i].State {
		case evidence.Known:
			texts[i] = string(values[i].Text)
		case evidence.Null:
			texts[i] = "NULL"
		default:
			texts[i] = "unknown"
		}
	}
	return "(" + strings.Join(texts, ", ") + ")"
}
