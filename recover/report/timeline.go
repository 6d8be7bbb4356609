package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// timeline is the section of what happened when.
func (b *builder) timeline() section {
	s := section{ID: "timeline", Title: "Timeline"}
	if b.summary.Events == 0 {
		s.note("The case has no timeline: `pgrescue wal transactions` and `pgrescue logs timeline` write to it.")
		return s
	}
	shown, all := b.story.entries()
	s.say("What the WAL and logs tell, in UTC. The WAL proves what was committed; a log shows what was attempted, and proves a commit only where it shows one.")
	g := newGrid("", text("Time (UTC)"), text("How sure"), text("What"), text("Evidence"))
	for i := range shown {
		g.addCells(b.entry(&shown[i])...)
	}
	if all > int64(len(shown)) {
		g.More = fmt.Sprintf("%s of %s entries are shown: %s. `pgrescue case export` writes all of them.", count(int64(len(shown))), count(all), b.kept())
	}
	s.grid(g)
	s.grid(b.sources())
	return s
}

// kept says how many entries of each rank are shown.
func (b *builder) kept() string {
	var texts []string
	for r := range ranks {
		if seen := b.story.seen[r]; seen > 0 {
			what := [ranks]string{"of transactions of the loss", "of other statements that destroy", "of others in logs", "of other transactions in the WAL"}[r]
			texts = append(texts, fmt.Sprintf("%s of %s %s", count(min(seen, int64(mostOf(r)))), count(seen), what))
		}
	}
	return "those nearest to the loss, " + strings.Join(texts, ", ")
}

func (b *builder) entry(e *entry) []cell {
	what := b.say.quote(e.Message)
	if e.Source == sourceWAL {
		what = b.say.text(e.Message)
	}
	if e.Statement != "" && !quotes(e.Message, e.Statement) {
		what += ": " + b.say.quote(e.Statement)
	}
	if e.detail.LSN != 0 {
		what += " · " + b.say.text(e.detail.WAL)
	}
	if who := b.actor(e); who != "" {
		what = who + " · " + what
	}
	at := cell{Text: clock(e.Time), Time: true}
	if b.story.byXID[e.detail.XID] != nil && badge(e.Certainty) == "committed" {
		at.Mark = true
	}
	return []cell{at, {Text: b.say.text(certaintyOf(e)), Badge: badge(e.Certainty)}, {Text: what}, b.reference(e)}
}

// quotes reports whether a message has a statement in it, or its beginning.
func quotes(message, statement string) bool {
	const enough = 60
	begin := strings.Join(strings.Fields(statement), " ")
	return strings.Contains(strings.Join(strings.Fields(message), " "), begin[:min(len(begin), enough)])
}

// certaintyOf says how sure an entry is. Logs tell of much that has no fate.
func certaintyOf(e *entry) string {
	if e.Source != sourceWAL && badge(e.Certainty) == "other" {
		return "logged: " + e.Certainty
	}
	return e.Certainty
}

// actor names who did it; of a transaction the message has it already.
func (b *builder) actor(e *entry) string {
	var names []string
	if e.Actor != "" && e.Source != sourceWAL {
		names = append(names, b.say.name(e.Actor))
	}
	if e.Tenant != "" {
		names = append(names, "tenant "+b.say.name(e.Tenant))
	}
	return strings.Join(names, ", ")
}

// reference names the evidence of an entry, and links to its line in the manifest.
func (b *builder) reference(e *entry) cell {
	if e.Source == sourceWAL {
		c := cell{Text: "WAL", Mono: true}
		if e.detail.End != 0 {
			c.Text = fmt.Sprintf("WAL %s", e.detail.End)
			c.Link = b.manifest.segmentOf(e.detail.End)
		}
		return c
	}
	c := cell{Text: b.say.path(e.Source), Link: b.manifest.linkOf(e.Source), Mono: true}
	if e.Line > 0 {
		c.Text += fmt.Sprintf(":%d", e.Line)
	}
	return c
}

// sources sums up what each log tells.
func (b *builder) sources() *grid {
	g := newGrid("What each source tells", text("Source"), number("Entries"), text("From"), text("To"), text("How sure"))
	list := b.story.sources
	if b.story.others.Entries > 0 {
		b.story.others.Name = "other sources"
		list = append(slices.Clone(list), &b.story.others)
	}
	for _, one := range list {
		var words []string
		for _, word := range slices.Sorted(maps.Keys(one.Certainty)) {
			words = append(words, count(one.Certainty[word])+" "+b.say.text(word))
		}
		g.addCells(
			cell{Text: b.say.path(one.Name), Link: b.manifest.linkOf(one.Name), Mono: true}, cell{Text: count(one.Entries)},
			cell{Text: clock(one.From), Time: true}, cell{Text: clock(one.To), Time: true}, cell{Text: strings.Join(words, ", ")},
		)
	}
	return g
}

// rate is the section of what was destroyed per second.
func (b *builder) rate() section {
	s := section{ID: "rate", Title: "Destruction over time"}
	bins := b.story.bins
	if len(bins.Loss) == 0 {
		return s
	}
	for _, d := range b.story.loss {
		if at := bins.at(d.Commit); at >= 0 {
			bins.Loss[at] += d.Versions
		}
	}
	f := &figure{
		Title: fmt.Sprintf("Row versions destroyed per %s", bins.per()), From: clock(bins.From), To: clock(bins.To),
		Caption: "The WAL counts at the commit. The bars of transactions reach from where their first record can lie at the earliest, by the commits around it in the WAL, to their commit.",
		Keys:    []key{{"c-loss", "destroyed by the loss"}, {"c-usual", "deleted by other transactions"}},
	}
	f.Rows = append(f.Rows, b.columns("destroyed row versions", 72, []series{{"of the loss", "c-loss", bins.Loss}, {"of others", "c-usual", bins.Usual}}))
	var statements []series
	for _, word := range certainties() {
		if counts := bins.Statements[word]; counts != nil {
			statements = append(statements, series{certaintyText(word), "c-" + word, counts})
			f.Keys = append(f.Keys, key{"c-" + word, "statement, " + certaintyText(word)})
		}
	}
	if len(statements) > 0 {
		f.Rows = append(f.Rows, b.columns("statements in logs that destroy", 48, statements))
	}
	for i, d := range b.story.loss {
		if i < mostBars && !d.Commit.IsZero() {
			f.Rows = append(f.Rows, b.transactionBar(d))
		}
	}
	s.figure(f)
	s.grid(b.binsTable())
	s.grid(b.transactions())
	return s
}

