package applog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
)

// Chain links what messages tell, in the order of their entries: an import's id to flows, flows to assets, and what
// stands between without an id to the import that was under way.
//
// Messages of a text log have no id of their request. Where two imports were under way at once, what has no
// id is a claim with a Doubt; in JSON logs trace_id tells them apart.
type Chain struct {
	Imports []*Import
	Loose   []*Asset // of no import that the log tells
	Strays  []Payload

	byID, byFlow map[string]*Import
	byEnd        map[string]*Import    // by the last characters of a flow's id; nil: several have them
	waiting      map[string][]*message // of flows whose import is not known
	open         []*Import
	named        *Import // the last one that a message named, and the one before that is another
	before       *Import
	messages     int
	assets       map[string]*Asset
	pending      map[string]*pending // by trace
}

// nearby is within how many messages two imports are taken to run at the same time.
const nearby = 12

// NewChain returns one without links.
func NewChain() *Chain {
	return &Chain{
		byID: make(map[string]*Import), byFlow: make(map[string]*Import), byEnd: make(map[string]*Import), waiting: make(map[string][]*message),
		assets: make(map[string]*Asset), pending: make(map[string]*pending),
	}
}

// message is a match with what the chain needs of its entry.
type message struct {
	match  *Match
	entry  *logparse.Entry
	values map[string]string
	trace  string
	turn   int
}

func (m *message) claim(field, text, doubt string) Claim {
	return Claim{
		Field: field, Known: Read(text), Pattern: m.match.Pattern.Name, Place: m.entry.Place, Stamp: m.entry.Stamp, Doubt: doubt,
		Flow: cmp.Or(m.id("flow_id"), m.id("discovery_flow_id")), turn: m.turn,
	}
}

// Add takes the next message.
func (c *Chain) Add(entry *logparse.Entry, match *Match) { c.add(c.message(entry, match)) }

// message takes the texts out of a match.
func (c *Chain) message(entry *logparse.Entry, match *Match) *message {
	c.messages++
	m := &message{turn: c.messages, match: match, entry: entry, values: make(map[string]string, len(match.Values))}
	for _, value := range match.Values {
		switch value.Kind {
		case KindRepr:
		case KindJSON:
			if match.Pattern.Proves == ProvesFlow {
				m.expand(value.Text)
			}
		default:
			m.values[value.Name] = string(value.Text)
		}
	}
	for _, field := range entry.Fields {
		if name := strings.TrimPrefix(field.Name, "context."); field.Name == "trace_id" {
			m.trace = string(field.Text)
		} else if name != field.Name && name != "flow_id" && m.values[name] == "" { // the flow is the one of the page
			m.values[name] = string(field.Text)
		}
	}
	return m
}

func (c *Chain) add(m *message) {
	switch m.match.Pattern.Proves {
	case ProvesBegin:
		c.begin(m)
	case ProvesEnd:
		c.end(m)
	case ProvesClose:
		c.close(m)
	case ProvesTenant:
		c.tenant(m)
	case ProvesName, ProvesAsset, ProvesThere, ProvesMaking, ProvesFailed:
		c.asset(m)
	case ProvesRequest, ProvesResponse, ProvesRecord, ProvesLoss:
	default:
		c.link(m)
	}
}

// expand adds the texts of a JSON object.
func (m *message) expand(text []byte) {
	logparse.Members(text, func(name, value []byte) {
		if _, there := m.values[string(name)]; !there && len(value) > 1 && value[0] == '"' {
			var room []byte
			m.values[string(name)] = string(logparse.Unquote(&room, value))
		}
	})
}

// id gives the value of a field that is a whole id.
func (m *message) id(field string) string {
	if text := m.values[field]; uuidAt([]byte(text)) == len(text) && text != "" {
		return strings.ToLower(text)
	}
	return ""
}

// begin opens an import, or its transaction.
func (c *Chain) begin(m *message) {
	transaction := len(m.match.Values) == 0
	if transaction {
		for _, i := range c.open {
			if !i.begun && i.trace == m.trace {
				i.begun = true
				return
			}
		}
	}
	c.expire(m)
	i := c.start(m.trace)
	i.begun = transaction
	c.open = append(c.open, i)
	c.take(i, m, "")
}

const (
	// longest is how long an import may be silent, and silent how many messages of others may come, before it is
	// taken for one whose end is not in the log.
	longest = 10 * time.Minute
	silent  = 500
)

// expire gives up waiting for the end of imports that have said nothing for long.
func (c *Chain) expire(m *message) {
	c.open = slices.DeleteFunc(c.open, func(i *Import) bool {
		gone := c.messages-i.told > silent || !i.last.IsZero() && !m.entry.Time.IsZero() && m.entry.Time.Sub(i.last) > longest
		if gone && i.Why == "" {
			i.Why = "the log does not show how it ended"
		}
		return gone
	})
}

func (c *Chain) start(trace string) *Import {
	i := &Import{Rows: -1, trace: trace}
	c.Imports = append(c.Imports, i)
	return i
}

// link takes what a message tells of an import. What names a flow waits until a message says whose flow it is.
func (c *Chain) link(m *message) {
	i, doubt := c.find(m)
	if i == nil {
		for _, field := range flowFields() {
			if id := m.id(field); id != "" {
				c.wait(id, m)
				return
			}
		}
		switch m.match.Pattern.Proves {
		case ProvesRows, ProvesBody:
		case ProvesRow:
			c.Strays = append(c.Strays, m.payloads(doubtStray)...)
			return
		default:
			return
		}
		i = c.start(m.trace) // the log begins within an import
		c.open = append(c.open, i)
	}
	c.take(i, m, doubt)
}

