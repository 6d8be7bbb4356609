package runbook

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// skipped says whether the step is left out, and why.
func (v *visiting) skipped() (reason string, skip bool, err error) {
	if reason, skip := v.step.of(v.o.Skip); skip {
		if strings.TrimSpace(reason) == "" {
			return "", false, failure("skip", v.place(), ErrConfirm, "--skip "+v.step.Name()+"=REASON", "a skipped step needs a reason")
		}
		return reason, true, nil
	}
	if text := v.step.Fact(factSkipIf); text != "" {
		c := parseCondition(strings.Trim(text, " ."))
		if c.byPerson() || len(c.codes) > 0 {
			return "", false, nil // it is for the person who reads it
		}
		// A name without a value skips nothing.
		holds, err := c.holds(0, v.value)
		return "skip if " + text, err == nil && holds, nil
	}
	return "", false, nil
}

func (v *visiting) place() string { return v.book.place(v.step.Line) }

func (v *visiting) value(name string) (string, bool) {
	if value, ok := v.values[name]; ok {
		return value, true
	}
	for known, value := range v.values {
		if strings.EqualFold(known, name) {
			return value, true
		}
	}
	return "", false
}

// prepare sees that the step has all that it needs.
func (v *visiting) prepare(ctx context.Context) error {
	for _, name := range needs(v.step) {
		if other := v.book.Step(name); other != nil {
			before := v.history.latest(other.ID)
			if before == nil || before.State != StateDone && before.State != StateSkipped {
				return failure("begin", v.place(), ErrInput, "", "step %s needs step %s, which is not done", v.step.Name(), other.Name())
			}
			continue
		}
		if _, known := v.value(name); !known && v.book.input(name) == nil {
			return failure("begin", v.place(), ErrInput, "", "step %s needs %s, which no step before has given", v.step.Name(), name)
		}
	}
	// What its own blocks give is asked for when a block comes that still lacks it.
	own := gives(v.step)
	missing := slices.DeleteFunc(v.book.lacking(v.step.Blocks(Check, Run, Verify), v.values), func(name string) bool { return slices.Contains(own, name) })
	for _, name := range needs(v.step) {
		if _, known := v.value(name); !known && v.book.input(name) != nil {
			missing = append(missing, name)
		}
	}
	if err := v.askInputs(ctx, missing); err != nil {
		return err
	}
	if len(v.step.Blocks(Run)) > 0 && v.book.NeedsApproval(v.step) {
		return v.approve(ctx)
	}
	return nil
}

func (v *visiting) askInputs(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := v.askInput(ctx, v.book.input(name)); err != nil {
			return err
		}
	}
	return nil
}

// askInput asks for the value of an input until it can be meant.
func (v *visiting) askInput(ctx context.Context, in *Input) error {
	if v.o.Ask == nil {
		return failure("begin", v.place(), ErrInput, "--set "+in.Name+"=VALUE", "step %s uses %s, which has no value (%s)", v.step.Name(), in.Name, in.Meaning)
	}
	for {
		value, err := v.ask(ctx, Question{Kind: AskInput, Text: in.Name + ": " + in.Meaning, Default: "", Secret: in.Secret()})
		if err != nil {
			return err
		}
		if value == "" {
			return failure("begin", v.place(), ErrInput, "--set "+in.Name+"=VALUE", "%s has no value", in.Name)
		}
		if err := in.validate(value); err != nil {
			v.tell(Event{Kind: Told, Step: v.step, Text: err.Error()})
			continue
		}
		v.inputs[in.Name], v.values[in.Name] = value, value
		v.plan = v.book.hash(v.inputs, v.at())
		return v.book.keepInputs(v.folder, v.inputs)
	}
}

// ask asks the person, who must be there.
func (v *visiting) ask(ctx context.Context, q Question) (string, error) {
	q.Step = v.step
	answer, err := v.o.Ask.Ask(ctx, q)
	if err != nil {
		return "", err
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = q.Default
	}
	return answer, nil
}

// troubleError is what went wrong in a step, with the state that it is left in.
type troubleError struct {
	state StepState
	err   error
	next  *Step // where the book goes on all the same, or nil
}

