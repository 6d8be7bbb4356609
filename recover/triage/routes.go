package triage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// Covers is whether a route gives back what was lost.
type Covers string

// The answers.
const (
	CoversYes     Covers = "yes"
	CoversNo      Covers = "no"
	CoversPart    Covers = "in part"
	CoversUnknown Covers = "cannot be told"
)

// Route is one way back: whether it covers the loss, how much it is expected to give, and until when.
type Route struct {
	Name   string `json:"route"`
	Covers Covers `json:"covers"`
	Why    string `json:"why"`
	Rows   int64  `json:"expected_rows"` // -1: not known
	Of     int64  `json:"lost_rows"`     // -1: not known
	Expiry Expiry `json:"expires"`
}

// routes is the coverage strip: each route for the loss that is named, in order of trust.
func (w *weigher) routes() []Route {
	var loss *Loss
	if w.named != "" {
		loss = w.loss()
	}
	list := []Route{w.heapRoute(loss), w.walRoute(loss), w.streamRoute(loss), w.baseRoute(loss), w.dumpRoute(loss), w.sourceRoute(loss), w.logRoute(loss)}
	if w.Keys != nil {
		list = append(list, w.redisRoute())
	}
	for i := range list {
		r := &list[i]
		r.Of = -1
		if loss != nil {
			r.Of = loss.rows()
		}
		switch {
		case loss == nil && r.Covers != CoversNo:
			r.Covers, r.Rows = CoversUnknown, -1
			r.Why = strings.TrimSuffix("no loss is named to compare it with; "+r.Why, "; ")
		case r.Covers == CoversYes && r.Rows == -1:
			r.Rows = r.Of
		case r.Covers == CoversNo:
			r.Rows = 0
		}
	}
	return list
}

// loss is the one that is named first; nil: none is.
func (w *weigher) loss() *Loss {
	switch {
	case len(w.losses) > 0:
		return &w.losses[0]
	case len(w.spread) > 0:
		return w.spread[0].asLoss()
	}
	return nil
}

// heapRoute: dead rows in the files of the table.
func (w *weigher) heapRoute(loss *Loss) Route {
	r := Route{Name: "heap", Covers: CoversUnknown, Rows: -1}
	switch {
	case w.DataDir == nil && w.Server == nil:
		r.Covers, r.Why = CoversNo, "neither a data directory nor a server is at hand"
		return r
	case loss == nil:
		r.Expiry = Expiry{Text: "dead rows go with the next VACUUM of their table, and by pruning before"}
		return r
	case loss.whole():
		r.Covers, r.Why = CoversNo, "the file of the table went with its rows"
		r.Expiry = Expiry{Text: "over already"}
		return r
	case loss.Way == ByColumn:
		r.Covers, r.Why = CoversYes, "each row still has the value, until it is updated or the table is rewritten; new rows have none"
		r.Expiry = Expiry{Text: "with each UPDATE of a row, and with VACUUM FULL, CLUSTER or an ALTER TABLE that rewrites the table; VACUUM leaves it"}
		return r
	}
	first := loss.Tables[0]
	t := w.byFile(first.File, first.Name)
	r.Covers, r.Expiry = CoversYes, w.nextVacuum(first.Name.String(), t)
	r.Why = "nothing at hand says that the dead rows were vacuumed or pruned"
	if t != nil && t.Stats != nil {
		switch {
		case t.Stats.LastVacuum.After(loss.End):
			r.Covers, r.Why = CoversNo, "the table was vacuumed at "+pg.FormatTime(t.Stats.LastVacuum)+", after the loss; pruned rows may still lie in holes of pages"
		case first.Rows >= 0 && t.Stats.Dead < first.Rows:
			r.Covers, r.Rows = CoversPart, t.Stats.Dead
			r.Why = fmt.Sprintf("the statistics count %d dead rows, of %d that were lost: the others were pruned", t.Stats.Dead, first.Rows)
		default:
			r.Why = fmt.Sprintf("not vacuumed since, and the statistics count %d dead rows", t.Stats.Dead)
		}
		return r
	}
	if w.WAL == nil || loss.ByLog != nil {
		r.Covers, r.Why = CoversUnknown, "whether the table was vacuumed since, no WAL at hand tells"
		return r
	}
	for i := range loss.Tables {
		cleaned := w.WAL.Cleaned[loss.Tables[i].File]
		if cleaned.Pages == 0 && !cleaned.Cut {
			continue
		}
		r.Covers = CoversPart
		r.Why = fmt.Sprintf("%d pages of %s were pruned or vacuumed since; what is left in holes of pages may be carved", cleaned.Pages, loss.Tables[i].Name.String())
		if cleaned.Cut {
			r.Covers, r.Why = CoversNo, "VACUUM cut the file of "+loss.Tables[i].Name.String()+" off after the loss"
		}
		break
	}
	return r
}

