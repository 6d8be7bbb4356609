package triage

import (
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// Transaction is what the WAL says of one transaction, by the names of its tables.
type Transaction struct {
	XID      pg.XID         `json:"xid"`
	State    xact.State     `json:"state"`
	End      time.Time      `json:"-"`
	EndLSN   pg.LSN         `json:"end_lsn"`
	FirstLSN pg.LSN         `json:"first_lsn"`
	Subxacts []pg.XID       `json:"subtransactions"`
	Tables   []TableChange  `json:"tables"`
	Removed  []RemovedTable `json:"removed_tables"`
	// Unknown are files of its that no catalog at hand knows: of indexes, and of tables that are gone.
	Unknown int `json:"-"`
}

// TableChange is what a transaction did to the rows of one table.
type TableChange struct {
	Table    string `json:"table"`
	File     string `json:"file"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
	// derived: it is a materialized view, whose query makes its rows again.
	derived bool
}

// RemovedTable is a table whose file a transaction removed.
type RemovedTable struct {
	Table string `json:"table"`
	// Loss is truncated or dropped; rewritten or moved when the rows went to another
	// file; removed when the catalogs at hand do not tell.
	Loss undelete.Removal `json:"loss"`
	File string           `json:"file"`
	// derived: it is a materialized view, whose query makes its rows again.
	derived bool
}

// NameOf reads a table's name as Transaction has it: quoted where SQL needs it.
func NameOf(text string) evidence.RelationName {
	first, rest := identifier(text)
	if rest == "" {
		return evidence.RelationName{Name: first}
	}
	second, _ := identifier(rest[1:])
	return evidence.RelationName{Schema: first, Name: second}
}

// identifier takes one identifier off a name; what is left begins with the dot.
func identifier(text string) (name, rest string) {
	if !strings.HasPrefix(text, `"`) {
		if at := strings.IndexByte(text, '.'); at >= 0 {
			return text[:at], text[at:]
		}
		return text, ""
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(text[1:i], `""`, `"`), text[i+1:]
	}
	return text, ""
}

// SameTable compares two names, either of which may lack its schema.
func SameTable(a, b evidence.RelationName) bool {
	return a.Name == b.Name && a.Name != "" && (a.Schema == b.Schema || a.Schema == "" || b.Schema == "")
}

// change is what the transaction did to the rows of a table; zero: nothing.
func (t *Transaction) change(table string) TableChange {
	for i := range t.Tables {
		if t.Tables[i].Table == table {
			return t.Tables[i]
		}
	}
	return TableChange{Table: table}
}
