package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// claim is what may have happened, with the evidence for and against.
type claim struct {
	Name     string
	Standing string
	Class    string // of the badge
	Named    bool   // the evidence points to it
	For      []string
	Against  []string
	More     string // how many points are not shown
}

// mostClaimPoints bounds the points that are shown on one side of a hypothesis.
const mostClaimPoints = 12

// hypotheses is the section of what may have happened, as the last triage weighed it.
func (b *builder) hypotheses() section {
	s := section{ID: "hypotheses", Title: "What may have happened"}
	t := b.summary.Triage
	if t == nil || len(t.Hypotheses) == 0 {
		return s
	}
	s.say("As the triage of %s UTC weighed it. Proven is what WAL, files or catalogs show; logs support; statistics alone do neither. A hypothesis that was contradicted is kept, so that nobody has to look again.", shortClock(t.At))
	if t.Named == "" {
		s.note("The triage names none: %s.", b.say.text(t.Why))
	}
	list := slices.Clone(t.Hypotheses)
	slices.SortStableFunc(list, func(x, y casefile.Hypothesis) int { return cmp.Compare(b.weight(&x), b.weight(&y)) })
	var claims []claim
	for i := range list {
		h := &list[i]
		c := claim{Name: b.say.text(h.Name), Standing: b.say.text(h.Standing), Class: standingClass(h.Standing), Named: h.Name == t.Named}
		c.For, c.Against = b.points(h.For), b.points(h.Against)
		if more := len(h.For) + len(h.Against) - len(c.For) - len(c.Against); more > 0 {
			c.More = fmt.Sprintf("%s not shown; case show --json has all of them.", plural(int64(more), "more piece of evidence is", "more pieces of evidence are"))
		}
		claims = append(claims, c)
	}
	s.Blocks = append(s.Blocks, block{Claims: claims})
	return s
}

// weight sorts hypotheses: the one that is named, then by what the evidence makes of them.
func (b *builder) weight(h *casefile.Hypothesis) int {
	if h.Name == b.summary.Triage.Named {
		return -1
	}
	return slices.Index([]string{"proven", "supported", "open", "contradicted"}, standingClass(h.Standing))
}

func standingClass(standing string) string {
	switch standing {
	case "proven", "supported", "contradicted":
		return standing
	}
	return "open"
}

// points are the texts of one side. What is of a log quotes it.
func (b *builder) points(list []casefile.Point) (texts []string) {
	for _, p := range list[:min(len(list), mostClaimPoints)] {
		text := b.say.text(p.Text)
		if p.Source == "log" {
			text = b.say.quote(p.Text)
		}
		if p.Source != "none" {
			text = b.say.text(p.Source) + ": " + text
		}
		texts = append(texts, text)
	}
	return texts
}

// ways is the section of the ways back, and until when they were open.
func (b *builder) ways() section {
	s := section{ID: "ways", Title: "Ways back, and how long they were open"}
	t := b.summary.Triage
	if t == nil || len(t.Coverage) == 0 {
		return s
	}
	s.say("As the triage of %s UTC saw them, with the rows that each was expected to give. What they gave is in the balance.", shortClock(t.At))
	f := &figure{
		Title: "Expected rows by way back", Words: true,
		Keys:    []key{{"c-good", "covers the loss"}, {"c-import", "in part"}, {"c-open", "cannot be told"}, {"c-none", "no"}},
		Caption: "A full bar is the whole loss. A way that covers the loss in part with a number that nobody knows is drawn half.",
	}
	g := newGrid("Ways back", text("Way"), text("Covers"), number("Rows"), number("Of"), text("Why"), text("Open until"))
	for i := range t.Coverage {
		c := &t.Coverage[i]
		until := b.say.text(cmp.Or(c.Expiry, "–"))
		value := b.say.text(c.Covers)
		if c.Rows >= 0 && c.Lost >= 0 && coversClass(c.Covers) != "c-none" {
			value = fmt.Sprintf("%s of %s", count(c.Rows), count(c.Lost))
		}
		row := bar{Label: b.say.text(c.Name), Value: value, Strip: newStrip(22)}
		if !c.Expires.IsZero() {
			row.Note = "until " + shortClock(c.Expires) + " UTC"
		}
		row.Strip.rect(0, 100, 10, 2, "base", "")
		if width := widthOf(c); width > 0 {
			row.Strip.rect(0, width, 4, 14, coversClass(c.Covers), fmt.Sprintf("%s: %s", row.Label, value))
		}
		f.Rows = append(f.Rows, row)
		g.addCells(cell{Text: row.Label}, cell{Text: b.say.text(c.Covers)}, cell{Text: knownCount(c.Rows)}, cell{Text: knownCount(c.Lost)},
			cell{Text: b.say.text(cmp.Or(c.Why, "–"))}, cell{Text: until})
	}
	s.figure(f)
	s.grid(g)
	return s
}

// widthOf is how much of the strip a way back fills, in percent.
func widthOf(c *casefile.Coverage) float64 {
	switch class := coversClass(c.Covers); {
	case class == "c-none":
		return 0
	case c.Rows >= 0 && c.Lost > 0:
		return 100 * float64(min(c.Rows, c.Lost)) / float64(c.Lost)
	case class == "c-import":
		return 50
	}
	return 100
}

func coversClass(covers string) string {
	switch covers {
	case "yes":
		return "c-good"
	case "in part":
		return "c-import"
	case "no":
		return "c-none"
	}
	return "c-open"
}

func knownCount(n int64) string {
	if n < 0 {
		return "?"
	}
	return count(n)
}

// familyOf finds the tables that keys can name a table by: itself, and the partitioned table that it is a part of.
func (b *builder) familyOf(name evidence.RelationName) []evidence.RelationName {
	names := []evidence.RelationName{name}
	for i := range b.summary.Tables {
		if t := &b.summary.Tables[i]; t.RelationName == name && t.PartitionOf.Name != "" {
			root := t.PartitionOf
			root.Database = name.Database
			names = append(names, root)
		}
	}
	return names
}
