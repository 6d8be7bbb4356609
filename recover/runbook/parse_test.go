package runbook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample has one of everything.
const sample = `---
runbook: lost-rows
owner: "@db-oncall"
last drilled: 2026-11-02, 14 min, PG 16
---
# Rows are missing

> [!CAUTION]
> Files removed? Go to [the other road](#the-other-road).

## You need

| Name | Meaning | Example | How to find it |
|---|---|---|---|
| ´TABLE´ | a table | ´assets´ | ask |
| ´HOST´, ´PORT´ | where | ´here´, ´5432´ | ask \| look |

### 1. Freeze the scene

- **Why:** autovacuum
  takes the rows.
- **Changes:** one option.
- **Time box:** 2 min, then [2](#2-which-road-back) anyway
- [ ] The application is stopped.

´´´sql check
SELECT 1;
´´´

´´´sql run
ALTER TABLE :"TABLE" SET (autovacuum_enabled = off);
´´´

´´´sql verify
SELECT 1;
´´´

´´´text expect
…
´´´

´´´sql undo
ALTER TABLE :"TABLE" RESET (autovacuum_enabled);
´´´

An illustration:

´´´sh
rm -rf /
´´´

### 2. Which road back?

´´´sh check
echo covers=full >> "$OUT"
´´´

- If ´covers = full´ -> [1](#1-freeze-the-scene)
- If the exit code is 3 or 6 → stop here
- If somebody knows better -> step 1
- Otherwise -> [The other road](#the-other-road)

### The other road

#### A heading in it

- [x] Somebody was told.
`

// backquotes lets the books of the tests stand between backquotes.
func backquotes(text string) string { return strings.ReplaceAll(text, "´", "`") }

