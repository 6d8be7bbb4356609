package discovery_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers/discovery"
)

func tenant() discovery.Tenant {
	return discovery.Tenant{
		ClientAccount: uuid.MustParse("11111111-1111-1111-1111-111111111111"),
		Engagement:    uuid.MustParse("22222222-2222-2222-2222-222222222222"),
		User:          uuid.MustParse("33333333-3333-3333-3333-333333333333"),
	}
}

// noon is when the imports of the tests happened.
func noon() time.Time { return time.Date(2025, 10, 7, 12, 0, 0, 250000000, time.UTC) }

func TestTablesInForeignKeyOrder(t *testing.T) {
	l := newList("a.csv", "hostname|ip_address", "web-1|10.0.0.1", "web-2|")
	im, err := discovery.New(context.Background(), l, discovery.Options{Tenant: tenant(), Store: discovery.AsApp, Now: noon(), State: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range im.Tables(context.Background()) {
		names = append(names, table.Relation.Name)
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if len(row.Values) != len(table.Relation.Columns) {
				t.Errorf("%s: %d values for %d columns", table.Relation.Name, len(row.Values), len(table.Relation.Columns))
			}
		}
	}
	want := []string{"crewai_flow_state_extensions", "data_imports", "raw_import_records", "import_field_mappings", "discovery_flows", "assets"}
	if !slices.Equal(names, want) {
		t.Errorf("the tables are %v, want %v", names, want)
	}
}
