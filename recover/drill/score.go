package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// Score is what came of one drill.
type Score struct {
	Incident string `json:"incident"`
	Shapes   []int  `json:"shapes"`
	Version  string `json:"postgresql"`
	Ending   Ending `json:"ending"` // that a good run has
	Passed   bool   `json:"passed"`
	// Problems say why it did not pass.
	Problems []string      `json:"problems"`
	Tables   []TableScore  `json:"tables"`
	Lost     int64         `json:"lost"`
	Back     int64         `json:"back"`
	Took     time.Duration `json:"-"`
	TookMS   int64         `json:"took_ms"`
	Steps    []StepScore   `json:"steps"`
	Lies     []Lie         `json:"lies"`
	Triage   TriageScore   `json:"triage"`
	// LeftBehind is what the run changed on the server and did not put back.
	LeftBehind []string `json:"left_behind"`
	Error      string   `json:"error,omitempty"` // how the run ended, if not well
	Folder     string   `json:"folder"`          // of the run

	Err error `json:"-"`
}

// StepScore is what one visit of a step came to.
type StepScore struct {
	Step    string            `json:"step"`
	Title   string            `json:"title"`
	State   runbook.StepState `json:"state"`
	TookMS  int64             `json:"took_ms"`
	Changed []string          `json:"changed,omitempty"` // on the server
}

// Lie is what a step said, and what is true.
type Lie struct {
	Step  string `json:"step"`
	Said  string `json:"said"`
	Truth string `json:"truth"`
}

// TriageScore is what triage said, and what it should have.
type TriageScore struct {
	Asked          bool     `json:"asked"` // a block wrote a hypothesis to $OUT
	Right          bool     `json:"right"`
	Hurt           string   `json:"hurt,omitempty"`
	Hypothesis     string   `json:"hypothesis,omitempty"`
	Transactions   []string `json:"transactions"`
	WantHypotheses []string `json:"want_hypotheses"`
	Want           []string `json:"want_transactions"`
}

// score compares what the book did with the truth.
func (d *drilled) score(ctx context.Context, result *runbook.Result, runErr error, took time.Duration) (*Score, error) {
	version, err := d.scene.cluster.Major()
	if err != nil {
		return nil, err
	}
	in := d.incident
	s := &Score{
		Incident: in.Name, Shapes: in.Shapes, Version: version, Ending: in.Ending, Problems: []string{}, Tables: []TableScore{}, Lies: []Lie{}, LeftBehind: []string{},
		Took: took, TookMS: took.Milliseconds(), Folder: d.runFolder(), Err: runErr,
	}
	if runErr != nil {
		s.Error = runErr.Error()
	}
	last := readState(ctx, d.scene.cluster)
	touched, err := d.changedRows(ctx, last)
	if err != nil {
		return nil, err
	}
	if err := d.count(ctx, s); err != nil {
		return nil, err
	}
	d.scoreSteps(s, touched)
	s.Triage = d.triage(result)
	s.LeftBehind = append(s.LeftBehind, d.leftBehind(last)...)
	d.judge(s, touched)
	s.Passed = len(s.Problems) == 0
	return s, nil
}

// changedRows gives for each step, by its place in d.steps, the rows that it changed in each table.
func (d *drilled) changedRows(ctx context.Context, last *state) ([]map[string]int64, error) {
	touched := make([]map[string]int64, len(d.steps))
	if d.first == nil || last == nil {
		return touched, nil
	}
	list, err := deeds(ctx, d.scene.cluster, d.first.lsn, d.scene.traffic)
	if err != nil {
		return nil, err
	}
	for i, t := range d.steps {
		touched[i] = map[string]int64{}
		before, after := t.before, t.after
		if before == nil {
			continue
		}
		if after == nil {
			after = last
		}
		for _, deed := range list {
			if deed.end < before.lsn || deed.end >= after.lsn {
				continue
			}
			for _, tally := range deed.tallies {
				if name := after.files[tally.Relation.Relation]; name != "" {
					touched[i][name] += tally.Inserted + tally.Updated + tally.Deleted
				}
			}
		}
	}
	return touched, nil
}

