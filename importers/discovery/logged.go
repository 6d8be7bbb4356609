package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// LoggedIDs gives rows that were imported the ids that the application gave them, where logs
// tell these: an import that came before the logs were read has made ids. First it hears the rows
// of a case, those of logs before those of imports; then Match says which import is
// which; then Rewrite changes the rows of imports.
type LoggedIDs struct {
	logged, imported map[Tenant]*Ids
	headers          map[uuid.UUID][]string        // of imports, made ones too
	strangers        *Ids                          // imports that logs tell of, and not of which tenant
	assets           [2]map[assetName][]namedAsset // of logs, and of imports
	places           map[uuid.UUID]evidence.Origin // where logs tell an id
	given            map[uuid.UUID]uuid.UUID       // made -> logged
	short            map[string]string             // the beginning of a flow's id, as names of flows have it
}

// LoggedImport is an import with made ids, and what logs tell of it.
type LoggedImport struct {
	Made     uuid.UUID `json:"made"`
	Filename string    `json:"filename"`
	Records  int64     `json:"records"`
	Logged   uuid.UUID `json:"logged"` // uuid.Nil: none was taken
	By       string    `json:"by,omitempty"`
	Why      string    `json:"why,omitempty"` // none was taken
	IDs      int64     `json:"ids"`           // that logs tell in place of made ones
}

type assetName struct {
	tenant Tenant
	name   string
}

type namedAsset struct{ id, flow uuid.UUID }

// NewLoggedIDs makes one that has heard of nothing.
func NewLoggedIDs() *LoggedIDs {
	return &LoggedIDs{
		logged: make(map[Tenant]*Ids), imported: make(map[Tenant]*Ids), headers: make(map[uuid.UUID][]string), strangers: FromRows(Tenant{}, Choice{}),
		assets: [2]map[assetName][]namedAsset{make(map[assetName][]namedAsset), make(map[assetName][]namedAsset)},
		places: make(map[uuid.UUID]evidence.Origin), given: make(map[uuid.UUID]uuid.UUID), short: make(map[string]string),
	}
}

// Header tells the names of the header of a logged import, where a log has them in no row.
func (l *LoggedIDs) Header(importID string, names []string) {
	if id, err := uuid.Parse(importID); err == nil && len(names) > 0 {
		l.headers[id] = slices.Clone(names)
	}
}

// Put hears a row of a case. Rows of other routes, and of other tables, are passed over.
func (l *LoggedIDs) Put(row *evidence.Row) error {
	side, of := l.imported, 1
	switch {
	case !slices.Contains(Names(), row.Relation.Name):
		return nil
	case row.Route == evidence.RouteLogs:
		side, of = l.logged, 0
		l.remember(row)
	case row.Route != evidence.RouteImport:
		return nil
	}
	v := rowValues(row)
	tenant := Tenant{ClientAccount: v.id("client_account_id"), Engagement: v.id("engagement_id")}
	if tenant.ClientAccount == uuid.Nil {
		if of == 0 {
			l.strangers.take(row.Relation.Name, func(column string) (string, bool) {
				if column == "engagement_id" {
					return "", false
				}
				return v(column)
			})
		}
		return nil
	}
	switch row.Relation.Name {
	case tableAssets:
		if name, ok := v("name"); ok && name != "" {
			key := assetName{tenant, name}
			if of == 1 && l.assets[0][key] == nil {
				return nil // a file may have very many
			}
			l.assets[of][key] = append(l.assets[of][key], namedAsset{v.id("id"), v.id("master_flow_id")})
		}
		return nil
	case tableRawRecords, tableMappings:
		l.hearHeader(v)
		if of == 1 && !l.tells(row.Relation.Name) {
			return nil // a file may have very many
		}
	}
	for known, ids := range side {
		if tenant.Engagement == uuid.Nil && known.ClientAccount == tenant.ClientAccount { // this table has no engagement
			if err := ids.Put(row); err != nil {
				return err
			}
		}
	}
	if tenant.Engagement == uuid.Nil {
		return nil
	}
	if side[tenant] == nil {
		side[tenant] = FromRows(tenant, Choice{})
	}
	return side[tenant].Put(row)
}

// tells reports whether logs tell an id of a table.
func (l *LoggedIDs) tells(table string) bool {
	for _, ids := range l.logged {
		if ids.holds(table) {
			return true
		}
	}
	return false
}

// remember notes where the ids of a row of logs stand.
func (l *LoggedIDs) remember(row *evidence.Row) {
	for i := range row.Values {
		if row.Values[i].State != evidence.Known || len(row.Values[i].Text) != uuidLength {
			continue
		}
		id, err := uuid.ParseBytes(row.Values[i].Text)
		if _, there := l.places[id]; err != nil || there {
			continue
		}
		place := evidence.Origin{Source: row.Source, Line: row.Line}
		if i < len(row.Origins) && row.Origins[i].Line != 0 {
			place.Source, place.Line = row.Origins[i].Source, row.Origins[i].Line
		}
		l.places[id] = place
	}
}

