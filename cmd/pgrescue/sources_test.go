package main

import (
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// A name that no database has is close to names of any of them, whatever their order.
func TestTargetNamesWhatIsClose(t *testing.T) {
	t.Parallel()
	shop := catalog.Database{Name: "shop", Relations: []catalog.Relation{{Schema: "public", Name: "orders", Kind: "r", File: pg.RelFileLocator{Relation: 16384}}}}
	other := catalog.Database{Name: "other", Relations: []catalog.Relation{{Schema: "public", Name: "xyz", Kind: "r"}}}
	for _, databases := range [][]catalog.Database{{shop, other}, {other, shop}} {
		_, err := targets(&catalog.Snapshot{Databases: databases}, []string{"public.ordres"}, false)
		if exitcode.Of(err) != exitcode.NotFound || !strings.Contains(exitcode.HintOf(err), "public.orders") {
			t.Errorf("error %v (code %d), hint %q", err, exitcode.Of(err), exitcode.HintOf(err))
		}
	}
	found, err := targets(&catalog.Snapshot{Databases: []catalog.Database{other, shop}}, []string{"orders"}, false)
	if err != nil || len(found) != 1 || found[0].Database.Name != "shop" {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"2026-11-23 14:05:00Z", "2026-11-23 14:05:00.000000Z"},
		{"2026-11-23T14:05:00.123456Z", "2026-11-23 14:05:00.123456Z"},
		{"2026-11-23 14:05 UTC", "2026-11-23 14:05:00.000000Z"},
		{"2026-11-23 15:05:00+01:00", "2026-11-23 14:05:00.000000Z"},
		{"2026-11-23 15:05:00+0100", "2026-11-23 14:05:00.000000Z"},
		{"2026-11-23 15:05 +01", "2026-11-23 14:05:00.000000Z"},
		{"2026-11-23 14:05:00", ""},
		{"2026-11-23", ""},
		{"14:05Z", ""},
		{"2026-11-23 14:05:00 Europe/Berlin", ""},
		{"yesterday", ""},
	}
	for _, test := range tests {
		got, err := parseTime("since", test.text)
		switch {
		case test.want == "" && exitcode.Of(err) != exitcode.Usage:
			t.Errorf("%q: %s, %v; want a refusal", test.text, got, err)
		case test.want != "" && (err != nil || pg.FormatTime(got) != test.want):
			t.Errorf("%q: %s, %v; want %s", test.text, pg.FormatTime(got), err, test.want)
		}
	}
}
