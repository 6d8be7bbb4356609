package runbook

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const logBook = `---
owner: me
---
# A book

## You need

| name | meaning |
|---|---|
| ´IT´ | what |

### 1. Look

- [ ] Call *somebody*.
- [ ] And listen.

´´´sh check
printf 'a\n´´´´\n'; echo found=yes >> "$OUT"; echo hm >&2
´´´

´´´text expect
a
…
´´´

Words behind it.

- If ´found = yes´ -> [3](#3-act)
- Otherwise -> on

### 2. Never

Nobody comes here.

### 3. Act

- **Undo:** block below

´´´sh run
echo "$IT"
´´´

´´´sh verify
seq 1 300; test -e there
´´´

´´´sh undo
echo undone
´´´`

// wantLog is what becomes of it.
const wantLog = `---
owner: me
---
# A book

> [!NOTE]
> Log of a run of ´book.md´, begun at … by me on here, with pgrescue 1.0. It goes on with step 3.

…
### 1. Look

> **done**, from … to …, by me on here → [3](#3-act)
> - Call *somebody*. — **y**, said with --tick (…)
> - And listen. — **y**, said with --tick (…)

- [x] Call *somebody*.
- [x] And listen.

´´´sh check
printf 'a\n´´´´\n'; echo found=yes >> "$OUT"; echo hm >&2
´´´

´´´text expect
a
…
´´´

> check at …: **exit code 0** after …
> - ´found´ = yes

´´´´´text
a
´´´´
´´´´´

Its errors and notes:

´´´text
hm
´´´

Words behind it.
…
### 2. Never

Nobody comes here.

### 3. Act

> **failed**, from … to …, by me on here: …exit code 1…

> **undone** (time 2), from … to …, by me on here

- **Undo:** block below

´´´sh run
echo "$IT"
´´´

> run at …: **exit code 0** after …

´´´text
this
´´´

> run (time 2) at …: **exit code 0** after …
…
´´´sh verify
seq 1 300; test -e there
´´´

> verify at …: **exit code 1** after …

´´´text
1
…
200
´´´

That is the beginning of 1092 bytes: [´steps/03/2-verify/stdout´](steps/03/2-verify/stdout).
…
´´´sh undo
echo undone
´´´

> undo (time 2) at …: **exit code 0** after …

´´´text
undone
´´´
`

// TestRunlog compares what is attached to a ticket with what it should be.
func TestRunlog(t *testing.T) {
	t.Parallel()
	d := newDesk(t, logBook)
	o := d.options()
	o.Inputs, o.Tick = map[string]string{"IT": "this"}, []string{"1"}
	if _, err := d.start(o); !errors.Is(err, ErrVerify) {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(d.dir, "there"), nil, 0o600))
	if _, err := d.resume(d.options()); err != nil {
		t.Fatal(err)
	}
	if _, err := UndoStep(t.Context(), d.folder("a"), "3", d.options()); err != nil {
		t.Fatal(err)
	}
	got := read(t, filepath.Join(d.folder("a"), runlogName))
	if !Matches(backquotes(wantLog), got) {
		t.Errorf("RUNLOG.md is\n%s", got)
	}
	// The log is the book still: its steps and blocks are the same.
	log, err := Parse(runlogName, []byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if len(log.Steps) != 3 || len(log.Steps[0].Blocks(Check)) != 1 || len(log.Steps[2].Blocks(Run, Verify, Undo)) != 3 || len(log.links) != 2 {
		t.Errorf("as a book it has %d steps and %d links", len(log.Steps), len(log.links))
	}
}

// TestRunlogOfAnotherBook: what ran is told, though the book has changed since.
func TestRunlogOfAnotherBook(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "", "true")+act("2", "two", "", "", "false"))
	if _, err := d.start(d.options()); !errors.Is(err, ErrVerify) {
		t.Fatal(err)
	}
	d.write(act("2", "two", "", "echo changed", "true"))
	o := d.options()
	o.Accept = []string{"1-one"}
	if _, err := d.resume(o); err != nil {
		t.Fatal(err)
	}
	got := read(t, filepath.Join(d.folder("a"), runlogName))
	for _, want := range []string{"### 1-one\n\nThe book has no such step any more.\n", "run as it was then at", "echo changed", "> run (time 2) at"} {
		if !strings.Contains(got, want) {
			t.Errorf("RUNLOG.md has no %q:\n%s", want, got)
		}
	}
	if books, err := filepath.Glob(filepath.Join(d.folder("a"), "book*.md")); err != nil || len(books) != 2 {
		t.Errorf("books %q, %v", books, err)
	}
}

func TestExportTimeline(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "", "false"))
	if _, err := d.start(d.options()); !errors.Is(err, ErrVerify) {
		t.Fatal(err)
	}
	var out bytes.Buffer
	must(t, ExportTimeline(d.folder("a"), &out))
	var messages []string
	for line := range strings.Lines(out.String()) {
		var m Moment
		must(t, json.Unmarshal([]byte(line), &m))
		if m.Datetime == "" || m.Actor != "me" || !strings.HasPrefix(m.TimestampDesc, "runbook ") || !strings.HasPrefix(m.Ref, journalName+"#") {
			t.Errorf("%+v", m)
		}
		messages = append(messages, m.Message)
	}
	if len(messages) != 8 || messages[0] != "the run begins" || messages[5] != "verify block of line 11 ended with exit code 1" || !strings.HasPrefix(messages[6], "step 1-one: failed (") {
		t.Errorf("messages %q", messages)
	}
	if err := ExportTimeline(t.TempDir(), io.Discard); !errors.Is(err, ErrNoRun) {
		t.Error(err)
	}
}

// TestExportArchive unpacks an archive, and checks it with sha256sum.
func TestExportArchive(t *testing.T) {
	t.Parallel()
	d := newDesk(t, act("1", "one", "", "echo a=1 >> $OUT; echo x > \"$EVIDENCE/out\"", "true"))
	if _, err := d.start(d.options()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	must(t, ExportArchive(d.folder("a"), &out))
	packed, err := gzip.NewReader(&out)
	must(t, err)
	root := t.TempDir()
	var names []string
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		text, err := io.ReadAll(archive)
		must(t, err)
		names = append(names, header.Name)
		path := filepath.Join(root, header.Name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, text, 0o600))
	}
	for name, want := range map[string]bool{
		"a/RUNLOG.md": true, "a/journal.jsonl": true, "a/steps/01/1-run/stdout": true, "a/evidence/out": true, "a/manifest-sha256.txt": true,
		"a/steps/01/1-run/out": false, "a/steps/01/1-run/pid": false, "a/lock": false,
	} {
		if slices.Contains(names, name) != want {
			t.Errorf("%s is in the archive: %v; it has %q", name, !want, names)
		}
	}
	check := exec.Command("sha256sum", "--quiet", "-c", manifestName)
	check.Dir = filepath.Join(root, "a")
	if text, err := check.CombinedOutput(); err != nil {
		t.Errorf("%s, %v", text, err)
	}
}
