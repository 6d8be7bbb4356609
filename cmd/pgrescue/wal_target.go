package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// walTargetOptions are the flags of `wal target`.
type walTargetOptions struct {
	sourceOptions
	xid uint32
}

func (o *walTargetOptions) addFlags(command *cobra.Command) {
	o.addTimeline(command)
	command.Flags().Uint32Var(&o.xid, "xid", 0, "the transaction that must not have happened")
}

func newWALTargetCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options walTargetOptions
	command := &cobra.Command{
		Use:   "target PATH… --xid N",
		Short: "Print the recovery target just before a transaction",
		Long: `Print where point-in-time recovery has to stop so that a transaction has not
happened and everything that committed before it has: by LSN, by transaction id
and by time, ready for postgresql.conf. All three name the same point; by LSN is exact.

It also prints the redo point that recovery from WAL alone ("wal rows") has to
start from, and whether the given WAL reaches back to it.`,
		Example: `  pgrescue wal target /copy/data/pg_wal --xid 742
  pgrescue wal target /archive --xid 742 --json
  pgrescue wal target /archive /copy/data/pg_wal --timeline 2 --xid 742`,
		RunE: func(command *cobra.Command, args []string) error {
			options.wal = args
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runWALTarget(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// walTarget is what `wal target --json` prints.
type walTarget struct {
	xact.Target
	Time          string   `json:"recovery_target_time"`
	Configuration []string `json:"configuration_lsn"`
	ByXID         []string `json:"configuration_xid"`
	ByTime        []string `json:"configuration_time"`
}

func runWALTarget(ctx context.Context, options *walTargetOptions, terminal *term.Terminal, found *recorder) error {
	if options.xid == 0 {
		return exitcode.Usagef("`pgrescue wal transactions` lists them", "wal target: no transaction is named; --xid N names it")
	}
	options.orOfCase(terminal, found)
	if err := options.needPaths("wal target"); err != nil {
		return err
	}
	progress := &stages{terminal: terminal}
	ev, gaps, err := options.open(ctx, "wal target", terminal, progress, found)
	if err != nil {
		return err
	}
	defer ev.Close()
	xid := pg.XID(options.xid)
	result, err := xact.Collect(ctx, ev.Archive, xact.Options{
		Scan: wal.ScanOptions{
			From: ev.Archive.Oldest(), Progress: progress.begin("reading WAL", ev.Archive.BytesFrom(ev.Archive.Oldest())),
		},
		Keep: func(tx *xact.Transaction) bool { return tx.Has(xid) },
	})
	progress.end()
	if err != nil {
		return err
	}
	for _, g := range result.Gaps {
		if !g.Recycled {
			terminal.Warnf("%s", g.Evidence())
		}
	}
	if err := found.logGaps(result.Gaps); err != nil {
		return err
	}
	target, err := result.Target(xid, ev.Archive.Timeline(), ev.Archive.Oldest(), ev.Archive.End())
	switch {
	case errors.Is(err, xact.ErrNotFound):
		return exitcode.With(exitcode.NotFound, exitcode.Hinted(fmt.Errorf("wal target: transaction %d: %w", xid, err),
			"`pgrescue wal transactions` lists those that it names"))
	case err != nil:
		return err
	case target.State == xact.Aborted:
		return exitcode.With(exitcode.Findings, exitcode.Hinted(
			fmt.Errorf("wal target: transaction %d was rolled back, there is no commit to stop before", target.XID), "what it touched is not lost"))
	case target.State != xact.Committed:
		return exitcode.With(exitcode.Insufficient, exitcode.Hinted(
			fmt.Errorf("wal target: transaction %d is %s in the WAL at hand, there is no commit to stop before", target.XID, target.State),
			"it needs the WAL that follows"))
	}
	if err := printTarget(terminal, target, xid); err != nil {
		return err
	}
	return exitcode.PartialIf(len(gaps) + wal.Damage(result.Gaps))
}

func printTarget(terminal *term.Terminal, t *xact.Target, asked pg.XID) error {
	timeline := fmt.Sprintf("recovery_target_timeline = '%d'", t.Timeline)
	out := walTarget{
		Target: *t, Time: pg.FormatTime(t.Time),
		Configuration: []string{fmt.Sprintf("recovery_target_lsn = '%s'", t.LSN), "recovery_target_inclusive = off", timeline},
		ByXID:         []string{fmt.Sprintf("recovery_target_xid = '%d'", t.XID), "recovery_target_inclusive = off", timeline},
		ByTime: []string{
			fmt.Sprintf("recovery_target_time = '%s'", t.Time.UTC().Format("2006-01-02 15:04:05.000000+00")), "recovery_target_inclusive = off", timeline,
		},
	}
	if terminal.JSON() {
		return terminal.WriteJSON(out)
	}
	text := fmt.Sprintf("transaction %d, committed %s by the record at %s; its first change is at %s\n", t.XID, out.Time, t.LSN, t.First)
	if asked != t.XID {
		text += fmt.Sprintf("(%d is a subtransaction of it)\n", asked)
	}
	for _, form := range []struct {
		title string
		lines []string
	}{
		{"by LSN, exact", out.Configuration},
		{"by transaction id", out.ByXID},
		{"by time; another commit of the same microsecond would be lost too", out.ByTime},
	} {
		text += "\n# " + form.title + "\n"
		for _, line := range form.lines {
			text += line + "\n"
		}
	}
	switch {
	case t.Redo == 0:
		text += fmt.Sprintf("\nThe WAL at hand (%s to %s) has no checkpoint before the first change.\n", t.WALFrom, t.WALTo)
	case t.Reaches:
		text += fmt.Sprintf("\nThe WAL at hand reaches back to the redo point %s: `pgrescue wal rows` needs no other WAL.\n", t.Redo)
	default:
		text += fmt.Sprintf("\nThe WAL at hand (%s to %s) does not reach back to the redo point %s without a gap.\n", t.WALFrom, t.WALTo, t.Redo)
	}
	return terminal.Printf("%s", text)
}
