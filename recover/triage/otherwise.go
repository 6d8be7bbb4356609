package triage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// cascade: one DELETE took rows of several tables, because they refer to each other.
func (w *weigher) cascade() Hypothesis {
	h := Hypothesis{Name: Cascade, Loses: true, Standing: CannotTell}
	seen := false
	for _, loss := range w.ofWay(ByDelete) {
		if len(loss.Tables) < 2 {
			continue
		}
		seen = true
		pairs, known := w.cascades(loss)
		unnamed := unstated(loss)
		switch {
		case len(pairs) > 0 && len(unnamed) == 0 && deletes(loss):
			h.oppose("log", "a DELETE of its own in the logs names each table of transaction %d", loss.XID)
		case len(pairs) > 0:
			h.support("wal", "%s", describe(loss))
			h.support("catalog", "%s refers to it with ON DELETE CASCADE", strings.Join(pairs, ", "))
			if len(unnamed) > 0 {
				h.support("log", "no statement of the transaction in the logs names %s", strings.Join(unnamed, ", "))
			}
			if w.oneRoot(loss) {
				h.Standing = Proven
				break
			}
			if h.Standing == CannotTell {
				h.Standing = Supported
			}
			h.oppose("catalog", "one DELETE and its cascade do not explain all tables of transaction %d: several of them refer to none of the others with ON DELETE CASCADE", loss.XID)
		case len(unnamed) > 0:
			h.support("wal", "%s", describe(loss))
			h.support("log", "no statement of the transaction in the logs names %s", strings.Join(unnamed, ", "))
			if h.Standing == CannotTell {
				h.Standing = Supported
			}
		case known:
			h.oppose("catalog", "no foreign key with ON DELETE CASCADE joins the tables of transaction %d", loss.XID)
		default:
			h.oppose("catalog", "transaction %d deleted from %d tables; which foreign keys they had, the catalogs at hand do not tell: add --dsn", loss.XID, len(loss.Tables))
		}
	}
	switch {
	case !seen && w.WAL != nil && w.whole():
		h.Standing = Contradicted
		h.oppose("wal", "no transaction that stands out deleted from several tables")
	case seen && len(h.For) == 0 && w.everyKeyKnown():
		h.Standing = Contradicted
	}
	return h
}

// cascades are the children among the tables of a loss, with their parents; known: a server or catalogs told the foreign keys.
func (w *weigher) cascades(loss *Loss) (pairs []string, known bool) {
	for i := range loss.Tables {
		t := w.table(loss.Tables[i].Name)
		if t == nil || !t.ParentsKnown {
			continue
		}
		known = true
		for _, parent := range t.Parents {
			pair := t.Name.String() + " → " + parent.String()
			if loss.takes(parent) && !SameTable(parent, t.Name) && !slices.Contains(pairs, pair) {
				pairs = append(pairs, pair)
			}
		}
	}
	return pairs, known
}

// takes reports whether a loss took from a table.
func (l *Loss) takes(name evidence.RelationName) bool {
	return slices.ContainsFunc(l.Tables, func(t LostTable) bool { return SameTable(t.Name, name) })
}

// oneRoot reports whether a DELETE of one table explains the whole loss: all others refer to a table of it.
func (w *weigher) oneRoot(loss *Loss) bool {
	roots := 0
	for i := range loss.Tables {
		name := loss.Tables[i].Name
		t := w.table(name)
		if t == nil || !slices.ContainsFunc(t.Parents, func(parent evidence.RelationName) bool { return !SameTable(parent, name) && loss.takes(parent) }) {
			roots++
		}
	}
	return roots == 1
}

func (w *weigher) everyKeyKnown() bool {
	return len(w.Tables) > 0 && !slices.ContainsFunc(w.Tables, func(t Table) bool { return !t.ParentsKnown })
}

// deletes reports whether logs show a DELETE of the transaction.
func deletes(loss *Loss) bool {
	return slices.ContainsFunc(loss.Statements, func(s *Statement) bool { return s.Verb == "DELETE" && s.Fate != RolledBack })
}

// unstated are the tables of a loss that no DELETE of its in the logs names, where there is one.
func unstated(loss *Loss) (names []string) {
	for i := range loss.Tables {
		name := loss.Tables[i].Name
		if deletes(loss) && !slices.ContainsFunc(loss.Statements, func(s *Statement) bool { return s.Verb == "DELETE" && s.Fate != RolledBack && SameTable(s.Table, name) }) {
			names = append(names, name.String())
		}
	}
	return names
}

