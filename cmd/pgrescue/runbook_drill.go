package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/drill"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// runbookDrillOptions are the flags of `runbook drill`.
type runbookDrillOptions struct {
	valueOptions
	incidents []string
	version   string
	folder    string
	list      bool
	write     bool
}

func (o *runbookDrillOptions) addFlags(command *cobra.Command) {
	o.valueOptions.addFlags(command)
	flags := command.Flags()
	flags.StringArrayVar(&o.incidents, "incident", nil, "drill this `name` of --list; may be repeated (default all of them)")
	flags.StringVar(&o.version, "pg", "", "major `version` of PostgreSQL (default the newest there is)")
	flags.StringVar(&o.folder, "folder", "", "`folder` that keeps the run of each incident, and its case (default a temporary one, removed in the end)")
	flags.BoolVar(&o.list, "list", false, "list the incidents, and make none")
	flags.BoolVar(&o.write, "write-drilled", false, "when all drills pass, write \"last drilled: DATE, TIME, PG VERSION\" into the front matter of FILE")
}

func newRunbookDrillCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	var options runbookDrillOptions
	command := &cobra.Command{
		Use:   "drill [FILE]",
		Short: "Rehearse a runbook: incidents on a throwaway server, and a score",
		Long: `Make incidents on throwaway servers, run the book against each, and score it. Every
incident has a server of its own with a shop under traffic; the book runs as with
runbook run --yes --tick all, with every confirmation given. It sees PGDATA, PGHOST,
PGPORT, PGUSER, PGDATABASE, PGRESCUE_CASE and TABLES; --set gives what else it asks for.

The score compares the tables with a copy from just before the loss: rows that are back,
rows that are others than they were, newcomers of the traffic that were hurt. A step lied
that said done or verified where the rows say otherwise, or said "Changes: nothing" and
changed an option, a setting, a slot or rows. What blocks wrote to $OUT as HYPOTHESIS and
XIDS is compared with what happened. In some incidents nothing was lost, or nothing can be
had: there the book has to say so and change no row.

It takes the programs of a PostgreSQL server on this machine, and touches no other server.
Exit code 1: a drill did not pass.`,
		Example: `  pgrescue runbook drill --list
  pgrescue runbook drill --incident truncate --pg 15 --folder /tmp/drills
  pgrescue runbook drill ops/lost-rows.md --write-drilled`,
		Args: atMost(1, "one book"),
		RunE: func(command *cobra.Command, args []string) error {
			return runRunbookDrill(command.Context(), &options, args, cases, terminal)
		},
	}
	options.addFlags(command)
	return command
}