func (e *troubleError) Error() string { return e.err.Error() }
func (e *troubleError) Unwrap() error { return e.err }

// parts goes through the step from top to bottom, and then along its branches.
func (v *visiting) parts(ctx context.Context) (*Step, error) {
	resumed, err := v.alreadyThere(ctx)
	if err != nil {
		return nil, err
	}
	branches := 0
	for i := range v.step.Parts {
		part := &v.step.Parts[i]
		switch {
		case part.Branch != nil:
			branches++
		case part.Task != nil:
			err = v.task(ctx, part.Task)
		case part.Block.Role == Undo:
		case part.Block.Role == Run && resumed[part.Block]:
			v.tell(Event{Kind: Told, Step: v.step, Block: part.Block, Text: "this block has run before the interruption, and is not run again"})
		default:
			err = v.block(ctx, part.Block)
		}
		if err != nil {
			// An exit code may be what a branch waits for.
			return v.byExitCode(err)
		}
	}
	if branches > 0 {
		return v.branch(ctx)
	}
	return v.book.Next(v.step), nil
}

// task has a person say that something is done.
func (v *visiting) task(ctx context.Context, task *Task) error {
	line := Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, About: task.Line, Question: task.Text}
	switch {
	case v.step.in(v.o.Tick):
		line.Answer, line.Note = AnswerYes, "said with --tick"
	case v.o.Ask == nil:
		return &troubleError{state: StateFailed, err: failure("ask in", v.book.place(task.Line), ErrConfirm, "--tick "+v.step.Name()+" says that it is done", "a person has to do this, and nobody is there: %s", task.Text)}
	default:
		answer, err := v.ask(ctx, Question{Kind: AskTask, Text: task.Text, Default: AnswerNo})
		if err != nil {
			return err
		}
		first, note, _ := strings.Cut(answer, " ")
		line.Answer, line.Note = strings.TrimRight(first, ",;:"), v.mask(strings.TrimSpace(note))
	}
	if err := v.write(line); err != nil {
		return err
	}
	if line.Answer != AnswerYes {
		return &troubleError{state: StateFailed, err: failure("ask in", v.book.place(task.Line), ErrConfirm, "do it, and resume the run", "it is not done: %s", task.Text)}
	}
	return nil
}

// block runs one block, and judges how it ended.
func (v *visiting) block(ctx context.Context, b *Block) error {
	if err := v.askInputs(ctx, v.book.lacking([]*Block{b}, v.values)); err != nil {
		return err
	}
	if b.Role == Run {
		if err := v.allowed(ctx, b); err != nil {
			return err
		}
	}
	outcome, err := v.perform(ctx, b)
	if err != nil {
		return err
	}
	v.code = outcome.Code
	return v.judge(b, outcome)
}

