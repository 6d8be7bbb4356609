package triage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// young is how new a cluster is that somebody may have taken for another.
const young = 48 * time.Hour

// wrongPlace: the rows are somewhere else.
func (w *weigher) wrongPlace() Hypothesis {
	h := Hypothesis{Name: WrongPlace, Loses: true, Standing: CannotTell}
	made, identifier, tables := w.cluster()
	for i := range w.Asked.Tables {
		if name := w.Asked.Tables[i]; len(w.Tables) > 0 && !slices.ContainsFunc(w.Tables, func(t Table) bool { return SameTable(t.Name, name) }) {
			h.support("catalog", "no table %s is here, and none was dropped as far as the catalogs go", name.String())
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
			w.biggerDatabases(&h)
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
		w.besideAnother(&h, made, identifier, tables)
	}
	if h.Standing != CannotTell {
		w.mounts(&h)
	}
	if h.Standing == CannotTell && (len(h.For) == 0 || tables > 0) { // being young says nothing alone
		h.For = nil
		if tables > 0 {
			h.Standing = Contradicted
			h.oppose("catalog", "there are %d tables of users here", tables)
		}
	}
	return h
}

// biggerDatabases tells of other databases of the server, where the one that was asked has no table.
func (w *weigher) biggerDatabases(h *Hypothesis) {
	if w.Server == nil {
		return
	}
	own := int64(-1)
	for _, db := range w.Server.Databases {
		if db.Name == w.Server.Database {
			own = db.Bytes
		}
	}
	for _, db := range w.Server.Databases {
		if own >= 0 && db.Bytes > own+little && len(h.For) < mostPoints {
			h.support("catalog", "database %s of the same server has %d MB, and %s has %d MB", db.Name, db.Bytes>>20, w.Server.Database, own>>20)
		}
	}
}

// little is how much the tables of an application take that begins on an empty database.
const little = 1 << 20

// besideAnother: a cluster that was made just now has hardly more than an application makes on an empty database, and the data directory
// of another cluster, which is older, lies beside it.
func (w *weigher) besideAnother(h *Hypothesis, made time.Time, identifier uint64, tables int) {
	if tables == 0 || len(w.losses)+len(w.spread) > 0 || w.Now.Sub(made) > young {
		return
	}
	total := int64(0)
	for i := range w.Tables {
		if t := &w.Tables[i]; !t.Dropped {
			total += max(0, t.Bytes)
		}
	}
	for i := range w.Backups {
		b := &w.Backups[i]
		if total <= little && b.Kind == backups.DataDir && b.SystemIdentifier != 0 && b.SystemIdentifier != identifier && madeBy(b.SystemIdentifier).Before(made) {
			h.Standing = Supported
			h.support("files", "its tables have %d kB in all, and %s is the data directory of another cluster, %d, which is older", total>>10, b.Path, b.SystemIdentifier)
		}
	}
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
	standby := w.DataDir != nil && w.DataDir.Standby || w.Server != nil && w.Server.Standby
	for i := range w.Signs {
		s := &w.Signs[i]
		if s.Kind != SignRecovery && s.Kind != SignRestore || !w.Asked.within(s.Time) || len(h.For) >= mostPoints {
			continue
		}
		h.support("log", "%s: %s", s.Where, shortened(s.Text))
		if s.Kind == SignRecovery && !standby {
			h.Standing = Supported
		}
	}
	if d := w.DataDir; d != nil && d.RestoredBy != "" {
		text := "the data directory has a file " + d.RestoredBy + ": it was restored from a base backup"
		if !d.BackupTime.IsZero() {
			text += " that was begun at " + d.BackupTime.Format(time.DateTime)
		}
		if w.restored() {
			h.Standing = Supported
			h.support("files", "%s; what was written after it and before the restore is in no file of this cluster", text)
		} else {
			h.support("files", "%s; that was before the WAL at hand, and long ago", text)
		}
	}
	if w.DataDir != nil && w.DataDir.Timeline > 1 {
		h.support("files", "the cluster is on timeline %d: it was recovered or promoted at some time; what the timeline before had behind the switch is not in it", w.DataDir.Timeline)
	}
	if standby {
		h.oppose("files", "it is a standby: that it began with a base backup is as it should be")
	}
	w.aheadOfCluster(&h)
	if len(h.For) == 0 && w.DataDir != nil && w.DataDir.Timeline == 1 {
		h.Standing = Contradicted
		h.oppose("files", "timeline 1, and no file of a restored base backup")
	}
	return h
}

// aheadOfCluster: WAL of the same cluster goes on where its data directory has not been yet.
func (w *weigher) aheadOfCluster(h *Hypothesis) {
	if w.WAL == nil || w.DataDir == nil || w.DataDir.Redo == 0 || w.DataDir.Running || !w.DataDir.CleanShutdown || w.WAL.Timeline != w.DataDir.Timeline {
		return
	}
	if end := w.DataDir.Redo + shutdownRecord; w.WAL.End > end && w.WAL.Committed > 0 && w.WAL.Last.After(w.DataDir.Checkpoint.Add(sameClock)) {
		h.Standing = Supported
		h.support("wal", "the WAL at hand goes on to %s, with transactions until %s; the data directory was shut down at %s, %s: it is older than its WAL", w.WAL.End, pg.FormatTime(w.WAL.Last), w.DataDir.Redo, pg.FormatTime(w.DataDir.Checkpoint))
	}
}

// shutdownRecord is more than the record of the checkpoint of a shutdown takes, with the rest of its page.
const shutdownRecord = 8192

// filesGone: the catalogs name files that are not there.
func (w *weigher) filesGone() Hypothesis {
	h := Hypothesis{Name: FilesGone, Loses: true, Standing: CannotTell}
	for i := range w.Signs {
		if s := &w.Signs[i]; s.Kind == SignNoFile && w.Asked.within(s.Time) && len(h.For) < mostPoints {
			h.support("log", "%s: %s", s.Where, shortened(s.Text))
			h.Standing = Supported
		}
	}
	if short := w.tooShort(); len(short) > 0 && w.DataDir == nil {
		h.Standing = Supported
		h.support("catalog", "the last VACUUM or ANALYZE counted rows of %s, and the server finds no page of it: neither DELETE nor TRUNCATE leaves that", few(short))
	}
	switch {
	case w.DataDir == nil && len(h.For) == 0:
		h.oppose("files", "no data directory was looked at")
	case w.DataDir == nil:
	case w.DataDir.Partial && w.DataDir.MissingCount == 0 && len(h.For) == 0:
		h.oppose("files", "the data directory is a copy of a part of one: which files there were, it does not tell")
	case w.DataDir.MissingCount == 0 && len(h.For) == 0:
		h.Standing = Contradicted
		h.oppose("files", "each relation of the catalogs has its file")
	case w.DataDir.MissingCount == 0:
		h.oppose("files", "each relation of the catalogs has its file in the data directory that was named")
	default:
		h.Standing = Proven
		h.support("files", "%s not there, such as %s", isOrAre(w.DataDir.MissingCount, "file"), strings.Join(w.DataDir.Missing, ", "))
	}
	return h
}

func isOrAre(n int, one string) string {
	if n == 1 {
		return "1 " + one + " is"
	}
	return fmt.Sprintf("%d %ss are", n, one)
}

// tooShort are the tables that have no page though the catalogs count rows of them.
func (w *weigher) tooShort() (names []string) {
	for i := range w.Tables {
		if t := &w.Tables[i]; !t.Dropped && !t.Unlogged && t.Bytes == 0 && t.Rows > 0 {
			names = append(names, t.Name.String())
		}
	}
	return names
}
