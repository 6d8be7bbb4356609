package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Errors of Map.
var (
	// ErrNoHeader tells that a header was named that the source does not have.
	ErrNoHeader = errors.New("the source has no such header")
	// ErrNoColumn tells that a column was named that the table does not have.
	ErrNoColumn = errors.New("the table has no such column")
	// ErrTwice tells that two headers were named for one column.
	ErrTwice = errors.New("two headers are named for one column")
	// ErrFilled tells that a column was named that is filled in another way.
	ErrFilled = errors.New("the column is filled in another way")
)

// UNMAPPED is the target of a header that no column takes.
const UNMAPPED = "UNMAPPED"

// How tells why a header goes where it goes.
type How string

// The reasons.
const (
	Exact     How = "exact"   // it is the column's name
	BySynonym How = "synonym" // the profile says so
	Named     How = "named"   // the user said so
)

// MapOptions are what Map needs beside the header.
type MapOptions struct {
	// Named gives headers a column; "" or UNMAPPED: none.
	Named map[string]string
	// Columns are those of the target; nil: not known, the profile's own are believed.
	Columns []Column
}

// Assigned is a header that goes into a column.
type Assigned struct {
	Index      int // in the header
	Header     string
	Target     string
	Confidence float64 // what the application's own table says; 0: nothing
	How        How
	Or         string // another column that it may mean: the application's tables disagree
}

// Suggestion is a column that an unmapped header resembles.
type Suggestion struct {
	Index    int
	Header   string
	Target   string
	Likeness float64
}

// Clash is a header that means a column which another header has taken.
type Clash struct {
	Index  int
	Header string
	Target string
	Taker  string // the header that the column takes
}

// Target is a column of the rows that a Mapping makes.
type Target struct {
	Column
	Source int // of Mapping.Fields; -1: no field, but a default, a value or the unmapped fields
}

// Mapping is a profile applied to one header. It keeps what it converts in one buffer, so it is
// for one goroutine.
type Mapping struct {
	Profile *Profile
	Header  []string
	Fields  []Assigned // in the order of the header
	// Unmapped are the headers that no column takes, clashes and skipped ones included.
	Unmapped    []int
	Skipped     []int // headers that mean nothing to the application
	Clashes     []Clash
	Suggestions []Suggestion
	Identifier  int // the header under which a record names itself; -1: none
	// Targets are the columns that Row gives, in the profile's order; the one for unmapped fields is last.
	Targets []Target

	kept      []int    // the headers whose fields go into the column for unmapped ones
	keptNames [][]byte // of kept: JSONName
	plans     []plan
	late      []int // plans that need more than their field
	losses    []Loss
	zones     []Loss // times that are kept without their zone
	short     []Loss
	buf       []byte
	cooked    []byte
	refuse    Refusal
}

// Map applies the profile to the header of a source.
func (p *Profile) Map(header []string, opts MapOptions) (*Mapping, error) {
	m := &Mapping{Profile: p, Header: header, Identifier: p.identifier(header)}
	a := assigner{Mapping: m, columns: opts.Columns, taken: map[string]int{}, done: make([]bool, len(header))}
	if err := a.named(opts.Named); err != nil {
		return nil, err
	}
	a.skip()
	a.exact()
	a.synonyms()
	a.rest()
	slices.SortFunc(m.Fields, func(x, y Assigned) int { return cmp.Compare(x.Index, y.Index) })
	a.targets()
	m.losses, m.zones, m.short = make([]Loss, len(m.plans)), make([]Loss, len(m.plans)), make([]Loss, len(m.plans))
	return m, nil
}

// assigner gives headers to columns, in rounds.
type assigner struct {
	*Mapping
	columns []Column
	taken   map[string]int // column -> header
	done    []bool
}

// usable reports whether the target has a column, and returns what is known of it.
func (a *assigner) usable(name string, optional bool) (Column, bool) {
	if a.columns == nil {
		return Column{Name: name}, !optional
	}
	c := find(a.columns, name)
	if c == nil {
		return Column{}, false
	}
	return *c, !c.Generated
}

// assign gives a header to a column, unless the column is taken.
func (a *assigner) assign(f Assigned) {
	a.done[f.Index] = true
	if taker, taken := a.taken[f.Target]; taken {
		a.Clashes = append(a.Clashes, Clash{f.Index, f.Header, f.Target, a.Header[taker]})
		a.Unmapped = append(a.Unmapped, f.Index)
		return
	}
	a.taken[f.Target] = f.Index
	a.Fields = append(a.Fields, f)
}

// named does what the user said.
func (a *assigner) named(named map[string]string) error {
	headers := make([]string, 0, len(named))
	for h := range named {
		headers = append(headers, h)
	}
	slices.Sort(headers)
	for _, h := range headers {
		target := named[h]
		i := slices.Index(a.Header, h)
		if i < 0 {
			return mapError(h, ErrNoHeader, "the headers are: "+strings.Join(a.Header, ", "))
		}
		if target == "" || target == UNMAPPED {
			a.done[i] = true
			a.Unmapped = append(a.Unmapped, i)
			continue
		}
		r := a.Profile.Rule(target)
		if _, ok := a.usable(target, r == nil || r.Optional); !ok {
			return mapError(fmt.Sprintf("%s=%s", h, target), ErrNoColumn, a.columnsHint())
		}
		if slices.Contains(a.Profile.Given, target) {
			return mapError(fmt.Sprintf("%s=%s", h, target), ErrFilled, "the import path fills the column itself")
		}
		if target == a.Profile.Unmapped {
			return mapError(fmt.Sprintf("%s=%s", h, target), ErrFilled, "the column takes all fields that no other takes, as one JSON object")
		}
		if taker, taken := a.taken[target]; taken {
			return mapError(fmt.Sprintf("%s=%s", h, target), fmt.Errorf("%w: %q has it", ErrTwice, a.Header[taker]), "")
		}
		a.assign(Assigned{Index: i, Header: h, Target: target, How: Named})
	}
	return nil
}

