package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ErrUnbalanced tells that an equation of the case does not hold.
var ErrUnbalanced = errors.New("the balance of a table does not add up")

// balanced makes sure that every table's equation holds.
func balanced(s *casefile.Summary) error {
	for i := range s.Tables {
		t := &s.Tables[i]
		sum := t.InPart + t.Missing
		for _, n := range t.Settled {
			sum += n
		}
		if sum != t.Lost {
			return &evidence.Error{
				Op: "report: add up", Place: t.RelationName.String(), Err: ErrUnbalanced,
				Hint: "`pgrescue case verify` says what of the case is not as it was written",
			}
		}
	}
	return nil
}

func totalsOf(s *casefile.Summary) Totals {
	t := Totals{Settled: make(map[evidence.Route]int64), Events: s.Events, Gaps: len(s.Gaps)}
	for i := range s.Tables {
		one := &s.Tables[i]
		if one.Lost > 0 {
			t.Tables++
		}
		t.add(one)
	}
	return t
}

func (t *Totals) add(one *casefile.TableSummary) {
	t.Lost, t.InPart, t.Missing = t.Lost+one.Lost, t.InPart+one.InPart, t.Missing+one.Missing
	t.Restored, t.Conflicts = t.Restored+one.Restored, t.Conflicts+one.Conflicts
	for route, n := range one.Settled {
		t.Settled[route] += n
	}
	t.AtLeast = t.AtLeast || atLeast(one)
}

// atLeast reports whether more may be lost than the ledger of a table names.
func atLeast(t *casefile.TableSummary) bool {
	return slices.ContainsFunc(t.Losses, func(l casefile.Loss) bool {
		return !l.Covered || strings.Contains(string(l.Unseen), `"why"`)
	})
}

// routeText says what a route is.
func routeText(r evidence.Route) string {
	switch r {
	case evidence.RouteHeap:
		return "dead tuples in the relation files"
	case evidence.RouteWAL:
		return "the WAL"
	case evidence.RouteStream:
		return "a change stream"
	case evidence.RoutePITR:
		return "a base backup that was replayed"
	case evidence.RouteDump:
		return "a dump"
	case evidence.RouteImport:
		return "source files, imported again"
	case evidence.RouteLogs:
		return "logs"
	}
	return string(r)
}

// part is a term of an equation.
type part struct {
	Name  string
	Class string
	N     int64
}

// parts are the terms that an equation has: of each route that settled something in
// the case, and of what is in part or missing.
func parts(all *Totals, settled map[evidence.Route]int64, inPart, missing int64) []part {
	var list []part
	for _, route := range evidence.Routes() {
		if all.Settled[route] > 0 || route == evidence.RouteHeap || route == evidence.RouteWAL {
			list = append(list, part{string(route), "c-" + string(route), settled[route]})
		}
	}
	return append(list, part{"in part", "c-part", inPart}, part{"missing", "c-missing", missing})
}

// equation is lost = … as a line.
func equation(least bool, lost int64, list []part) string {
	var terms []string
	for _, p := range list {
		terms = append(terms, count(p.N)+" "+p.Name)
	}
	return fmt.Sprintf("%s lost = %s", lostCount(least, lost), strings.Join(terms, " + "))
}

// lostCount is how many were lost, or how many at least.
func lostCount(least bool, lost int64) string {
	if least {
		return "≥ " + count(lost)
	}
	return count(lost)
}

// tableName names a table, and the partitioned table that it is a part of.
func (b *builder) tableName(t *casefile.Relation) string {
	name := b.databaseOf(t.RelationName) + t.RelationName.String()
	if t.PartitionOf.Name != "" {
		name += " (of " + t.PartitionOf.String() + ")"
	}
	return b.say.text(name)
}

// databaseOf names the database where the case has tables of several.
func (b *builder) databaseOf(name evidence.RelationName) string {
	for i := range b.summary.Tables {
		if b.summary.Tables[i].Database != name.Database && name.Database != "" {
			return name.Database + ": "
		}
	}
	return ""
}

