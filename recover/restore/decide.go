package restore

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// version is a version of a row as one route found it, in the columns of the plan.
type version struct {
	id        int64
	values    []evidence.Value
	successor []evidence.Value  // nil: not known
	origins   []evidence.Origin // of values; nil: Provenance says it of all
	evidence.Provenance
}

// decision is what all routes together say about one key.
type decision struct {
	key       []evidence.Value
	values    []evidence.Value // in the columns of the plan; some may be unknown
	successor []evidence.Value
	from      []int64
	notes     []string
	// dispute says where versions that should be the same differ.
	dispute string
	// rivals are versions of texts that should be the same and have other texts: only the
	// server knows whether these are other values.
	rivals []rival
	// deleted: the row went as a whole, and no update left something in its place.
	deleted bool
	// lived: an update left the row in place, and nothing says that its transaction deleted
	// it afterwards.
	lived bool
	// imported: the row is from a source file, whose columns are not the table's.
	imported bool
	// claimed: nothing but logs tells of the row.
	claimed bool
	// none: nothing of the key was there at the time asked for.
	none bool
}

// mostVersions bounds what is kept of one key. The best come first.
const mostVersions = 256

// moment is a point in the life of rows.
type moment struct {
	time time.Time
	lsn  pg.LSN
}

// after reports whether a version was destroyed after the moment; known is false when
// it does not say when it was.
func (m moment) after(v *version) (later, known bool) {
	switch {
	case m.lsn != 0:
		return v.LSN > m.lsn, v.LSN != 0
	case !m.time.IsZero():
		return v.CommitTime.After(m.time), !v.CommitTime.IsZero()
	}
	return true, true
}

// decide makes one decision of the versions of a key, which come best first: by
// confidence, then by when they were destroyed, the last first.
func decide(versions []version, columns []ColumnPlan, asOf moment, twice Twice) decision {
	versions = alive(versions, asOf)
	if len(versions) == 0 {
		return decision{none: true}
	}
	best := &versions[0]
	same, others := sameVersions(versions)
	d := decision{values: slices.Clone(best.values), successor: best.successor, from: []int64{best.id}}
	d.deleted = best.Operation == evidence.OpDelete || best.Operation == evidence.OpTruncate || best.Operation == evidence.OpDrop
	d.lived = best.Operation == evidence.OpUpdate
	d.imported, d.claimed = best.imported(), best.Confidence == evidence.Claimed
	if len(same) > 0 && placeless(best) {
		same = chooseTwice(&d, append([]*version{best}, same...), twice)
	}
	agreed := []string{string(best.Route)}
	for _, v := range same {
		if at := differs(d.values, v.values); at >= 0 {
			d.dispute = disputed(best, v, columns[at].Name, &d.values[at], &v.values[at])
			d.from = append(d.from, v.id)
			if placeless(best) {
				d.rivals = append(d.rivals, rival{best: *best, version: *v, opens: true})
			}
			continue
		}
		d.from = append(d.from, v.id)
		if route := string(v.Route); !slices.Contains(agreed, route) {
			agreed = append(agreed, route)
		}
		if d.successor == nil {
			d.successor = v.successor
		}
	}
	if claim := claimBeside(best, others); claim != nil && d.hears(best, claim, columns) {
		agreed = append(agreed, string(claim.Route))
	}
	if len(agreed) > 1 {
		d.notes = append(d.notes, "found by "+strings.Join(agreed, " and "))
	}
	for _, v := range append(same, newestClaim(best, others)...) {
		d.fill(v, columns)
	}
	if d.claimed {
		d.notes = append(d.notes, "only claimed: from "+string(best.Route))
	}
	return d
}

// alive leaves the versions that nobody had destroyed at the moment, the one that was
// destroyed next first. Versions of files that do not say when come behind.
func alive(versions []version, asOf moment) []version {
	if asOf == (moment{}) {
		return versions
	}
	var dated, undated []version
	for i := range versions {
		switch later, known := asOf.after(&versions[i]); {
		case !known:
			undated = append(undated, versions[i])
		case later:
			dated = append(dated, versions[i])
		}
	}
	slices.SortStableFunc(dated, func(a, b version) int {
		if a.Confidence != b.Confidence {
			return 0 // they are sorted by it
		}
		return compareDestroyed(&a, &b)
	})
	return append(dated, undated...)
}

func compareDestroyed(a, b *version) int {
	if a.LSN != 0 && b.LSN != 0 {
		return compareNumbers(a.LSN, b.LSN)
	}
	return a.CommitTime.Compare(b.CommitTime)
}

func compareNumbers[N pg.LSN | int64](a, b N) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// imported reports whether a version is from a source file.
func (v *version) imported() bool {
	return v.Route == evidence.RouteImport && v.Confidence == evidence.Derived
}

// placeless reports whether nothing tells where and when a version was: it is from a
// file of texts.
func placeless(v *version) bool { return v.LSN == 0 && v.TID.Offset == 0 }

