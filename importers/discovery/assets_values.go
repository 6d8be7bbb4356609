package discovery

import (
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// appFields are the names that the application looked for in a record, by their place in the
// header; -1: not there. Mappings were not applied, so only these counted (fact sheet 2.3, 7.18).
type appFields struct {
	name, hostname, ip, kind, environment, system, status, location int
}

func newAppFields(head *importers.Head) *appFields {
	at := func(name string) int { return slices.Index(head.Header, name) }
	return &appFields{
		name: at("name"), hostname: at("hostname"), ip: at("ip_address"), kind: at("asset_type"),
		environment: at("environment"), system: at("operating_system"), status: at("status"), location: at("location"),
	}
}

// extraField is a column that the profile says the application filled too: there was another
// executor, which passed numbers on.
type extraField struct {
	header, column string
	target         int // of the mapping
	place          int // among the names of the columns
}

// findExtra asks the profile what the application filled beside appFields.
func (im *Import) findExtra() error {
	m := im.opts.Mapping
	if im.opts.Store != AsApp || m == nil || m.Profile == nil || m.Profile.AsApp() == nil {
		return nil
	}
	mapped, err := m.Profile.AsApp().Map(im.names, mapping.MapOptions{Columns: im.assetShape()})
	if err != nil {
		return err
	}
	im.extraMapping = mapped
	for i, t := range mapped.Targets {
		if t.Source >= 0 && !slices.Contains(assetNames(), t.Name) {
			place := len(assetNames()) + len(im.extra) // assetColumns puts them there
			im.extra = append(im.extra, extraField{mapped.Fields[t.Source].Header, t.Name, i, place})
		}
	}
	return nil
}

// assetShape is the target's columns of assets.
func (im *Import) assetShape() []mapping.Column {
	var columns []mapping.Column
	if rel := im.opts.Schema.Tables[tableAssets]; rel != nil {
		for _, c := range rel.Columns {
			columns = append(columns, mapping.Column{Name: c.Name, Type: c.Type, Generated: c.Generated, Identity: c.Identity})
		}
	}
	return columns
}

// extraValues puts them.
func (m *assetMaker) extraValues(k *kept) *mapping.Refusal {
	for _, e := range m.im.extra {
		v, refused := m.im.extraMapping.Value(e.target, k.Record)
		if refused != nil {
			return refused
		}
		if v.State == evidence.Known { // the text is the mapping's own
			m.string(e.place, string(v.Text))
		} else {
			m.all[e.place] = v
		}
	}
	return nil
}

// appValues puts what the application took from a record.
func (m *assetMaker) appValues(k *kept) *mapping.Refusal {
	m.all[aHostname] = m.im.fieldValue(k, m.app.hostname)
	m.all[aIP] = m.im.fieldValue(k, m.app.ip)
	m.all[aSystem] = m.im.fieldValue(k, m.app.system)
	m.all[aEnvironment] = m.im.fieldValue(k, m.app.environment)
	if v := m.all[aEnvironment]; v.State != evidence.Unknown && len(v.Text) == 0 {
		m.string(aEnvironment, "production") // path P's default
	}
	m.string(aType, assetType(string(m.im.fieldValue(k, m.app.kind).Text)))
	name := "unnamed_asset_" + strconv.FormatInt(k.number, 10)
	for _, i := range []int{m.app.name, m.app.hostname, m.app.ip} { // path P's order (2.5)
		v := m.im.fieldValue(k, i)
		if v.State == evidence.Unknown {
			return noName(v)
		}
		if v.State == evidence.Known && len(v.Text) > 0 {
			name = string(v.Text)
			break
		}
	}
	m.strings(aName, name, name)
	return m.extraValues(k)
}

// mappedFields are the columns that a mapping gives.
type mappedFields struct {
	*mapping.Mapping
	places  []int // of its targets among the names of the columns
	values  []evidence.Value
	members []dictMember
}

// dictMember is a target that the dict holds under its own name.
type dictMember struct {
	target int
	name   []byte // as JSON, between a comma and a colon
	json   bool   // its text is JSON
}

func newMappedFields(m *mapping.Mapping, names []string) *mappedFields {
	f := &mappedFields{Mapping: m}
	for i, t := range m.Targets {
		place := slices.Index(names, t.Name)
		f.places = append(f.places, place)
		switch place {
		case aName, aAssetName, aType, aHostname, aIP, aSystem, aEnvironment, aCustom:
			continue
		}
		if t.Source >= 0 {
			f.members = append(f.members, dictMember{i, mapping.JSONName(t.Name), t.Type == "json" || t.Type == "jsonb"})
		}
	}
	return f
}

// mappedValues puts what the mapping says. What it leaves NULL keeps the application's constant.
func (m *assetMaker) mappedValues(k *kept) *mapping.Refusal {
	if m.mapped != nil {
		values, refused := m.mapped.Row(m.mapped.values[:0], k.Record)
		if refused != nil {
			return refused
		}
		m.mapped.values = values
		for i, place := range m.mapped.places {
			if values[i].State != evidence.Null {
				m.all[place] = values[i]
			}
		}
	}
	if m.all[aType].State == evidence.Null {
		m.string(aType, "other") // 2.4: missing
	}
	if m.all[aEnvironment].State == evidence.Null {
		m.string(aEnvironment, "Unknown") // the service's default (1.5)
	}
	if m.all[aCustom].State == evidence.Null {
		m.string(aCustom, "{}") // 2.3: the keys that are not a mapped source field, of which there are none
	}
	name := "unnamed_asset_" + strconv.FormatInt(k.number, 10)
	for _, i := range []int{aName, aAssetName, aHostname, aIP} {
		if v := m.all[i]; v.State == evidence.Unknown {
			return noName(v)
		}
		if text := m.known(i); len(text) > 0 {
			name = string(text)
			break
		}
	}
	m.strings(aName, name, name) // asset_name is the same text (2.5)
	return nil
}

// noName refuses to name an asset as if its record had no name: it has one, which cannot be read.
func noName(v evidence.Value) *mapping.Refusal {
	return &mapping.Refusal{Column: "name", Reason: "what names the asset is unknown: " + v.Reason}
}

// appendDict appends the columns that the mapping filled and that are not in the dict yet.
func (f *mappedFields) appendDict(dst []byte) []byte {
	for i := range f.members {
		member := &f.members[i]
		v := &f.values[member.target]
		if v.State != evidence.Known {
			continue
		}
		dst = append(dst, member.name...)
		if member.json {
			dst = append(dst, v.Text...)
		} else {
			dst = mapping.AppendJSONText(dst, v.Text)
		}
	}
	return dst
}
