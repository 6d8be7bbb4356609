package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// sourceWAL is the source of what the WAL tells.
const sourceWAL = "wal"

// rank is how much an entry of the timeline has to do with the loss.
type rank int

const (
	rankLoss    rank = iota // of a transaction of the loss
	rankDestroy             // a statement that destroys, whatever became of it
	rankLog                 // what else logs tell
	rankOther               // other transactions of the WAL
	ranks
)

// mostOf is how many entries of each rank a report shows.
func mostOf(r rank) int { return [ranks]int{60, 40, 15, 10}[r] }

// story is the timeline: which entries are shown, and what all of them sum up to.
type story struct {
	loss    []*destroyer
	byXID   map[pg.XID]*destroyer
	at, end time.Time // of the first and the last commit of the loss
	all     span
	// shown has the entries that are shown, by rank; seen is how many of each there are.
	shown   [ranks][]entry
	seen    [ranks]int64
	sources []*source
	others  source // beyond mostSources
	bins    *bins
	// updates holds that the loss is of old values, so that an UPDATE destroys.
	updates bool
}

// entry is an entry that is shown; n tells those of one time apart.
type entry struct {
	casefile.Event
	detail detail
	n      int64
}

// source sums up what one log tells.
type source struct {
	Name      string
	Entries   int64
	Certainty map[string]int64
	span
}

// span is a stretch of time.
type span struct{ From, To time.Time }

func (s *span) add(t time.Time) {
	if s.From.IsZero() || t.Before(s.From) {
		s.From = t
	}
	if t.After(s.To) {
		s.To = t
	}
}

// detail is what a report reads in Event.Detail. A case says there what its source
// told; what is not there is not known.
type detail struct {
	XID     pg.XID
	First   pg.LSN
	End     pg.LSN
	Table   string
	Verb    string
	Rows    int64
	Deleted int64
	Removed int64
	// WAL says with which transaction of the WAL a statement was joined, or why with none;
	// LSN is where that one ended.
	WAL string
	LSN pg.LSN
}

// looseNumber is a number, or a text that is one.
type looseNumber int64

func (n *looseNumber) UnmarshalJSON(text []byte) error {
	number, err := strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
	if err == nil { // anything else is not known
		*n = looseNumber(number)
	}
	return nil
}

func readDetail(e *casefile.Event) detail {
	var raw struct {
		XID           looseNumber       `json:"xid"`
		FirstLSN      string            `json:"first_lsn"`
		EndLSN        string            `json:"end_lsn"`
		Table         string            `json:"table"`
		Verb          string            `json:"verb"`
		Rows          looseNumber       `json:"rows"`
		Deleted       looseNumber       `json:"deleted"`
		RemovedTables []json.RawMessage `json:"removed_tables"`
		WAL           string            `json:"wal"`
		WALXID        looseNumber       `json:"wal_xid"`
		WALLSN        string            `json:"wal_lsn"`
	}
	if len(e.Detail) > 0 {
		_ = json.Unmarshal(e.Detail, &raw) // what cannot be read is not known
	}
	d := detail{
		XID: pg.XID(raw.XID), Table: raw.Table, Verb: strings.ToUpper(raw.Verb), Rows: int64(raw.Rows),
		Deleted: int64(raw.Deleted), Removed: int64(len(raw.RemovedTables)), WAL: raw.WAL,
	}
	if raw.WALXID != 0 {
		d.XID = pg.XID(raw.WALXID)
	}
	d.LSN, _ = pg.ParseLSN(raw.WALLSN)
	d.First, _ = pg.ParseLSN(raw.FirstLSN)
	d.End, _ = pg.ParseLSN(raw.EndLSN)
	if d.Verb == "" {
		verb, _, _ := strings.Cut(strings.TrimSpace(e.Statement), " ")
		d.Verb = strings.ToUpper(verb)
	}
	return d
}

func newStory(destroyed []casefile.Destroyed) *story {
	s := &story{loss: destroyers(destroyed), byXID: make(map[pg.XID]*destroyer)}
	var loss span
	for i := range destroyed {
		s.updates = s.updates || destroyed[i].Operation == evidence.OpUpdate
	}
	for _, d := range s.loss {
		s.byXID[d.XID] = d
		if !d.Commit.IsZero() {
			loss.add(d.Commit)
		}
	}
	s.at, s.end = loss.From, loss.To
	return s
}

// survey looks at an entry for the first time.
func (s *story) survey(e *casefile.Event) {
	s.all.add(e.Time)
	d := readDetail(e)
	if loss := s.byXID[d.XID]; loss != nil && e.Source == sourceWAL {
		if d.First != 0 {
			loss.First = d.First
		}
		loss.End = max(loss.End, d.End)
		if loss.Commit.IsZero() {
			loss.Commit = e.Time
		}
	}
}

// choose decides, before the second look, which stretch of time is drawn.
func (s *story) choose() {
	if s.at.IsZero() {
		for _, d := range s.loss {
			if !d.Commit.IsZero() {
				s.at, s.end = d.Commit, d.Commit
			}
		}
	}
	s.bins = newBins(s.window(), s.all)
}

