package carve

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Group are the pages of one source whose tuples have one shape.
type Group struct {
	Source string `json:"source"`
	Shape  string `json:"shape"` // for people, such as "5 attributes, variable width"
	Natts  int    `json:"attributes"`
	// Belongs is the table that the file's name belongs to, as far as a catalog knows.
	Belongs string `json:"belongs_to,omitempty"`
	// Fits are the tables of the catalog that the pages fit.
	Fits []string `json:"fits,omitempty"`

	Pages        int64 `json:"pages"`
	Tuples       int64 `json:"tuples"`
	Live         int64 `json:"live"`
	Dead         int64 `json:"dead"`
	Undecided    int64 `json:"undecided"` // neither hint bits nor pg_xact tell
	NeverVisible int64 `json:"never_visible"`
	Torn         int64 `json:"checksum_wrong"` // pages
	BadLines     int64 `json:"bad_line_pointers"`

	FirstOffset int64  `json:"first_offset"` // in the source
	MinLSN      pg.LSN `json:"min_lsn"`
	MaxLSN      pg.LSN `json:"max_lsn"`
}

// Survey is what a look through sources found.
type Survey struct {
	Groups    []Group        `json:"groups"` // the biggest first
	Pages     int64          `json:"pages"`  // all that look like pages
	HeapPages int64          `json:"heap_pages"`
	Empty     int64          `json:"empty_pages"`
	Index     int64          `json:"index_pages"`
	Sequences int64          `json:"sequence_pages"`
	Copies    int64          `json:"copies"` // pages met before, not counted above
	More      int64          `json:"pages_of_further_groups"`
	Gaps      []evidence.Gap `json:"gaps"`
}

// mostGroups bounds the groups that are told apart: garbage could make a new one of each page.
const mostGroups = 20_000

// groupKey tells groups apart.
type groupKey struct {
	source string
	shape  string
	fits   string
}

// surveyor counts pages into groups.
type surveyor struct {
	survey *Survey
	groups map[groupKey]*Group
	fitter *Fitter // nil: no catalog
	status func(pg.XID) heap.XactStatus
	seen   *copies
}

// Look goes through sources and counts what it finds. fitter and status may be nil.
func Look(ctx context.Context, sources []Source, opts Options, fitter *Fitter, status func(pg.XID) heap.XactStatus) (*Survey, error) {
	v := &surveyor{survey: &Survey{}, groups: map[groupKey]*Group{}, fitter: fitter, status: status, seen: newCopies()}
	s := newScanner(sources, &opts, "looking for pages")
	for i := range sources {
		if err := s.pages(ctx, &sources[i], v.page); err != nil {
			return nil, err
		}
	}
	for _, g := range v.groups {
		v.survey.Groups = append(v.survey.Groups, *g)
	}
	slices.SortFunc(v.survey.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Pages, a.Pages), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Shape, b.Shape), slices.Compare(a.Fits, b.Fits))
	})
	v.survey.Gaps = s.allGaps()
	return v.survey, nil
}

// allGaps adds to the gaps one for those that were too many to list.
func (s *scanner) allGaps() []evidence.Gap {
	if s.skipped == 0 {
		return s.gaps
	}
	return append(s.gaps, evidence.Gap{
		Where: "elsewhere", What: fmt.Sprintf("%d more stretches of %d bytes", s.skipped, badSector), Why: "they cannot be read",
	})
}

func (v *surveyor) page(p *Page) error {
	if !p.Source.inDataDir() && v.seen.met(p) {
		v.survey.Copies++
		return nil
	}
	v.survey.Pages++
	switch p.Kind {
	case Empty:
		v.survey.Empty++
	case Index:
		v.survey.Index++
	case Sequence:
		v.survey.Sequences++
	default:
		v.survey.HeapPages++
		if g := v.group(p); g != nil {
			g.count(p, v.status)
		} else {
			v.survey.More++
		}
	}
	return nil
}

// group finds the group of a page, or begins it; nil when there are too many.
func (v *surveyor) group(p *Page) *Group {
	key := groupKey{source: p.Source.Path, shape: shapeOf(p)}
	var belongs *Shape
	var fits []string
	if v.fitter != nil {
		belongs = v.fitter.owner(p.Source)
		if belongs == nil || !belongs.Fits(p) {
			for _, n := range v.fitter.fits(p) {
				fits = append(fits, v.fitter.shapes[n].name())
			}
		}
		key.fits = strings.Join(fits, ", ")
	}
	g := v.groups[key]
	if g == nil {
		if len(v.groups) >= mostGroups {
			return nil
		}
		g = &Group{Source: key.source, Shape: key.shape, Natts: p.Natts(), Fits: fits, FirstOffset: p.Offset, MinLSN: p.Header.LSN}
		if belongs != nil {
			g.Belongs = belongs.name()
		}
		v.groups[key] = g
	}
	return g
}

// name is the table's, with its database where several could be meant, and with the
// transaction that dropped it.
func (s *Shape) name() string {
	if s.Database != nil && s.Database.Name != "" {
		return s.Database.Name + ":" + s.Relation.Label()
	}
	return s.Relation.Label()
}

// count adds a page to its group.
func (g *Group) count(p *Page, status func(pg.XID) heap.XactStatus) {
	g.Pages++
	g.Tuples += int64(len(p.Tuples))
	g.BadLines += int64(p.Bad)
	g.MinLSN, g.MaxLSN = min(g.MinLSN, p.Header.LSN), max(g.MaxLSN, p.Header.LSN)
	if p.Torn {
		g.Torn++
	}
	for i := range p.Tuples {
		switch StateOf(&p.Tuples[i].Tuple, status) {
		case Live:
			g.Live++
		case Dead:
			g.Dead++
		case Undecided:
			g.Undecided++
		case NeverVisible:
			g.NeverVisible++
		}
	}
}

// shapeOf says what a page's tuples have in common, without any catalog.
func shapeOf(p *Page) string {
	natts := p.Natts()
	if isChunks(p) {
		return "TOAST chunks"
	}
	attributes := fmt.Sprintf("%d attributes", natts)
	if natts == 1 {
		attributes = "1 attribute"
	}
	width := -1
	for i := range p.Tuples {
		t := &p.Tuples[i]
		length := len(t.Raw) - int(t.DataOffset)
		switch {
		case t.Infomask&heap.HasVarWidth != 0:
			return attributes + ", variable width"
		case t.Infomask&heap.HasNull != 0 || t.Natts() != natts:
		case width >= 0 && width != length:
			return attributes + ", fixed width"
		default:
			width = length
		}
	}
	if width < 0 {
		return attributes + ", fixed width"
	}
	return fmt.Sprintf("%s, %d bytes", attributes, width)
}

// copies remembers pages that were met, in bounded memory: the last million at least.
type copies struct {
	seed        maphash.Seed
	young, aged map[uint64]struct{}
}

const rememberedPages = 1 << 20

func newCopies() *copies {
	return &copies{seed: maphash.MakeSeed(), young: map[uint64]struct{}{}}
}

// met reports whether the same bytes were met before, and remembers them.
func (c *copies) met(p *Page) bool {
	sum := maphash.Bytes(c.seed, p.Page)
	if _, known := c.young[sum]; known {
		return true
	}
	_, known := c.aged[sum]
	if len(c.young) >= rememberedPages {
		c.aged, c.young = c.young, map[uint64]struct{}{}
	}
	c.young[sum] = struct{}{}
	return known
}
