package evidence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

func known(text string) evidence.Value {
	return evidence.Value{State: evidence.Known, Text: []byte(text)}
}

func null() evidence.Value { return evidence.Value{State: evidence.Null} }

func unknown(reason, raw string) evidence.Value {
	return evidence.Value{State: evidence.Unknown, Reason: reason, Raw: []byte(raw)}
}

// fruit is a small table with a key.
func fruit() *evidence.Relation {
	return &evidence.Relation{
		RelationName: evidence.RelationName{Database: "shop", Schema: "public", Name: "fruit"}, OID: 16384,
		Columns: []evidence.Column{{Name: "id", Type: "integer", Key: true}, {Name: "name", Type: "text"}},
	}
}

// provenance has every field.
func provenance() evidence.Provenance {
	return evidence.Provenance{
		Route: evidence.RouteWAL, Confidence: evidence.Proven, Source: "pg_wal", Line: 9, LSN: 0x16B3740,
		TID: pg.TID{Block: 12, Offset: 3}, Xmin: 700, Xmax: 733, Operation: evidence.OpDelete,
		CommitTime: time.Date(2026, 11, 23, 1, 2, 3, 4000, time.UTC), Intermediate: true, Note: "a \"note\"\n",
	}
}

func TestWriterPrints(t *testing.T) {
	t.Parallel()
	rel := fruit()
	full := evidence.Row{Relation: rel, Values: []evidence.Value{known("1"), known("it's\ta")}, Provenance: provenance()}
	bare := evidence.Row{Relation: rel, Values: []evidence.Value{known("2"), unknown("no chunk", "\x01\xff")}}
	update := evidence.Row{
		Relation: rel, Values: []evidence.Value{known("3"), null()}, Successor: []evidence.Value{known("4"), known("x")},
		Provenance: evidence.Provenance{Operation: evidence.OpUpdate, TID: pg.TID{Block: 0, Offset: 1}},
	}
	same := update
	same.Successor = same.Values
	lostKey := update
	lostKey.Values, lostKey.Successor = []evidence.Value{unknown("", ""), known("a\nb\r\\'")}, nil
	tests := []struct {
		name   string
		format evidence.Format
		row    evidence.Row
		want   string
	}{
		{"copy", evidence.FormatCopy, full, "1\tit's\\ta\n"},
		{"copy, unknown", evidence.FormatCopy, bare, "2\t\\N\n"},
		{"csv", evidence.FormatCSV, full, "id,name\n1,it's\ta\n"},
		{"csv, unknown", evidence.FormatCSV, bare, "id,name\n2,\n"},
		{
			"jsonl", evidence.FormatJSONL, full,
			`{"relation":"public.fruit","database":"shop","tid":"(12,3)","xmin":700,"xmax":733,"lsn":"0/16B3740","operation":"delete",` +
				`"commit_time":"2026-11-23 01:02:03.000004Z","route":"wal","confidence":"proven","source":"pg_wal","line":9,` +
				`"intermediate":true,"note":"a \"note\"\n","values":{"id":"1","name":"it's\ta"}}` + "\n",
		},
		{
			"jsonl, unknown", evidence.FormatJSONL, bare,
			`{"relation":"public.fruit","database":"shop","values":{"id":"2"},"unknown":{"name":{"reason":"no chunk","hex":"01ff"}}}` + "\n",
		},
		{
			"jsonl, update", evidence.FormatJSONL, update,
			`{"relation":"public.fruit","database":"shop","tid":"(0,1)","operation":"update",` +
				`"values":{"id":"3","name":null},"successor":{"id":"4","name":"x"}}` + "\n",
		},
		{
			"sql", evidence.FormatSQL, full,
			"-- \"public\".\"fruit\" (12,3): a \"note\" \nINSERT INTO \"public\".\"fruit\" (\"id\", \"name\") VALUES ('1', 'it''s\ta');\n",
		},
		{
			"sql, unknown", evidence.FormatSQL, bare,
			"-- \"public\".\"fruit\": column \"name\" is left out, its value is not known: no chunk; its bytes are \\x01ff\n" +
				"INSERT INTO \"public\".\"fruit\" (\"id\") VALUES ('2');\n",
		},
		{"sql, update", evidence.FormatSQL, update, "UPDATE \"public\".\"fruit\" SET \"id\" = '3', \"name\" = NULL WHERE \"id\" = '4';\n"},
		{"sql, update of nothing", evidence.FormatSQL, same, "-- \"public\".\"fruit\" (0,1): the update changed no value that is known and can be set\n"},
		{
			"sql, update without known key", evidence.FormatSQL, lostKey,
			"-- \"public\".\"fruit\" (0,1): column \"id\" is left out, its value is not known: no reason is recorded\n" +
				"-- \"public\".\"fruit\" (0,1): the values of the primary key are not known, so the row cannot be given back by its key; this was it:\n" +
				`-- INSERT INTO "public"."fruit" ("name") VALUES (E'a\nb\r\\''');` + "\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := printed(t, test.format, []evidence.Row{test.row})
			if test.format == evidence.FormatSQL {
				test.want = "SET standard_conforming_strings = on;\n" + test.want
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// An identity column GENERATED ALWAYS takes an INSERT only with OVERRIDING, and
// an UPDATE never; a generated column takes neither.
func TestSQLOfGeneratedColumns(t *testing.T) {
	t.Parallel()
	rel := fruit()
	rel.Columns[0].Identity, rel.Columns[1].Generated = 'a', true
	values := []evidence.Value{known("1"), known("x")}
	update := evidence.Provenance{Operation: evidence.OpUpdate}
	tests := []struct {
		name string
		row  evidence.Row
		want string
	}{
		{"insert", evidence.Row{Values: values}, "INSERT INTO \"public\".\"fruit\" (\"id\") OVERRIDING SYSTEM VALUE VALUES ('1');\n"},
		{
			"insert of unknown values",
			evidence.Row{Values: []evidence.Value{unknown("torn", ""), unknown("torn", "")}},
			"-- \"public\".\"fruit\": column \"id\" is left out, its value is not known: torn\nINSERT INTO \"public\".\"fruit\" DEFAULT VALUES;\n",
		},
		{
			"update",
			evidence.Row{Values: values, Successor: []evidence.Value{known("2"), known("y")}, Provenance: update},
			"-- \"public\".\"fruit\": the update changed no value that is known and can be set\n" +
				"-- \"public\".\"fruit\": column \"id\" is GENERATED ALWAYS AS IDENTITY and cannot be set; it was '1'\n",
		},
		{
			"moved to another partition",
			evidence.Row{Values: values, Moved: true, Provenance: update},
			"-- \"public\".\"fruit\": the update moved the row to another partition, where it has to be deleted first, " +
				"so the row cannot be given back by its key; this was it:\n" +
				"-- INSERT INTO \"public\".\"fruit\" (\"id\") OVERRIDING SYSTEM VALUE VALUES ('1');\n",
		},
	}
	for _, test := range tests {
		test.row.Relation = rel
		want := "SET standard_conforming_strings = on;\n" + test.want
		if got := printed(t, evidence.FormatSQL, []evidence.Row{test.row}); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, got, want)
		}
	}
	if got := printed(t, evidence.FormatCSV, []evidence.Row{{Relation: rel, Values: []evidence.Value{known(`\.`), known("x")}}}); got != "id\n\"\\.\"\n" {
		t.Errorf("csv: got %q", got)
	}
}

func TestWriterCountsUnknownValues(t *testing.T) {
	t.Parallel()
	rel := fruit()
	rel.Columns = append(rel.Columns, evidence.Column{Name: "twice", Generated: true})
	row := evidence.Row{Relation: rel, Values: []evidence.Value{known("a\x00b"), unknown("torn", ""), unknown("torn", "")}}
	for _, format := range evidence.Formats() {
		w, err := evidence.NewWriter(format, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Put(&row), w.Put(&row)); err != nil {
			t.Fatal(err)
		}
		want := int64(4)
		if format == evidence.FormatJSONL {
			want = 6
		}
		if w.UnknownValues() != want || w.Rows() != 2 {
			t.Errorf("%s: %d unknown values in %d rows, want %d in 2", format, w.UnknownValues(), w.Rows(), want)
		}
	}
}

func TestJSONOfTextsThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	row := evidence.Row{Relation: fruit(), Values: []evidence.Value{known("1"), known("caf\xe9")}}
	row.Source = "/pg\xff"
	var got struct {
		Source  string
		Values  map[string]*string
		Unknown map[string]struct{ Reason, Hex string }
	}
	if err := json.Unmarshal([]byte(printed(t, evidence.FormatJSONL, []evidence.Row{row})), &got); err != nil {
		t.Fatal(err)
	}
	if _, shown := got.Values["name"]; shown || got.Unknown["name"].Hex != "636166e9" || got.Source != "/pg\ufffd" {
		t.Errorf("got %+v", got)
	}
}

func TestWriterRefusesSecondTable(t *testing.T) {
	t.Parallel()
	a, b, c := fruit(), fruit(), fruit()
	b.Name, b.OID = "tree", 16385
	c.Columns = c.Columns[:1]
	values := []evidence.Value{known("1"), known("x")}
	for _, format := range evidence.Formats() {
		var out bytes.Buffer
		w, err := evidence.NewWriter(format, &out)
		if err != nil {
			t.Fatal(err)
		}
		// Another shape that says the same is the same table.
		if err := errors.Join(w.Put(&evidence.Row{Relation: a, Values: values}), w.Put(&evidence.Row{Relation: fruit(), Values: values})); err != nil {
			t.Fatal(err)
		}
		other := w.Put(&evidence.Row{Relation: b, Values: values})
		fewer := w.Put(&evidence.Row{Relation: c, Values: values[:1]})
		if format == evidence.FormatJSONL || format == evidence.FormatSQL {
			if other != nil || fewer != nil {
				t.Errorf("%s takes any table, but: %v, %v", format, other, fewer)
			}
			continue
		}
		var detail *evidence.Error
		if !errors.As(other, &detail) || detail.Hint == "" || !strings.Contains(other.Error(), "public.tree") || !strings.Contains(other.Error(), "public.fruit") {
			t.Errorf("%s: a second table: got %v", format, other)
		}
		if fewer == nil {
			t.Errorf("%s: other columns of the same table are taken", format)
		}
		if err := errors.Join(w.Put(&evidence.Row{Relation: a, Values: values}), w.Flush()); err != nil || w.Rows() != 3 || strings.Contains(out.String(), "tree") {
			t.Errorf("%s: the stream goes on after a refusal: %v, %d rows, %q", format, err, w.Rows(), out.String())
		}
	}
}

func TestWriterRefusesRowsOutOfShape(t *testing.T) {
	t.Parallel()
	values := []evidence.Value{known("1"), known("x")}
	rows := map[string]evidence.Row{
		"no relation":         {Values: values},
		"too few values":      {Relation: fruit(), Values: values[:1]},
		"too many values":     {Relation: fruit(), Values: append(values, null())},
		"successor too short": {Relation: fruit(), Values: values, Successor: values[:1]},
	}
	for _, format := range evidence.Formats() {
		for name, row := range rows {
			var out bytes.Buffer
			w, err := evidence.NewWriter(format, &out)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Put(&row); err == nil {
				t.Errorf("%s: %s: taken", format, name)
			}
			if err := w.Flush(); err != nil || out.Len() > 0 || w.Rows() > 0 {
				t.Errorf("%s: %s: %v, %q, %d rows", format, name, err, out.String(), w.Rows())
			}
		}
	}
}

func TestNewWriterRefusesUnknownFormat(t *testing.T) {
	t.Parallel()
	var detail *evidence.Error
	if _, err := evidence.NewWriter("xml", io.Discard); !errors.As(err, &detail) || !strings.Contains(detail.Hint, "jsonl") {
		t.Errorf("got %v", err)
	}
}

// brokenPipe fails after some bytes.
type brokenPipe struct{ left, writes int }

func (p *brokenPipe) Write(data []byte) (int, error) {
	p.writes++
	if len(data) > p.left {
		return p.left, io.ErrClosedPipe
	}
	p.left -= len(data)
	return len(data), nil
}

func TestWriterStopsAtFailedWrite(t *testing.T) {
	t.Parallel()
	row := evidence.Row{Relation: fruit(), Values: []evidence.Value{known("1"), known(strings.Repeat("x", 40<<10))}}
	for _, format := range evidence.Formats() {
		pipe := &brokenPipe{left: 100 << 10}
		w, err := evidence.NewWriter(format, pipe)
		if err != nil {
			t.Fatal(err)
		}
		var failed []error
		for range 10 {
			if err := w.Put(&row); err != nil {
				failed = append(failed, err)
			}
		}
		if len(failed) != 7 || !errors.Is(failed[0], io.ErrClosedPipe) || !errors.Is(w.Flush(), io.ErrClosedPipe) || pipe.writes != 2 {
			t.Errorf("%s: %d of 10 rows failed after %d writes, want 7 after 2: %v", format, len(failed), pipe.writes, failed)
		}
	}
}

func TestCloneKeepsSuccessor(t *testing.T) {
	t.Parallel()
	row := evidence.Row{Relation: fruit(), Values: []evidence.Value{known("1"), null()}, Successor: []evidence.Value{known("2"), null()}}
	clone := row.Clone()
	row.Successor[0].Text[0] = 'x'
	if string(clone.Successor[0].Text) != "2" {
		t.Errorf("the clone shares the successor's bytes: %q", clone.Successor[0].Text)
	}
	bare := evidence.Row{Relation: fruit(), Values: row.Values}
	if bare.Clone().Successor != nil {
		t.Error("a successor that is not known became one of no columns")
	}
}
