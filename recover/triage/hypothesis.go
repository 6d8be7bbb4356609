package triage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// HypothesisName is what may have happened.
type HypothesisName string

// The hypotheses.
const (
	Cleanup    HypothesisName = "rows were deleted"
	Cascade    HypothesisName = "rows were deleted along with their parents"
	Truncated  HypothesisName = "a table was truncated"
	Recreated  HypothesisName = "a table was dropped, and perhaps made again"
	Overwrote  HypothesisName = "rows were updated"
	Reshaped   HypothesisName = "columns were dropped"
	Undone     HypothesisName = "it was rolled back or refused"
	OldBackup  HypothesisName = "an old backup was restored"
	Unlogged   HypothesisName = "unlogged tables were emptied after a crash"
	WrongPlace HypothesisName = "this is another database, or an empty volume"
	FilesGone  HypothesisName = "files were removed below the server"
	// DatabaseDropped stands last: it is named where nothing else is.
	DatabaseDropped HypothesisName = "a database was dropped"
)

// Standing is what the evidence makes of a hypothesis.
type Standing string

// The standings.
const (
	Proven       Standing = "proven"
	Supported    Standing = "supported"
	Contradicted Standing = "contradicted"
	CannotTell   Standing = "cannot be told"
)

// Point is one piece of evidence.
type Point struct {
	Source string `json:"source"` // wal, log, catalog, statistics, files, backups
	Text   string `json:"text"`
}

// Hypothesis is what may have happened, with the evidence for and against.
type Hypothesis struct {
	Name     HypothesisName `json:"name"`
	Standing Standing       `json:"standing"`
	Loses    bool           `json:"loses"` // rows are gone if it is true
	For      []Point        `json:"for"`
	Against  []Point        `json:"against"`
}

func (h *Hypothesis) support(source, format string, args ...any) {
	h.For = append(h.For, Point{source, fmt.Sprintf(format, args...)})
}

func (h *Hypothesis) oppose(source, format string, args ...any) {
	h.Against = append(h.Against, Point{source, fmt.Sprintf(format, args...)})
}

// weigher weighs hypotheses against facts.
type weigher struct {
	*Facts
	losses []Loss
	spread []Spread
	named  HypothesisName
}

// hypotheses weighs all of them. Those that say that rows are gone stand first where they are named.
func (w *weigher) hypotheses() []Hypothesis {
	list := []Hypothesis{
		w.filesGone(), w.truncated(), w.recreated(), w.cascade(), w.cleanup(), w.columns(), w.unlogged(), w.wrongPlace(), w.oldBackup(), w.updated(), w.databaseDropped(), w.undone(),
	}
	for i := range list {
		if h := &list[i]; len(h.For)+len(h.Against) == 0 {
			h.oppose("none", "nothing at hand tells for or against it")
		}
	}
	if len(w.losses) > 0 && w.losses[0].Way == ByUpdate { // nothing else stands out in the WAL
		slices.SortStableFunc(list, func(a, b Hypothesis) int {
			first := func(h *Hypothesis) int {
				if h.Name == Overwrote {
					return 0
				}
				return 1
			}
			return first(&a) - first(&b)
		})
	}
	return list
}

// ofWay are the losses of one way.
func (w *weigher) ofWay(way Way) (list []*Loss) {
	for i := range w.losses {
		if w.losses[i].Way == way {
			list = append(list, &w.losses[i])
		}
	}
	return list
}

// mostPoints bounds the pieces of evidence that are listed of one kind.
const mostPoints = 5

// byWay weighs a hypothesis that a statement of one kind did it.
func (w *weigher) byWay(name HypothesisName, way Way) Hypothesis {
	h := Hypothesis{Name: name, Loses: true, Standing: CannotTell}
	list := w.ofWay(way)
	for i, loss := range list {
		if i == mostPoints {
			h.support("wal", "and %d more", len(list)-i)
			break
		}
		if loss.ByLog != nil {
			h.support("log", "%s: %s, %s (%s)", loss.ByLog.Where, shortened(loss.ByLog.Text), loss.ByLog.Fate, loss.ByLog.Why)
			if h.Standing == CannotTell {
				h.Standing = Supported
			}
			continue
		}
		h.Standing = Proven
		h.support("wal", "%s", describe(loss))
		for _, s := range loss.Statements {
			if verb, ok := wayOf(s.Verb); ok && verb == way {
				h.support("log", "%s: %s", s.Where, shortened(s.Text))
			}
		}
	}
	if len(list) == 0 {
		w.noneOf(&h, way)
	}
	w.notCommitted(&h, way)
	return h
}

