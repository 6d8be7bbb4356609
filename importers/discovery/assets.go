package discovery

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The columns that every asset gets, by their place in assetNames.
const (
	aID = iota
	aClient
	aEngagement
	aMasterFlow
	aDiscoveryFlow
	aSourcePhase
	aCurrentPhase
	aPhaseContext
	aName
	aAssetName
	aHostname
	aType
	aDescription
	aIP
	aEnvironment
	aSystem
	aCriticality
	aBusinessCriticality
	aCustom
	aPriority
	aStatus
	aMigrationStatus
	aMethod
	aSource
	aRaw
	aRawID
	aUpdated
)

func assetNames() []string {
	return []string{
		"id", "client_account_id", "engagement_id", "master_flow_id", "discovery_flow_id", "source_phase", "current_phase",
		"phase_context", "name", "asset_name", "hostname", "asset_type", "description", "ip_address", "environment",
		"operating_system", "criticality", "business_criticality", "custom_attributes", "migration_priority", "status",
		"migration_status", "discovery_method", "discovery_source", "raw_data", "raw_import_records_id", "updated_at",
	}
}

// assetMaker makes the assets of an import, one record after the other.
type assetMaker struct {
	*writer
	im     *Import
	app    *appFields    // of AsApp
	mapped *mappedFields // of AsMapped
	keys   [][]int       // columns, by their place among the names, that say that two records are one asset
	told   [][]int       // likewise, for the other imports of the run
	names  []string
	seen   *seenKeys

	constants                []evidence.Value // in the place of each column that no record changes
	client, engagement, flow string
	ids                      string // them as members of a dict, up to its attributes
	key                      []byte
	hashes                   []keyHash // of the keys that the record has
}

