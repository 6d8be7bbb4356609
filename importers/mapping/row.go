package mapping

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Refusal is why a record does not become a row. It is the Mapping's again with the next Row.
type Refusal struct {
	Column string
	Header string // "": the value is a default
	Reason string
	Hint   string
	Text   []byte // of the field
}

// Error is the refusal in one sentence.
func (r *Refusal) Error() string { return fmt.Sprintf("column %s: %s", r.Column, r.Reason) }

// Loss is what a lossy conversion made NULL, or what the column keeps in part: how often, and where first.
type Loss struct {
	Column, Header string
	Reason         string // of the first
	Text           string // of the first
	Line           int64  // of the first
	Count          int64
	Kept           bool // the value is in the row, and the server rounds it or cuts it off
}

// Losses lists them, one of each kind for each column, since the Mapping was made.
func (m *Mapping) Losses() []Loss {
	var list []Loss
	for i := range m.losses {
		for _, l := range [...]Loss{m.losses[i], m.zones[i], m.short[i]} {
			if l.Count > 0 {
				list = append(list, l)
			}
		}
	}
	return list
}

// plan is how one column of the rows is made. What most columns need stands first: it is one line of
// the processor's cache.
type plan struct {
	field   int    // of the record; -1: none
	lengths uint64 // of the words for NULL, as bits; the last one is for all longer ones
	fit     fit
	trims   bool // the text is trimmed before anything else
	quick   bool // and nothing else is done to it
	lossy   bool
	notNull bool // and nothing else can give a value
	rest    bool // the unmapped fields
	texts   bool // what stands in quotes is a text, and no word for NULL
	kind    kind

	nulls    [][]byte
	steps    []step
	defaults []recipe // the first of which everything is known
	value    *recipe
}

// text reports whether a field is a text whatever it says.
func (p *plan) text(f *importers.Field) bool { return p.texts && f.Quoted }

// null reports whether the text is one of the words for NULL.
func (p *plan) null(text []byte) bool {
	return p.lengths>>min(len(text), 63)&1 != 0 && null(p.nulls, text)
}

// recipe is a template whose columns are known by their place among the targets.
type recipe struct {
	pieces []piece
}

type piece struct {
	text   []byte
	target int  // the value of a target; -1: none
	field  int  // the text of a field; -1: none
	number bool // the record's number
}

// known is the text of a piece, and false when there is none.
func (p *piece) known(row []evidence.Value, record *importers.Record, buf *[]byte) ([]byte, bool) {
	switch {
	case p.target >= 0:
		return row[p.target].Text, row[p.target].State == evidence.Known
	case p.field >= 0:
		if p.field >= len(record.Fields) || record.Fields[p.field].Kind > importers.Bool {
			return nil, false
		}
		text := trim(record.Fields[p.field].Text)
		return text, len(text) > 0
	case p.number:
		start := len(*buf)
		*buf = strconv.AppendInt(*buf, record.Number, 10)
		return (*buf)[start:len(*buf):len(*buf)], true
	}
	return p.text, true
}

// Row appends the values of a record to dst, one for each of Targets. They are valid until the
// next Row, or as long as the record if that is shorter. A Refusal says why there is no row.
func (m *Mapping) Row(dst []evidence.Value, record *importers.Record) ([]evidence.Value, *Refusal) {
	m.buf = m.buf[:0]
	base := len(dst)
	dst = slices.Grow(dst, len(m.plans))[:base+len(m.plans)]
	row := dst[base:]
	for i := range m.plans {
		p, v := &m.plans[i], &row[i]
		v.State, v.Text, v.Reason, v.Raw = evidence.Null, nil, "", nil
		if uint(p.field) >= uint(len(record.Fields)) {
			continue
		}
		f := &record.Fields[p.field]
		if p.quick && f.Kind <= importers.JSON {
			text := f.Text
			if p.trims {
				text = trim(text)
			}
			if p.null(text) && !p.text(f) {
				continue
			}
			if len(text) <= p.fit.limit && bytes.IndexByte(text, 0) < 0 {
				v.State, v.Text = evidence.Known, text
				continue
			}
		}
		if refused := m.convert(i, v, record); refused != nil {
			return dst[:base], refused
		}
	}
	return m.complete(dst, base, record)
}