// walRoute: page images and records since the checkpoint before the loss.
func (w *weigher) walRoute(loss *Loss) Route {
	r := Route{Name: "wal", Covers: CoversUnknown, Rows: -1}
	if w.WAL == nil {
		r.Why = "no WAL is at hand"
		if w.Server != nil {
			r.Why = "the server has WAL"
			if w.Server.OldestWAL != "" {
				r.Why += " from the file " + w.Server.OldestWAL + " on"
			}
			r.Why += "; fetch it and look"
			r.Expiry = w.walEnds(0)
			return r
		}
		r.Covers = CoversNo
		return r
	}
	if loss == nil {
		r.Expiry = w.walEnds(0)
		return r
	}
	if loss.ByLog != nil {
		r.Covers, r.Why = CoversNo, "the WAL at hand does not have the transaction"
		return r
	}
	redo := w.redoBefore(loss.FirstLSN)
	r.Expiry = w.walEnds(redo)
	switch {
	case loss.whole():
		r.Covers, r.Why = CoversYes, "the log has the making of each file that was removed, and so all of its rows"
		for i := range loss.Tables {
			if !w.WAL.Created[loss.Tables[i].File] {
				r.Covers = CoversPart
				r.Why = fmt.Sprintf("it has what was written to %s since %s; pages that nothing changed since then are not in it", loss.Tables[i].Name.String(), w.WAL.Start)
				break
			}
		}
	case redo != 0:
		r.Covers, r.Why = CoversYes, fmt.Sprintf("it reaches back to %s, the redo point of the checkpoint before the loss", redo)
	case loss.FirstLSN >= w.WAL.Start:
		r.Covers, r.Why = CoversPart, fmt.Sprintf("it begins at %s, and no checkpoint lies between that and the loss: pages whose first change is older are not in it", w.WAL.Start)
	}
	for i := range w.WAL.Gaps {
		g := &w.WAL.Gaps[i]
		if !g.Recycled && g.To > redo && g.From < loss.EndLSN && r.Covers == CoversYes {
			r.Covers, r.Why = CoversPart, fmt.Sprintf("the WAL from %s to %s is missing or damaged", g.From, g.To)
		}
	}
	return r
}

// redoBefore is the redo point of the last checkpoint that lies in the WAL as a whole before a place; 0: there is none.
func (w *weigher) redoBefore(lsn pg.LSN) (redo pg.LSN) {
	for i := range w.WAL.Checkpoints {
		if c := &w.WAL.Checkpoints[i]; c.LSN < lsn && c.Redo >= w.WAL.Start && c.FullPageWrites {
			redo = max(redo, c.Redo)
		}
	}
	if redo == 0 && w.DataDir != nil && w.DataDir.Redo >= w.WAL.Start && w.DataDir.Redo <= lsn {
		return w.DataDir.Redo
	}
	return redo
}

