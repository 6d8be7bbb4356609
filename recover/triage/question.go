package triage

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Hurt is what was lost: the answer to the first question, for each asks for another first move.
type Hurt string

// The answers.
const (
	HurtRows     Hurt = "rows"
	HurtTable    Hurt = "table"
	HurtFiles    Hurt = "files"
	HurtDatabase Hurt = "database"
	HurtPlace    Hurt = "none: the rows are elsewhere"
	HurtNothing  Hurt = "nothing"
	HurtNotKnown Hurt = "cannot be told"
)

// Question is the first question, with what to do first and what never.
type Question struct {
	Hurt  Hurt     `json:"hurt"`
	Why   string   `json:"why"`
	First []string `json:"first"`
	Never []string `json:"never"`
}

// question answers: rows, table, or files?
func (w *weigher) question(name HypothesisName) Question {
	switch name {
	case FilesGone:
		return Question{
			HurtFiles, string(name),
			[]string{"leave the server running: its open files are the only copy", "dump what it still gives, and copy /proc/PID/fd of its processes", "write nothing to that disk"},
			[]string{"do not stop or restart the server, nor its container", "do not run pg_resetwal or initdb"},
		}
	case DatabaseDropped:
		return Question{
			HurtDatabase, string(name),
			[]string{"pause a replica that lags, this minute: it may have the database still", "look for a base backup with its WAL, and for a dump", "keep the WAL: recovery has to stop just before the drop", "write nothing to that disk: the blocks of its files are free"},
			[]string{"do not look for its rows in this server: the files and the catalogs went with it, and the WAL names nothing in them"},
		}
	case WrongPlace, OldBackup:
		return Question{
			HurtPlace, string(name),
			[]string{"change nothing here, and look for the other cluster: volumes, mounts, ports, databases", "compare the system identifiers"},
			[]string{"do not import or restore into this one yet", "do not remove any volume or container"},
		}
	case Truncated, Recreated, Unlogged:
		return Question{
			HurtTable, string(name),
			[]string{"keep the WAL: a slot or a copy of pg_wal, before the next checkpoint", "stop what writes to the disk: the blocks of the old file are free", "take a base backup or an older copy out of rotation"},
			[]string{"do not look for dead rows in the new file: they were in the old one", "do not restart the server: a checkpoint comes with it, and unlogged tables are emptied after a crash"},
		}
	case Reshaped:
		return Question{
			HurtTable, string(name),
			[]string{"keep the application from changing the table's rows: each still has the value until it is updated or the table is rewritten", "capture the pages of the table and pg_wal", "take a base backup or an older copy out of rotation"},
			[]string{"no VACUUM FULL, CLUSTER or ALTER TABLE that rewrites the table", "do not add the column again and fill it before the pages are captured: that updates every row"},
		}
	case Cleanup, Cascade, Overwrote:
		return Question{
			HurtRows, string(name),
			[]string{"switch autovacuum off for the hurt tables, and their TOAST tables", "capture their pages and pg_wal", "keep the application from writing to them"},
			[]string{"do not read the hurt tables, not even with SELECT count(*) or pg_dump: reading prunes dead rows", "no VACUUM", "no restart before the statistics and pages are captured"},
		}
	}
	if w.WAL == nil {
		why := "neither WAL nor logs are at hand"
		if len(w.Logs) > 0 {
			why = "no WAL is at hand, and nothing of which the logs say that it was done stands out"
		}
		return Question{
			HurtNotKnown, why,
			[]string{"read the hurt tables in no way until this is known", "name a data directory or WAL: nothing else proves what was committed"},
			[]string{"do not stop the server before you know whether files are gone"},
		}
	}
	return Question{
		HurtNothing, fmt.Sprintf("nothing that was committed stands out, in the WAL from %s to %s", pg.FormatTime(w.WAL.First), pg.FormatTime(w.WAL.Last)),
		[]string{"name the table that rows are missing from with --table, and when with --since and --until: then each transaction that took rows of it is listed"},
		[]string{"do not restore anything yet"},
	}
}
