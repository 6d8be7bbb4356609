package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Ids are ids of rows that exist, or existed. They are a Known, and a Sink for the rows that they learn from.
type Ids struct {
	others      []uuid.UUID // imports of other lists
	tenant      Tenant
	choice      Choice
	imports     []*survivor
	rows        map[string]map[string]uuid.UUID // table, key
	softDeleted int64                           // assets that are there and that the application hides
	strangers   []uuid.UUID                     // imports that logs tell of, and not of which tenant
}

var (
	_ Known         = (*Ids)(nil)
	_ evidence.Sink = (*Ids)(nil)
)

// Choice says which import is taken, when several may be the one.
type Choice struct {
	Import  uuid.UUID // uuid.Nil: the one that has the file's name, number of records and size
	Another bool      // none: another import is made
}

// survivor is an import that left a trace.
type survivor struct {
	ids      ImportIDs
	filename string
	records  int64 // -1: not known
	size     int64 // -1: not known
	told     bool  // the application's own word for the time is known
	// columns are the names of the header, where only a discovery flow is left, which does not know the file.
	columns []string
}

// FromRows makes Ids that know nothing yet; Put teaches them rows, such as those that a case holds.
func FromRows(tenant Tenant, choice Choice) *Ids {
	return &Ids{tenant: tenant, choice: choice, rows: map[string]map[string]uuid.UUID{}}
}

// Put learns from a row of any table. Rows of tables that do not matter, and of other tenants, are passed over.
// Of an import whose tenant no log tells, the one that was chosen is the tenant's.
func (k *Ids) Put(row *evidence.Row) error {
	v := rowValues(row)
	if row.Route == evidence.RouteLogs && row.Relation.Name == tableImports && v.id("client_account_id") == uuid.Nil {
		id := v.id("id")
		if id == uuid.Nil || id != k.choice.Import {
			if id != uuid.Nil && !slices.Contains(k.strangers, id) {
				k.strangers = append(k.strangers, id)
			}
			return nil
		}
		s := k.survivor(id, v.id("master_flow_id"))
		s.records, s.size = v.number("total_records"), v.number("file_size")
		return nil
	}
	k.take(row.Relation.Name, v)
	return nil
}

// Strangers says which imports logs tell of without their tenant, and so of nobody's file.
func (k *Ids) Strangers() []string {
	if len(k.strangers) == 0 {
		return nil
	}
	var ids []string
	for _, id := range k.strangers {
		ids = append(ids, id.String())
	}
	slices.Sort(ids)
	return []string{"logs of the case do not tell the tenant of these imports, so that their ids were not taken; --import-id takes one: " + strings.Join(ids, ", ")}
}

// Notes are what a person should know of the rows that are there.
func (k *Ids) Notes() []string {
	if k.softDeleted == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of the tenant's assets there are hidden: deleted_at is set; they are left as they are", k.softDeleted)}
}

// Row finds the id of a row.
func (k *Ids) Row(table, key string) (uuid.UUID, bool) {
	id, ok := k.rows[table][key]
	return id, ok
}

func (k *Ids) holds(table string) bool { return len(k.rows[table]) > 0 }

// Except names imports that are of other lists, and so of none that is asked about.
func (k *Ids) Except(imports ...uuid.UUID) { k.others = append(k.others, imports...) }