// sameVersions tells the versions that should be the best one's equals from the others.
func sameVersions(versions []version) (same, others []*version) {
	best := &versions[0]
	for i := 1; i < len(versions); i++ {
		v := &versions[i]
		equal := false
		switch {
		case v.Confidence != best.Confidence:
		case v.Route == evidence.RouteLogs && best.Route == evidence.RouteLogs:
			equal = sameClaim(best, v)
		case placeless(best) || placeless(v):
			// Of two texts none is known to be the newer one.
			equal = placeless(best) && placeless(v)
		case best.TID.Offset != 0 && v.TID.Offset != 0:
			equal = best.TID == v.TID && best.Xmin == v.Xmin
		default:
			equal = best.LSN == v.LSN && best.LSN != 0
		}
		if equal {
			same = append(same, v)
		} else {
			others = append(others, v)
		}
	}
	return same, others
}

// chooseTwice decides between texts that have a key more than once, if somebody said how.
func chooseTwice(d *decision, all []*version, twice Twice) []*version {
	if twice == TwiceConflict {
		return all[1:]
	}
	slices.SortStableFunc(all, func(a, b *version) int {
		if a.Line != b.Line {
			return compareNumbers(a.Line, b.Line)
		}
		return compareNumbers(a.id, b.id)
	})
	chosen := all[0]
	if twice == TwiceLast {
		chosen = all[len(all)-1]
	}
	d.values, d.from = slices.Clone(chosen.values), []int64{chosen.id}
	var equal []*version
	for _, v := range all {
		if v != chosen && differs(chosen.values, v.values) < 0 {
			equal = append(equal, v)
		}
	}
	if len(equal) < len(all)-1 {
		d.notes = append(d.notes, fmt.Sprintf("the key is there %d times; taken from %s", len(all), whereFound(chosen)))
	}
	return equal
}

// differs finds the first column of which two versions know different values; -1: none.
func differs(a, b []evidence.Value) int {
	for i := range a {
		if a[i].State != evidence.Unknown && b[i].State != evidence.Unknown && !equalValue(&a[i], &b[i]) {
			return i
		}
	}
	return -1
}

func equalValue(a, b *evidence.Value) bool {
	return a.State == b.State && (a.State != evidence.Known || bytes.Equal(a.Text, b.Text))
}

// fill takes values that are unknown so far from another version.
func (d *decision) fill(v *version, columns []ColumnPlan) {
	taken := false
	for i := range d.values {
		if d.values[i].State == evidence.Unknown && v.values[i].State != evidence.Unknown {
			d.values[i] = v.values[i]
			d.notes = append(d.notes, fmt.Sprintf("column %s is from %s (%s)", pg.QuoteIdent(columns[i].Name), v.Route, v.whereStands(i)))
			taken = true
		}
	}
	if taken && !slices.Contains(d.from, v.id) {
		d.from = append(d.from, v.id)
	}
}

// whereFound says where a version was found.
func whereFound(v *version) string {
	switch {
	case v.Line != 0:
		return fmt.Sprintf("%s line %d", v.Source, v.Line)
	case v.LSN != 0:
		return "at " + v.LSN.String()
	case v.TID.Offset != 0:
		return "at " + v.TID.String()
	}
	return v.Source
}

// mostShown bounds the values in notes.
const mostShown = 40

// valueText is a value for people.
func valueText(v *evidence.Value) string {
	switch {
	case v.State == evidence.Null:
		return "NULL"
	case v.State == evidence.Unknown:
		return "unknown (" + v.Reason + ")"
	}
	text := []rune(strings.ToValidUTF8(string(v.Text), "�"))
	if len(text) > mostShown {
		return fmt.Sprintf("%q…", string(text[:mostShown]))
	}
	return fmt.Sprintf("%q", string(text))
}

// valuesText is a key for people.
func valuesText(values []evidence.Value) string {
	texts := make([]string, len(values))
	for i := range values {
		texts[i] = valueText(&values[i])
	}
	return "(" + strings.Join(texts, ", ") + ")"
}

// projection gives rows of the case the columns of a plan, by name.
type projection struct {
	columns []ColumnPlan
	places  map[*evidence.Relation][]int
}

func newProjection(columns []ColumnPlan) *projection {
	return &projection{columns: columns, places: map[*evidence.Relation][]int{}}
}

// version copies a candidate.
func (p *projection) version(c *casefile.Candidate) version {
	places := p.places[c.Row.Relation]
	if places == nil {
		places = make([]int, len(p.columns))
		for i := range p.columns {
			places[i] = c.Row.Relation.Column(p.columns[i].Name)
		}
		p.places[c.Row.Relation] = places
	}
	v := version{id: c.ID, Provenance: c.Provenance, values: pick(places, c.Values)}
	if c.Successor != nil {
		v.successor = pick(places, c.Successor)
	}
	if c.Origins != nil {
		v.origins = make([]evidence.Origin, len(places))
		for i, at := range places {
			if at >= 0 {
				v.origins[i] = c.Origins[at]
			}
		}
	}
	return v
}

func pick(places []int, values []evidence.Value) []evidence.Value {
	picked := make([]evidence.Value, len(places))
	for i, at := range places {
		if at < 0 {
			picked[i] = evidence.Value{State: evidence.Unknown, Reason: evidence.ReasonNoColumn}
			continue
		}
		v := values[at]
		picked[i] = evidence.Value{State: v.State, Text: bytes.Clone(v.Text), Reason: v.Reason, Raw: bytes.Clone(v.Raw)}
	}
	return picked
}
