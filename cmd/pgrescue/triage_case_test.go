package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// TestTriageIntoACase compares what a case keeps of a triage with what the triage prints.
func TestTriageIntoACase(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "case")
	code, stdout, stderr := execute(t.Context(), "triage", "--pgdata", data, "--json", "--case", dir)
	if code != exitcode.Done {
		t.Fatalf("triage: code %d\n%s", code, stderr)
	}
	var said triage.Report
	if err := json.Unmarshal([]byte(stdout), &said); err != nil {
		t.Fatal(err)
	}
	kept := showCase(t, dir).Triage
	if kept == nil || kept.Named != string(said.Named) || kept.Named == "" || kept.Hurt != string(said.Question.Hurt) || kept.Why != said.Question.Why {
		t.Fatalf("the case has %+v of %+v", kept, said.Question)
	}
	if len(kept.Hypotheses) != len(said.Hypotheses) || len(kept.Coverage) != len(said.Routes) || len(kept.Tables) == 0 {
		t.Fatalf("the case has %d of %d hypotheses, %d of %d ways back, %d tables", len(kept.Hypotheses), len(said.Hypotheses), len(kept.Coverage), len(said.Routes), len(kept.Tables))
	}
	for i, h := range said.Hypotheses {
		got := kept.Hypotheses[i]
		if got.Name != string(h.Name) || got.Standing != string(h.Standing) || got.Loses != h.Loses || !reflect.DeepEqual(got.For, pointsOf(h.For)) || !reflect.DeepEqual(got.Against, pointsOf(h.Against)) {
			t.Errorf("got  %+v\nwant %+v", got, h)
		}
	}
	for i, route := range said.Routes {
		got := kept.Coverage[i]
		if got.Name != route.Name || got.Covers != string(route.Covers) || got.Rows != route.Rows || got.Lost != route.Of || got.Why != route.Why || got.Expiry != route.Expiry.Text || !got.Expires.Equal(route.Expiry.At) {
			t.Errorf("got  %+v\nwant %+v", got, route)
		}
	}
	keys := showCase(t, dir).ForeignKeys
	if !slices.ContainsFunc(keys, func(k casefile.ForeignKey) bool {
		return k.OnDelete == "CASCADE" && len(k.Columns) == 1 && len(k.ParentColumns) == 1 && k.Child.Database != "" && k.Name != ""
	}) {
		t.Errorf("foreign keys: %+v", keys)
	}
	if first, want := kept.Tables[0], said.Losses[0]; first.RelationName != want.Tables[0].Name || first.Rows != want.Tables[0].Rows || first.XID != want.XID {
		t.Errorf("got  %+v\nwant %+v", first, want)
	}
}
