package pglog

import (
	"bytes"
	"testing"

	"github.com/pgrescue/pgrescue/logparse"
)

// FuzzFramers: whatever lines hold, entries come in order, within bounds and with each line in one entry at most.
func FuzzFramers(f *testing.F) {
	for _, text := range []string{
		"2025-10-07 18:22:49.123 UTC [71] app@shop ERROR:  a at character 7\n2025-10-07 18:22:49.123 UTC [71] app@shop STATEMENT:  b\n\tc\n\n",
		"[1] LOG:  a\n[2] LOG:  b\n[1] DETAIL:  c\n\td\n[2] HINT:  e\ncp: no such file\n",
		"2025-10-07 18:22:49.123 UTC,\"app\",\"shop\",71,\"[local]\",68e55d29.47,1,\"idle\",2025-10-07 18:22:49 UTC,3/17,0,LOG,00000,\"a\n\"\"b\"\"\",,,,,,,,,\"\",\"client backend\",,0\n2025-10-07 18:22:49.123 UTC,\"a",
		`{"timestamp":"2025-10-07 18:22:49.123 UTC","pid":71,"session_id":"68e55d29.47","error_severity":"LOG","message":"a\n\"b"}` + "\n" + `{"timestamp":"2025`,
	} {
		f.Add("%m [%p] %q%u@%d ", []byte(text))
		f.Add("[%p] ", []byte(text))
	}
	f.Fuzz(func(t *testing.T, prefix string, text []byte) {
		p, err := ParsePrefix(prefix)
		if err != nil {
			return
		}
		split := bytes.Split(text, []byte{'\n'})
		inferred := InferPrefix(split)
		framers := []logparse.Framer{newStderrFramer(p), &csvFramer{}, &jsonFramer{}}
		if inferred != nil {
			framers = append(framers, newStderrFramer(inferred))
			if _, err := parsePrefix(inferred.String(), "audbhrpPtmnsileLcvxQqNW"); err != nil {
				t.Errorf("inferred %q: %v", inferred, err)
			}
		}
		for _, framer := range framers {
			frameAll(t, framer, split)
		}
	})
}

func frameAll(t *testing.T, framer logparse.Framer, split [][]byte) {
	t.Helper()
	last, total := int64(0), 0
	out := func(e *logparse.Entry) error {
		if e.Line <= last || e.Lines < 1 {
			t.Errorf("entry of line %d with %d lines behind line %d", e.Line, e.Lines, last)
		}
		last, total = e.Line, total+e.Lines
		return nil
	}
	for i, text := range split {
		line := &logparse.Line{Number: int64(i + 1), Text: bytes.Clone(text)}
		if err := framer.Frame(line, out); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.Flush(out); err != nil {
		t.Fatal(err)
	}
	if total > len(split) {
		t.Errorf("%d lines in entries of %d", total, len(split))
	}
}

// FuzzTimeline: whatever a server's log tells, each statement becomes one event, nothing stays behind, and what an ERROR
// followed at once is not taken for committed.
func FuzzTimeline(f *testing.F) {
	for _, text := range []string{
		"1 3/1 7 LOG:  statement: BEGIN; SAVEPOINT a; INSERT INTO b VALUES (';'); ROLLBACK TO a; COMMIT\n",
		"1 3/1 0 LOG:  execute a: A\n1 3/1 0 DETAIL:  parameters: $1 = 'a'\n1 3/1 0 LOG:  duration: 1.000 ms\n1 3/1 0 ERROR:  x\n1 3/1 0 STATEMENT:  A\n",
		"1 3/1 0 LOG:  statement: PREPARE TRANSACTION 'a'\n2 LOG:  statement: COMMIT PREPARED 'a'\n1 3/1 0 FATAL:  x\n1  0 LOG:  disconnection: x\n",
		"1 3/0 0 LOG:  duration: 1.000 ms  plan:\n\tQuery Text: A\n\tB  (cost=0\n9  0 LOG:  all server processes terminated; reinitializing\n",
		"1 3/1 0 LOG:  statement: /* a /* b */ */ SELECT $a$;$a$, E'\\';', \";\" -- ;\n;rollback and chain;begin;release savepoint b",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		prefix, err := ParsePrefix("%p %v %x ")
		if err != nil {
			t.Fatal(err)
		}
		timeline, framer := NewTimeline(), newStderrFramer(prefix)
		sent, told := 0, 0
		out := func(e *logparse.Event) error {
			if e.Kind == "" {
				t.Errorf("an event of no kind: %q", e.Statement)
			}
			if e.Statement != "" {
				told++
			}
			return nil
		}
		take := func(e *logparse.Entry) error {
			switch s := says(e); s.said {
			case saysStatement, saysDone:
				sent += max(0, len(sentences(nil, string(s.statement))))
			}
			return timeline.Add(e, out)
		}
		for i, line := range bytes.Split(text, []byte{'\n'}) {
			if err := framer.Frame(&logparse.Line{Number: int64(i + 1), Text: bytes.Clone(line)}, take); err != nil {
				t.Fatal(err)
			}
		}
		if err := framer.Flush(take); err != nil {
			t.Fatal(err)
		}
		if err := timeline.Flush(out); err != nil {
			t.Fatal(err)
		}
		if told < sent || timeline.heldBytes < 0 || len(timeline.sessions)+len(timeline.prepared)+len(timeline.loose) > 0 {
			t.Errorf("%d events of %d statements, %d bytes held, %d sessions, %d prepared", told, sent, timeline.heldBytes, len(timeline.sessions), len(timeline.prepared))
		}
	})
}
