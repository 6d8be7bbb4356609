package casefile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// hardTexts are texts in which a codec can go wrong: every byte, every control
// character, the borders of every Unicode plane, what is no UTF-8, and long ones.
func hardTexts() [][]byte {
	texts := [][]byte{
		{},
		[]byte(`"`), []byte(`\`), []byte(`\u0000`), []byte(`null`), []byte(`{"unknown":"x"}`), []byte(`{"bytes":"00"}`), []byte("[]"),
		[]byte("\ufeff"), []byte("\u2028\u2029"), []byte("e\u0301"), []byte("\xed\xa0\x80"), []byte("\xf4\x90\x80\x80"), []byte("\xc0\x80"), []byte("ab\xff\"cd"),
		bytes.Repeat([]byte("long \" text \n"), 20_000),
	}
	all := make([]byte, 256)
	for i := range 256 {
		all[i] = byte(i)
		texts = append(texts, []byte{byte(i)}, []byte{'x', byte(i), 'y'})
	}
	texts = append(texts, all)
	for plane := rune(0); plane <= 0x10; plane++ {
		for _, low := range []rune{0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfdd0, 0xfffd, 0xfffe, 0xffff} {
			if r := plane<<16 | low; utf8.ValidRune(r) {
				texts = append(texts, utf8.AppendRune(nil, r), utf8.AppendRune([]byte("a\""), r))
			}
		}
	}
	return texts
}

func sameValues(a, b []evidence.Value) bool {
	return slices.EqualFunc(a, b, func(x, y evidence.Value) bool {
		return x.State == y.State && bytes.Equal(x.Text, y.Text) && x.Reason == y.Reason && bytes.Equal(x.Raw, y.Raw)
	})
}

func TestValuesComeBackExactly(t *testing.T) {
	t.Parallel()
	var all []evidence.Value
	for _, text := range hardTexts() {
		all = append(all, evidence.Value{Text: text},
			evidence.Value{State: evidence.Unknown, Reason: string(text)}, evidence.Value{State: evidence.Unknown, Reason: "r", Raw: text})
	}
	all = append(all, evidence.Value{State: evidence.Null})
	text := AppendValues(nil, all)
	if !json.Valid(text) {
		t.Error("what was written is no JSON")
	}
	got, err := ParseValues(nil, text)
	must(t, err)
	if !sameValues(got, all) {
		t.Error("values changed on the way")
	}
	for i := range all {
		one := AppendValues(nil, all[i:i+1])
		if got, err := ParseValues(nil, one); err != nil || !sameValues(got, all[i:i+1]) {
			t.Errorf("%q: %v, %v", one, got, err)
		}
	}
}

func TestParseValuesRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "[", "]", "[,]", "[null", "[null]x", "[nul]", "null", `["]`, `["\"]`, `["\x"]`, `["\u12"]`, `["\ud800"]`, `["\ud800\u0041"]`, "[\"\n\"]",
		`[{"bytes":"0"}]`, `[{"bytes":"zz"}]`, `[{"bytes":1}]`, `[{"unknown":null}]`, `[{"unknown":"a","raw":"0"}]`, `[{"unknown":"a","other":""}]`,
		`[{"other":""}]`, `[{}]`, `[{"unknown":"a"]`, `[1]`, `[true]`, `[["a"]]`, `["a" "b"]`,
	} {
		if values, err := ParseValues(nil, []byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, values)
		}
	}
	got, err := ParseValues(nil, []byte(" [ \"\\ud83d\\ude00\\/\\b\\f\" ,\tnull , { \"unknown\" : \"r\" , \"raw\" : \"00\" } ]\n"))
	want := []evidence.Value{known("😀/\b\f"), {State: evidence.Null}, {State: evidence.Unknown, Reason: "r", Raw: []byte{0}}}
	if err != nil || !sameValues(got, want) {
		t.Errorf("JSON as a person writes it: %v, %v", got, err)
	}
}

// FuzzValues writes any values, reads them back, and reads any text.
func FuzzValues(f *testing.F) {
	for _, text := range hardTexts() {
		if len(text) < 1000 {
			f.Add(text, []byte("raw"), "reason")
			f.Add(AppendValues(nil, []evidence.Value{{Text: text}, {State: evidence.Unknown, Raw: text}}), text, string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text, raw []byte, reason string) {
		values := []evidence.Value{
			{Text: text},
			{State: evidence.Null},
			{State: evidence.Unknown, Reason: reason, Raw: raw},
			{Text: []byte(reason)},
			{State: evidence.Unknown, Reason: string(text)},
		}
		encoded := AppendValues(nil, values)
		if !json.Valid(encoded) {
			t.Fatalf("no JSON: %q", encoded)
		}
		got, err := ParseValues(nil, encoded)
		if err != nil || !sameValues(got, values) {
			t.Fatalf("%q: %v", encoded, err)
		}
		parts, err := splitValues(nil, encoded)
		if err != nil || len(parts) != len(values) {
			t.Fatalf("%q splits into %q: %v", encoded, parts, err)
		}
		for i := range parts {
			if string(parts[i]) != string(appendValue(nil, &values[i])) {
				t.Fatalf("part %d of %q is %q", i, encoded, parts[i])
			}
		}
		// Any text: what can be read is written as the same values again.
		if read, err := ParseValues(nil, text); err == nil {
			again, err := ParseValues(nil, AppendValues(nil, read))
			if err != nil || !sameValues(again, read) {
				t.Fatalf("%q was read as %v, and then as %v: %v", text, read, again, err)
			}
			if parts, err := splitValues(nil, text); err != nil || len(parts) != len(read) {
				t.Fatalf("%q splits into %q: %v", text, parts, err)
			}
		}
	})
}

// TestHardRowsComeBack sends the same texts through the case, with names as hard as they are.
func TestHardRowsComeBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	rel := orders()
	rel.Schema, rel.Name = "Схема", `weird " name`
	rel.Columns[1].Name = "\xe4 not UTF-8 \"' ]"
	var want []*evidence.Row
	runOf(t, c, func(r *Run) {
		table := tableOf(t, r, rel)
		for i, text := range hardTexts() {
			row := orderRow(rel, i, evidence.RouteHeap, string(text))
			row.Values[0] = known(fmt.Sprintf("%06d", i))
			row.Note = string(text)
			row.Successor = []evidence.Value{{Text: text}, {State: evidence.Unknown, Reason: string(text), Raw: text}}
			must(t, table.Put(row))
			want = append(want, row)
		}
	})
	relations, err := c.Relations(ctx)
	must(t, err)
	if got := relations[0]; got.RelationName != rel.RelationName || !slices.Equal(got.Shapes[0].Columns, rel.Columns) {
		t.Errorf("names: %+v", got)
	}
	n := 0
	for got, err := range c.Candidates(ctx, []int64{relations[0].ID}, []string{"id"}) {
		must(t, err)
		if !sameValues(got.Values, want[n].Values) || !sameValues(got.Successor, want[n].Successor) || got.Provenance != want[n].Provenance {
			t.Errorf("row %d: %+v, want %+v", n, got, want[n])
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d rows came back, want %d", n, len(want))
	}
	must(t, c.Close())
	sound(t, dir)
}