// describe says what a transaction did.
func describe(loss *Loss) string {
	text := fmt.Sprintf("transaction %d, committed at %s, %s: ", loss.XID, loss.EndLSN, pg.FormatTime(loss.End))
	verb := map[Way]string{ByDelete: "deleted", ByUpdate: "updated", ByTruncate: "truncated", ByDrop: "dropped", ByColumn: "dropped"}[loss.Way]
	var parts []string
	for i := range loss.Tables {
		t := &loss.Tables[i]
		part := verb + " " + t.Name.String()
		if loss.Way == ByColumn {
			part = verb + " " + columnsText(t.Columns) + " of " + t.Name.String()
		}
		if t.Rows >= 0 && (loss.Way == ByDelete || loss.Way == ByUpdate) {
			part = fmt.Sprintf("%s %d rows of %s", verb, t.Rows, t.Name.String())
			if t.Left >= 0 && loss.Way == ByDelete {
				part += fmt.Sprintf(", which has about %d left", t.Left)
			}
		} else if t.Rows >= 0 {
			part += fmt.Sprintf(", with about %d rows", t.Rows)
		}
		parts = append(parts, part)
		if i == mostPoints && len(loss.Tables) > i+1 {
			parts = append(parts, fmt.Sprintf("and %d tables more", len(loss.Tables)-i-1))
			break
		}
	}
	return text + strings.Join(parts, "; ")
}

// shortened is a statement on one line, and not longer than a line.
func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:119]) + "…"
	}
	return text
}

// noneOf says what it means that nothing stands out.
func (w *weigher) noneOf(h *Hypothesis, way Way) {
	if text := w.unnamed(way); text != "" {
		h.oppose("wal", "no committed transaction stands out by %s; %s", way, text)
		return
	}
	switch {
	case w.WAL != nil && !w.WAL.First.IsZero() && w.whole():
		h.Standing = Contradicted
		h.oppose("wal", "in the WAL from %s to %s no committed transaction stands out by %s", pg.FormatTime(w.WAL.First), pg.FormatTime(w.WAL.Last), way)
	case w.WAL != nil:
		h.oppose("wal", "no committed transaction stands out by %s, but the WAL at hand does not cover all of the time", way)
	default:
		h.oppose("wal", "there is no WAL at hand, and only WAL proves what was committed")
	}
}

// unnamed tells of the committed transaction that took most rows in one way, where none stands out; "": none took any number worth telling.
func (w *weigher) unnamed(way Way) string {
	if w.WAL == nil || way != ByDelete && way != ByUpdate {
		return ""
	}
	most, text := int64(fewest-1), ""
	for i := range w.WAL.Transactions {
		tx := &w.WAL.Transactions[i]
		if tx.State != xact.Committed || !w.Asked.within(tx.End) {
			continue
		}
		for j := range tx.Tables {
			c := &tx.Tables[j]
			n := c.Deleted
			if way == ByUpdate {
				n = c.Updated
			}
			if n > most && w.Asked.wants(NameOf(c.Table)) {
				most, text = n, fmt.Sprintf("transaction %d took most, %d rows of %s: others take as many there, or it put others in their place, or it is a small part of the table", tx.XID, n, c.Table)
			}
		}
	}
	return text
}

// whole reports whether the WAL has no gap, and covers what was asked for.
func (w *weigher) whole() bool {
	for i := range w.WAL.Gaps {
		if !w.WAL.Gaps[i].Recycled {
			return false
		}
	}
	return (w.Asked.Since.IsZero() || !w.Asked.Since.Before(w.WAL.First)) && (len(w.Asked.Tables) == 0 || len(w.WAL.Transactions) < mostTransactions)
}

// notCommitted tells of statements of that kind which changed nothing: they are no evidence for it.
func (w *weigher) notCommitted(h *Hypothesis, way Way) {
	if way == ByUpdate && len(w.Asked.Tables) == 0 && len(w.ofWay(way)) == 0 {
		return // every application has some
	}
	n := 0
	for i := range w.Statements {
		s := &w.Statements[i]
		kind, ok := wayOf(s.Verb)
		if !ok || kind != way || s.Fate != Failed && s.Fate != RolledBack || !w.Asked.within(s.Time) || s.Table.Name != "" && !w.Asked.wants(s.Table) {
			continue
		}
		if n++; n > mostPoints {
			continue
		}
		why := s.Why
		if s.SQLState != "" {
			why = strings.TrimPrefix(why+", SQLSTATE "+s.SQLState, ", ")
		}
		h.oppose("log", "%s: %s %s (%s): it changed nothing", s.Where, shortened(s.Text), s.Fate, why)
	}
	if n > mostPoints {
		h.oppose("log", "and %d more that changed nothing", n-mostPoints)
	}
}

func (w *weigher) cleanup() Hypothesis {
	h := w.byWay(Cleanup, ByDelete)
	for i := range w.spread {
		w.spread[i].say(&h)
	}
	w.counters(&h, func(s *Stats) int64 { return s.Deleted }, "n_tup_del")
	return h
}

func (w *weigher) updated() Hypothesis {
	h := w.byWay(Overwrote, ByUpdate)
	w.counters(&h, func(s *Stats) int64 { return s.Updated }, "n_tup_upd")
	return h
}

