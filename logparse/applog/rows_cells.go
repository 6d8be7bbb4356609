package applog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/pyrepr"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// cell is a value with its origin.
type cell struct {
	value  evidence.Value
	origin evidence.Origin
	told   bool
}

func unknown(reason string) cell {
	return cell{value: evidence.Value{State: evidence.Unknown, Reason: reason}, told: true}
}

// at gives the cell the place of the message that it rests on.
func (c cell) at(place logparse.Place, why, doubt string) cell {
	c.origin = evidence.Origin{Confidence: evidence.Claimed, Source: place.Name(), Line: place.Line, Why: why}
	if doubt != "" {
		c.origin.Why = "doubt: " + doubt + "; " + why
	}
	return c
}

// why says what a claim rests on.
func (c *Claim) why() string { return fmt.Sprintf("claim of the pattern %q", c.Pattern) }

// cell makes the value of a column.
func (r *Rows) cell(t *thing, column *Column, h *harvest, row *made) (c cell) {
	switch {
	case len(column.Field) > 0:
		c = r.fromField(t, column)
	case len(column.Body) > 0:
		c = r.fromBody(t, column)
	case len(column.Record) > 0:
		c = r.fromRecord(t, column)
	case column.Row:
		c = wholeRow(t)
	case column.Position:
		c = position(t)
	case column.Text != "":
		c = r.fromText(t, column, h, row)
	default:
		c = t.never(column)
	}
	if c.value.State == evidence.Known {
		text, trouble := canonical(column.Type, string(c.value.Text))
		if c.value.Text = []byte(text); secrets.Sensitive(column.Name) {
			trouble = secret
		}
		if trouble != "" {
			c.value = evidence.Value{State: evidence.Unknown, Reason: trouble}
		}
	}
	if column.Doubt != "" && c.value.State != evidence.Unknown && !strings.HasPrefix(c.origin.Why, "doubt: ") {
		c.origin.Why = "doubt: " + column.Doubt + "; " + c.origin.Why
	}
	c.told = true
	return c
}

// never says why no log tells a value, and when about it came to be.
func (t *thing) never(column *Column) cell {
	reason := column.Unknown
	if column.When != "" && (t.asset == nil || !t.asset.There) {
		if claim, ok := t.claim(column.When, &Column{}); ok && !claim.Stamp.Time.IsZero() {
			reason += fmt.Sprintf("; about %s, the time of the message at %s", claim.Stamp.Time.Format("2006-01-02 15:04:05.999999Z07:00"), claim.Place)
		}
	}
	return unknown(reason)
}

// fromField takes the first field of which a message tells something.
func (r *Rows) fromField(t *thing, column *Column) cell {
	reason := "no message tells it"
	for _, field := range column.Field {
		claim, ok := t.claim(field, column)
		doubt := claim.Doubt
		if !t.own(field) {
			doubt = cmp.Or(doubt, t.doubt)
		}
		if strong(doubt) || !ok && claim.Field != "" {
			reason = "doubt: " + doubt
			if claim.Field == "" {
				return unknown(reason)
			}
			if !secrets.Sensitive(field) {
				reason += fmt.Sprintf("; %s tells %s", claim.Place, shortened(claim.Known.String()))
			}
			return unknown(reason).at(claim.Place, claim.why(), doubt)
		}
		if !ok {
			continue
		}
		c, why := r.known(claim, field)
		return c.at(claim.Place, why+claim.why(), doubt)
	}
	if t.owner != nil && len(t.owner.among) > 0 {
		reason = "doubt: " + doubtSeveral
	}
	return unknown(reason)
}

// known is the value of a claim; an id that is masked is joined with the only one that ends so.
func (r *Rows) known(claim Claim, field string) (c cell, why string) {
	text := claim.Known.Text
	switch {
	case secrets.Sensitive(field):
		return unknown(secret), ""
	case claim.Known.State == Masked:
		whole, place, ok := r.whole(field, claim.Known)
		if !ok {
			return unknown(claim.Known.String()), ""
		}
		text, why = whole, fmt.Sprintf("masked there; the only id of the log that ends so stands at %s; ", place)
	case claim.Known.State != Whole:
		return unknown(claim.Known.String()), ""
	}
	return cell{value: evidence.Value{Text: []byte(text)}}, why
}

// whole finds the only whole id of a field that a masked one fits.
func (r *Rows) whole(field string, masked Known) (id string, place logparse.Place, ok bool) {
	if len(masked.Tail) < endLength || len(r.ids[family(field)]) >= maxIDs {
		return "", place, false
	}
	masked.Tail = strings.ToLower(masked.Tail)
	for other, at := range r.ids[family(field)] {
		if !masked.Fits(other) {
			continue
		}
		if id != "" {
			return "", place, false
		}
		id, place = other, at
	}
	return id, place, id != ""
}

