package backups

import (
	"fmt"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Kind is what a backup is.
type Kind string

// The kinds.
const (
	Archive    Kind = "pg_dump archive"
	SQL        Kind = "SQL dump"
	Base       Kind = "base backup"
	DataDir    Kind = "data directory"
	PgBackRest Kind = "pgBackRest backup"
	Barman     Kind = "Barman backup"
	WALG       Kind = "WAL-G backup"
)

// Backup is one that was found.
type Backup struct {
	Path   string `json:"path"`
	Kind   Kind   `json:"kind"`
	Format string `json:"format,omitempty"` // such as custom, directory, tar, gzip
	Label  string `json:"label,omitempty"`  // that a repository gave it
	Bytes  int64  `json:"bytes"`
	// Begun is when it was begun, and Ended when it was whole; zero: not known.
	Begun time.Time `json:"-"`
	Ended time.Time `json:"-"`
	// ZoneUnknown: Begun is by the clock of the machine that made it, and it does not say in which zone.
	ZoneUnknown bool      `json:"zone_unknown,omitempty"`
	Modified    time.Time `json:"-"` // the file
	Database    string    `json:"database,omitempty"`
	Server      string    `json:"server,omitempty"` // version of the server
	// SystemIdentifier is the cluster's; 0: not known.
	SystemIdentifier uint64 `json:"system_identifier,string,omitempty"`
	LSN              pg.LSN `json:"lsn,omitempty"` // where recovery begins; 0: not known
	// Tables are those whose rows it holds. Whole: these are all.
	Tables []Table `json:"tables,omitempty"`
	Whole  bool    `json:"tables_whole,omitempty"`
	// Broken says why it cannot be used, as far as its head tells; "": nothing is known against it.
	Broken string `json:"broken,omitempty"`
}

// Table is a table in a dump.
type Table struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	Rows   int64  `json:"rows"` // -1: nobody counted them
}

// Physical reports whether it holds the files of a whole cluster.
func (b *Backup) Physical() bool { return b.Kind != Archive && b.Kind != SQL }

// Has finds a table in a dump. known is false where the dump was not read to its end.
func (b *Backup) Has(schema, name string) (t Table, has, known bool) {
	for _, t := range b.Tables {
		if t.Name == name && (schema == "" || t.Schema == "" || t.Schema == schema) {
			return t, true, true
		}
	}
	return Table{}, false, b.Whole
}

// Answer is yes, no, or cannot be told.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "cannot be told"
)

// clocks is by how much the clocks of two zones can differ.
const clocks = 14 * time.Hour

// Precedes tells whether it was made before a loss, and by what that is known.
func (b *Backup) Precedes(loss time.Time) (Answer, string) {
	switch {
	case loss.IsZero():
		return Unknown, "when the loss happened is not known"
	case !b.Ended.IsZero() && b.Ended.Before(loss):
		return Yes, "it ended at " + pg.FormatTime(b.Ended)
	case !b.Ended.IsZero() && !b.Begun.IsZero() && !b.ZoneUnknown && b.Begun.Before(loss):
		return No, fmt.Sprintf("it was made from %s to %s, and the loss lies between", pg.FormatTime(b.Begun), pg.FormatTime(b.Ended))
	case !b.Begun.IsZero() && !b.ZoneUnknown:
		if b.Begun.Before(loss) {
			return Yes, "it was begun at " + pg.FormatTime(b.Begun)
		}
		return No, "it was begun at " + pg.FormatTime(b.Begun)
	case !b.Begun.IsZero():
		said := "it says " + b.Begun.Format("2006-01-02 15:04:05") + " by the clock of the machine that made it"
		switch {
		case b.Begun.Add(clocks).Before(loss):
			return Yes, said
		case b.Begun.Add(-clocks).After(loss):
			return No, said
		case !b.Modified.IsZero() && b.Modified.Before(loss):
			return Yes, said + ", and its file was last written at " + pg.FormatTime(b.Modified)
		}
		return Unknown, said + ", whose zone is not known"
	case !b.Modified.IsZero() && b.Modified.Before(loss):
		return Yes, "its file was last written at " + pg.FormatTime(b.Modified)
	}
	return Unknown, "it does not say when it was made"
}