const (
	maxWaiting = 10_000 // flows
	maxWaits   = 50     // messages of each
)

// wait keeps a message of a flow.
func (c *Chain) wait(flow string, m *message) {
	if kept := c.waiting[flow]; len(kept) < maxWaits && (kept != nil || len(c.waiting) < maxWaiting) {
		entry, match := *m.entry, *m.match
		match.Values = nil
		c.waiting[flow] = append(kept, &message{match: &match, entry: &entry, values: m.values, trace: m.trace})
	}
}

// take notes the fields of a message.
func (c *Chain) take(i *Import, m *message, doubt string) {
	if doubt == "" {
		if i.told = c.messages; m.entry.Time.After(i.last) {
			i.last = m.entry.Time
		}
	}
	for _, name := range sortedNames(m.values) {
		text := m.values[name]
		if text == "None" || text == "null" || text == "" {
			continue
		}
		switch name {
		case "headers":
			if names, _ := Names(text); len(names) > len(i.Headers) && doubt == "" {
				i.Headers = names
			}
		case "rows":
			if rows, err := strconv.ParseInt(text, 10, 64); err == nil && doubt == "" {
				i.Rows = rows
			}
		case "flow_id", "discovery_flow_id":
			if id := m.id(name); id != "" && doubt == "" {
				c.flow(i, id)
			}
		}
		i.claim(m.claim(name, text, doubt))
	}
	c.keep(i, m, doubt)
	if m.match.Pattern.Commit && doubt == "" && i.Fate == FateUnknown {
		i.Fate, i.Why = FateCommitted, m.match.Pattern.Name+": line "+strconv.FormatInt(m.entry.Line, 10)
	}
}

// flow ties a flow to an import, and takes what was waiting for that.
func (c *Chain) flow(i *Import, id string) {
	if other := c.byFlow[id]; other != nil {
		return // i knows, or the flow is another import's
	}
	c.byFlow[id] = i
	i.Flows = append(i.Flows, id)
	end := id[len(id)-endLength:]
	if other, there := c.byEnd[end]; there && other != i {
		c.byEnd[end] = nil
	} else {
		c.byEnd[end] = i
	}
	waiting := c.waiting[id]
	delete(c.waiting, id)
	for _, m := range waiting {
		c.take(i, m, "")
	}
}

// endLength is how much of an id the application leaves when it masks one.
const endLength = 8

func sortedNames(values map[string]string) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// end takes the fate of a transaction.
func (c *Chain) end(m *message) {
	i, doubt := c.find(m)
	where := m.match.Pattern.Name + ": line " + strconv.FormatInt(m.entry.Line, 10)
	switch {
	case i == nil:
		return
	case doubt != "":
		for _, open := range c.open {
			open.ended, open.Why = true, where+" ends a transaction, and does not say of which of several imports"
		}
		return
	case i.ended && c.names(m) == nil && (m.trace == "" || m.trace != i.trace):
		// That one may have been its end, and this one another import's.
		i.Why = where + " ends a transaction, and a message before may have ended this import's"
		return
	}
	c.take(i, m, "")
	i.Why = where
	if i.Fate = FateRolledBack; m.match.Pattern.Commit {
		i.Fate = FateCommitted
	}
	c.shut(i)
	c.name(i)
}

// close takes the end of the request: who is still under way without an end is not any more, if there is one only.
func (c *Chain) close(m *message) {
	if i, doubt := c.find(m); i != nil && doubt == "" && slices.Contains(c.open, i) {
		c.take(i, m, "")
		c.shut(i)
		if i.Fate == FateUnknown && i.Why == "" {
			i.Why = "its request ended with status " + m.values["status"] + ", and no message tells the fate of its transaction"
		}
	}
}

func (c *Chain) shut(i *Import) {
	c.open = slices.DeleteFunc(c.open, func(other *Import) bool { return other == i })
}

// tenant takes who is asking. Requests of others may come between the beginning of an import and its context.
func (c *Chain) tenant(m *message) {
	i, doubt := c.asking(m), ""
	if i == nil || i.begun {
		return
	}
	if before, ok := i.Claim("client_account_id"); ok {
		text := m.values["client_account_id"]
		if before.Known.Text == text || Read(text).Fits(before.Known.Text) {
			_, engaged := i.Claim("engagement_id")
			_, asked := i.Claim("user_id")
			if engaged && asked {
				return
			}
			text = before.Known.Text // the context of a line had it without the others
		}
		if !before.Known.Fits(text) { // or else the message before had it masked
			doubt = doubtTenants
		}
		for at := range i.Claims {
			switch i.Claims[at].Field {
			case "client_account_id", "engagement_id", "user_id":
				i.Claims[at].Doubt = cmp.Or(doubt, i.Claims[at].Doubt)
			}
		}
	}
	delete(m.values, "flow_id")
	c.take(i, m, doubt)
}

// asking gives the import whose request is being answered. A flow that the context names may be that of a page which
// only looks on.
func (c *Chain) asking(m *message) *Import {
	if m.trace == "" && len(c.open) == 1 {
		return c.open[0]
	}
	for _, i := range c.open {
		if m.trace != "" && i.trace == m.trace {
			return i
		}
	}
	return nil
}
