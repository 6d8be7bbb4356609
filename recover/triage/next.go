package triage

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// Command is a line to type, and what for.
type Command struct {
	Line string `json:"line"`
	Why  string `json:"why"`
}

// mostNext is how many commands are proposed: more is a list that nobody reads at night.
const mostNext = 3

// Typed is what the commands that are proposed have to name.
type Typed struct {
	DSN      string // connection string of the server, as it was given
	Case     string // folder of the case; "": there is none yet
	Captured bool   // the evidence is that of the case, which commands take when none is named
}

// newCase is the case of a responder who has none yet.
const newCase = "incident"

// next proposes what to type now: what expires first comes first.
func (w *weigher) next() []Command {
	var list []Command
	add := func(why, format string, args ...any) {
		list = append(list, Command{fmt.Sprintf(format, args...), why})
	}
	var loss *Loss
	if w.named != "" {
		loss = w.loss()
	}
	where := w.whereFlags()
	switch {
	case w.Typed.Captured:
	case loss != nil && (w.Server != nil || w.DataDir != nil && w.DataDir.Running):
		add("what vanishes first is saved first: no autovacuum comes to the tables, a slot holds the WAL, and the copies are in the case", "pgrescue preserve%s%s%s --case %s --apply",
			w.dirFlag(), w.serverFlag(), tableFlags(loss), shell(w.caseName()))
		where = " --case " + shell(w.caseName())
	case w.Server != nil && w.DataDir == nil && w.WAL == nil:
		add("the WAL, before a checkpoint removes it", "pgrescue wal fetch -o wal")
		if dir := w.Server.Settings["data_directory"]; dir != "" {
			add("a copy of the data directory, on the server's machine; then triage again with --pgdata", "cp -a %s /safe/data", shell(dir))
		}
	}
	if loss != nil && loss.ByLog == nil && w.DataDir != nil {
		list = append(list, w.nextOfLoss(where)...)
	}
	if b := w.bestDump(loss); b != nil {
		add("the table as the dump has it", "pg_restore --data-only -t %s -f rows.sql %s", shell(loss.Tables[0].Name.Name), shell(b.Path))
	}
	if loss == nil {
		list = append(list, w.nextWithoutLoss()...)
	}
	return list[:min(len(list), mostNext)]
}

// nextOfLoss proposes what reads the evidence of a loss, which the flags of where name.
func (w *weigher) nextOfLoss(where string) (list []Command) {
	if len(w.losses) == 0 {
		s := &w.spread[0]
		since := s.Since
		if since.IsZero() {
			since = w.WAL.First
		}
		line := fmt.Sprintf(`pgrescue undelete%s --table %s --since "%s" -o rescued`, where, shell(s.Table.String()), pg.FormatTime(since))
		return []Command{{line, "what they took together, and the balance"}}
	}
	for _, other := range w.biggest() {
		line := fmt.Sprintf("pgrescue undelete%s --xid %d -o rescued-%d", where, other.XID, other.XID)
		list = append(list, Command{line, fmt.Sprintf("what transaction %d took, and the balance", other.XID)})
	}
	if flags, named := strings.CutPrefix(where, " --pgdata "); named { // it takes paths
		where = " " + strings.TrimSuffix(flags, w.walFlag())
	}
	line := fmt.Sprintf("pgrescue wal target%s --xid %d", where, w.earliest().XID)
	return append(list, Command{line, "where recovery beside production has to stop"})
}

// caseName is the folder of the case, or of one to be made.
func (w *weigher) caseName() string { return cmp.Or(w.Typed.Case, newCase) }

// whereFlags name the evidence for a command that reads it.
func (w *weigher) whereFlags() string {
	if w.Typed.Captured {
		return " --case " + shell(w.caseName())
	}
	return w.dirFlag() + w.walFlag()
}

func (w *weigher) dirFlag() string {
	if w.DataDir == nil {
		return ""
	}
	return " --pgdata " + shell(w.DataDir.Path)
}

func (w *weigher) serverFlag() string {
	if w.Server == nil {
		return ""
	}
	return " --dsn " + shell(w.Typed.DSN)
}

// tableFlags name the hurt tables.
func tableFlags(loss *Loss) string {
	text := ""
	for i := range loss.Tables {
		text += " --table " + shell(loss.Tables[i].Name.String())
	}
	return text
}

// nextWithoutLoss proposes how to know more.
func (w *weigher) nextWithoutLoss() (list []Command) {
	add := func(why, format string, args ...any) {
		list = append(list, Command{fmt.Sprintf(format, args...), why})
	}
	switch {
	case w.named == FilesGone && w.DataDir != nil:
		add("which process holds the removed files open", "ls -l /proc/$(head -1 %s)/fd | grep deleted", shell(w.DataDir.Path+"/postmaster.pid"))
		add("everything that the server still gives, while it runs", "pg_dumpall -f /safe/all.sql")
	case w.named == DatabaseDropped && w.DataDir != nil:
		add("where recovery beside production has to stop", "pgrescue wal target %s --xid %d", shell(w.DataDir.Path), w.droppedDatabases()[0].XID)
	case w.named == WrongPlace:
		add("which databases this server has", "psql -l")
		add("which volumes there are", "docker volume ls")
	case w.DataDir != nil:
		add("all transactions, the biggest destroyer first", "pgrescue wal transactions %s --pgdata %s", shell(w.DataDir.Path), shell(w.DataDir.Path))
		add("this again, for the table that rows are missing from", "pgrescue triage --pgdata %s --table NAME", shell(w.DataDir.Path))
	}
	return list
}

// biggest are the first two losses of the way that is named: a cleanup is often several transactions.
func (w *weigher) biggest() []*Loss {
	if len(w.losses) == 0 {
		return nil
	}
	list := w.ofWay(w.losses[0].Way)
	return list[:min(len(list), 2)]
}

// earliest is the first of the losses of that way to be committed.
func (w *weigher) earliest() *Loss {
	first := &w.losses[0]
	for _, loss := range w.ofWay(first.Way) {
		if loss.ByLog == nil && loss.EndLSN < first.EndLSN {
			first = loss
		}
	}
	return first
}

// walFlag names WAL that lies elsewhere.
func (w *weigher) walFlag() string {
	text := ""
	for _, path := range w.WALPaths {
		text += " --wal " + shell(path)
	}
	return text
}

// bestDump is the newest archive of pg_dump that precedes a loss and has its table.
func (w *weigher) bestDump(loss *Loss) (best *backups.Backup) {
	if loss == nil {
		return nil
	}
	for i := range w.Backups {
		b := &w.Backups[i]
		_, has, _ := b.Has(loss.Tables[0].Name.Schema, loss.Tables[0].Name.Name)
		if answer, _ := b.Precedes(loss.End); b.Kind != backups.Archive || b.Broken != "" || !has || answer == backups.No {
			continue
		}
		if best == nil || newest(b).After(newest(best)) {
			best = b
		}
	}
	return best
}

// newest is the latest time that a backup names.
func newest(b *backups.Backup) time.Time {
	switch {
	case !b.Ended.IsZero():
		return b.Ended
	case !b.Begun.IsZero():
		return b.Begun
	}
	return b.Modified
}

// shell quotes a word for the shell where it must be.
func shell(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@+", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
