package applog

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// RowsOptions say how rows are made.
type RowsOptions struct {
	// Tables gives the shape of a table; nil, or false: it has the columns that the pack tells.
	Tables func(evidence.RelationName) (*evidence.Relation, bool)
	// Uncommitted gives rows too of which no message shows that their transaction was committed.
	Uncommitted bool
}

// Rows makes rows and counts of what messages tell, as the tables of a pack say. Each value has its own origin: the line,
// the pattern, and what makes it doubtful. What could as well be another import's value is unknown, with the reason.
type Rows struct {
	Chain *Chain

	pack     *Pack
	options  RowsOptions
	patterns map[string]bool // of messages that rows are made of
	masked   map[string]bool // fields whose ids may be masked
	messages []*told
	ids      map[string]map[string]logparse.Place // whole ids, by the fields that had them
	crop     *crop                                // while Put works
	report   RowsReport
}

// RowsReport tells what became of what the messages told.
type RowsReport struct {
	// LeftOut says why nothing was made of an import, a flow or an asset.
	LeftOut []string
	// Lacking names columns of the pack that the tables have not.
	Lacking []string
}

// Count is how many rows a table has of something, as a message tells.
type Count struct {
	Relation evidence.RelationName
	Rows     int64
	What     string // the import's id
	Source   string
	Line     int64
	Why      string
}

// told is a message that a row is made of.
type told struct {
	pattern *Pattern
	claims  map[string]Claim
	place   logparse.Place
	stamp   logparse.Stamp
	owner   *Import
}

// NewRows prepares for the messages of a log.
func NewRows(pack *Pack, options RowsOptions) *Rows {
	r := &Rows{
		Chain: NewChain(), pack: pack, options: options,
		patterns: make(map[string]bool), masked: make(map[string]bool), ids: make(map[string]map[string]logparse.Place),
	}
	for i := range pack.Patterns {
		for field, kind := range pack.Patterns[i].Fields {
			r.masked[family(field)] = r.masked[family(field)] || kind == KindID
		}
	}
	for i := range pack.Tables {
		if pack.Tables[i].Of == OfMessage {
			for _, name := range pack.Tables[i].Patterns {
				r.patterns[name] = true
			}
		}
	}
	return r
}

const (
	maxIDs  = 200_000   // of a field that are remembered, for those that are masked elsewhere
	maxTold = 5_000_000 // messages that rows are made of
)

// Add takes the next message.
func (r *Rows) Add(entry *logparse.Entry, match *Match) {
	m := r.Chain.message(entry, match)
	for field := range m.values {
		if id := m.id(field); id != "" && r.masked[family(field)] {
			r.sight(family(field), id, entry.Place)
		}
	}
	if r.patterns[match.Pattern.Name] && len(r.messages) < maxTold {
		owner, doubt := r.Chain.find(m)
		if strong(doubt) {
			owner = nil
		}
		t := &told{pattern: match.Pattern, claims: make(map[string]Claim, len(m.values)), place: entry.Place, stamp: entry.Stamp, owner: owner}
		for field, text := range m.values {
			t.claims[field] = m.claim(field, text, "")
		}
		r.messages = append(r.messages, t)
	}
	r.Chain.add(m)
}

// family is the field under which an id is remembered: flows have two names.
func family(field string) string {
	if field == "discovery_flow_id" {
		return "flow_id"
	}
	return field
}

func (r *Rows) sight(field, id string, place logparse.Place) {
	seen := r.ids[field]
	if seen == nil {
		seen = make(map[string]logparse.Place)
		r.ids[field] = seen
	}
	if _, there := seen[id]; !there && len(seen) < maxIDs {
		seen[id] = place
	}
}

// Put gives the rows of all tables, in the order of the pack. It is called once, after the last message.
func (r *Rows) Put(sink evidence.Sink) error {
	r.report = RowsReport{}
	r.crop = newCrop(r)
	defer func() { r.crop = nil }()
	tables := make(map[evidence.RelationName]*harvest)
	var order []*harvest
	for i := range r.pack.Tables {
		table := &r.pack.Tables[i]
		h := tables[table.relation()]
		if h == nil {
			h = &harvest{relation: &evidence.Relation{RelationName: table.relation()}, index: make(map[string]*made), last: make(map[string]bool)}
			tables[table.relation()] = h
			order = append(order, h)
		}
		h.shape(table)
	}
	for _, gone := range []bool{false, true} { // what was deleted must be there first
		for i := range r.pack.Tables {
			if table := &r.pack.Tables[i]; table.Gone == gone {
				r.fill(tables[table.relation()], table)
			}
		}
	}
	for _, h := range order {
		if err := r.give(h, sink); err != nil {
			return err
		}
	}
	return nil
}