// lossy lists the tables that lost something, the worst first.
func (b *builder) lossy() []*casefile.TableSummary {
	var list []*casefile.TableSummary
	for i := range b.summary.Tables {
		if t := &b.summary.Tables[i]; t.Lost > 0 || len(t.Losses) > 0 {
			list = append(list, t)
		}
	}
	slices.SortStableFunc(list, func(x, y *casefile.TableSummary) int { return cmp.Compare(y.Lost, x.Lost) })
	return list
}

// balance is the section of the equations.
func (b *builder) balance() section {
	s := section{ID: "balance", Title: "The balance"}
	tables := b.lossy()
	if len(tables) == 0 {
		s.note("The case holds no ledger: no command has named yet what was destroyed. `pgrescue undelete` does.")
		return s
	}
	all := b.totals
	s.say("Every destroyed row version is one line of the ledger, and every line is settled by one route, in part, or missing with its reason. The numbers add up to the row.")
	figure := &figure{Title: "Lost row versions by table", Keys: keysOf(&all)}
	head := []column{text("Table"), number("Lost")}
	for i, p := range parts(&all, all.Settled, 0, 0) {
		sign := "+ "
		if i == 0 {
			sign = "= "
		}
		head = append(head, number(sign+p.Name))
	}
	table := newGrid("The equation of each table", head...)
	rest := Totals{Settled: make(map[evidence.Route]int64)} // the tables that have no line
	for i, t := range tables {
		if i >= mostTables {
			rest.add(t)
			continue
		}
		list := parts(&all, t.Settled, t.InPart, t.Missing)
		table.add(equationLine(b.tableName(&t.Relation), atLeast(t), t.Lost, list)...)
		figure.Rows = append(figure.Rows, stacked(b.tableName(&t.Relation), t.Lost, max(tables[0].Lost, 1), list))
	}
	if more := len(tables) - mostTables; more > 0 {
		list := parts(&all, rest.Settled, rest.InPart, rest.Missing)
		table.add(equationLine(plural(int64(more), "more table", "more tables"), rest.AtLeast, rest.Lost, list)...)
	}
	list := parts(&all, all.Settled, all.InPart, all.Missing)
	if len(tables) > 1 {
		table.add(equationLine("all tables", all.AtLeast, all.Lost, list)...)
		table.Rows[len(table.Rows)-1][0].Mark = true
	}
	s.figure(figure)
	s.grid(table)
	s.say("%s", equation(all.AtLeast, all.Lost, list))
	s.figure(waterfall(&all, list))
	s.grid(b.routes(&all, list))
	s.grid(b.reasons(tables))
	s.grid(b.uncovered(tables))
	return s
}

func equationLine(name string, least bool, lost int64, list []part) []string {
	line := []string{name, lostCount(least, lost)}
	for _, p := range list {
		line = append(line, count(p.N))
	}
	return line
}

func keysOf(all *Totals) []key {
	var keys []key
	for _, p := range parts(all, all.Settled, all.InPart, all.Missing) {
		if p.N > 0 {
			keys = append(keys, key{p.Class, p.Name})
		}
	}
	return keys
}

// stacked is a bar with the terms of an equation one behind the other.
func stacked(name string, lost, most int64, list []part) bar {
	row := bar{Label: name, Value: count(lost), Strip: newStrip(22)}
	at := 0.0
	for _, p := range list {
		if p.N > 0 {
			width := 100 * float64(p.N) / float64(most)
			row.Strip.rect(at, width, 2, 18, p.Class, fmt.Sprintf("%s: %s %s", name, count(p.N), p.Name))
			at += width
		}
	}
	return row
}

// waterfall shows how the loss was settled, route after route.
func waterfall(all *Totals, list []part) *figure {
	f := &figure{Title: "From the loss to what is missing", Caption: "Each bar begins where the one before ends: what it settles is off the loss."}
	lost := bar{Label: "lost", Value: count(all.Lost), Strip: newStrip(22)}
	lost.Strip.rect(0, 100, 2, 18, "c-lost", count(all.Lost)+" lost")
	f.Rows = append(f.Rows, lost)
	left := all.Lost
	for _, p := range list {
		row := bar{Label: p.Name, Value: count(p.N), Strip: newStrip(22)}
		if all.Lost > 0 {
			before := 100 * float64(left) / float64(all.Lost)
			left -= p.N
			after := 100 * float64(left) / float64(all.Lost)
			row.Strip.mark(before, "step", "")
			if p.N > 0 {
				row.Strip.rect(after, before-after, 2, 18, p.Class, fmt.Sprintf("%s %s", count(p.N), p.Name))
			}
		}
		f.Rows = append(f.Rows, row)
	}
	return f
}

