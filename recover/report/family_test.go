package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// keyOf is a foreign key between two tables.
func keyOf(child, parent, onDelete string) casefile.ForeignKey {
	return casefile.ForeignKey{Name: child + "_" + parent, Child: relation(child).RelationName, Parent: relation(parent).RelationName, OnDelete: onDelete}
}

// fallenOf draws the tree of one transaction that took a row of each table: a line per table, indented.
func fallenOf(t *testing.T, keys []casefile.ForeignKey, tables ...string) string {
	t.Helper()
	d := &destroyer{XID: 742}
	for _, name := range tables {
		d.Tables = append(d.Tables, casefile.Destroyed{RelationName: relation(name).RelationName, Operation: evidence.OpDelete, Versions: 1})
	}
	f := &facts{summary: &casefile.Summary{ForeignKeys: keys}, story: newStory(nil)}
	b := &builder{facts: f, say: newSpeech(f, Options{}), manifest: newManifest(f)}
	var text strings.Builder
	var draw func(list []branch, depth int)
	draw = func(list []branch, depth int) {
		for _, one := range list {
			fmt.Fprintf(&text, "%s%s\n", strings.Repeat(" ", depth), strings.TrimPrefix(one.Text, "public."))
			draw(one.Under, depth+1)
		}
	}
	draw(b.fallen(d, b.family(d)).Under, 0)
	return text.String()
}

// TestParentsFirst draws what fell by foreign keys: parents first, a cascade before any other key, and no circle for ever.
func TestParentsFirst(t *testing.T) {
	t.Parallel()
	chain := []casefile.ForeignKey{keyOf("lines", "orders", "CASCADE"), keyOf("orders", "customers", "CASCADE"), keyOf("lines", "customers", "NO ACTION"), keyOf("orders", "orders", "CASCADE")}
	for _, test := range []struct {
		what   string
		keys   []casefile.ForeignKey
		tables []string
		want   string
	}{
		{"a chain, children first in the WAL", chain, []string{"lines", "orders", "customers"}, "customers\n orders\n  lines\n"},
		{"the parent between is not hurt", chain, []string{"lines", "customers"}, "customers\n lines\n"},
		{"no keys", nil, []string{"b", "a"}, "b\na\n"},
		{"a circle", []casefile.ForeignKey{keyOf("a", "b", "CASCADE"), keyOf("b", "a", "CASCADE")}, []string{"a", "b"}, "b\n a\n"},
		{"the table itself", []casefile.ForeignKey{keyOf("a", "a", "CASCADE")}, []string{"a", "a"}, "a\na\n"},
	} {
		if got := fallenOf(t, test.keys, test.tables...); got != test.want {
			t.Errorf("%s:\n%swant\n%s", test.what, got, test.want)
		}
	}
	var deep []casefile.ForeignKey
	var tables []string
	for i := range 400 {
		tables = append(tables, fmt.Sprintf("t%03d", i))
		deep = append(deep, keyOf(fmt.Sprintf("t%03d", i+1), fmt.Sprintf("t%03d", i), "CASCADE"))
	}
	if got := fallenOf(t, deep, tables...); strings.Count(got, "\n") != mostLeaves+1 || !strings.Contains(got, "370 more tables") {
		t.Errorf("a chain of 400:\n%s", got)
	}
}

// TestPartitionStandsBelowTheParentOfItsTable: keys name the partitioned table, and losses its partitions.
func TestPartitionStandsBelowTheParentOfItsTable(t *testing.T) {
	t.Parallel()
	f := &facts{summary: &casefile.Summary{ForeignKeys: []casefile.ForeignKey{keyOf("orders", "customers", "CASCADE")}}}
	f.summary.Tables = []casefile.TableSummary{{Relation: casefile.Relation{RelationName: relation("orders_2026").RelationName, PartitionOf: evidence.RelationName{Schema: "public", Name: "orders"}}}}
	b := &builder{facts: f}
	d := &destroyer{Tables: []casefile.Destroyed{{RelationName: relation("orders_2026").RelationName}, {RelationName: relation("customers").RelationName}}}
	if places := b.family(d); places[0].parent != 1 || places[1].parent != noParent {
		t.Errorf("places: %+v", places)
	}
}

// TestBreakable breaks long words behind their signs, and nothing else.
func TestBreakable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"incident/logs/postgresql.log:4123": "incident/<wbr/>logs/<wbr/>postgresql.log:<wbr/>4123",
		"migration.raw_import_records":      "migration.<wbr/>raw_<wbr/>import_<wbr/>records",
		"2026-11-26 08:03:41.272113":        "2026-11-26 08:03:41.272113",
		"a/b <script>alert(1)/x</script>":   "a/b &lt;script&gt;alert(1)/<wbr/>x&lt;/<wbr/>script&gt;",
		"":                                  "",
		"  two  ":                           "  two  ",
	} {
		if got := string(breakable(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
