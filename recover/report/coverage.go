package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// lane is a line of the coverage: a stretch of time that a source tells of, or the
// times when files were last written.
type lane struct {
	Name    string
	What    string
	Link    string
	Span    span
	Written []time.Time
}

// covers says how a lane lies to the loss.
func (l *lane) covers(at, end time.Time) string {
	switch {
	case at.IsZero():
		return "the time of the loss is not known"
	case len(l.Written) > 0 && !slices.ContainsFunc(l.Written, func(t time.Time) bool { return t.After(at) }):
		return "last written before the loss"
	case len(l.Written) > 0 && !slices.ContainsFunc(l.Written, func(t time.Time) bool { return !t.After(at) }):
		return "last written after the loss began"
	case len(l.Written) > 0:
		return "last written before and after the loss"
	case l.Span.To.Before(at):
		return "ends before the loss"
	case l.Span.From.After(end):
		return "begins after the loss"
	case l.Span.From.After(at) || l.Span.To.Before(end):
		return "covers a part of the loss"
	}
	return "covers the loss"
}

// lanes lists what the case knows of when its sources are.
func (b *builder) lanes() []lane {
	var list []lane
	for _, s := range b.story.sources {
		l := lane{Name: b.say.path(s.Name), What: plural(s.Entries, "entry", "entries"), Span: s.span, Link: b.manifest.linkOf(s.Name)}
		if s.Name == sourceWAL {
			l.Name, l.What = "WAL", plural(s.Entries, "transaction in the timeline", "transactions in the timeline")
		}
		list = append(list, l)
	}
	for _, kind := range []evidence.Kind{evidence.KindLog, evidence.KindSource, evidence.KindBackup, evidence.KindCatalog, evidence.KindImage} {
		l := lane{Name: string(kind)}
		var names []string
		for i := range b.summary.Evidence {
			f := &b.summary.Evidence[i]
			if f.Kind == string(kind) && !f.Modified.IsZero() && !b.tells(f.Path) {
				l.Written = append(l.Written, f.Modified)
				names = append(names, b.say.plain("", filepath.Base(f.Path)))
			}
		}
		if len(l.Written) > 0 {
			l.What = list3(names)
			list = append(list, l)
		}
	}
	return list
}

func list3(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %s more", strings.Join(names[:3], ", "), count(int64(len(names)-3)))
	}
	return strings.Join(names, ", ")
}

// tells reports whether a file has entries in the timeline: these say more than its time.
func (b *builder) tells(path string) bool {
	return slices.ContainsFunc(b.story.sources, func(s *source) bool { return s.Name == path })
}

// coverage is the section of what the evidence covers.
func (b *builder) coverage() section {
	s := section{ID: "coverage", Title: "What the evidence covers"}
	lanes := b.lanes()
	if len(lanes) == 0 && len(b.manifest.segments) == 0 {
		return s
	}
	s.say("Which source reaches over the loss. Sources that the case has not read are not here.")
	if len(lanes) > 0 {
		s.figure(b.strips(lanes))
		g := newGrid("Sources and the loss", text("Source"), text("What"), text("From"), text("To, or last written"), text("The loss"))
		for i := range lanes {
			l := &lanes[i]
			from, to := "–", ""
			if l.Span.From.IsZero() {
				to = clock(slices.MaxFunc(l.Written, time.Time.Compare))
			} else {
				from, to = clock(l.Span.From), clock(l.Span.To)
			}
			g.addCells(cell{Text: l.Name, Link: l.Link, Mono: true}, cell{Text: l.What}, cell{Text: from, Time: true}, cell{Text: to, Time: true},
				cell{Text: l.covers(b.story.at, b.story.end)})
		}
		s.grid(g)
	}
	b.walCoverage(&s)
	return s
}

// strips draws the lanes over the time around the loss.
func (b *builder) strips(lanes []lane) *figure {
	var around span
	for i := range lanes {
		if l := &lanes[i]; !l.Span.From.IsZero() {
			around.add(l.Span.From)
			around.add(l.Span.To)
		}
	}
	if !b.story.at.IsZero() {
		around.add(b.story.at)
		around.add(b.story.end)
	}
	for i := range lanes { // only files: they make the scale
		if around.From.IsZero() || around.To.Equal(around.From) {
			for _, t := range lanes[i].Written {
				around.add(t)
			}
		}
	}
	margin := max(around.To.Sub(around.From)/20, time.Millisecond)
	around = span{around.From.Add(-margin), around.To.Add(margin)}
	f := &figure{
		Title: "Sources over time", Words: true, From: clock(around.From.Truncate(time.Millisecond)), To: clock(around.To.Truncate(time.Millisecond)),
		Keys:    []key{{"c-span", "tells of this stretch"}, {"c-written", "a file was last written"}, {"c-loss", "the loss"}},
		Caption: "A point at the edge stands for a file that was last written outside of this stretch.",
	}
	for i := range lanes {
		f.Rows = append(f.Rows, b.laneBar(&lanes[i], &around))
	}
	f.Diagram = b.gantt(lanes)
	return f
}