func runRunbookDrill(ctx context.Context, o *runbookDrillOptions, args []string, cases *caseOptions, terminal *term.Terminal) (err error) {
	incidents, err := drill.Find(o.incidents...)
	if err != nil {
		return drillError(err)
	}
	if o.list {
		return printIncidents(terminal, incidents)
	}
	if err := o.check(ctx, args); err != nil {
		return err
	}
	book, err := openBook(args)
	if err != nil {
		return err
	}
	if o.folder == "" {
		if o.folder, err = os.MkdirTemp("", "pgrescue-drill-"); err != nil {
			return fmt.Errorf("runbook drill: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.folder)) }()
		// The server's user walks through it, and the runs in it stay the caller's.
		if err := os.Chmod(o.folder, 0o755); err != nil {
			return fmt.Errorf("runbook drill: %w", err)
		}
	}
	scores, err := o.drill(ctx, book, incidents, cases, terminal)
	if err != nil {
		return err
	}
	return o.ended(args, scores, terminal)
}

// check refuses what cannot be meant, before a server is made.
func (o *runbookDrillOptions) check(ctx context.Context, args []string) error {
	if o.version != "" && !regexp.MustCompile(`^\d{1,2}$`).MatchString(o.version) {
		return exitcode.Usagef("a major version, as in --pg 15", "runbook drill: --pg %q is no version of PostgreSQL", o.version)
	}
	if o.write && len(args) == 0 {
		return exitcode.Usagef("`pgrescue runbook show --source > mine.md` makes a file of it", "runbook drill: --write-drilled wants the FILE of a book; the built-in one cannot be written")
	}
	if o.folder != "" {
		if err := mayHold("runbook drill", o.folder, "name another folder with --folder"); err != nil {
			return err
		}
		if err := mayFill("runbook drill", o.folder); err != nil {
			return err
		}
	}
	_, err := cluster.Locate(ctx, o.version)
	return drillError(err)
}

// drillError marks an error of drills with its exit code.
func drillError(err error) error {
	return libraryError(withMeaning(err, []meaning{
		{drill.ErrNoIncident, exitcode.Usage},
		{cluster.ErrNoServer, exitcode.NotFound},
		{runbook.ErrBroken, exitcode.Refused},
	}))
}

// drill makes one incident after the other.
func (o *runbookDrillOptions) drill(ctx context.Context, book *runbook.Book, incidents []drill.Incident, cases *caseOptions, terminal *term.Terminal) (scores []*drill.Score, err error) {
	options, done, err := o.options(cases, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	for i := range incidents {
		name := incidents[i].Name
		terminal.Infof("%s (%d of %d): %s", name, i+1, len(incidents), incidents[i].What)
		run := runbook.RunOptions{Options: options, Tell: func(e runbook.Event) {
			if e.Kind == runbook.StepBegins {
				terminal.Infof("%s: step %s %s", name, e.Step.Name(), e.Step.Title)
			}
		}}
		score, err := drill.Run(ctx, book, &incidents[i], drill.Options{Version: o.version, Folder: o.folder, Run: run})
		if err != nil {
			return nil, drillError(err)
		}
		scores = append(scores, score)
	}
	return scores, nil
}

// drillReport is what `runbook drill --json` prints.
type drillReport struct {
	Passed  bool           `json:"passed"`
	Drilled string         `json:"drilled"`
	Written bool           `json:"written"` // into the book
	Drills  []*drill.Score `json:"drills"`
}

// ended marks the book and prints the scores.
func (o *runbookDrillOptions) ended(args []string, scores []*drill.Score, terminal *term.Terminal) error {
	report := drillReport{Passed: true, Drilled: drill.Drilled(time.Now(), scores), Drills: scores}
	failed := 0
	for _, s := range scores {
		if !s.Passed {
			failed++
		}
	}
	report.Passed = failed == 0
	if o.write && report.Passed {
		if err := drill.WriteDrilled(args[0], report.Drilled); err != nil {
			return err
		}
		report.Written = true
	}
	var err error
	if terminal.JSON() {
		err = terminal.WriteJSON(report)
	} else {
		err = printDrills(terminal, &report, o.write)
	}
	if err != nil || failed == 0 {
		return err
	}
	return exitcode.With(exitcode.Findings, exitcode.Hinted(fmt.Errorf("runbook drill: %d of %d drills did not pass", failed, len(scores)),
		"with --folder DIR the run of each incident is kept, with the output of every block"))
}

func printIncidents(terminal *term.Terminal, incidents []drill.Incident) error {
	if terminal.JSON() {
		return terminal.WriteJSON(incidents)
	}
	table := term.NewTable("INCIDENT", "A GOOD RUN ENDS WITH", "TRIAGE NAMES", "SHAPES", "WHAT HAPPENS")
	for i := range incidents {
		in := &incidents[i]
		var shapes []string
		for _, shape := range in.Shapes {
			shapes = append(shapes, strconv.Itoa(shape))
		}
		table.Add(in.Name, string(in.Ending), strings.Join(in.Hypotheses, " or "), strings.Join(shapes, ", "), in.What)
	}
	return table.Write(terminal.Out, "")
}

func printDrills(terminal *term.Terminal, report *drillReport, write bool) error {
	for _, s := range report.Drills {
		if s.Passed && len(report.Drills) > 1 {
			continue
		}
		if err := printDrill(terminal, s); err != nil {
			return err
		}
	}
	table := term.NewTable("INCIDENT", "PASSED", ">LOST", ">BACK", ">TOOK", "TRIAGE", ">LIES")
	for _, s := range report.Drills {
		triage := "not asked"
		if s.Triage.Asked {
			triage = s.Triage.Hypothesis + ", " + yesOr(s.Triage.Right, "right", "wrong")
		}
		table.Add(s.Incident, yesOr(s.Passed, "yes", "no"), term.Count(s.Lost), term.Count(s.Back), s.Took.Round(time.Second/10).String(), triage, term.Count(int64(len(s.Lies))))
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	switch {
	case report.Written:
		return terminal.Printf("\nlast drilled: %s. The book says so now.\n", report.Drilled)
	case write:
		return terminal.Printf("\nThe book was not marked as drilled.\n")
	}
	return nil
}

func yesOr(yes bool, text, other string) string {
	if yes {
		return text
	}
	return other
}

// printDrill prints the steps of one drill, and why it did not pass.
func printDrill(terminal *term.Terminal, s *drill.Score) error {
	if err := terminal.Printf("%s, PostgreSQL %s: a good run ends with %q\n\n", s.Incident, s.Version, s.Ending); err != nil {
		return err
	}
	table := term.NewTable("STEP", "STATE", ">TOOK", "CHANGED ON THE SERVER")
	for _, step := range s.Steps {
		table.Add(step.Step+" "+step.Title, string(step.State), (time.Duration(step.TookMS) * time.Millisecond).Round(time.Second/10).String(), shortened(strings.Join(step.Changed, "; "), 100))
	}
	if err := table.Write(terminal.Out, ""); err != nil {
		return err
	}
	for _, problem := range s.Problems {
		if err := terminal.Printf("\n- %s\n", term.Printable(problem)); err != nil {
			return err
		}
	}
	return terminal.Printf("\n")
}
