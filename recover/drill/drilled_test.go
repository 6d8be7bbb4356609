package drill_test

import (
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/drill"
)

func TestMark(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ before, after string }{
		{"# A book\n", "---\nlast drilled: now\n---\n# A book\n"},
		{"---\nowner: me\nLast drilled: 2020-01-01, 3 min, PG 12\nneeds: x\n---\n# A\n\nlast drilled: no\n", "---\nowner: me\nlast drilled: now\nneeds: x\n---\n# A\n\nlast drilled: no\n"},
		{"---\nowner: me\n---\n# A\n---\nlast drilled: text\n", "---\nowner: me\nlast drilled: now\n---\n# A\n---\nlast drilled: text\n"},
		{"---\r\nowner: me\r\n---\r\n# A\r\n", "---\r\nowner: me\r\nlast drilled: now\r\n---\r\n# A\r\n"},
		{"", "---\nlast drilled: now\n---\n"},
	} {
		if got := string(drill.Mark([]byte(test.before), "now")); got != test.after {
			t.Errorf("%q became %q, want %q", test.before, got, test.after)
		}
	}
	at := time.Date(2026, 11, 26, 23, 30, 0, 0, time.FixedZone("", -3600))
	scores := []*drill.Score{{Took: 14 * time.Minute, Version: "16"}, {Took: 20 * time.Second, Version: "16"}}
	if got := drill.Drilled(at, scores); got != "2026-11-27, 14 min, PG 16" {
		t.Error(got)
	}
	if got := drill.Drilled(at, scores[1:]); got != "2026-11-27, 20 s, PG 16" {
		t.Error(got)
	}
}
