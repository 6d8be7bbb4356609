package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/stream"
)

// walFetchOptions are the flags of `wal fetch`.
type walFetchOptions struct {
	dsn    string
	folder string
	from   string
	until  string
	follow bool
	slot   string
	noSlot bool
	dryRun bool
}

func (o *walFetchOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.dsn, "dsn", "", "connection `string` of libpq, keywords or URI (default libpq's environment)")
	flags.StringVarP(&o.folder, "output", "o", "", "`folder` for the segment files; one of an earlier run is continued")
	flags.StringVar(&o.from, "from", "oldest", "`LSN` to begin at, or oldest: all that the server still keeps")
	flags.StringVar(&o.until, "until", "now", "`LSN` to stop at, or now: where the server's log is at the start")
	flags.BoolVar(&o.follow, "follow", false, "go on with what the server writes, until interrupted")
	flags.StringVar(&o.slot, "slot", "", "`name` of a replication slot to use or make; it stays on the server and keeps WAL there")
	flags.BoolVar(&o.noSlot, "no-slot", false, "not even a temporary slot: the server may remove WAL before its turn comes")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would be fetched, and write nothing")
}

func newWALFetchCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options walFetchOptions
	command := &cobra.Command{
		Use:   "fetch -o DIR",
		Short: "Fetch the WAL that a live server still keeps, oldest first",
		Long: `Fetch the WAL that a live server still keeps, oldest first, through the
replication protocol. It takes a role with REPLICATION and a line for replication in
pg_hba.conf, and no access to files. No query runs and no table is read, so
nothing on the server is pruned by it.

DIR gets ordinary segment files and the history files of timelines. A file under
its own name is whole and on disk; what is not whole yet ends in .partial. Run the
same command again to continue, after whatever has stopped it. Only one fetch writes
into DIR at a time (exit code 11).

--until may lie ahead of the server's log; then the command says so, and waits.
--follow goes on until interrupted, and connects anew when the server restarts: with
pauses of up to 30 s, and at most 20 times in a row that bring nothing.

While it runs, a temporary replication slot keeps the server from removing what is
still to be fetched. So pg_wal grows by what the server writes meanwhile, and
shrinks with the next checkpoint when the command has ended, in whatever way.
With --slot NAME the slot stays: WAL piles up on the server from then on, until
the command runs again or somebody drops the slot. Its position moves with what
is fetched, so never name the slot of a standby. Where synchronous_standby_names
is '*', --slot counts as a synchronous standby.

Segments that the server has recycled are not served, even if their bytes are
still on its disk; a copy of pg_wal has those.`,
		Example: `  pgrescue wal fetch --dsn 'host=db.example.org user=replicator' -o fetched --dry-run
  pgrescue wal fetch --dsn postgres://replicator@db.example.org:5432 -o fetched
  PGSERVICE=production pgrescue wal fetch -o fetched --follow
  pgrescue wal fetch -o fetched --from 0/3000000 --until 0/9A00B40 --json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return cases.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runWALFetch(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// walFetch is what `wal fetch --json` prints.
type walFetch struct {
	Server stream.Identity `json:"server"`
	*stream.Plan
	DryRun bool `json:"dry_run"`
	// Fetched is missing with --dry-run.
	Fetched *stream.Result `json:"fetched,omitempty"`
}

// stretch reads --from and --until.
func (o *walFetchOptions) stretch() (from, until pg.LSN, err error) {
	for _, place := range []struct {
		flag, text, none string
		lsn              *pg.LSN
	}{{"from", o.from, "oldest", &from}, {"until", o.until, "now", &until}} {
		if place.text == place.none {
			continue
		}
		if *place.lsn, err = pg.ParseLSN(place.text); err != nil || *place.lsn == 0 {
			return 0, 0, exitcode.Usagef("write it as the server does, such as 0/16B3740",
				"wal fetch: --%s %q is neither an LSN nor %s", place.flag, place.text, place.none)
		}
	}
	if until != 0 && until <= from {
		return 0, 0, exitcode.Usagef("", "wal fetch: --until %s is not behind --from %s", until, from)
	}
	return from, until, nil
}

// check refuses flags that make no sense.
func (o *walFetchOptions) check() error {
	switch {
	case o.folder == "" || o.folder == stdoutName:
		return exitcode.Usagef("-o DIR takes segment files, so it is a folder", "wal fetch: no folder is named")
	case o.slot != "" && o.noSlot:
		return exitcode.Usagef("", "wal fetch: --slot and --no-slot exclude each other")
	case o.slot != "" && !stream.ValidSlotName(o.slot):
		return exitcode.Usagef("a slot's name has up to 63 lower-case letters, digits and underscores", "wal fetch: --slot %q is no name of a slot", o.slot)
	case o.follow && o.until != "now":
		return exitcode.Usagef("", "wal fetch: --follow and --until exclude each other")
	}
	return nil
}

func runWALFetch(ctx context.Context, options *walFetchOptions, terminal *term.Terminal, found *recorder) error {
	if err := options.check(); err != nil {
		return err
	}
	from, until, err := options.stretch()
	if err != nil {
		return err
	}
	server, err := stream.Connect(ctx, options.dsn)
	if err != nil {
		return fetchError(err)
	}
	defer server.Close()
	terminal.Infof("server: %s", server.Identity())
	if err := found.server(server.Identity()); err != nil {
		return err
	}
	fetch := stream.Options{
		From: from, Until: until, Follow: options.follow, Slot: options.slot, NoSlot: options.noSlot,
		Gap:    func(gap evidence.Gap) { terminal.Warnf("%s", gap) },
		Notice: func(text string) { terminal.Warnf("%s", text) },
	}
	plan, err := server.Plan(ctx, options.folder, fetch)
	if err != nil {
		return fetchError(err)
	}
	terminal.Gaps(plan.Gaps, shownLines)
	out := walFetch{Server: server.Identity(), Plan: plan, DryRun: options.dryRun}
	if options.dryRun {
		if err := printFetch(terminal, &out); err != nil {
			return err
		}
		return exitcode.PartialIf(len(plan.Gaps))
	}
	expected := plan.Bytes
	if options.follow {
		expected = 0 // nobody knows
	}
	progress := terminal.Progress(expected, "fetching WAL")
	fetch.Progress = progress.Add
	out.Fetched, err = server.Fetch(ctx, plan, fetch)
	progress.End()
	if errors.Is(err, stream.ErrFolderInUse) {
		return fetchError(err) // nothing was done that could be told
	}
	if failed := found.fetched(&out); failed != nil {
		return failed
	}
	if err := printFetch(terminal, &out); err != nil {
		return err
	}
	return fetchOutcome(ctx, &out, options, err)
}

// fetchOutcome is the error that ends a fetch whose result is printed.
func fetchOutcome(ctx context.Context, out *walFetch, options *walFetchOptions, err error) error {
	const again = "run the same command again: it continues where this one stopped"
	switch {
	case err == nil:
		return exitcode.PartialIf(len(out.Fetched.Gaps))
	case ctx.Err() != nil && options.follow:
		return exitcode.PartialIf(len(out.Fetched.Gaps)) // that is how --follow ends
	case ctx.Err() != nil:
		return exitcode.Hinted(errors.Join(errKept, ctx.Err()), again)
	case errors.Is(err, live.ErrLost):
		return exitcode.With(exitcode.Partial, fmt.Errorf("%w; what was fetched is kept in %s; %s", err, options.folder, again))
	}
	return fetchError(err)
}

// errKept marks an interrupted command whose files are kept.
var errKept = errors.New("interrupted by a signal; what was fetched is kept")

// fetchError marks an error of the stream with its exit code. What the system
// says about a file or a folder keeps its own.
func fetchError(err error) error {
	meanings := []meaning{
		{live.ErrBadDSN, exitcode.Usage},
		{live.ErrDenied, exitcode.Permission},
		{live.ErrUnreachable, exitcode.Failed},
		{live.ErrLost, exitcode.Failed},
		{stream.ErrOtherSystem, exitcode.Refused},
		{stream.ErrBadFolder, exitcode.Refused},
		{stream.ErrSlotInUse, exitcode.Locked},
		{stream.ErrFolderInUse, exitcode.Locked},
		{stream.ErrNoWAL, exitcode.Insufficient},
	}
	if exitcode.Of(err) == exitcode.Insufficient {
		meanings = append(meanings, meaning{stream.ErrDisk, exitcode.Failed})
	}
	return withMeaning(err, meanings)
}

func printFetch(terminal *term.Terminal, out *walFetch) error {
	if terminal.JSON() {
		return terminal.WriteJSON(out)
	}
	facts := term.NewTable("", "")
	facts.Add("folder", out.Folder)
	if out.DryRun {
		facts.Add("WAL", fmt.Sprintf("from %s to %s", out.From, out.Until))
		facts.Add("to fetch", fmt.Sprintf("%s, %s", term.Plural(out.Segments, "segment", "segments"), term.Bytes(out.Bytes)))
	} else {
		facts.Add("WAL", fmt.Sprintf("from %s to %s", out.Fetched.From, out.Fetched.To))
		facts.Add("fetched", fmt.Sprintf("%s whole, %s received", term.Plural(out.Fetched.Segments, "segment", "segments"), term.Bytes(out.Fetched.Bytes)))
		if out.Fetched.Partial != "" {
			facts.Add("not whole", out.Fetched.Partial)
		}
	}
	facts.Add("there before", term.Plural(out.Whole, "whole segment", "whole segments"))
	gaps := out.Gaps
	if out.Fetched != nil {
		gaps = out.Fetched.Gaps
	}
	facts.Add("gaps", term.Count(int64(len(gaps))))
	for _, gap := range gaps {
		facts.Add("", strings.TrimSpace(gap.What))
	}
	return facts.Write(terminal.Out, "")
}
