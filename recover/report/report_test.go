package report

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

var updateGolden = flag.Bool("update-golden", false, "write the reports in testdata anew")

// masking takes the secret of the tests out, and what is a value of a column named password.
func masking(field, text string) string {
	if field == "password" {
		return "***"
	}
	return strings.ReplaceAll(text, secret, "***")
}

func written(t *testing.T, f *facts, opts Options) (page, text string) {
	t.Helper()
	opts.Mask, opts.Version, opts.Runbooks = masking, "1.2.3", followed()
	r, err := compose(f, opts)
	must(t, err)
	var html, markdown bytes.Buffer
	must(t, r.HTML(&html))
	must(t, r.Markdown(&markdown))
	return html.String(), markdown.String()
}

// TestGolden compares the reports of a case that has something of everything.
func TestGolden(t *testing.T) {
	t.Parallel()
	page, text := written(t, steady(t, hurt(t)), Options{})
	for name, got := range map[string]string{"testdata/report.html": page, "testdata/report.md": text} {
		if *updateGolden {
			must(t, os.MkdirAll("testdata", 0o755))
			must(t, os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		must(t, err)
		if got != string(want) {
			t.Errorf("%s is another; look at what changed, then go test -update-golden ./recover/report", name)
		}
	}
}

// TestSameCaseSameBytes makes the report of one case twice.
func TestSameCaseSameBytes(t *testing.T) {
	t.Parallel()
	c := hurt(t)
	var before string
	for range 2 {
		r, err := Make(context.Background(), c, Options{Version: "1.2.3", Redact: true, Key: []byte("0123456789abcdef")})
		must(t, err)
		var b bytes.Buffer
		must(t, r.HTML(&b))
		must(t, r.Markdown(&b))
		if before != "" && before != b.String() {
			t.Error("the second report of the same case is another")
		}
		before = b.String()
	}
}

// TestBalance compares the equations with the case, and the tables' lines with the last one.
func TestBalance(t *testing.T) {
	t.Parallel()
	f := steady(t, hurt(t))
	r, err := compose(f, Options{})
	must(t, err)
	total := r.Totals()
	if total.Lost != 181 || total.Settled[evidence.RouteHeap] != 120 || total.Settled[evidence.RouteWAL] != 56 || total.InPart != 2 || total.Missing != 3 || !total.AtLeast || total.Tables != 3 {
		t.Errorf("totals: %+v", total)
	}
	_, text := written(t, f, Options{})
	for _, want := range []string{
		"≥ 181 lost = 120 heap + 56 wal + 2 in part + 3 missing", "| public.orders | ≥ 57 | 40 | 12 | 2 | 3 |", "| public.items | 120 | 80 | 40 | 0 | 0 |",
		"At least 181 row versions were destroyed in 3 tables, by 2 transactions.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	f.summary.Tables[0].Missing++
	if _, err := compose(f, Options{}); !errors.Is(err, ErrUnbalanced) {
		t.Errorf("an equation that does not balance: %v", err)
	}
}

// elements and attributes are all that a report may hold. Links lead into the report.
func checkMarkup(t *testing.T, page string) (ids, links []string) {
	t.Helper()
	elements := strings.Fields("html head meta title style body main header p h1 h2 h3 div span b i dl dt dd nav ol ul li wbr a section figure figcaption strong small svg rect line circle text table caption thead tbody tr th td code footer")
	attributes := strings.Fields("lang charset name content http-equiv class id href role aria-label aria-hidden aria-multiline contenteditable scope data-label width height x y x1 x2 y1 y2 cx cy r dx text-anchor")
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Entity = xml.HTMLEntity
	for {
		token, err := decoder.Token()
		if token == nil {
			break
		}
		must(t, err)
		start, is := token.(xml.StartElement)
		if !is {
			continue
		}
		if !slices.Contains(elements, start.Name.Local) {
			t.Errorf("element %s", start.Name.Local)
		}
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "id":
				ids = append(ids, a.Value)
			case "href":
				links = append(links, a.Value)
			}
			if !slices.Contains(attributes, a.Name.Local) {
				t.Errorf("attribute %s=%q of %s", a.Name.Local, a.Value, start.Name.Local)
			}
		}
	}
	return ids, links
}

// TestHTMLIsOneHarmlessFile reads a report of a hostile case as XML: whatever the case
// holds is text, links lead into the page, and nothing is fetched.
func TestHTMLIsOneHarmlessFile(t *testing.T) {
	t.Parallel()
	page, _ := written(t, steady(t, hurt(t)), Options{})
	ids, links := checkMarkup(t, page)
	if len(ids) < 15 || len(links) < 15 {
		t.Fatalf("%d ids, %d links: this test is blind", len(ids), len(links))
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			t.Errorf("two elements have the id %s", id)
		}
	}
	for _, link := range links {
		if name, inside := strings.CutPrefix(link, "#"); !inside || !slices.Contains(ids, name) {
			t.Errorf("link %q leads nowhere", link)
		}
	}
	if fetched := regexp.MustCompile(`(?i)url\(|@import|src=["']|srcset`).FindString(page); fetched != "" {
		t.Errorf("the page fetches: %s", fetched)
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "&lt;img src=x onerror=alert(2)&gt;", `\u202e`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q as text", want)
		}
	}
	if !strings.Contains(style, "prefers-color-scheme: dark") || !strings.Contains(style, "@media print") || !strings.Contains(style, "@media (max-width") {
		t.Error("the style knows no dark, no paper or no phone")
	}
}

