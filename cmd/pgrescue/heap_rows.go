package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// deadRows is one run of `heap rows`, table by table.
type deadRows struct {
	terminal *term.Terminal
	found    *recorder
	ev       *undelete.Evidence
	opts     undelete.DeadRowsOptions

	gaps  int
	named int64 // tuples that the transaction of --xid destroyed, committed or not
}

// table hands out the dead tuples of one table, and says what its file cannot have.
func (d *deadRows) table(ctx context.Context, table undelete.Target, sink evidence.Sink) error {
	name := table.Relation.QualifiedName()
	sink, err := d.found.rows(table, sink)
	if err != nil {
		return err
	}
	result, err := undelete.DeadRows(ctx, d.ev, table, d.opts, sink)
	// A dropped table's first file stays, emptied, until the next checkpoint.
	if dropped := table.Relation.DroppedBy != pg.InvalidXID; dropped && (errors.Is(err, fs.ErrNotExist) || err == nil && result.Pages == 0) {
		return exitcode.With(exitcode.Insufficient, exitcode.Hinted(
			fmt.Errorf("heap rows: %s was dropped by transaction %d, and its file is gone", name, table.Relation.DroppedBy), wherePastRowsAre(table.Relation.DroppedBy)))
	}
	if err != nil {
		return err
	}
	if err := d.found.gaps(result.Gaps); err != nil {
		return err
	}
	d.gaps += tellDeadRows(d.terminal, name, result)
	d.named += result.Dead + result.RolledBack + result.Cut
	return d.tellPast(ctx, table, result)
}

// tellPast says where rows went that are not dead tuples: with the table, with its
// former file, or not into the file yet.
func (d *deadRows) tellPast(ctx context.Context, table undelete.Target, result *undelete.DeadRowsResult) error {
	name := table.Relation.QualifiedName()
	if by := table.Relation.DroppedBy; by != pg.InvalidXID {
		d.terminal.Warnf("%s was dropped by transaction %d: its rows were not deleted, and are not among these", name, by)
		d.terminal.Hintf("%s", wherePastRowsAre(by))
	}
	emptied, err := undelete.EmptiedBy(ctx, d.ev, table, result.Dead == 0)
	if err != nil {
		return libraryError(err)
	}
	if emptied != pg.InvalidXID {
		d.terminal.Warnf("%s was truncated by transaction %d: rows of before are not in its file", name, emptied)
		d.terminal.Hintf("%s", wherePastRowsAre(emptied))
	}
	if result.Behind > 0 {
		d.terminal.Warnf("%s in the WAL %s not in the file of %s yet", term.Plural(result.Behind, "change", "changes"), isAre(result.Behind), name)
		d.terminal.Hintf("`pgrescue undelete` replays them; `pgrescue wal transactions` lists who made them")
	}
	return nil
}

func isAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// wherePastRowsAre points to the commands that find what went with a whole file.
func wherePastRowsAre(by pg.XID) string {
	return fmt.Sprintf("`pgrescue undelete --xid %d` replays them out of the WAL; `pgrescue heap scan` finds their pages on the image of a disk", by)
}

// outcome is the exit code of the run.
func (d *deadRows) outcome(table string) error {
	if d.opts.XID != pg.InvalidXID && d.named == 0 && d.gaps == 0 {
		return exitcode.With(exitcode.NotFound, exitcode.Hinted(
			fmt.Errorf("heap rows: transaction %d destroyed no tuple that is in the file of %s", d.opts.XID, table),
			"`pgrescue wal transactions` lists transactions; --carve looks for pruned tuples too"))
	}
	return exitcode.PartialIf(d.gaps)
}

// tellDeadRows says on stderr what one table's file holds, and counts what of it
// is not whole.
func tellDeadRows(terminal *term.Terminal, table string, result *undelete.DeadRowsResult) int {
	terminal.Gaps(result.Gaps, shownGaps)
	terminal.Infof("%s: %s on %s, %s dead; left out: %s whose delete was rolled back, %s that never were visible",
		table, term.Plural(result.Tuples, "tuple", "tuples"), term.Plural(result.Pages, "page", "pages"),
		term.Count(result.Dead), term.Count(result.RolledBack), term.Count(result.NeverVisible))
	if result.Carved > 0 {
		terminal.Infof("%s of the dead carved from free space", term.Count(result.Carved))
	}
	if result.Cut > 0 {
		terminal.Warnf("%s withheld: in the page's free space something younger begins within them, or may have written over their last bytes",
			term.Plural(result.Cut, "pruned tuple is", "pruned tuples are"))
	}
	if result.Unknown > 0 {
		terminal.Warnf("%s: commit state unknown", term.Plural(result.Unknown, "row", "rows"))
	}
	if len(result.Gaps) == 0 {
		return int(result.InPart + result.Cut)
	}
	return len(result.Gaps)
}
