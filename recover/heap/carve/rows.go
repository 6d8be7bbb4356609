package carve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Want says which tuples are wanted by their fate.
type Want uint8

// The choices. Tuples whose fate is not known come with both.
const (
	WantLive Want = iota
	WantDead
	WantAll
)

// takes reports whether a tuple of that state is wanted. An insertion that was
// rolled back is no row of anybody's.
func (w Want) takes(s State) bool {
	switch s {
	case Live:
		return w != WantDead
	case Dead:
		return w != WantLive
	case NeverVisible:
		return w == WantAll
	}
	return true
}

// RowsOptions say which rows to decode.
type RowsOptions struct {
	Options
	Want Want
	// Status asks pg_xact of the same cluster; nil: hint bits alone decide.
	Status func(pg.XID) heap.XactStatus
	// Belongs tells of a source whose name says that it is the table's own; may be nil.
	Belongs func(*Source) bool
	// Exact leaves out tuples with fewer columns than the shape: the table's from before
	// a column was added, and those of other tables that look like that.
	Exact bool
}

// RowsResult counts what a decoding found.
type RowsResult struct {
	Pages     int64 `json:"pages"`       // that fit the shape
	Other     int64 `json:"other_pages"` // with tuples that do not
	Copies    int64 `json:"copies"`      // pages met before, left out
	Rows      int64 `json:"rows"`        // handed out
	LeftOut   int64 `json:"left_out"`    // of another fate than wanted
	Undecided int64 `json:"undecided"`   // of Rows: their fate is not known, as a note says
	InPart    int64 `json:"in_part"`     // of Rows: with a value that is unknown
	// Narrow are those of Rows with fewer columns than the shape, outside of the table's
	// own files: older than its last columns, or of another table. NarrowLeftOut are not
	// among Rows, because Exact was asked for.
	Narrow        int64 `json:"fewer_columns"`
	NarrowLeftOut int64 `json:"fewer_columns_left_out"`

	Unsound  int64          `json:"do_not_fit"` // tuples on pages that fit, which do not themselves
	BadLines int64          `json:"bad_line_pointers"`
	Gaps     []evidence.Gap `json:"gaps"`
}

// Notes of carved rows.
const (
	noteMembership = "found by its looks; that it is a row of this table is not known"
	noteNarrow     = "it has %d of %d columns: it is older than the last ones, or another table's"
	noteInserted   = "whether its insertion was committed is not known"
	noteDestroyed  = "whether it was deleted is not known"
	noteTorn       = "the page does not match its checksum"
	noteDead       = "dead"
	noteNever      = "its insertion was rolled back"
)

// Rows decodes the tuples of every page that fits the shape, in the order of the
// sources. The bytes are proven; that they are of a certain table is not, and each
// row says so. A row stands on a page as of that page's LSN: where different
// versions of a page are found, each gives its rows.
func Rows(ctx context.Context, sources []Source, shape *Shape, opts RowsOptions, sink evidence.Sink) (*RowsResult, error) {
	d := &rowsOf{shape: shape, opts: &opts, sink: sink, result: &RowsResult{}, seen: newCopies()}
	if slices.ContainsFunc(shape.attrs, func(a heap.Attr) bool { return a.Len == -1 }) {
		index, err := indexChunks(ctx, sources, &opts.Options)
		if err != nil {
			return nil, err
		}
		defer index.close()
		d.chunks = index
	}
	s := newScanner(sources, &opts.Options, "decoding rows")
	for i := range sources {
		if err := s.pages(ctx, &sources[i], d.page); err != nil {
			return nil, err
		}
	}
	d.result.Gaps = s.allGaps()
	return d.result, nil
}

// rowsOf decodes page after page.
type rowsOf struct {
	shape  *Shape
	opts   *RowsOptions
	sink   evidence.Sink
	chunks *chunkIndex
	seen   *copies
	row    evidence.Row
	result *RowsResult
}

func (d *rowsOf) page(p *Page) error {
	switch {
	case p.Kind != Heap:
		return nil
	case !p.Source.inDataDir() && d.seen.met(p):
		d.result.Copies++
		return nil
	case !d.shape.Fits(p), d.opts.Exact && p.Natts() < len(d.shape.attrs):
		d.result.Other++
		return nil
	}
	d.result.Pages++
	d.result.BadLines += int64(p.Bad)
	source := p.Source.Path + " at byte " + strconv.FormatInt(p.Offset, 10)
	for i := range p.Tuples {
		t := &p.Tuples[i]
		state := StateOf(&t.Tuple, d.opts.Status)
		switch {
		case d.shape.rows.Sound(&t.Tuple) != nil:
			d.result.Unsound++
			continue
		case !d.opts.Want.takes(state):
			d.result.LeftOut++
			continue
		case d.opts.Exact && d.shape.narrow(t):
			d.result.NarrowLeftOut++
			continue
		}
		if err := d.put(p, t, state, source); err != nil {
			return err
		}
	}
	return nil
}

// put decodes a tuple and hands its row out.
func (d *rowsOf) put(p *Page, t *Tuple, state State, source string) error {
	var toast interface {
		Fetch(heap.ToastPointer) ([]byte, error)
	}
	if d.chunks != nil {
		toast = d.chunks
	}
	if err := d.shape.rows.Decode(&t.Tuple, toast, &d.row); err != nil {
		d.result.Unsound++
		return nil
	}
	d.result.Rows++
	if !d.row.Complete() {
		d.result.InPart++
	}
	if state == Undecided {
		d.result.Undecided++
	}
	if d.shape.narrow(t) && !d.belongs(p) {
		d.result.Narrow++
	}
	d.row.Provenance = evidence.Provenance{
		Route: evidence.RouteHeap, Confidence: evidence.Proven, Source: source, LSN: p.Header.LSN,
		Xmin: t.Xmin(), Note: d.note(p, t, state),
	}
	if t.XmaxDestroys() {
		d.row.Xmax = t.Xmax
		d.row.Intermediate = t.Xmax == t.Xmin() && t.Infomask&heap.XmaxIsMulti == 0
	}
	if p.Block >= 0 {
		d.row.TID = pg.TID{Block: pg.BlockNumber(p.Block), Offset: t.Line}
	}
	if err := d.sink.Put(&d.row); err != nil {
		return fmt.Errorf("carve: hand a row out: %w", err)
	}
	return nil
}

// belongs reports whether the file's name says that the page is the table's own.
func (d *rowsOf) belongs(p *Page) bool { return d.opts.Belongs != nil && d.opts.Belongs(p.Source) }

// note says what is not known of a row.
func (d *rowsOf) note(p *Page, t *Tuple, state State) string {
	note := ""
	add := func(text string) {
		if note != "" {
			note += "; "
		}
		note += text
	}
	if !d.belongs(p) {
		add(noteMembership)
		if d.shape.narrow(t) {
			add(fmt.Sprintf(noteNarrow, t.Natts(), len(d.shape.attrs)))
		}
	}
	switch {
	case state == Dead:
		add(noteDead)
	case state == NeverVisible:
		add(noteNever)
	case state == Undecided && t.XmaxDestroys():
		add(noteDestroyed)
	case state == Undecided:
		add(noteInserted)
	}
	if p.Torn {
		add(noteTorn)
	}
	return note
}

// ErrNoPages tells that nothing in the sources looks like what was asked for.
var ErrNoPages = errors.New("no such page was found")