// routes says in words what each route settled.
func (b *builder) routes(all *Totals, list []part) *grid {
	g := newGrid("What each route settled", text("Route"), number("Row versions"), number("Share"), text("What it is"))
	for _, p := range list {
		what := "some of the values are known"
		switch {
		case p.Name == "missing":
			what = "no route has their values"
		case p.Name != "in part":
			what = routeText(evidence.Route(p.Name))
		}
		share := "–"
		if all.Lost > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(p.N)/float64(all.Lost))
		}
		g.add(p.Name, count(p.N), share, what)
	}
	return g
}

func (b *builder) reasons(tables []*casefile.TableSummary) *grid {
	g := newGrid("Why row versions are missing, or whole in part only", text("Table"), number("Row versions"), text("Why"))
	var all int64
	for _, t := range tables {
		for _, reason := range t.Reasons {
			if all++; all <= mostTables {
				g.add(b.tableName(&t.Relation), count(reason.Count), b.say.text(reason.Reason))
			}
		}
	}
	g.more(int64(len(g.Rows)), all, "reasons", "case show --json has all of them.")
	return g
}

func (b *builder) uncovered(tables []*casefile.TableSummary) *grid {
	g := newGrid("Where more may be lost than the ledger names", text("Table"), text("Transactions"), text("Why"))
	var all int64
	for _, t := range tables {
		for _, loss := range t.Losses {
			why := loss.Why
			switch {
			case !loss.Covered:
			case strings.Contains(string(loss.Unseen), `"why"`):
				why = "pages of the removed table were not to be seen"
			default:
				continue
			}
			if all++; all <= mostTables {
				var xids []string
				for _, xid := range loss.XIDs {
					xids = append(xids, fmt.Sprint(xid))
				}
				g.add(b.tableName(&t.Relation), list(xids), b.say.text(why))
			}
		}
	}
	g.more(int64(len(g.Rows)), all, "losses", "case show --json has all of them.")
	return g
}

// fates is the section of what became of the lost versions.
func (b *builder) fates() section {
	s := section{ID: "fate", Title: "What became of the lost rows"}
	g := newGrid("Lost = restored + intermediate + not restored", text("Table"), number("Lost"), number("= restored"), number("+ intermediate"), number("+ not restored"), text("Why not"))
	var all int64
	for _, t := range b.lossy() {
		if all++; all > mostTables {
			continue
		}
		var why []string
		for _, reason := range t.Fate.Why {
			text := b.say.text(reason.Reason)
			if len(t.Fate.Why) > 1 {
				text = count(reason.Count) + ": " + text
			}
			why = append(why, text)
		}
		g.add(b.tableName(&t.Relation), count(t.Fate.Lost), count(t.Fate.Restored), count(t.Fate.Intermediate), count(t.Fate.NotRestored), strings.Join(why, "; "))
	}
	g.more(int64(len(g.Rows)), all, "tables", "case show --json has all of them.")
	if all == 0 {
		return s
	}
	s.say("Restored rows are in the target again. Intermediate versions were made by the transaction that destroyed them: nobody ever saw them.")
	s.grid(g)
	plans := newGrid("Plans of restore", number("Plan"), text("Made"), number("Rows"), text("State"))
	for i, p := range b.summary.Plans {
		if i < mostRuns {
			plans.add(fmt.Sprint(p.ID), clock(p.Made), count(p.Rows), b.say.text(p.State))
		}
	}
	plans.more(int64(len(plans.Rows)), int64(len(b.summary.Plans)), "plans", "case show has all of them.")
	s.grid(plans)
	return s
}
