package applog

import (
	"slices"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
)

// Claim is the value of a field as a log tells it.
type Claim struct {
	Field   string
	Known   Known
	Pattern string
	Place   logparse.Place
	Stamp   logparse.Stamp
	// Flow is the flow that its message names.
	Flow string
	// Doubt says why it may belong to another import; "": an id, or that no other was under way, ties it to this one.
	Doubt string
	turn  int // the last message that told it
}

// The doubts. With the first three nothing names another that the value could belong to.
const (
	doubtOnly     = "several imports were under way; this is the only one of them that has as many rows"
	doubtLong     = "the import was named long before, and the message names none"
	doubtName     = "the name stands in a message before, which has no id"
	doubtSeveral  = "several imports were under way, and the message names none"
	doubtRunning  = "another import's flow may have been running, and the message names none"
	doubtShortly  = "another import was named shortly before, and the message names none"
	doubtTenants  = "requests of several tenants came at the same time"
	doubtStray    = "the log does not show the import of which the message is"
	doubtOfAssets = "assets of another flow were being made at the same time"
)

// strong reports whether a doubt leaves another one that the value may belong to.
func strong(doubt string) bool {
	return doubt != "" && doubt != doubtLong && doubt != doubtName && doubt != doubtOnly
}

// Fate is what became of the transaction of an import.
type Fate uint8

// The fates.
const (
	FateUnknown    Fate = iota
	FateCommitted       // proven by the message of a commit
	FateRolledBack      // its rows are not there
)

// String names it for people.
func (f Fate) String() string { return [...]string{"unknown", "committed", "rolled back"}[f] }

// Payload is a message that holds values of rows.
type Payload struct {
	Proof Proof // ProvesRow or ProvesBody
	Kind  Kind
	Claim // its Known has the literal as it stands

	// Wrapped tells that it stood in a box, whose lines had been wrapped.
	Wrapped bool

	rivals []*Import // that were under way, where it is doubtful whose it is
}

// Pair is the name of a field, and of the column that it became.
type Pair struct{ Source, Target Claim }

// Asset is a row of the application's assets that a log names.
type Asset struct {
	ID    Claim
	Name  Claim
	Keys  []string // the fields that its source had
	Flow  Claim
	There bool // it was there already
	// Claims are what else its message tells, such as the tenant where each line of a log has it.
	Claims []Claim
	// Spoiled says why it may not have been kept; "": nothing speaks against it.
	Spoiled string
}

// Import is one import as a log tells it.
type Import struct {
	ID      string // "": no line told it
	Claims  []Claim
	Headers []string // of the source file; those of the first line that had them
	Rows    int64    // of the import; -1: not known
	Fate    Fate
	Why     string // what the fate rests on
	Flows   []string
	Assets  []*Asset
	Values  []Payload
	Pairs   []Pair

	trace string
	among []*Import // those without an id that were under way when it was named: it is one of them
	begun bool      // its transaction
	ended bool      // a message may have told its end: it did not say of which import
	seen  int       // the last message that named it
	told  int       // the last one that surely belongs to it, and when that was
	last  time.Time

	claimed map[[4]string]int // where in Claims a pattern told the value of a field, of a flow
}

// Claim gives the last claim of a field; ok tells whether there is one.
func (i *Import) Claim(field string) (claim Claim, ok bool) {
	for _, other := range i.Claims {
		if other.Field == field && (!ok || other.turn >= claim.turn) {
			claim, ok = other, true
		}
	}
	return claim, ok
}

// maxClaims bounds what is kept of an import that a log goes on about.
const maxClaims = 5000

// claim keeps what messages of a pattern say, once; without a doubt where one of them leaves none.
func (i *Import) claim(claim Claim) {
	key := [4]string{claim.Field, claim.Known.Text, claim.Flow, claim.Pattern}
	if at, ok := i.claimed[key]; ok {
		if claim.Doubt == "" && i.Claims[at].Doubt != "" {
			i.Claims[at] = claim
		}
		if claim.Doubt == i.Claims[at].Doubt {
			i.Claims[at].turn = claim.turn
		}
		return
	}
	if len(i.Claims) >= maxClaims {
		return
	}
	if i.claimed == nil {
		i.claimed = make(map[[4]string]int)
	}
	i.claimed[key] = len(i.Claims)
	i.Claims = append(i.Claims, claim)
}

// maxPairs bounds the pairs of an import.
const maxPairs = 5000

// keep notes payloads and pairs of names.
func (c *Chain) keep(i *Import, m *message, doubt string) {
	switch m.match.Pattern.Proves {
	case ProvesRow, ProvesBody:
		for _, payload := range m.payloads(doubt) {
			if doubt != "" {
				payload.rivals = slices.Clone(c.open)
			}
			i.Values = append(i.Values, payload)
		}
	case ProvesMapping:
		if len(i.Pairs) < maxPairs {
			i.Pairs = append(i.Pairs, Pair{
				m.claim("source_field", m.values["source_field"], doubt), m.claim("target_field", m.values["target_field"], doubt),
			})
		}
	}
}

// payloads are the literals of a message.
func (m *message) payloads(doubt string) (payloads []Payload) {
	for _, value := range m.match.Values {
		if value.Kind == KindRepr || value.Kind == KindJSON {
			claim := m.claim(value.Name, "", doubt)
			claim.Known = Known{Text: string(value.Text), Head: string(value.Text)}
			payloads = append(payloads, Payload{
				Proof: m.match.Pattern.Proves, Kind: value.Kind, Claim: claim, Wrapped: cornerOf(m.entry.Message) == opens,
			})
		}
	}
	return payloads
}

// twin reports whether a message of another copy of the log told of the import before: a backend names an import that it
// makes once, at one time.
func (i *Import) twin(m *message) bool {
	claim := m.claim("import_id", m.values["import_id"], "")
	at, there := i.claimed[[4]string{claim.Field, claim.Known.Text, claim.Flow, claim.Pattern}]
	if !there || m.entry.Time.IsZero() {
		return false
	}
	before := i.Claims[at]
	return before.Stamp.Time.Equal(m.entry.Time) && (before.Place.Source != m.entry.Source || before.Place.File != m.entry.File)
}

// absorb takes what another copy of the log told before it named the import.
func (c *Chain) absorb(i, twin *Import) {
	for _, claim := range twin.Claims {
		i.claim(claim)
	}
	for _, payload := range twin.Values {
		same := func(other Payload) bool {
			return other.Pattern == payload.Pattern && other.Known.Text == payload.Known.Text
		}
		if !slices.ContainsFunc(i.Values, same) {
			i.Values = append(i.Values, payload)
		}
	}
	c.shut(twin)
	c.Imports = slices.DeleteFunc(c.Imports, func(other *Import) bool { return other == twin })
	for _, open := range []**Import{&c.named, &c.before} {
		if *open == twin {
			*open = i
		}
	}
}
