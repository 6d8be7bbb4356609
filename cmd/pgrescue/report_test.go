package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/testdata"
)

// TestReportBalances compares every number of the equation of each table, in both
// forms of the report, with what `case show --json` says: of a whole loss, and of one
// whose WAL begins late.
func TestReportBalances(t *testing.T) {
	t.Parallel()
	for name, removed := range map[string][]string{"all": nil, "late WAL": {"2", "3", "4"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := unpackIncident(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, segment := range removed {
				if err := os.Remove(filepath.Join(data, "pg_wal", "00000001000000000000000"+segment)); err != nil {
					t.Fatal(err)
				}
			}
			truth, err := testdata.ReadTruth()
			if err != nil {
				t.Fatal(err)
			}
			kase := filepath.Join(t.TempDir(), "case")
			_, _, stderr := execute(t.Context(), "undelete", "--pgdata", data, "--xid", strconv.Itoa(int(truth.Transaction("retry").XID)), "--case", kase)
			code, stdout, more := execute(t.Context(), "case", "show", "--json", "--case", kase)
			if code != exitcode.Done {
				t.Fatalf("case show: code %d\n%s%s", code, stderr, more)
			}
			var shown shownBalance
			if err := json.Unmarshal([]byte(stdout), &shown); err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"html", "markdown"} {
				code, stdout, stderr := execute(t.Context(), "report", "-o", "-", "--format", format, "--case", kase)
				if code != exitcode.Done {
					t.Fatalf("report: code %d\n%s", code, stderr)
				}
				shown.compare(t, equations(stdout), len(removed) > 0)
			}
		})
	}
}

// shownBalance is what `case show --json` says of the equations.
type shownBalance struct {
	Tables []struct {
		Schema, Name  string
		Lost, Missing int64
		InPart        int64 `json:"in_part"`
		Settled       map[string]int64
	}
}

func (s *shownBalance) compare(t *testing.T, lines map[string][]int64, missing bool) {
	t.Helper()
	var checked, lost int
	for _, table := range s.Tables {
		if table.Lost == 0 {
			continue
		}
		checked++
		want := []int64{table.Lost, table.Settled["heap"], table.Settled["wal"], table.InPart, table.Missing}
		got := lines[table.Schema+"."+table.Name]
		if !slices.Equal(got, want) {
			t.Fatalf("%s.%s: %v, and case show says %v", table.Schema, table.Name, got, want)
		}
		if got[0] != got[1]+got[2]+got[3]+got[4] {
			t.Errorf("%s.%s does not balance: %v", table.Schema, table.Name, got)
		}
		lost += int(table.Missing)
	}
	if checked < 6 || missing != (lost > 0) {
		t.Errorf("%d equations were checked, with %d missing: this test is blind", checked, lost)
	}
}

// equations reads the lines of a table's name and five numbers, of either form.
func equations(text string) map[string][]int64 {
	text = strings.ReplaceAll(text, "<wbr/>", "")
	text = regexp.MustCompile(`</td><td[^>]*>`).ReplaceAllString(text, " | ")
	text = regexp.MustCompile(`<tr[^>]*><td[^>]*>`).ReplaceAllString(text, "| ")
	text = strings.ReplaceAll(text, "</td></tr>", " |")
	list := make(map[string][]int64)
	for _, match := range regexp.MustCompile(`(?m)^\| (\S+) \| (?:≥ )?([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$`).FindAllStringSubmatch(text, -1) {
		var numbers []int64
		for _, digits := range match[2:] {
			n, err := strconv.ParseInt(strings.ReplaceAll(digits, ",", ""), 10, 64)
			if err != nil {
				return nil
			}
			numbers = append(numbers, n)
		}
		list[strings.ReplaceAll(match[1], `\`, "")] = numbers
	}
	return list
}
