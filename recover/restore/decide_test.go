package restore

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// found makes a version: route, LSN, offset of its TID, line, and values.
func found(route evidence.Route, lsn pg.LSN, offset pg.OffsetNumber, line int64, values ...string) version {
	confidence := map[evidence.Route]evidence.Confidence{
		evidence.RouteHeap: evidence.Proven, evidence.RouteWAL: evidence.Proven, evidence.RouteDump: evidence.Derived,
		evidence.RouteImport: evidence.Derived, evidence.RouteLogs: evidence.Claimed,
	}[route]
	v := version{id: int64(lsn)*1000 + int64(offset)*100 + line, values: texts(values...)}
	v.Provenance = evidence.Provenance{Route: route, Confidence: confidence, LSN: lsn, TID: pg.TID{Offset: offset}, Xmin: 10, Line: line, Source: "file"}
	if lsn != 0 {
		v.CommitTime = time.Unix(int64(lsn), 0)
	}
	return v
}

func TestDecide(t *testing.T) {
	t.Parallel()
	columns := []ColumnPlan{{Name: "id"}, {Name: "v"}, {Name: "w"}}
	at := func(lsn pg.LSN) moment { return moment{lsn: lsn} }
	tests := []struct {
		name     string
		versions []version
		asOf     moment
		twice    Twice
		want     string // values, dispute and notes
	}{
		{"one", []version{found(evidence.RouteWAL, 9, 1, 0, "1", "a", "b")}, moment{}, "", `("1", "a", "b")`},
		{
			"the newest before the loss",
			[]version{found(evidence.RouteWAL, 9, 2, 0, "1", "new", "b"), found(evidence.RouteWAL, 5, 1, 0, "1", "old", "b")},
			moment{},
			"", `("1", "new", "b")`,
		},
		{
			"confidence before all",
			[]version{found(evidence.RouteWAL, 9, 2, 0, "1", "proven", "b"), found(evidence.RouteDump, 0, 0, 7, "1", "dumped", "b")},
			moment{},
			"", `("1", "proven", "b")`,
		},
		{
			"two routes agree",
			[]version{found(evidence.RouteHeap, 9, 2, 0, "1", "a", "b"), found(evidence.RouteWAL, 9, 2, 0, "1", "a", "b")},
			moment{},
			"", `("1", "a", "b") found by heap and wal`,
		},
		{
			"two routes differ",
			[]version{found(evidence.RouteHeap, 9, 2, 0, "1", "a", "b"), found(evidence.RouteWAL, 9, 2, 0, "1", "z", "b")},
			moment{},
			"", `("1", "a", "b") heap (at 0/9) and wal (at 0/9) differ in column v: "a" and "z"`,
		},
		{
			"unknown values come from the next",
			[]version{found(evidence.RouteWAL, 9, 2, 0, "1", "?", "?"), found(evidence.RouteDump, 0, 0, 7, "1", "dumped", "?"), found(evidence.RouteLogs, 0, 0, 8, "1", "logged", `\N`)},
			moment{},
			"", `("1", "dumped", NULL) column v is from dump (file line 7); column w is from logs (file line 8)`,
		},
		{
			"twice in one text",
			[]version{found(evidence.RouteImport, 0, 0, 3, "1", "a", "b"), found(evidence.RouteImport, 0, 0, 2, "1", "z", "b")},
			moment{},
			"", `("1", "a", "b") import (file line 3) and import (file line 2) differ in column v: "a" and "z"`,
		},
		{
			"twice, the first",
			[]version{found(evidence.RouteImport, 0, 0, 3, "1", "a", "b"), found(evidence.RouteImport, 0, 0, 2, "1", "z", "b")},
			moment{},
			TwiceFirst, `("1", "z", "b") the key is there 2 times; taken from file line 2`,
		},
		{
			"twice, the last",
			[]version{found(evidence.RouteImport, 0, 0, 3, "1", "a", "b"), found(evidence.RouteImport, 0, 0, 2, "1", "z", "b")},
			moment{},
			TwiceLast, `("1", "a", "b") the key is there 2 times; taken from file line 3`,
		},
		{"twice and equal", []version{found(evidence.RouteImport, 0, 0, 3, "1", "a", "b"), found(evidence.RouteImport, 0, 0, 2, "1", "a", "b")}, moment{}, "", `("1", "a", "b")`},
		{
			"as of",
			[]version{found(evidence.RouteWAL, 9, 3, 0, "1", "third", "b"), found(evidence.RouteWAL, 5, 2, 0, "1", "second", "b"), found(evidence.RouteWAL, 2, 1, 0, "1", "first", "b")},
			at(2), "", `("1", "second", "b")`,
		},
		{
			"as of a time",
			[]version{found(evidence.RouteWAL, 9, 3, 0, "1", "third", "b"), found(evidence.RouteWAL, 5, 2, 0, "1", "second", "b"), found(evidence.RouteWAL, 2, 1, 0, "1", "first", "b")},
			moment{time: time.Unix(1, 0)},
			"", `("1", "first", "b")`,
		},
		{"as of after all", []version{found(evidence.RouteWAL, 9, 3, 0, "1", "third", "b")}, at(9), "", "none"},
		{"as of, with a text", []version{found(evidence.RouteWAL, 9, 3, 0, "1", "gone by then", "b"), found(evidence.RouteDump, 0, 0, 3, "1", "dumped", "b")}, at(9), "", `("1", "dumped", "b")`},
		{"only claimed", []version{found(evidence.RouteLogs, 0, 0, 3, "1", "a", "b")}, moment{}, "", `("1", "a", "b") only claimed: from logs`},
	}
	for _, test := range tests {
		d := decide(test.versions, columns, test.asOf, test.twice)
		got := "none"
		if !d.none {
			got = strings.Join(append([]string{valuesText(d.values)}, strings.Join(append(strings.Fields(d.dispute), strings.Fields(strings.Join(d.notes, "; "))...), " ")), " ")
		}
		if strings.TrimSpace(got) != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, got, test.want)
		}
	}
}

