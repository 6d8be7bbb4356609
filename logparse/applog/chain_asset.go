package applog

// pending is an asset that is being made.
type pending struct {
	name, flow Claim
	others     []Claim // ids that stand beside the flow
	keys       []string
	told       int    // the message that told the flow
	other      string // the flow that was told before, and when
	toldOther  int
	last       *Asset   // whose id was told, and not yet its name beside it
	made       []*Asset // in the transaction that goes on, as far as can be told
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
	case ProvesFailed:
		for _, a := range p.made {
			a.Spoiled = "another asset could not be made afterwards, and no message tells whether the transaction of both was rolled back: " + m.entry.Place.String()
		}
		p.name, p.keys, p.last = Claim{}, nil, nil
		return
	case ProvesMaking:
		p.making(m, c.messages)
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
		a.Name.Doubt = doubtName
	}
	if p.last = a; named {
		a.confirm(m.claim("name", name, ""))
		p.last = nil
	}
	p.name, p.keys = Claim{}, nil
	a.Claims = m.otherIDs()
	if !a.There {
		a.Claims = append(a.Claims, p.others...)
	}
	c.assets[id] = a
	if !a.There {
		p.made = append(p.made, a)
	}
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

// making takes the flow that an asset is about to be made for. Assets of two flows may be made at the same time.
func (p *pending) making(m *message, now int) {
	id := m.id("flow_id")
	if before := p.flow.Known.Text; before != "" && before != id {
		p.other, p.toldOther = before, p.told
	}
	if before := p.flow.Known.Text; before != id {
		p.made = nil
	}
	p.flow, p.told, p.others = Claim{}, now, nil
	if id == "" {
		return
	}
	p.flow, p.others = m.claim("flow_id", id, ""), m.otherIDs()
	if m.trace == "" && p.other != "" && p.other != id && now-p.toldOther <= nearby {
		p.flow.Doubt = doubtOfAssets
		for i := range p.others {
			p.others[i].Doubt = doubtOfAssets
		}
	}
}

// otherIDs are what a message of an asset tells beside the asset's own id and its flow's.
func (m *message) otherIDs() (claims []Claim) {
	for _, field := range sortedNames(m.values) {
		if m.id(field) != "" && field != "asset_id" && family(field) != "flow_id" {
			claims = append(claims, m.claim(field, m.values[field], ""))
		}
	}
	return claims
}