// assets are the rows of assets (fact sheet 2.3 to 2.6).
func (im *Import) assets(ctx context.Context) Table {
	names := im.assetColumns()
	sh := im.opts.Schema.shape(tableAssets, names)
	if sh == nil {
		return Table{}
	}
	keys := slices.DeleteFunc(im.assetKeys(), func(key []string) bool {
		return slices.ContainsFunc(key, func(column string) bool { // the file gives nothing to know a row by
			return sh.rel.Column(column) < 0
		})
	})
	return Table{Relation: sh.rel, Keys: keys, Rows: func(yield func(*evidence.Row, error) bool) {
		m := im.assetMaker(sh, names, false)
		im.summary.Duplicates, im.summary.Refused = 0, 0
		for k, err := range im.records(ctx, heard, nil) {
			var a made
			if err == nil {
				a, err = m.make(k)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			switch {
			case a.refused:
				im.summary.Refused++
			case a.twice:
				im.summary.Duplicates++ // the service finds the one that is there (2.5)
			default:
				m.finish(k, a.id)
				if !yield(m.end(), nil) {
					return
				}
			}
		}
		im.hearLosses()
	}}
}

// hearLosses takes over what conversions lost. Later passes would count it again.
func (im *Import) hearLosses() {
	if im.assetsHeard {
		return
	}
	im.assetsHeard = true
	switch {
	case im.extraMapping != nil:
		im.summary.Losses = im.extraMapping.Losses()
	case im.mapsAssets():
		im.summary.Losses = im.opts.Mapping.Losses()
	}
}

// assetColumns are the columns of assets that the import may give.
func (im *Import) assetColumns() []string {
	names := assetNames()
	if im.mapsAssets() {
		for _, t := range im.opts.Mapping.Targets {
			if !slices.Contains(names, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	for _, e := range im.extra {
		names = append(names, e.column)
	}
	return names
}

func (im *Import) mapsAssets() bool { return im.opts.Store == AsMapped && im.opts.Mapping != nil }

// assetKeys say by which columns an asset is there already: at the incident its exact name (2.5), and
// otherwise what the profile says for the target's columns.
func (im *Import) assetKeys() [][]string {
	if im.mapsAssets() {
		if keys := im.opts.Mapping.Profile.KeysOf(im.assetShape()); len(keys) > 0 {
			return keys
		}
	}
	return [][]string{{"client_account_id", "engagement_id", "name"}}
}

// assetMaker begins with the first record. ids: the id of a record that is no asset of its own is asked for.
func (im *Import) assetMaker(sh *shape, names []string, ids bool) *assetMaker {
	m := &assetMaker{writer: im.writer(sh), im: im, names: names, flow: im.ids.Flow.String()}
	m.client, m.engagement = im.opts.Tenant.ClientAccount.String(), im.opts.Tenant.Engagement.String()
	for _, key := range im.assetKeys() {
		var places []int
		for _, column := range key {
			if i := slices.Index(names, column); i >= 0 && i != aClient && i != aEngagement {
				places = append(places, i)
			}
		}
		m.keys = append(m.keys, places)
	}
	m.seen = newSeenKeys(im.content.Records*int64(len(m.keys)), ids)
	m.makeConstants()
	m.told = im.toldKeys(names)
	if im.opts.Store == AsApp {
		m.app = newAppFields(im.list.Head())
	} else if im.opts.Mapping != nil {
		m.mapped = newMappedFields(im.opts.Mapping, names)
	}
	return m
}

// makeConstants makes what the service writes into every asset (7.19), and what else no record changes.
func (m *assetMaker) makeConstants() {
	m.begin(0)
	m.strings(aClient, m.client, m.engagement, m.flow, m.flow, "discovery", "discovery", "{}")
	m.strings(aCriticality, "Medium", "Medium")
	m.strings(aPriority, "5", "discovered", "discovered", "service_api", "Service API")
	m.string(aDescription, "Discovered by agent")
	m.string(aUpdated, pgTime(m.im.ids.Time))
	m.constants, m.buf = slices.Clone(m.all), nil
	ids := pyObject("flow_id", m.flow, "client_account_id", m.client, "engagement_id", m.engagement)
	m.ids = ", " + ids[1:len(ids)-1] + `, "custom_attributes": `
}

// made is what became of a record.
type made struct {
	id      uuid.UUID
	refused bool // the mapping has no row for it
	twice   bool // it is the asset that a record before it made
}

// make puts all values of a record but its id and what holds the record itself.
func (m *assetMaker) make(k *kept) (made, error) {
	m.begin(k.Line)
	copy(m.all, m.constants)
	m.id(aRawID, m.im.rawID(k.number))
	values := m.mappedValues
	if m.app != nil {
		values = m.appValues
	}
	if refused := values(k); refused != nil {
		return made{refused: true}, m.refuse(k, refused)
	}
	a := made{}
	m.hashes = m.hashes[:0]
	for _, key := range m.keys {
		if m.appendKey(key); len(m.key) == 0 {
			continue
		}
		h := m.seen.hash(m.key)
		if !a.twice {
			a.id, a.twice = m.seen.id(h)
		}
		m.hashes = append(m.hashes, h)
	}
	if !a.twice {
		a.id = m.assetID(k.number)
		m.tell(a.id)
	}
	for _, h := range m.hashes {
		m.seen.put(h, a.id)
	}
	return a, nil
}

// appendKey makes the key of what was put; nothing, if a part of it is empty.
func (m *assetMaker) appendKey(places []int) {
	m.key = m.key[:0]
	for i, place := range places {
		text := m.known(place)
		if len(text) == 0 {
			m.key = m.key[:0]
			return
		}
		m.key = appendAssetKey(m.key, i == 0, m.names[place], text)
	}
}

// appendAssetKey appends a column and its text to a key.
func appendAssetKey(dst []byte, first bool, column string, text []byte) []byte {
	if !first {
		dst = append(dst, 0)
	}
	dst = append(append(dst, column...), '=')
	return append(dst, text...)
}

// assetID is the id of an asset: that of the first key by which it is known.
func (m *assetMaker) assetID(number int64) uuid.UUID {
	for _, key := range m.keys {
		if !knows(m.im.opts.Known, tableAssets) {
			break
		}
		if m.appendKey(key); len(m.key) == 0 {
			continue
		}
		if id, ok := m.im.opts.Known.Row(tableAssets, string(m.key)); ok {
			return id
		}
	}
	return m.im.made.numbered(tableAssets, number)
}

// finish puts the id and what holds the record itself.
func (m *assetMaker) finish(k *kept, id uuid.UUID) {
	m.id(aID, id)
	if m.app != nil {
		// No name was a mapped source field, so all are attributes, those of the cleansing too (2.3).
		m.build(aCustom, func(dst []byte) []byte { return m.im.appendCleansed(dst, k.raw) })
	}
	m.build(aRaw, func(dst []byte) []byte { return m.appendDict(dst, k) })
}

// refuse tells of a record that the mapping refused: once, however often its rows are read.
func (m *assetMaker) refuse(k *kept, refused *mapping.Refusal) error {
	if m.im.assetsHeard || m.im.opts.Refused == nil {
		return nil
	}
	reason := refused.Error()
	if refused.Hint != "" {
		reason += "; " + refused.Hint
	}
	return m.im.opts.Refused(k.Reject(refused.Header, reason))
}

// appendDict is what assets.raw_data holds: the dict that the service was given, with the record in
// it, without the ids that were taken out of it before (2.3).
func (m *assetMaker) appendDict(dst []byte, k *kept) []byte {
	for _, f := range [...]struct {
		name string
		at   int
	}{
		{`{"name": `, aName},
		{`, "asset_type": `, aType},
		{`, "hostname": `, aHostname},
		{`, "ip_address": `, aIP},
		{`, "operating_system": `, aSystem},
		{`, "environment": `, aEnvironment},
	} {
		dst = appendJSONValue(append(dst, f.name...), &m.all[f.at])
	}
	if m.app != nil {
		status, location := m.im.fieldValue(k, m.app.status), m.im.fieldValue(k, m.app.location)
		dst = appendJSONValue(append(dst, `, "status": `...), &status)
		dst = appendJSONValue(append(dst, `, "location": `...), &location)
	} else if m.mapped != nil {
		dst = m.mapped.appendDict(dst)
	}
	dst = append(append(dst, m.ids...), m.known(aCustom)...)
	dst = append(dst, `, "raw_data": `...)
	return append(m.im.appendCleansed(dst, k.raw), '}')
}

func appendJSONValue(dst []byte, v *evidence.Value) []byte {
	if v.State == evidence.Known {
		return mapping.AppendJSONText(dst, v.Text)
	}
	return append(dst, "null"...)
}

// fieldValue is a value of the record as Python's dict.get has it.
func (im *Import) fieldValue(k *kept, i int) evidence.Value {
	if i < 0 || i >= len(k.Fields) {
		return evidence.Value{State: evidence.Null}
	}
	switch f := &k.Fields[i]; f.Kind {
	case importers.Null:
		return evidence.Value{State: evidence.Null}
	case importers.Missing:
		if im.encoder.filled {
			return evidence.Value{State: evidence.Known, Text: []byte{}}
		}
		return evidence.Value{State: evidence.Null}
	case importers.Unknown:
		return evidence.Value{State: evidence.Unknown, Reason: f.Reason}
	default:
		return evidence.Value{State: evidence.Known, Text: f.Text}
	}
}

// assetType is the application's rule for types: what a text contains, first hit (2.4).
func assetType(text string) string {
	lower := strings.ToLower(text)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(lower, part) })
	}
	switch {
	case lower == "":
		return "other"
	case has("application", "app"):
		return "application"
	case has("server", "srv"):
		return "server"
	case has("database", "db"):
		return "database"
	case has("network", "switch", "router"):
		return "network"
	case has("storage", "san", "nas"):
		return "storage"
	case has("security", "firewall"):
		return "security_group"
	case has("container"):
		return "container"
	case has("service"):
		return "application"
	case has("cache"):
		return "database"
	case has("external"):
		return "other"
	case has("load") && has("balancer"):
		return "load_balancer"
	case has("virtual") && has("machine"):
		return "virtual_machine"
	}
	return lower
}
