package evidence_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// FuzzWriterRoundTrip prints any text as a value, and reads it back with plain
// readers of each format that share nothing with the writers.
func FuzzWriterRoundTrip(f *testing.F) {
	for i, text := range nastyTexts() {
		if len(text) < 100 && i%3 == 0 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 {
			return // unknown, and not printed
		}
		row := evidence.Row{Relation: fruit(), Values: []evidence.Value{{Text: text}, {Text: []byte("end")}}}
		rows := []evidence.Row{row}
		want := string(text)

		if got := readCopy(printed(t, evidence.FormatCopy, rows)); len(got) != 2 || got[0] != want || got[1] != "end" {
			t.Errorf("copy: got %q, want %q", got, want)
		}
		body, found := strings.CutPrefix(printed(t, evidence.FormatCSV, rows), "id,name\n")
		if got := readQuoted(strings.TrimSuffix(body, ",end\n"), '"'); !found || got != want {
			t.Errorf("csv: got %q, want %q", got, want)
		}
		const before = "SET standard_conforming_strings = on;\nINSERT INTO \"public\".\"fruit\" (\"id\", \"name\") VALUES ("
		body, found = strings.CutPrefix(printed(t, evidence.FormatSQL, rows), before)
		if got := readQuoted(strings.TrimSuffix(body, ", 'end');\n"), '\''); !found || got != want {
			t.Errorf("sql: got %q, want %q", got, want)
		}
		checkJSON(t, printed(t, evidence.FormatJSONL, rows), want)

		// As a reason, or in a statement that is a comment, it stays on its line.
		row.Operation, row.Note = evidence.OpUpdate, want+"."
		row.Values[1] = evidence.Value{State: evidence.Unknown, Reason: want}
		row.Relation.Columns[0].Key = false
		for i, line := range strings.Split(strings.TrimSuffix(printed(t, evidence.FormatSQL, []evidence.Row{row}), "\n"), "\n") {
			if i > 0 && (!strings.HasPrefix(line, "-- ") || strings.Contains(line, "\r")) {
				t.Errorf("sql: a comment ends early: %q", line)
			}
		}
	})
}

// readCopy splits a line of COPY's text format.
func readCopy(line string) []string {
	var fields []string
	var field []byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '\t', '\n':
			fields = append(fields, string(field))
			field = nil
		case '\\':
			i++
			if at := strings.IndexByte("btnvfr", line[i]); at >= 0 {
				field = append(field, "\b\t\n\v\f\r"[at])
				continue
			}
			field = append(field, line[i])
		default:
			field = append(field, c)
		}
	}
	return fields
}

// readQuoted takes the quotes off a text, if it has any; "?" says that they are wrong.
func readQuoted(text string, quote byte) string {
	if text == "" || text[0] != quote {
		if quote == '\'' || strings.ContainsAny(text, ",\"\r\n") || text == "" {
			return "?"
		}
		return text
	}
	double, single := strings.Repeat(string(quote), 2), string(quote)
	if len(text) < 2 || text[len(text)-1] != quote {
		return "?"
	}
	inner := text[1 : len(text)-1]
	if strings.Contains(strings.ReplaceAll(inner, double, ""), single) {
		return "?"
	}
	return strings.ReplaceAll(inner, double, single)
}

func checkJSON(t *testing.T, line, want string) {
	t.Helper()
	var got struct {
		Values  map[string]string
		Unknown map[string]struct{ Hex string }
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("jsonl: %v in %q", err, line)
	}
	if strings.Count(line, "\n") != 1 {
		t.Errorf("jsonl: %q is not one line", line)
	}
	shown, known := got.Values["id"]
	if known != utf8.ValidString(want) || (known && shown != want) {
		t.Errorf("jsonl: got %q, want %q", shown, want)
	}
	if !known && len(got.Unknown["id"].Hex) != 2*len(want) {
		t.Errorf("jsonl: a text that is not UTF-8 is not given as hex: %q", line)
	}
}
