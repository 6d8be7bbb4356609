package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// OfflinePlan is what Offline wrote.
type OfflinePlan struct {
	Dir      string         `json:"dir"`
	Database string         `json:"database"`
	Tables   []OfflineTable `json:"tables"`
	Notes    []string       `json:"notes,omitempty"`
}

// OfflineTable is one table of it.
type OfflineTable struct {
	Table  string           `json:"table"`
	File   string           `json:"file,omitempty"` // "": no row goes in
	Counts map[Action]int64 `json:"counts"`
	Notes  []string         `json:"notes,omitempty"`
}

// Counts adds up the actions of all tables.
func (p *OfflinePlan) Counts() map[Action]int64 {
	return totals(p.Tables, func(t *OfflineTable) map[Action]int64 { return t.Counts })
}

// offline is one call of Offline.
type offline struct {
	file    *casefile.Case
	options Options
	asOf    moment
	script  *script
	plan    OfflinePlan
}

const opOffline = "restore: plan without a server for"

// Offline makes the decisions that the case alone allows, and writes them as a script
// for psql, which asserts everything else. Only rows that were deleted go in: what
// became of updated ones nobody can tell without the target. With replace the script
// takes the place of another one in the folder.
func Offline(ctx context.Context, file *casefile.Case, dir, tool string, replace bool, options Options) (*OfflinePlan, error) {
	asOf, err := options.asOf()
	if err != nil {
		return nil, failure(opOffline, file.Dir(), ErrChoice, err, "")
	}
	o := &offline{file: file, options: options, asOf: asOf, plan: OfflinePlan{Dir: dir}}
	groups, err := o.groups(ctx)
	if err != nil {
		return nil, err
	}
	head := scriptHead{Database: o.plan.Database, Tool: tool, FireTriggers: options.Triggers, Encoding: groups[0].encoding}
	if !options.OtherCluster {
		if head.SystemIdentifier, err = o.systemIdentifier(ctx); err != nil {
			return nil, err
		}
	}
	if o.script, err = newScript(dir, head, replace); err != nil {
		return nil, err
	}
	defer o.script.discard()
	for _, g := range groups {
		if err := o.table(ctx, g); err != nil {
			return nil, err
		}
	}
	if o.plan.Counts()[Insert] == 0 {
		return &o.plan, failure(opOffline, o.plan.Database, ErrNothing, errors.New("no row can go in"), "the notes of each table say why")
	}
	return &o.plan, o.script.finish()
}

// offlineGroup is a table, or the partitions of one, in the case.
type offlineGroup struct {
	name     evidence.RelationName
	encoding string
	ids      []int64
	shape    *evidence.Relation // the last that was met
}

// groups chooses the database and the tables.
func (o *offline) groups(ctx context.Context) ([]*offlineGroup, error) {
	relations, err := o.file.Relations(ctx)
	if err != nil {
		return nil, err
	}
	if o.plan.Database, err = o.database(relations); err != nil {
		return nil, err
	}
	var groups []*offlineGroup
	for i := range relations {
		r := &relations[i]
		if r.Database != o.plan.Database || len(r.Shapes) == 0 {
			continue
		}
		name := r.RelationName
		if r.PartitionOf.Name != "" {
			name = r.PartitionOf
		}
		at := slices.IndexFunc(groups, func(g *offlineGroup) bool { return g.name == name })
		if at < 0 {
			at = len(groups)
			groups = append(groups, &offlineGroup{name: name})
		}
		g := groups[at]
		g.ids, g.encoding, g.shape = append(g.ids, r.ID), r.Encoding, r.Shapes[len(r.Shapes)-1]
	}
	if len(o.options.Tables) > 0 {
		if groups, err = o.chosen(groups); err != nil {
			return nil, err
		}
	}
	if len(groups) == 0 {
		return nil, failure(opOffline, o.plan.Database, ErrNothing, errors.New("the case has no rows of this database"), hintNameCase)
	}
	slices.SortStableFunc(groups, func(a, b *offlineGroup) int { return strings.Compare(a.name.String(), b.name.String()) })
	return groups, nil
}

