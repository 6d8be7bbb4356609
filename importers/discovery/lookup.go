package discovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// lookup is what is asked of one table.
type lookup struct {
	table   string
	columns []string
}

// lookups are in the order in which rows teach the most.
func lookups() []lookup {
	return []lookup{
		{tableImports, []string{
			"id", "client_account_id", "engagement_id", "master_flow_id", "filename", "total_records", "file_size", "created_at", "started_at",
		}},
		{tableMasterFlows, []string{"id", "client_account_id", "engagement_id", "flow_id", "flow_configuration", "state_records"}},
		{tableFlows, []string{"id", "client_account_id", "engagement_id", "flow_id", "data_import_id", "state_metadata", "state_records"}},
		{tableRawRecords, []string{"id", "client_account_id", "engagement_id", "data_import_id", "row_number"}},
		{tableMappings, []string{"id", "client_account_id", "engagement_id", "data_import_id", "source_field"}},
		{tableAssets, []string{
			"id", "client_account_id", "engagement_id", "name", "asset_type", "hostname", "fqdn", "ip_address", "deleted_at",
		}},
		{tableDependencies, []string{"id", "asset_id", "depends_on_asset_id"}},
	}
}

// state is the column that holds a flow's state.
func (l *lookup) state() string {
	if l.table == tableFlows {
		return "crewai_state_data"
	}
	return "flow_persistence_data"
}

// sql asks for the columns; those that the target lacks are NULL.
func (l *lookup) sql(schema *Schema) string {
	rel := schema.Tables[l.table]
	terms := make([]string, len(l.columns))
	for i, c := range l.columns {
		switch {
		case c == "state_records" && schema.Has(l.table, l.state()):
			terms[i] = fmt.Sprintf("CASE WHEN jsonb_typeof(%s -> 'raw_data') = 'array' THEN jsonb_array_length(%[1]s -> 'raw_data') END", l.state())
		case c == "state_metadata" && schema.Has(l.table, l.state()):
			terms[i] = l.state() + " -> 'metadata'"
		case !schema.Has(l.table, c):
			terms[i] = "NULL"
		case strings.HasSuffix(c, "ed_at"):
			terms[i] = "to_char(" + c + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
		default:
			terms[i] = c
		}
	}
	sql := "SELECT " + strings.Join(terms, ", ") + " FROM " + rel.String()
	if l.table == tableDependencies {
		return sql + " WHERE asset_id IN (SELECT id FROM " + schema.Tables[tableAssets].String() + " WHERE client_account_id = $1::uuid)"
	}
	return sql + " WHERE client_account_id = $1::uuid"
}

// Lookup reads the ids of the tenant's rows that are there. It reads hurt tables, which prunes
// them: their pages must have been captured before.
func Lookup(ctx context.Context, q Querier, schema *Schema, tenant Tenant, choice Choice) (*Ids, error) {
	k := FromRows(tenant, choice)
	for _, l := range lookups() {
		if schema.Tables[l.table] == nil || l.table == tableDependencies && schema.Tables[tableAssets] == nil {
			continue
		}
		name := evidence.RelationName{Schema: schema.Name, Name: l.table}.String()
		parameters := [][]byte{[]byte(tenant.ClientAccount.String())}
		err := q.Query(ctx, "discovery: look for rows of the tenant in "+name, l.sql(schema), parameters, func(row [][]byte) error {
			k.take(l.table, func(column string) (string, bool) {
				i := slices.Index(l.columns, column)
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
