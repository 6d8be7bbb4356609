// Package report writes what a case knows as a postmortem, in HTML and in Markdown.
//
//   - report: what is known of one loss, in sections, and the questions that only
//     people can answer, as blanks. It is made of the case alone: the same case gives
//     the same bytes.
//   - equation: lost = settled by each route + in part + missing, of one table. A
//     report of a case whose equations do not balance is refused.
//   - figure: a drawing of rows, each with a strip: an SVG whose places across are in
//     percent, so that it fits a phone without smaller letters. A table with the same
//     numbers follows every figure.
//   - grid: a table of the report. It has a bounded number of lines and says how many
//     more there are, so that a report stays small however large the case is.
//   - claim: a hypothesis with the evidence for and against, as triage weighed it.
//   - blank: a question that nobody but a person may answer.
//
// The package knows casefile and no route.
package report

import (
	"context"
	"fmt"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Options are the choices of Make.
type Options struct {
	// Version is that of the pgrescue that writes the report.
	Version string
	// Mask gives a text without its secrets; field is the name of the column that it is
	// a value of, "" of other texts. nil: nothing is masked.
	Mask func(field, text string) string
	// Redact takes out what says something about people: names and values are replaced
	// by pseudonyms under Key, as in an export of the case, and what quotes them is left out.
	Redact bool
	Key    []byte
	// Runbooks are the runs of runbooks that responders followed, as their journals have them.
	Runbooks []RunbookRun
}

// Report is a report that is ready to be written.
type Report struct {
	Title string
	// Lead says in a few sentences what was lost and what came back.
	Lead []string
	// Terms are the equation of all tables together.
	Terms    []part
	Facts    []fact
	Sections []section
	Foot     string
	redacted bool
	totals   Totals
}

// Lost is what was lost, as text.
func (r *Report) Lost() string { return lostCount(r.totals.AtLeast, r.totals.Lost) }

// Totals are the equation of all tables together.
type Totals struct {
	Tables  int                      `json:"tables"`
	Lost    int64                    `json:"lost"`
	Settled map[evidence.Route]int64 `json:"settled,omitempty"`
	InPart  int64                    `json:"in_part"`
	Missing int64                    `json:"missing"`
	// AtLeast: more may be lost than the ledger names.
	AtLeast   bool  `json:"at_least"`
	Restored  int64 `json:"restored"`
	Conflicts int64 `json:"in_conflict"`
	Events    int64 `json:"events"`
	Gaps      int   `json:"gaps"`
}

// Totals gives the equation of all tables together.
func (r *Report) Totals() Totals { return r.totals }

// Redacted reports whether what says something about people was taken out.
func (r *Report) Redacted() bool { return r.redacted }

// fact is a line of the head of a report.
type fact struct {
	Name string
	Text string
	Mono bool
}

// section is a chapter of a report; ID is what links name.
type section struct {
	ID, Title string
	Blocks    []block
}

// block is a part of a section: one of these is there.
type block struct {
	Text   string
	Note   string // a text that a reader must not miss
	Figure *figure
	Grid   *grid
	Tree   []branch
	Claims []claim
	Blank  *blank
}

func (s *section) say(format string, args ...any) {
	s.Blocks = append(s.Blocks, block{Text: fmt.Sprintf(format, args...)})
}

func (s *section) note(format string, args ...any) {
	s.Blocks = append(s.Blocks, block{Note: fmt.Sprintf(format, args...)})
}

func (s *section) figure(f *figure) { s.Blocks = append(s.Blocks, block{Figure: f}) }

// grid adds a table, if it has a line.
func (s *section) grid(g *grid) {
	if len(g.Rows) > 0 {
		s.Blocks = append(s.Blocks, block{Grid: g})
	}
}

// Make reads the case and makes the report.
func Make(ctx context.Context, c *casefile.Case, opts Options) (*Report, error) {
	f, err := read(ctx, c)
	if err != nil {
		return nil, err
	}
	return compose(f, opts)
}

// compose makes the report of what was read.
func compose(f *facts, opts Options) (*Report, error) {
	if err := balanced(f.summary); err != nil {
		return nil, err
	}
	b := &builder{facts: f, totals: totalsOf(f.summary), say: newSpeech(f, opts), manifest: newManifest(f)}
	r := &Report{Title: "What was lost, and what came back", redacted: opts.Redact, totals: b.totals}
	r.Lead, r.Facts = b.lead(&r.totals), b.head()
	r.Terms = parts(&r.totals, r.totals.Settled, r.totals.InPart, r.totals.Missing)
	for _, make := range []func() section{
		b.balance, b.fates, b.hypotheses, b.timeline, b.rate, b.fall, b.ways, b.coverage, b.gaps, b.conflicts, b.logged, b.evidence, b.runbooks, b.journal, b.questions,
	} {
		if s := make(); len(s.Blocks) > 0 {
			r.Sections = append(r.Sections, s)
		}
	}
	r.Foot = "Written by pgrescue " + opts.Version + " from the case alone. Times are UTC."
	return r, nil
}

// builder makes the sections of a report.
type builder struct {
	*facts
	totals   Totals
	say      *speech
	manifest *manifest
}

// clock prints a time to the microsecond.
func clock(t time.Time) string {
	if t.IsZero() {
		return "time not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000")
}
