package casefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// people is a table whose key and name are personal, and a partition of it.
func people(name string) *evidence.Relation {
	return &evidence.Relation{
		RelationName: evidence.RelationName{Database: "shop", Schema: "crm", Name: name}, OID: 16400,
		Columns: []evidence.Column{
			{Name: "id", Type: "integer", Key: true},
			{Name: "Email", Type: "text", Key: true},
			{Name: "name", Type: "text"},
			{Name: "city", Type: "text"},
		},
	}
}

// secrets are what no file of a bundle with pseudonyms may hold.
func secrets() []string {
	return []string{"ada@example.org", "Ada \"L\" Lovelace", "Бабушка", "new@example.org", "5365637265742052617721", "plan@example.org", "note@example.org"}
}

// personalCase makes a case with personal values in every place that there is.
func personalCase(t *testing.T) *Case {
	t.Helper()
	c := create(t, t.TempDir()+"/case")
	secret := secrets()
	runOf(t, c, func(r *Run) {
		must(t, r.Cluster(7294839201, 15, "shop"))
		for _, name := range []string{"people", "people_2026"} {
			rel := people(name)
			table, err := r.Table(Table{Relation: rel, PartitionOf: evidence.RelationName{Database: "shop", Schema: "crm", Name: "people"}, Encoding: "UTF8"})
			must(t, err)
			for i := range 3 {
				row := &evidence.Row{
					Relation: rel, Values: []evidence.Value{known("1"), known(secret[0]), known(secret[1]), known("Paris")},
					Successor:  []evidence.Value{known("1"), known(secret[3]), known(secret[2]), known("Paris")},
					Provenance: evidence.Provenance{Route: evidence.RouteWAL, Confidence: evidence.Proven, TID: pg.TID{Offset: pg.OffsetNumber(i + 1)}, Operation: evidence.OpUpdate},
				}
				switch i {
				case 1:
					row.Values[2] = evidence.Value{State: evidence.Null}
				case 2:
					row.Values[2] = evidence.Value{State: evidence.Unknown, Reason: "no chunk", Raw: []byte("Secret Raw!")}
				}
				must(t, table.Put(row))
			}
		}
		must(t, r.Event(Event{Source: "server.log", Certainty: "executed", Statement: "DELETE FROM people WHERE email = '" + secret[0] + "'", Message: "Key (email)=(" + secret[0] + ")"}))
	})
	w, err := c.NewPlan(context.Background())
	must(t, err)
	must(t, w.Put(&PlanRow{
		Table: 0, Action: "insert", Key: []evidence.Value{known(secret[5])}, Data: []evidence.Value{known("1"), known(secret[5]), known("Paris")},
		Before: []evidence.Value{known("1"), known(secret[0]), known("Paris")}, From: []int64{1},
		Note: "unique index people_key: the target has a row with (\"" + secret[6] + "\"), (7)",
	}))
	header, err := json.Marshal(map[string]any{"tables": []any{map[string]any{
		"schema": "crm", "name": "people", "columns": []any{map[string]any{"name": "id"}, map[string]any{"name": "Email"}, map[string]any{"name": "city"}}, "key": []string{"Email"},
	}}})
	must(t, err)
	_, err = w.Finish(header)
	must(t, err)
	return c
}

