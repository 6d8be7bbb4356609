package runbook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// most is how often a run may go through one step: branches can lead in a circle.
const most = 100

// Result is how far a run came.
type Result struct {
	Folder string   `json:"folder"`
	Next   string   `json:"next,omitempty"` // the step that it goes on with; "": it came to its end
	Visits []*Visit `json:"visits"`
}

// run is a run in progress.
type run struct {
	book     *Book
	folder   string
	dir      string
	o        *RunOptions
	lock     *journal.Lock
	history  *history
	inputs   map[string]string
	values   map[string]string // inputs, and the outputs of blocks
	plan     string
	accepted []*Step
	changed  map[string]bool // inputs that have another value than before
}

// refuseAlone refuses what takes a person from the first moment.
func (o *RunOptions) refuseAlone() error {
	if o.ByHand && o.Ask == nil {
		return failure("run", "by hand", ErrConfirm, "run it at a terminal, without --by-hand in a script", "it takes a person, and nobody is there")
	}
	return nil
}

// Start runs a book from its first step, in a folder that it makes.
func Start(ctx context.Context, b *Book, folder string, o RunOptions) (*Result, error) {
	if err := refuseBroken(b, "run"); err != nil {
		return nil, err
	}
	if err := o.refuseAlone(); err != nil {
		return nil, err
	}
	inputs, err := b.gather(o.Inputs, o.Env)
	if err != nil {
		return nil, err
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	lock, err := makeFolder(ctx, b, folder, &o)
	if err != nil {
		return nil, err
	}
	r := &run{book: b, folder: folder, dir: o.Dir, o: &o, lock: lock, history: &history{}, inputs: inputs, values: maps.Clone(inputs)}
	r.plan = b.hash(inputs, r.at())
	err = r.write(Line{Event: LineRun, Plan: r.plan, Who: o.Who, Host: o.Host, Version: o.Version})
	if err == nil {
		err = b.keepInputs(folder, inputs)
	}
	if err == nil {
		err = r.follow(ctx, b.First())
	}
	return r.close(err)
}

// at are the options, with the folder that blocks run in.
func (r *run) at() Options {
	o := r.o.Options
	o.Dir = r.dir
	return o
}

// write adds a line to the journal, and to what the run knows of itself.
func (r *run) write(line Line) error {
	line.Time = now()
	end, err := journal.Append(filepath.Join(r.folder, journalName), r.history.end, func(seq int64, previous string) any {
		line.Seq, line.Previous = seq, previous
		return line
	})
	if err != nil {
		return fmt.Errorf("runbook: write journal of %s: %w", r.folder, err)
	}
	r.history.end = end
	r.history.take(line)
	return nil
}

// follow takes step after step, as they lead to one another.
func (r *run) follow(ctx context.Context, step *Step) error {
	for step != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := r.visit(ctx, step)
		if err != nil {
			return err
		}
		step = next
	}
	return r.unsettled()
}

// unsettled is what went wrong in steps that did not go well later: the book knew a
// way on, and that does not make the run a success.
func (r *run) unsettled() error {
	var all []error
	for _, visit := range r.history.visits {
		if visit.Next == "" || visit != r.history.latest(visit.Step) {
			continue
		}
		switch visit.State {
		case StateFailed:
			all = append(all, failure("run", r.book.Path, ErrVerify, "", "step %s failed, and the run went on: %s", visit.Step, visit.Reason))
		case StateOutOfTime:
			all = append(all, failure("run", r.book.Path, ErrTimeBox, "", "step %s was out of time, and the run went on: %s", visit.Step, visit.Reason))
		}
	}
	return errors.Join(all...)
}

// close writes the end of the command, RUNLOG.md and the manifest.
func (r *run) close(err error) (*Result, error) {
	line := Line{Event: LineEnd, Who: r.o.Who, Host: r.o.Host}
	if err != nil {
		line.Reason = r.mask(err.Error())
	}
	err = errors.Join(err, r.write(line))
	log, logErr := Runlog(r.folder)
	if logErr == nil {
		logErr = writeFile(filepath.Join(r.folder, runlogName), log)
	}
	if logErr != nil {
		err = errors.Join(err, logErr)
	}
	if sumErr := writeManifest(r.folder); sumErr != nil {
		err = errors.Join(err, sumErr)
	}
	result := &Result{Folder: r.folder, Next: r.history.position(r.book), Visits: r.history.visits}
	return result, errors.Join(err, r.lock.Release())
}

