package pglog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// brief gives entries as short texts.
func brief(t *testing.T, text string, detector Detector) (entries []string) {
	t.Helper()
	source := recognised(t, []byte(text), detector)
	for e, err := range source.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d+%d %s %s", e.Line, e.Lines, e.Severity, e.Message)
		for _, part := range []struct {
			name string
			text []byte
		}{{"detail", e.Detail}, {"hint", e.Hint}, {"statement", e.Statement}} {
			if part.text != nil {
				text += " " + part.name + "=" + string(part.text)
			}
		}
		if e.Partial {
			text += " partial"
		}
		entries = append(entries, text)
	}
	return entries
}

func TestDamagedLogs(t *testing.T) {
	t.Parallel()
	const stamp = "2025-10-07 18:22:49.123 UTC "
	csv := func(n int, message string) string {
		return fmt.Sprintf(stamp[:len(stamp)-1]+`,"app","shop",71,"[local]",68e55d29.47,%d,"idle",2025-10-07 18:22:49 UTC,3/17,0,LOG,00000,%s,,,,,,,,,"","client backend",,0`, n, message)
	}
	cut := func(record string) string { return record[:strings.IndexByte(record, '|')] }
	tests := []struct {
		name, text string
		want       []string
	}{
		{
			"lines of processes between each other",
			stamp + "[1] ERROR:  a\n" + stamp + "[2] LOG:  b\n" + stamp + "[1] DETAIL:  c\n\td\n" + stamp + "[2] HINT:  e\n" + stamp + "[1] STATEMENT:  f\n",
			[]string{"1+4 ERROR a detail=c\nd statement=f", "2+2 LOG b hint=e"},
		},
		{
			"what a command writes",
			stamp + "[1] LOG:  a\ncp: cannot stat 'x'\n" + stamp + "[1] DETAIL:  b\n" + stamp + "[1] LOG:  c\n",
			[]string{"1+2 LOG a detail=b", "2+1  cp: cannot stat 'x'", "4+1 LOG c"},
		},
		{
			"it begins within an entry",
			"\tb\n" + stamp + "[1] STATEMENT:  c\n\td\n" + stamp + "[1] LOG:  e\n" + stamp + "[1] LOG:  f\n",
			[]string{"1+1  b partial", "2+2   statement=c\nd partial", "4+1 LOG e", "5+1 LOG f"},
		},
		{"it ends within a line", stamp + "[1] LOG:  a\n" + stamp + "[1] LOG:  stat", []string{"1+1 LOG a", "2+1 LOG stat partial"}},
		{"an empty line lost its tab", stamp + "[1] LOG:  a\n\tb\n\n\tc\n", []string{"1+4 LOG a\nb\n\nc"}},
		{
			"a message looks like a part", stamp + "[1] LOG:  statement: SELECT '\n\tLOG:  x\n\t" + stamp + "[1] LOG:  y'\n",
			[]string{"1+3 LOG statement: SELECT '\nLOG:  x\n" + stamp + "[1] LOG:  y'"},
		},
		{"csvlog", csv(1, "\"a\n\"\"b\"\",\n\"") + "\n" + csv(2, "c") + "\n", []string{"1+3 LOG a\n\"b\",\n", "4+1 LOG c"}},
		{
			"csvlog, cut within a text", cut(csv(1, "\"a\nb|\"")) + "\n" + csv(2, "c") + "\n" + cut(csv(3, "\"d|\"")) + "\n",
			[]string{"1+2 LOG a\nb partial", "3+1 LOG c", "4+1 LOG d partial"},
		},
		{"csvlog, lines of others", "x \"\n" + csv(1, "a") + "\n", []string{"1+1  x \" partial", "2+1 LOG a"}},
		{"csvlog, a record lacks its end", cut(csv(1, "a|")) + "\n" + csv(2, "c") + "\n" + csv(3, "d") + "\n", []string{"1+1 LOG a partial", "2+1 LOG c", "3+1 LOG d"}},
		{
			"jsonlog, cut", `{"timestamp":"` + stamp + `","pid":1,"error_severity":"LOG","message":"a\"\nb"}` + "\n" + `{"timestamp":"` + stamp + `","pid":1,"error_severity":"LOG","message":"c`,
			[]string{"1+1 LOG a\"\nb", "2+1 LOG c partial"},
		},
		{"none", "LOG:  a\nDETAIL:  b\nLOG:  c\n", []string{"1+2 LOG a detail=b", "3+1 LOG c"}},
		{"no time", "[1] LOG:  a\n[1] DETAIL:  b\n[2] LOG:  c\n", []string{"1+2 LOG a detail=b", "3+1 LOG c"}},
		{
			"the prefix was changed", strings.Repeat(stamp+"[1] LOG:  a\n", 2) + strings.Repeat("app@shop 1 LOG:  b\n", 2),
			[]string{"1+1 LOG a", "2+1 LOG a", "3+1 LOG b", "4+1 LOG b"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := brief(t, test.text, Detector{})
			slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:2], b[:2]) })
			if !slices.Equal(got, test.want) {
				t.Errorf("entries %q, want %q", got, test.want)
			}
		})
	}
}
