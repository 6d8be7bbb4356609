package discovery

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// mapped applies the discovery profile to a list.
func mapped(t *testing.T, l *fixed, schema *Schema) *mapping.Mapping {
	t.Helper()
	profile, err := Profile()
	if err != nil {
		t.Fatal(err)
	}
	m, err := profile.Map(l.head.Header, mappingOf(schema))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mappingOf(schema *Schema) mapping.MapOptions {
	var columns []mapping.Column
	for _, c := range schema.Tables[tableAssets].Columns {
		columns = append(columns, mapping.Column{Name: c.Name, Type: c.Type})
	}
	return mapping.MapOptions{Columns: columns}
}

func newMapped(t *testing.T, l *fixed, opts Options) *Import {
	t.Helper()
	if opts.Schema == nil {
		opts.Schema = October()
	}
	opts.Store, opts.Mapping = AsMapped, mapped(t, l, opts.Schema)
	return newImport(t, l, opts)
}

func TestNamesAsMapped(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "name|asset_name|hostname|ip|type",
		"n1|an1|h1|10.0.0.1|Server", "|an2|h2|10.0.0.2|", "||h3|10.0.0.3|", "|||10.0.0.4|db", "||||")
	im := newMapped(t, l, Options{})
	want := []string{"n1", "an2", "h3", "Asset-10.0.0.4", "unnamed_asset_5"}
	same(t, "name", column(t, im, tableAssets, "name"), want...)
	same(t, "asset_name", column(t, im, tableAssets, "asset_name"), want...)
	same(t, "hostname: an empty text is NULL", column(t, im, tableAssets, "hostname"), "h1", "h2", "h3", "NULL", "NULL")
	same(t, "asset_type", column(t, im, tableAssets, "asset_type"), "server", "other", "other", "database", "other")
	same(t, "environment", column(t, im, tableAssets, "environment"), "Unknown", "Unknown", "Unknown", "Unknown", "Unknown")
	same(t, "migration_priority", column(t, im, tableAssets, "migration_priority"), "5", "5", "5", "5", "5")
}

// TestSkippedHeaders: the application makes no mapping of some names (fact sheet 2.7), and their values stay.
func TestSkippedHeaders(t *testing.T) {
	t.Parallel()
	im := newMapped(t, listOf(importers.FormatCSV, "id|_rev|hostname|created_at|colour", "7|x|a|now|red"), Options{})
	same(t, "source_field", column(t, im, tableMappings, "source_field"), "hostname", "colour")
	same(t, "target_field", column(t, im, tableMappings, "target_field"), "hostname", "UNMAPPED")
	same(t, "custom_attributes", column(t, im, tableAssets, "custom_attributes"), `{"id": "7", "_rev": "x", "created_at": "now", "colour": "red"}`)
	same(t, "raw_data", column(t, im, tableRawRecords, "raw_data"), `{"id": "7", "_rev": "x", "hostname": "a", "created_at": "now", "colour": "red"}`)
}

// TestRefusedValues: a value that a mapping refuses keeps the raw record, and takes the asset. It is told of once.
func TestRefusedValues(t *testing.T) {
	t.Parallel()
	var told []string
	refused := func(r *importers.Reject) error { told = append(told, r.Column+": "+r.Reason); return nil }
	im := newMapped(t, listOf(importers.FormatCSV, "hostname|cpu|depends_on", "a|4|b", "b|four|a", "c|8|b;a"), Options{Refused: refused})
	for range 3 {
		same(t, "assets", column(t, im, tableAssets, "name"), "a", "c")
	}
	same(t, "raw records", column(t, im, tableRawRecords, "row_number"), "1", "2", "3")
	if len(told) != 1 || !strings.Contains(told[0], "cpu: column cpu_cores") {
		t.Errorf("told of %q", told)
	}
	if n := len(column(t, im, tableDependencies, "id")); n != 1 {
		t.Errorf("%d dependencies, want 1: c depends on a, and b is no asset", n)
	}
	s := im.Summary()
	if s.Refused != 1 || s.UnresolvedCount != 2 {
		t.Errorf("%d assets are refused, and %d dependencies unresolved, want 1 and 2", s.Refused, s.UnresolvedCount)
	}
}