func (b *builder) laneBar(l *lane, around *span) bar {
	row := bar{Label: l.Name, Note: l.What, Value: l.covers(b.story.at, b.story.end), Strip: newStrip(26)}
	if !l.Span.From.IsZero() {
		from := around.percent(l.Span.From)
		row.Strip.rect(from, around.percent(l.Span.To)-from, 7, 12, "c-span", fmt.Sprintf("%s: %s to %s", l.Name, clock(l.Span.From), clock(l.Span.To)))
	}
	for i, t := range l.Written {
		if i < mostFiles {
			row.Strip.dot(around.percent(t), 13, "c-written", fmt.Sprintf("%s: %s", l.Name, clock(t)))
		}
	}
	for i, d := range b.story.loss {
		if i < mostBars && !d.Commit.IsZero() {
			row.Strip.mark(around.percent(d.Commit), "incident", b.culprit(d))
		}
	}
	return row
}

// gantt is the same in Mermaid, which knows no time below the millisecond. Its times have
// no zone, so that every reader sees them as they are: in UTC.
func (b *builder) gantt(lanes []lane) string {
	var text strings.Builder
	all := span{}
	task := func(name, tag string, from, to time.Time) {
		if to.Sub(from) < time.Millisecond {
			to = from.Add(time.Millisecond)
		}
		all.add(from)
		all.add(to)
		name = strings.NewReplacer(":", " ", ",", " ").Replace(mermaidText(name))
		const form = "2006-01-02T15:04:05.000"
		_, _ = fmt.Fprintf(&text, "    %s :%s%s, %s\n", name, tag, from.UTC().Format(form), to.UTC().Format(form))
	}
	for i := range lanes {
		if l := &lanes[i]; !l.Span.From.IsZero() {
			task(l.Name, "", l.Span.From, l.Span.To)
		}
	}
	for i, d := range b.story.loss {
		if i < mostBars && !d.Commit.IsZero() {
			from := d.Commit
			if !d.After.IsZero() {
				from = d.After
			}
			task(transactionName(d.XID), "crit, ", from, d.Commit)
		}
	}
	if all.From.IsZero() {
		return ""
	}
	axis := "%H:%M:%S"
	switch whole := all.To.Sub(all.From); {
	case whole < 10*time.Second:
		axis += ".%L"
	case whole > 48*time.Hour:
		axis = "%Y-%m-%d"
	}
	return "gantt\n    dateFormat YYYY-MM-DDTHH:mm:ss.SSS\n    axisFormat " + axis + "\n" + text.String()
}

// walCoverage says which stretch of the WAL the case has.
func (b *builder) walCoverage(s *section) {
	whole, holes, segments := b.manifest.reached()
	if segments == 0 {
		return
	}
	f := &figure{Title: "The WAL by place", From: whole.From.String(), To: whole.To.String(), Keys: []key{{"c-span", "segments of the case"}, {"c-loss", "records of the loss"}}}
	row := bar{Label: "segments", Value: count(int64(segments)), Strip: newStrip(26)}
	at := whole.From
	for _, hole := range append(slices.Clone(holes), stretch{whole.To, whole.To}) {
		from := whole.percent(at)
		row.Strip.rect(from, whole.percent(hole.From)-from, 7, 12, "c-span", fmt.Sprintf("%s to %s", at, hole.From))
		at = hole.To
	}
	g := newGrid("The WAL of the case", text("What"), mono("From"), mono("To"))
	g.add(plural(int64(segments), "segment", "segments"), whole.From.String(), whole.To.String())
	for i, hole := range holes {
		if i < mostGaps {
			g.add("missing in between", hole.From.String(), hole.To.String())
		}
	}
	f.Rows = append(f.Rows, row)
	for i, d := range b.story.loss {
		if i >= mostBars || d.End == 0 {
			continue
		}
		from := whole.percent(d.First)
		loss := bar{Label: transactionName(d.XID), Value: count(d.Versions), Strip: newStrip(22)}
		loss.Strip.rect(from, whole.percent(d.End)-from, 5, 12, "c-loss", fmt.Sprintf("%s to %s", d.First, d.End))
		f.Rows = append(f.Rows, loss)
		g.add(transactionName(d.XID), d.First.String(), d.End.String())
	}
	s.figure(f)
	s.grid(g)
}