// TestMarkdownIsText looks for what of a hostile case would mean something to GitHub.
func TestMarkdownIsText(t *testing.T) {
	t.Parallel()
	_, text := written(t, steady(t, hurt(t)), Options{})
	for _, bad := range []string{"<script", "<img", "@octocat", "#7", "x](http", "http://evil", "www.evil", "\u202e", "$x$"} {
		if strings.Contains(text, bad) {
			t.Errorf("the Markdown holds %q", bad)
		}
	}
	anchors := regexp.MustCompile(`<a name="([^"]+)">`).FindAllStringSubmatch(text, -1)
	var names []string
	for _, match := range anchors {
		names = append(names, match[1])
	}
	links := regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1)
	if len(links) < 5 {
		t.Fatalf("%d links: this test is blind", len(links))
	}
	for _, match := range links {
		if !slices.Contains(names, match[1]) {
			t.Errorf("link #%s leads nowhere", match[1])
		}
	}
	checkTables(t, text)
	if n := strings.Count(text, "```mermaid\n"); n != 2 || strings.Count(text, "```") != 2*n {
		t.Errorf("%d diagrams, and %d fences", n, strings.Count(text, "```"))
	}
}

// checkTables makes sure that each line of a table has as many cells as its head.
func checkTables(t *testing.T, text string) {
	t.Helper()
	cells, tables := 0, 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := len(regexp.MustCompile(`(^|[^\\])\|`).FindAllString(line, -1))
		if cells == 0 {
			cells, tables = n, tables+1
		}
		if n != cells {
			t.Errorf("%d borders in a table with %d: %s", n, cells, line)
		}
	}
	if tables < 10 {
		t.Errorf("only %d tables were checked", tables)
	}
}

// TestSecretsAreMasked looks for the secret that stands in a statement, in a value and on a
// command line.
func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	f := steady(t, hurt(t))
	for _, text := range []string{fmt.Sprint(f.story.shown), string(f.conflicts[0].Sides[0].Values[2].Text), fmt.Sprint(f.summary.Runs)} {
		if !strings.Contains(text, secret) {
			t.Fatalf("the case does not hold the secret: this test is blind: %s", text)
		}
	}
	page, text := written(t, f, Options{})
	if strings.Contains(page+text, secret) {
		t.Error("the report shows the secret")
	}
}

// TestRedacted looks for what says something about people.
func TestRedacted(t *testing.T) {
	t.Parallel()
	f := steady(t, hurt(t))
	key := []byte("0123456789abcdef0123456789abcdef")
	plainPage, plainText := written(t, f, Options{})
	page, text := written(t, f, Options{Redact: true, Key: key})
	for _, name := range []string{person, "annes-laptop", "acme", "/home/", "ann smith", "row 1", "demo", "Created 90", "it failed for", "it said", "owner know"} {
		if !strings.Contains(strings.ReplaceAll(plainPage, "<wbr/>", "")+plainText, name) {
			t.Errorf("the whole report does not have %q: this test is blind", name)
		}
		if strings.Contains(strings.ReplaceAll(page, "<wbr/>", "")+text, name) {
			t.Errorf("the redacted report has %q", name)
		}
	}
	for _, kept := range []string{"public.orders", "742", "~" + casefile.Pseudonym(key, []byte(person))[:pseudonymDigits], fmt.Sprintf("%064x", 77)} {
		if !strings.Contains(strings.ReplaceAll(page, "<wbr/>", ""), kept) {
			t.Errorf("the redacted report lacks %q", kept)
		}
	}
}

