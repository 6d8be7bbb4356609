package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/stream"
	"github.com/pgrescue/pgrescue/recover/triage"
	"github.com/pgrescue/pgrescue/recover/undelete"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// opened notes which cluster the evidence is of, and what of it could not be read.
// Evidence of another cluster than the case's is refused.
func (r *recorder) opened(ev *undelete.Evidence, gaps []evidence.Gap) error {
	if r == nil {
		return nil
	}
	if err := r.gaps(gaps); err != nil {
		return err
	}
	switch snapshot := ev.Snapshot; {
	case snapshot != nil && snapshot.SystemIdentifier != 0:
		var names []string
		for i := range snapshot.Databases {
			names = append(names, snapshot.Databases[i].Name)
		}
		if err := r.run.Cluster(snapshot.SystemIdentifier, snapshot.Version, names...); err != nil {
			return libraryError(err)
		}
		return r.foreignKeys(snapshot)
	case ev.Archive != nil:
		return r.openedLog(ev.Archive)
	}
	return nil
}

// mostForeignKeys bounds how many foreign keys of a cluster a case keeps.
const mostForeignKeys = 20_000

// foreignKeys notes the foreign keys that catalogs tell: by these a loss of parents reached their children.
func (r *recorder) foreignKeys(snapshot *catalog.Snapshot) error {
	n := 0
	for i := range snapshot.Databases {
		db := &snapshot.Databases[i]
		for _, key := range db.References() {
			if n++; n > mostForeignKeys {
				return nil
			}
			err := r.run.ForeignKey(casefile.ForeignKey{
				Name: key.Name, Child: evidence.RelationName{Database: db.Name, Schema: key.From.Schema, Name: key.From.Name}, Columns: key.From.ColumnNames(key.Columns),
				Parent: evidence.RelationName{Database: db.Name, Schema: key.To.Schema, Name: key.To.Name}, ParentColumns: key.To.ColumnNames(key.ParentColumns),
				OnDelete: catalog.OnDeleteText(key.OnDelete),
			})
			if err != nil {
				return libraryError(err)
			}
		}
	}
	return nil
}

// openedLog is opened for WAL alone.
func (r *recorder) openedLog(archive *wal.Archive) error {
	if r == nil || archive.SystemIdentifier() == 0 {
		return nil
	}
	return libraryError(r.run.Cluster(archive.SystemIdentifier(), archive.Layout().Version))
}

func (r *recorder) gaps(gaps []evidence.Gap) error {
	if r == nil {
		return nil
	}
	for _, gap := range gaps {
		if err := r.run.Gap(gap); err != nil {
			return libraryError(err)
		}
	}
	return nil
}

// logGaps is gaps for those of the WAL.
func (r *recorder) logGaps(gaps []wal.Gap) error {
	var list []evidence.Gap
	for i := range gaps {
		list = append(list, gaps[i].Evidence())
	}
	return r.gaps(list)
}

// server notes which server the command talks to.
func (r *recorder) server(identity stream.Identity) error {
	if r == nil {
		return nil
	}
	major, _, _ := strings.Cut(identity.Version, ".")
	version, err := strconv.ParseUint(major, 10, 16)
	if err != nil {
		version = 0 // a development version; the case does without
	}
	if err := r.run.Cluster(identity.SystemIdentifier, pg.Version(version)); err != nil {
		return libraryError(err)
	}
	return libraryError(r.run.Evidence(casefile.File{Path: identity.Endpoint.String(), Kind: casefile.KindServer, How: "through the replication protocol"}))
}

// fetched notes the files that hold what a server sent.
func (r *recorder) fetched(out *walFetch) error {
	if r == nil {
		return nil
	}
	entries, err := os.ReadDir(out.Folder)
	if err != nil {
		return fmt.Errorf("wal fetch: list what was fetched: %w", err)
	}
	for _, entry := range entries {
		r.trail.Note(filepath.Join(out.Folder, entry.Name()), evidence.KindWAL)
	}
	return r.gaps(out.Fetched.Gaps)
}

// tableKey tells the tables of a run apart.
type tableKey struct {
	database string
	relation string
}

// table begins a table in the case, once.
func (r *recorder) table(t undelete.Target, name string) (*casefile.RunTable, error) {
	table := casefile.Table{Relation: &evidence.Relation{RelationName: evidence.RelationName{Name: name}}}
	if t.Database != nil {
		table.Relation.Database, table.Encoding = t.Database.Name, t.Database.Encoding
	}
	if t.Relation != nil {
		table.Relation.Schema, table.Relation.Name, table.Relation.OID = t.Relation.Schema, t.Relation.Name, t.Relation.OID
		if root := t.Database.Root(t.Relation); root != nil {
			table.PartitionOf = evidence.RelationName{Database: t.Database.Name, Schema: root.Schema, Name: root.Name}
		}
	}
	return r.begun(table)
}

// begun is table for one whose shape is known.
func (r *recorder) begun(table casefile.Table) (*casefile.RunTable, error) {
	key := tableKey{table.Relation.Database, table.Relation.RelationName.String()}
	if known := r.tables[key]; known != nil {
		return known, nil
	}
	made, err := r.run.Table(table)
	if err != nil {
		return nil, libraryError(err)
	}
	if r.tables == nil {
		r.tables = make(map[tableKey]*casefile.RunTable)
	}
	r.tables[key] = made
	return made, nil
}