// Import finds the import of a content.
func (k *Ids) Import(of Content) (ImportIDs, bool, error) {
	if k.choice.Another {
		return ImportIDs{}, false, nil
	}
	if k.choice.Import != uuid.Nil {
		for _, s := range k.imports {
			if s.ids.Import == k.choice.Import {
				return s.ids, true, nil
			}
		}
		return ImportIDs{}, false, fmt.Errorf("nothing is known of an import %s of the tenant", k.choice.Import)
	}
	var same, like []*survivor
	for _, s := range k.imports {
		if s.ids.Import == of.Made { // this very list went in before
			return s.ids, true, nil
		}
		if slices.Contains(k.others, s.ids.Import) {
			continue
		}
		switch {
		case !s.mayBe(of):
		case s.size >= 0 && s.size != of.Size:
			like = append(like, s)
		default:
			same = append(same, s)
		}
	}
	switch {
	case len(same) == 1:
		return same[0].ids, true, nil
	case len(same) > 1:
		return ImportIDs{}, false, evidence.OfKind(ErrAmbiguous, fmt.Errorf(
			"%d imports of %q with %d records are known: %s", len(same), of.Filename, of.Records, listIDs(same)))
	case len(like) > 0:
		return ImportIDs{}, false, evidence.OfKind(ErrAmbiguous, fmt.Errorf(
			"an import of %q with %d records is known, but its rows had another size than %d: %s; it may be this file read in another way, or another file",
			of.Filename, of.Records, of.Size, listIDs(like)))
	}
	return ImportIDs{}, false, nil
}

// has reports whether an import is known.
func (k *Ids) has(id uuid.UUID) bool {
	return slices.ContainsFunc(k.imports, func(s *survivor) bool { return s.ids.Import == id })
}

// mayBe reports whether the import may be that of a content. A discovery flow knows the header
// instead of the file, and logs the size or the header.
func (s *survivor) mayBe(of Content) bool {
	if s.filename == "" && s.records == of.Records {
		return len(s.columns) > 0 && slices.Equal(s.columns, of.Columns) || s.size >= 0 && s.size == of.Size
	}
	return s.filename == of.Filename && (s.records < 0 || s.records == of.Records)
}

func listIDs(list []*survivor) string {
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ids.Import.String())
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

// values gives the text of a column; false: NULL, unknown, or no such column.
type values func(column string) (string, bool)

func (v values) id(column string) uuid.UUID {
	text, _ := v(column)
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil
	}
	return id
}

