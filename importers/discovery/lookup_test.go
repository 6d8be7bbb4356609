package discovery_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// printed is all rows of an import, table by table.
func printed(t *testing.T, im *discovery.Import) string {
	t.Helper()
	var b bytes.Buffer
	w, err := evidence.NewWriter(evidence.FormatJSONL, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, tb := range im.Tables(t.Context()) {
		for row, err := range tb.Rows {
			if err == nil {
				err = w.Put(row)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLookup: the ids and the time of what is in the target are found again, in both versions of it.
func TestLookup(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	for name, december := range map[string]bool{"october": false, "december": true} {
		t.Run(name, func(t *testing.T) {
			tg := newTarget(t, c, "lookup_"+name, december)
			schema := tg.schema(t)
			source := func(hash byte, now time.Time, known discovery.Known) *discovery.Import {
				l := newList("a.csv", "name|asset_type|depends_on", "a|Server|b", "b|Database|", "c|Server|a;b")
				l.head.Source.SHA256 = [32]byte{hash}
				im, err := discovery.New(t.Context(), l, discovery.Options{
					Tenant: tenant(), Mapping: mapOf(t, l.head.Header, schema), Schema: schema, State: true, Now: now, Known: known,
				})
				if err != nil {
					t.Fatal(err)
				}
				return im
			}
			// Ids of another hash stand for those that the application took as they came.
			was := source(1, noon(), nil)
			tg.write(t, was)
			ids, err := discovery.Lookup(t.Context(), tg.conn, schema, tenant(), discovery.Choice{})
			if err != nil {
				t.Fatal(err)
			}
			is := source(2, noon().Add(time.Hour), ids)
			if !is.Summary().Known || is.IDs() != was.IDs() {
				t.Errorf("the import is %+v, and was %+v", is.IDs(), was.IDs())
			}
			if a, b := printed(t, was), printed(t, is); a != b {
				t.Errorf("the rows were\n%s\nand are\n%s", a, b)
			}
			if notes := ids.Notes(); notes != nil {
				t.Errorf("notes: %q", notes)
			}
			if december {
				clustertest.Exec(t, c, tg.db, "UPDATE migration.assets SET deleted_at = now() WHERE name <> 'a'")
				if ids, err = discovery.Lookup(t.Context(), tg.conn, schema, tenant(), discovery.Choice{}); err != nil {
					t.Fatal(err)
				}
				if notes := ids.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "2 of the") {
					t.Errorf("notes: %q", notes)
				}
			}
		})
	}
}

func TestCheckTenant(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	tg := newTarget(t, c, "tenants", false)
	other := uuid.MustParse("99999999-0000-0000-0000-000000000001")
	clustertest.Exec(t, c, tg.db, "INSERT INTO migration.client_accounts (id, name, slug) VALUES ('"+other.String()+"', 'Other', 'other')")
	for _, test := range []struct {
		what   string
		change func(*discovery.Tenant)
		kind   error
		says   string
	}{
		{"all there", func(*discovery.Tenant) {}, nil, ""},
		{"nobody: the demo user is", func(t *discovery.Tenant) { t.User = uuid.Nil }, nil, ""},
		{"another client account's engagement", func(t *discovery.Tenant) { t.ClientAccount = other }, discovery.ErrWrongTenant, "belongs to client account 11111111"},
		{"no client account", func(t *discovery.Tenant) { t.ClientAccount = uuid.New() }, discovery.ErrWrongTenant, "belongs to"},
		{"no engagement", func(t *discovery.Tenant) { t.Engagement = uuid.Max }, discovery.ErrNoTenant, "there is no engagement ffffffff"},
		{"no user", func(t *discovery.Tenant) { t.User = uuid.Max }, discovery.ErrNoTenant, "there is no user ffffffff"},
		{"nothing at all", func(t *discovery.Tenant) { *t = discovery.Tenant{uuid.Max, uuid.Max, uuid.Max} }, discovery.ErrNoTenant, "no client account ffffffff-ffff-ffff-ffff-ffffffffffff, there is no engagement"},
	} {
		who := tenant()
		test.change(&who)
		err := discovery.CheckTenant(t.Context(), tg.conn, "migration", who)
		if !errors.Is(err, test.kind) || err != nil && (test.kind == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want %v", test.what, err, test.kind)
		}
	}
}