// unlogged: a crash empties unlogged tables, for their pages are in no WAL.
func (w *weigher) unlogged() Hypothesis {
	h := Hypothesis{Name: Unlogged, Loses: true, Standing: CannotTell}
	tables, empty, emptied := w.unloggedTables()
	crashed := false
	for i := range w.Signs {
		if s := &w.Signs[i]; s.Kind == SignCrash && w.Asked.within(s.Time) {
			if crashed = true; len(tables) > 0 && len(h.For) < mostPoints {
				h.support("log", "%s: %s", s.Where, shortened(s.Text))
			}
		}
	}
	switch {
	case len(w.Tables) == 0:
		h.oppose("catalog", "there are no catalogs at hand that tell which tables are unlogged")
		return h
	case len(tables) == 0:
		h.Standing = Contradicted
		h.oppose("catalog", "no table is unlogged")
		return h
	}
	what := "unlogged: " + few(tables)
	switch {
	case len(emptied) > 0 && w.restored():
		h.support("files", "%s; the catalogs count rows of %s, and its file holds none of them", what, few(emptied))
		h.oppose("files", "a base backup was restored, which leaves unlogged tables empty too")
	case len(emptied) > 0:
		h.Standing = Proven
		h.support("catalog", "%s", what)
		h.support("files", "the last VACUUM or ANALYZE counted rows of %s, and its file is too short for them: so a crash leaves it, and neither DELETE nor TRUNCATE", few(emptied))
	case len(empty) > 0 && crashed:
		h.Standing = Supported
		h.support("catalog", "%s", what)
		h.support("files", "the file of %s is empty; whether it had rows, nothing at hand tells", few(empty))
	case len(empty) > 0:
		h.support("catalog", "%s; the file of %s is empty", what, few(empty))
		h.oppose("log", "no log at hand tells of a crash, and the catalogs count no rows of it")
	case crashed && w.DataDir != nil && !w.DataDir.Running:
		h.oppose("files", "the files of the unlogged tables are not empty: copy them before a server starts on them, which empties them")
	case w.DataDir != nil && !w.DataDir.CleanShutdown && w.DataDir.State != "":
		h.oppose("files", "%s, not empty yet; pg_control says %q: a server that starts on this directory empties them, so copy it first", what, w.DataDir.State)
	default:
		h.Standing = Contradicted
		h.oppose("files", "%s, and not empty", what)
	}
	return h
}

// few is the beginning of a list of names.
func few(names []string) string { return strings.Join(names[:min(len(names), mostPoints)], ", ") }

// mostOnPage is how many rows a page holds at most (MaxHeapTuplesPerPage), and pageSize how long it is unless somebody built the server otherwise.
const (
	mostOnPage = 291
	pageSize   = 8192
)

// unloggedTables are the unlogged tables, those whose file is empty though nobody knows whether they had rows, and those
// whose file cannot hold the rows that the catalogs count.
func (w *weigher) unloggedTables() (tables, empty, emptied []string) {
	for i := range w.Tables {
		t := &w.Tables[i]
		if !t.Unlogged || t.Dropped || len(w.Asked.Tables) > 0 && !w.Asked.wants(t.Name) {
			continue
		}
		name := t.Name.String()
		tables = append(tables, name)
		switch {
		case t.Bytes < 0:
		case t.Rows > float64(t.Bytes/pageSize*mostOnPage):
			emptied = append(emptied, name)
		case t.Bytes == 0 && (t.Stats == nil || t.Stats.Inserted == 0):
			empty = append(empty, name)
		}
	}
	return tables, empty, emptied
}

// restored reports whether the files tell that a base backup was restored: within what the WAL at hand reaches, or from one that is new.
func (f *Facts) restored() bool {
	d := f.DataDir
	switch {
	case d == nil || d.RestoredBy == "" || d.Standby || f.Server != nil && f.Server.Standby:
		return false
	case f.WAL != nil && d.BackupStart != 0 && d.BackupStart >= f.WAL.Start:
		return true
	}
	return !d.BackupTime.IsZero() && f.Now.Sub(d.BackupTime) < young
}

// statistics says what the counters say, and why they alone prove nothing.
func (w *weigher) statistics() (list []string) {
	if w.Server == nil {
		return nil
	}
	n := 0
	for i := range w.Tables {
		t := &w.Tables[i]
		if t.Stats == nil || !w.hurt(t.Name) {
			continue
		}
		if n++; n <= 2*mostPoints {
			list = append(list, fmt.Sprintf("%s: n_tup_ins %d, n_tup_upd %d, n_tup_del %d, n_live_tup %d, n_dead_tup %d", t.Name.String(), t.Stats.Inserted, t.Stats.Updated, t.Stats.Deleted, t.Stats.Live, t.Stats.Dead))
		}
	}
	since := "since the cluster was made or crashed last"
	if !w.Server.StatsReset.IsZero() {
		since = "since " + pg.FormatTime(w.Server.StatsReset)
	}
	return append(list, fmt.Sprintf("the counters are of what was tried %s: a DELETE that was rolled back stays in n_tup_del, TRUNCATE sets n_live_tup to 0 and counts no row, and a crash sets all to 0; alone they prove nothing (%d transactions of %s were rolled back)",
		since, w.Server.RolledBack, w.Server.Database))
}
