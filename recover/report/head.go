package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// lead says in a few sentences what was lost and what came back.
func (b *builder) lead(t *Totals) []string {
	if t.Lost == 0 {
		text := "The case names no destroyed row version yet."
		if held := b.held(); held > 0 {
			text += fmt.Sprintf(" It holds %s that routes found.", plural(held, "row version", "row versions"))
		}
		return []string{text}
	}
	least := ""
	if t.AtLeast {
		least = "At least "
	}
	lines := []string{fmt.Sprintf("%s%s destroyed in %s, by %s.", least, plural(t.Lost, "row version was", "row versions were"),
		plural(int64(t.Tables), "table", "tables"), plural(b.destroyed.Transactions, "transaction", "transactions"))}
	var from []string
	whole := int64(0)
	for _, route := range evidence.Routes() {
		if n := t.Settled[route]; n > 0 {
			whole += n
			from = append(from, fmt.Sprintf("%s from %s", count(n), routeText(route)))
		}
	}
	line := fmt.Sprintf("%s whole again in the case", plural(whole, "is", "are"))
	if whole == 1 {
		line = "1 is whole again in the case"
	}
	if whole > 0 {
		line += ": " + list(from)
	}
	if t.InPart > 0 {
		line += fmt.Sprintf("; %s in part", count(t.InPart))
	}
	if t.Missing == 0 {
		line += "; none is missing"
	} else {
		line += fmt.Sprintf("; %s missing", plural(t.Missing, "is", "are"))
	}
	lines = append(lines, line+".")
	return append(lines, b.caveats(t)...)
}

// caveats are what a reader of the numbers must know.
func (b *builder) caveats(t *Totals) []string {
	var lines []string
	if t.Restored > 0 {
		lines = append(lines, fmt.Sprintf("%s in the target again.", plural(t.Restored, "row is", "rows are")))
	} else {
		lines = append(lines, "No plan of this case has put rows into a database yet.")
	}
	var derived, unsure int64
	for i := range b.summary.Tables {
		derived += b.summary.Tables[i].Derived
		unsure += b.summary.Tables[i].Unsure
	}
	if derived > 0 {
		lines = append(lines, fmt.Sprintf("%s from older pages, and not proven.", plural(derived, "version comes", "versions come")))
	}
	if unsure > 0 {
		lines = append(lines, fmt.Sprintf("Of %s nothing says whether the transaction committed.", plural(unsure, "version", "versions")))
	}
	if t.Conflicts > 0 {
		lines = append(lines, fmt.Sprintf("On %s routes disagree; a person decides.", plural(t.Conflicts, "version", "versions")))
	}
	return lines
}

// held is how many row versions routes found.
func (b *builder) held() int64 {
	var n int64
	for i := range b.summary.Tables {
		for _, found := range b.summary.Tables[i].Rows {
			n += found
		}
	}
	return n
}

// head are the facts at the top.
func (b *builder) head() []fact {
	s := b.summary
	facts := []fact{{"Case", s.Case, true}, {"Folder", b.say.path(s.Dir), true}}
	if s.SystemIdentifier != "" {
		server := "system identifier " + s.SystemIdentifier
		if s.Version > 0 {
			server = fmt.Sprintf("PostgreSQL %d, %s", s.Version, server)
		}
		facts = append(facts, fact{"Server", server, false})
	}
	if names := b.databases(); len(names) > 0 {
		facts = append(facts, fact{"Databases", list(names), false})
	}
	if loss := b.story.loss; len(loss) > 0 {
		facts = append(facts, fact{"Worst transaction", fmt.Sprintf("%s, %s", strings.TrimPrefix(transactionName(loss[0].XID), "transaction "), plural(loss[0].Versions, "row version", "row versions")), false})
		facts = append(facts, fact{"Its end", b.ended(loss[0]), false})
	}
	if n := len(s.Runs); n > 0 {
		facts = append(facts, fact{"As of", fmt.Sprintf("the end of run %d, %s UTC", s.Runs[n-1].ID, shortClock(s.Runs[n-1].Ended)), false})
	}
	if b.say.opts.Redact {
		facts = append(facts, fact{"Redacted", "Names of people, hosts and tenants and values are replaced by pseudonyms (~…); what quotes logs or command lines is taken out. Names of tables and columns, and SHA-256 hashes, are as they are.", false})
	}
	return facts
}

func (b *builder) databases() []string {
	var names []string
	for i := range b.summary.Tables {
		if name := b.summary.Tables[i].Database; name != "" && b.summary.Tables[i].Lost > 0 && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = slices.Clone(b.summary.Databases)
	}
	for i := range names {
		names[i] = b.say.text(names[i])
	}
	return names
}

// culprit names a transaction of the loss.
func (b *builder) culprit(d *destroyer) string {
	return fmt.Sprintf("%s, %s", transactionName(d.XID), b.ended(d))
}

func transactionName(xid pg.XID) string {
	if xid == 0 {
		return "a transaction that is not known"
	}
	return fmt.Sprintf("transaction %d", xid)
}

// ended says when a transaction of the loss ended.
func (b *builder) ended(d *destroyer) string {
	switch {
	case d.Unsure == d.Versions && d.Unsure > 0:
		return "of which nothing says that it committed"
	case d.Commit.IsZero():
		return "whose commit has no known time"
	}
	return "committed " + clock(d.Commit) + " UTC"
}

func shortClock(t time.Time) string { return strings.TrimSpace(t.UTC().Format("2006-01-02 15:04:05")) }
