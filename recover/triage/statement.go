package triage

import (
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Fate is what became of a statement, as far as somebody can prove.
type Fate string

// The fates, in the words of logs timeline.
const (
	Attempted  Fate = "attempted"
	Failed     Fate = "failed"
	Executed   Fate = "executed"
	Committed  Fate = "committed"
	RolledBack Fate = "rolled back"
)

// Statement is what a log tells of one statement.
type Statement struct {
	Time time.Time `json:"time,omitzero"` // zero: not known
	// Ended is when its transaction ended, where EndKnown says that the log tells so.
	Ended    time.Time             `json:"-"`
	EndKnown bool                  `json:"-"`
	Duration time.Duration         `json:"-"`
	Fate     Fate                  `json:"fate"`
	Why      string                `json:"why,omitempty"` // what the fate rests on
	XID      pg.XID                `json:"xid,omitempty"`
	Verb     string                `json:"verb"` // DELETE, TRUNCATE, …
	Table    evidence.RelationName `json:"table"`
	Rows     int64                 `json:"rows"` // that it touched; -1: not known
	// ServersOwn: the log is the server's own, whose clock is that of the WAL.
	ServersOwn bool `json:"-"`
	// Group tells transactions of logs apart; never 0.
	Group    uint64 `json:"-"`
	Text     string `json:"statement"`          // as it was sent, without secrets
	SQLState string `json:"sqlstate,omitempty"` // of a failed one
	Where    string `json:"where"`              // the file and the line
	Actor    string `json:"actor,omitempty"`
	Tenant   string `json:"tenant,omitempty"`
}
