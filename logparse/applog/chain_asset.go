package applog

// pending is an asset that is being made.
type pending struct {
	name, flow Claim
	keys       []string
	last       *Asset // whose id was told, and not yet its name beside it
}

// maxPending bounds the requests whose assets are followed.
const maxPending = 10_000

// asset takes a message of an asset that is made: its name and keys, its flows, its id, and name and id together.
func (c *Chain) asset(m *message) {
	p := c.pending[m.trace]
	if p == nil {
		if len(c.pending) >= maxPending {
			clear(c.pending)
		}
		p = &pending{}
		c.pending[m.trace] = p
	}
	switch m.match.Pattern.Proves {
	case ProvesName:
		p.name = m.claim("name", m.values["name"], "")
		p.keys, _ = Names(m.values["keys"])
		return
	case ProvesMaking:
		p.flow = Claim{}
		if id := m.id("flow_id"); id != "" {
			p.flow = m.claim("flow_id", id, "")
		}
		if i := c.names(m); i != nil {
			c.name(i)
			c.take(i, m, "")
		}
		return
	}
	id := m.id("asset_id")
	if id == "" {
		return
	}
	name, named := m.values["name"]
	if known := c.assets[id]; known != nil {
		if named && known == p.last {
			known.confirm(m.claim("name", name, ""))
			p.last = nil
		}
		return
	}
	a := &Asset{ID: m.claim("id", id, ""), Flow: p.flow, There: m.match.Pattern.Proves == ProvesThere}
	if p.name.Field != "" {
		a.Name, a.Keys = p.name, p.keys
		a.Name.Doubt = "the name stands in a message before, which has no id"
	}
	if p.last = a; named {
		a.confirm(m.claim("name", name, ""))
		p.last = nil
	}
	p.name, p.keys = Claim{}, nil
	c.assets[id] = a
	if i := c.byFlow[a.Flow.Known.Text]; i != nil {
		i.Assets = append(i.Assets, a)
		return
	}
	c.Loose = append(c.Loose, a)
}

// confirm takes the name that stands beside the id.
func (a *Asset) confirm(name Claim) {
	if a.Name.Known.Text != name.Known.Text {
		a.Keys = nil // they are another one's
	}
	a.Name = name
}
