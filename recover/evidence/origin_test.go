package evidence_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// loggedRow is put together from two lines of a log.
func loggedRow() evidence.Row {
	return evidence.Row{
		Relation: fruit(), Values: []evidence.Value{known("1"), known("pear")},
		Origins: []evidence.Origin{
			{},
			{Confidence: evidence.Claimed, Source: "app.log", Line: 7, Why: `claim of pattern "made"`},
		},
		Provenance: evidence.Provenance{Route: evidence.RouteLogs, Confidence: evidence.Claimed, Source: "pg.log", Line: 3},
	}
}

func TestOriginsArePrinted(t *testing.T) {
	t.Parallel()
	row := loggedRow()
	row.Origins[0] = evidence.Origin{Why: "parameter $1"}
	for _, test := range []struct {
		change func(*evidence.Row)
		want   string
	}{
		{func(*evidence.Row) {}, `"origins":{"id":{"why":"parameter $1"},"name":{"confidence":"claimed","source":"app.log","line":7,"why":"claim of pattern \"made\""}}`},
		{func(r *evidence.Row) { r.Origins[0] = evidence.Origin{} }, `"origins":{"name":{"confidence":"claimed","source":"app.log","line":7,"why":"claim of pattern \"made\""}}`},
		{func(r *evidence.Row) { r.Origins = make([]evidence.Origin, 2) }, `"values":{"id":"1","name":"pear"}}`},
		{func(r *evidence.Row) { r.Origins = nil }, `"values":{"id":"1","name":"pear"}}`},
	} {
		row := row.Clone()
		test.change(&row)
		var out bytes.Buffer
		w, err := evidence.NewWriter(evidence.FormatJSONL, &out)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Put(&row); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "origins") != strings.Contains(test.want, "origins") {
			t.Errorf("got %s want %s in it", out.String(), test.want)
		}
	}
}

func TestCloneAndReshapeKeepOrigins(t *testing.T) {
	t.Parallel()
	row := loggedRow()
	clone := row.Clone()
	row.Origins[1].Why = "changed"
	if got := clone.Origins[1].Why; got != `claim of pattern "made"` {
		t.Errorf("the clone shares its origins: %q", got)
	}
	turned := fruit()
	turned.Columns = append([]evidence.Column{{Name: "more"}}, turned.Columns[1], turned.Columns[0])
	var got [][]evidence.Origin
	sink := evidence.Reshape(turned, evidence.SinkFunc(func(r *evidence.Row) error {
		got = append(got, slices.Clone(r.Origins))
		return nil
	}))
	plain := clone.Clone()
	plain.Origins = nil
	for _, r := range []evidence.Row{clone, plain, clone} {
		if err := sink.Put(&r); err != nil {
			t.Fatal(err)
		}
	}
	want := []evidence.Origin{{}, clone.Origins[1], {}}
	if len(got) != 3 || !slices.Equal(got[0], want) || got[1] != nil || !slices.Equal(got[2], want) {
		t.Errorf("got %v, want %v, none, and the same again", got, want)
	}
	if clone.Origins[0] != (evidence.Origin{}) {
		t.Error("reshaping wrote into the row")
	}
}
