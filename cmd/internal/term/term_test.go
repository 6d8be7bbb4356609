package term

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 7: "7", 37: "37", 999: "999", 1000: "1,000", -1234: "-1,234", 100000: "100,000",
		2116718: "2,116,718", -9223372036854775808: "-9,223,372,036,854,775,808",
	} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 16777216: "16.8 MB", 1200000000: "1.2 GB",
		999949: "999.9 kB", 999950: "1.0 MB", 1 << 62: "4.6 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := NewTable("table", ">rows", "note")
	table.Add("public.orders", "2,116,718", "")
	table.Add("público.ñandú", "7", "seen \x1b[2Jtwice")
	var out bytes.Buffer
	if err := table.Write(&out, "  "); err != nil {
		t.Fatal(err)
	}
	want := "  table               rows  note\n" +
		"  public.orders  2,116,718\n" +
		"  público.ñandú          7  seen \ufffd[2Jtwice\n"
	if out.String() != want {
		t.Errorf("table is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestFatal(t *testing.T) {
	t.Parallel()
	place := &evidence.Error{Op: "wal: open segment", Place: "pg_wal/x", Err: fs.ErrPermission, Hint: "read it as root"}
	tests := []struct {
		name string
		json bool
		err  error
		code int
		text string
	}{
		{"nothing", false, nil, 0, ""},
		{"text", false, errors.New("no"), 9, "error: no\n"},
		{"partial", false, exitcode.PartialIf(2), 3, "warning: 2 stretches of evidence could not be read\n"},
		{"text with a hint", false, place, 4, "error: wal: open segment pg_wal/x: permission denied\nhint: read it as root\n"},
		{
			"json", true, place, 4,
			`{"type":"error","operation":"wal: open segment","place":"pg_wal/x","message":"wal: open segment pg_wal/x: permission denied","hint":"read it as root","name":"permission","exit_code":4}` + "\n",
		},
		{"json without a place", true, exitcode.With(exitcode.Usage, errors.New("no")), 2, `{"type":"error","message":"no","name":"usage","exit_code":2}` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			terminal := &Terminal{Out: &out, Err: &errs, json: test.json}
			if code := terminal.Fatal(test.err); code != test.code {
				t.Errorf("code is %d, want %d", code, test.code)
			}
			if errs.String() != test.text || out.Len() > 0 {
				t.Errorf("stderr is %q, want %q; stdout is %q, want nothing", errs.String(), test.text, out.String())
			}
			if test.json && !json.Valid(errs.Bytes()) {
				t.Errorf("not JSON: %s", errs.String())
			}
		})
	}
}

func TestColorIsOffWithoutATerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "err"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	terminal := New(file, file, func(string) string { return "" })
	terminal.Warnf("careful")
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != "warning: careful\n" {
		t.Errorf("stderr is %q", text)
	}
}

func TestGapsAreCountedBeyondTheLimit(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	terminal := &Terminal{Err: &errs}
	gaps := []evidence.Gap{{Where: "a", What: "b", Why: "c"}, {Where: "d", What: "e", Why: "f"}, {Where: "g", What: "h", Why: "i"}}
	terminal.Gaps(gaps, 1)
	if want := "warning: a: b: c\nwarning: 2 more gaps; --json lists all of them\n"; errs.String() != want {
		t.Errorf("stderr is %q, want %q", errs.String(), want)
	}
}

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestProgressWithoutATerminal(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	terminal := &Terminal{Err: &errs}
	at := &clock{at: time.Unix(0, 0)}
	progress := terminal.progress(4000, "scan WAL", at.now)
	for range 30 {
		at.at = at.at.Add(time.Second)
		progress.Add(100)
	}
	progress.End()
	want := "scan WAL: 1.0 kB of 4.0 kB (25%), 100 B/s, 30s left\nscan WAL: 2.0 kB of 4.0 kB (50%), 100 B/s, 20s left\nscan WAL: 3.0 kB of 4.0 kB (75%), 100 B/s, 10s left\n"
	if errs.String() != want {
		t.Errorf("stderr is %q, want %q", errs.String(), want)
	}
	errs.Reset()
	progress = terminal.progress(0, "check", at.now)
	progress.unit = "rows"
	at.at = at.at.Add(11 * time.Second)
	progress.Add(22000)
	progress.Begin(88000, "copy rows")
	at.at = at.at.Add(11 * time.Second)
	progress.Set(44000)
	if want := "check: 22,000 rows, 2,000 rows/s\ncopy rows: 44,000 rows of 88,000 rows (50%), 2,000 rows/s, 22s left\n"; errs.String() != want {
		t.Errorf("stderr is %q, want %q", errs.String(), want)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	terminal := &Terminal{Err: &errs, errTTY: true}
	at := &clock{at: time.Unix(0, 0)}
	progress := terminal.progress(4000, "scan WAL", at.now)
	at.at = at.at.Add(900 * time.Millisecond)
	progress.Add(1000)
	if errs.Len() > 0 {
		t.Errorf("a bar within the first second: %q", errs.String())
	}
	at.at = at.at.Add(200 * time.Millisecond)
	progress.Set(2000)
	if !strings.Contains(errs.String(), "scan WAL") || !strings.Contains(errs.String(), "50%") {
		t.Errorf("no bar after a second: %q", errs.String())
	}
	terminal.Warnf("careful")
	if !strings.HasSuffix(errs.String(), "\rwarning: careful\n") {
		t.Errorf("the bar was not wiped before the warning: %q", errs.String())
	}
	progress.End()
	rows := terminal.ProgressOf(10, "rows", "copy rows")
	rows.now, rows.began = at.now, at.at.Add(-time.Minute)
	rows.Add(5)
	rows.Begin(20, "write rows")
	rows.Add(5)
	rows.End()
	if !strings.Contains(errs.String(), "copy rows") || !strings.Contains(errs.String(), "rows/") {
		t.Errorf("no bar of rows: %q", errs.String())
	}
	var none *Progress
	none.Begin(1, "")
	none.Add(1)
	none.Set(1)
	none.End()
}

func TestAsk(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	terminal := &Terminal{Err: &errs, in: strings.NewReader("shop\r\nmore\n")}
	answer, asked, err := terminal.Ask("name it")
	if err != nil || !asked || answer != "shop" || errs.String() != "name it: " {
		t.Errorf("answer %q, asked %v, %v; stderr is %q", answer, asked, err, errs.String())
	}
	for _, text := range []string{"", "no end"} {
		terminal.in = strings.NewReader(text)
		if answer, asked, err := terminal.Ask("name it"); err != nil || !asked || answer != text {
			t.Errorf("%q: answer %q, asked %v, %v", text, answer, asked, err)
		}
	}
	if _, asked, _ := new(Terminal).Ask("name it"); asked {
		t.Error("asked without a terminal")
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if terminal.Listen(file); terminal.in == nil {
		t.Error("what is no terminal took the place of one")
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":         "plain",
		"two\nlines":    "two lines",
		"\x1b]0;x\x07":  "\ufffd]0;x\ufffd",
		"broken \xff":   "broken \ufffd",
		"right\u202eto": "right\ufffdto",
		"表":             "表",
	} {
		if got := Printable(text); got != want {
			t.Errorf("Printable(%q) = %q, want %q", text, got, want)
		}
	}
}