// Value is what one of Targets gets from its field, before any default.
func (m *Mapping) Value(i int, record *importers.Record) (evidence.Value, *Refusal) {
	m.buf = m.buf[:0]
	v := evidence.Value{State: evidence.Null}
	if m.plans[i].field < 0 {
		return v, nil
	}
	refused := m.convert(i, &v, record)
	return v, refused
}

// convert makes the value of a field.
func (m *Mapping) convert(i int, v *evidence.Value, record *importers.Record) *Refusal {
	p := &m.plans[i]
	if p.field >= len(record.Fields) {
		return nil
	}
	f := &record.Fields[p.field]
	switch f.Kind {
	case importers.Null, importers.Missing:
		return nil
	case importers.Unknown:
		v.State, v.Reason = evidence.Unknown, f.Reason
		return nil
	}
	text := f.Text
	if p.trims {
		text = trim(text)
	}
	if p.null(text) && !p.text(f) {
		return nil
	}
	for s := range p.steps {
		var bad *failure
		if text, bad = p.steps[s].apply(text, f.Kind, &m.buf); bad != nil {
			if !bad.kept {
				return m.failed(i, f, record, bad)
			}
			m.keeps(&m.zones[i], i, f, record, bad.reason)
		}
		if text == nil || p.steps[s].trims() && p.null(text) && !p.text(f) {
			return nil
		}
	}
	if bad := p.fit.check(text); bad != nil {
		return m.failed(i, f, record, bad)
	}
	if how := p.kind.shortens(text); how != "" {
		m.keeps(&m.short[i], i, f, record, how)
	}
	v.State, v.Text = evidence.Known, text
	return nil
}

// lost counts a Loss.
func (m *Mapping) lost(l *Loss, i int, f *importers.Field, record *importers.Record, reason string) {
	if l.Count++; l.Count == 1 {
		a := &m.Fields[m.Targets[i].Source]
		*l = Loss{Column: a.Target, Header: a.Header, Reason: reason, Text: string(f.Text), Line: record.Line, Count: 1}
	}
}

// keeps counts a Loss of a value that the column keeps in part.
func (m *Mapping) keeps(l *Loss, i int, f *importers.Field, record *importers.Record, how string) {
	if m.lost(l, i, f, record, how); l.Count == 1 {
		l.Reason, l.Kept = m.plans[i].kind.name+" "+how, true
	}
}

// Empty reports whether a record has nothing for any column, so that its row would be made of defaults.
func (m *Mapping) Empty(record *importers.Record) bool {
	for i := range m.plans {
		p := &m.plans[i]
		if p.rest && m.restOf(record) {
			return false
		}
		if uint(p.field) >= uint(len(record.Fields)) {
			continue
		}
		f := &record.Fields[p.field]
		if f.Kind == importers.Null || f.Kind == importers.Missing {
			continue
		}
		text := f.Text
		if p.trims {
			text = trim(text)
		}
		if f.Kind == importers.Unknown || !p.null(text) || p.text(f) {
			return false
		}
	}
	return true
}

// restOf reports whether a record has something for the column of unmapped fields.
func (m *Mapping) restOf(record *importers.Record) bool {
	return slices.ContainsFunc(m.kept, func(i int) bool {
		if i >= len(record.Fields) {
			return false
		}
		f := &record.Fields[i]
		return f.Kind == importers.Unknown || f.Kind != importers.Null && f.Kind != importers.Missing && len(trim(f.Text)) > 0
	})
}

// null reports whether the text is one of the words for NULL.
func null(words [][]byte, text []byte) bool {
	for _, w := range words {
		if len(w) == len(text) && (len(w) == 0 || bytes.EqualFold(w, text)) {
			return true
		}
	}
	return false
}

