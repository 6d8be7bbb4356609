package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/preserve"
)

// preserveOptions are the flags of `preserve`.
type preserveOptions struct {
	dataDir            string
	redis              string
	containers         []string
	dsn                string
	dsnGiven           bool
	tables             []string
	logs, sources      []string
	apply, undo        bool
	noFreeze, onlyHurt bool
	overSQL            bool
	yes                bool
}

func (o *preserveOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&o.dataDir, "pgdata", "D", "", "data directory of the hurt server, or a copy (default the server's own, where it is on this machine)")
	flags.StringVar(&o.dsn, "dsn", "", "connection `string` of libpq, keywords or URI; '' is libpq's environment. No table of a user is read")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "table that was hurt, as schema.name; may be repeated (default those that the case knows, else autovacuum stops for the whole server)")
	flags.StringArrayVar(&o.logs, "log", nil, "log of the application, or a folder of logs; may be repeated")
	flags.StringArrayVar(&o.sources, "sources", nil, "file or folder that rows came from; may be repeated")
	flags.StringVar(&o.redis, "redis", "", "address of the application's Redis, such as redis://host:6379/0, whose keys are kept")
	flags.StringArrayVar(&o.containers, "container", nil, "container whose log is kept; may be repeated")
	flags.BoolVar(&o.apply, "apply", false, "freeze and capture; without it only the plan is printed")
	flags.BoolVar(&o.undo, "undo", false, "thaw: put back what was set before the freeze, and drop the slot")
	flags.BoolVar(&o.noFreeze, "no-freeze", false, "capture only; autovacuum and the recycling of WAL go on")
	flags.BoolVar(&o.onlyHurt, "only-hurt", false, "of the data directory copy only the catalogs, the state of transactions, the WAL and the hurt tables")
	flags.BoolVar(&o.overSQL, "over-sql", false, "let the server read its files, also where they are on this machine")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask before --apply and --undo")
}

func newPreserveCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options preserveOptions
	command := &cobra.Command{
		Use:   "preserve (--pgdata DIR | --dsn STRING) [--apply | --undo]",
		Short: "Freeze what destroys the evidence, and copy the evidence into the case",
		Long: `Stop what destroys the evidence of a loss, and copy the evidence into the case, in the
order in which it would go away. Without --apply the plan is printed and nothing is done.

The freeze: autovacuum off for the hurt tables and their TOAST tables, partitions included, or
for the whole server where no table is known; and a replication slot that holds the WAL, with
max_slot_wal_keep_size as its guard. What was set before is kept in the case, and --undo puts
back exactly that.

The capture, in the case's folder evidence: who is connected and what they lock (server), pg_wal
(wal-first), statistics and settings (server), the files of the hurt tables and then the
data directory (data), keys of Redis, logs of containers, logs, sources, and pg_wal once more (wal-last). Where the files are not on
this machine, a server reads them for a superuser. Pages are copied as files: no query reads
a hurt table. Each copy is in the case's manifest with its SHA-256.

What could not be had is told with its reason (exit code 3), and the rest goes on. A copy that
is there is never written over, so that the same command goes on after an interruption. When the copies
would not fit, nothing is begun (exit code 5).`,
		Example: `  pgrescue preserve --dsn 'host=/var/run/postgresql dbname=shop' --table public.orders --case /mnt/other/case
  pgrescue preserve --dsn 'dbname=shop' --table public.orders --log /var/log/shop --apply --yes --case /mnt/other/case
  pgrescue preserve --dsn 'dbname=shop' --undo --case /mnt/other/case`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			options.dsnGiven = command.Flags().Changed("dsn")
			if err := options.check(); err != nil {
				return err
			}
			of := cases
			if options.undo {
				of = ofCase(cases, "")
			}
			return of.record(command, terminal, func(ctx context.Context, found *recorder) error {
				return preserveError(runPreserve(ctx, &options, terminal, found))
			})
		},
	}
	options.addFlags(command)
	return command
}

// check refuses flags that do not go together.
func (o *preserveOptions) check() error {
	switch {
	case o.apply && o.undo:
		return exitcode.Usagef("", "--apply and --undo exclude each other")
	case o.undo && (o.noFreeze || o.onlyHurt || len(o.tables)+len(o.logs)+len(o.sources) > 0):
		return exitcode.Usagef("what was frozen stands in the case", "preserve: --undo takes --dsn and --case, and nothing else")
	case !o.undo && o.dataDir == "" && !o.dsnGiven && len(o.logs)+len(o.sources)+len(o.containers) == 0 && o.redis == "":
		return exitcode.Usagef("name what exists: --pgdata DIR, --dsn STRING, or both; --dsn '' is libpq's environment", "preserve: nothing is named to preserve")
	}
	return nil
}

