package logparse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// splitSyslog cuts a message as PostgreSQL does for syslog, and gives each piece a header.
func splitSyslog(header string, sequence int, message string) string {
	const limit = 900
	var out strings.Builder
	for piece := 1; message != ""; {
		if message[0] == '\n' {
			message = message[1:]
			continue
		}
		line, _, _ := strings.Cut(message, "\n")
		n := min(len(line), limit)
		if n < len(message) && !strings.ContainsRune(" \t\n", rune(message[n])) {
			if i := strings.LastIndexAny(message[:n], " \t"); i > 0 {
				n = i
			}
		}
		fmt.Fprintf(&out, "%s[%d-%d] %s\n", header, max(sequence, 0), piece, strings.ReplaceAll(message[:n], "\t", "#011"))
		message = message[n:]
		piece++
	}
	return out.String()
}

func TestSyslog(t *testing.T) {
	t.Parallel()
	long := "LOG:  statement: INSERT INTO t VALUES ('" + strings.Repeat("words and ", 300) + strings.Repeat("x", 2000) + "')"
	several := "LOG:  statement: SELECT\n\t1,\n\t2"
	const db, other = "Oct  7 18:22:49 db1 postgres[71]: ", "Oct  7 18:22:49 db1 postgres[72]: "
	one, two := splitSyslog(db, 3, long), splitSyslog(other, 9, long)
	var mixed strings.Builder // two processes write at the same time
	first, second := strings.SplitAfter(one, "\n"), strings.SplitAfter(two, "\n")
	for i := range first {
		mixed.WriteString(first[i] + second[i])
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"long and several lines", one + splitSyslog(db, 4, several), []string{long, "LOG:  statement: SELECT", "\t1,", "\t2"}},
		{"mixed", mixed.String() + db + "[4-1] a\n" + other + "[10-1] b\n", []string{long, "a", long, "b"}},
		{"to the end", one, []string{long}},
		{"rsyslog with ISO times", "2025-10-07T18:22:49.123456+00:00 db1 postgres[71]: [3-1] a\n2025-10-07T18:22:49.123456+00:00 db1 systemd: b\n", []string{"a", "b"}},
		{"journalctl -o short-iso", "2025-10-07T18:22:49+0000 db1 postgres[71]: 2025-10-07 18:22:49.123 UTC [71] LOG:  a\n", []string{"2025-10-07 18:22:49.123 UTC [71] LOG:  a"}},
		{"no sequence", "Oct 17 18:22:49 db1 postgres[71]: [a] b\n", []string{"[a] b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := found(t, test.text)
			texts, marks := marked(t, source)
			if source.Wrapper != "syslog" || !slices.Equal(texts, test.want) || slices.ContainsFunc(marks, func(m Marks) bool { return m != 0 }) {
				t.Errorf("%s: %.300q, %v; want %.300q", source.Wrapper, texts, marks, test.want)
			}
		})
	}
}

func TestSyslogIsNotTakenForOthers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2025-10-07T18:22:49Z INFO app: a\n", "2025-10-07T18:22:49Z main ERROR: a\n", "2025-10-07T18:22:49.123456Z  INFO app: a\n", "Tue Oct  7 18:22:49 2025 - a: b\n", "2025-10-07T18:22:49Z [web] app: a\n",
	} {
		if source := found(t, text); source.Wrapper != "" {
			t.Errorf("%q has wrapper %s", text, source.Wrapper)
		}
	}
}

// TestSyslogYear: the year is that of the file, and a December in a file of January is of the year before.
func TestSyslogYear(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "syslog")
	text := "Dec 31 23:59:59 db1 postgres[71]: a\nJan  1 00:00:01 db1 postgres[71]: b\nFeb 29 00:00:01 db1 postgres[71]: c\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	written := time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
	sources, _, err := Find(context.Background(), FindOptions{Paths: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line, err := range sources[0].Lines(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line.Outer.Stamp.Time.Format(time.DateTime)+" "+line.Outer.Stamp.Zone.String())
	}
	if want := []string{"2025-12-31 23:59:59 zone not known", "2026-01-01 00:00:01 zone not known", "2024-02-29 00:00:01 zone not known"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if notes := sources[0].Notes(); len(notes) != 1 || !strings.Contains(notes[0], "2026-01-01") {
		t.Errorf("notes %q", notes)
	}
}
