package triage

import (
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// DroppedDatabase is a transaction that dropped a database: it alone deletes a row of pg_database. The WAL
// has the number of the database only, and nothing of what was in it.
type DroppedDatabase struct {
	XID    pg.XID
	End    time.Time
	EndLSN pg.LSN
}

const (
	// mostDroppedDatabases bounds how many are kept.
	mostDroppedDatabases = 1000
	// usualDroppedDatabases are so many that somebody makes and drops databases all the time, as tests do.
	usualDroppedDatabases = 3
)

// droppedDatabases are those within the time that was asked for.
func (f *Facts) droppedDatabases() (list []DroppedDatabase) {
	if f.WAL == nil {
		return nil
	}
	for _, d := range f.WAL.Databases {
		if f.Asked.within(d.End) {
			list = append(list, d)
		}
	}
	return list
}

// databaseDropped weighs that a database went. Where it happens all the time, nothing tells the one that was missed.
func (w *weigher) databaseDropped() Hypothesis {
	h := Hypothesis{Name: DatabaseDropped, Loses: true, Standing: CannotTell}
	list := w.droppedDatabases()
	for i, d := range list {
		if i == mostPoints {
			h.support("wal", "and %d more", len(list)-i)
			break
		}
		h.support("wal", "transaction %d, committed at %s, %s, dropped a database, which the WAL does not name", d.XID, d.EndLSN, pg.FormatTime(d.End))
	}
	for i := range w.Statements {
		s := &w.Statements[i]
		if s.Fate != Failed && s.Fate != RolledBack && len(h.For) < 2*mostPoints && strings.HasPrefix(strings.ToUpper(s.Text), "DROP DATABASE") && w.Asked.within(s.Time) {
			h.support("log", "%s: %s, %s", s.Where, shortened(s.Text), s.Fate)
		}
	}
	switch {
	case len(list) >= usualDroppedDatabases:
		h.oppose("wal", "%d databases were dropped: here it is usual", len(list))
	case len(list) > 0:
		h.Standing = Proven
	case w.WAL == nil:
		h.oppose("wal", "there is no WAL at hand, and only WAL proves what was committed")
	case w.whole():
		h.Standing = Contradicted
		h.oppose("wal", "in the WAL from %s to %s no database was dropped", pg.FormatTime(w.WAL.First), pg.FormatTime(w.WAL.Last))
	default:
		h.oppose("wal", "no database was dropped in the WAL at hand, which does not cover all of the time")
	}
	return h
}
