package logparse

import "time"

// Setback is an entry whose time is well before that of one before it: the clock was set, put back for the
// winter, or lines of two programs are mixed.
type Setback struct {
	Place
	By time.Duration
}

const (
	// leastSetback is more than processes that write at the same time are apart.
	leastSetback = 10 * time.Second
	maxSetbacks  = 100
)

// Setbacks are those that Entries has met, the first ones if there are many.
func (s *Source) Setbacks() []Setback { return s.setbacks }

// setback notes an entry that goes back in time. The next ones are compared with it, so that one change
// of a clock is one setback.
func (s *Source) setback(entry *Entry) {
	if entry.Time.IsZero() {
		return
	}
	before := s.latest[entry.Outer.Container]
	by := before.Time.Sub(entry.Time)
	if !before.Time.IsZero() && by >= leastSetback && len(s.setbacks) < maxSetbacks {
		s.setbacks = append(s.setbacks, Setback{Place: entry.Place, By: by})
	}
	if by < 0 || by >= leastSetback || before.Time.IsZero() {
		s.latest[entry.Outer.Container] = entry.Stamp
	}
}
