package rebuild_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/rebuild"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// fuzzed makes events of a text, a statement a line; the first byte of a line says what became of it, in which session,
// and in which log.
func fuzzed(text string) []logparse.Event {
	var list []logparse.Event
	kinds := []logparse.EventKind{logparse.Committed, logparse.Committed, logparse.Executed, logparse.RolledBack}
	for i, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		by, sql := line[0], line[1:]
		e := logparse.Event{Kind: kinds[by&3], Rows: -1, XID: pg.XID(by >> 4 & 3), Session: string(rune('a' + by>>2&3))}
		e.Statement, e.Parameters, _ = strings.Cut(sql, " <- ")
		e.Place, e.Stamp = logparse.Place{Source: server, Line: int64(i + 1)}, logparse.Stamp{Time: noon.Add(time.Duration(int8(by)) * time.Second)}
		if by&0x40 != 0 {
			e.Source = backend
			e.Sets = [][]evidence.Value{{{Text: []byte(e.Parameters)}}, {{State: evidence.Null}}}
		}
		if by&0x08 != 0 {
			e.Ended = logparse.End{Stamp: logparse.Stamp{Time: e.Time.Add(time.Second)}, Line: int64(i + 3)}
		}
		e.Verb = statement.ReadWords(e.Statement).Verb
		list = append(list, e)
	}
	return list
}

func FuzzBuilder(f *testing.F) {
	for _, test := range scriptedCases() {
		f.Add("0"+strings.Join(test.lines, "\n0"), uint8(0))
		f.Add("x"+strings.Join(test.lines, "\nH"), uint8(7))
	}
	f.Add("\x00INSERT INTO t VALUES (1, $1) <- $1 = 'a'\n\x4cUPDATE t SET id = id, name = state WHERE (id, name) IN ((1, 'a'), (2, NULL))\nHINSERT INTO t (id, id) VALUES (1, 2)\n0DROP SCHEMA app, x\n0INSERT INTO app.t (id) VALUES ('x')", uint8(3))
	if _, err := parser.Parse("DELETE FROM t", nil); err != nil { // the grammar takes seconds to load
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, flags uint8) {
		if len(text) > 4096 {
			return
		}
		options := rebuild.Options{Parser: parser, Versions: flags&1 != 0, Uncommitted: flags&4 != 0}
		if flags&2 != 0 {
			options.Tables = app
		}
		if flags&8 != 0 {
			options.At = noon.Add(5 * time.Second)
		}
		var first []string
		for range 2 {
			b := rebuild.New(options)
			list := fuzzed(text)
			for i := range list {
				if err := b.Event(&list[i]); err != nil {
					t.Fatal(err)
				}
			}
			var texts []string
			err := b.Rows(evidence.SinkFunc(func(row *evidence.Row) error {
				wellFormed(t, row)
				texts = append(texts, rowText(row))
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			b.Report()
			if first == nil {
				first = texts
			} else if !slices.Equal(first, texts) {
				t.Fatalf("twice differs:\n%s\n%s", strings.Join(first, "\n"), strings.Join(texts, "\n"))
			}
		}
	})
}

// wellFormed checks what holds of every row.
func wellFormed(t *testing.T, row *evidence.Row) {
	t.Helper()
	if len(row.Values) != len(row.Relation.Columns) || len(row.Origins) != len(row.Values) || row.Successor != nil && len(row.Successor) != len(row.Values) {
		t.Fatalf("%d columns, %d values, %d origins, %d of the successor", len(row.Relation.Columns), len(row.Values), len(row.Origins), len(row.Successor))
	}
	if row.Line == 0 || row.Confidence != evidence.Claimed || row.Route != evidence.RouteLogs {
		t.Fatalf("the provenance is %+v", row.Provenance)
	}
	for i, v := range row.Values {
		if (v.State == evidence.Unknown) != (v.Reason != "") {
			t.Fatalf("value %d is in state %d, reason %q", i, v.State, v.Reason)
		}
		if v.State == evidence.Unknown == (row.Origins[i].Line != 0) {
			t.Fatalf("value %d is in state %d and stands on line %d", i, v.State, row.Origins[i].Line)
		}
	}
}