// failed makes a Refusal, or counts a Loss.
func (m *Mapping) failed(i int, f *importers.Field, record *importers.Record, bad *failure) *Refusal {
	p, a := &m.plans[i], &m.Fields[m.Targets[i].Source]
	if p.lossy || bad.lossy {
		m.lost(&m.losses[i], i, f, record, bad.reason)
		return nil
	}
	m.refuse = Refusal{Column: a.Target, Header: a.Header, Reason: bad.reason, Hint: bad.hint, Text: f.Text}
	if a.Or != "" && m.refuse.Hint == "" {
		m.refuse.Hint = fmt.Sprintf("%q may mean %s instead: --map %q", a.Header, a.Or, a.Header+"="+a.Or)
	}
	return &m.refuse
}

// complete puts in values and defaults, in the order of the columns, and the unmapped fields.
func (m *Mapping) complete(dst []evidence.Value, base int, record *importers.Record) ([]evidence.Value, *Refusal) {
	row := dst[base:]
	for _, i := range m.late {
		p := &m.plans[i]
		switch {
		case p.value != nil:
			m.cook(p.value, row, &row[i], record)
		case p.rest:
			row[i] = m.unmapped(record)
			continue
		case row[i].State != evidence.Null:
			continue
		default:
			for d := range p.defaults {
				if p.defaults[d].unknown(row, record, &row[i]) || m.cook(&p.defaults[d], row, &row[i], record) {
					break
				}
			}
		}
		if row[i].State == evidence.Known {
			if bad := p.fit.check(row[i].Text); bad != nil {
				m.refuse = Refusal{Column: m.Targets[i].Name, Reason: "its default " + bad.reason, Text: row[i].Text}
				return dst[:base], &m.refuse
			}
		} else if p.notNull && row[i].State == evidence.Null {
			m.refuse = Refusal{Column: m.Targets[i].Name, Reason: "the column is NOT NULL, and the record has nothing for it"}
			if s := m.Targets[i].Source; s >= 0 {
				m.refuse.Header = m.Fields[s].Header
			}
			return dst[:base], &m.refuse
		}
	}
	return dst, nil
}

// unknown makes v unknown when a piece is: whether the default is this one, nobody can tell.
func (r *recipe) unknown(row []evidence.Value, record *importers.Record, v *evidence.Value) bool {
	for i := range r.pieces {
		switch p := &r.pieces[i]; {
		case p.target >= 0 && row[p.target].State == evidence.Unknown:
			v.State, v.Reason = evidence.Unknown, row[p.target].Reason
			return true
		case p.field >= 0 && p.field < len(record.Fields) && record.Fields[p.field].Kind == importers.Unknown:
			v.State, v.Reason = evidence.Unknown, record.Fields[p.field].Reason
			return true
		}
	}
	return false
}

// cook makes the text of a recipe, if all its pieces are known.
func (m *Mapping) cook(r *recipe, row []evidence.Value, v *evidence.Value, record *importers.Record) bool {
	if len(r.pieces) == 1 {
		text, ok := r.pieces[0].known(row, record, &m.buf)
		if ok {
			v.State, v.Text = evidence.Known, text
		}
		return ok
	}
	m.cooked = m.cooked[:0]
	for i := range r.pieces {
		text, ok := r.pieces[i].known(row, record, &m.buf)
		if !ok {
			return false
		}
		m.cooked = append(m.cooked, text...)
	}
	start := len(m.buf)
	m.buf = append(m.buf, m.cooked...)
	v.State, v.Text = evidence.Known, m.buf[start:len(m.buf):len(m.buf)]
	return true
}

// unmapped makes one JSON object of the fields that no column takes, in the order of the source.
func (m *Mapping) unmapped(record *importers.Record) evidence.Value {
	start := len(m.buf)
	m.buf = append(m.buf, '{')
	for at, i := range m.kept {
		if i >= len(record.Fields) || record.Fields[i].Kind == importers.Missing {
			continue
		}
		name := m.keptNames[at]
		if len(m.buf) == start+1 {
			name = name[len(", "):]
		}
		m.buf = append(m.buf, name...)
		m.buf = appendJSON(m.buf, &record.Fields[i])
	}
	m.buf = append(m.buf, '}')
	return evidence.Value{State: evidence.Known, Text: m.buf[start:len(m.buf):len(m.buf)]}
}