// TestFiguresHaveTables makes sure that no number is in a drawing alone.
func TestFiguresHaveTables(t *testing.T) {
	t.Parallel()
	r, err := compose(steady(t, hurt(t)), Options{})
	must(t, err)
	figures := 0
	for _, s := range r.Sections {
		for i, one := range s.Blocks {
			if one.Figure == nil && one.Tree == nil {
				continue
			}
			figures++
			if !slices.ContainsFunc(s.Blocks[i+1:], func(b block) bool { return b.Grid != nil }) {
				t.Errorf("section %s: no table follows a drawing", s.ID)
			}
		}
	}
	if figures < 6 {
		t.Errorf("only %d figures", figures)
	}
}

// TestQuestionsStayOpen makes sure that no question is answered.
func TestQuestionsStayOpen(t *testing.T) {
	t.Parallel()
	page, text := written(t, steady(t, hurt(t)), Options{})
	if n := strings.Count(text, "- [ ] to be filled in"); n < 12 {
		t.Errorf("%d blanks", n)
	}
	blanks := regexp.MustCompile(`<(?:div|td)[^>]* contenteditable="true"[^>]*>([^<]*)<`).FindAllStringSubmatch(page, -1)
	if len(blanks) < 12 {
		t.Fatalf("%d blanks", len(blanks))
	}
	for _, match := range blanks {
		if match[1] != "" {
			t.Errorf("a blank holds %q", match[1])
		}
	}
}

// TestEmptyCase makes the report of a case that knows nothing yet.
func TestEmptyCase(t *testing.T) {
	t.Parallel()
	r, err := Make(context.Background(), create(t), Options{})
	must(t, err)
	var page, text bytes.Buffer
	must(t, r.HTML(&page))
	must(t, r.Markdown(&text))
	checkMarkup(t, page.String())
	if !strings.Contains(text.String(), "The case names no destroyed row version yet.") {
		t.Error(text.String())
	}
}

// TestReportStaysSmall makes reports of cases with ever more of everything.
func TestReportStaysSmall(t *testing.T) {
	t.Parallel()
	sizeOf := func(events, tables, files int) int {
		c := create(t)
		r := begin(t, c, "undelete")
		for i := range tables {
			lose(t, r, fmt.Sprintf("part_%05d", i), 742, 0x3000000, 1, 0, 0, 1)
		}
		for i := range files {
			must(t, r.Evidence(casefile.File{Path: fmt.Sprintf("/copy/base/5/%d", i), Kind: "relation", Size: 8192, SHA256: fmt.Sprintf("%064x", i)}))
			must(t, r.ForeignKey(keyOf(fmt.Sprintf("part_%05d", i), fmt.Sprintf("part_%05d", i%7), "CASCADE")))
			must(t, r.Gap(evidence.Gap{Where: fmt.Sprintf("/copy/base/5/%d", i), What: "a page", Why: "bad checksum"}))
		}
		points := slices.Repeat([]casefile.Point{{Source: "wal", Text: strings.Repeat("long ", 300)}}, files)
		must(t, r.Triage(&casefile.Triage{Hypotheses: []casefile.Hypothesis{{Name: "x", Standing: "proven", For: points, Against: points}}}))
		for i := range events {
			must(t, r.Event(casefile.Event{
				Time: lossTime().Add(time.Duration(i-events/2) * 10 * time.Millisecond), Source: fmt.Sprintf("/logs/%d.log", i%100), Line: int64(i),
				Certainty: fmt.Sprintf("word %d", i%50), Message: strings.Repeat("long ", 2000/(1+i%7)), Statement: []string{"", "DELETE FROM t"}[i%2],
			}))
		}
		must(t, r.Commit(0))
		page, text := written(t, steady(t, c), Options{})
		for _, want := range []string{fmt.Sprintf("%s lost", count(int64(2*tables))), "more tables", "more bytes"} {
			if !strings.Contains(page, want) {
				t.Errorf("the report does not say %q", want)
			}
		}
		return len(page) + len(text)
	}
	small, large := sizeOf(500, 150, 300), sizeOf(20_000, 600, 3000)
	if large > small*5/4 || large > 1<<20 {
		t.Errorf("a case that is ten times as large has a report of %d bytes, beside %d", large, small)
	}
}

// TestOlderCase makes the report of cases that older versions of pgrescue made.
func TestOlderCase(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"version1", "version2"} {
		dir := t.TempDir()
		packed, err := os.Open("../casefile/testdata/" + version + "/case.db.gz")
		must(t, err)
		defer packed.Close()
		reader, err := gzip.NewReader(packed)
		must(t, err)
		raw, err := io.ReadAll(reader)
		must(t, err)
		must(t, os.WriteFile(dir+"/"+casefile.DatabaseName, raw, 0o600))
		c, err := casefile.Open(context.Background(), dir, casefile.Read, casefile.Options{})
		must(t, err)
		r, err := Make(context.Background(), c, Options{})
		must(t, err)
		must(t, c.Close())
		var page, text bytes.Buffer
		must(t, r.HTML(&page))
		must(t, r.Markdown(&text))
		checkMarkup(t, page.String())
		if !strings.Contains(text.String(), "it holds no foreign keys") || strings.Contains(text.String(), "What may have happened") {
			t.Errorf("%s:\n%s", version, text.String())
		}
	}
}