// count compares the tables with the truth. A server that does not answer has nothing back.
func (d *drilled) count(ctx context.Context, s *Score) error {
	err := d.scene.within(ctx, func(session *cluster.Session) error {
		for _, h := range d.scene.truth {
			now, err := copyTable(ctx, session, &h.table)
			if err != nil {
				return err
			}
			s.Tables = append(s.Tables, h.score(now, d.scene.traffic.newcomers(h.table.name)))
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.Tables = nil
		for _, h := range d.scene.truth {
			s.Tables = append(s.Tables, h.score(lines{}, lines{}))
		}
		s.Problems = append(s.Problems, "the tables cannot be read in the end: "+err.Error())
	}
	for _, t := range s.Tables {
		s.Lost += t.Lost
		s.Back += t.Back
	}
	return nil
}

func (d *drilled) scoreSteps(s *Score, touched []map[string]int64) {
	for i, t := range d.steps {
		step := StepScore{Step: t.step.Name(), Title: t.step.Title, State: t.state, Changed: t.changed(touched[i])}
		if !t.ended.IsZero() {
			step.TookMS = t.ended.Sub(t.began).Milliseconds()
		}
		s.Steps = append(s.Steps, step)
	}
}

// changed says what a step changed on the server.
func (t *trace) changed(rows map[string]int64) []string {
	list := t.before.changes(t.after)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		list = append(list, fmt.Sprintf("%d rows of %s", rows[name], name))
	}
	return list
}

// leftBehind is what is other than before the run. Tables that were lost may be there again.
func (d *drilled) leftBehind(last *state) []string {
	return slices.DeleteFunc(d.first.changes(last), func(change string) bool {
		for _, h := range d.scene.truth {
			if strings.HasSuffix(change, "table "+h.table.name) {
				return true
			}
		}
		return false
	})
}

// triage is what blocks said of the incident. The last word counts.
func (d *drilled) triage(result *runbook.Result) TriageScore {
	said := map[string]string{}
	if result != nil {
		for _, visit := range result.Visits {
			for i := range visit.Blocks {
				if outputs := visit.Blocks[i].Outputs; outputs["HYPOTHESIS"] != "" {
					delete(said, "XID")
					delete(said, "XIDS")
					maps.Copy(said, outputs)
				}
			}
		}
	}
	t := TriageScore{
		Hurt: said["HURT"], Hypothesis: said["HYPOTHESIS"], Transactions: strings.Fields(said["XIDS"]),
		WantHypotheses: d.incident.Hypotheses, Want: append([]string{}, d.scene.culprits...),
	}
	if len(t.Transactions) == 0 {
		t.Transactions = append([]string{}, strings.Fields(said["XID"])...)
	}
	slices.Sort(t.Want)
	slices.Sort(t.Transactions)
	t.Asked = t.Hypothesis != ""
	// Where none of many transactions stands out, that it was many is what has to be said.
	spread := len(t.Want) > 1 && len(t.Transactions) == 0 && said["SPREAD"] == "yes"
	t.Right = t.Asked && slices.Contains(t.WantHypotheses, t.Hypothesis) && (spread || slices.Equal(t.Transactions, t.Want))
	return t
}

// judge finds lies, and why the drill did not pass.
func (d *drilled) judge(s *Score, touched []map[string]int64) {
	s.Lies = append(s.Lies, d.lies(s, touched)...)
	for _, lie := range s.Lies {
		s.Problems = append(s.Problems, fmt.Sprintf("step %s said %q, and %s", lie.Step, lie.Said, lie.Truth))
	}
	// A book may stop where there is nothing to give back.
	quiet := d.incident.Ending != RowsBack && errors.Is(s.Err, runbook.ErrStopped)
	if s.Err != nil && !quiet {
		s.Problems = append(s.Problems, "the run did not come to a good end: "+s.Error)
	}
	if d.incident.Ending == RowsBack && s.Lost > s.Back {
		s.Problems = append(s.Problems, fmt.Sprintf("%d of %d rows are not back", s.Lost-s.Back, s.Lost))
	}
	for _, t := range s.Tables {
		if t.Wrong > 0 {
			s.Problems = append(s.Problems, fmt.Sprintf("%s has %d rows that it never had", t.Table, t.Wrong))
		}
		if t.Hurt > 0 {
			s.Problems = append(s.Problems, fmt.Sprintf("%d rows of %s that were not lost are not as they were", t.Hurt, t.Table))
		}
	}
	if d.incident.Ending != RowsBack {
		for i, t := range d.steps {
			for _, name := range slices.Sorted(maps.Keys(touched[i])) {
				s.Problems = append(s.Problems, fmt.Sprintf("step %s changed %d rows of %s, where there was nothing to give back", t.step.Name(), touched[i][name], name))
			}
		}
	}
	if s.Triage.Asked && !s.Triage.Right {
		s.Problems = append(s.Problems, fmt.Sprintf("triage named %s and transactions %s; right is %s and %s", s.Triage.Hypothesis, orNone(s.Triage.Transactions),
			strings.Join(s.Triage.WantHypotheses, " or "), orNone(s.Triage.Want)))
	}
	if s.Err == nil {
		for _, change := range s.LeftBehind {
			s.Problems = append(s.Problems, "left behind: "+change)
		}
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

// lies are what steps said that is not so.
func (d *drilled) lies(s *Score, touched []map[string]int64) (list []Lie) {
	giver := -1
	for i, t := range d.steps {
		changes := t.step.Fact("Changes")
		if changed := t.changed(touched[i]); len(changed) > 0 && saysNothing(changes) {
			list = append(list, Lie{t.step.Name(), "Changes: " + changes, "it changed " + strings.Join(changed, "; ")})
		}
		if t.state == runbook.StateDone && d.gives(touched[i]) {
			giver = i
		}
	}
	truth := d.untrue(s)
	if truth == "" || d.incident.Ending != RowsBack {
		return list
	}
	if giver < 0 && s.Err == nil { // none gave anything back; whoever was to says that it did
		for i, t := range d.steps {
			if t.state == runbook.StateDone && t.step.Severe() && len(t.step.Blocks(runbook.Verify)) > 0 {
				giver = i
			}
		}
	}
	if giver < 0 {
		return list
	}
	said := "done"
	if len(d.steps[giver].step.Blocks(runbook.Verify)) > 0 {
		said = "done, and verified"
	}
	return append(list, Lie{d.steps[giver].step.Name(), said, truth})
}

// saysNothing reports whether a step says that it changes nothing.
func saysNothing(changes string) bool {
	first, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(changes)), " ")
	first = strings.Trim(first, ".,;:")
	return first == "nothing" || first == "none"
}

// gives reports whether a step wrote rows into a table that lost some.
func (d *drilled) gives(rows map[string]int64) bool {
	for _, h := range d.scene.truth {
		if rows[h.table.name] > 0 {
			return true
		}
	}
	return false
}

// untrue says what is wrong with the rows in the end; "": nothing.
func (d *drilled) untrue(s *Score) string {
	var wrong, newcomers int64
	for _, t := range s.Tables {
		wrong += t.Wrong
		newcomers += t.Hurt
	}
	var texts []string
	for _, part := range []struct {
		n    int64
		text string
	}{{s.Lost - s.Back, "%d lost rows are not back"}, {wrong, "%d rows are others than were ever there"}, {newcomers, "%d rows that were not lost are not as they were"}} {
		if part.n > 0 {
			texts = append(texts, fmt.Sprintf(part.text, part.n))
		}
	}
	return strings.Join(texts, "; ")
}