// perform runs a block within what is left of the time box, and writes it down.
func (v *visiting) perform(ctx context.Context, b *Block) (Outcome, error) {
	v.blocks++
	inside := filepath.Join(stepFolder(v.step, v.number), fmt.Sprintf("%d-%s", v.blocks, b.Role))
	line := Line{Event: LineBlock, Step: v.step.ID, Visit: v.number, Block: b.Line, Role: b.Role, Code: hashOf(b.Text), Folder: inside, Host: v.o.Host}
	if err := v.write(line); err != nil {
		return Outcome{}, err
	}
	v.tell(Event{Kind: BlockBegins, Step: v.step, Block: b})
	boxed, cancel := ctx, context.CancelFunc(func() {})
	if v.boxed && !v.o.ByHand {
		boxed, cancel = context.WithTimeout(ctx, v.left)
	}
	defer cancel()
	tools := v.o.Tools
	tools.Mask = v.mask
	s := scene{
		tools: &tools, dir: v.dir, folder: filepath.Join(v.folder, inside), evidence: filepath.Join(v.folder, evidenceName),
		values: v.values, env: v.o.Env, stdout: v.o.Stdout, stderr: v.o.Stderr,
	}
	began := time.Now()
	run := s.run
	if v.o.ByHand {
		run = func(ctx context.Context, b *Block) (Outcome, error) { return v.byHand(ctx, &s, b) }
	}
	outcome, err := run(boxed, b)
	v.left -= time.Since(began)
	switch {
	case ctx.Err() != nil:
		outcome.Note = joinNotes(outcome.Note, "it was interrupted")
	case boxed.Err() != nil:
		outcome.Note = joinNotes(outcome.Note, "the time box ran out, and it was stopped")
	case err != nil:
		outcome.Note = joinNotes(outcome.Note, err.Error())
	}
	line.Event, line.ExitCode, line.Note, line.Outputs = LineBlockEnd, &outcome.Code, v.mask(outcome.Note), v.maskAll(outcome.Outputs)
	line.Stdout, line.Stderr = &outcome.Stdout, &outcome.Stderr
	took := time.Since(began).Milliseconds()
	line.DurationMS = &took
	if err != nil {
		line.ExitCode = nil
	}
	if err := v.write(line); err != nil {
		return outcome, err
	}
	v.tell(Event{Kind: BlockEnds, Step: v.step, Block: b, Outcome: &outcome})
	switch {
	case ctx.Err() != nil:
		return outcome, ctx.Err()
	case boxed.Err() != nil:
		limit, _ := v.step.TimeBox()
		return outcome, &troubleError{state: StateOutOfTime, err: failure("run", v.book.place(b.Line), ErrTimeBox, "`pgrescue runbook resume` begins the step again", "step %s took longer than %v", v.step.Name(), limit)}
	case errors.Is(err, ErrConfirm):
		return outcome, err
	case err != nil:
		return outcome, &troubleError{state: StateFailed, err: failure("run", v.book.place(b.Line), ErrBlock, "", "the block could not be run: %w", err)}
	}
	v.take(outcome.Outputs)
	return outcome, nil
}

// judge says what an exit code and an output mean for the step.
func (v *visiting) judge(b *Block, o Outcome) error {
	kind, hint := ErrBlock, "its output is in "+filepath.Join(v.folder, stepFolder(v.step, v.number))
	switch b.Role {
	case Verify:
		kind = ErrVerify
	case Check:
		if o.Code == 2 && !callsPgrescue(b) {
			v.tell(Event{Kind: Told, Step: v.step, Block: b, Text: "the check warns, and the run goes on"})
			return nil
		}
		if o.Code == 1 {
			kind = ErrStopped
		}
	}
	if o.Code != 0 {
		return &troubleError{state: StateFailed, err: failure(string(b.Role), v.book.place(b.Line), kind, hint, "exit code %d%s: %s", o.Code, noted(o.Note), v.complaint(b))}
	}
	if b.ExpectLine == 0 || v.o.ByHand {
		return nil
	}
	switch b.Role {
	case Check:
		kind = ErrStopped
	case Run:
		kind = ErrVerify
	}
	output, whole := v.output(o)
	if !whole || !Matches(b.Expect, output) {
		return &troubleError{state: StateFailed, err: failure(string(b.Role), v.book.place(b.ExpectLine), kind, hint, "exit code 0, but the output is not what the book shows")}
	}
	return nil
}

func noted(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}

// longestExpected bounds what is compared with an expect block.
const longestExpected = 4 << 20

// output reads what the last block printed.
func (v *visiting) output(o Outcome) (string, bool) {
	if o.Stdout.Cut || o.Stdout.Kept > longestExpected {
		return "", false
	}
	return head(filepath.Join(v.folder, v.lastFolder(), "stdout"), longestExpected), true
}

// complaint is what the last block printed of its error.
func (v *visiting) complaint(b *Block) string {
	return complaint(head(filepath.Join(v.folder, v.lastFolder(), "stderr"), longestExpected), "the "+string(b.Role)+" block printed no error")
}

func (v *visiting) lastFolder() string {
	visit := v.history.visit(v.step.ID, v.number)
	if visit == nil || len(visit.Blocks) == 0 {
		return ""
	}
	return visit.Blocks[len(visit.Blocks)-1].Folder
}
