package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// Options say how a book is drilled.
type Options struct {
	Version string // major version of PostgreSQL, such as "15"; "": the newest there is
	Parent  string // the folder that the clusters are made in; "": that for temporary files
	// Folder is made, and keeps the run of each incident, its case and whatever else the book writes.
	Folder string
	// Run is how the book is run. A drill says itself what a person would say, and gives the
	// inputs that Run does not have.
	Run runbook.RunOptions
}

// Run makes the incident and runs the book against it. An error means that there was no
// drill: no server, or it was interrupted. That the book failed is part of the score.
func Run(ctx context.Context, b *runbook.Book, in *Incident, o Options) (score *Score, err error) {
	if runbook.Errors(runbook.Lint(b)) > 0 { // Start would say the same, behind a server
		return nil, &evidence.Error{Op: "drill: read", Place: b.Path, Err: runbook.ErrBroken, Hint: "`pgrescue runbook lint` lists what is wrong"}
	}
	folder, err := filepath.Abs(filepath.Join(o.Folder, in.Name))
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("drill: %w", err)
	}
	s, err := stage(ctx, in, shopOptions(in, &o))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	if err := s.keepTruth(filepath.Join(folder, "truth")); err != nil {
		return nil, err
	}
	d := &drilled{book: b, incident: in, scene: s, folder: folder, first: readState(ctx, s.cluster)}
	began := time.Now()
	result, runErr := runbook.Start(ctx, b, d.runFolder(), d.options(ctx, o.Run))
	took := time.Since(began)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.traffic.pause()
	return d.score(ctx, result, runErr, took)
}

// drilled is one incident with a run of the book.
type drilled struct {
	book     *runbook.Book
	incident *Incident
	scene    *scene
	folder   string
	first    *state
	steps    []*trace
}

// trace is what was seen of one visit of a step.
type trace struct {
	step          *runbook.Step
	state         runbook.StepState
	began, ended  time.Time
	before, after *state
}

func (d *drilled) runFolder() string { return filepath.Join(d.folder, "run") }

// options add what a person would say, and the values of the incident.
func (d *drilled) options(ctx context.Context, run runbook.RunOptions) runbook.RunOptions {
	run.Command, run.Ask, run.Yes, run.Rehearsal, run.Tick = "runbook drill", nil, true, true, []string{"all"}
	run.Env = d.environment(run.Env)
	if run.Dir == "" {
		run.Dir = d.folder
	}
	run.Confirm = append(slices.Clone(run.Confirm), database)
	for _, step := range d.book.Steps { // what has to be typed may be the name of the step, or a value
		run.Confirm = append(run.Confirm, step.ID)
	}
	for _, value := range run.Inputs {
		run.Confirm = append(run.Confirm, value)
	}
	tell := run.Tell
	run.Tell = func(e runbook.Event) {
		if tell != nil {
			tell(e)
		}
		d.watch(ctx, e)
	}
	return run
}

// watch notes the state of the server before and behind each step.
func (d *drilled) watch(ctx context.Context, e runbook.Event) {
	switch e.Kind {
	case runbook.StepBegins:
		t := &trace{step: e.Step, state: runbook.StateFailed, before: readState(ctx, d.scene.cluster)}
		t.began = time.Now()
		d.steps = append(d.steps, t)
	case runbook.StepEnds:
		t := d.steps[len(d.steps)-1]
		t.ended, t.state = time.Now(), e.State
		t.after = readState(ctx, d.scene.cluster)
	}
}

// environment is that of the caller, without its own server and case, and with those of the drill.
func (d *drilled) environment(env []string) []string {
	c := d.scene.cluster
	host, port, user := c.Socket()
	kept := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "PGRESCUE_") || slices.Contains([]string{"PGRESCUE_CASE", "TABLES", "LOGS", "PATH"}, name)
	})
	path := c.BinDir()
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value + string(filepath.ListSeparator) + c.BinDir()
		}
	}
	return append(kept, "PATH="+path, "PGDATA="+c.DataDir(), "PGHOST="+host, "PGPORT="+port, "PGUSER="+user, "PGDATABASE="+database,
		"PGRESCUE_CASE="+filepath.Join(d.folder, "case"), "TABLES="+strings.Join(d.incident.Reported, " "), "LOGS="+c.LogPath())
}
