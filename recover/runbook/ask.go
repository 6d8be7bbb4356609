package runbook

import (
	"context"
	"io"
)

// QuestionKind says what an answer is for.
type QuestionKind string

// The kinds of questions. An empty answer is the default of the question.
const (
	AskRun      QuestionKind = "run"       // may the block run?
	AskConfirm  QuestionKind = "confirm"   // the name of the target, typed
	AskApproval QuestionKind = "approval"  // the token of somebody else
	AskTask     QuestionKind = "task"      // is it done? A note may follow the answer
	AskBranch   QuestionKind = "branch"    // does the condition hold?
	AskInput    QuestionKind = "input"     // the value of an input
	AskReason   QuestionKind = "reason"    // why a step is skipped
	AskFailed   QuestionKind = "failed"    // what now?
	AskExitCode QuestionKind = "exit code" // of a block that was run by hand
	AskNote     QuestionKind = "note"      // what it printed
)

// The answers that a person chooses from.
const (
	AnswerYes   = "y"
	AnswerNo    = "n"
	AnswerSkip  = "skip"
	AnswerWhy   = "why"
	AnswerUndo  = "undo"
	AnswerRetry = "retry"
	AnswerQuit  = "quit"
)

// Question is put to a person.
type Question struct {
	Kind    QuestionKind
	Step    *Step
	Block   *Block // or nil
	Text    string
	Choices []string // empty: any text
	Default string
	Secret  bool // what is typed must not be seen
}

// Asker is the person at the terminal.
type Asker interface {
	Ask(ctx context.Context, q Question) (string, error)
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	StepBegins  EventKind = "step begins"
	BlockBegins EventKind = "block begins"
	BlockEnds   EventKind = "block ends"
	StepEnds    EventKind = "step ends"
	ByHand      EventKind = "by hand" // Text is what somebody else has to run
	Told        EventKind = "told"    // Text is for the person
)

// Event is something that happens in a run, told while it happens.
type Event struct {
	Kind    EventKind
	Step    *Step
	Block   *Block   // or nil
	Outcome *Outcome // of a block that ended
	State   StepState
	Text    string
}

// RunOptions is how a book is run. What is not asked, because there is nobody, has
// to be said here; the names of flags are those of `pgrescue runbook run`.
type RunOptions struct {
	Options
	Command   string // what the lock says
	Ask       Asker  // nil: there is nobody
	Tell      func(Event)
	Stdout    io.Writer // what blocks print, while they run; may be nil
	Stderr    io.Writer
	Yes       bool              // --yes: steps that are not severe may run
	Confirm   []string          // --confirm NAME: the names of targets that severe steps may act on
	Approvals []string          // --approval TOKEN
	Rehearsal bool              // a drill: steps that need an approval go without one
	ByHand    bool              // --by-hand: blocks are shown, and somebody runs them elsewhere
	Tick      []string          // --tick STEP: what a person does in these steps is done; "all"
	Skip      map[string]string // --skip STEP=REASON
	Take      map[string]string // --take STEP=TARGET: the branch to take where a person has to decide
	Again     []string          // --again STEP: run it again, though it is stale or was interrupted
	Accept    []string          // --accept STEP: it stays done, though it is stale; "all"
	// Target says on which database a severe step acts, where no value says it; nil: nobody knows.
	Target func(ctx context.Context, values map[string]string) (string, error)
}

// names reports whether a list names the step.
func (s *Step) in(list []string) bool {
	for _, name := range list {
		if name == "all" || s.called(name) {
			return true
		}
	}
	return false
}

// called reports whether somebody means the step.
func (s *Step) called(name string) bool { return name == s.Number && name != "" || name == s.ID }

// of finds what a map of the options says of a step.
func (s *Step) of(m map[string]string) (string, bool) {
	for name, value := range m {
		if s.called(name) {
			return value, true
		}
	}
	return "", false
}
