package discovery

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// The columns of assets that every asset gets, by their place in assetNames.
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
	aFixed // how many there are
)

func assetNames() []string {
	return []string{
		"id", "client_account_id", "engagement_id", "master_flow_id", "discovery_flow_id", "source_phase", "current_phase",
		"phase_context", "name", "asset_name", "hostname", "asset_type", "description", "ip_address", "environment",
		"operating_system", "criticality", "business_criticality", "custom_attributes", "migration_priority", "status",
		"migration_status", "discovery_method", "discovery_source", "raw_data", "raw_import_records_id", "updated_at",
	}
}

// assetMaker makes the assets of an import.
type assetMaker struct {
	im   *Import
	w    *writer
	head *importers.Head

	client, engagement, flow string
	name, host, ip, kind     int // names of the header that the application looks for; -1: not there
	environment, system      int
	status, location         int

	seen map[string]int64 // name -> row_number of the record that has it
	// of a mapping: where its targets are among the columns
	places []int
	mapped []evidence.Value
}

// assets are the rows of assets (fact sheet 2.3 to 2.6).
func (im *Import) assets(ctx context.Context) Table {
	names := assetNames()
	if im.opts.Store == AsMapped && im.opts.Mapping != nil {
		for _, t := range im.opts.Mapping.Targets {
			if !slices.Contains(names, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	sh := im.opts.Schema.shape(tableAssets, names)
	if sh == nil {
		return Table{}
	}
	keys := [][]string{{"client_account_id", "engagement_id", "name"}}
	return Table{Relation: sh.rel, Keys: keys, Rows: func(yield func(*evidence.Row, error) bool) {
		m := im.assetMaker(names)
		im.summary.Duplicates, im.summary.Refused = 0, 0
		im.rows(ctx, sh, func(w *writer, k *kept) (bool, error) {
			m.w = w
			return m.fill(k)
		})(yield)
		im.assetsHeard = true
	}}
}

func (im *Import) assetMaker(names []string) *assetMaker {
	m := &assetMaker{im: im, head: im.list.Head(), seen: map[string]int64{}, flow: im.ids.Flow.String()}
	m.client, m.engagement = im.opts.Tenant.ClientAccount.String(), im.opts.Tenant.Engagement.String()
	at := func(name string) int { return slices.Index(m.head.Header, name) }
	m.name, m.host, m.ip, m.kind = at("name"), at("hostname"), at("ip_address"), at("asset_type")
	m.environment, m.system, m.status, m.location = at("environment"), at("operating_system"), at("status"), at("location")
	if im.opts.Store == AsMapped && im.opts.Mapping != nil {
		for _, t := range im.opts.Mapping.Targets {
			m.places = append(m.places, slices.Index(names, t.Name))
		}
	}
	return m
}

// fill makes the asset of a record; false: it has none of its own.
func (m *assetMaker) fill(k *kept) (bool, error) {
	m.constants(k)
	if m.im.opts.Store == AsMapped {
		if ok, err := m.mappedValues(k); err != nil || !ok {
			return false, err
		}
	} else {
		m.appValues(k)
	}
	name := string(m.w.known(aName))
	if _, twice := m.seen[name]; twice {
		m.im.summary.Duplicates++ // the service finds the one that is there (2.5)
		return false, nil
	}
	m.seen[name] = k.number
	m.w.string(aID, m.im.rowID(tableAssets, name, strconv.FormatInt(k.number, 10)).String())
	m.w.build(aRaw, func(dst []byte) []byte { return m.appendDict(dst, k) })
	return true, nil
}

// constants puts what the service writes into every asset (fact sheet 7.19), and what the record does not change.
func (m *assetMaker) constants(k *kept) {
	w := m.w
	w.strings(aClient, m.client, m.engagement, m.flow, m.flow, "discovery", "discovery", "{}")
	w.strings(aCriticality, "Medium", "Medium")
	w.strings(aPriority, "5", "discovered", "discovered", "service_api", "Service API")
	w.string(aDescription, "Discovered by agent")
	w.string(aRawID, m.im.rawID(k.number).String())
	w.string(aUpdated, pgTime(m.im.ids.Time))
}

// appValues puts what the application took from a record: mappings were not applied, so only names
// that are a column's own counted (fact sheet 2.3, 7.18).
func (m *assetMaker) appValues(k *kept) {
	w := m.w
	w.all[aHostname] = m.field(k, m.host)
	w.all[aIP] = m.field(k, m.ip)
	w.all[aSystem] = m.field(k, m.system)
	w.all[aEnvironment] = m.field(k, m.environment)
	if len(w.known(aEnvironment)) == 0 && w.all[aEnvironment].State != evidence.Unknown {
		w.string(aEnvironment, "production") // path P's default
	}
	w.string(aType, assetType(string(m.field(k, m.kind).Text)))
	name := "unnamed_asset_" + strconv.FormatInt(k.number, 10)
	for _, i := range []int{m.name, m.host, m.ip} {
		if v := m.field(k, i); v.State == evidence.Known && len(v.Text) > 0 {
			name = string(v.Text)
			break
		}
	}
	w.strings(aName, name, name)
	// No name was a mapped source field, so all are attributes, those of the cleansing too.
	w.build(aCustom, func(dst []byte) []byte { return m.im.appendCleansed(dst, k.raw) })
}

// field is a value of the record as Python's dict.get has it.
func (m *assetMaker) field(k *kept, i int) evidence.Value {
	if i < 0 || i >= len(k.Fields) {
		return evidence.Value{State: evidence.Null}
	}
	switch f := &k.Fields[i]; f.Kind {
	case importers.Null:
		return evidence.Value{State: evidence.Null}
	case importers.Missing:
		if m.im.encoder.filled {
			return evidence.Value{State: evidence.Known, Text: []byte{}}
		}
		return evidence.Value{State: evidence.Null}
	case importers.Unknown:
		return evidence.Value{State: evidence.Unknown, Reason: f.Reason}
	default:
		return evidence.Value{State: evidence.Known, Text: f.Text}
	}
}

// assetType is the application's rule for types: what a text contains, first hit (fact sheet 2.4).
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

// mappedValues puts what the mapping says.
func (m *assetMaker) mappedValues(k *kept) (bool, error) {
	w := m.w
	if m.im.opts.Mapping != nil {
		values, refused := m.im.opts.Mapping.Row(m.mapped[:0], k.Record)
		if refused != nil {
			return false, m.refuse(k, refused)
		}
		m.mapped = values
		for i, place := range m.places {
			// What the source does not say leaves the application's constant.
			if values[i].State != evidence.Null {
				w.all[place] = values[i]
			}
		}
	}
	w.string(aType, assetType(string(w.known(aType))))
	if w.all[aEnvironment].State == evidence.Null {
		w.string(aEnvironment, "production")
	}
	name := "unnamed_asset_" + strconv.FormatInt(k.number, 10)
	for _, i := range []int{aName, aAssetName, aHostname, aIP} {
		if text := w.known(i); len(text) > 0 {
			name = string(text)
			break
		}
	}
	w.strings(aName, name, name)
	return true, nil
}

// refuse tells of a record that the mapping refused: once, however often its rows are read.
func (m *assetMaker) refuse(k *kept, refused *mapping.Refusal) error {
	m.im.summary.Refused++
	if m.im.assetsHeard || m.im.opts.Refused == nil {
		return nil
	}
	return m.im.opts.Refused(rejectOf(k.Record, refused.Header, "column "+refused.Column+": "+refused.Reason))
}

// appendDict is what assets.raw_data holds: the dict that the service was given, with the record in
// it, without what was taken out of it before (fact sheet 2.3).
func (m *assetMaker) appendDict(dst []byte, k *kept) []byte {
	start := len(dst)
	d := append(dst, '{')
	put := func(name string, v []byte, known bool) {
		if len(d) > start+1 {
			d = append(d, ", "...)
		}
		d = append(appendPyString(d, name), ": "...)
		if !known {
			d = append(d, "null"...)
			return
		}
		d = appendPyString(d, v)
	}
	column := func(name string, i int) { text := m.w.known(i); put(name, text, text != nil) }
	column("name", aName)
	column("asset_type", aType)
	column("hostname", aHostname)
	column("ip_address", aIP)
	column("operating_system", aSystem)
	column("environment", aEnvironment)
	for _, f := range []struct {
		name string
		at   int
	}{{"status", m.status}, {"location", m.location}} {
		v := m.field(k, f.at)
		put(f.name, v.Text, v.State == evidence.Known)
	}
	put("flow_id", []byte(m.flow), true)
	put("client_account_id", []byte(m.client), true)
	put("engagement_id", []byte(m.engagement), true)
	d = append(d, `, "custom_attributes": `...)
	if custom := m.w.known(aCustom); custom != nil {
		d = append(d, custom...)
	} else {
		d = append(d, "{}"...)
	}
	d = append(d, `, "raw_data": `...)
	return append(m.im.appendCleansed(d, k.raw), '}')
}
