package applog

import (
	"slices"
	"strings"
)

// find finds the import that a message belongs to, and what makes that doubtful.
func (c *Chain) find(m *message) (found *Import, doubt string) {
	if i := c.names(m); i != nil {
		c.name(i)
		return i, ""
	}
	if m.trace != "" {
		for _, i := range slices.Backward(c.open) {
			if i.trace == m.trace {
				return i, ""
			}
		}
	}
	switch proof := m.match.Pattern.Proves; {
	case m.values["flow_id"] != "" || m.values["discovery_flow_id"] != "":
		return nil, "" // of an import that is not known yet, or of none
	case proof == ProvesStage:
		return nil, "" // anybody's
	case len(c.open) > 1:
		return c.open[len(c.open)-1], doubtSeveral
	case len(c.open) == 1:
		if other := c.named; !transactional(proof) && other != c.open[0] && c.near(other) && other.Fate != FateRolledBack {
			return c.open[0], doubtRunning
		}
		return c.open[0], ""
	case transactional(proof):
		return nil, ""
	case c.named != nil && c.near(c.before):
		return c.named, doubtShortly
	case c.named != nil && !c.near(c.named):
		return c.named, doubtLong
	}
	return c.named, ""
}

// names gives the import that a message names by an id of its own or of a flow; nil: none.
func (c *Chain) names(m *message) *Import {
	if id := m.id("import_id"); id != "" {
		return c.withID(id, m)
	}
	for _, field := range flowFields() {
		if i := c.byFlow[m.id(field)]; i != nil {
			return i
		}
		if end, masked := strings.CutPrefix(m.values[field], "***"); masked {
			if i := c.byEnd[strings.ToLower(end)]; i != nil {
				return i
			}
		}
	}
	return nil
}

// flowFields are the fields with ids of flows.
func flowFields() []string { return []string{"flow_id", "discovery_flow_id"} }

// name notes that a message named an import.
func (c *Chain) name(i *Import) {
	if i.seen = c.messages; c.named != i {
		c.before, c.named = c.named, i
	}
}

// near reports whether an import was named by one of the last messages.
func (c *Chain) near(i *Import) bool { return i != nil && c.messages-i.seen <= nearby }

// transactional reports whether such messages come within the transaction of an import.
func transactional(proof Proof) bool {
	return proof == ProvesRows || proof == ProvesImport || proof == ProvesEnd
}

// withID finds the import of an id. The only one under way that has no id yet is it.
func (c *Chain) withID(id string, m *message) *Import {
	var nameless []*Import
	for _, i := range c.open {
		if i.ID == "" && (m.trace == "" || i.trace == m.trace) {
			nameless = append(nameless, i)
		}
	}
	if i := c.byID[id]; i != nil {
		if len(nameless) == 1 && m.match.Pattern.Proves == ProvesImport && i.twin(m) {
			c.absorb(i, nameless[0])
		}
		return i
	}
	var i *Import
	if len(nameless) == 1 {
		i = nameless[0]
	} else { // which of several it is cannot be told: they stay without an id
		i = c.start(m.trace)
		i.among = nameless
	}
	i.ID = id
	c.byID[id] = i
	return i
}
