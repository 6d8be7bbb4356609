package runbook

import (
	"maps"
	"path/filepath"

	"github.com/pgrescue/pgrescue/recover/journal"
)

// Status is how far a run is.
type Status struct {
	Folder   string       `json:"folder"`
	Book     string       `json:"book"`
	Title    string       `json:"title"`
	Began    string       `json:"began"`
	Who      string       `json:"who"`
	Host     string       `json:"host"`
	Holder   string       `json:"holder,omitempty"` // who is busy with it now
	Next     string       `json:"next,omitempty"`   // the step that it goes on with; "": it came to its end
	Plan     string       `json:"plan"`             // the hash that somebody approves
	Steps    []StepStatus `json:"steps"`
	Stale    []Stale      `json:"stale,omitempty"`
	Findings []Finding    `json:"findings,omitempty"` // what is wrong with the book now
	Problems []string     `json:"problems,omitempty"` // what is wrong with the journal
}

// StepStatus is how far a step is.
type StepStatus struct {
	Step   string    `json:"step"`
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	State  StepState `json:"state"`
	Visits int       `json:"visits"`
	Reason string    `json:"reason,omitempty"`
	Ended  string    `json:"ended,omitempty"`
	Who    string    `json:"who,omitempty"`
}

// ReadStatus looks at a run, without taking part in it.
func ReadStatus(folder string, o Options) (*Status, error) {
	folder, rec, book, err := openRun(folder)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(folder)
	if err != nil {
		return nil, err
	}
	s := &Status{
		Folder: folder, Book: rec.Book, Title: book.Title, Began: rec.Began, Who: rec.Who, Host: rec.Host,
		Next: h.position(book), Findings: Lint(book), Problems: h.problems,
	}
	if s.Holder, err = journal.HeldBy(filepath.Join(folder, lockName)); err != nil {
		return nil, err
	}
	r := &run{book: book, folder: folder, dir: rec.Dir, o: &RunOptions{Options: o}, history: h}
	if err := r.readInputs(); err != nil {
		return nil, err
	}
	s.Plan, s.Stale = r.plan, r.stale()
	for _, step := range book.Steps {
		status := StepStatus{Step: step.Name(), ID: step.ID, Title: step.Title, State: StateTodo}
		if v := h.latest(step.ID); v != nil {
			status.State, status.Visits, status.Reason, status.Ended, status.Who = v.State, v.Number, v.Reason, v.Ended, v.Who
		}
		s.Steps = append(s.Steps, status)
	}
	return s, nil
}

// readInputs reads the inputs of the run, and what plan they make.
func (r *run) readInputs() error {
	var kept keptInputs
	if err := readJSON(filepath.Join(r.folder, inputsName), &kept); err != nil {
		return failure("open run", r.folder, ErrDamaged, "begin a new run", "%s: %w", inputsName, err)
	}
	return r.takeInputs(kept)
}

// takeInputs joins the inputs that were kept with those that are given now.
func (r *run) takeInputs(kept keptInputs) error {
	given := make(map[string]string)
	for _, name := range sortedKeys(kept.Values) {
		// The book may have lost an input since.
		if r.book.input(name) != nil || isSetting(name) {
			given[name] = kept.Values[name]
		}
	}
	maps.Copy(given, r.o.Inputs)
	var err error
	if r.inputs, err = r.book.gather(given, r.o.Env); err != nil {
		return err
	}
	r.values = maps.Clone(r.inputs)
	r.plan = r.book.hash(r.inputs, r.at())
	r.changed = make(map[string]bool)
	for name, value := range kept.Values {
		r.changed[name] = r.inputs[name] != value
	}
	return nil
}