// Report tells what Put gave and what it did not.
func (r *Rows) Report() RowsReport { return r.report }

// Headers are the names of the source's fields, by the id of the import.
func (r *Rows) Headers() map[string][]string {
	headers := make(map[string][]string)
	for _, i := range r.Chain.Imports {
		if i.ID != "" && len(i.Headers) > 0 && i.Fate != FateRolledBack {
			headers[i.ID] = i.Headers
		}
	}
	return headers
}

// Counts lists how many rows the messages tell of, for each import with an id whose transaction was not rolled back.
func (r *Rows) Counts() (counts []Count) {
	for t := range r.pack.Tables {
		table := &r.pack.Tables[t]
		for _, i := range r.Chain.Imports {
			if i.ID == "" || i.Fate == FateRolledBack || i.Fate == FateUnknown && !r.options.Uncommitted {
				continue
			}
			if claim, rows, ok := i.counted(&table.Counts); ok {
				counts = append(counts, Count{
					Relation: table.relation(), Rows: rows, What: i.ID, Source: claim.Place.Name(), Line: claim.Place.Line, Why: claim.why(),
				})
			}
		}
	}
	return counts
}

// counted gives the last number that nothing makes doubtful.
func (i *Import) counted(by *Counted) (last Claim, rows int64, ok bool) {
	for _, claim := range i.Claims {
		if claim.Field != by.Field || claim.Doubt != "" || !slices.Contains(by.Patterns, claim.Pattern) || ok && claim.turn < last.turn {
			continue
		}
		if n, err := strconv.ParseInt(claim.Known.Text, 10, 64); err == nil {
			last, rows, ok = claim, n, true
		}
	}
	return last, rows, ok
}

// what names an import for people.
func (i *Import) what() string {
	if i.ID != "" {
		return i.ID
	}
	for _, claim := range i.Claims {
		return "without an id at " + claim.Place.String()
	}
	return "without an id"
}

// harvest is what becomes of one table.
type harvest struct {
	relation *evidence.Relation
	rows     []*made
	index    map[string]*made
	last     map[string]bool // columns of which the last value counts
}

// made is a row that is put together.
type made struct {
	cells []cell // one for each column, as far as there are any
	place logparse.Place
	notes []string
	gone  *told
}

// shape adds the columns that a part of the pack tells of the table.
func (h *harvest) shape(table *Table) {
	for _, column := range table.Columns {
		at := h.relation.Column(column.Name)
		if at < 0 {
			h.relation.Columns = append(h.relation.Columns, evidence.Column{Name: column.Name})
			at = len(h.relation.Columns) - 1
		}
		c := &h.relation.Columns[at]
		c.Type = cmp.Or(c.Type, column.Type)
		c.Key = c.Key || slices.Contains(table.Key, column.Name)
		h.last[column.Name] = h.last[column.Name] || column.Last
	}
}

// fill makes the rows that a part of the pack tells of a table.
func (r *Rows) fill(h *harvest, table *Table) {
	for thing := range r.crop.of(table) {
		note, ok := r.fate(&thing)
		if !ok {
			continue
		}
		row := &made{cells: make([]cell, len(h.relation.Columns)), place: thing.place()}
		if note != "" {
			row.notes = append(row.notes, note)
		}
		for c := range table.Columns {
			column := &table.Columns[c]
			row.cells[h.relation.Column(column.Name)] = r.cell(&thing, column, h, row)
		}
		if thing.asset != nil && len(thing.asset.Keys) > 0 {
			row.notes = append(row.notes, "its source had the fields "+strings.Join(thing.asset.Keys, ", "))
		}
		if table.Gone {
			row.gone = thing.message
		}
		h.add(row, table.same(), &thing)
	}
}

// add puts a row beside the others, or together with the one that is the same.
func (h *harvest) add(row *made, same []string, thing *thing) {
	var key strings.Builder
	fmt.Fprintf(&key, "%q", same)
	for _, name := range same {
		cell := row.cells[h.relation.Column(name)]
		switch {
		case cell.told && cell.value.State == evidence.Known:
			fmt.Fprintf(&key, " %q", cell.value.Text)
		case thing.owner != nil && name != same[len(same)-1]:
			fmt.Fprintf(&key, " of %p", thing.owner)
		default: // nothing tells it from others
			h.rows = append(h.rows, row)
			return
		}
	}
	before := h.index[key.String()]
	if before == nil || len(same) == 0 {
		h.index[key.String()] = row
		h.rows = append(h.rows, row)
		return
	}
	before.join(row, h)
}

