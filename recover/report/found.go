package report

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// gaps is the section of what could not be read.
func (b *builder) gaps() section {
	s := section{ID: "gaps", Title: "Gaps, and what they mean"}
	if len(b.summary.Gaps) == 0 {
		if len(b.summary.Evidence) > 0 {
			s.say("No command noted evidence that it could not read.")
		}
		return s
	}
	s.say("What could not be read. A gap in the WAL or in a page can hide destroyed rows, and the balance says \"at least\" where that may be.")
	g := newGrid("", text("Where"), text("What"), text("Why"), text("What it means"))
	for i, gap := range b.summary.Gaps {
		if i == mostGaps {
			break
		}
		g.add(b.gapTexts(&gap)...)
	}
	g.more(int64(len(g.Rows)), int64(len(b.summary.Gaps)), "gaps", "case show --json has all of them.")
	s.grid(g)
	return s
}

// gapTexts are those of a gap. In a redacted report, one of a text may quote it.
func (b *builder) gapTexts(gap *evidence.Gap) []string {
	if b.say.opts.Redact {
		for i := range b.summary.Evidence {
			f := &b.summary.Evidence[i]
			kind := evidence.Kind(f.Kind)
			if (kind == evidence.KindSource || kind == evidence.KindLog) && strings.Contains(gap.Where, filepath.Base(f.Path)) {
				return []string{b.say.path(f.Path), takenOut, takenOut, takenOut}
			}
		}
	}
	return []string{b.say.text(gap.Where), b.say.text(gap.What), b.say.text(gap.Why), b.say.text(cmp.Or(gap.Consequence, "–"))}
}

// conflictsOf is the section of the versions on which routes disagree.
func (b *builder) conflicts() section {
	s := section{ID: "conflicts", Title: "Conflicts"}
	total := &b.totals
	if total.Conflicts == 0 {
		if total.Lost > 0 {
			s.say("No two routes disagree on a version of a row.")
		}
		return s
	}
	s.say("Two routes found the same version of a row with different values. `pgrescue restore plan` asks which one counts; nothing is chosen here.")
	g := newGrid("", text("Table"), text("Row"), text("Route"), text("How sure"), text("Columns that differ"))
	for i := range b.facts.conflicts {
		b.addConflict(g, &b.facts.conflicts[i])
	}
	if shown := int64(len(b.facts.conflicts)); shown < total.Conflicts {
		g.More = fmt.Sprintf("%s of %s conflicts are shown. The view row_list of case.db has all versions.", count(shown), count(total.Conflicts))
	}
	s.grid(g)
	return s
}

func (b *builder) addConflict(g *grid, c *casefile.Conflict) {
	var key []string
	for i := range c.Columns {
		if c.Columns[i].Key {
			key = append(key, c.Columns[i].Name+" = "+b.say.value(c.Columns[i].Name, &c.Sides[0].Values[i]))
		}
	}
	row := strings.Join(key, ", ")
	if row == "" {
		row = fmt.Sprintf("tuple %s", c.TID)
	}
	name := b.say.text(b.databaseOf(c.RelationName) + c.RelationName.String())
	for i := range c.Sides {
		side := &c.Sides[i]
		g.addCells(cell{Text: name}, cell{Text: row}, cell{Text: string(side.Route)}, cell{Text: string(side.Confidence)}, cell{Text: b.differing(c, side)})
	}
}

// differing lists the values of a side in the columns on which the sides differ.
func (b *builder) differing(c *casefile.Conflict, side *casefile.Side) string {
	var texts []string
	for i := range c.Columns {
		same := true
		for n := range c.Sides {
			one, first := &c.Sides[n].Values[i], &c.Sides[0].Values[i]
			same = same && one.State == first.State && bytes.Equal(one.Text, first.Text)
		}
		if !same {
			texts = append(texts, c.Columns[i].Name+" = "+b.say.value(c.Columns[i].Name, &side.Values[i]))
		}
	}
	if more := len(texts) - mostDiffering; more > 0 {
		texts = append(texts[:mostDiffering], fmt.Sprintf("and %s more", count(int64(more))))
	}
	return strings.Join(texts, ", ")
}

// logged is the section of the counts in logs.
func (b *builder) logged() section {
	s := section{ID: "counts", Title: "What logs count"}
	sums := newGrid("Beside what the case holds", text("Table"), number("Logs say"), number("The case holds"), number("Not brought back"), number("Held beside these"))
	each := newGrid("The lines that count", text("Table"), text("Rows of"), number("Rows"), text("Line"), text("Why"))
	var all int64
	for i := range b.summary.Tables {
		t := &b.summary.Tables[i]
		if t.Logged == nil {
			continue
		}
		if len(sums.Rows) < mostTables {
			sums.add(b.tableName(&t.Relation), count(t.Logged.Rows), count(t.Logged.Held), count(t.Logged.Missing), count(t.Logged.Others))
		}
		for n := range t.Logged.Of {
			for _, one := range t.Logged.Of[n].Counts {
				if all++; all <= mostCounts {
					each.addCells(b.loggedCount(t, &one)...)
				}
			}
		}
	}
	if all == 0 {
		return s
	}
	each.more(int64(len(each.Rows)), all, "counts", "case show --json has all of them.")
	s.say("A log that counts rows proves that there were so many, not which values they had. Where the case holds fewer, rows are lost that no other route knows of.")
	s.grid(sums)
	s.grid(each)
	return s
}

func (b *builder) loggedCount(t *casefile.TableSummary, one *casefile.Count) []cell {
	what := "the table"
	if one.What != "" {
		what = b.say.name(one.What)
	}
	return []cell{
		{Text: b.tableName(&t.Relation)},
		{Text: what},
		{Text: count(one.Rows)},
		{Text: fmt.Sprintf("%s:%d", b.say.path(one.Source), one.Line), Link: b.manifest.linkOf(one.Source), Mono: true},
		{Text: b.say.quote(one.Why)},
	}
}