// exportOf exports a case into a new folder.
func exportOf(t *testing.T, c *Case, opts ExportOptions) (string, *Exported) {
	t.Helper()
	opts.Dir = filepath.Join(t.TempDir(), "bundle")
	out, err := c.Export(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return opts.Dir, out
}

// personal names the columns that secrets are in.
func personal(t *testing.T) []Personal {
	t.Helper()
	var list []Personal
	for _, text := range []string{`crm.people."Email"`, "people.name"} {
		column, err := ParsePersonal(text)
		must(t, err)
		list = append(list, column)
	}
	return list
}

// TestPseudonymsLeaveNothing looks for the values in every byte of the bundle.
func TestPseudonymsLeaveNothing(t *testing.T) {
	t.Parallel()
	c := personalCase(t)
	plain, _ := exportOf(t, c, ExportOptions{})
	safe, out := exportOf(t, c, ExportOptions{Personal: personal(t), Key: []byte("sixteen bytes or more")})
	for _, secret := range secrets() {
		if found := holding(t, plain, secret); len(found) == 0 {
			t.Errorf("%q is not in the bundle without pseudonyms: the test looks for the wrong thing", secret)
		}
		if found := holding(t, safe, secret); len(found) > 0 {
			t.Errorf("%q is still in %v", secret, found)
		}
	}
	if found := holding(t, safe, "Paris"); len(found) == 0 {
		t.Error("a column that is not personal was replaced too")
	}
	if out.Replaced == 0 {
		t.Error("no value is said to be replaced")
	}
	opened, err := Open(context.Background(), filepath.Join(safe, payloadFolder), Read, Options{})
	must(t, err)
	defer opened.Close()
	problems, err := opened.VerifyIntegrity(context.Background(), nil)
	if err != nil || len(problems) > 0 {
		t.Errorf("the bundle's case: %v, %v", problems, err)
	}
	if _, err := Open(context.Background(), filepath.Join(safe, payloadFolder), Write, Options{}); !errors.Is(err, ErrPseudonymized) {
		t.Errorf("the bundle's case can be written to: %v", err)
	}
	if plan, err := opened.Plan(context.Background(), 1); err != nil || plan.State != planPseudonymized {
		t.Errorf("the plan of replaced rows: %+v, %v", plan, err)
	}
}

// TestPseudonymsAgree: the same value has the same pseudonym in values, keys and
// successors of all tables, and another one under another key.
func TestPseudonymsAgree(t *testing.T) {
	t.Parallel()
	c := personalCase(t)
	seen := make(map[string]bool)
	for _, key := range []string{"the first key of all", "the second key of all"} {
		dir, _ := exportOf(t, c, ExportOptions{Personal: personal(t), Key: []byte(key)})
		opened, err := Open(context.Background(), filepath.Join(dir, payloadFolder), Read, Options{})
		must(t, err)
		defer opened.Close()
		relations, err := opened.Relations(context.Background())
		must(t, err)
		var pseudonym []byte
		rows := 0
		for _, rel := range relations {
			for row, err := range opened.Candidates(context.Background(), []int64{rel.ID}, []string{"id", "Email"}) {
				must(t, err)
				rows++
				if pseudonym == nil {
					pseudonym = bytes.Clone(row.Values[1].Text)
				}
				if !bytes.Equal(row.Values[1].Text, pseudonym) || !bytes.Equal(row.Key[1].Text, pseudonym) || bytes.Equal(row.Successor[1].Text, pseudonym) {
					t.Errorf("%s: value %q, key %q, successor %q; want %q", rel.Name, row.Values[1].Text, row.Key[1].Text, row.Successor[1].Text, pseudonym)
				}
			}
		}
		if rows != 6 || seen[string(pseudonym)] {
			t.Errorf("%d rows, pseudonym %q met before: %v", rows, pseudonym, seen[string(pseudonym)])
		}
		seen[string(pseudonym)] = true
	}
}

// holding lists the files below dir that hold a text.
func holding(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		quoted := strings.ReplaceAll(text, `"`, `\"`)
		doubled := strings.ReplaceAll(text, `"`, `""`)
		if bytes.Contains(content, []byte(text)) || bytes.Contains(content, []byte(quoted)) || bytes.Contains(content, []byte(doubled)) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	must(t, err)
	if files < 8 {
		t.Fatalf("%s has %d files", dir, files)
	}
	return found
}

// TestExportIsWholeOrNot: an export that fails leaves nothing.
func TestExportIsWholeOrNot(t *testing.T) {
	t.Parallel()
	c := personalCase(t)
	parent := t.TempDir()
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for name, test := range map[string]struct {
		ctx  context.Context
		opts ExportOptions
		want error
	}{
		"interrupted": {stopped, ExportOptions{}, context.Canceled},
		"no column":   {context.Background(), ExportOptions{Personal: []Personal{{Table: "people", Column: "email"}}, Key: []byte("k")}, ErrNoColumn},
	} {
		test.opts.Dir = filepath.Join(parent, "bundle")
		if _, err := c.Export(test.ctx, test.opts); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(parent)
		must(t, err)
		if len(left) > 0 {
			t.Errorf("%s: %s is left", name, left[0].Name())
		}
	}
	must(t, os.Mkdir(filepath.Join(parent, "bundle"), 0o700))
	if _, err := c.Export(context.Background(), ExportOptions{Dir: filepath.Join(parent, "bundle")}); !errors.Is(err, ErrExists) {
		t.Errorf("a folder that is there: %v", err)
	}
}

func TestParsePersonal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"users.email": "users.email", "Sales.Users.EMail": "sales.users.email", `sales."Order ""Lines"""."a.b"`: `sales."Order ""Lines"""."a.b"`,
		`"Привет".x`: `"Привет".x`,
		"users":      "", "a.b.c.d": "", "": "", ".": "", "a.": "", `"a.b`: "", `"a"b.c`: "", `a"b".c`: "",
	} {
		got, err := ParsePersonal(text)
		switch {
		case want == "" && !errors.Is(err, ErrBadColumn):
			t.Errorf("%s: %v, %v", text, got, err)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
}