// window is the stretch around the loss that the statements per second are drawn of.
func (s *story) window() span {
	if s.at.IsZero() {
		return s.all
	}
	around := max(2*s.end.Sub(s.at), time.Minute)
	w := span{s.at.Add(-around), s.end.Add(around)}
	if !s.all.From.IsZero() {
		w.From, w.To = later(w.From, s.all.From), earlier(w.To, s.all.To)
	}
	if w.To.Before(s.end) {
		w.To = s.end
	}
	if w.From.After(s.at) {
		w.From = s.at
	}
	return w
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// tell takes an entry into what is shown.
func (s *story) tell(e *casefile.Event) {
	d := readDetail(e)
	s.sourceOf(e.Source).add(e)
	s.between(e, &d)
	r := s.rankOf(e, &d)
	s.bins.add(e, &d, r, s.destroys(d.Verb))
	s.seen[r]++
	shown := append(s.shown[r], entry{Event: *e, detail: d, n: s.seen[r]})
	if len(shown) >= 2*mostOf(r) {
		shown = s.nearest(shown, mostOf(r))
	}
	s.shown[r] = shown
}

// between narrows down when transactions of the loss wrote their first record.
func (s *story) between(e *casefile.Event, d *detail) {
	if e.Source != sourceWAL || d.End == 0 {
		return
	}
	for _, loss := range s.loss {
		switch {
		case loss.First == 0 || d.XID == loss.XID:
		case d.End <= loss.First && (loss.Commit.IsZero() || !e.Time.After(loss.Commit)): // clocks go back
			loss.After = later(loss.After, e.Time)
		case d.End <= loss.First:
		case loss.Before.IsZero() || e.Time.Before(loss.Before):
			loss.Before = e.Time
		}
	}
}

func (s *story) sourceOf(name string) *source {
	for _, known := range s.sources {
		if known.Name == name {
			return known
		}
	}
	if len(s.sources) == mostSources {
		return &s.others
	}
	s.sources = append(s.sources, &source{Name: name})
	return s.sources[len(s.sources)-1]
}

func (s *source) add(e *casefile.Event) {
	s.Entries++
	s.span.add(e.Time)
	if s.Certainty == nil {
		s.Certainty = make(map[string]int64)
	}
	word := e.Certainty
	if _, known := s.Certainty[word]; !known && len(s.Certainty) >= mostSources {
		word = "other"
	}
	s.Certainty[word]++
}

// rankOf ranks an entry.
func (s *story) rankOf(e *casefile.Event, d *detail) rank {
	switch {
	case s.byXID[d.XID] != nil:
		return rankLoss
	case e.Source == sourceWAL && d.Removed > 0:
		return rankDestroy
	case e.Source == sourceWAL:
		return rankOther
	case s.destroys(d.Verb):
		return rankDestroy
	}
	return rankLog
}

// destroys reports whether a statement takes away what the loss is of: rows or a whole
// table, or old values.
func (s *story) destroys(verb string) bool {
	switch verb {
	case "DELETE", "TRUNCATE", "DROP":
		return true
	case "UPDATE", "MERGE":
		return s.updates
	}
	return false
}

// nearest keeps the entries that are nearest to the loss; without one, the first.
func (s *story) nearest(list []entry, most int) []entry {
	slices.SortStableFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(s.distance(a.Time), s.distance(b.Time)), cmp.Compare(a.n, b.n))
	})
	return slices.Clip(list[:min(len(list), most)])
}

func (s *story) distance(t time.Time) time.Duration {
	switch {
	case s.at.IsZero():
		return 0
	case t.Before(s.at):
		return s.at.Sub(t)
	case t.After(s.end):
		return t.Sub(s.end)
	}
	return 0
}

// sameTransaction reports whether of two entries of the WAL on a transaction the shorter
// one says nothing that the longer one does not: several commands find the same one.
func sameTransaction(a, b entry) bool {
	if len(a.Message) < len(b.Message) {
		a, b = b, a
	}
	return a.Source == sourceWAL && b.Source == sourceWAL && a.detail.XID == b.detail.XID && a.detail.End == b.detail.End && a.detail.End != 0 &&
		strings.HasPrefix(a.Message, b.Message)
}

// entries lists what is shown in the order of time, and how many there are in all.
func (s *story) entries() (shown []entry, all int64) {
	for r := range ranks {
		shown = append(shown, s.nearest(slices.Clone(s.shown[r]), mostOf(r))...)
		all += s.seen[r]
	}
	slices.SortStableFunc(shown, func(a, b entry) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Line, b.Line), cmp.Compare(a.detail.XID, b.detail.XID), cmp.Compare(len(b.Message), len(a.Message)))
	})
	whole := len(shown)
	shown = slices.CompactFunc(shown, sameTransaction)
	return shown, all - int64(whole-len(shown))
}
