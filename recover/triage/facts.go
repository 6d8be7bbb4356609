package triage

import (
	"time"

	"github.com/pgrescue/pgrescue/recover/containers"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// Facts are what the evidence at hand says. What is not at hand is nil or empty.
type Facts struct {
	Now      time.Time
	Asked    Asked
	DataDir  *DataDir
	WAL      *WAL
	WALPaths []string // where it lies, if not in DataDir
	Typed    Typed
	Server   *Server
	// OtherCluster: the server runs on another cluster than the data directory or the WAL is of.
	OtherCluster bool
	Tables       []Table // of the data directory's catalogs, or of the server's database
	Statements   []Statement
	Signs        []Sign
	Logs         []Log
	Sources      []Source
	SourcesAsked bool // somebody looked for them
	Backups      []backups.Backup
	Containers   []containers.Container
	Volumes      []containers.Volume
	Keys         *Keys // nil: no Redis was asked
	// Searched says whether somebody looked for backups at all.
	Searched bool
	Gaps     []evidence.Gap
}

// Asked is what a responder already knows.
type Asked struct {
	Tables       []evidence.RelationName // that rows are missing from
	Since, Until time.Time               // between which it happened
}

// wants reports whether a table is asked for; without a question all are.
func (a *Asked) wants(table evidence.RelationName) bool {
	for _, name := range a.Tables {
		if SameTable(name, table) {
			return true
		}
	}
	return len(a.Tables) == 0
}

// within reports whether a time is in the window; what has no time is.
func (a *Asked) within(t time.Time) bool {
	return t.IsZero() || !t.Before(a.Since) && (a.Until.IsZero() || t.Before(a.Until))
}

// DataDir is what a data directory says without a look into its relations.
type DataDir struct {
	Path             string
	SystemIdentifier uint64
	// Made is when initdb ran: the system identifier begins with that second.
	Made          time.Time
	State         string // of pg_control
	CleanShutdown bool
	Checkpoint    time.Time
	Redo          pg.LSN
	Timeline      pg.TimelineID
	Running       bool // a server works on it now
	// RestoredBy is a file that recovery from a base backup leaves behind; BackupStart is where that backup's WAL
	// begins, and BackupTime when it was begun, as far as it says so.
	RestoredBy   string
	BackupStart  pg.LSN
	BackupTime   time.Time
	Standby      bool // it follows another server
	Databases    []string
	UserTables   int
	Autovacuum   string // as postgresql.conf has it, where it does; "": not set
	Partial      bool   // a copy of a part of it: which files there were, it does not tell
	Missing      []string
	MissingCount int
}

// madeBy is when initdb ran, as xlog.c makes a system identifier: the seconds stand in its upper half.
func madeBy(identifier uint64) time.Time { return time.Unix(int64(identifier>>32), 0).UTC() }

// Table is a table as catalogs and statistics know it.
type Table struct {
	Name evidence.RelationName `json:"name"`
	OID  pg.OID                `json:"oid"`
	File string                `json:"file,omitempty"`
	// Rows is what the last VACUUM or ANALYZE counted; -1: none did.
	Rows     float64 `json:"estimated_rows"`
	Unlogged bool    `json:"unlogged,omitempty"`
	Bytes    int64   `json:"bytes"` // of its file; -1: not known
	// Written is when the file was written last; zero: not known.
	Written         time.Time `json:"-"`
	Dropped         bool      `json:"dropped,omitempty"`
	ReplicaIdentity string    `json:"replica_identity,omitempty"`
	// Parents are the tables that it refers to by a foreign key with ON DELETE CASCADE.
	Parents []evidence.RelationName `json:"cascades_from,omitempty"`
	// ParentsKnown: somebody looked for them.
	ParentsKnown bool `json:"-"`
	// Columns are the names of its columns; nil: not known.
	Columns []string `json:"-"`
	Stats   *Stats   `json:"statistics,omitempty"`
}

// ForeignKey is a foreign key between two tables.
type ForeignKey struct {
	Name          string
	Child         evidence.RelationName
	Columns       []string
	Parent        evidence.RelationName
	ParentColumns []string
	OnDelete      string // in SQL's words
}

// Stats are the counters of a table (pg_stat_user_tables), and what its next VACUUM depends on.
type Stats struct {
	Inserted   int64     `json:"n_tup_ins"`
	Updated    int64     `json:"n_tup_upd"`
	Deleted    int64     `json:"n_tup_del"`
	Live       int64     `json:"n_live_tup"`
	Dead       int64     `json:"n_dead_tup"`
	LastVacuum time.Time `json:"last_vacuum,omitzero"` // by hand or not
	// Threshold is how many dead rows it takes until autovacuum comes; Autovacuum: it comes at all.
	Threshold  int64 `json:"autovacuum_threshold"`
	Autovacuum bool  `json:"autovacuum"`
	// InsertedSince are the rows that were inserted since the last VACUUM, and InsertThreshold how many of those it takes
	// until autovacuum comes, from version 13 on; -1: not known, or it does not come for them.
	InsertedSince   int64 `json:"n_ins_since_vacuum"`
	InsertThreshold int64 `json:"autovacuum_insert_threshold"`
	Busy            bool  `json:"vacuum_runs,omitempty"`
}

// table finds a table by its name; nil: nobody knows it.
func (f *Facts) table(name evidence.RelationName) *Table {
	for i := range f.Tables {
		if t := &f.Tables[i]; SameTable(t.Name, name) && (name.Database == "" || t.Name.Database == "" || name.Database == t.Name.Database) {
			return t
		}
	}
	return nil
}

// Sign is something that a log tells of the server and not of a statement.
type Sign struct {
	Kind  SignKind
	Time  time.Time
	Text  string
	Where string
}

// SignKind is what a Sign tells.
type SignKind string

// The kinds of signs.
const (
	SignCrash    SignKind = "crash"    // the server was not shut down properly
	SignNoFile   SignKind = "no file"  // the server did not find the file of a relation
	SignRecovery SignKind = "recovery" // from a backup: archive recovery, a new timeline
	SignRestore  SignKind = "restore"  // a dump was restored
	SignVacuum   SignKind = "vacuum"
	SignRefused  SignKind = "no table" // somebody asked for a table that is not there
)

// Log is a log that was read.
type Log struct {
	Name        string    `json:"name"`
	Format      string    `json:"format"`
	First, Last time.Time `json:"-"`
	// Server: a server of PostgreSQL wrote it. Container: through what keeps it only as long as the container.
	Server    bool `json:"server"`
	Container bool `json:"container,omitempty"`
	// Payloads are statements in it that bring rows, with their values.
	Payloads map[string]int64 `json:"payloads,omitempty"`
}

// Source is a file that rows may have come from.
type Source struct {
	Path   string    `json:"path"`
	Format string    `json:"format"`
	Bytes  int64     `json:"bytes"`
	Time   time.Time `json:"-"`
	// Records are those in it; -1: nobody counted them.
	Records int64 `json:"records"`
	// Tables are those that its columns fit; nil: nobody compared them.
	Tables []string `json:"tables,omitempty"`
}