// mostBars is how many transactions are drawn over time.
const mostBars = 8

// certainties are the classes of words of certainty, the surest first.
func certainties() []string {
	return []string{"committed", "executed", "attempted", "failed", "undone", "other"}
}

func certaintyText(class string) string {
	switch class {
	case "undone":
		return "rolled back"
	case "other":
		return "not known how it ended"
	}
	return class
}

// series is a count of each stretch of time.
type series struct {
	Name, Class string
	N           []int64
}

// columns draws counts of each stretch of time, one upon the other.
func (b *builder) columns(label string, height int, list []series) bar {
	row := bar{Label: label, Strip: newStrip(height)}
	most, sum := int64(1), int64(0)
	bins := len(list[0].N)
	for i := range bins {
		all := int64(0)
		for _, one := range list {
			all += one.N[i]
		}
		most, sum = max(most, all), sum+all
	}
	row.Value, row.Note = count(sum), "highest "+count(most)
	row.Strip.rect(0, 100, height-1, 1, "base", "")
	width := 100 / float64(bins)
	at := b.story.bins.From
	for i := range bins {
		down := height
		for _, one := range list {
			if one.N[i] == 0 {
				continue
			}
			tall := max(2, int(float64(height-2)*float64(one.N[i])/float64(most)))
			down -= tall
			row.Strip.rect((float64(i)+0.1)*width, width*0.8, max(down, 0), tall, one.Class, fmt.Sprintf("%s, %s: %s", at.Format("15:04:05.000"), one.Name, count(one.N[i])))
		}
		at = at.Add(b.story.bins.Width)
	}
	return row
}

// transactionBar draws a transaction of the loss from its first record to its commit.
func (b *builder) transactionBar(d *destroyer) bar {
	bins := b.story.bins
	row := bar{Label: transactionName(d.XID), Value: count(d.Versions), Strip: newStrip(22)}
	to := bins.percent(d.Commit)
	left := to
	title := fmt.Sprintf("%s, %s", transactionName(d.XID), b.ended(d))
	if !d.After.IsZero() {
		from := bins.percent(d.After)
		row.Strip.rect(from, to-from, 6, 10, "c-loss", title)
		left = from
	}
	row.Strip.mark(to, "incident", title)
	if to <= 60 {
		left = to
	}
	row.Strip.label(left, 15, d.Commit.Format("15:04:05.000"))
	return row
}

// binsTable has the numbers of the drawing, of those stretches in which something was.
func (b *builder) binsTable() *grid {
	bins := b.story.bins
	var words []string
	for _, word := range certainties() {
		if bins.Statements[word] != nil {
			words = append(words, word)
		}
	}
	head := []column{text("From (UTC)"), number("Destroyed by the loss"), number("Deleted by others")}
	for _, word := range words {
		head = append(head, number("Statements, "+certaintyText(word)))
	}
	g := newGrid(fmt.Sprintf("Per %s; stretches without any are left out", bins.per()), head...)
	for i := range bins.Loss {
		line := []string{clock(bins.From.Add(bins.Width * time.Duration(i))), count(bins.Loss[i]), count(bins.Usual[i])}
		sum := bins.Loss[i] + bins.Usual[i]
		for _, word := range words {
			sum += bins.Statements[word][i]
			line = append(line, count(bins.Statements[word][i]))
		}
		if sum > 0 {
			g.add(line...)
			g.Rows[len(g.Rows)-1][0].Time = true
		}
	}
	return g
}

// transactions lists the transactions of the loss.
func (b *builder) transactions() *grid {
	g := newGrid("Transactions of the loss", number("Transaction"), text("First record"), text("Committed (UTC)"), mono("WAL"), number("Row versions"), number("Tables"))
	for _, d := range b.story.loss {
		name := fmt.Sprint(d.XID)
		if d.XID == 0 {
			name = "not known"
		}
		committed := clock(d.Commit)
		if d.Unsure > 0 {
			committed += fmt.Sprintf(" (not proven for %s)", plural(d.Unsure, "version", "versions"))
		}
		names := make(map[string]bool)
		for i := range d.Tables {
			names[d.Tables[i].RelationName.String()] = true
		}
		g.add(name, started(d), committed, fmt.Sprintf("%s – %s", d.First, d.End), count(d.Versions), count(int64(len(names))))
	}
	g.more(int64(len(b.story.loss)), b.destroyed.Transactions, "transactions", "These destroyed most; case export has the whole ledger.")
	return g
}

// started says between which commits a transaction wrote its first record.
func started(d *destroyer) string {
	switch {
	case !d.After.IsZero() && !d.Before.IsZero():
		return fmt.Sprintf("between %s and %s", d.After.Format("15:04:05.000000"), d.Before.Format("15:04:05.000000"))
	case !d.After.IsZero():
		return "after " + clock(d.After)
	case !d.Before.IsZero():
		return "before " + clock(d.Before)
	}
	return "time not known"
}