// hearHeader learns the header of an import from a raw record of it.
func (l *LoggedIDs) hearHeader(v values) {
	of := v.id("data_import_id")
	if of == uuid.Nil || l.headers[of] != nil {
		return
	}
	if names := objectNames(v); len(names) > 0 {
		l.headers[of] = names
	}
}

// rowValues gives the known texts of a row.
func rowValues(row *evidence.Row) values {
	return func(column string) (string, bool) {
		if at := row.Relation.Column(column); at >= 0 && row.Values[at].State == evidence.Known {
			return string(row.Values[at].Text), true
		}
		return "", false
	}
}

// objectNames lists the names of the record of a raw record, which are those of the header, in its order.
func objectNames(v values) []string {
	text, _ := v("raw_data")
	in := json.NewDecoder(strings.NewReader(text))
	if token, err := in.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	var names []string
	for in.More() {
		token, err := in.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || in.Decode(&value) != nil {
			return nil // cut
		}
		names = append(names, name)
	}
	if _, err := in.Token(); err != nil {
		return nil
	}
	return names
}

// Match finds for each import with a made id the one that logs tell of. One of which the
// logs do not tell enough, or that may be several, is not taken, and Why says so.
func (l *LoggedIDs) Match() []LoggedImport {
	var out []LoggedImport
	for tenant, ids := range l.imported {
		for _, s := range ids.imports {
			if s.ids.Import != uuid.Nil && madeHere(s.ids.Import) {
				out = append(out, l.match(tenant, s))
			}
		}
	}
	slices.SortFunc(out, func(a, b LoggedImport) int { return bytes.Compare(a.Made[:], b.Made[:]) })
	taken := make(map[uuid.UUID]int)
	for i := range out {
		taken[out[i].Logged]++
	}
	for i := range out {
		m := &out[i]
		switch {
		case m.Logged == uuid.Nil:
		case taken[m.Logged] > 1:
			m.Why = fmt.Sprintf("%d files may be the import %s of the logs", taken[m.Logged], m.Logged)
			m.Logged, m.By = uuid.Nil, ""
		default:
			l.give(m)
		}
	}
	return out
}

// madeHere reports whether pgrescue made an id: the application takes random ones.
func madeHere(id uuid.UUID) bool { return id.Version() == 5 }

func (l *LoggedIDs) match(tenant Tenant, s *survivor) LoggedImport {
	m := LoggedImport{Made: s.ids.Import, Filename: s.filename, Records: s.records}
	var same, short, strange []*survivor
	var by string
	if ids := l.logged[tenant]; ids != nil {
		for _, other := range ids.imports {
			switch facts, differs := l.compare(s, other); {
			case differs || other.ids.Import == uuid.Nil:
			case len(facts) > 1:
				same, by = append(same, other), strings.Join(facts, " and ")
			default:
				short = append(short, other)
			}
		}
	}
	for _, other := range l.strangers.imports {
		if facts, differs := l.compare(s, other); !differs && len(facts) > 0 && other.ids.Import != uuid.Nil {
			strange = append(strange, other)
		}
	}
	switch {
	case len(same) == 1:
		m.Logged, m.By = same[0].ids.Import, by
	case len(same) > 1:
		m.Why = fmt.Sprintf("the logs tell of %d imports like it: %s", len(same), listIDs(same))
	case len(short) > 0:
		m.Why = "the logs tell too little of what may be it, which is the file's name, its size or its header beside the number of records: " + listIDs(short)
	case len(strange) > 0:
		m.Why = "the logs do not tell the tenant of what may be it: " + listIDs(strange)
	default:
		m.Why = "the logs tell of no such import of its tenant"
	}
	return m
}

// compare lists what is the same of an import and of one that logs tell of; differs says
// that something is not.
func (l *LoggedIDs) compare(s, logged *survivor) (same []string, differs bool) {
	columns, header := l.header(s), l.header(logged)
	for _, fact := range []struct {
		name         string
		known, equal bool
	}{
		{"the number of records", s.records >= 0 && logged.records >= 0, s.records == logged.records},
		{"the file's name", s.filename != "" && logged.filename != "", s.filename == logged.filename},
		{"the size", s.size >= 0 && logged.size >= 0, s.size == logged.size},
		{"the header", len(columns) > 0 && len(header) > 0, slices.Equal(slices.Sorted(slices.Values(columns)), slices.Sorted(slices.Values(header)))},
	} {
		switch {
		case !fact.known:
		case fact.equal:
			same = append(same, fact.name)
		default:
			return nil, true
		}
	}
	return same, false
}

