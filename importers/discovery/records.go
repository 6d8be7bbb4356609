package discovery

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// recordEncoder prints records as the application stores them in raw_import_records.raw_data.
type recordEncoder struct {
	names [][]byte // of the header, as JSON with the colon, behind a comma
	order []int    // in which the fields are printed
	// own: a record has names of its own, and is printed as it stands in the source.
	own bool
	// filled: a record has all names of the header; what it lacks is an empty text, as the
	// application's browser made it (fact sheet 2.1).
	filled bool
	// texts: numbers of a sheet are texts, as all values of raw records are (fact sheet 1.5).
	texts bool
}

func newRecordEncoder(head *importers.Head, store Store) *recordEncoder {
	e := &recordEncoder{
		own:    head.Source.Format == importers.FormatJSON,
		filled: head.Source.Format != importers.FormatJSON,
		texts:  head.Source.Format == importers.FormatXLSX,
	}
	for i, name := range head.Header {
		e.names = append(e.names, mapping.JSONName(name))
		e.order = append(e.order, i)
	}
	if store == AsApp && !e.own {
		e.order = browserOrder(head.Header)
	}
	return e
}

// browserOrder is the order in which an object of a browser has its names: those that are array
// indexes come first, by number.
func browserOrder(header []string) []int {
	order := make([]int, len(header))
	for i := range order {
		order[i] = i
	}
	index := func(i int) int64 {
		n, err := strconv.ParseUint(header[i], 10, 32)
		if err != nil || n == 1<<32-1 || strconv.FormatUint(n, 10) != header[i] {
			return 1 << 33
		}
		return int64(n)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(index(a), index(b)) })
	return order
}

// appendRecord appends a record as json.dumps prints it.
func (e *recordEncoder) appendRecord(dst []byte, r *importers.Record) ([]byte, error) {
	if e.own && r.Raw != nil {
		return appendPyJSON(dst, r.Raw)
	}
	dst = append(dst, '{')
	first := true
	missing := importers.Field{Kind: importers.Missing}
	for _, i := range e.order {
		f := &missing
		if i < len(r.Fields) {
			f = &r.Fields[i]
		}
		if f.Kind == importers.Missing && !e.filled {
			continue
		}
		name := e.names[i]
		if first {
			name = name[len(", "):]
		}
		first = false
		dst = append(dst, name...)
		if f.Kind == importers.Text {
			dst = mapping.AppendJSONText(dst, f.Text)
			continue
		}
		var err error
		if dst, err = e.appendField(dst, f); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// appendField appends one value. What cannot be had is null: JSON has no other word for it.
func (e *recordEncoder) appendField(dst []byte, f *importers.Field) ([]byte, error) {
	switch f.Kind {
	case importers.Text:
		return mapping.AppendJSONText(dst, f.Text), nil
	case importers.Number, importers.Bool:
		if e.texts {
			return mapping.AppendJSONText(dst, f.Text), nil
		}
		return appendPyJSON(dst, f.Text)
	case importers.JSON:
		return appendPyJSON(dst, f.Text)
	case importers.Missing:
		if e.filled {
			return append(dst, '"', '"'), nil
		}
	}
	return append(dst, "null"...), nil
}

// agentKeys are what the application takes for the metadata of its agents (fact sheet 1.3).
var agentKeys = []string{
	"mappings", "skipped_fields", "synthesis_required", "agent_reasoning", "transformations", "validation_results",
	"agent_insights", "unmapped_fields", "clarifications", "execution_metadata", "raw_response", "phase_name",
}

// junkNames are names that the application takes for broken JSON (fact sheet 1.3).
var junkNames = []string{"{", "}", "[", "]", "[]", "{}", "null", "undefined"}

// dropper says which records the application drops.
type dropper struct {
	junk  []int // of the header: a record that has one of these is dropped
	agent []int // of the header: names that agents use
	all   bool  // every record has all names of the header
	names []string
}

func newDropper(head *importers.Head) *dropper {
	d := &dropper{names: head.Header, all: head.Source.Format != importers.FormatJSON}
	for i, name := range head.Header {
		if slices.Contains(junkNames, name) {
			d.junk = append(d.junk, i)
		}
		if slices.Contains(agentKeys, name) {
			d.agent = append(d.agent, i)
		}
	}
	return d
}

func (d *dropper) has(r *importers.Record, i int) bool {
	return d.all || i < len(r.Fields) && r.Fields[i].Kind != importers.Missing
}

// why says why the application drops a record; "": it keeps it.
func (d *dropper) why(r *importers.Record) string {
	for _, i := range d.junk {
		if d.has(r, i) {
			return "the application drops records that have the name " + d.names[i]
		}
	}
	var found []string
	for _, i := range d.agent {
		if d.has(r, i) {
			found = append(found, d.names[i])
		}
	}
	if len(found) < 3 {
		return ""
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Kind == importers.JSON && !emptyJSON(f.Text) {
			return "the application takes it for metadata of its agents: it has " + strings.Join(found, ", ") + " and the object or list " + d.names[i]
		}
	}
	return ""
}

// emptyJSON reports whether an object or a list has nothing in it.
func emptyJSON(text []byte) bool {
	inner := strings.TrimSpace(string(text[1 : len(text)-1]))
	return inner == ""
}

// kept is a record that the application keeps.
type kept struct {
	*importers.Record
	number int64  // raw_import_records.row_number
	raw    []byte // raw_import_records.raw_data
}

// records yields the records that are imported, with their JSON. Those that are not go to rejects.
// What the application drops it has counted among its JSON: sized hears of both.
func (im *Import) records(ctx context.Context, rejects importers.Rejects, sized func(raw []byte)) iter.Seq2[*kept, error] {
	return func(yield func(*kept, error) bool) {
		var drop *dropper
		if im.opts.Store == AsApp {
			drop = newDropper(im.list.Head())
		}
		k, number := kept{}, int64(0)
		for r, err := range im.list.Records(ctx, rejects) {
			if err != nil {
				yield(nil, err)
				return
			}
			reason := ""
			if k.raw, err = im.encoder.appendRecord(k.raw[:0], r); err != nil {
				reason = "the application cannot read it: " + err.Error()
			} else {
				if sized != nil {
					sized(k.raw)
				}
				if drop != nil {
					reason = drop.why(r)
				}
			}
			if reason != "" {
				if err := rejects(r.Reject("", reason)); err != nil {
					yield(nil, err)
					return
				}
				continue
			}
			number++
			k.Record, k.number = r, number
			if !yield(&k, nil) {
				return
			}
		}
	}
}

// heard is for the passes after the first: what is not imported was told.
func heard(*importers.Reject) error { return nil }

// scan reads the list once.
func (im *Import) scan(ctx context.Context) error {
	c := Content{Filename: im.opts.Filename, Columns: im.names}
	all := int64(0)
	sized := func(raw []byte) {
		all++
		c.Size += int64(len(raw))
		if im.encoder.own {
			im.values += int64(bytes.Count(raw, []byte(","))) + 1
		}
	}
	for k, err := range im.records(ctx, im.opts.Rejects, sized) {
		if err != nil {
			return err
		}
		im.meet(k.raw)
		c.Records++
	}
	if c.Records == 0 {
		return &evidence.Error{Op: "discovery: import", Place: im.place, Err: ErrEmpty, Hint: "the application refuses it too"}
	}
	// The list has brackets, and its values stand apart by a comma and a space.
	c.Size += 2 + 2*(all-1)
	im.content, im.summary.Dropped = c, all-c.Records
	return nil
}
