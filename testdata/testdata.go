// Package testdata carries the fixtures that the program itself needs.
//
//   - Incident: a real PostgreSQL 15 data directory with its WAL after a cleanup
//     script, the evidence of `pgrescue demo`.
//   - Truth: what the program that made the incident knows to be true of it.
//
// Command cmd/internal/incident makes both anew; incident/README.md tells the story.
package testdata

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// incident holds what has a dot in its name: the archive, the truth and the
// README, but not the folder of doomed rows, which only tests read.
//
//go:embed incident/*.*
var incident embed.FS

// Names of the incident's files within its folder.
const (
	IncidentArchive = "incident.tar.zst"
	IncidentTruth   = "truth.json"
)

// Incident gives the incident's archive: a tar file compressed with zstd. It
// holds one folder, data, with the parts of the data directory that recovery reads.
func Incident() ([]byte, error) { return read(IncidentArchive) }

// ReadTruth gives what is known of the incident.
func ReadTruth() (*Truth, error) {
	text, err := read(IncidentTruth)
	if err != nil {
		return nil, err
	}
	truth := new(Truth)
	if err := json.Unmarshal(text, truth); err != nil {
		return nil, fmt.Errorf("testdata: read %s: %w", IncidentTruth, err)
	}
	return truth, nil
}

func read(name string) ([]byte, error) {
	content, err := fs.ReadFile(incident, "incident/"+name)
	if err != nil {
		return nil, fmt.Errorf("testdata: read %s (go run ./cmd/internal/incident makes it): %w", name, err)
	}
	return content, nil
}

// Truth is what the maker of the incident knows.
type Truth struct {
	Server   string `json:"server"`   // version() of the server
	Database string `json:"database"` // the application's database
	// DatabaseOID names its folder in base.
	DatabaseOID pg.OID `json:"database_oid"`
	// SystemIdentifier is that of pg_control.
	SystemIdentifier uint64 `json:"system_identifier"`
	// SegmentSize is the size of a WAL segment in bytes.
	SegmentSize int `json:"wal_segment_size"`
	// Redo is the redo point of the last checkpoint before the cleanup.
	Redo pg.LSN `json:"redo_before_cleanup"`
	// End is where the WAL ended when the server was stopped.
	End pg.LSN `json:"wal_end"`
	// Vacuumed are the hurt tables that were vacuumed after the cleanup.
	Vacuumed []string `json:"vacuumed"`
	// Transactions are those of the cleanup, in their order; the ones of the
	// tenants' ordinary work are not listed.
	Transactions []Transaction `json:"transactions"`
}

// Transaction is one transaction of the cleanup.
type Transaction struct {
	Label     string `json:"label"`
	XID       pg.XID `json:"xid"` // the top-level transaction
	Committed bool   `json:"committed"`
	// EndTime is when it was committed or aborted, UTC.
	EndTime time.Time `json:"end_time"`
	// EndLSN is the start of its commit or abort record.
	EndLSN pg.LSN `json:"end_lsn"`
	// Before and After are the WAL insert positions around it.
	Before     pg.LSN      `json:"before"`
	After      pg.LSN      `json:"after"`
	Statements []Statement `json:"statements"`
	// Destroyed lists the rows whose versions it destroyed for good.
	Destroyed []Destroyed `json:"destroyed,omitempty"`
}

// Rows is the number of row versions that the transaction destroyed.
func (t *Transaction) Rows() int {
	total := 0
	for _, d := range t.Destroyed {
		total += d.Rows
	}
	return total
}

// Statement is what was sent to the server.
type Statement struct {
	SQL   string `json:"sql"`
	Error string `json:"error,omitempty"` // what the server answered when it failed
}

// Destroyed is the loss of one table in one transaction.
type Destroyed struct {
	Table     string `json:"table"`     // with its schema
	Operation string `json:"operation"` // delete or update
	Rows      int    `json:"rows"`
	// SHA256 is that of File, in hex.
	SHA256 string `json:"sha256"`
	// File holds the rows as they were, in COPY's text format, ordered by id; its
	// path is relative to the incident's folder.
	File string `json:"file"`
}

// Transaction finds a transaction by its label, or gives nil.
func (t *Truth) Transaction(label string) *Transaction {
	for i := range t.Transactions {
		if t.Transactions[i].Label == label {
			return &t.Transactions[i]
		}
	}
	return nil
}
