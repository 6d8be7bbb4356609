package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/testdata"
)

// countdown is a context that is cancelled when it was looked at so many times.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// TestInterruptedRunsLeaveNothing interrupts a command at more and more places. None
// of them may leave a row; the journal has a line of each; and the run that is not
// interrupted finds what it finds in a new case.
func TestInterruptedRunsLeaveNothing(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	kase, fresh := filepath.Join(t.TempDir(), "case"), filepath.Join(t.TempDir(), "case")
	line := []string{"undelete", "--pgdata", data, "--database", truth.Database, "--xid", "1516"}
	interruptions := 0
	for at := int64(1); ; at = at*2 + 1 {
		inner, cancel := context.WithCancel(t.Context())
		ctx := &countdown{Context: inner, cancel: cancel}
		ctx.left.Store(at)
		code, _, stderr := execute(ctx, append(line, "--case", kase)...)
		cancel()
		if code == exitcode.Done {
			break
		}
		if code != exitcode.Interrupted {
			t.Fatalf("interrupted at %d: code %d (%s)\n%s", at, code, code, stderr)
		}
		interruptions++
		if shown := showCase(t, kase); shown != nil && (len(shown.Tables) > 0 || len(shown.Runs) > 0 || len(shown.Evidence) > 0) {
			t.Fatalf("interrupted at %d: the case holds %d tables, %d runs, %d files", at, len(shown.Tables), len(shown.Runs), len(shown.Evidence))
		}
	}
	if interruptions < 4 {
		t.Errorf("the command was interrupted %d times; the test looks at too few places", interruptions)
	}
	if code, _, stderr := execute(t.Context(), append(line, "--case", fresh)...); code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	got, want := showCase(t, kase), showCase(t, fresh)
	if !reflect.DeepEqual(got.Tables, want.Tables) || len(got.Evidence) != len(want.Evidence) || len(want.Tables) == 0 {
		t.Errorf("after interruptions: %+v\nin a new case: %+v", got.Tables, want.Tables)
	}
	if n := len(got.Unkept); n == 0 || n > interruptions {
		t.Errorf("%d runs left nothing, of %d interrupted ones", n, interruptions)
	}
	for _, run := range got.Unkept {
		if run.ExitCode == nil || *run.ExitCode != int(exitcode.Interrupted) {
			t.Errorf("the journal says of an interrupted run: %+v", run)
		}
	}
}

// showCase is what `case show --json` prints; nil when there is no case yet.
func showCase(t *testing.T, kase string) *caseReport {
	t.Helper()
	code, stdout, stderr := execute(t.Context(), "case", "show", "--case", kase, "--json")
	if code == exitcode.NotFound {
		return nil
	}
	shown := caseReport{Summary: new(casefile.Summary)}
	if err := json.Unmarshal([]byte(stdout), &shown); code != exitcode.Done || err != nil {
		t.Fatalf("case show: code %d, %v\n%s", code, err, stderr)
	}
	return &shown
}

// partitionsInACase: the rows of a partition know the table that they belong to.
func partitionsInACase(t *testing.T, f *family) {
	t.Helper()
	kase := filepath.Join(t.TempDir(), "case")
	if code, _, stderr := execute(t.Context(), "undelete", "--pgdata", f.data, "--xid", f.xid, "--case", kase); code != exitcode.Done {
		t.Fatalf("code %d\n%s", code, stderr)
	}
	want := map[string]string{"parted_low": "parted", "parted_high": "parted", "city": "", "capital": "", "twice": ""}
	for _, table := range showCase(t, kase).Tables {
		root, known := want[table.Name]
		if !known || table.PartitionOf.Name != root || table.Lost == 0 || table.Rows[evidence.RouteHeap] != table.Lost {
			t.Errorf("%s: partition of %q, %d lost, rows %v", table.Name, table.PartitionOf.Name, table.Lost, table.Rows)
		}
		delete(want, table.Name)
	}
	if len(want) > 0 {
		t.Errorf("the case does not know %v", want)
	}
}

// TestCasesChangeNoOutput compares what every command prints without a case and with one.
func TestCasesChangeNoOutput(t *testing.T) {
	t.Parallel()
	data, err := unpackIncident(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kase := filepath.Join(t.TempDir(), "case")
	extras := [][]string{nil, {"--json"}, {"--format", "sql"}}
	if testing.Short() { // the race detector has seen every command after the first
		extras = extras[:1]
	}
	times := regexp.MustCompile(`after [0-9.]+m?s|"took_ns": ?[0-9]+`) // of a plan's checks
	for name, args := range evidenceCommands(t, data, t.TempDir()) {
		// import and preserve say what they do: with a case it goes there. report is of a case.
		if strings.HasPrefix(name, "case ") || strings.HasPrefix(name, "restore ") || name == "import" || name == "preserve" || name == "report" {
			continue
		}
		kase := kase
		if strings.HasPrefix(name, "logs ") { // what the case knows of the WAL tells more of statements
			kase = filepath.Join(t.TempDir(), "case")
		}
		for _, extra := range extras {
			line := slices.Concat(strings.Fields(name), args, extra)
			code, plain, stderr := execute(t.Context(), append(line, "--no-case")...)
			again, cased, _ := execute(t.Context(), append(line, "--case", kase)...)
			if code == exitcode.Usage && len(extra) == 2 {
				continue // it has no --format
			}
			plain, cased = times.ReplaceAllString(plain, "T"), times.ReplaceAllString(cased, "T")
			if code != exitcode.Done || again != code || cased != plain {
				t.Errorf("pgrescue %s: code %d, with a case %d; %d bytes, with a case %d\n%s", strings.Join(line, " "), code, again, len(plain), len(cased), stderr)
			}
		}
	}
	if shown := showCase(t, kase); len(shown.Runs) < 8 || len(shown.Tables) == 0 || shown.Events == 0 {
		t.Errorf("the case holds %d runs, %d tables, %d events", len(shown.Runs), len(shown.Tables), shown.Events)
	}
}