// join adds what another message tells of the same row.
func (m *made) join(other *made, h *harvest) {
	for i, theirs := range other.cells {
		own := &m.cells[i]
		switch {
		case !theirs.told:
		case !own.told, own.value.State == evidence.Unknown && theirs.value.State != evidence.Unknown:
			*own = theirs
		case h.last[h.relation.Columns[i].Name] && theirs.value.State != evidence.Unknown:
			*own = theirs
		case theirs.value.State == evidence.Unknown || own.value.State == theirs.value.State && string(own.value.Text) == string(theirs.value.Text):
		default:
			m.note(fmt.Sprintf("%s has another %s: %s", other.place, h.relation.Columns[i].Name, shortened(string(theirs.value.Text))))
		}
	}
	for _, note := range other.notes {
		m.note(note)
	}
	m.gone = cmp.Or(m.gone, other.gone)
}

// maxNotes bounds what is said of one row.
const maxNotes = 20

func (m *made) note(text string) {
	if !slices.Contains(m.notes, text) && len(m.notes) < maxNotes {
		m.notes = append(m.notes, text)
	}
}

// give puts the rows of a table, with the columns that it has.
func (r *Rows) give(h *harvest, sink evidence.Sink) error {
	relation := h.relation
	if r.options.Tables != nil {
		if known, ok := r.options.Tables(h.relation.RelationName); ok {
			relation = known
		}
	}
	place := make([]int, len(relation.Columns))
	for i := range relation.Columns {
		place[i] = h.relation.Column(relation.Columns[i].Name)
	}
	for _, column := range h.relation.Columns {
		if relation.Column(column.Name) < 0 {
			r.report.Lacking = append(r.report.Lacking, relation.RelationName.String()+"."+column.Name)
		}
	}
	row := evidence.Row{Relation: relation}
	for _, made := range h.rows {
		made.fill(&row, place)
		if err := sink.Put(&row); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a row of what was put together.
func (m *made) fill(row *evidence.Row, place []int) {
	row.Values, row.Origins = row.Values[:0], row.Origins[:0]
	for _, at := range place {
		cell := cell{value: evidence.Value{State: evidence.Unknown, Reason: "no message tells it"}}
		if at >= 0 && m.cells[at].told {
			cell = m.cells[at]
		}
		row.Values, row.Origins = append(row.Values, cell.value), append(row.Origins, cell.origin)
	}
	row.Provenance = evidence.Provenance{
		Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: m.place.Name(), Line: m.place.Line,
	}
	notes := m.notes
	if m.gone != nil {
		row.Operation = evidence.OpDelete
		if m.gone.stamp.Zone != logparse.NoZone {
			row.CommitTime = m.gone.stamp.Time
		}
		notes = append(slices.Clone(notes), "deleted, as the message at "+m.gone.place.String()+" tells")
	}
	row.Note = strings.Join(notes, "; ")
}

// fate tells whether rows are made of something, and what must be said of them.
func (r *Rows) fate(t *thing) (note string, ok bool) {
	why := ""
	switch fate, spoiled := t.fate(); {
	case fate == FateRolledBack:
		why = "its transaction was rolled back"
		if t.owner != nil {
			why += ": " + t.owner.Why
		}
		r.leave(t, why)
		return "", false
	case spoiled != "":
		why = spoiled
	case fate == FateCommitted:
		return "", true
	default:
		why = "nothing shows that its transaction was committed"
		if t.owner != nil && t.owner.Why != "" {
			why += ": " + t.owner.Why
		}
	}
	if !r.options.Uncommitted {
		r.leave(t, why)
		return "", false
	}
	return why, true
}

// maxLeftOut bounds the list of what was left out.
const maxLeftOut = 1000

func (r *Rows) leave(t *thing, why string) {
	what := "a message at " + t.place().String()
	switch {
	case t.asset != nil:
		what = "asset " + t.asset.ID.Known.Text
	case t.owner != nil:
		what = "import " + t.owner.what()
	}
	if text := what + ": " + why; len(r.report.LeftOut) < maxLeftOut && !slices.Contains(r.report.LeftOut, text) {
		r.report.LeftOut = append(r.report.LeftOut, text)
	}
}
