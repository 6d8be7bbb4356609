package runbook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// reopen takes the lock of a run and reads what it knows.
func reopen(ctx context.Context, folder string, o *RunOptions) (*run, error) {
	folder, rec, book, err := openRun(folder)
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(book, "resume"); err != nil {
		return nil, err
	}
	lock, err := takeLock(ctx, folder, o.Command)
	if err != nil {
		return nil, err
	}
	r := &run{book: book, folder: folder, dir: rec.Dir, o: o, lock: lock}
	if err := r.remember(); err != nil {
		_ = lock.Release() // the error before it says more
		return nil, err
	}
	return r, nil
}

// remember reads the journal, the inputs, and what blocks gave.
func (r *run) remember() error {
	var err error
	if r.history, err = readHistory(r.folder); err != nil {
		return err
	}
	if problem := r.history.changed; problem != "" {
		return failure("resume", r.folder, ErrDamaged, "begin a new run; `pgrescue runbook status` shows what this one did", "%s: %s", journalName, problem)
	}
	if err := r.readInputs(); err != nil {
		return err
	}
	for _, visit := range r.history.visits {
		for _, block := range visit.Blocks {
			if len(block.Outputs) == 0 {
				continue
			}
			// The journal has them without secrets.
			outputs, err := readOutputs(filepath.Join(r.folder, block.Folder, outName))
			if err != nil || len(outputs) != len(block.Outputs) {
				return failure("resume", r.folder, ErrDamaged, "begin a new run", "the outputs of the block of line %d are not what they were", block.Block)
			}
			r.take(outputs)
		}
	}
	return nil
}

// Stale is a step that ran, and is another one now.
type Stale struct {
	Step string   `json:"step"`
	Why  []string `json:"why"`
}

// stale lists the steps that ran and are not what they were.
func (r *run) stale() []Stale {
	var found []Stale
	for _, step := range r.book.Steps {
		visit := r.history.latest(step.ID)
		if visit == nil || visit.State == StateFailed || visit.State == StateUndone || visit.State == StateSkipped {
			continue
		}
		var why []string
		if visit.text != hashOf(step.Text) {
			why = append(why, "its text changed")
		}
		for _, name := range sortedKeys(visit.values) {
			if r.changed[name] {
				why = append(why, name+" was "+visit.values[name]+", and is "+r.mask(r.inputs[name]))
			} else if given, again := r.history.givenAgain(name, visit); again && given != visit.values[name] {
				why = append(why, name+" was "+visit.values[name]+", and a step that ran again gave "+given)
			}
		}
		if visit.version != r.o.Version {
			why = append(why, "it ran with version "+visit.version+", this is "+r.o.Version)
		}
		if len(why) > 0 {
			found = append(found, Stale{step.Name(), why})
		}
	}
	for _, visit := range r.history.visits {
		if r.book.Step(visit.Step) == nil && r.history.latest(visit.Step) == visit {
			found = append(found, Stale{visit.Step, []string{"the book has no such step any more"}})
		}
	}
	return found
}

// Resume goes on with a run where it stopped. A step that failed is not done. A step
// that changed since it ran has to be acknowledged: Accept leaves it, Again runs it.
func Resume(ctx context.Context, folder string, o RunOptions) (*Result, error) {
	if err := o.refuseAlone(); err != nil {
		return nil, err
	}
	r, err := reopen(ctx, folder, &o)
	if err != nil {
		return nil, err
	}
	if err := r.refuseStale(); err != nil {
		_ = r.lock.Release() // the error before it says more
		return nil, err
	}
	r.tellKept()
	err = r.write(Line{Event: LineResume, Plan: r.plan, Who: o.Who, Host: o.Host, Version: o.Version})
	if err == nil {
		err = r.keepAccepted(r.accepted)
	}
	if err == nil {
		err = r.keepBook()
	}
	if err == nil {
		err = r.book.keepInputs(r.folder, r.inputs)
	}
	if err == nil {
		err = r.goOn(ctx)
	}
	return r.close(err)
}

// tellKept says which values stay as the run has them, though the environment has others now:
// whoever changed one expects it to count.
func (r *run) tellKept() {
	visible := r.book.shown(r.inputs)
	for _, name := range sortedKeys(visible) {
		if now := valueOf(r.o.Env, name); now != "" && now != r.inputs[name] && r.o.Inputs[name] == "" {
			r.tell(Event{Kind: Told, Text: fmt.Sprintf("%s stays %q, as the run has it; --set %s=VALUE changes it", name, visible[name], name)})
		}
	}
}

