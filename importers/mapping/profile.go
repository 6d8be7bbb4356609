package mapping

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ErrProfile tells that a profile is not one: what stands in it, or what is missing.
var ErrProfile = errors.New("not a usable profile")

// Profile is what is known beforehand of the files of an application, and of the table that
// takes their records.
type Profile struct {
	Name        string
	Description string
	Table       evidence.RelationName // the schema may be empty: any
	// Exact compares headers letter by letter; otherwise they are folded, see Fold.
	Exact bool
	// Unmapped is the column that takes, as one JSON object, the fields that no column takes; "": none does.
	Unmapped string
	// UnmappedAll puts the fields that columns take there too.
	UnmappedAll bool
	// UnmappedHeaders are known to have no column; nothing is suggested for them.
	UnmappedHeaders []string
	// Skip are headers that mean nothing to the application, such as id; a star at the end stands for any rest.
	Skip []string
	// Given are columns that whoever makes the rows fills himself: no header may go there.
	Given []string
	// Identifiers are headers under which a record names itself for other records to refer to.
	Identifiers []string
	Columns     []*Rule
	Keys        []Key
	// KeepQuoted takes a text in quotes for a text, though it is a word for NULL: as COPY reads CSV.
	KeepQuoted bool
	Text       []byte // the profile as it was parsed

	nulls []string // words of columns that have none of their own
	steps []step   // conversions of columns that have none of their own
	asApp *Profile
}

// Rule is what a profile says of one column.
type Rule struct {
	Column   string
	Line     int // of the profile
	Synonyms []Synonym
	// Optional: some versions of the table do not have the column.
	Optional bool
	// Lossy: a conversion that fails makes NULL and a Loss instead of a Refusal.
	Lossy bool
	Note  string

	steps    []step     // nil: those of the profile
	nulls    []string   // nil: those of the profile
	defaults []template // the first of which all columns are known
	value    *template  // always, whatever the source says
}

// Synonym is a header that means a column.
type Synonym struct {
	Header string
	// Confidence is what the application's own table says; 0: it says nothing.
	Confidence float64
	// Or names another column that the header may mean: the tables disagree.
	Or   string
	Line int
}

// Key is columns by which a row is known to be there already.
type Key struct {
	Columns []string `json:"columns"`
	// With and Without are columns that the table must have, and must not have, for the key to
	// hold: versions of an application have different ones.
	With    []string `json:"with,omitempty"`
	Without []string `json:"without,omitempty"`
	Line    int      `json:"line"`
}

// Column is a column of the target.
type Column struct {
	Name       string
	Type       string // as format_type prints it
	NotNull    bool
	HasDefault bool
	Generated  bool
	Identity   byte // 'a' always, 'd' by default, 0 none
}

// AsApp is the profile that does what the application did, losses included; nil when the
// profile says nothing of it.
func (p *Profile) AsApp() *Profile { return p.asApp }

// Rule finds what the profile says of a column, or nil.
func (p *Profile) Rule(column string) *Rule {
	for _, r := range p.Columns {
		if r.Column == column {
			return r
		}
	}
	return nil
}

// stepsOf are the conversions of a column.
func (p *Profile) stepsOf(r *Rule) []step {
	if r.steps != nil {
		return r.steps
	}
	return p.steps
}

// nullsOf are the words that mean NULL in a column.
func (p *Profile) nullsOf(r *Rule) []string {
	if r.nulls != nil {
		return r.nulls
	}
	return p.nulls
}

// KeysOf lists the keys that hold for a table with these columns.
func (p *Profile) KeysOf(columns []Column) [][]string {
	var keys [][]string
	for i := range p.Keys {
		if k := &p.Keys[i]; k.holds(columns) && len(k.missing(columns)) == 0 {
			keys = append(keys, k.Columns)
		}
	}
	return keys
}

// holds reports whether a table is of a version that the key is for.
func (k *Key) holds(columns []Column) bool {
	has := func(name string) bool { return find(columns, name) != nil }
	return !slices.ContainsFunc(k.With, func(name string) bool { return !has(name) }) && !slices.ContainsFunc(k.Without, has)
}

// missing lists the key's own columns that a table lacks.
func (k *Key) missing(columns []Column) []string {
	return slices.DeleteFunc(slices.Clone(k.Columns), func(name string) bool { return find(columns, name) != nil })
}

// find finds a column, or nil.
func find(columns []Column, name string) *Column {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &columns[i]
}

// Fold is how headers are compared: lower case, and one underscore for each run of what is
// neither letter nor digit, none at the ends. "CPU (Cores)" is cpu_cores.
func Fold(header string) string {
	var b strings.Builder
	b.Grow(len(header))
	gap := false
	for _, r := range header {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// foldCamel is Fold with an underscore before each capital that follows a small letter:
// osVersion is os_version.
func foldCamel(header string) string {
	var b strings.Builder
	before := utf8.RuneError
	for _, r := range header {
		if unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsDigit(before)) {
			b.WriteByte('_')
		}
		b.WriteRune(r)
		before = r
	}
	return Fold(b.String())
}

// folded is how the profile compares a header.
func (p *Profile) folded(header string) string {
	if p.Exact {
		return header
	}
	return Fold(header)
}

// skips reports whether a header means nothing to the application.
func (p *Profile) skips(header string) bool {
	return slices.ContainsFunc(p.Skip, func(pattern string) bool {
		if prefix, star := strings.CutSuffix(pattern, "*"); star {
			return strings.HasPrefix(header, prefix)
		}
		return p.folded(header) == p.folded(pattern)
	})
}

// identifier finds the header under which a record names itself: the first that the profile lists.
func (p *Profile) identifier(header []string) int {
	for _, name := range p.Identifiers {
		if i := slices.IndexFunc(header, func(h string) bool { return Fold(h) == Fold(name) }); i >= 0 {
			return i
		}
	}
	return -1
}

// names reports whether one of the list is the header.
func names(list []string, header string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return Fold(name) == Fold(header) })
}
