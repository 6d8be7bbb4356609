package casefile

import (
	"encoding/json"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Loss is what is known of a table's loss beside the lines of its ledger.
type Loss struct {
	XIDs      []pg.XID        `json:"xids"`
	Covered   bool            `json:"covered"`             // the ledger names every version that was destroyed
	Why       string          `json:"why,omitempty"`       // and why not
	Unseen    json.RawMessage `json:"unseen,omitempty"`    // of a table that was removed as a whole
	Sequences json.RawMessage `json:"sequences,omitempty"` // where its sequences stood
}

// Loss notes what is known of the table's loss. The last word on the same transactions counts.
func (t *RunTable) Loss(loss Loss) error {
	return t.run.do("note a loss in", func() error {
		return t.run.exec(`INSERT INTO loss (relation_id, xids, covered, why, unseen, sequences, run_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET covered = ?3, why = ?4, unseen = ?5, sequences = ?6, run_id = ?7
WHERE (covered, why, ifnull(unseen, ''), ifnull(sequences, '')) <> (?3, ?4, ifnull(?5, ''), ifnull(?6, ''))`,
			t.id, jsonText(loss.XIDs), one(loss.Covered), loss.Why, orNull(string(loss.Unseen)), orNull(string(loss.Sequences)), t.run.id)
	})
}

// orNull is a text, or NULL for the empty one.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// Gap notes evidence that could not be read.
func (r *Run) Gap(gap evidence.Gap) error {
	return r.do("note a gap in", func() error {
		return r.exec("INSERT OR IGNORE INTO gap (place, what, why, consequence, run_id) VALUES (?, ?, ?, ?, ?)",
			gap.Where, gap.What, gap.Why, gap.Consequence, r.id)
	})
}

// File is a file of the evidence, as it was read.
type File struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"` // such as "relation file", "WAL segment"
	Size     int64     `json:"size"`
	SHA256   string    `json:"sha256,omitempty"` // hex; "": it was not hashed
	Modified time.Time `json:"mtime"`
	How      string    `json:"how"`               // it was read, such as "read only"
	RelFile  string    `json:"relfile,omitempty"` // tablespace/database/relation of a relation file
}

// Evidence notes a file that the run read.
func (r *Run) Evidence(f File) error {
	return r.do("note evidence in", func() error {
		var modified any
		if !f.Modified.IsZero() {
			modified = micros(f.Modified)
		}
		return r.exec(`INSERT INTO evidence (path, kind, size, sha256, mtime, how, relfile, first_run, last_run) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
ON CONFLICT (path, sha256) DO UPDATE SET kind = ?2, size = ?3, mtime = ?5, how = ?6, relfile = ?7, last_run = ?8`,
			f.Path, f.Kind, f.Size, f.SHA256, modified, f.How, f.RelFile, r.id)
	})
}

// RunbookRun is a run of a runbook that wrote to the case.
type RunbookRun struct {
	Folder string `json:"folder"` // absolute
	Book   string `json:"book"`   // its title
}

// RunbookRun notes where the journal of a runbook's run is.
func (r *Run) RunbookRun(of RunbookRun) error {
	return r.do("note a runbook's run in", func() error {
		return r.exec("INSERT INTO runbook_run (folder, book, run_id) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET book = excluded.book", of.Folder, of.Book, r.id)
	})
}

// listRunbooks lists the runs of runbooks that the case knows, in the order in which they were noted.
func (c *Case) listRunbooks(s *Summary) error {
	if c.version < versionTriage {
		return nil
	}
	return c.each("SELECT folder, book FROM runbook_run ORDER BY run_id, folder", func(stmt *sqlite.Stmt) error {
		s.Runbooks = append(s.Runbooks, RunbookRun{stmt.ColumnText(0), stmt.ColumnText(1)})
		return nil
	})
}