// keepAccepted writes down that steps stay as they are, so that nobody is asked again.
func (r *run) keepAccepted(steps []*Step) error {
	for _, step := range steps {
		visit := r.history.latest(step.ID)
		if visit == nil {
			continue
		}
		values := make(map[string]string)
		for name, value := range visit.values {
			if given, again := r.history.givenAgain(name, visit); again {
				value = given
			}
			values[name] = value
		}
		err := r.write(Line{
			Event: LineAnswer, Step: step.ID, Visit: visit.Number, Question: questionStale, Answer: AnswerYes, Note: "said with --accept",
			Text: hashOf(step.Text), Values: values, Version: r.o.Version,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepBook takes the book as it is now into the folder. The one before stays, under
// a name of its own.
func (r *run) keepBook() error {
	path := filepath.Join(r.folder, bookName)
	before, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(before, r.book.source) {
		err = writeFile(filepath.Join(r.folder, "book-"+hashOf(string(before))[:12]+".md"), before)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return writeFile(path, r.book.source)
}

func (r *run) refuseStale() error {
	for _, stale := range r.stale() {
		step := r.book.Step(stale.Step)
		if step == nil {
			step = &Step{ID: stale.Step}
		}
		if step.in(r.o.Accept) && !step.in(r.o.Again) {
			if slices.Contains(r.accepted, step) {
				continue
			}
			r.accepted = append(r.accepted, step)
			continue
		}
		if !step.in(r.o.Again) {
			return failure("resume", r.folder, ErrStale, "--accept "+stale.Step+" leaves it as it is, --again "+stale.Step+" runs it again",
				"step %s ran before, and is not what it was: %s", stale.Step, strings.Join(stale.Why, "; "))
		}
	}
	return nil
}

// goOn runs what is to be run again, and then goes on where the run stopped.
func (r *run) goOn(ctx context.Context) error {
	position := r.book.Step(r.history.position(r.book))
	for _, step := range r.book.Steps {
		before := r.history.latest(step.ID)
		if before == nil || !step.in(r.o.Again) || step == position {
			continue
		}
		next, err := r.goThrough(ctx, &visiting{run: r, step: step, aside: true})
		if err != nil {
			return err
		}
		if (next == nil && before.Next != "") || (next != nil && next.ID != before.Next) {
			// It leads elsewhere now.
			return r.follow(ctx, next)
		}
	}
	// What ran again may have found something else than the steps behind it went by.
	accepted := len(r.accepted)
	if err := r.refuseStale(); err != nil {
		return err
	}
	if err := r.keepAccepted(r.accepted[accepted:]); err != nil {
		return err
	}
	return r.follow(ctx, position)
}

// alreadyThere finds the run blocks of an interrupted step that need not run again:
// those that had ended well, and the one that had begun, if the verify block behind it
// says that it worked. If not, somebody has to say that it may run twice.
func (v *visiting) alreadyThere(ctx context.Context) (map[*Block]bool, error) {
	there := make(map[*Block]bool)
	if v.before == nil || v.before.State != StateInterrupted || v.step.in(v.o.Again) {
		return there, nil
	}
	for i := range v.step.Parts {
		b := v.step.Parts[i].Block
		if b == nil || b.Role != Run {
			continue
		}
		line, began := v.begun(b)
		switch {
		case !began:
		case line.Event == LineBlockEnd && line.ExitCode != nil && *line.ExitCode == 0:
			there[b] = true
		default:
			if pid := v.running(line); line.Event == LineBlock && pid != 0 {
				return nil, &troubleError{state: StateInterrupted, err: failure("resume", v.book.place(b.Line), ErrLocked, "wait until it has ended, or end it",
					"the block has gone on without the run that began it: process group %d", pid)}
			}
			worked, err := v.worked(ctx, i)
			if err != nil {
				return nil, err
			}
			if there[b] = worked; worked {
				continue
			}
			if v.o.Ask == nil {
				return nil, &troubleError{state: StateInterrupted, err: failure("resume", v.book.place(b.Line), ErrConfirm, "--again "+v.step.Name()+" runs it again",
					"the block had begun when the run was interrupted, and no verify block says that it worked")}
			}
			v.tell(Event{Kind: Told, Step: v.step, Block: b, Text: "this block had begun when the run was interrupted; it would run again"})
		}
	}
	return there, nil
}

// begun finds a block in the visits before that were interrupted.
func (v *visiting) begun(b *Block) (Line, bool) {
	visits := v.history.visits
	for i := len(visits) - 1; i >= 0; i-- {
		if visits[i].Step != v.step.ID || visits[i].Number == v.number {
			continue
		}
		if visits[i].State != StateInterrupted {
			break
		}
		for _, line := range visits[i].Blocks {
			if line.Role == Run && line.Code == hashOf(b.Text) {
				return line, true
			}
		}
	}
	return Line{}, false
}

// worked runs the verify blocks behind a run block, up to the next one.
func (v *visiting) worked(ctx context.Context, at int) (bool, error) {
	verified := false
	for i := at + 1; i < len(v.step.Parts); i++ {
		b := v.step.Parts[i].Block
		if b == nil {
			continue
		}
		if b.Role == Run {
			break
		}
		if b.Role != Verify {
			continue
		}
		outcome, err := v.perform(ctx, b)
		if err != nil {
			return false, err
		}
		if v.judge(b, outcome) != nil {
			return false, nil
		}
		verified = true
	}
	return verified, nil
}

// running gives the process group of a block that outlived its run, or 0.
func (v *visiting) running(line Line) int {
	pid, err := strconv.Atoi(strings.TrimSpace(head(filepath.Join(v.folder, line.Folder, pidName), 32)))
	if err != nil || pid <= 1 || line.Host != v.o.Host || !groupAlive(pid) {
		return 0
	}
	return pid
}
