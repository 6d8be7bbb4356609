package preserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// Captured is what a capture did.
type Captured struct {
	Evidence string    `json:"evidence"`
	Frozen   []Frozen  `json:"frozen"`
	Steps    []*Copied `json:"steps"`
	Notes    []string  `json:"notes,omitempty"`
	Missing  []Missing `json:"missing"`
	Files    []File    `json:"-"`
}

// Capture freezes, and copies the evidence into the case. It can be interrupted at any time: the next one goes on. What it
// did so far is in the result, also beside an error.
func Capture(ctx context.Context, options Options, memory *Memory) (*Captured, error) {
	w, err := begin(ctx, options)
	if err != nil {
		return nil, err
	}
	defer w.close()
	found := len(w.missing)
	all, err := w.jobs(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := w.plan(ctx, all)
	if err != nil {
		return nil, err
	}
	if !plan.Room.Enough {
		return nil, noRoom(plan)
	}
	w.missing = w.missing[:found] // what the plan foresaw beside comes again, from what happens
	c := &copier{work: w}
	done := &Captured{Evidence: w.Folder, Frozen: []Frozen{}, Notes: plan.Notes}
	err = c.capture(ctx, done, memory)
	done.Files = c.files
	done.Missing = w.missing
	if done.Missing == nil {
		done.Missing = []Missing{}
	}
	return done, err
}

func noRoom(plan *Plan) error {
	hint := "name a case on another disk with --case"
	if plan.Room.OnlyHurt > 0 {
		hint += fmt.Sprintf("; or copy the catalogs, the WAL and the hurt tables alone with --only-hurt: %d MB", plan.Room.OnlyHurt>>20)
		if plan.Room.OnlyHurt+margin(plan.Room.OnlyHurt) > plan.Room.Free {
			hint += ", for which the room here is too little as well"
		}
	} else {
		hint += "; or name the hurt tables with --table, and copy them alone with --only-hurt"
	}
	return &evidence.Error{
		Op: "preserve: copy the evidence to", Place: plan.Evidence,
		Err:  fmt.Errorf("%w: %d MB are to be copied, and %d MB are free, of which some must stay so", ErrNoRoom, plan.Room.Needed>>20, plan.Room.Free>>20),
		Hint: hint,
	}
}

// capture does the steps in order of volatility.
func (c *copier) capture(ctx context.Context, done *Captured, memory *Memory) error {
	for _, folder := range []string{toFirst, toLast} { // both are there, whoever made the evidence
		if err := os.MkdirAll(filepath.Join(c.Folder, folder), 0o700); err != nil {
			return err
		}
	}
	if c.read != nil {
		if err := c.orWithout(ctx, done.add(c.state(ctx, "state of the server that is gone in seconds", volatileViews()))); err != nil {
			return err
		}
	}
	if err := c.orWithout(ctx, c.freezeStep(ctx, done, memory)); err != nil {
		return err
	}
	if c.data.tree != nil {
		if err := c.copyNow(ctx, done, func() (*copyJob, error) { return c.walJob(ctx, "pg_wal, first", toFirst) }); err != nil {
			return err
		}
	}
	if c.read != nil {
		if err := c.orWithout(ctx, done.add(c.state(ctx, "statistics, settings and catalogs of the server", slowViews()))); err != nil {
			return err
		}
	}
	if err := c.redisStep(ctx, done); err != nil {
		return err
	}
	if err := c.containerStep(ctx, done); err != nil {
		return err
	}
	return c.copyFiles(ctx, done)
}

// orWithout goes on without the server when it went away in the middle, and the files are there without it.
func (c *copier) orWithout(ctx context.Context, err error) error {
	if ctx.Err() != nil || !errors.Is(err, live.ErrLost) || c.data.tree == nil || c.overSQL || isMemory(err) {
		return err
	}
	if c.read != nil {
		c.lacks("what else the server knows", "it went away: "+err.Error())
		c.read.Close()
		c.read = nil
	}
	return nil
}

// freezeStep freezes, unless nobody wants it or there is no server.
func (c *copier) freezeStep(ctx context.Context, done *Captured, memory *Memory) error {
	if c.NoFreeze {
		return nil
	}
	if c.Server == nil {
		c.expects("freeze", c.noServer())
		return nil
	}
	var err error
	done.Frozen, err = c.freeze(ctx, memory)
	if err != nil && !lost(ctx, err) && !isMemory(err) {
		c.lacks("freeze", err.Error())
		return nil
	}
	return err
}

// copyFiles copies files, as they are now.
func (c *copier) copyFiles(ctx context.Context, done *Captured) error {
	all := new(jobs)
	logs, err := c.findLogs(ctx)
	if err != nil && c.orWithout(ctx, err) == nil {
		logs, err = c.findLogs(ctx)
	}
	if err != nil {
		return err
	}
	if c.data.tree != nil {
		if err := c.dataJobs(ctx, all, logs); err != nil {
			return err
		}
		for _, j := range []*copyJob{all.lock, all.hurt, all.data} {
			if err := c.copyNow(ctx, done, func() (*copyJob, error) { return j, nil }); err != nil {
				return err
			}
		}
	}
	if err := c.copyNow(ctx, done, func() (*copyJob, error) { return c.logJob(ctx, logs) }); err != nil {
		return err
	}
	more, err := c.outsideJobs(ctx, "log", c.Logs, toLogs, evidence.KindLog)
	if err != nil {
		return err
	}
	sources, err := c.outsideJobs(ctx, "source", c.Sources, toSources, evidence.KindSource)
	if err != nil {
		return err
	}
	for _, j := range append(more, sources...) {
		if err := c.copyNow(ctx, done, func() (*copyJob, error) { return j, nil }); err != nil {
			return err
		}
	}
	if c.data.tree == nil {
		return nil
	}
	if err := c.copyNow(ctx, done, func() (*copyJob, error) { return c.walJob(ctx, "pg_wal, last", toLast) }); err != nil {
		return err
	}
	return c.catalogStep(ctx, done)
}

// copyNow runs a job; nil is none.
func (c *copier) copyNow(ctx context.Context, done *Captured, list func() (*copyJob, error)) error {
	j, err := list()
	if err != nil || j == nil {
		return err
	}
	return done.add(c.run(ctx, j))
}

func (d *Captured) add(step *Copied, err error) error {
	if step != nil {
		d.Steps = append(d.Steps, step)
	}
	return err
}

// catalogStep writes the catalogs of the copy as `catalog dump` does, so that WAL alone can be read elsewhere.
func (c *copier) catalogStep(ctx context.Context, done *Captured) error {
	data := filepath.Join(c.Folder, toData)
	_, log := Evidence(c.Folder)
	sources := undelete.Sources{DataDir: data, WAL: log, Room: "preserve", Progress: c.Progress}
	step := &Copied{Name: "catalogs", To: toServer}
	ev, gaps, err := undelete.Open(ctx, sources)
	if err == nil {
		err = ev.ReadHistory(ctx, 0)
	}
	if err == nil && ev.Snapshot == nil {
		err = errors.New("the copy has none that can be read")
	}
	if err == nil {
		path := c.freeName(filepath.Join(c.Folder, toServer), "catalog", ".json")
		err = c.write(path, evidence.KindCatalog, data, step, func(out io.Writer) error { return ours(ev.Snapshot.Save(out)) })
	}
	if ev != nil {
		err = errors.Join(err, ev.Close())
	}
	switch {
	case err == nil:
	case lost(ctx, err), isOurs(err):
		return err
	default:
		c.lacks("server/catalog.json", err.Error())
	}
	for _, gap := range gaps {
		done.Notes = append(done.Notes, gap.String())
	}
	return done.add(step, nil)
}
