package discovery

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// survivor is an import that left a trace.
type survivor struct {
	ids     ImportIDs
	records int64 // -1: not known
	size    int64 // -1: not known
}

// Ids are ids of rows that exist, or existed. They are a Known.
type Ids struct {
	tenant  Tenant
	choice  Choice
	imports []*survivor
	names   map[uuid.UUID]string
	rows    map[string]map[string]uuid.UUID
}

// Choice says which import is taken, when several may be the one.
type Choice struct {
	Import  uuid.UUID // uuid.Nil: the one that has the file's name, number of records and size
	Another bool      // none: another import is made
}

func newIds(tenant Tenant, choice Choice) *Ids {
	return &Ids{tenant: tenant, choice: choice, names: map[uuid.UUID]string{}, rows: map[string]map[string]uuid.UUID{}}
}

// survivor finds the trace of an import, by its id or its flow, or begins one.
func (k *Ids) survivor(importID, flow uuid.UUID) *survivor {
	for _, s := range k.imports {
		if importID != uuid.Nil && s.ids.Import == importID || flow != uuid.Nil && s.ids.Flow == flow {
			return s
		}
	}
	s := &survivor{records: -1, size: -1}
	k.imports = append(k.imports, s)
	return s
}

// Row finds the id of a row.
func (k *Ids) Row(table, key string) (uuid.UUID, bool) {
	id, ok := k.rows[table][key]
	return id, ok
}

func (k *Ids) put(table, key string, id uuid.UUID) {
	if k.rows[table] == nil {
		k.rows[table] = map[string]uuid.UUID{}
	}
	if old, taken := k.rows[table][key]; taken && cmp.Compare(old.String(), id.String()) < 0 {
		return // no key is unique in the application: the lowest id is the same every time
	}
	k.rows[table][key] = id
}

// Import finds the import of a content.
func (k *Ids) Import(of Content) (ImportIDs, bool, error) {
	if k.choice.Another {
		return ImportIDs{}, false, nil
	}
	var same, like []*survivor
	for _, s := range k.imports {
		switch {
		case k.choice.Import != uuid.Nil:
			if s.ids.Import == k.choice.Import {
				return s.ids, true, nil
			}
		case s.records >= 0 && s.records != of.Records || k.names[s.ids.Import] != of.Filename:
		case s.size >= 0 && s.size != of.Size:
			like = append(like, s)
		default:
			same = append(same, s)
		}
	}
	switch {
	case k.choice.Import != uuid.Nil:
		return ImportIDs{}, false, fmt.Errorf("there is no import %s of the tenant", k.choice.Import)
	case len(same) == 1:
		return same[0].ids, true, nil
	case len(same) > 1:
		return ImportIDs{}, false, evidence.OfKind(ErrAmbiguous, fmt.Errorf("%d imports of %q with %d records are there: %s", len(same), of.Filename, of.Records, listIDs(same)))
	case len(like) > 0:
		return ImportIDs{}, false, evidence.OfKind(ErrAmbiguous, fmt.Errorf("an import of %q with %d records is there, but of another size than %d: %s; it may be the same file read in another way, or another file",
			of.Filename, of.Records, of.Size, listIDs(like)))
	}
	return ImportIDs{}, false, nil
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
	if id := v.id("client_account_id"); id != k.tenant.ClientAccount {
		return
	}
	if id := v.id("engagement_id"); id != k.tenant.Engagement && id != uuid.Nil {
		return
	}
	id := v.id("id")
	switch table {
	case tableImports:
		s := k.survivor(id, v.id("master_flow_id"))
		s.learn(id, v.id("master_flow_id"))
		s.records, s.size = v.number("total_records"), v.number("file_size")
		s.when(v, "created_at", "started_at")
		k.names[id], _ = v("filename")
	case tableMasterFlows:
		k.takeMasterFlow(id, v)
	case tableFlows:
		k.put(tableFlows, v.id("flow_id").String(), id)
		if importID := v.id("data_import_id"); importID != uuid.Nil {
			k.survivor(importID, v.id("flow_id")).learn(importID, v.id("flow_id"))
		}
	case tableRawRecords:
		number, _ := v("row_number")
		k.put(tableRawRecords, Key(v.id("data_import_id"), number), id)
	case tableMappings:
		field, _ := v("source_field")
		k.put(tableMappings, Key(v.id("data_import_id"), field), id)
	case tableAssets:
		if name, ok := v("name"); ok {
			k.put(tableAssets, name, id)
		}
	}
}