// columnsHint names the columns that there are.
func (a *assigner) columnsHint() string {
	if a.columns == nil {
		return "the profile does not have it, and no catalog says that the table does: give --dsn or --catalog"
	}
	names := make([]string, 0, len(a.columns))
	for i := range a.columns {
		if !a.columns[i].Generated {
			names = append(names, a.columns[i].Name)
		}
	}
	return "the columns are: " + strings.Join(names, ", ")
}

func mapError(place string, err error, hint string) error {
	return &evidence.Error{Op: "mapping: name a column for", Place: place, Err: err, Hint: hint}
}

// skip sets headers aside that mean nothing to the application.
func (a *assigner) skip() {
	for i, h := range a.Header {
		if !a.done[i] && a.Profile.skips(h) {
			a.done[i] = true
			a.Skipped = append(a.Skipped, i)
			a.Unmapped = append(a.Unmapped, i)
		}
	}
}

// forms are the ways in which a header is compared.
func (p *Profile) forms(header string) []string {
	folded := p.folded(header)
	if p.Exact {
		return []string{folded}
	}
	if camel := foldCamel(header); camel != folded {
		return []string{folded, camel}
	}
	return []string{folded}
}

// exact gives headers to the columns of their name.
func (a *assigner) exact() {
	for _, r := range a.Profile.Columns {
		if _, ok := a.usable(r.Column, r.Optional); !ok || r.value != nil {
			continue
		}
		own := a.own(r)
		for i, h := range a.Header {
			// A header that is the column's name to the letter comes before one that only folds to it.
			if !a.done[i] && h == r.Column {
				a.assign(Assigned{Index: i, Header: h, Target: r.Column, Confidence: own.Confidence, How: Exact, Or: own.Or})
			}
		}
		for i, h := range a.Header {
			if !a.done[i] && slices.Contains(a.Profile.forms(h), a.Profile.folded(r.Column)) {
				a.assign(Assigned{Index: i, Header: h, Target: r.Column, Confidence: own.Confidence, How: Exact, Or: own.Or})
			}
		}
	}
}

// own is what the profile says of a column's own name among its synonyms.
func (a *assigner) own(r *Rule) Synonym {
	for _, s := range r.Synonyms {
		if a.Profile.folded(s.Header) == a.Profile.folded(r.Column) {
			return s
		}
	}
	return Synonym{}
}

// synonyms gives headers to columns as the profile says, first synonym first.
func (a *assigner) synonyms() {
	for _, r := range a.Profile.Columns {
		if _, ok := a.usable(r.Column, r.Optional); !ok {
			continue
		}
		for _, s := range r.Synonyms {
			for i, h := range a.Header {
				if a.done[i] || !slices.Contains(a.Profile.forms(h), a.Profile.folded(s.Header)) {
					continue
				}
				f := Assigned{Index: i, Header: h, Target: r.Column, Confidence: s.Confidence, How: BySynonym, Or: s.Or}
				a.assign(f)
			}
		}
	}
}

// rest finds suggestions for what is left.
func (a *assigner) rest() {
	for i, h := range a.Header {
		if a.done[i] {
			continue
		}
		a.Unmapped = append(a.Unmapped, i)
		if names(a.Profile.UnmappedHeaders, h) || a.Profile.Exact || i == a.Identifier {
			continue
		}
		if s, ok := a.suggest(h); ok {
			s.Index = i
			a.Suggestions = append(a.Suggestions, s)
		}
	}
	slices.Sort(a.Unmapped)
}

// targets lists the columns of the rows.
func (a *assigner) targets() {
	add := func(c Column, source int, r *Rule) {
		a.Targets = append(a.Targets, Target{Column: c, Source: source})
		a.plans = append(a.plans, a.plan(c, source, r))
	}
	for _, r := range a.Profile.Columns {
		c, ok := a.usable(r.Column, r.Optional)
		if !ok {
			continue
		}
		source := slices.IndexFunc(a.Fields, func(f Assigned) bool { return f.Target == r.Column })
		if source >= 0 || len(r.defaults) > 0 || r.value != nil {
			add(c, source, r)
		}
	}
	for i := range a.Fields { // columns that the user named and the profile does not know
		if name := a.Fields[i].Target; a.Profile.Rule(name) == nil {
			c, _ := a.usable(name, false)
			add(c, i, &Rule{Column: name})
		}
	}
	a.settle()
	a.kept = a.Unmapped
	if a.Profile.UnmappedAll {
		a.kept = make([]int, len(a.Header))
		for i := range a.kept {
			a.kept[i] = i
		}
	}
	if c, ok := a.usable(a.Profile.Unmapped, false); ok && a.Profile.Unmapped != "" && len(a.kept) > 0 {
		for _, i := range a.kept {
			a.keptNames = append(a.keptNames, JSONName(a.Header[i]))
		}
		a.Targets = append(a.Targets, Target{Column: c, Source: -1})
		a.late = append(a.late, len(a.plans))
		a.plans = append(a.plans, plan{field: -1, rest: true})
	}
}
