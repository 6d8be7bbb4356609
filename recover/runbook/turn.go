package runbook

import (
	"context"
	"errors"
	"slices"
)

// byExitCode finds the branch that waits for the exit code of the block that failed,
// and where it leads. A verify block that failed is no success, whoever waits for it.
func (v *visiting) byExitCode(err error) (*Step, error) {
	if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrStopped) && !errors.Is(err, ErrVerify) || v.code == 0 {
		return nil, err
	}
	for _, part := range v.step.Parts {
		b := part.Branch
		if b == nil || !slices.Contains(b.decided.codes, v.code) || b.Target == "" {
			continue
		}
		next := v.book.Step(b.Target)
		if errors.Is(err, ErrVerify) {
			return nil, &troubleError{state: StateFailed, err: plain(err), next: next}
		}
		return next, nil
	}
	return nil, err
}

// branch finds where the step leads.
func (v *visiting) branch(ctx context.Context) (*Step, error) {
	if target, taken := v.step.of(v.o.Take); taken {
		next := v.book.Step(target)
		if next == nil {
			return nil, &troubleError{state: StateFailed, err: failure("branch in", v.place(), ErrInput, "", "--take %s=%s: there is no such step", v.step.Name(), target)}
		}
		return next, v.write(Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, Question: "which branch?", Answer: next.ID, Note: "said with --take"})
	}
	for _, part := range v.step.Parts {
		b := part.Branch
		if b == nil {
			continue
		}
		holds, err := v.holds(ctx, b)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		v.tell(Event{Kind: Told, Step: v.step, Text: branchText(b)})
		switch {
		case b.Stop:
			return nil, &troubleError{state: StateFailed, err: failure("branch in", v.book.place(b.Line), ErrStopped, "", "the book says: %s", b.Text)}
		case b.Target != "":
			return v.book.Step(b.Target), nil
		}
		return v.book.Next(v.step), nil
	}
	return v.book.Next(v.step), nil
}

func branchText(b *Branch) string {
	if b.Otherwise {
		return "otherwise " + arrow + " " + b.Text
	}
	return "if " + b.Condition + " " + arrow + " " + b.Text
}

// holds decides a branch, or has a person decide it.
func (v *visiting) holds(ctx context.Context, b *Branch) (bool, error) {
	switch {
	case b.Otherwise:
		return true, nil
	case !b.ByPerson():
		holds, err := b.decided.holds(v.code, v.value)
		if err != nil {
			err = &troubleError{state: StateFailed, err: failure("branch in", v.book.place(b.Line), ErrInput, "", "%w", err)}
		}
		return holds, err
	case v.o.Ask == nil:
		return false, &troubleError{state: StateFailed, err: failure("branch in", v.book.place(b.Line), ErrConfirm, "--take "+v.step.Name()+"=STEP says where to go", "a person has to decide whether %s, and nobody is there", b.Condition)}
	}
	answer, err := v.ask(ctx, Question{Kind: AskBranch, Text: branchText(b), Choices: []string{AnswerYes, AnswerNo}, Default: AnswerNo})
	if err != nil {
		return false, err
	}
	return answer == AnswerYes, v.write(Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, About: b.Line, Question: "if " + b.Condition, Answer: answer})
}

// troubled ends a step in which something went wrong, and asks what to do now.
func (v *visiting) troubled(ctx context.Context, err error) (*Step, error) {
	var t *troubleError
	if ctx.Err() != nil || !errors.As(err, &t) {
		// The step has no end: it was interrupted.
		return nil, err
	}
	if t.state == StateSkipped {
		return v.end(StateSkipped, t.Error(), v.book.Next(v.step))
	}
	if t.state == StateOutOfTime {
		_, anchor := v.step.TimeBox()
		t.next = v.book.Step(anchor)
	}
	if t.next != nil {
		return v.end(t.state, t.Error(), t.next)
	}
	if _, failed := v.end(t.state, t.Error(), nil); failed != nil {
		return nil, errors.Join(t.err, failed)
	}
	if v.o.Ask == nil || errors.Is(err, ErrConfirm) {
		return nil, t.err
	}
	return v.whatNow(ctx, t)
}

// whatNow asks what to do with a step that failed.
func (v *visiting) whatNow(ctx context.Context, t *troubleError) (*Step, error) {
	choices := []string{AnswerRetry, AnswerSkip, AnswerQuit}
	if len(v.step.Blocks(Undo)) > 0 {
		choices = append(choices, AnswerUndo)
	}
	answer, err := v.ask(ctx, Question{Kind: AskFailed, Text: t.Error(), Choices: choices, Default: AnswerQuit})
	if err != nil {
		return nil, errors.Join(t.err, err)
	}
	switch {
	case answer == AnswerRetry:
		return v.step, nil
	case answer == AnswerSkip:
		reason, err := v.ask(ctx, Question{Kind: AskReason, Text: "why is it skipped?"})
		if err != nil || reason == "" {
			return nil, errors.Join(t.err, err)
		}
		return v.end(StateSkipped, reason, v.book.Next(v.step))
	case answer == AnswerUndo && slices.Contains(choices, AnswerUndo):
		return nil, errors.Join(t.err, v.undo(ctx))
	}
	return nil, t.err
}
