package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// restorePlanOptions are the flags of `restore plan`.
type restorePlanOptions struct {
	targetOptions
	output       string
	force        bool
	offline      bool
	database     string
	tables       []string
	onConflict   []string
	unknown      string
	twice        string
	routes       []string
	asOf         string
	pages        bool
	otherCluster bool
	triggers     bool
}

func (o *restorePlanOptions) addFlags(command *cobra.Command) {
	o.targetOptions.addFlags(command)
	flags := command.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "`path` for the plan (default plan.json in the case); with --offline a folder for the SQL files")
	flags.BoolVar(&o.force, "force", false, "replace a plan that is there, or a script; one that was applied is kept beside it, as plan-ID.json")
	flags.BoolVar(&o.offline, "offline", false, "ask no server: write SQL files that psql runs alone")
	flags.StringVar(&o.database, "database", "", "database of the case whose rows are restored (default the target's name)")
	flags.StringArrayVarP(&o.tables, "table", "t", nil, "only this table, as schema.name; may be repeated (default all of the case)")
	flags.StringArrayVar(&o.onConflict, "on-conflict", nil, "[TABLE[.COLUMN]=]keep, overwrite or fill: what becomes of rows that are there with other values; may be repeated, the last that fits wins")
	flags.StringVar(&o.unknown, "unknown", "", "null or default: put rows in whose values are not all known, with NULL or the column's default in their place (when left out: leave such rows out)")
	flags.StringVar(&o.twice, "twice", "", "first or last: which row counts when a dump or a source file has a key more than once (default: a conflict)")
	flags.StringArrayVar(&o.routes, "route", nil, "only rows that this `route` found: heap, wal, stream, pitr, dump, import or logs; may be repeated")
	flags.StringVar(&o.asOf, "as-of", "", "the versions that were alive at this `time` with a zone, or at this LSN")
	flags.BoolVar(&o.pages, "pages-not-needed", false, "read the hurt tables though their pages are not in the case: their dead tuples may go")
	flags.BoolVar(&o.otherCluster, "other-cluster", false, "the target may be another cluster than the one that the rows are of")
	flags.BoolVar(&o.triggers, "fire-triggers", false, "let triggers fire even where they can be switched off")
}

func newRestorePlanCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options restorePlanOptions
	command := &cobra.Command{
		Use:   "plan",
		Short: "Decide for each row of the case what is to be done with it in the target",
		Long: `Decide for each row of the case what is to be done with it in the target, and write
the decisions to plan.json. Nothing is changed in the target.

All routes together make one decision for each key: the best confidence, then the
newest version before the loss. It is compared with what the target has. A key that is
not there is inserted. One that is there with the same values is left. One that is
there with other values is a conflict, and only a person can decide it: --on-conflict
keeps the target's row, overwrites it, or fills only what is NULL there. A row whose
parent is missing, or which a constraint would refuse, is blocked, with the reason.

Reading a table prunes its dead tuples, which may hold rows that nobody has brought back
yet. So the hurt tables are read only when the case holds their pages, or its ledger is
complete and wholly settled, or with --pages-not-needed.

--offline asks no server. It writes restore.sql and a file with the rows of each table;
psql runs it alone, in one transaction, and changes nothing when the database is another
one, a table has changed, a key is taken, a row without a key is there already or a
parent is missing. Where such rows are others that are equal, psql -v allow_equal=1 puts
the lost ones in all the same.`,
		Example: `  pgrescue restore plan --case rescue --dsn 'host=db dbname=shop'
  pgrescue restore plan --case rescue --on-conflict orders=keep --on-conflict orders.note=fill
  pgrescue restore plan --case rescue --table public.orders --as-of "2026-11-23 14:05:00Z"
  pgrescue restore plan --case rescue --offline -o give-back`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			return ofCase(cases, "").record(command, terminal, func(ctx context.Context, found *recorder) error {
				return runRestorePlan(ctx, &options, terminal, found)
			})
		},
	}
	options.addFlags(command)
	return command
}

// request turns the flags into what the library plans.
func (o *restorePlanOptions) request(ctx context.Context, file *casefile.Case) (restore.Options, error) {
	request := restore.Options{
		Database: o.database, Tables: o.tables, PagesNotNeeded: o.pages, OtherCluster: o.otherCluster, Triggers: o.triggers,
	}
	switch restore.Unknowns(o.unknown) {
	case restore.BlockUnknown, restore.NullUnknown, restore.DefaultUnknown:
		request.Unknowns = restore.Unknowns(o.unknown)
	default:
		return request, exitcode.Usagef("the words for it are null and default", "restore plan: --unknown %q is not known", o.unknown)
	}
	switch request.Twice = restore.Twice(o.twice); request.Twice {
	case restore.TwiceConflict, restore.TwiceFirst, restore.TwiceLast:
	default:
		return request, exitcode.Usagef("first and last are the words for it", "restore plan: --twice %q is not known", o.twice)
	}
	for _, text := range o.routes {
		route := evidence.Route(text)
		if !slices.Contains(evidence.Routes(), route) {
			return request, exitcode.Usagef("the routes are heap, wal, stream, pitr, dump, import and logs", "restore plan: --route %q is not known", text)
		}
		request.Routes = append(request.Routes, route)
	}
	if lsn, err := pg.ParseLSN(o.asOf); o.asOf != "" && err == nil {
		request.AsOfLSN = lsn.String()
	} else if request.AsOfTime, err = parseTime("as-of", o.asOf); err != nil {
		return request, err
	}
	relations, err := file.Relations(ctx)
	if err != nil {
		return request, libraryError(err)
	}
	names := tableNamesOf(relations)
	for _, text := range o.onConflict {
		choice, err := restore.ParseChoice(text, names)
		if err != nil {
			return request, restoreError(err)
		}
		request.Choices = append(request.Choices, choice)
	}
	return request, nil
}