// chosen leaves the tables that were asked for.
func (o *offline) chosen(groups []*offlineGroup) ([]*offlineGroup, error) {
	names := make([]evidence.RelationName, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	var left []*offlineGroup
	for _, text := range o.options.Tables {
		folded, exact, err := pg.SplitName(text)
		if err != nil {
			return nil, failure(opOffline, text, ErrNoTable, err, "write it as in SQL")
		}
		found := tablesNamed(names, folded)
		if len(found) == 0 {
			found = tablesNamed(names, exact)
		}
		switch len(found) {
		case 1:
			left = append(left, groups[slices.Index(names, found[0])])
		case 0:
			return nil, failure(opOffline, text, ErrNoTable, errors.New("the case has no such table"), hintNameCase)
		default:
			return nil, failure(opOffline, text, ErrNoTable, fmt.Errorf("it can be %s or %s", found[0], found[1]), "write the schema too")
		}
	}
	return left, nil
}

// database is the one that was named, or the only one of the case.
func (o *offline) database(relations []casefile.Relation) (string, error) {
	var names []string
	for i := range relations {
		if name := relations[i].Database; len(relations[i].Shapes) > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch {
	case slices.Contains(names, o.options.Database):
		return o.options.Database, nil
	case o.options.Database != "":
		return "", failure(opOffline, o.options.Database, ErrNoTable, errors.New("the case has no rows of this database"), "it has some of "+strings.Join(names, ", "))
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", failure(opOffline, o.file.Dir(), ErrNothing, errors.New("the case has no rows"), "")
	}
	return "", failure(opOffline, o.file.Dir(), ErrChoice, fmt.Errorf("the case has rows of several databases: %s", strings.Join(names, ", ")), "name one with --database")
}

func (o *offline) systemIdentifier(ctx context.Context) (uint64, error) {
	summary, err := o.file.Summary(ctx)
	if err != nil || summary.SystemIdentifier == "" {
		return 0, err
	}
	var system uint64
	if _, err := fmt.Sscan(summary.SystemIdentifier, &system); err != nil {
		return 0, failure(opOffline, o.file.Dir(), nil, fmt.Errorf("the system identifier of the case: %w", err), "")
	}
	return system, nil
}

// table makes the decisions of one table and writes its rows.
func (o *offline) table(ctx context.Context, g *offlineGroup) error {
	shape := &evidence.Relation{RelationName: g.name}
	var columns []ColumnPlan
	var key []string
	for _, c := range g.shape.Columns {
		if c.Generated {
			continue
		}
		shape.Columns = append(shape.Columns, c)
		columns = append(columns, ColumnPlan{Name: c.Name, Type: c.Type})
		if c.Key {
			key = append(key, c.Name)
		}
	}
	t := &offlineRows{offline: o, columns: columns, project: newProjection(columns), out: OfflineTable{Table: g.name.String(), Counts: map[Action]int64{}}, keyed: len(key) > 0, seen: map[foundAt]bool{}, places: map[evidence.Route]int{}}
	into, err := o.script.table(shape, key)
	if err != nil {
		return err
	}
	t.into = into
	group := int64(0)
	for candidate, err := range o.file.Candidates(ctx, g.ids, key) {
		if err != nil {
			return err
		}
		if candidate.Group != group {
			if err := t.decide(); err != nil {
				return err
			}
			group = candidate.Group
		}
		t.add(candidate)
	}
	if err := t.decide(); err != nil {
		return err
	}
	if into.rows() == 0 {
		o.script.drop(into)
	} else {
		t.out.File = into.name
	}
	o.plan.Tables = append(o.plan.Tables, t.out)
	return nil
}

// offlineRows decides the rows of one table, key by key.
type offlineRows struct {
	*offline
	columns  []ColumnPlan
	project  *projection
	keyed    bool
	into     *scriptTable
	out      OfflineTable
	key      []evidence.Value
	versions []version
	// Of a table without a key: the places of equal rows, and how many each route has.
	seen   map[foundAt]bool
	places map[evidence.Route]int
}

// add takes a version of the key. Those that only the destroying transaction ever saw
// are nobody's rows.
func (t *offlineRows) add(c *casefile.Candidate) {
	if c.Intermediate || len(t.options.Routes) > 0 && !slices.Contains(t.options.Routes, c.Route) {
		return
	}
	if !t.keyed {
		at := foundAt{c.RelationID, c.Route, c.TID, c.Xmin, c.Xmax, c.Source, c.Line}
		if t.seen[at] {
			return
		}
		t.seen[at] = true
		t.places[c.Route]++
	}
	if len(t.versions) < mostVersions && (t.keyed || len(t.versions) == 0) {
		t.key = evidence.CloneValues(c.Key)
		t.versions = append(t.versions, t.project.version(c))
	}
}

// decide writes the decision of the versions that were added, and begins anew.
func (t *offlineRows) decide() error {
	versions := t.versions
	t.versions = nil
	if len(versions) == 0 {
		return nil
	}
	defer func() { t.seen, t.places = map[foundAt]bool{}, map[evidence.Route]int{} }()
	if t.keyed && !slices.ContainsFunc(t.key, func(v evidence.Value) bool { return v.State != evidence.Known }) {
		d := decide(versions, t.columns, t.asOf, t.options.Twice)
		return t.put(&d, &versions[0])
	}
	if t.keyed {
		t.leave(Blocked, "a part of the key is not known", int64(len(versions)))
		return nil
	}
	// Without a key rows with the same values are as many as the route that found most of
	// them has places for.
	most := 0
	for _, n := range t.places {
		most = max(most, n)
	}
	for range most {
		d := decide(versions, t.columns, t.asOf, t.options.Twice)
		if err := t.put(&d, &versions[0]); err != nil {
			return err
		}
	}
	return nil
}

// foundAt is where a version of a table without a key was found.
type foundAt struct {
	relation   int64
	route      evidence.Route
	tid        pg.TID
	xmin, xmax pg.XID
	source     string
	line       int64
}

// put writes one row, or counts why not.
func (t *offlineRows) put(d *decision, best *version) error {
	unknown := slices.IndexFunc(d.values, func(v evidence.Value) bool { return v.State == evidence.Unknown })
	switch {
	case d.none:
		return nil
	case d.dispute != "":
		t.leave(Conflict, "routes disagree: "+d.dispute, 1)
	case best.Operation == evidence.OpUpdate:
		t.leave(Conflict, "updated rows are there still; what became of them only a plan with the target can tell", 1)
	case best.Operation == evidence.OpDropColumn:
		t.leave(Blocked, "the rows are there still and lost a column; `pgrescue undelete --format sql` gives its values back", 1)
	case unknown >= 0 && t.options.Unknowns != NullUnknown:
		t.leave(Blocked, fmt.Sprintf("the value of column %s is not known", pg.QuoteIdent(t.columns[unknown].Name)), 1)
	default:
		t.out.Counts[Insert]++
		return t.into.Put(&evidence.Row{Relation: t.into.relation, Values: d.values})
	}
	return nil
}

// mostNotes bounds the notes of a table.
const mostNotes = 100

// leave counts rows that do not go in, with the reason.
func (t *offlineRows) leave(action Action, why string, n int64) {
	t.out.Counts[action] += n
	if !slices.Contains(t.out.Notes, why) && len(t.out.Notes) < mostNotes {
		t.out.Notes = append(t.out.Notes, why)
	}
}
