package applog

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/pyrepr"
)

// thing is what a row is made of: one of these, and the import that it belongs to.
type thing struct {
	table   *Table
	owner   *Import // nil: not known
	doubt   string  // why owner may be another
	flow    *Claim
	record  *record
	pair    *Pair
	asset   *Asset
	message *told
}

// record is a row of the source.
type record struct {
	value   *pyrepr.Value
	payload *Payload
	number  int64 // of the import; 0: not known
	why     string
	doubt   string // of the number
	fate    Fate   // of all imports that it may belong to
}

// place is where a row of the thing stands.
func (t *thing) place() (place logparse.Place) {
	switch {
	case t.message != nil:
		return t.message.place
	case t.asset != nil:
		return t.asset.ID.Place
	case t.pair != nil:
		return t.pair.Target.Place
	case t.record != nil:
		return t.record.payload.Place
	case t.flow != nil:
		return t.flow.Place
	}
	if claim, ok := t.owner.sure("import_id", "", &Column{}, nil); ok {
		return claim.Place
	}
	for _, claim := range t.owner.Claims {
		return claim.Place
	}
	return place
}

// fate is that of the transaction that made the thing.
func (t *thing) fate() (fate Fate, spoiled string) {
	switch {
	case t.asset != nil: // its message comes once it is made, and it was made after the import
		if t.asset.Spoiled != "" {
			return FateUnknown, t.asset.Spoiled
		}
		if t.owner != nil && t.owner.Fate == FateRolledBack {
			return FateRolledBack, ""
		}
		return FateCommitted, ""
	case t.message != nil && t.message.pattern.Commit:
		return FateCommitted, ""
	case t.owner != nil:
		return t.owner.Fate, ""
	case t.record != nil:
		return t.record.fate, ""
	}
	return FateUnknown, ""
}

// crop is all that rows can be made of. Payloads are read once.
type crop struct {
	rows   *Rows
	paths  []string // where in bodies their rows stand
	bodies map[*Payload]*pyrepr.Value
	owned  map[*Import][]owned // by the import that has them, or else where they were noted
	named  map[recordKey]map[string][]*record
}

// owned is a payload with the doubt whether it is the import's.
type owned struct {
	payload *Payload
	doubt   string
}

// newCrop reads the payloads, and finds out whose they are.
func newCrop(r *Rows) *crop {
	c := &crop{
		rows: r, bodies: make(map[*Payload]*pyrepr.Value), owned: make(map[*Import][]owned), named: make(map[recordKey]map[string][]*record),
	}
	for i := range r.pack.Tables {
		for _, path := range r.pack.Tables[i].Rows {
			if !slices.Contains(c.paths, path) {
				c.paths = append(c.paths, path)
			}
		}
	}
	for _, i := range r.Chain.Imports {
		for n := range i.Values {
			owner, doubt := c.owner(i, &i.Values[n])
			c.owned[owner] = append(c.owned[owner], owned{&i.Values[n], doubt})
		}
	}
	for n := range r.Chain.Strays {
		c.owned[nil] = append(c.owned[nil], owned{&r.Chain.Strays[n], doubtStray})
	}
	return c
}

// of gives the things that a table's rows are made of.
func (c *crop) of(table *Table) iter.Seq[thing] {
	return func(yield func(thing) bool) {
		switch table.Of {
		case OfRecord:
			c.records(table, yield)
			return
		case OfMessage:
			c.messages(table, yield)
			return
		case OfAsset:
			for _, a := range c.rows.Chain.Loose {
				if !yield(thing{table: table, asset: a}) {
					return
				}
			}
		}
		for _, i := range c.rows.Chain.Imports {
			for _, t := range i.things(table) {
				if t.table, t.owner = table, i; !yield(t) {
					return
				}
			}
		}
	}
}

// things are those of an import.
func (i *Import) things(table *Table) (things []thing) {
	switch table.Of {
	case OfImport:
		if i.ID != "" || len(i.Values) > 0 {
			things = append(things, thing{})
		}
	case OfFlow:
		for _, field := range table.IDs {
			for n := range i.Claims {
				claim := &i.Claims[n]
				same := func(t thing) bool { return t.flow.Known.Text == claim.Known.Text }
				if claim.Field == field && claim.Known.State == Whole && claim.Doubt == "" && slices.Contains(i.Flows, strings.ToLower(claim.Known.Text)) && !slices.ContainsFunc(things, same) {
					things = append(things, thing{flow: claim})
				}
			}
			if len(things) > 0 {
				break
			}
		}
	case OfMapping:
		for n := range i.Pairs {
			things = append(things, thing{pair: &i.Pairs[n], doubt: i.Pairs[n].Target.Doubt})
		}
	case OfAsset:
		for _, a := range i.Assets {
			things = append(things, thing{asset: a, doubt: a.Flow.Doubt})
		}
	}
	return things
}

func (c *crop) messages(table *Table, yield func(thing) bool) {
	for _, m := range c.rows.messages {
		if !table.takes(m.pattern.Name) {
			continue
		}
		suits := true
		for field, want := range table.Where {
			suits = suits && m.claims[field].Known.Text == want
		}
		if suits && !yield(thing{table: table, message: m, owner: m.owner}) {
			return
		}
	}
}

// maxBodies is how many payloads are kept as they were read, and of how many imports and tables the rows by their names.
const maxBodies = 8

