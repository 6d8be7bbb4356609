package triage

import (
	"context"
	"slices"

	"github.com/pgrescue/pgrescue/recover/wal"
)

// Report is what a triage says.
type Report struct {
	Question   Question     `json:"question"`
	Hypotheses []Hypothesis `json:"hypotheses"`
	// Named is the hypothesis that the evidence points to; "": nothing was lost as far as it goes.
	Named  HypothesisName `json:"named,omitempty"`
	Losses []Loss         `json:"losses"`
	// Spread are tables that many small transactions emptied together.
	Spread []Spread `json:"spread,omitempty"`
	// Statistics are what the counters say, with why they prove nothing alone.
	Statistics []string `json:"statistics,omitempty"`
	Routes     []Route  `json:"routes"`
	// Next are the commands to type, the first one first.
	Next []Command `json:"next"`
}

// Weigh makes a report of facts. archive is the WAL that they are from; nil: there is none.
func Weigh(ctx context.Context, f *Facts, archive *wal.Archive) (*Report, error) {
	f.joinLogs()
	losses := Losses(f)
	if f.WAL != nil && archive != nil {
		if err := f.WAL.FollowUp(ctx, archive, append(f.together(), losses...)); err != nil {
			return nil, err
		}
		losses = Losses(f) // what was made within the WAL is known now
	}
	w := &weigher{Facts: f, losses: losses}
	w.spread = w.spreadLosses()
	r := &Report{Losses: losses, Spread: w.spread, Hypotheses: w.hypotheses()}
	r.Named = named(r.Hypotheses)
	if r.Named == "" {
		r.Losses, r.Spread = nil, nil
	}
	w.named = r.Named
	r.Question = w.question(r.Named)
	r.Statistics = w.statistics()
	r.Routes = w.routes()
	r.Next = w.next()
	return r, nil
}

// named is the hypothesis that something was lost by which the evidence supports best.
func named(list []Hypothesis) HypothesisName {
	for _, standing := range []Standing{Proven, Supported} {
		at := slices.IndexFunc(list, func(h Hypothesis) bool { return h.Loses && h.Standing == standing })
		if at >= 0 {
			return list[at].Name
		}
	}
	return ""
}

// joinLogs lets the WAL say what became of the statements in logs.
func (f *Facts) joinLogs() {
	if f.WAL == nil {
		return
	}
	join := NewJoin(f.WAL.Transactions)
	found := make([]Candidates, len(f.Statements))
	for i := range f.Statements {
		found[i] = join.Candidates(&f.Statements[i])
	}
	for i := range f.Statements {
		s := &f.Statements[i]
		match := join.Settle(found[i], s.XID, s.Rows)
		fate, proven, text := match.Fate(s.Fate)
		if text != "" {
			s.Why = text
		}
		if s.Fate = fate; proven || match.Transaction != nil && fate != Attempted {
			s.XID = match.Transaction.XID
		}
	}
}
