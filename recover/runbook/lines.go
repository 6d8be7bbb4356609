package runbook

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// LineKind is the event of a line in the journal of a run.
type LineKind string

// The events.
const (
	LineRun      LineKind = "run"
	LineResume   LineKind = "resume"
	LineStep     LineKind = "step"
	LineBlock    LineKind = "block"     // begins
	LineBlockEnd LineKind = "block-end" // ended, or was stopped
	LineAnswer   LineKind = "answer"
	LineStepEnd  LineKind = "step-end"
	LineUndo     LineKind = "undo"
	LineEnd      LineKind = "end" // of the command
)

// questionStale is what was accepted of a step that is another one now.
const questionStale = "is it still good, though it changed?"

// StepState is how far a step came.
type StepState string

// The states.
const (
	StateTodo        StepState = "to do"
	StateInterrupted StepState = "interrupted" // it began, and nobody wrote its end
	StateDone        StepState = "done"
	StateFailed      StepState = "failed"
	StateOutOfTime   StepState = "out of time"
	StateSkipped     StepState = "skipped"
	StateUndone      StepState = "undone"
)

// Line is one line of journal.jsonl in the folder of a run. It is a link of a chain,
// as package journal has it.
type Line struct {
	Seq        int64             `json:"seq"`
	Event      LineKind          `json:"event"`
	Time       string            `json:"time"`
	Who        string            `json:"who,omitempty"`
	Host       string            `json:"host,omitempty"`
	Version    string            `json:"version,omitempty"`
	Plan       string            `json:"plan,omitempty"` // of run and resume: the hash of the plan
	Step       string            `json:"step,omitempty"` // its anchor
	Visit      int               `json:"visit,omitempty"`
	Text       string            `json:"text,omitempty"`   // of a step: the hash of its lines
	Values     map[string]string `json:"values,omitempty"` // of a step: those that its blocks use
	Block      int               `json:"block,omitempty"`  // its line in the book
	Role       Role              `json:"role,omitempty"`
	Code       string            `json:"code,omitempty"`   // of a block: the hash of its text
	Folder     string            `json:"folder,omitempty"` // of a block, in that of the run
	ExitCode   *int              `json:"exit_code,omitempty"`
	DurationMS *int64            `json:"duration_ms,omitempty"`
	Stdout     *Saved            `json:"stdout,omitempty"`
	Stderr     *Saved            `json:"stderr,omitempty"`
	Outputs    map[string]string `json:"outputs,omitempty"`
	Aside      bool              `json:"aside,omitempty"` // of a step: it ran again with --again, and the run goes on elsewhere
	Question   string            `json:"question,omitempty"`
	Answer     string            `json:"answer,omitempty"`
	About      int               `json:"about,omitempty"` // of an answer: the line of the task in the book
	State      StepState         `json:"state,omitempty"`
	Next       string            `json:"next,omitempty"` // of a step that ended: where the run goes on
	Reason     string            `json:"reason,omitempty"`
	Note       string            `json:"note,omitempty"`
	Previous   string            `json:"previous"`
}

// Visit is one time that a step was gone through.
type Visit struct {
	Step    string    `json:"step"`
	Number  int       `json:"visit"` // from 1
	State   StepState `json:"state"`
	Reason  string    `json:"reason,omitempty"`
	Next    string    `json:"next,omitempty"`
	Began   string    `json:"began"`
	Ended   string    `json:"ended,omitempty"`
	Who     string    `json:"who,omitempty"`
	Host    string    `json:"host,omitempty"`
	Blocks  []Line    `json:"blocks,omitempty"`  // their ends; a begin that has none
	Answers []Line    `json:"answers,omitempty"` // of tasks, branches and confirmations
	aside   bool
	values  map[string]string // that its blocks use
	text    string            // hash of its lines
	version string
}

// history is what the journal of a run says.
type history struct {
	end      journal.End
	visits   []*Visit
	problems []string // what does not fit together
	changed  string   // the first of these that no stop of the system makes; "": none
	ended    bool     // the last command wrote its end
}

