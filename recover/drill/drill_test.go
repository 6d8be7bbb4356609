package drill_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/drill"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// rehearse runs a book, whose steps are given, against an incident.
func rehearse(t *testing.T, incident, steps string) *drill.Score {
	t.Helper()
	book, err := runbook.Parse("book.md", []byte("# A book\n\n"+strings.ReplaceAll(steps, "~~~", "```")))
	if err != nil {
		t.Fatal(err)
	}
	found, err := drill.Find(incident)
	if err != nil {
		t.Fatal(err)
	}
	score, err := drill.Run(t.Context(), book, &found[0], drill.Options{
		Version: clustertest.DefaultVersion, Folder: t.TempDir(),
		Run: runbook.RunOptions{Options: runbook.Options{Tools: runbook.Tools{SQL: runbook.Psql{}}, Env: os.Environ(), Who: "drill"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return score
}

// giveBack begins a step that gives rows back. The books of these tests know the values of the shop, as no
// real book does.
const giveBack = `### 1. Give the rows back

- **Changes:** inserts the lost rows
- **Confirm:** the name of the database
- **Undo:** none, because this is a test

~~~sql run
`

// TestHonestBooks: books that say what is so. Rows that come back count, with newcomers as they were.
func TestHonestBooks(t *testing.T) {
	t.Parallel()
	t.Run("nothing was lost", func(t *testing.T) {
		t.Parallel()
		s := rehearse(t, "busy", "### 1. Look\n\n- **Changes:** nothing\n\n~~~sql check\nSELECT current_database();\n~~~\n")
		if !s.Passed || s.Error != "" || s.Lost != 0 || len(s.Steps) != 1 || s.Triage.Asked {
			t.Errorf("%+v", s)
		}
	})
	t.Run("prices are worked out again", func(t *testing.T) {
		t.Parallel()
		s := rehearse(t, "update-without-where", giveBack+`UPDATE sales.prices SET amount = id * 0.99, note = CASE WHEN id % 3 = 0 THEN 'net' END WHERE id <= 1000;
UPDATE sales.prices SET amount = 1, note = 'seen ' || id - 1000000 WHERE id >= 1000000;
~~~

~~~sql verify
SELECT 1 / (count(*) = 0)::int FROM sales.prices WHERE amount = 0;
~~~
`)
		if !s.Passed || s.Lost < 1000 || s.Back != s.Lost || s.Tables[0].Newcomers == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestSecondPerson: a book that wants the approval of a second person is drilled without one.
func TestSecondPerson(t *testing.T) {
	t.Parallel()
	s := rehearse(t, "busy", "### 1. Act\n\n- **Changes:** a comment\n- **Confirm:** the name of the database\n- **Approval:** the owner\n- **Undo:** none, because this is a test\n\n~~~sql run\nCOMMENT ON TABLE sales.invoices IS 'x';\n~~~\n\n~~~sql verify\nSELECT 1;\n~~~\n")
	log, err := os.ReadFile(filepath.Join(s.Folder, "journal.jsonl"))
	if err != nil || !s.Passed || !strings.Contains(string(log), "this is a drill") {
		t.Errorf("%v, %+v\n%s", err, s, log)
	}
}

// TestLies: books that say what is not so, and what the score says of each.
func TestLies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, incident, steps string
		step, said, truth     string // of the lie
	}{
		{
			"says that the rows are back", "delete-without-where", giveBack + "SELECT 1;\n~~~\n\n~~~sh verify\necho all rows are back\n~~~\n",
			"1", "done, and verified", "lost rows are not back",
		},
		{
			"gives back wrong values", "delete-without-where", giveBack + `INSERT INTO sales.invoices (id, customer, amount, paid, note)
SELECT i, i % 300, i * 1.26, NULL, '' FROM generate_series(1, 2000) i;
~~~

~~~sql verify
SELECT 1 / (count(*) >= 2000)::int FROM sales.invoices;
~~~
`,
			"1", "done, and verified", "2000 rows are others than were ever there",
		},
		{
			"hurts newcomers", "update-without-where", giveBack + "UPDATE sales.prices SET amount = 7;\n~~~\n\n~~~sh verify\ntrue\n~~~\n",
			"1", "done, and verified", "rows that were not lost are not as they were",
		},
		{
			"changes an option", "busy", "### 1. Look\n\n- **Changes:** nothing.\n\n~~~sh check\npsql -Xqc 'ALTER TABLE sales.invoices SET (autovacuum_enabled = off)'\n~~~\n",
			"1", "Changes: nothing.", "new: options of sales.invoices {autovacuum_enabled=off}",
		},
		{
			"changes a setting", "busy", "### 1. Look\n\n- **Changes:** nothing\n\n~~~sh check\npsql -Xqc \"ALTER SYSTEM SET wal_keep_size = '1GB'\"\n~~~\n",
			"1", "Changes: nothing", "new: setting wal_keep_size '1GB'",
		},
		{
			"leaves a slot", "busy", "### 1. Look\n\n- **Changes:** nothing\n\n~~~sh check\npsql -Xqc \"SELECT pg_create_physical_replication_slot('mine')\"\n~~~\n",
			"1", "Changes: nothing", "new: replication slot mine physical",
		},
		{
			"deletes rows", "busy", "### 1. Look\n\n- **Changes:** nothing\n\n~~~sh check\npsql -Xqc 'DELETE FROM sales.invoices WHERE id <= 12'\n~~~\n",
			"1", "Changes: nothing", "12 rows of sales.invoices",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := rehearse(t, test.incident, test.steps)
			if s.Error != "" || s.Passed || len(s.Lies) == 0 {
				t.Fatalf("error %q, lies %v, problems %q", s.Error, s.Lies, s.Problems)
			}
			lie := s.Lies[0]
			if lie.Step != test.step || lie.Said != test.said || !strings.Contains(lie.Truth, test.truth) {
				t.Errorf("%+v", lie)
			}
		})
	}
}

// TestTriageIsJudged: what blocks write to $OUT is compared with what happened.
func TestTriageIsJudged(t *testing.T) {
	t.Parallel()
	look := func(text string) string {
		return "### 1. Look\n\n- **Changes:** nothing\n\n~~~sh check\n" + text + "\n~~~\n"
	}
	for _, test := range []struct {
		name, incident, text string
		right                bool
	}{
		{"none where nothing was lost", "busy", `echo HYPOTHESIS=none >> "$OUT"`, true},
		{"a cleanup where nothing was lost", "busy", `printf 'HYPOTHESIS=cleanup\nXID=800\nXIDS=800\n' >> "$OUT"`, false},
		{"another transaction", "truncate", `printf 'HYPOTHESIS=truncated\nXID=3\n' >> "$OUT"`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := rehearse(t, test.incident, look(test.text))
			if !s.Triage.Asked || s.Triage.Right != test.right || strings.Contains(strings.Join(s.Problems, "\n"), "triage named") == test.right {
				t.Errorf("%+v %q", s.Triage, s.Problems)
			}
		})
	}
}

// TestFailuresOfRuns: a run that fails is scored, and what it left is named.
func TestFailuresOfRuns(t *testing.T) {
	t.Parallel()
	s := rehearse(t, "drop-table", "### 1. Act\n\n- **Changes:** a setting\n- **Undo:** none, because this is a test\n\n~~~sh run\npsql -Xqc \"ALTER SYSTEM SET work_mem = '8MB'\"; exit 3\n~~~\n\n~~~sh verify\ntrue\n~~~\n")
	if s.Passed || s.Back != 0 || s.Lost < 2000 || !errors.Is(s.Err, runbook.ErrBlock) || len(s.LeftBehind) != 1 || len(s.Lies) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestInterruptedDrill: nothing is left of a drill that is interrupted while a block runs.
func TestInterruptedDrill(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	book, err := runbook.Parse("book.md", []byte("# A book\n\n### 1. Wait\n\n- **Changes:** nothing\n\n```sh check\nsleep 600\n```\n"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := drill.Find("busy")
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	if err := os.Chmod(filepath.Dir(parent), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = drill.Run(ctx, book, &found[0], drill.Options{
		Version: clustertest.DefaultVersion, Folder: t.TempDir(), Parent: parent,
		Run: runbook.RunOptions{Options: runbook.Options{Env: os.Environ()}, Tell: func(e runbook.Event) {
			if e.Kind == runbook.BlockBegins {
				cancel()
			}
		}},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestUnknownIncident: the error says which there are.
func TestUnknownIncident(t *testing.T) {
	t.Parallel()
	if _, err := drill.Find("busy", "flood"); !errors.Is(err, drill.ErrNoIncident) || !strings.Contains(err.Error(), "cascade") {
		t.Errorf("error: %v", err)
	}
}