// TestUnknownNames: a name that cannot be read is not taken for none.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	for _, store := range []Store{AsApp, AsMapped} {
		var told []string
		refused := func(r *importers.Reject) error { told = append(told, r.Reason); return nil }
		l := listOf(importers.FormatXLSX, "name|hostname|ip_address", "#N/A|h1|10.0.0.1", "n2|#N/A|10.0.0.2", "~|#N/A|10.0.0.3", "~|h4|#N/A")
		opts := Options{Store: store, Refused: refused}
		im := newImport(t, l, opts)
		if store == AsMapped {
			im = newMapped(t, l, opts)
		}
		same(t, "assets", column(t, im, tableAssets, "name"), "n2", "h4")
		same(t, "raw records", column(t, im, tableRawRecords, "row_number"), "1", "2", "3", "4")
		if len(told) != 2 || !strings.Contains(told[0], "what names the asset is unknown: the cell says #N/A") {
			t.Errorf("%v: told of %q", store, told)
		}
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "ci_id|name|dependencies", "1|a|2;3, c |ALL", "2|b|1;1;a;2", "3|c|n/a", "3|d|-", "4|a|b", "5|e|live;gone")
	k := FromRows(tenantOf(), Choice{})
	live := uuid.MustParse("cccccccc-0000-0000-0000-000000000001")
	k.put(tableAssets, "name=live", live)
	im := newMapped(t, l, Options{Known: k})
	l.records[0].Fields[2].Text = []byte("2;3, c |ALL") // the list's own separator takes it apart
	l.records[0].Fields = l.records[0].Fields[:3]
	assets := column(t, im, tableAssets, "id") // of a, b, c, d, e: the fifth record is a again
	if len(assets) != 5 {
		t.Fatalf("%d assets", len(assets))
	}
	var got []string
	on := column(t, im, tableDependencies, "depends_on_asset_id")
	for i, id := range column(t, im, tableDependencies, "asset_id") {
		got = append(got, id+">"+on[i])
	}
	a, b, c, e := assets[0], assets[1], assets[2], assets[4]
	// a's last is the fifth record's, which is a and says b again. b names a twice, by number and by name, and itself.
	same(t, "dependencies", got, a+">"+b, a+">"+c, b+">"+a, e+">"+live.String())
	var unresolved []string
	for _, u := range im.Summary().Unresolved {
		unresolved = append(unresolved, u.From+">"+u.On)
	}
	same(t, "unresolved", unresolved, "a>ALL", "b>2", "e>gone")
	if ids := column(t, im, tableDependencies, "id"); len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 4 {
		t.Errorf("the ids are %q", ids)
	}
	if tables := newMapped(t, l, Options{}).Tables(t.Context()); tables[len(tables)-1].Relation.Name != tableDependencies {
		t.Error("dependencies are not last")
	}
	im = newImport(t, l, Options{Store: AsApp})
	if got := column(t, im, tableDependencies, "id"); got != nil {
		t.Errorf("as the application did, there are dependencies: %q", got)
	}
}

// TestDecemberFindsAssetsByMore: names may be there twice, with other types; a host name or an address may not.
func TestDecemberFindsAssetsByMore(t *testing.T) {
	t.Parallel()
	december := October()
	december.Tables[tableAssets].Columns = append(december.Tables[tableAssets].Columns, evidence.Column{Name: "deleted_at"})
	l := listOf(importers.FormatCSV, "name|asset_type|hostname|ip_address", "a|Server|h1|1", "a|Database|h2|2", "a|Server|h3|3", "b|Server|h1|4", "c|Server|h5|2")
	im := newMapped(t, l, Options{Schema: december})
	same(t, "hosts in December", column(t, im, tableAssets, "hostname"), "h1", "h2")
	if s := im.Summary(); s.Duplicates != 3 {
		t.Errorf("%d duplicates, want 3", s.Duplicates)
	}
	im = newMapped(t, l, Options{})
	// By the name alone; that h1 and 2 are there twice is for the target to refuse, as it refused the application.
	same(t, "hosts in October", column(t, im, tableAssets, "hostname"), "h1", "h1", "h5")

	k := FromRows(tenantOf(), Choice{})
	live := uuid.MustParse("cccccccc-0000-0000-0000-000000000001")
	k.put(tableAssets, "hostname=h1", live)
	if ids := column(t, newMapped(t, l, Options{Schema: december, Known: k}), tableAssets, "id"); ids[0] != live.String() {
		t.Errorf("the asset is %s, and one with its host name is there", ids[0])
	}
	if ids := column(t, newMapped(t, l, Options{Known: k}), tableAssets, "id"); ids[0] == live.String() {
		t.Error("in October only the name counts")
	}
}