// streamRoute: old rows in the changes of a logical slot.
func (w *weigher) streamRoute(loss *Loss) Route {
	r := Route{Name: "stream", Covers: CoversNo, Rows: -1, Why: "no server was asked for its slots"}
	if w.Server == nil {
		return r
	}
	r.Why = "the server has no logical slot"
	for _, slot := range w.Server.Slots {
		if slot.Plugin == "" || slot.Status == "lost" {
			continue
		}
		r.Covers, r.Expiry = CoversUnknown, Expiry{Text: "as soon as whoever reads the slot " + slot.Name + " confirms it"}
		r.Why = "slot " + slot.Name + " (" + slot.Plugin + ") exists; whether it holds the loss, only its changes tell"
		if loss == nil || loss.ByLog != nil {
			return r
		}
		t := w.table(loss.Tables[0].Name)
		switch {
		case slot.Flushed > loss.EndLSN:
			r.Covers, r.Why = CoversNo, fmt.Sprintf("slot %s was read beyond the loss, to %s", slot.Name, slot.Flushed)
		case loss.whole():
			r.Covers, r.Why = CoversNo, "a slot tells that a table was truncated, and no row of it"
		case t != nil && t.ReplicaIdentity == "f":
			r.Covers, r.Why = CoversYes, "slot "+slot.Name+" was not read beyond the loss, and the table has REPLICA IDENTITY FULL"
		default:
			r.Covers, r.Rows = CoversPart, 0
			r.Why = "slot " + slot.Name + " has the keys of the rows only: the table's replica identity is not FULL"
		}
		return r
	}
	return r
}

// baseRoute: a base backup that is older, with the WAL since.
func (w *weigher) baseRoute(loss *Loss) Route {
	return w.backupRoute("base backup", loss, func(b *backups.Backup) (Covers, string, int64) {
		if !b.Physical() || b.Broken != "" || !w.ofThisCluster(b) {
			return CoversNo, "", 0
		}
		if w.WAL != nil && b.LSN != 0 && b.LSN >= w.WAL.Start && loss.ByLog == nil {
			return CoversYes, "the WAL at hand leads from it to the loss", -1
		}
		return CoversPart, "it holds the rows as they were when it was made; with the WAL since, as they were just before the loss", -1
	})
}

// ofThisCluster reports whether a backup is of the cluster at hand, as far as both say so.
func (f *Facts) ofThisCluster(b *backups.Backup) bool {
	_, identifier, _ := f.cluster()
	if f.WAL != nil && identifier == 0 {
		identifier = f.WAL.SystemIdentifier
	}
	return b.SystemIdentifier == 0 || identifier == 0 || b.SystemIdentifier == identifier
}

// dumpRoute: the rows of the table in a dump that is older.
func (w *weigher) dumpRoute(loss *Loss) Route {
	return w.backupRoute("dump", loss, func(b *backups.Backup) (Covers, string, int64) {
		if b.Physical() {
			return CoversNo, "", 0
		}
		rows, held := int64(-1), 0
		for i := range loss.Tables {
			t, has, known := b.Has(loss.Tables[i].Name.Schema, loss.Tables[i].Name.Name)
			if has || !known {
				held++
			}
			if has && t.Rows >= 0 {
				rows = max(rows, 0) + t.Rows
			}
		}
		switch {
		case held == 0:
			return CoversNo, "", 0
		case rows > loss.rows() && loss.rows() >= 0:
			rows = loss.rows()
		}
		why := "it holds the rows as they were when it was made"
		if b.Broken != "" {
			why += "; " + b.Broken
		}
		return CoversPart, why, rows
	})
}

