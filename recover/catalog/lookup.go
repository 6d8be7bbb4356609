package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Errors of the lookups; the error that wraps them names the place.
var (
	ErrNotFound  = errors.New("not found")
	ErrAmbiguous = errors.New("name is ambiguous")
	ErrBadName   = errors.New("not a table name")
)

// Database finds a database by its name. The error wraps ErrNotFound and
// lists the closest names. An empty name finds the only database there is.
func (s *Snapshot) Database(name string) (*Database, error) {
	var names []string
	for i := range s.Databases {
		if s.Databases[i].Name == name || name == "" && len(s.Databases) == 1 {
			return &s.Databases[i], nil
		}
		names = append(names, s.Databases[i].Name)
	}
	if name == "" {
		return nil, &evidence.Error{
			Op: "catalog: choose database", Err: ErrAmbiguous, Hint: "name one of: " + strings.Join(names, ", "),
		}
	}
	return nil, notFound("catalog: find database", name, names)
}

// Table finds a table by "name" or "schema.name", each quoted as in SQL where
// needed. A bare name is looked for in schema public first, then in all others.
// A part that is not quoted is folded to lower case, and taken as it is written
// when that finds nothing. The error wraps ErrNotFound, with the closest names,
// ErrAmbiguous, with the candidates, or ErrBadName.
//
// A table that was dropped is found when none that is there has the name.
func (d *Database) Table(name string) (*Relation, error) {
	folded, exact, err := pg.SplitName(name)
	if err == nil && len(folded) > 2 {
		err = fmt.Errorf("name has %d parts, want at most schema and table", len(folded))
	}
	if err != nil {
		return nil, &evidence.Error{
			Op: "catalog: find table", Place: name, Err: fmt.Errorf("%w: %w", ErrBadName, err),
			Hint: `write it as in SQL: orders, sales.orders, or sales."Order Lines" in quotes of the shell`,
		}
	}
	for _, gone := range []bool{false, true} {
		for _, parts := range [][]string{folded, exact} {
			matches := d.matches(parts, gone)
			switch {
			case len(matches) == 1:
				return matches[0], nil
			case len(matches) > 1:
				return nil, ambiguous(name, matches)
			}
		}
	}
	var names []string
	for i := range d.Relations {
		if d.Relations[i].Kind != "t" {
			names = append(names, d.Relations[i].QualifiedName())
		}
	}
	return nil, notFound("catalog: find table", name, names)
}

// QualifiedName is schema and name, quoted where SQL needs it.
func (r *Relation) QualifiedName() string {
	return evidence.RelationName{Schema: r.Schema, Name: r.Name}.String()
}

// Label is the name for people: it tells a dropped relation from one of the same
// name that is there.
func (r *Relation) Label() string {
	if r.DroppedBy == pg.InvalidXID {
		return r.QualifiedName()
	}
	return fmt.Sprintf("%s (dropped by transaction %d)", r.QualifiedName(), r.DroppedBy)
}

// Namesakes are the dropped relations that had the name of a table.
func (d *Database) Namesakes(rel *Relation) []*Relation {
	var found []*Relation
	for i := range d.Relations {
		if other := &d.Relations[i]; other != rel && other.DroppedBy != pg.InvalidXID && other.Schema == rel.Schema && other.Name == rel.Name {
			found = append(found, other)
		}
	}
	return found
}

// matches lists the relations with a name of one or two parts: those that are
// there, or those that are gone. A match in public hides the others. TOAST relations
// are found with their schema only.
func (d *Database) matches(parts []string, gone bool) []*Relation {
	var found []*Relation
	name := parts[len(parts)-1]
	for i := range d.Relations {
		rel := &d.Relations[i]
		switch {
		case rel.Name != name, gone != (rel.DroppedBy != pg.InvalidXID):
		case len(parts) == 2 && rel.Schema != parts[0]:
		case len(parts) == 1 && rel.Kind == "t":
		case len(parts) == 1 && rel.Schema == "public" && !gone:
			return []*Relation{rel}
		default:
			found = append(found, rel)
		}
	}
	return found
}