// rows makes a sink that gives the rows of a table to the case, and then to another
// sink, which may be nil. Without a case it is that other sink.
func (r *recorder) rows(t undelete.Target, other evidence.Sink) (evidence.Sink, error) {
	if r == nil || t.Relation == nil {
		return other, nil
	}
	table, err := r.table(t, "")
	if err != nil {
		return nil, err
	}
	return evidence.SinkFunc(func(row *evidence.Row) error {
		if err := table.Put(row); err != nil {
			return libraryError(err)
		}
		if other == nil {
			return nil
		}
		return other.Put(row)
	}), nil
}

// asWithout hides from a sink what rows have only because of the case.
func (r *recorder) asWithout(sink evidence.Sink, format evidence.Format) evidence.Sink {
	if r == nil || sink == nil || format == evidence.FormatSQL {
		return sink
	}
	return evidence.SinkFunc(func(row *evidence.Row) error {
		plain := *row
		plain.Successor = nil
		return sink.Put(&plain)
	})
}

// loss notes the ledger of a loss, what is known of it beside, and who did it.
func (r *recorder) loss(loss *undelete.Loss) error {
	if r == nil {
		return nil
	}
	whole := casefile.Loss{Covered: loss.Covered, Why: loss.Uncovered}
	for i := range loss.Transactions {
		tx := &loss.Transactions[i]
		whole.XIDs = append(whole.XIDs, tx.XID)
		if err := r.transaction(tx, "", nil); err != nil {
			return err
		}
	}
	if len(loss.Sequences) > 0 {
		whole.Sequences = jsonOf(loss.Sequences)
	}
	for _, t := range loss.Tables() {
		if err := r.lossOf(loss, t, whole); err != nil {
			return libraryError(err)
		}
	}
	return r.gaps(loss.Gaps)
}

// lossOf notes one table's part of a loss.
func (r *recorder) lossOf(loss *undelete.Loss, t *undelete.Table, whole casefile.Loss) error {
	table, err := r.table(undelete.Target{Database: t.Database, Relation: t.Relation}, t.Name())
	if err != nil {
		return err
	}
	if unseen := t.Balance.Unseen; unseen != nil {
		whole.Unseen = jsonOf(unseen)
	}
	if err := table.Loss(whole); err != nil {
		return err
	}
	return loss.Ledger(t, func(line *undelete.Line) error {
		return table.Ledger(casefile.LedgerLine{
			File: line.File, TID: line.TID, LSN: line.LSN, XID: line.XID, Subxact: line.Subxact, Operation: line.Operation, CommitTime: line.Committed,
			NamedBy: line.NamedBy, Settled: line.Settled, InPart: line.InPart, Reason: line.Reason, Carved: line.Carved, Derived: line.Derived,
			Unsure: line.Unsure, Copy: line.Copy,
		})
	})
}

// transactions notes what transactions did.
func (r *recorder) transactions(list []xact.Transaction, names *triage.Names) error {
	if r == nil {
		return nil
	}
	for i := range list {
		line := transactionOf(&list[i], names)
		if err := r.transaction(&list[i], didWhat(&line), line); err != nil {
			return err
		}
	}
	return nil
}

// forgetEvents takes the entries of the timeline back that this run noted.
func (r *recorder) forgetEvents() error {
	if r == nil {
		return nil
	}
	return libraryError(r.run.ForgetEvents())
}

// didWhat says in words what a transaction did to each table.
func didWhat(line *transactionLine) string {
	var parts []string
	for _, t := range line.Tables {
		var did []string
		for _, part := range []struct {
			what string
			n    int64
		}{{"deleted", t.Deleted}, {"updated", t.Updated}, {"inserted", t.Inserted}} {
			if part.n > 0 {
				did = append(did, part.what+" "+term.Count(part.n))
			}
		}
		parts = append(parts, t.Table+": "+strings.Join(did, ", "))
	}
	if len(line.RemovedTables) > 0 {
		parts = append([]string{removalText(line.RemovedTables)}, parts...)
	}
	return strings.Join(parts, "; ")
}

// transaction notes one transaction in the timeline, at the time when it ended. One
// of which no time is known has no place there.
func (r *recorder) transaction(tx *xact.Transaction, did string, detail any) error {
	if detail == nil {
		detail = map[string]any{"xid": tx.XID, "end_lsn": tx.EndLSN, "subtransactions": noNil(tx.Subxacts)}
	}
	return r.ended(&triage.Transaction{XID: tx.XID, State: tx.State, End: tx.End, EndLSN: tx.EndLSN}, did, detail)
}

// ended notes the end of a transaction, with what it did.
func (r *recorder) ended(tx *triage.Transaction, did string, detail any) error {
	if tx.End.IsZero() {
		return nil
	}
	message := fmt.Sprintf("transaction %d was %s at %s", tx.XID, tx.State, tx.EndLSN)
	if did != "" {
		message += ": " + did
	}
	return libraryError(r.run.Event(casefile.Event{
		Time: tx.End, Source: "wal", Certainty: string(tx.State), Actor: fmt.Sprintf("xid %d", tx.XID), Message: message, Detail: jsonOf(detail),
	}))
}

// jsonOf is a value that always has a JSON form.
func jsonOf(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return text
}
