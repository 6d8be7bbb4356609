package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
			pair := tableText(t.Name) + " → " + tableText(parent)
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

// unstated are the tables of a loss that no DELETE of its in the logs names, where there is one.
func unstated(loss *Loss) (names []string) {
	deletes := slices.ContainsFunc(loss.Statements, func(s *Statement) bool { return s.Verb == "DELETE" })
	for i := range loss.Tables {
		name := loss.Tables[i].Name
		if deletes && !slices.ContainsFunc(loss.Statements, func(s *Statement) bool { return s.Verb == "DELETE" && SameTable(s.Table, name) }) {
			names = append(names, tableText(name))
		}
	}
	return names
}

// unlogged: a crash empties unlogged tables, for their pages are in no WAL.
func (w *weigher) unlogged() Hypothesis {
	h := Hypothesis{Name: Unlogged, Loses: true, Standing: CannotTell}
	var tables, empty []string
	for i := range w.Tables {
		t := &w.Tables[i]
		if !t.Unlogged || t.Dropped || len(w.Asked.Tables) > 0 && !w.Asked.wants(t.Name) {
			continue
		}
		tables = append(tables, tableText(t.Name))
		if t.Bytes == 0 {
			empty = append(empty, tableText(t.Name))
		}
	}
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
	what := "unlogged: " + strings.Join(tables[:min(len(tables), mostPoints)], ", ")
	switch {
	case len(empty) > 0 && w.DataDir != nil && w.DataDir.RestoredBy != "":
		h.For = nil
		h.oppose("files", "%s; %s is there, and a base backup brings unlogged tables back empty: that is no sign of a crash", what, w.DataDir.RestoredBy)
	case len(empty) > 0 && crashed:
		h.Standing = Proven
		h.support("catalog", "%s", what)
		h.support("files", "the file of %s is empty", strings.Join(empty[:min(len(empty), mostPoints)], ", "))
	case len(empty) > 0:
		h.support("catalog", "%s; the file of %s is empty", what, strings.Join(empty[:min(len(empty), mostPoints)], ", "))
		h.oppose("log", "no log at hand tells of a crash")
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

// young is how new a cluster is that somebody may have taken for another.
const young = 48 * time.Hour

// wrongPlace: the rows are somewhere else.
func (w *weigher) wrongPlace() Hypothesis {
	h := Hypothesis{Name: WrongPlace, Loses: true, Standing: CannotTell}
	made, identifier, tables := w.cluster()
	for i := range w.Asked.Tables {
		if name := w.Asked.Tables[i]; len(w.Tables) > 0 && !slices.ContainsFunc(w.Tables, func(t Table) bool { return SameTable(t.Name, name) }) {
			h.support("catalog", "no table %s is here, and none was dropped as far as the catalogs go", tableText(name))
			h.Standing = Supported
		}
	}
	if w.Server != nil && len(w.Server.Elsewhere) > 0 {
		h.Standing = Proven
		h.support("catalog", "a table of that name is in database %s", strings.Join(w.Server.Elsewhere, ", "))
	}
	if w.OtherCluster {
		h.Standing = Proven
		h.support("files", "the server has system identifier %d, and the files that were named are of another cluster", w.Server.Identifier)
	}
	if identifier != 0 {
		if tables == 0 && len(w.losses) == 0 {
			h.Standing = Supported
			h.support("catalog", "there is no table of a user")
		}
		if text := "initdb made this cluster at " + pg.FormatTime(made); w.Now.Sub(made) < young {
			h.support("files", "%s", text)
		} else if tables > 0 {
			h.oppose("files", "%s", text)
		}
		for i := range w.Backups {
			if b := &w.Backups[i]; b.SystemIdentifier != 0 && b.SystemIdentifier != identifier && tables == 0 {
				h.Standing = Proven
				h.support("backups", "%s (%s) is of the cluster %d, and this one is %d", b.Path, b.Kind, b.SystemIdentifier, identifier)
			}
		}
	}
	if h.Standing == CannotTell && (len(h.For) == 0 || tables > 0) {
		h.For = nil
		if tables > 0 {
			h.Standing = Contradicted
			h.oppose("catalog", "there are %d tables of users here", tables)
		}
	}
	return h
}

// cluster is when initdb ran, the system identifier, and how many tables users have.
func (f *Facts) cluster() (made time.Time, identifier uint64, tables int) {
	if f.DataDir != nil {
		made, identifier = f.DataDir.Made, f.DataDir.SystemIdentifier
	} else if f.Server != nil && f.Server.Identifier != 0 {
		made, identifier = madeBy(f.Server.Identifier), f.Server.Identifier
	}
	for i := range f.Tables {
		if !f.Tables[i].Dropped {
			tables++
		}
	}
	return made, identifier, tables
}

// oldBackup: somebody restored what was older.
func (w *weigher) oldBackup() Hypothesis {
	h := Hypothesis{Name: OldBackup, Loses: true, Standing: CannotTell}
	for i := range w.Signs {
		s := &w.Signs[i]
		if s.Kind != SignRecovery && s.Kind != SignRestore || !w.Asked.within(s.Time) || len(h.For) >= mostPoints {
			continue
		}
		h.support("log", "%s: %s", s.Where, shortened(s.Text))
		if s.Kind == SignRecovery {
			h.Standing = Supported
		}
	}
	if w.DataDir != nil && w.DataDir.RestoredBy != "" {
		h.Standing = Supported
		h.support("files", "the data directory has a file %s: it was restored from a base backup", w.DataDir.RestoredBy)
	}
	if w.DataDir != nil && w.DataDir.Timeline > 1 {
		h.Standing = Supported
		h.support("files", "the cluster is on timeline %d: it was recovered or promoted; what the timeline before had behind the switch is not in it", w.DataDir.Timeline)
	}
	if len(h.For) == 0 && w.DataDir != nil && w.DataDir.Timeline == 1 {
		h.Standing = Contradicted
		h.oppose("files", "timeline 1, and no file of a restored base backup")
	}
	return h
}

// filesGone: the catalogs name files that are not there.
func (w *weigher) filesGone() Hypothesis {
	h := Hypothesis{Name: FilesGone, Loses: true, Standing: CannotTell}
	if w.DataDir == nil {
		h.oppose("files", "no data directory was looked at")
		return h
	}
	if w.DataDir.MissingCount == 0 {
		h.Standing = Contradicted
		h.oppose("files", "each relation of the catalogs has its file")
		return h
	}
	h.Standing = Proven
	h.support("files", "%s", fmt.Sprintf("%d files of relations are not there, such as %s", w.DataDir.MissingCount, strings.Join(w.DataDir.Missing, ", ")))
	return h
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
			list = append(list, fmt.Sprintf("%s: n_tup_ins %d, n_tup_upd %d, n_tup_del %d, n_live_tup %d, n_dead_tup %d", tableText(t.Name), t.Stats.Inserted, t.Stats.Updated, t.Stats.Deleted, t.Stats.Live, t.Stats.Dead))
		}
	}
	since := "since the cluster was made or crashed last"
	if !w.Server.StatsReset.IsZero() {
		since = "since " + pg.FormatTime(w.Server.StatsReset)
	}
	return append(list, fmt.Sprintf("the counters are of what was tried %s: a DELETE that was rolled back stays in n_tup_del, TRUNCATE sets n_live_tup to 0 and counts no row, and a crash sets all to 0; alone they prove nothing (%d transactions of %s were rolled back)",
		since, w.Server.RolledBack, w.Server.Database))
}