// readHistory follows the journal of a run.
func readHistory(folder string) (*history, error) {
	h := &history{}
	previous := ""
	var err error
	h.end, err = journal.Read(filepath.Join(folder, journalName), func(n int64, text []byte, hash string) error {
		var line Line
		switch err := json.Unmarshal(text, &line); {
		case err != nil:
			// A machine that stopped leaves half a line. It tells nothing, and hides nothing.
			h.problems = append(h.problems, fmt.Sprintf("line %d: it is no whole line: the system stopped while it was written, or it was changed", n))
		case line.Seq != n:
			h.notWritten(fmt.Sprintf("line %d: it says that it is line %d", n, line.Seq))
		case line.Previous != previous:
			h.notWritten(fmt.Sprintf("line %d: the line before is not the one that it was written behind", n))
		default:
			h.take(line)
		}
		previous = hash
		return nil
	})
	return h, err
}

// notWritten notes that the journal is not what pgrescue wrote.
func (h *history) notWritten(problem string) {
	h.problems = append(h.problems, problem)
	h.changed = cmp.Or(h.changed, problem)
}

// take adds a line to what is known.
func (h *history) take(line Line) {
	h.ended = line.Event == LineEnd
	if line.Event == LineStep {
		h.visits = append(h.visits, &Visit{
			Step: line.Step, Number: line.Visit, State: StateInterrupted, Began: line.Time, Who: line.Who, Host: line.Host,
			aside: line.Aside, values: line.Values, text: line.Text, version: line.Version,
		})
		return
	}
	visit := h.visit(line.Step, line.Visit)
	if visit == nil {
		return
	}
	switch line.Event {
	case LineBlock:
		visit.Blocks = append(visit.Blocks, line)
	case LineBlockEnd:
		for i := len(visit.Blocks) - 1; i >= 0; i-- {
			if visit.Blocks[i].Event == LineBlock && visit.Blocks[i].Block == line.Block {
				visit.Blocks[i] = line
				return
			}
		}
		visit.Blocks = append(visit.Blocks, line)
	case LineAnswer:
		if line.Question == questionStale {
			visit.text, visit.version = line.Text, line.Version
			if line.Values != nil {
				visit.values = line.Values
			}
		}
		visit.Answers = append(visit.Answers, line)
	case LineStepEnd:
		visit.State, visit.Reason, visit.Next, visit.Ended = line.State, line.Reason, line.Next, line.Time
	}
}

func (h *history) visit(step string, number int) *Visit {
	for _, v := range h.visits {
		if v.Step == step && v.Number == number {
			return v
		}
	}
	return nil
}

// latest is the last visit of a step, or nil.
func (h *history) latest(step string) *Visit {
	for i := len(h.visits) - 1; i >= 0; i-- {
		if h.visits[i].Step == step {
			return h.visits[i]
		}
	}
	return nil
}

// givenAgain is what a step that had given a value before a visit gave for it when it ran
// once more behind that visit.
func (h *history) givenAgain(name string, visit *Visit) (value string, again bool) {
	givers := make(map[string]bool)
	behind := false
	for _, v := range h.visits {
		behind = behind || v == visit
		for _, block := range v.Blocks {
			given, gives := block.Outputs[name]
			switch {
			case gives && !behind:
				givers[v.Step] = true
			case gives && givers[v.Step]:
				value, again = given, true
			}
		}
	}
	return value, again
}

// position is the step that the run goes on with: "" when it came to its end.
func (h *history) position(b *Book) string {
	if len(h.visits) == 0 {
		if first := b.First(); first != nil {
			return first.ID
		}
		return ""
	}
	n := len(h.visits) - 1
	for n > 0 && h.besideTheWay(n) {
		n--
	}
	last := h.visits[n]
	switch last.State {
	case StateDone, StateSkipped:
		return last.Next
	case StateFailed, StateOutOfTime:
		if last.Next != "" {
			return last.Next
		}
	}
	return last.Step
}

// besideTheWay reports whether a visit was one with --again that led where the step had led
// before: then the run goes on where it had stopped, and not behind it.
func (h *history) besideTheWay(n int) bool {
	v := h.visits[n]
	if !v.aside || v.State != StateDone && v.State != StateSkipped {
		return false
	}
	for i := n - 1; i >= 0; i-- {
		if h.visits[i].Step == v.Step {
			return h.visits[i].Next == v.Next
		}
	}
	return false
}

// now is the time as journals have it.
func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
