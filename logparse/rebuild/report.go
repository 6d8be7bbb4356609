package rebuild

import (
	"slices"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Report tells what was made of the statements.
type Report struct {
	Committed  int64 // statements that change rows
	Executed   int64 // of which nothing shows that they were committed
	Attempted  int64 // of which the log does not say how they ended
	Failed     int64
	RolledBack int64
	Tables     []TableReport
	Untold     []Untold // of no table
}

// TableReport is what was made of the statements of one table.
type TableReport struct {
	Relation   evidence.RelationName
	Statements int64 // that count, committed or not
	Untold     []Untold
}

// Untold is what a log does not tell of statements.
type Untold struct {
	Verb   string
	Why    string
	Count  int64
	Source string // of the first
	Line   int64
}

// maxUntold bounds how many reasons are kept.
const maxUntold = 200

// untold keeps what a log does not tell.
func (b *Builder) untold(t *table, d *deed, why string, count int64) {
	list := &b.report.Untold
	if t != nil {
		list = &t.report.Untold
	}
	at := slices.IndexFunc(*list, func(u Untold) bool { return u.Verb == d.verb && u.Why == why })
	switch {
	case at >= 0:
		(*list)[at].Count += count
	case len(*list) < maxUntold:
		*list = append(*list, Untold{Verb: d.verb, Why: why, Count: count, Source: d.name, Line: d.line})
	}
}

// Report tells what was made of the statements.
func (b *Builder) Report() Report {
	r := b.report
	meant := b.adopt()
	for _, t := range b.inOrder() {
		if full := meant[t]; full != nil {
			full.report.Statements += t.report.Statements
			full.report.Untold = append(full.report.Untold, t.report.Untold...)
			t.report.Statements, t.report.Untold = 0, nil
		}
	}
	for _, t := range b.inOrder() {
		if meant[t] == nil {
			r.Tables = append(r.Tables, *t.report)
		}
	}
	return r
}