// tableNamesOf lists the tables that a plan of the case can be about: a partition's rows
// go through its root.
func tableNamesOf(relations []casefile.Relation) []evidence.RelationName {
	var names []evidence.RelationName
	seen := make(map[string]bool)
	for i := range relations {
		name := relations[i].RelationName
		if relations[i].PartitionOf.Name != "" {
			name = relations[i].PartitionOf
		}
		if text := name.String(); !seen[text] {
			seen[text] = true
			names = append(names, name)
		}
	}
	return names
}

// path is where the plan goes.
func (o *restorePlanOptions) path(file *casefile.Case) string {
	if o.output != "" {
		return o.output
	}
	return filepath.Join(file.Dir(), "plan.json")
}

func runRestorePlan(ctx context.Context, options *restorePlanOptions, terminal *term.Terminal, found *recorder) error {
	const name = "restore plan"
	file, err := caseOf(found, name)
	if err != nil {
		return err
	}
	request, err := options.request(ctx, file)
	if err != nil {
		return err
	}
	if options.offline {
		return runRestoreOffline(ctx, options, request, terminal, file)
	}
	replaced, err := options.mayReplacePlan(ctx, file)
	if err != nil {
		return err
	}
	conn, err := options.connect(ctx, "restore-plan", live.Read)
	if err != nil {
		return restoreError(err)
	}
	defer conn.Close()
	summary, err := file.Summary(ctx)
	if err != nil {
		return libraryError(err)
	}
	progress := terminal.ProgressOf(keysAtMost(summary), "rows", "comparing with the target")
	planning := restore.Planning{Case: file, Conn: conn, Options: request, Tool: toolName(), Progress: func(_ string, rows int64) { progress.Set(rows) }}
	plan, err := planning.Make(ctx)
	progress.End()
	if err != nil {
		return restoreError(err)
	}
	showCard(terminal, &plan.Target)
	path := options.path(file)
	staged, err := plan.Stage(path)
	if err != nil {
		return restoreError(err)
	}
	found.settle = func(kept bool) error {
		if !kept {
			return staged.Drop()
		}
		if err := replaced.keep(terminal); err != nil {
			return errors.Join(err, staged.Drop())
		}
		return restoreError(staged.Place())
	}
	out := planOut{Path: path, Plan: plan}
	if out.Blocked, err = blockedReasons(ctx, file, plan); err == nil {
		out.Conflicts, out.Between, err = conflictRows(ctx, file, plan)
	}
	if err != nil {
		return libraryError(err)
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printPlan(terminal, &out)
	}
	if err != nil {
		return err
	}
	return planOutcome(plan)
}

// keysAtMost estimates the keys that a plan decides: what was lost, or the rows of the
// route that found most.
func keysAtMost(summary *casefile.Summary) int64 {
	total := int64(0)
	for i := range summary.Tables {
		most := summary.Tables[i].Lost
		for _, n := range summary.Tables[i].Rows {
			most = max(most, n)
		}
		total += most
	}
	return total
}

// planOutcome is the exit code of a plan that was made: something a person has to look
// at is a finding.
func planOutcome(plan *restore.Plan) error {
	counts := plan.Counts()
	if n := counts[restore.Conflict]; n > 0 {
		return exitcode.With(exitcode.Findings, exitcode.Hinted(
			fmt.Errorf("restore plan: %s in conflict with rows that are there; apply refuses until it is decided", term.Plural(n, "row is", "rows are")),
			"plan again with --on-conflict TABLE=keep, =overwrite or =fill"))
	}
	if n := counts[restore.Blocked]; n > 0 {
		return exitcode.With(exitcode.Findings, fmt.Errorf("restore plan: %s cannot go in; the rest can", rowsWord(n)))
	}
	if len(plan.Missing) > 0 {
		return exitcode.With(exitcode.Findings, exitcode.Hinted(
			fmt.Errorf("restore plan: the target has no %s: their rows are left out", strings.Join(plan.Missing, ", ")),
			"make the tables anew, as they were, and plan again; of dropped ones `pgrescue undelete -o DIR` writes schema.sql"))
	}
	return nil
}