func parse(t *testing.T, text string) *Book {
	t.Helper()
	book, err := Parse("book.md", []byte(backquotes(text)))
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func TestParseReadsEveryPiece(t *testing.T) {
	t.Parallel()
	book := parse(t, sample)
	if book.Title != "Rows are missing" || book.Meta["owner"] != "@db-oncall" || book.Meta["last drilled"] != "2026-11-02, 14 min, PG 16" {
		t.Errorf("title %q, front matter %q", book.Title, book.Meta)
	}
	want := []Input{
		{Name: "TABLE", Meaning: "a table", Example: "assets", How: "ask", Line: 15},
		{Name: "HOST", Meaning: "where", Example: "here", How: `ask \| look`, Line: 16},
		{Name: "PORT", Meaning: "where", Example: "5432", How: `ask \| look`, Line: 16},
	}
	if !slices.Equal(book.Inputs, want) {
		t.Errorf("inputs %+v", book.Inputs)
	}
	var steps []string
	for _, s := range book.Steps {
		steps = append(steps, s.Number+" "+s.ID)
	}
	if !slices.Equal(steps, []string{"1 1-freeze-the-scene", "2 2-which-road-back", " the-other-road"}) {
		t.Fatalf("steps %q", steps)
	}
	first := book.Steps[0]
	if limit, anchor := first.TimeBox(); limit != 2*time.Minute || anchor != "2-which-road-back" {
		t.Errorf("time box %v, then %q", limit, anchor)
	}
	if first.Fact("why") != "autovacuum takes the rows." || first.Severe() {
		t.Errorf("facts %+v", first.Facts)
	}
	if book.Next(first) != book.Steps[1] || book.Next(book.Steps[1]) != nil || book.Next(book.Steps[2]) != nil || book.First() != first {
		t.Error("the road leads elsewhere")
	}
	if book.Step("2") != book.Steps[1] || book.Step("#the-other-road") != book.Steps[2] || book.Step("") != nil || book.Step("9") != nil {
		t.Error("a step is not found by its name")
	}
	if findings := Lint(book); len(findings) > 0 {
		t.Errorf("findings %+v", findings)
	}
}

func TestParseKeepsPlaces(t *testing.T) {
	t.Parallel()
	book := parse(t, sample)
	lines := strings.SplitAfter(string(book.Source()), "\n")
	blocks := 0
	for _, step := range book.Steps {
		if !strings.HasPrefix(lines[step.Line-1], "### ") || !strings.HasPrefix(step.Text, lines[step.Line-1]) {
			t.Errorf("%s: line %d is %q", step.ID, step.Line, lines[step.Line-1])
		}
		for _, part := range step.Parts {
			switch {
			case part.Task != nil:
				if !strings.HasPrefix(lines[part.Task.Line-1], "- [") {
					t.Errorf("task %q: line %d", part.Task.Text, part.Task.Line)
				}
			case part.Branch != nil:
				if !strings.Contains(lines[part.Branch.Line-1], strings.Fields(part.Branch.Text)[0]) {
					t.Errorf("branch %q: line %d", part.Branch.Text, part.Branch.Line)
				}
			default:
				blocks++
				b := part.Block
				if got := strings.Join(lines[b.Line:b.End-1], ""); got != b.Text || !strings.HasPrefix(lines[b.End-1], "```") {
					t.Errorf("block of line %d ends in line %d, and is %q there", b.Line, b.End, got)
				}
			}
		}
	}
	if blocks != 5 {
		t.Errorf("%d blocks, want 5", blocks)
	}
	verify := book.Steps[0].Blocks(Verify)[0]
	if verify.Expect != "…\n" || verify.ExpectLine != 38 {
		t.Errorf("expect %q in line %d", verify.Expect, verify.ExpectLine)
	}
}

func TestParseReadsBranches(t *testing.T) {
	t.Parallel()
	value := func(name string) (string, bool) {
		v, ok := map[string]string{"covers": "full", "files": "12", "word": "many"}[name]
		return v, ok
	}
	tests := []struct {
		item   string
		code   int
		holds  bool
		broken string // part of an error
		person bool
	}{
		{item: "If `covers = full` -> [x](#x)", holds: true},
		{item: "If `covers = not full at all` -> [x](#x)"},
		{item: "If covers = not full at all -> [x](#x)", person: true},
		{item: "If covers != full -> [x](#x)"},
		{item: "If `files > 9` → [x](#x)", holds: true},
		{item: "If `files <= 9` -> [x](#x)"},
		{item: "If `files < 12.5` -> [x](#x)", holds: true},
		{item: "If `files >= 12` -> [x](#x)", holds: true},
		{item: "If `word > 3` -> [x](#x)", broken: `word: "many" is no number`},
		{item: "If `files > many` -> [x](#x)", broken: `"many" is no number`},
		{item: "If `other = 1` -> [x](#x)", broken: "other has no value"},
		{item: "If exit code 3 -> [x](#x)", code: 3, holds: true},
		{item: "If the exit code is 1, 3 or 6 -> [x](#x)", code: 6, holds: true},
		{item: "If the exit code is 1, 3 or 6 -> [x](#x)", code: 0},
		{item: "if the exit code is 3 and it rains -> [x](#x)", person: true},
		{item: "If somebody says so -> [x](#x)", person: true},
	}
	for _, test := range tests {
		branch, ok := parseBranch(test.item, 1)
		if !ok || branch.Target != "x" || branch.Otherwise || branch.ByPerson() != test.person {
			t.Errorf("%s: %+v", test.item, branch)
			continue
		}
		if test.person {
			continue
		}
		holds, err := branch.decided.holds(test.code, value)
		if holds != test.holds || (err != nil) != (test.broken != "") || err != nil && !strings.Contains(err.Error(), test.broken) {
			t.Errorf("%s: %v, %v", test.item, holds, err)
		}
	}
	for _, item := range []string{"If this has no arrow", "Iffy -> [x](#x)", "Something -> [x](#x)", ""} {
		if branch, ok := parseBranch(item, 1); ok {
			t.Errorf("%q is a branch: %+v", item, branch)
		}
	}
	if stop, ok := parseBranch("Otherwise -> Stop here, and call somebody", 1); !ok || !stop.Stop || !stop.Otherwise {
		t.Errorf("stop: %+v", stop)
	}
}

func TestParseDurations(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{
		"2 min, then on": 2 * time.Minute, "1 h 30 min": 90 * time.Minute, "10m": 10 * time.Minute, "45 seconds": 45 * time.Second,
		"about 2 hours": 2 * time.Hour, "1 day": 24 * time.Hour, "seconds": 0, "0 s": 0, "5 meters": 0, "": 0,
	}
	for text, want := range tests {
		if got, ok := parseDuration(text); got != want || ok != (want > 0) {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
}

func TestAnchorsAreThoseOfGitHub(t *testing.T) {
	t.Parallel()
	book := parse(t, "### 1. Is it *really* that `one`?\n\n### Über_Straße: a-b, c\n\n### Twice\n\n### Twice\n\n### `TRUNCATE`, DROP TABLE\n")
	var ids []string
	for _, s := range book.Steps {
		ids = append(ids, s.ID)
	}
	if want := []string{"1-is-it-really-that-one", "über_straße-a-b-c", "twice", "twice-1", "truncate-drop-table"}; !slices.Equal(ids, want) {
		t.Errorf("anchors %q, want %q", ids, want)
	}
}

func TestParseRefusesWhatIsNoText(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"binary": "\x7fELF\x00\x00", "latin1": "# caf\xe9\n", "huge": strings.Repeat("x", longestBook+1),
		"deep": strings.Repeat(">", deepest+1) + " x\n",
	} {
		if _, err := Parse(name, []byte(content)); !errors.Is(err, ErrNoBook) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNoBook) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.md")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	book, err := Parse("empty.md", nil)
	if err != nil || len(book.Steps) != 0 {
		t.Errorf("empty: %+v, %v", book, err)
	}
}

func TestParseTakesWindowsLines(t *testing.T) {
	t.Parallel()
	windows, err := Parse("book.md", []byte("\ufeff"+strings.ReplaceAll(backquotes(sample), "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if own := parse(t, sample); windows.SHA256 != own.SHA256 || len(Lint(windows)) > 0 {
		t.Errorf("the same book is another with Windows' line ends: %+v", Lint(windows))
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		shown, output string
		want          bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\n", "a", true},
		{"a\n", "a\nb\n", false},
		{"b\n", "a\nb\n", false},
		{"a\n…\n", "a\nb\nc\n", true},
		{"…\nc\n", "a\nb\nc\n", true},
		{"a … c\n", "a b c\n", true},
		{"a … d\n", "a b c\n", false},
		{"a.c\n", "abc\n", false},
		{"", "", true},
		{"", "a\n", false},
	}
	for _, test := range tests {
		if got := Matches(test.shown, test.output); got != test.want {
			t.Errorf("Matches(%q, %q) = %v, want %v", test.shown, test.output, got, test.want)
		}
	}
}

// FuzzParse: whatever a file holds, parts lie in its lines, steps cut it without
// overlap, and Lint names lines that exist.
func FuzzParse(f *testing.F) {
	f.Add([]byte(backquotes(sample)))
	own, err := os.ReadFile("../../RUNBOOK.md")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	for _, seed := range []string{
		"", "---\n", "---\n---\n", "---\na: [\n---\n# x\n", "### 1. a\n```sh run", "### 1.  \n~~~ sh run\n~~~", "- > ```sh check\n  > x\n",
		"## You need\n|a|b|\n|-|-|\n|`A`|\n", "### a\n- If x -> [y](#y)\n- Otherwise ->\n", "### a\n\n1. [ ] b\n   ```sh run\n   c\n   ```\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		book, err := Parse("fuzz.md", source)
		if err != nil {
			if !errors.Is(err, ErrNoBook) {
				t.Fatal(err)
			}
			return
		}
		lines := len(strings.Split(string(book.Source()), "\n"))
		within := func(what string, line int) {
			if line < 1 || line > lines {
				t.Fatalf("%s lies in line %d of %d", what, line, lines)
			}
		}
		last := 0
		for _, step := range book.Steps {
			within("a step", step.Line)
			if step.Line <= last || step.End < step.Line || step.ID != strings.TrimSpace(step.ID) {
				t.Fatalf("step %+v behind line %d", step, last)
			}
			last = step.End
			for _, part := range step.Parts {
				if part.Block != nil {
					within("a block", part.Block.Line)
					within("its end", part.Block.End)
				}
				if part.Task != nil {
					within("a task", part.Task.Line)
				}
				if part.Branch != nil {
					within("a branch", part.Branch.Line)
				}
			}
		}
		for _, finding := range Lint(book) {
			within("finding "+finding.Rule, finding.Line)
		}
	})
}
