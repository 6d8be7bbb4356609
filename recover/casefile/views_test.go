package casefile

import (
	"fmt"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TestViewsShowRealColumns reads rows as a person with an SQLite browser does.
func TestViewsShowRealColumns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	named := func(schema, name string, columns ...string) *evidence.Relation {
		rel := &evidence.Relation{RelationName: evidence.RelationName{Database: "shop", Schema: schema, Name: name}}
		for _, column := range columns {
			rel.Columns = append(rel.Columns, evidence.Column{Name: column})
		}
		return rel
	}
	put := func(rel *evidence.Relation, n int, values ...string) {
		runOf(t, c, func(r *Run) {
			row := orderRow(rel, n, evidence.RouteHeap, "")
			row.Values = nil
			for _, value := range values {
				row.Values = append(row.Values, known(value))
			}
			must(t, tableOf(t, r, rel).Put(row))
		})
	}
	put(named("Схема", `weird " name`, `a "b`, "Имя", "имя"), 0, "1", "Ж", "ж")
	put(named("a_b", "c", "x"), 0, "a_b.c")
	put(named("a", "b_c", "x"), 0, "a.b_c")
	put(named("A", "B_c", "x"), 0, "A.B_c")
	// A column was added in front, and another taken away.
	put(named("public", "shapes", "id", "old"), 0, "1", "was")
	put(named("public", "shapes", "new", "id"), 1, "is", "2")
	// Columns that differ in case only: SQLite gives the second another name.
	put(named("public", "cases", "x", "X", "_id"), 0, "small", "large", "own")

	show := func(view string, columns int) string {
		var b strings.Builder
		must(t, c.each("SELECT * FROM "+pg.QuoteIdentAlways(view), func(stmt *sqlite.Stmt) error {
			for i := range columns {
				fmt.Fprintf(&b, "%s=%s ", stmt.ColumnName(i), stmt.ColumnText(i))
			}
			return nil
		}))
		return strings.TrimSpace(b.String())
	}
	tests := []struct {
		view    string
		columns int
		want    string
	}{
		{`rows_Схема_weird " name`, 3, `a "b=1 Имя=Ж имя=ж`},
		{"rows_a_b_c", 1, "x=a_b.c"},
		{"rows_a_b_c_3", 1, "x=a.b_c"},
		{"rows_A_B_c_4", 1, "x=A.B_c"},
		{"rows_public_shapes", 3, "id=1 old=was new= id=2 old= new=is"},
	}
	for _, test := range tests {
		if got := show(test.view, test.columns); got != test.want {
			t.Errorf("%s: %s, want %s", test.view, got, test.want)
		}
	}
	if got := show("rows_public_cases", 3); !contains(got, "=small") || !contains(got, "=large") || !contains(got, "=own") {
		t.Errorf("columns that differ in case: %s", got)
	}
	must(t, c.Close())
	sound(t, dir)
}

// TestSchemaIsDocumented wants a comment over every table, and its word on every number.
func TestSchemaIsDocumented(t *testing.T) {
	t.Parallel()
	tables := 0
	previous := ""
	for line := range strings.Lines(schema) {
		if strings.HasPrefix(line, "CREATE TABLE") {
			tables++
			if !strings.HasPrefix(previous, "--") && !strings.HasPrefix(previous, "INSERT") && strings.TrimSpace(previous) != "" {
				t.Errorf("no comment over %s", line)
			}
		}
		previous = line
	}
	if tables < 15 {
		t.Errorf("only %d tables were seen", tables)
	}
	c := create(t, t.TempDir()+"/case")
	for table, of := range map[string]func(id int64) string{
		"route":      func(id int64) string { return string(routeOf(id)) },
		"confidence": func(id int64) string { return string(confidenceOf(id)) },
		"operation":  func(id int64) string { return string(operationOf(id)) },
	} {
		must(t, c.each("SELECT id, name FROM "+table, func(stmt *sqlite.Stmt) error {
			if got := of(stmt.ColumnInt64(0)); got != stmt.ColumnText(1) {
				t.Errorf("%s %d is %q in the program, %q in the schema", table, stmt.ColumnInt64(0), got, stmt.ColumnText(1))
			}
			return nil
		}))
	}
	for _, route := range evidence.Routes() {
		if routeOf(routeID(route)) != route {
			t.Errorf("route %s", route)
		}
	}
}