// preserveError gives the library's errors their exit codes.
func preserveError(err error) error {
	return restoreError(withMeaning(err, []meaning{
		{preserve.ErrOtherServer, exitcode.Refused},
		{preserve.ErrNoRoom, exitcode.Refused},
	}))
}

func runPreserve(ctx context.Context, o *preserveOptions, terminal *term.Terminal, found *recorder) error {
	if o.undo {
		return runThaw(ctx, o, terminal, found)
	}
	if o.apply && found == nil {
		return exitcode.Usagef("--case DIR names it, best on another disk; PGRESCUE_CASE does too", "preserve: no case is named that takes the evidence")
	}
	progress := &stages{terminal: terminal}
	defer progress.end()
	options, err := o.library(ctx, progress, found)
	if err != nil {
		return err
	}
	if o.apply {
		return runCapture(ctx, o, options, terminal, found)
	}
	plan, err := preserve.Prepare(ctx, options)
	progress.end()
	if err != nil {
		return err
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(plan)
	} else {
		err = printPreservePlan(terminal, plan)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(gapsOf(plan.Missing)))
}

// library makes the options of the library.
func (o *preserveOptions) library(ctx context.Context, progress *stages, found *recorder) (preserve.Options, error) {
	options := preserve.Options{
		DataDir: o.dataDir, Tables: o.tables, Logs: o.logs, Sources: o.sources, NoFreeze: o.noFreeze, OnlyHurt: o.onlyHurt, OverSQL: o.overSQL,
		Redis: o.redis, Containers: o.containers, DockerHost: os.Getenv("DOCKER_HOST"), Slot: "pgrescue_new_case", Progress: progress.begin,
	}
	if found != nil {
		options.Folder = evidenceFolder(found)
		options.Slot = slotName(found.file.ID())
		if len(o.tables) == 0 {
			var err error
			if options.Tables, err = found.hurtTables(ctx); err != nil {
				return options, err
			}
		}
	}
	if !o.dsnGiven {
		return options, nil
	}
	server, err := o.server(ctx)
	if errors.Is(err, live.ErrUnreachable) && o.dataDir != "" {
		options.Silent, err = err.Error(), nil
	}
	options.Server = server
	return options, err
}

// server asks the server who it is.
func (o *preserveOptions) server(ctx context.Context) (*preserve.Server, error) {
	open := func(ctx context.Context, database string, mode live.Mode) (*live.Conn, error) {
		return live.Connect(ctx, o.dsn, live.Options{Command: "preserve", Database: database, Mode: mode, LockTimeout: preserve.LockTimeout})
	}
	conn, err := open(ctx, "", live.Read)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	card, err := conn.Card(ctx)
	if err != nil {
		return nil, err
	}
	return &preserve.Server{Card: card, Open: open}, nil
}

// slotName is the name of the slot of a case. A slot's name has lower case letters, digits and underscores.
func slotName(id string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(id))
	return "pgrescue_" + name[:min(len(name), 16)]
}

// hurtTables are the tables of which the case knows a loss, and those that its last triage takes for hurt.
func (r *recorder) hurtTables(ctx context.Context) (tables []string, err error) {
	add := func(name evidence.RelationName) {
		if !slices.Contains(tables, name.String()) {
			tables = append(tables, name.String())
		}
	}
	summary, err := r.file.Summary(ctx)
	if err != nil {
		return nil, err
	}
	for i := range summary.Tables {
		if t := &summary.Tables[i]; t.Lost > 0 {
			add(t.RelationName)
		}
	}
	triage, err := r.file.LastTriage(ctx)
	if err != nil || triage == nil {
		return tables, err
	}
	for i := range triage.Tables {
		add(triage.Tables[i].RelationName)
	}
	return tables, nil
}

// gapsOf are, as gaps of the evidence, what could not be had although what it takes was given.
func gapsOf(missing []preserve.Missing) (gaps []evidence.Gap) {
	for _, m := range missing {
		if !m.Expected {
			gaps = append(gaps, evidence.Gap{Where: "preserve", What: m.What, Why: m.Why, Consequence: "it could not be had"})
		}
	}
	return gaps
}