// backupRoute takes the newest backup that precedes the loss and has something of it.
func (w *weigher) backupRoute(name string, loss *Loss, of func(*backups.Backup) (Covers, string, int64)) Route {
	r := Route{Name: name, Covers: CoversNo, Rows: -1, Why: "none was found where somebody looked", Expiry: Expiry{Text: "by the retention of whoever keeps it: take it out of rotation"}}
	if !w.Searched {
		r.Covers, r.Why, r.Expiry = CoversUnknown, "nobody looked: name folders with --backups", Expiry{}
		return r
	}
	if len(w.Backups) == 0 || loss == nil {
		if len(w.Backups) == 0 {
			r.Expiry = Expiry{}
		} else {
			r.Covers, r.Why = CoversUnknown, "what was found is listed below"
		}
		return r
	}
	var best *backups.Backup
	later := ""
	for i := range w.Backups {
		b := &w.Backups[i]
		covers, why, rows := of(b)
		if covers == CoversNo {
			continue
		}
		answer, how := b.Precedes(loss.End)
		if answer == backups.No {
			later = fmt.Sprintf("%s was made after the loss: %s", b.Path, how)
			continue
		}
		if best != nil && newest(best).After(newest(b)) {
			continue
		}
		if answer == backups.Unknown {
			covers, why = CoversUnknown, how
		}
		best, r.Covers, r.Rows, r.Why = b, covers, rows, fmt.Sprintf("%s (%s): %s; %s", b.Path, b.Kind, how, why)
	}
	if best == nil && later != "" {
		r.Why = later
	}
	return r
}

// sourceRoute: the files that the rows came from.
func (w *weigher) sourceRoute(loss *Loss) Route {
	r := Route{Name: "source files", Covers: CoversNo, Rows: -1, Why: "none was named", Expiry: Expiry{Text: "when whoever has them removes them: copy them into the case"}}
	if len(w.Sources) == 0 {
		r.Expiry = Expiry{}
		return r
	}
	records, n, first := int64(0), int64(0), ""
	for i := range w.Sources {
		s := &w.Sources[i]
		if !s.fits(loss) {
			continue
		}
		if n++; first == "" {
			first = s.Path
		}
		records += max(0, s.Records)
	}
	if n == 0 {
		r.Why = "of " + counted(int64(len(w.Sources)), "file") + " none has columns of the table"
		return r
	}
	r.Covers = CoversUnknown
	r.Why = counted(n, "file")
	if records > 0 {
		r.Why += " with about " + counted(records, "record")
	}
	r.Why += ", such as " + first + "; which rows they make, pgrescue import tells"
	if compared := w.Sources[0].Tables != nil; compared && loss != nil && records > 0 {
		r.Covers, r.Rows = CoversPart, records
		if lost := loss.rows(); lost >= 0 {
			r.Rows = min(records, lost)
		}
	}
	return r
}

// fits reports whether a file has columns of a table that lost rows. Without a loss each does, and one that nobody compared.
func (s *Source) fits(loss *Loss) bool {
	return s.Tables == nil || loss == nil || slices.ContainsFunc(s.Tables, func(table string) bool { return loss.takes(NameOf(table)) })
}

// counted counts things whose plural ends with s.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// logRoute: values that logs show.
func (w *weigher) logRoute(loss *Loss) Route {
	r := Route{Name: "logs", Covers: CoversNo, Rows: -1, Why: "no log is at hand"}
	if len(w.Logs) == 0 {
		if r.Expiry.Text = w.containerLogs(); r.Expiry.Text != "" {
			r.Covers, r.Why = CoversUnknown, "no log was named, and containers keep some: docker logs --timestamps NAME shows them"
		}
		return r
	}
	r.Expiry, r.Why = w.logEnds(), "they show no statement that brings rows to the table"
	n := int64(0)
	for i := range w.Logs {
		for table, count := range w.Logs[i].Payloads {
			if loss == nil || loss.takes(NameOf(table)) {
				n += count
			}
		}
	}
	if n > 0 {
		r.Covers = CoversPart
		r.Why = fmt.Sprintf("they show %d statements that brought rows there, with their values; which of those are lost, pgrescue logs rebuild tells", n)
	}
	return r
}
