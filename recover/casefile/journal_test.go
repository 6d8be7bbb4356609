package casefile

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// journalCase is a case with three runs, and its journal.
func journalCase(t *testing.T) (dir string, journal []byte) {
	t.Helper()
	dir = t.TempDir() + "/case"
	c := create(t, dir)
	for range 3 {
		runOf(t, c, func(*Run) {})
	}
	must(t, c.Close())
	journal, err := os.ReadFile(filepath.Join(dir, JournalName))
	must(t, err)
	if n := bytes.Count(journal, []byte("\n")); n != 6 {
		t.Fatalf("three runs wrote %d lines:\n%s", n, journal)
	}
	sound(t, dir)
	return dir, journal
}

func writeJournal(t *testing.T, dir string, journal []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, JournalName), journal, 0o600))
}

// nextRun lets one more run write into the case.
func nextRun(t *testing.T, dir string) {
	t.Helper()
	c := create(t, dir)
	runOf(t, c, func(*Run) {})
	must(t, c.Close())
}

// wantProblems compares the problems, each by a part of it.
func wantProblems(t *testing.T, dir string, want ...string) {
	t.Helper()
	problems := problemsOf(t, dir)
	if len(problems) != len(want) {
		t.Errorf("problems: %v, want %q", problems, want)
		return
	}
	for i, problem := range problems {
		if text := problem.Where + ": " + problem.What; !strings.Contains(text, want[i]) {
			t.Errorf("problem %d is %q, want %q", i, text, want[i])
		}
	}
}

func TestJournalSaysWhoDidWhat(t *testing.T) {
	t.Parallel()
	_, journal := journalCase(t)
	lines := bytes.Split(bytes.TrimSpace(journal), []byte("\n"))
	var begin, end JournalLine
	must(t, json.Unmarshal(lines[2], &begin))
	must(t, json.Unmarshal(lines[3], &end))
	if begin.Seq != 3 || begin.Event != EventBegin || begin.Who != "me" || begin.Host != "here" || begin.Command != "undelete" || len(begin.Argv) != 2 {
		t.Errorf("begin: %s", lines[2])
	}
	if end.Seq != 4 || end.Event != EventEnd || end.Of != 3 || end.ExitCode == nil || *end.ExitCode != 0 || end.DurationMS == nil || end.Kept == nil || !*end.Kept {
		t.Errorf("end: %s", lines[3])
	}
}

// TestChangedJournalIsFound changes, cuts and reorders lines.
func TestChangedJournalIsFound(t *testing.T) {
	t.Parallel()
	dir, journal := journalCase(t)
	lines := bytes.SplitAfter(journal, []byte("\n"))
	tests := []struct {
		name    string
		journal []byte
		want    []string
	}{
		{"cut by one line", bytes.Join(lines[:5], nil), []string{"line 6: it was cut off: 5 lines"}},
		{"gone", nil, []string{"cut off: 0 lines"}},
		{"a line taken out", bytes.Join(append(append([][]byte(nil), lines[:2]...), lines[3:]...), nil), []string{"line 3: it says that it is line 4", "line 4: it says", "line 5: it says", "cut off: 5 lines"}},
		{"another name", bytes.Replace(journal, []byte(`"who":"me"`), []byte(`"who":"it"`), 1), []string{"line 2: the line before is not the one"}},
		{"the last line changed", append(bytes.Join(lines[:5], nil), bytes.Replace(lines[5], []byte(`"exit_code":0`), []byte(`"exit_code":1`), 1)...), []string{"line 6: it is not the line that case.db knows"}},
		{"no JSON", append(bytes.Join(lines[:5], nil), bytes.Repeat([]byte{0}, 20)...), []string{"line 6: it is no whole line", "line 6: it is not the line"}},
	}
	for _, test := range tests {
		writeJournal(t, dir, test.journal)
		t.Log(test.name)
		wantProblems(t, dir, test.want...)
	}
	// The next run goes on, and says what it found; the case remembers for good.
	writeJournal(t, dir, bytes.Join(lines[:5], nil))
	nextRun(t, dir)
	nextRun(t, dir)
	wantProblems(t, dir, "the journal was changed: case.db knows 6 lines")
}

// TestTornLineIsEnded leaves half a line, as a power cut does: the next run ends it.
func TestTornLineIsEnded(t *testing.T) {
	t.Parallel()
	dir, journal := journalCase(t)
	torn := append(bytes.Clone(journal), `{"seq":7,"event":"beg`...)
	writeJournal(t, dir, torn)
	wantProblems(t, dir, "line 7: it is no whole line")
	nextRun(t, dir)
	wantProblems(t, dir, "line 7: it is no whole line")
	now, err := os.ReadFile(filepath.Join(dir, JournalName))
	must(t, err)
	if !bytes.HasPrefix(now, append(torn, '\n')) || bytes.Count(now, []byte("\n")) != 9 {
		t.Errorf("the journal is now\n%s", now)
	}
	// Whole but for its newline: nothing is missing.
	writeJournal(t, dir, bytes.TrimSuffix(now, []byte("\n")))
	wantProblems(t, dir, "line 7: it is no whole line")
	nextRun(t, dir)
	wantProblems(t, dir, "line 7: it is no whole line")
}

// TestEndIsWrittenLater stops a process between its commit and the end in the journal.
func TestEndIsWrittenLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	r, err := c.Begin(context.Background(), Command{Name: "undelete"})
	must(t, err)
	must(t, r.commit(3))
	must(t, c.conn.Close()) // as if it was killed here
	c.conn, c.run = nil, nil
	must(t, c.Close())
	sound(t, dir)
	nextRun(t, dir)
	sound(t, dir)
	journal, err := os.ReadFile(filepath.Join(dir, JournalName))
	must(t, err)
	lines := bytes.Split(bytes.TrimSpace(journal), []byte("\n"))
	var late JournalLine
	must(t, json.Unmarshal(lines[1], &late))
	if len(lines) != 4 || late.Event != EventEnd || late.Of != 1 || late.ExitCode == nil || *late.ExitCode != 3 || late.Note == "" {
		t.Errorf("journal:\n%s", journal)
	}
}

// TestLongLines are hashed whole, though not all of them is kept to be parsed.
func TestLongLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/case"
	c := create(t, dir)
	for _, n := range []int{60 << 10, 64 << 10, 1 << 20} {
		r, err := c.Begin(context.Background(), Command{Name: "undelete", Argv: []string{strings.Repeat("x", n)}})
		must(t, err)
		must(t, r.Commit(0))
	}
	must(t, c.Close())
	sound(t, dir)
	end, err := journal.Scan(strings.NewReader(strings.Repeat("y", journal.LongestLine+1)+"\n\nz"), nil)
	if err != nil || end.Lines != 3 || !end.Torn {
		t.Errorf("scan: %+v, %v", end, err)
	}
}