// body reads a payload; nil: it is none that can be read.
func (c *crop) body(p *Payload) *pyrepr.Value {
	if body, there := c.bodies[p]; there {
		return body
	}
	if len(c.bodies) >= maxBodies {
		clear(c.bodies)
	}
	var body *pyrepr.Value
	if value, n := readLiteral(p.Kind, p.Known.Text); n >= 0 {
		body = &value
	}
	c.bodies[p] = body
	return body
}

// records gives the rows of payloads.
func (c *crop) records(table *Table, yield func(thing) bool) {
	for _, i := range append(slices.Clone(c.rows.Chain.Imports), nil) {
		for _, own := range c.owned[i] {
			body := c.body(own.payload)
			if body == nil || !table.takes(own.payload.Pattern) {
				continue
			}
			rows := []*record{{value: body, payload: own.payload, number: table.Number, why: "the message is about this row"}}
			if own.payload.Proof == ProvesBody {
				rows = numbered(listIn(body, table.Rows), body.Cut, own.payload, i)
			}
			fate := FateUnknown
			if i == nil {
				fate = c.fate(own.payload)
			}
			for _, row := range rows {
				row.fate = fate
				if !yield(thing{table: table, record: row, owner: i, doubt: own.doubt}) {
					return
				}
			}
		}
	}
}

// owner tells whose a payload is; nil: that is not known. Where several imports were under way, the only one of them that
// has as many rows is likely it.
func (c *crop) owner(i *Import, p *Payload) (owner *Import, doubt string) {
	if !strong(p.Doubt) {
		return i, p.Doubt
	}
	candidates, all := c.candidates(p)
	body := c.body(p)
	if !all || len(candidates) < 2 || p.Proof != ProvesBody || body == nil || body.Cut {
		return nil, p.Doubt
	}
	rows := int64(len(listIn(body, c.paths)))
	for _, candidate := range candidates {
		switch {
		case candidate.Rows < 0, candidate.Rows == rows && owner != nil:
			return nil, p.Doubt
		case candidate.Rows == rows:
			owner = candidate
		}
	}
	if owner == nil {
		return nil, p.Doubt
	}
	return owner, doubtOnly
}

// candidates are the imports that a payload may belong to, by their ids; all tells that there is no other.
func (c *crop) candidates(p *Payload) (candidates []*Import, all bool) {
	nameless := 0
	for _, rival := range p.rivals {
		if rival.ID == "" {
			nameless++
			continue
		}
		candidates = append(candidates, rival)
	}
	for _, i := range c.rows.Chain.Imports {
		if slices.ContainsFunc(i.among, func(other *Import) bool { return slices.Contains(p.rivals, other) }) {
			candidates = append(candidates, i)
			nameless--
		}
	}
	return candidates, nameless == 0
}

// fate is that of all imports that a payload may belong to; unknown if they differ.
func (c *crop) fate(p *Payload) Fate {
	candidates, all := c.candidates(p)
	for _, candidate := range candidates {
		if candidate.Fate != candidates[0].Fate {
			return FateUnknown
		}
	}
	if !all || len(candidates) == 0 {
		return FateUnknown
	}
	return candidates[0].Fate
}

// listIn finds the rows of a body: the dicts of the first list. What is no dict the application left out.
func listIn(body *pyrepr.Value, paths []string) (items []*pyrepr.Value) {
	if len(paths) == 0 {
		paths = []string{""}
	}
	for _, path := range paths {
		list, ok := dig(body, path)
		if !ok || list.Kind != pyrepr.List && list.Kind != pyrepr.Tuple {
			continue
		}
		for n := range list.Items {
			if list.Items[n].Kind == pyrepr.Dict {
				items = append(items, &list.Items[n])
			}
		}
		return items
	}
	return nil
}

// dig finds what stands at a path of names with dots between them; "": the value itself.
func dig(value *pyrepr.Value, path string) (*pyrepr.Value, bool) {
	for path != "" {
		name, rest, _ := strings.Cut(path, ".")
		inner, ok := lastOf(value, name)
		if !ok {
			return nil, false
		}
		value, path = inner, rest
	}
	return value, true
}

// lastOf finds the member of a name; of several the last, as Python does.
func lastOf(value *pyrepr.Value, name string) (member *pyrepr.Value, ok bool) {
	if value.Kind != pyrepr.Dict {
		return nil, false
	}
	for i := 0; i+1 < len(value.Items); i += 2 {
		if key := &value.Items[i]; key.Kind == pyrepr.Str && key.Text == name {
			member, ok = &value.Items[i+1], true
		}
	}
	return member, ok
}

// numbered tells which row of the import each is, where the application left none out.
func numbered(items []*pyrepr.Value, cut bool, p *Payload, owner *Import) (rows []*record) {
	kept := int64(-1)
	if owner != nil {
		kept = owner.Rows
	}
	for n, item := range items {
		row := &record{value: item, payload: p, number: int64(n) + 1}
		switch {
		case kept == int64(len(items)) && !cut:
			row.why = fmt.Sprintf("row %d of the body; all of its %d rows were stored", n+1, kept)
		case kept >= 0 && !cut || kept >= 0 && kept < int64(len(items)):
			row.number, row.why = 0, fmt.Sprintf("the body has %d rows and %d were stored: which were left out is not in the log", len(items), kept)
		default:
			row.why, row.doubt = fmt.Sprintf("row %d of the body", n+1), "the application may have left out a row before it"
		}
		rows = append(rows, row)
	}
	return rows
}
