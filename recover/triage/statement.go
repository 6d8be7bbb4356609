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
	Time time.Time // zero: not known
	// Ended is when its transaction ended, where EndKnown says that the log tells so.
	Ended    time.Time
	EndKnown bool
	Duration time.Duration
	Fate     Fate
	Why      string // what the fate rests on
	XID      pg.XID
	Verb     string // DELETE, TRUNCATE, …
	Table    evidence.RelationName
	Rows     int64 // that it touched; -1: not known
	// ServersOwn: the log is the server's own, whose clock is that of the WAL.
	ServersOwn bool
	// Group tells transactions of logs apart; never 0.
	Group    uint64
	Text     string // as it was sent, without secrets
	SQLState string // of a failed one
	Where    string // the file and the line
	Actor    string
	Tenant   string
}