func TestCreateTenant(t *testing.T) {
	t.Parallel()
	l := listOf(importers.FormatCSV, "hostname", "a")
	im := newImport(t, l, Options{Create: &CreateTenant{UserEmail: "a@b.c"}})
	same(t, "client", append(column(t, im, tableClients, "name"), column(t, im, tableClients, "slug")...), "Demo Corporation", "demo-corp")
	same(t, "engagement", append(column(t, im, tableEngagements, "name"), column(t, im, tableEngagements, "slug")...), "Demo Cloud Migration Project", "demo-cloud-migration")
	same(t, "user", append(column(t, im, tableUsers, "id"), column(t, im, tableUsers, "email")...), demoUser.String(), "a@b.c")
	other := Tenant{ClientAccount: uuid.New(), Engagement: uuid.New(), User: uuid.New()}
	create := CreateTenant{ClientName: "ACME & Söhne, Inc.", EngagementName: "Move 2"}
	im = newImport(t, l, Options{Tenant: other, Create: &create})
	same(t, "slugs", append(column(t, im, tableClients, "slug"), column(t, im, tableEngagements, "slug")...), "acme-s-hne-inc", "move-2")
	for _, c := range []struct {
		create CreateTenant
		tenant Tenant
		want   string
	}{
		{CreateTenant{}, tenantOf(), "the user's e-mail address"},
		{CreateTenant{UserEmail: "a"}, tenantOf(), ""},
		{CreateTenant{UserEmail: "a"}, other, "the client account's name and the engagement's name"},
		{CreateTenant{ClientName: "a", EngagementName: "b"}, Tenant{ClientAccount: uuid.New()}, ""},
	} {
		err := c.create.Check(c.tenant)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.create, err, c.want)
		}
		var e *evidence.Error
		if err != nil && (!errors.As(err, &e) || e.Hint == "") {
			t.Errorf("%v has no hint", err)
		}
	}
}

// TestExtraColumnsAsApp: a profile may say that the other executor ran, which passed numbers on (fact sheet 2.3, 2.6).
func TestExtraColumnsAsApp(t *testing.T) {
	t.Parallel()
	const before = "    status: {value: discovered}\n"
	if !strings.Contains(profileText, before) {
		t.Fatal("the profile has no such line")
	}
	i := strings.LastIndex(profileText, before)
	text := profileText[:i] + "    cpu_cores: {convert: [app_int]}\n    memory_gb: {convert: [app_float]}\n" + profileText[i:]
	profile, err := mapping.Parse("mine", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	l := listOf(importers.FormatCSV, "hostname|cpu_cores|memory_gb|Storage GB|location", "a|16.9|32|5|x", "b|16 GB| 8 |5|x", "c|1e3|inf|5|x", "d||n/a|5|x")
	im := newImport(t, l, Options{Store: AsApp})
	same(t, "Lost without a mapping", []string{im.Summary().Lost[2]}, "what happened to the import after it was stored: its status and progress, errors, and completed_at")
	m, err := profile.Map(l.head.Header, mapping.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	im = newImport(t, l, Options{Store: AsApp, Mapping: m})
	same(t, "cpu_cores", column(t, im, tableAssets, "cpu_cores"), "16", "NULL", "1000", "NULL")
	same(t, "memory_gb", column(t, im, tableAssets, "memory_gb"), "32", "8", "Infinity", "NULL")
	for range 2 {
		column(t, im, tableAssets, "id")
	}
	if losses := im.Summary().Losses; len(losses) != 2 || losses[0].Count != 1 || losses[0].Text != "16 GB" || losses[1].Text != "n/a" {
		t.Errorf("losses are %+v, each told once", losses)
	}
	lost := im.Summary().Lost
	if last := lost[len(lost)-1]; !strings.HasSuffix(last, "and in no column of assets: Storage GB, location") {
		t.Errorf("what is lost: %q", last)
	}
	shipped := mapped(t, l, October())
	im = newImport(t, l, Options{Store: AsApp, Mapping: shipped})
	lost = im.Summary().Lost
	if last := lost[len(lost)-1]; !strings.HasSuffix(last, "in no column of assets: cpu_cores, memory_gb, Storage GB, location") {
		t.Errorf("what is lost by the profile that ships: %q", last)
	}
}