// own reports whether a field is the thing's, and not its import's or its flow's.
func (t *thing) own(field string) bool {
	switch {
	case t.message != nil:
		return t.message.claims[field].Field != ""
	case t.asset != nil:
		return field == "asset_id" || field == "name" || slices.ContainsFunc(t.asset.Claims, func(c Claim) bool { return c.Field == field })
	case t.pair != nil:
		return field == "source_field" || field == "target_field"
	case t.flow != nil:
		return field == t.flow.Field
	}
	return false
}

// claim gives what messages tell of a field. It is false with a Doubt where what they tell may be another's.
func (t *thing) claim(field string, column *Column) (Claim, bool) {
	if t.own(field) {
		switch {
		case t.message != nil:
			return t.message.claims[field], true
		case field == "asset_id":
			return t.asset.ID, true
		case field == "name":
			return t.asset.Name, t.asset.Name.Field != ""
		case field == "source_field":
			return t.pair.Source, true
		case field == "target_field":
			return t.pair.Target, true
		case t.flow != nil:
			return *t.flow, true
		}
	}
	if t.asset != nil && family(field) == "flow_id" {
		if t.asset.Flow.Field == "" || t.asset.There { // it was made for another one
			return Claim{}, false
		}
		return t.asset.Flow, !strong(t.asset.Flow.Doubt)
	}
	if t.asset != nil {
		for _, claim := range t.asset.Claims {
			if claim.Field == field {
				return claim, !strong(claim.Doubt)
			}
		}
	}
	if t.owner == nil {
		return Claim{}, false
	}
	flow := ""
	if t.flow != nil {
		flow = t.flow.Known.Text
	}
	for _, from := range [][]string{column.From, nil} {
		if claim, ok := t.owner.sure(field, flow, column, from); ok {
			return claim, true
		}
	}
	return t.owner.doubted(field, flow)
}

// sure is the first claim of a field, or the last, that nothing makes doubtful and that the column's type takes; of
// these patterns, if there are any. Of a flow those that name another do not count.
func (i *Import) sure(field, flow string, column *Column, from []string) (found Claim, ok bool) {
	for _, claim := range i.Claims {
		switch {
		case claim.Field != field, claim.Doubt != "", flow != "" && claim.Flow != "" && claim.Flow != flow:
			continue
		case len(from) > 0 && !slices.Contains(from, claim.Pattern):
			continue
		}
		if claim.Known.State == Whole {
			if _, trouble := canonical(column.Type, claim.Known.Text); trouble != "" {
				continue
			}
		}
		if !ok || found.Known.State != Whole && claim.Known.State == Whole || column.Last && claim.turn > found.turn {
			found, ok = claim, true
		}
	}
	return found, ok
}

// doubted gives a claim that has a doubt. It is true if the doubt leaves no other one that it may belong to, and all that
// is told is the same.
func (i *Import) doubted(field, flow string) (found Claim, ok bool) {
	for _, claim := range i.Claims {
		switch {
		case claim.Field != field, claim.Doubt == "", flow != "" && claim.Flow != "" && claim.Flow != flow:
		case found.Field == "":
			found, ok = claim, !strong(claim.Doubt)
		case found.Known.Text != claim.Known.Text || strong(claim.Doubt):
			ok = false
		}
	}
	return found, ok
}

// fromBody takes the value at the first path that the import's body has.
func (r *Rows) fromBody(t *thing, column *Column) cell {
	if t.owner == nil || strong(t.doubt) {
		return unknown("no message shows the body of the import")
	}
	for _, own := range r.crop.owned[t.owner] {
		body := r.crop.body(own.payload)
		if own.payload.Proof != ProvesBody || body == nil {
			continue
		}
		for _, path := range column.Body {
			if found, ok := dig(body, path); ok {
				_, name := cutLast(path)
				return member(found, name, column.Type).at(own.payload.Place, "what the body has at "+path, own.doubt)
			}
		}
	}
	return unknown("no message shows the body of the import")
}

func cutLast(path string) (before, name string) {
	at := strings.LastIndexByte(path, '.')
	return path[:max(at, 0)], path[at+1:]
}

// member is the value of a part of a payload.
func member(value *pyrepr.Value, name, typ string) cell {
	if part := partial(value); part != "" {
		return unknown(part)
	}
	if secrets.Sensitive(name) && value.Kind != pyrepr.None && value.Text != "" {
		return unknown(secret)
	}
	switch {
	case value.Kind == pyrepr.None:
		return cell{value: evidence.Value{State: evidence.Null}}
	case value.Kind == pyrepr.Dict, value.Kind == pyrepr.List, value.Kind == pyrepr.Tuple, typ == "json", typ == "jsonb":
		return jsonCell(value)
	}
	return cell{value: value.Known()}
}

// jsonCell is a value as the application stored it in a column of JSON.
func jsonCell(value *pyrepr.Value) cell {
	text, trouble := dumps(value)
	if trouble == "" {
		return cell{value: evidence.Value{Text: []byte(text)}}
	}
	c := unknown(trouble)
	if !strings.HasSuffix(trouble, secret) {
		c.value.Raw = []byte(secrets.Text(text)) // what is known of it
	}
	return c
}