// TestBoundedStory feeds a timeline of 200,000 entries, and counts what is kept.
func TestBoundedStory(t *testing.T) {
	t.Parallel()
	s := newStory([]casefile.Destroyed{{XID: 742, CommitTime: lossTime(), Versions: 3}})
	const all = 200_000
	for _, look := range []func(*casefile.Event){s.survey, func(e *casefile.Event) { s.tell(e) }} {
		for i := range all {
			look(&casefile.Event{Time: lossTime().Add(time.Duration(i-all/2) * time.Second), Source: "a.log", Line: int64(i), Message: "x"})
		}
		if s.bins == nil {
			s.choose()
		}
	}
	shown, seen := s.entries()
	if seen != all || len(shown) != mostOf(rankLog) || cap(s.shown[rankLog]) > 4*mostOf(rankLog) {
		t.Errorf("%d of %d entries are shown, %d are kept", len(shown), seen, cap(s.shown[rankLog]))
	}
	for _, e := range shown {
		if d := e.Time.Sub(lossTime()); d < -time.Minute || d > time.Minute {
			t.Errorf("an entry %v from the loss is shown", d)
		}
	}
	if s.bins.Width > 5*time.Second || len(s.bins.Loss) > mostBins {
		t.Errorf("%d columns of %v", len(s.bins.Loss), s.bins.Width)
	}
}

// TestOneTransactionOnce tells of a transaction once that two commands found.
func TestOneTransactionOnce(t *testing.T) {
	t.Parallel()
	long := transactionEvent(t, lossTime(), 742, 0x3000100, 0x3000900, 177)
	short := long
	short.Message = "transaction 742 was committed at 0/3000900"
	for _, order := range [][]casefile.Event{{long, short}, {short, long}} {
		s := newStory([]casefile.Destroyed{{XID: 742, CommitTime: lossTime(), Versions: 3}})
		s.choose()
		for i := range order {
			s.tell(&order[i])
		}
		if shown, all := s.entries(); len(shown) != 1 || all != 1 || shown[0].Message != long.Message {
			t.Errorf("%d of %d entries: %+v", len(shown), all, shown)
		}
	}
}

// TestFailedStatementNamesNothing makes sure that a statement which failed, or was rolled
// back, is never said to have destroyed a table, even in the transaction of the loss.
func TestFailedStatementNamesNothing(t *testing.T) {
	t.Parallel()
	for certainty, named := range map[string]bool{"failed": false, "rolled back": false, "attempted": false, "committed": true, "executed": true} {
		c := create(t)
		r := begin(t, c, "undelete")
		lose(t, r, "orders", 742, 0x3000100, 2, 0, 0, 0)
		must(t, r.Event(casefile.Event{
			Time: lossTime(), Source: "/log/pg.log", Line: 4, Certainty: certainty, Statement: "DELETE FROM public.orders", Message: "it said so",
			Detail: detailOf(t, map[string]any{"xid": 742, "verb": "DELETE", "table": "public.orders"}),
		}))
		must(t, r.Commit(0))
		_, text := written(t, steady(t, c), Options{})
		if got := strings.Contains(text, "| DELETE, /log/pg.log:4 |"); got != named {
			t.Errorf("a statement that is %s names its table: %v, want %v", certainty, got, named)
		}
	}
}

// TestFates tells what a plan put back, and why other rows are not.
func TestFates(t *testing.T) {
	t.Parallel()
	f := steady(t, hurt(t))
	at := slices.IndexFunc(f.summary.Tables, func(s casefile.TableSummary) bool { return s.Name == "items" })
	table := &f.summary.Tables[at]
	table.Restored = 90
	table.Fate = casefile.Divide(table.Lost, table.Missing, 10, 90, []casefile.ReasonCount{{Reason: "in conflict with the target, and not decided", Count: 15}}, true)
	f.summary.Plans = []casefile.PlanSummary{{ID: 1, Made: lossTime(), State: "applied", Rows: 115}}
	_, text := written(t, f, Options{})
	for _, want := range []string{
		"90 rows are in the target again.", "| public.items | 120 | 90 | 10 | 20 | 15: in conflict with the target, and not decided; 5: other versions of rows",
		"| 1 | 2026-11-23 14:00:00.123456 | 115 | applied |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
}