func (w *weigher) columns() Hypothesis { return w.byWay(Reshaped, ByColumn) }

func columnsText(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, pg.QuoteIdent(name))
	}
	if len(names) == 1 {
		return "column " + quoted[0]
	}
	return "columns " + strings.Join(quoted, ", ")
}

func (w *weigher) truncated() Hypothesis { return w.byWay(Truncated, ByTruncate) }

func (w *weigher) recreated() Hypothesis {
	h := w.byWay(Recreated, ByDrop)
	for _, loss := range w.ofWay(ByDrop) {
		for i := range loss.Tables {
			name := loss.Tables[i].Name
			if slices.ContainsFunc(w.Tables, func(t Table) bool { return !t.Dropped && SameTable(t.Name, name) }) {
				h.support("catalog", "a table %s is there: it was made again", name.String())
			} else if len(w.Tables) > 0 {
				h.support("catalog", "no table %s is there now", name.String())
			}
		}
	}
	for i := range w.Signs {
		if s := &w.Signs[i]; s.Kind == SignRefused && len(h.For) < 3*mostPoints && w.dropped(s.Text) {
			h.support("log", "%s: %s", s.Where, shortened(s.Text))
		}
	}
	return h
}

// dropped reports whether a message names a table that was dropped: others that are not there
// never were, such as the view of an extension that a monitor asks for.
func (w *weigher) dropped(message string) bool {
	for _, loss := range w.ofWay(ByDrop) {
		for i := range loss.Tables {
			if name := loss.Tables[i].Name; strings.Contains(message, `"`+name.Name+`"`) || strings.Contains(message, `"`+name.Schema+"."+name.Name+`"`) {
				return true
			}
		}
	}
	return false
}

// counters tells what the statistics say of the tables that were asked for, or that lost rows.
func (w *weigher) counters(h *Hypothesis, of func(*Stats) int64, name string) {
	n := 0
	for i := range w.Tables {
		t := &w.Tables[i]
		if t.Stats == nil || of(t.Stats) == 0 || !w.hurt(t.Name) {
			continue
		}
		if n++; n <= mostPoints {
			h.support("statistics", "%s of %s is %d; what was rolled back counts too", name, t.Name.String(), of(t.Stats))
		}
	}
}

// hurt reports whether a table was asked for, or lost something.
func (w *weigher) hurt(name evidence.RelationName) bool {
	if len(w.Asked.Tables) > 0 {
		return w.Asked.wants(name)
	}
	for i := range w.losses {
		if slices.ContainsFunc(w.losses[i].Tables, func(t LostTable) bool { return SameTable(t.Name, name) }) {
			return true
		}
	}
	return false
}

// undone: somebody tried, and it was rolled back or refused. Nothing is lost by that.
func (w *weigher) undone() Hypothesis {
	h := Hypothesis{Name: Undone, Standing: CannotTell}
	n := 0
	if w.WAL != nil {
		for i := range w.WAL.Transactions {
			tx := &w.WAL.Transactions[i]
			if tx.State != xact.Aborted || !w.Asked.within(tx.End) {
				continue
			}
			for j := range tx.Tables {
				c := &tx.Tables[j]
				if c.Deleted+c.Updated < fewest && len(w.Asked.Tables) == 0 || c.Deleted+c.Updated == 0 || !w.Asked.wants(NameOf(c.Table)) {
					continue
				}
				if n++; n <= mostPoints {
					h.support("wal", "transaction %d touched %d rows of %s and was rolled back at %s: they are still there", tx.XID, c.Deleted+c.Updated, c.Table, pg.FormatTime(tx.End))
				}
				h.Standing = Proven
			}
		}
	}
	for i := range w.Statements {
		s := &w.Statements[i]
		way, ok := wayOf(s.Verb)
		if !ok || s.Fate != RolledBack && s.Fate != Failed || !w.Asked.within(s.Time) || way == ByUpdate && len(w.Asked.Tables) == 0 || s.Table.Name != "" && !w.Asked.wants(s.Table) {
			continue
		}
		if n++; n <= 2*mostPoints {
			h.support("log", "%s: %s %s (%s)", s.Where, shortened(s.Text), s.Fate, s.Why)
		}
		if h.Standing == CannotTell {
			h.Standing = Supported
		}
	}
	for i := range w.losses {
		same := func(l Loss) bool { return l.ByLog == nil && l.XID == w.losses[i].XID } // one transaction, in several ways
		if i < mostPoints && w.losses[i].ByLog == nil && !slices.ContainsFunc(w.losses[:i], same) {
			h.oppose("wal", "transaction %d was committed", w.losses[i].XID)
		}
	}
	if n == 0 && w.WAL != nil && w.whole() {
		h.Standing = Contradicted
		h.oppose("wal", "no transaction that touched many rows was rolled back")
	}
	return h
}