// number is a number, or -1.
func (v values) number(column string) int64 {
	text, _ := v(column)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// take learns from one row.
func (k *Ids) take(table string, v values) {
	id := v.id("id")
	if table == tableDependencies { // it has no tenant in October, and its assets have
		k.put(table, Key(v.id("asset_id"), v.id("depends_on_asset_id").String()), id)
		return
	}
	engagement := v.id("engagement_id")
	if v.id("client_account_id") != k.tenant.ClientAccount || engagement != k.tenant.Engagement && engagement != uuid.Nil {
		return
	}
	switch table {
	case tableImports:
		s := k.survivor(id, v.id("master_flow_id"))
		s.records, s.size = v.number("total_records"), v.number("file_size")
		s.filename, _ = v("filename")
		s.when(v, "created_at")
		s.when(v, "started_at")
	case tableMasterFlows:
		k.takeMasterFlow(id, v)
	case tableFlows:
		k.put(table, v.id("flow_id").String(), id)
		k.takeFlow(v)
	case tableRawRecords, tableMappings:
		of := v.id("data_import_id")
		number, ok := v("row_number")
		if table == tableMappings {
			number, ok = v("source_field")
		}
		if ok {
			k.put(table, Key(of, number), id)
		}
		if table == tableRawRecords {
			k.takeHeader(of, v)
		}
	case tableAssets:
		k.takeAsset(id, v)
	}
}

func (k *Ids) put(table, key string, id uuid.UUID) {
	if id == uuid.Nil {
		return
	}
	if k.rows[table] == nil {
		k.rows[table] = map[string]uuid.UUID{}
	}
	if old, taken := k.rows[table][key]; taken && old.String() < id.String() {
		return // the application has no unique key for it: the lowest id is the same every time
	}
	k.rows[table][key] = id
}

// survivor finds the trace of an import by its id or its flow, or begins one, and learns both.
func (k *Ids) survivor(importID, flow uuid.UUID) *survivor {
	i := slices.IndexFunc(k.imports, func(s *survivor) bool {
		return importID != uuid.Nil && s.ids.Import == importID || flow != uuid.Nil && s.ids.Flow == flow
	})
	if i < 0 {
		i = len(k.imports)
		k.imports = append(k.imports, &survivor{records: -1, size: -1})
	}
	s := k.imports[i]
	if s.ids.Import == uuid.Nil {
		s.ids.Import = importID
	}
	if s.ids.Flow == uuid.Nil {
		s.ids.Flow = flow
	}
	return s
}

// takeMasterFlow learns from the flow's state which import it was of, and when (fact sheet 1.5).
func (k *Ids) takeMasterFlow(id uuid.UUID, v values) {
	flow := v.id("flow_id")
	k.put(tableMasterFlows, flow.String(), id)
	var c struct {
		Import   string `json:"import_id"`
		Filename string `json:"filename"`
		Time     string `json:"import_timestamp"`
	}
	text, _ := v("flow_configuration")
	if json.Unmarshal([]byte(text), &c) != nil {
		return
	}
	importID, err := uuid.Parse(c.Import)
	if err != nil {
		return
	}
	s := k.survivor(importID, flow)
	s.tell(c.Time)
	if s.filename == "" {
		s.filename = c.Filename
	}
	if s.records < 0 {
		s.records = stateRecords(v, "flow_persistence_data")
	}
}

// takeFlow learns from the state of a discovery flow.
func (k *Ids) takeFlow(v values) {
	importID := v.id("data_import_id")
	if importID == uuid.Nil {
		return
	}
	s := k.survivor(importID, v.id("flow_id"))
	text, ok := v("state_metadata") // the server has taken it out
	if !ok {
		var state struct {
			Metadata json.RawMessage `json:"metadata"`
		}
		whole, _ := v("crewai_state_data")
		if json.Unmarshal([]byte(whole), &state) != nil {
			return
		}
		text = string(state.Metadata)
	}
	var metadata struct {
		Time    string   `json:"import_timestamp"`
		Columns []string `json:"detected_columns"`
	}
	if json.Unmarshal([]byte(text), &metadata) != nil {
		return
	}
	s.tell(metadata.Time)
	s.columns = metadata.Columns
	if s.records < 0 {
		s.records = stateRecords(v, "crewai_state_data")
	}
}

// takeHeader learns the header of an import whose file nothing names from a record of it.
func (k *Ids) takeHeader(of uuid.UUID, v values) {
	for _, s := range k.imports {
		if s.ids.Import == of && s.filename == "" && len(s.columns) == 0 {
			s.columns = objectNames(v)
		}
	}
}

// tell learns the time from the application's own word, which goes before the server's clock.
func (s *survivor) tell(text string) {
	if t, ok := parsePyTime(text); ok && !s.told {
		s.ids.Time, s.told = t, true
	}
}

// stateRecords counts the copies of rows in the flow's state; -1: there are none.
func stateRecords(v values, column string) int64 {
	if n := v.number("state_records"); n >= 0 { // the server has counted them
		return n
	}
	var state struct {
		Rows []json.RawMessage `json:"raw_data"`
	}
	text, _ := v(column)
	if json.Unmarshal([]byte(text), &state) != nil || state.Rows == nil {
		return -1
	}
	return int64(len(state.Rows))
}

// when learns the time from a column, unless a better word for it is known.
func (s *survivor) when(v values, column string) {
	text, _ := v(column)
	if t, ok := parsePyTime(text); ok && !s.told && s.ids.Time.IsZero() {
		s.ids.Time = t
	}
}

// knownAssetKeys are the columns by which some version of the application looks for an asset.
var knownAssetKeys = [][]string{{"name"}, {"name", "asset_type"}, {"hostname"}, {"fqdn"}, {"ip_address"}}

func (k *Ids) takeAsset(id uuid.UUID, v values) {
	if deleted, ok := v("deleted_at"); ok && deleted != "" {
		k.softDeleted++
	}
keys:
	for _, columns := range knownAssetKeys {
		var key []byte
		for i, column := range columns {
			text, ok := v(column)
			if !ok || text == "" {
				continue keys
			}
			key = appendAssetKey(key, i == 0, column, []byte(text))
		}
		k.put(tableAssets, string(key), id)
	}
}