// shortestSecret is what is looked for in texts: a shorter one would take half of them away.
const shortestSecret = 4

// take takes in what a block gave. What somebody has said before goes for more than what a
// block finds out.
func (r *run) take(outputs map[string]string) {
	for _, name := range sortedKeys(outputs) {
		said, stands := r.inputs[name]
		if !stands {
			r.values[name] = outputs[name]
		} else if said != outputs[name] {
			r.tell(Event{Kind: Told, Text: r.mask(fmt.Sprintf("%s stays %q, as was said; the block gives %q", name, said, outputs[name]))})
		}
	}
}

func (r *run) mask(text string) string {
	for _, in := range r.book.Inputs {
		if value := r.values[in.Name]; in.Secret() && len(value) >= shortestSecret {
			text = strings.ReplaceAll(text, value, "(secret)")
		}
	}
	if r.o.Tools.Mask != nil {
		return r.o.Tools.Mask(text)
	}
	return text
}

func (r *run) maskAll(values map[string]string) map[string]string {
	masked := make(map[string]string, len(values))
	for name, value := range values {
		masked[name] = r.mask(value)
	}
	return masked
}

func (r *run) tell(e Event) {
	if r.o.Tell != nil {
		r.o.Tell(e)
	}
}

// visit goes once through a step, and gives the step that follows; nil is the end.
func (r *run) visit(ctx context.Context, step *Step) (*Step, error) {
	return r.goThrough(ctx, &visiting{run: r, step: step})
}

func (r *run) goThrough(ctx context.Context, v *visiting) (*Step, error) {
	step := v.step
	v.before, v.number = r.history.latest(step.ID), 1
	if v.before != nil {
		v.number = v.before.Number + 1
	}
	if v.number > most {
		return nil, failure("run", r.book.place(step.Line), ErrBlock, "its branches lead in a circle", "step %s has run %d times", step.Name(), most)
	}
	r.tell(Event{Kind: StepBegins, Step: step})
	reason, skip, err := v.skipped()
	if err == nil && !skip {
		err = v.prepare(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := v.begin(); err != nil {
		return nil, err
	}
	if skip {
		return v.end(StateSkipped, reason, r.book.Next(step))
	}
	limit, _ := step.TimeBox()
	v.left, v.boxed = limit, limit > 0
	next, err := v.parts(ctx)
	if err != nil {
		return v.troubled(ctx, err)
	}
	return v.end(StateDone, "", next)
}

// visiting is a step in progress.
type visiting struct {
	*run
	step   *Step
	number int
	before *Visit // the one before, or nil
	aside  bool   // with --again, out of the order of the run
	left   time.Duration
	boxed  bool
	code   int // of the last block
	blocks int
	mayRun bool // a person, or a flag, has said so
}

// begin writes that the step begins.
func (v *visiting) begin() error {
	used := make(map[string]string)
	for _, block := range v.step.Blocks(Check, Run, Verify) {
		for _, name := range mentions(block) {
			for known, value := range v.values {
				if strings.EqualFold(known, name) {
					used[known] = value
				}
			}
		}
	}
	return v.write(Line{
		Event: LineStep, Step: v.step.ID, Visit: v.number, Text: hashOf(v.step.Text), Values: v.maskAll(v.book.shown(used)), Aside: v.aside,
		Who: v.o.Who, Host: v.o.Host, Version: v.o.Version,
	})
}

// end writes that the step ended, and gives the next one.
func (v *visiting) end(state StepState, reason string, next *Step) (*Step, error) {
	line := Line{Event: LineStepEnd, Step: v.step.ID, Visit: v.number, State: state, Reason: v.mask(reason)}
	if next != nil {
		line.Next = next.ID
	}
	err := v.write(line)
	v.tell(Event{Kind: StepEnds, Step: v.step, State: state, Text: reason})
	return next, err
}
