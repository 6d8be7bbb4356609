package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// TestCaseKnowsEveryDestroyer: the list is short, and the timeline of the case is not.
func TestCaseKnowsEveryDestroyer(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t.Context(), "wal", "transactions", data, "--pgdata", data, "--limit", "0", "--json", "--no-case")
	if code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	var want []pg.XID
	inserted := 0
	for line := range strings.Lines(stdout) {
		var tx transactionLine
		if err := json.Unmarshal([]byte(line), &tx); err != nil {
			t.Fatal(err)
		}
		switch {
		case tx.Type != "transaction" || tx.EndTime == "":
		case tx.Updated+tx.Deleted > 0 || len(tx.RemovedFiles) > 0:
			want = append(want, tx.XID)
		default:
			inserted++
		}
	}
	if len(want) < 3 || inserted == 0 {
		t.Fatalf("%d transactions destroyed something, %d only inserted: too few to tell", len(want), inserted)
	}
	slices.Sort(want)
	for _, test := range []struct {
		limit string
		more  int
	}{{"1", 0}, {"0", inserted}} {
		kase := filepath.Join(t.TempDir(), "case")
		if code, _, stderr := execute(t.Context(), "wal", "transactions", data, "--pgdata", data, "--limit", test.limit, "--case", kase); code != exitcode.Done {
			t.Fatalf("code %d\n%s", code, stderr)
		}
		c, err := casefile.Open(t.Context(), kase, casefile.Read, casefile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		var got []pg.XID
		more := 0
		for event, err := range c.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			var tx transactionLine
			if err := json.Unmarshal(event.Detail, &tx); err != nil || event.Source != "wal" || pg.FormatTime(event.Time) != tx.EndTime {
				t.Errorf("event %+v: %v", event, err)
			}
			if tx.Updated+tx.Deleted == 0 && len(tx.RemovedFiles) == 0 {
				more++
				continue
			}
			got = append(got, tx.XID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || more != test.more {
			t.Errorf("--limit %s: the case knows %d destroyers and %d others, want %d and %d", test.limit, len(got), more, len(want), test.more)
		}
	}
}