func ambiguous(name string, matches []*Relation) error {
	var names []string
	for _, rel := range matches {
		names = append(names, rel.Label())
	}
	hint := "write the schema too, such as " + names[0]
	if matches[0].DroppedBy != pg.InvalidXID {
		hint = fmt.Sprintf("leave the table out and name the transaction that dropped it, such as --xid %d", matches[0].DroppedBy)
	}
	return &evidence.Error{
		Op: "catalog: find table", Place: name, Err: fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(names, ", ")), Hint: hint,
	}
}

// notFound makes an error that lists the names closest to the wanted one.
func notFound(op, name string, names []string) error {
	err := &evidence.Error{Op: op, Place: name, Err: ErrNotFound}
	near := closest(name, names)
	switch {
	case len(near) > 0:
		err.Err = fmt.Errorf("%w; close to it: %s", ErrNotFound, strings.Join(near, ", "))
		err.Hint = "did you mean " + near[0] + "?"
	case len(names) == 0:
		err.Hint = "there is none at all"
	default:
		err.Hint = fmt.Sprintf("none of the %d names is close to it", len(names))
	}
	return err
}

// mostSuggestions bounds the names that an error lists.
const mostSuggestions = 5

// closest lists the names within a third of their length of name, nearest
// first. A name is compared with and without its schema, whatever the case.
func closest(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var near []candidate
	want := bare(name)
	for _, other := range names {
		have := bare(other)
		distance := min(EditDistance(want, have), EditDistance(afterDot(want), afterDot(have)))
		if strings.Contains(have, want) {
			distance = min(distance, 1)
		}
		if distance <= max(2, utf8.RuneCountInString(want)/3) {
			near = append(near, candidate{other, distance})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var result []string
	for _, c := range near[:min(len(near), mostSuggestions)] {
		result = append(result, c.name)
	}
	return result
}

func bare(name string) string { return strings.ToLower(strings.ReplaceAll(name, `"`, "")) }

func afterDot(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// EditDistance counts the insertions, deletions and substitutions between two
// names (Levenshtein), for suggestions of what may have been meant.
func EditDistance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, c := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, d := range to {
			cost := diagonal
			if c != d {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}

// Index finds relations by their files, and the owners of TOAST relations. It
// points into the Snapshot that it was made of.
type Index struct {
	files  map[pg.RelFileLocator]indexed
	owners map[*Relation]*Relation
}

type indexed struct {
	db  *Database
	rel *Relation
}

// NewIndex makes the index of a snapshot, which must not change from then on.
func NewIndex(s *Snapshot) *Index {
	x := &Index{files: map[pg.RelFileLocator]indexed{}, owners: map[*Relation]*Relation{}}
	for i := range s.Databases {
		x.add(&s.Databases[i])
	}
	return x
}

func (x *Index) add(db *Database) {
	toast := map[pg.OID]*Relation{}
	for i := range db.Relations {
		rel := &db.Relations[i]
		if rel.Kind == "t" {
			toast[rel.OID] = rel
		}
		for _, file := range rel.FormerFiles {
			if _, taken := x.files[file]; !taken {
				x.files[file] = indexed{db, rel}
			}
		}
	}
	for i := range db.Relations {
		rel := &db.Relations[i]
		// A current file wins over a former one, and that of a relation that is there over that of one that is gone.
		if taken := x.files[rel.File].rel; rel.File.Relation != 0 && (rel.DroppedBy == 0 || taken == nil || taken.DroppedBy != 0) {
			x.files[rel.File] = indexed{db, rel}
		}
		if t := toast[rel.Toast]; t != nil {
			x.owners[t] = rel
		}
	}
}

// ByFile finds the relation that a file belongs to, or once belonged to.
func (x *Index) ByFile(loc pg.RelFileLocator) (*Database, *Relation, bool) {
	found, ok := x.files[loc]
	return found.db, found.rel, ok
}

// Owner finds the table that a TOAST relation serves.
func (x *Index) Owner(toast *Relation) (*Relation, bool) {
	owner, ok := x.owners[toast]
	return owner, ok
}