func TestKeepOfManyVersions(t *testing.T) {
	t.Parallel()
	columns := []ColumnPlan{{Name: "id"}}
	for lsn, want := range map[pg.LSN]string{0: "5000", 4999: "5000", 17: "18", 1: "2"} {
		var versions []version
		for n := pg.LSN(5000); n > 0; n-- {
			versions = keep(versions, found(evidence.RouteWAL, n, 1, 0, strconv.Itoa(int(n))), moment{lsn: lsn})
		}
		versions = keep(versions, found(evidence.RouteDump, 0, 0, 1, "dumped"), moment{lsn: lsn})
		d := decide(versions, columns, moment{lsn: lsn}, "")
		if got := string(d.values[0].Text); got != want || len(versions) > mostVersions {
			t.Errorf("as of %s it is %s of %d, want %s", lsn, got, len(versions), want)
		}
	}
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	set, err := newKeySet()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := set.close(); err != nil {
			t.Error(err)
		}
	}()
	const n = 20_000 // more than its first size, several times
	for i := range int64(n) {
		if err := set.put(digestOfRow(1, i), i*3); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(n) {
		if err := set.put(digestOfRow(1, i), i*5); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(n) {
		if got, ok, err := set.get(digestOfRow(1, i)); got != i*5 || !ok || err != nil {
			t.Fatalf("%d: %d, %v, %v", i, got, ok, err)
		}
		if _, ok, err := set.get(digestOfRow(2, i)); ok || err != nil {
			t.Fatalf("%d is there: %v", i, err)
		}
	}
	count := 0
	if err := set.each(func(digest, int64) error { count++; return nil }); err != nil || count != n || set.used != n {
		t.Errorf("%d of %d, %d used: %v", count, n, set.used, err)
	}
}

func TestDigestTellsValuesApart(t *testing.T) {
	t.Parallel()
	seen := map[digest]int{}
	for i, values := range [][]evidence.Value{
		texts("a", "b"), texts("ab", ""), texts("", "ab"), texts("a"), texts(), texts(""), texts(`\N`), texts("?"), texts(`\N`, ""), texts("", `\N`),
	} {
		d := digestOf(values)
		if other, ok := seen[d]; ok {
			t.Errorf("%d and %d are the same", i, other)
		}
		seen[d] = i
	}
	for text, want := range map[string]string{"1.00": "1", "1.50": "1.5", "-0.10": "-0.1", "100": "100", "1.0.0": "1.0.0", "v1.0": "v1.0", "1e5.0": "1e5.0"} {
		if got := canonical(texts(text)); string(got[0].Text) != want {
			t.Errorf("%s becomes %s, want %s", text, got[0].Text, want)
		}
	}
}
