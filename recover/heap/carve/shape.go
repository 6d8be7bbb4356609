package carve

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/heap"
)

// Shape is a table's shape that pages are compared with.
type Shape struct {
	Database *catalog.Database
	Relation *catalog.Relation

	rows  *datum.RowDecoder
	attrs []heap.Attr
	least int // attributes that every tuple of it has
}

// NewShape makes a shape of a relation. A tuple may be older than the last columns,
// but not than one that no row can be without.
func NewShape(db *catalog.Database, rel *catalog.Relation) *Shape {
	s := &Shape{Database: db, Relation: rel, rows: datum.NewRowDecoder(db, rel), least: 1}
	for i := range rel.Attributes {
		a := &rel.Attributes[i]
		s.attrs = append(s.attrs, heap.Attr{Len: a.Len, Align: catalog.AlignBytes(a.Align)})
		if a.NotNull && !a.Dropped && a.Missing == nil && !a.MissingUnknown {
			s.least = i + 1
		}
	}
	return s
}

// ErrColumns tells that a list of columns cannot be read.
var ErrColumns = errors.New("not a list of columns")

// ParseColumns makes a shape of a list such as "id uuid, name text". Every tuple of
// it has all the columns. encoding is the database's, such as UTF8.
func ParseColumns(text, encoding string) (*Shape, error) {
	rel := &catalog.Relation{Name: "carved", Kind: "r"}
	types := datum.NewRegistry(nil)
	for _, part := range splitColumns(text) {
		name, typeName, err := splitColumn(part)
		if err != nil {
			return nil, err
		}
		t, typmod, err := types.ParseType(typeName)
		if err != nil {
			return nil, fmt.Errorf("%w: column %s: %w", ErrColumns, name, err)
		}
		rel.Attributes = append(rel.Attributes, catalog.Attribute{
			Number: int16(len(rel.Attributes) + 1), Name: name, Type: t.OID, TypeMod: typmod, Len: t.Len, Align: t.Align,
		})
		if len(rel.Attributes) > maxColumns {
			return nil, fmt.Errorf("%w: a table has at most %d columns", ErrColumns, maxColumns)
		}
	}
	s := NewShape(&catalog.Database{Encoding: encoding}, rel)
	s.least = len(s.attrs)
	return s, nil
}

const maxColumns = 1600 // MaxHeapAttributeNumber

// splitColumns cuts at the commas that stand neither in parentheses nor in quotes.
func splitColumns(text string) []string {
	var parts []string
	depth, quoted, from := 0, false, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts, from = append(parts, text[from:i]), i+1
		}
	}
	return append(parts, text[from:])
}

// splitColumn takes a name, quoted or not, and a type apart.
func splitColumn(part string) (name, typeName string, err error) {
	part = strings.TrimSpace(part)
	if rest, quoted := strings.CutPrefix(part, `"`); quoted {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			return "", "", fmt.Errorf("%w: %s: the quote is not closed", ErrColumns, part)
		}
		name, typeName = rest[:end], rest[end+1:]
	} else {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			return "", "", fmt.Errorf("%w: a column is empty", ErrColumns)
		}
		name, typeName = strings.ToLower(fields[0]), part[len(fields[0]):]
	}
	typeName = strings.TrimSpace(typeName)
	if name == "" || typeName == "" {
		return "", "", fmt.Errorf("%w: %q has no type", ErrColumns, part)
	}
	return name, typeName, nil
}

// sampledTuples is how many tuples of a page are tried for a fit.
const sampledTuples = 8

// Fits reports whether the tuples of a page can be those of the relation. One of
// them may be damaged, or look like another table's by chance: most have to fit.
func (s *Shape) Fits(p *Page) bool {
	if p.Kind != Heap || p.Natts() > len(s.attrs) || p.Natts() < s.least {
		return false
	}
	good, tried := 0, 0
	step := max(1, len(p.Tuples)/sampledTuples)
	for i := 0; i < len(p.Tuples); i += step {
		tried++
		if s.rows.Sound(&p.Tuples[i].Tuple) == nil {
			good++
		}
	}
	return good*4 >= tried*3 && good > 0
}

// narrow reports whether a tuple has fewer columns than the shape.
func (s *Shape) narrow(t *Tuple) bool { return t.Natts() < len(s.attrs) }

// Fitter names the relations of a catalog that a page fits.
type Fitter struct {
	index  *catalog.Index
	shapes []*Shape
	owners map[*catalog.Relation]int
}

// NewFitter makes a Fitter of the tables in a snapshot, dropped ones included.
func NewFitter(snapshot *catalog.Snapshot) *Fitter {
	f := &Fitter{index: catalog.NewIndex(snapshot), owners: map[*catalog.Relation]int{}}
	for i := range snapshot.Databases {
		db := &snapshot.Databases[i]
		for j := range db.Relations {
			rel := &db.Relations[j]
			if rel.Kind == "p" || len(rel.Attributes) == 0 {
				continue
			}
			f.owners[rel] = len(f.shapes)
			f.shapes = append(f.shapes, NewShape(db, rel))
		}
	}
	return f
}

// owner is the relation that the catalog gives a file to.
func (f *Fitter) owner(src *Source) *Shape {
	if !src.inDataDir() {
		return nil
	}
	_, rel, found := f.index.ByFile(src.File)
	if !found {
		return nil
	}
	n, known := f.owners[rel]
	if !known {
		return nil
	}
	return f.shapes[n]
}

// fits lists the shapes that a page fits: those with as many attributes as its
// tuples, and only if there is none those with more.
func (f *Fitter) fits(p *Page) []int {
	var exact, wider []int
	natts := p.Natts()
	for i, s := range f.shapes {
		switch {
		case len(s.attrs) < natts || len(s.attrs) > natts && len(exact) > 0 || !s.Fits(p):
		case len(s.attrs) == natts:
			exact = append(exact, i)
		default:
			wider = append(wider, i)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return wider
}