// takeMasterFlow learns from the flow's state which import it was of.
func (k *Ids) takeMasterFlow(id uuid.UUID, v values) {
	flow := v.id("flow_id")
	k.put(tableMasterFlows, flow.String(), id)
	text, _ := v("flow_configuration")
	var c struct {
		Import   string `json:"import_id"`
		Filename string `json:"filename"`
		Time     string `json:"import_timestamp"`
	}
	if json.Unmarshal([]byte(text), &c) != nil {
		return
	}
	importID, err := uuid.Parse(c.Import)
	if err != nil {
		return
	}
	s := k.survivor(importID, flow)
	s.learn(importID, flow)
	if t, ok := parsePyTime(c.Time); ok {
		s.ids.Time = t // the application's own word goes before the server's
	}
	if k.names[importID] == "" {
		k.names[importID] = c.Filename
	}
}

func (s *survivor) learn(importID, flow uuid.UUID) {
	if s.ids.Import == uuid.Nil {
		s.ids.Import = importID
	}
	if s.ids.Flow == uuid.Nil {
		s.ids.Flow = flow
	}
}

func (s *survivor) when(v values, columns ...string) {
	for _, c := range columns {
		text, ok := v(c)
		if t, parsed := parsePyTime(text); ok && parsed && s.ids.Time.IsZero() {
			s.ids.Time = t
		}
	}
}

// knownColumns are what is asked of each table.
var knownColumns = []struct {
	table   string
	columns []string
}{
	{tableImports, []string{"id", "client_account_id", "engagement_id", "master_flow_id", "filename", "total_records", "file_size", "created_at", "started_at"}},
	{tableMasterFlows, []string{"id", "client_account_id", "engagement_id", "flow_id", "flow_configuration"}},
	{tableFlows, []string{"id", "client_account_id", "engagement_id", "flow_id", "data_import_id"}},
	{tableRawRecords, []string{"id", "client_account_id", "engagement_id", "data_import_id", "row_number"}},
	{tableMappings, []string{"id", "client_account_id", "engagement_id", "data_import_id", "source_field"}},
	{tableAssets, []string{"id", "client_account_id", "engagement_id", "name"}},
}

// Lookup reads the ids of the tenant's rows that are still there. It reads hurt tables: their pages
// must have been captured before.
func Lookup(ctx context.Context, q Querier, schema *Schema, tenant Tenant, choice Choice) (*Ids, error) {
	k := newIds(tenant, choice)
	for _, t := range knownColumns {
		rel := schema.Tables[t.table]
		if rel == nil {
			continue
		}
		columns := make([]string, len(t.columns))
		for i, c := range t.columns {
			if columns[i] = c; !schema.Has(t.table, c) {
				columns[i] = "NULL"
			} else if c == "created_at" || c == "started_at" {
				columns[i] = "to_char(" + c + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
			}
		}
		sql := "SELECT " + strings.Join(columns, ", ") + " FROM " + rel.String() + " WHERE client_account_id = $1::uuid"
		parameters := [][]byte{[]byte(tenant.ClientAccount.String())}
		err := q.Query(ctx, "discovery: look for rows of the tenant in "+rel.Name, sql, parameters, func(row [][]byte) error {
			k.take(t.table, func(column string) (string, bool) {
				i := slices.Index(t.columns, column)
				if i < 0 || row[i] == nil {
					return "", false
				}
				return string(row[i]), true
			})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}

// FromRows makes an empty Ids; Put fills it with rows that a case holds.
func FromRows(tenant Tenant, choice Choice) *Ids { return newIds(tenant, choice) }

// Put learns from a row of any table; rows of tables that do not matter are passed over.
func (k *Ids) Put(row *evidence.Row) error {
	k.take(row.Relation.Name, func(column string) (string, bool) {
		for i := range row.Relation.Columns {
			if row.Relation.Columns[i].Name == column && row.Values[i].State == evidence.Known {
				return string(row.Values[i].Text), true
			}
		}
		return "", false
	})
	return nil
}

var (
	_ Known         = (*Ids)(nil)
	_ evidence.Sink = (*Ids)(nil)
)