// wholeRow is the source's row.
func wholeRow(t *thing) cell {
	if t.record.value.Kind != pyrepr.Dict {
		return unknown("the payload is no row").at(t.record.payload.Place, t.record.payload.why(), "")
	}
	return jsonCell(t.record.value).at(t.record.payload.Place, fmt.Sprintf("the payload of the pattern %q", t.record.payload.Pattern), t.record.payload.wrapped())
}

// wrapped is the doubt of what was wrapped.
func (p *Payload) wrapped() string {
	if p.Wrapped {
		return "it stood in a box of lines, which were wrapped: spaces in it may be others"
	}
	return ""
}

// position is which row of the import the source's row is.
func position(t *thing) cell {
	record := t.record
	if record.number == 0 {
		return unknown(cmp.Or(record.why, "no message tells which row it is")).at(record.payload.Place, record.payload.why(), "")
	}
	return cell{value: evidence.Value{Text: fmt.Append(nil, record.number)}}.at(record.payload.Place, record.why, record.doubt)
}

// fromRecord takes the first field that the source's row has.
func (r *Rows) fromRecord(t *thing, column *Column) cell {
	record, reason := t.record, "the row has no such field"
	if record == nil {
		if record, reason = r.recordOf(t); record == nil {
			return unknown(reason)
		}
	}
	for _, name := range column.Record {
		if value, ok := lastOf(record.value, name); ok {
			return member(value, name, column.Type).at(record.payload.Place, fmt.Sprintf("the field %q of the row", name), record.payload.wrapped())
		}
	}
	return unknown(reason)
}

// recordOf finds the only row of the import's payloads in which an asset's name stands.
func (r *Rows) recordOf(t *thing) (*record, string) {
	if t.owner == nil || t.asset.Name.Field == "" || t.asset.Name.Doubt != "" || strong(t.doubt) {
		return nil, "no message tells which row of the source it was made of"
	}
	key := recordKey{t.owner, t.table}
	byName, there := r.crop.named[key]
	if !there {
		if len(r.crop.named) >= maxBodies {
			clear(r.crop.named)
		}
		byName = r.crop.byName(t.table, t.owner)
		r.crop.named[key] = byName
	}
	switch found := byName[t.asset.Name.Known.Text]; len(found) {
	case 0:
		return nil, "no payload has the row of the source that it was made of"
	case 1:
		return found[0], "the row of the source has no such field"
	default:
		return nil, fmt.Sprintf("its name stands in several rows of the source: %s and %s", found[0].payload.Place, found[1].payload.Place)
	}
}

// recordKey is for what assets of an import were made of, as a table says.
type recordKey struct {
	owner *Import
	table *Table
}

// byName lists the rows of an import's payloads by the names in them. The same row in two payloads is one.
func (c *crop) byName(table *Table, owner *Import) map[string][]*record {
	byName := make(map[string][]*record)
	for _, own := range c.owned[owner] {
		body := c.body(own.payload)
		if body == nil {
			continue
		}
		items := []*pyrepr.Value{body}
		if own.payload.Proof == ProvesBody {
			items = listIn(body, c.paths)
		}
		for _, item := range items {
			table.listName(byName, &record{value: item, payload: own.payload, doubt: own.doubt})
		}
	}
	return byName
}

func (t *Table) listName(byName map[string][]*record, row *record) {
	for _, field := range t.Named {
		name, ok := lastOf(row.value, field)
		if !ok || name.Kind != pyrepr.Str || name.Cut || name.Text == "" {
			continue
		}
		text, _ := dumps(row.value)
		same := func(other *record) bool { known, _ := dumps(other.value); return known == text }
		if !slices.ContainsFunc(byName[name.Text], same) {
			byName[name.Text] = append(byName[name.Text], row)
		}
		return
	}
}

// fromText puts columns that stand before into a text, or fields of messages.
func (r *Rows) fromText(t *thing, column *Column, h *harvest, row *made) cell {
	var text strings.Builder
	origin := cell{}.at(t.place(), "what the application writes", "").origin
	for _, part := range textParts(column.Text) {
		text.WriteString(part.literal)
		if part.column == "" {
			continue
		}
		var source cell
		if at := h.relation.Column(part.column); at >= 0 {
			source = row.cells[at]
		} else {
			source = r.fromField(t, &Column{Field: oneOrAll{part.column}})
		}
		if source.value.State != evidence.Known {
			return unknown("it is made of " + part.column + ", which is not known")
		}
		value := []rune(string(source.value.Text))
		if part.length > 0 {
			value = value[:min(part.length, len(value))]
		}
		text.WriteString(string(value))
		why, doubtful := strings.CutPrefix(source.origin.Why, "doubt: ")
		origin = source.origin
		if origin.Why = "made of " + part.column + ": " + why; doubtful {
			origin.Why = "doubt: " + origin.Why
		}
	}
	return cell{value: evidence.Value{Text: []byte(text.String())}, origin: origin}
}