// header is that of an import's file; nil: not known.
func (l *LoggedIDs) header(s *survivor) []string {
	if len(s.columns) > 0 {
		return s.columns
	}
	return l.headers[s.ids.Import]
}

// give notes the ids of an import that was found.
func (l *LoggedIDs) give(m *LoggedImport) {
	was, is := l.find(l.imported, m.Made), l.find(l.logged, m.Logged)
	if was.ids == nil || is.ids == nil {
		return
	}
	pairs := map[uuid.UUID]uuid.UUID{m.Made: m.Logged}
	pair := func(made, logged uuid.UUID) {
		if made != uuid.Nil && logged != uuid.Nil && made != logged && madeHere(made) {
			pairs[made] = logged
		}
	}
	madeFlow, flow := was.of.ids.Flow, is.of.ids.Flow
	pair(madeFlow, flow)
	if pairs[madeFlow] == flow && flow != uuid.Nil {
		l.short[madeFlow.String()[:8]] = flow.String()[:8]
	}
	for _, table := range []string{tableMasterFlows, tableFlows} {
		pair(was.ids.rows[table][madeFlow.String()], is.ids.rows[table][flow.String()])
	}
	for _, table := range []string{tableRawRecords, tableMappings} {
		for key, id := range is.ids.rows[table] {
			if rest, ok := strings.CutPrefix(key, Key(m.Logged, "")); ok {
				pair(was.ids.rows[table][Key(m.Made, rest)], id)
			}
		}
	}
	for name, made := range l.assets[1] {
		// One asset in the file and one in the logs: nothing else tells which is which.
		logged := l.assets[0][name]
		if len(made) == 1 && made[0].flow == madeFlow && len(logged) == 1 && (logged[0].flow == flow || logged[0].flow == uuid.Nil) {
			pair(made[0].id, logged[0].id)
		}
	}
	m.IDs = int64(len(pairs))
	for made, logged := range pairs {
		l.given[made] = logged
	}
}

// sideImport is an import with the ids that were heard beside it.
type sideImport struct {
	ids *Ids
	of  *survivor
}

func (l *LoggedIDs) find(side map[Tenant]*Ids, id uuid.UUID) sideImport {
	for _, ids := range side {
		for _, s := range ids.imports {
			if s.ids.Import == id {
				return sideImport{ids, s}
			}
		}
	}
	return sideImport{}
}

// uuidLength is the length of an id as text.
const uuidLength = 36

// whyLogged is what a value with an id of the logs rests on.
const whyLogged = "id that the logs tell, in place of one that was made"

// Rewrite puts the ids that logs tell in place of made ones, in whole values and within texts,
// and says in Origins which values these are and which line tells the id. It reports whether the row is another now.
func (l *LoggedIDs) Rewrite(row *evidence.Row) bool {
	changed := false
	for i := range row.Values {
		v := &row.Values[i]
		if v.State != evidence.Known {
			continue
		}
		text, id := l.replace(v.Text)
		if row.Relation.Name == tableFlows && row.Relation.Columns[i].Name == "flow_name" {
			text, id = l.renamed(v.Text)
		}
		if text == nil {
			continue
		}
		v.Text = text
		if row.Origins == nil {
			row.Origins = make([]evidence.Origin, len(row.Values))
		}
		place := l.places[id]
		row.Origins[i] = evidence.Origin{Confidence: evidence.Claimed, Source: place.Source, Line: place.Line, Why: whyLogged}
		changed = true
	}
	return changed
}

// replace gives a text with other ids in it, and the first of them; nil: it has none.
func (l *LoggedIDs) replace(text []byte) (out []byte, first uuid.UUID) {
	if len(l.given) == 0 {
		return nil, first
	}
	for at := 0; len(text)-at >= uuidLength; {
		dash := bytes.IndexByte(text[at:], '-')
		if dash < 0 {
			break
		}
		from := at + dash - 8
		if from < 0 || from+uuidLength > len(text) || text[from+13] != '-' || text[from+18] != '-' || text[from+23] != '-' {
			at += dash + 1
			continue
		}
		made, err := uuid.ParseBytes(text[from : from+uuidLength])
		logged, given := l.given[made]
		if err != nil || !given {
			at += dash + 1
			continue
		}
		if out == nil {
			out, first = bytes.Clone(text), logged
		}
		copy(out[from:], logged.String())
		at = from + uuidLength
	}
	return out, first
}

// renamed is the name of a flow that has the beginning of its id.
func (l *LoggedIDs) renamed(text []byte) (out []byte, id uuid.UUID) {
	const name = "Discovery Flow "
	short, is := strings.CutPrefix(string(text), name)
	logged := l.short[short]
	if !is || logged == "" {
		return nil, id
	}
	for _, given := range l.given {
		if strings.HasPrefix(given.String(), logged) {
			id = given
		}
	}
	return []byte(name + logged), id
}
