package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// didPreview is what was done when nothing was.
const didPreview = "preview"

// act does what is to be done with the rows, and tells it.
func (r *importRun) act(ctx context.Context) (err error) {
	r.out.Did = didPreview
	switch {
	case r.options.via == "api":
		err = r.send(ctx)
	case r.options.apply:
		err = r.load(ctx)
	case r.intoCase:
		err = r.keep()
	case r.target.conn != nil:
		err = r.compare(ctx)
	default:
		err = r.readThrough()
	}
	if err != nil {
		r.discardReceipts()
		return err
	}
	var untold []error // of what was done: it is told first
	for _, step := range []func() error{
		func() error { return r.rejected(ctx) },
		func() error { r.report(); return r.keepGaps() },
		r.writeReceipts,
	} {
		err := step()
		if err != nil && !r.committed() {
			r.discardReceipts()
			return err
		}
		if err != nil {
			untold = append(untold, err)
		}
	}
	return r.told(r.tell(), untold)
}

// committed reports whether what was done stays, whatever comes after it.
func (r *importRun) committed() bool {
	return r.out.Did == importers.OutcomeApplied || r.out.Did == importers.OutcomeSent
}

// keepGaps notes the gaps of the sources in the case.
func (r *importRun) keepGaps() error {
	for i := range r.out.Files {
		if err := r.found.gaps(r.out.Files[i].Gaps); err != nil {
			return err
		}
	}
	return nil
}

// told is how a run ends that was told with an outcome, though not all files that were to tell of it too could be
// written. No code may say that nothing was changed.
func (r *importRun) told(outcome error, untold []error) error {
	for _, err := range untold {
		r.terminal.Warnf("%v", err)
	}
	if outcome != nil || len(untold) == 0 {
		return outcome
	}
	return exitcode.With(exitcode.Findings, errors.New("import: the rows are in the target, but not all receipts and rejects could be written"))
}

// readThrough reads all rows without a target.
func (r *importRun) readThrough() error {
	for _, m := range r.merged {
		for _, err := range m.rows(nil) {
			if err != nil {
				return importError(err)
			}
		}
		r.out.Tables = append(r.out.Tables, importTable{Table: m.relation.String()})
	}
	return nil
}

// compare asks the target what would become of the rows.
func (r *importRun) compare(ctx context.Context) error {
	loading, progress := r.loading(r.target.conn, "comparing with the target")
	loaded, err := restore.Compare(ctx, loading)
	progress.End()
	if err != nil {
		return importError(restoreError(err))
	}
	r.loaded(loaded)
	return nil
}

// load puts the rows into the target. What the receipts need is made ready before, so that
// nothing is in the target that cannot be told.
func (r *importRun) load(ctx context.Context) error {
	if err := r.beginReceipts(); err != nil {
		return err
	}
	conn, err := r.options.connect(ctx, "import", live.Write)
	if err != nil {
		return restoreError(err)
	}
	defer conn.Close()
	loading, progress := r.loading(conn, "putting rows in")
	loaded, err := restore.Load(ctx, loading)
	progress.End()
	if err != nil {
		if ctx.Err() != nil {
			return exitcode.Hinted(errors.Join(errLoading, err), "run the same command again")
		}
		return importError(restoreError(err))
	}
	r.out.Did = importers.OutcomeApplied
	r.loaded(loaded)
	return nil
}

// errLoading marks an interrupted import.
var errLoading = errors.New("interrupted by a signal; the transaction was rolled back, and nothing of it is in the target")

// loading is what Load and Compare need.
func (r *importRun) loading(conn *live.Conn, verb string) (restore.Loading, *term.Progress) {
	show := newShower(r.terminal, verb)
	total := r.rowsAtMost()
	return restore.Loading{
		Conn: conn, Tables: loadTables(r.merged, r.rowHeard), PagesNotNeeded: r.options.pages, Case: r.caseFile(),
		Probe: func(ctx context.Context) (*live.Conn, error) { return r.options.connect(ctx, "import", live.Read) },
		Progress: func(step restore.Step) {
			if step.Total == 0 {
				step.Total = total
			}
			show.step(step)
		},
		Refused: r.refused,
	}, show.progress
}

// rowsAtMost estimates how many rows the lists make.
func (r *importRun) rowsAtMost() int64 {
	total := int64(0)
	for _, made := range r.made {
		if made.discovered != nil {
			total += 2*made.discovered.Summary().Records + int64(len(made.Head().Header)) + 3 // a raw record and an asset of each
		}
	}
	return total
}

// refused takes a row that the target refuses.
func (r *importRun) refused(refusal restore.LoadRefusal) error {
	made := r.bySource[refusal.Source]
	if made == nil {
		return fmt.Errorf("import: a row of %s, line %d, was refused: %s", refusal.Source, refusal.Line, refusal.Reason)
	}
	made.count(refusal.Table).Refused++
	if refusal.Line > 0 && made.trouble.writer != nil {
		made.refusals = append(made.refusals, importRefusal{refusal.Line, refusal.Table.String(), refusal.Column, refusal.Reason})
	}
	made.trouble.note(refusal.Table.String(), refusal.Column, refusal.Reason, importTrouble{Line: refusal.Line, Text: firstBytes(refusal.Text)})
	return nil
}

// importRefusal is a line of the source of which a row was refused.
type importRefusal struct {
	line                  int64
	table, column, reason string
}

// loaded takes over what became of the rows.
func (r *importRun) loaded(loaded *restore.Loaded) {
	r.out.Target, r.out.Sequences = &loaded.Target, loaded.Sequences
	for i := range loaded.Tables {
		t := &loaded.Tables[i]
		table := importTable{
			Table: t.RelationName.String(), Rows: t.Read, New: t.Inserted, There: t.There, Different: t.Different,
			Twice: t.Twice, Refused: t.Refused, Compared: true, Defaults: t.Defaults, Notes: t.Notes,
		}
		for _, trigger := range t.Triggers {
			if trigger.Fires {
				table.Triggers = append(table.Triggers, trigger.Name)
			}
		}
		r.out.Tables = append(r.out.Tables, table)
		for n := range t.Differences {
			d := &t.Differences[n]
			r.out.Differences = append(r.out.Differences, importDifference{
				Table: table.Table, Source: d.Source, Line: d.Line, Key: d.Key, Column: d.Column, Theirs: textOf(&d.Theirs), Ours: textOf(&d.Ours),
			})
		}
	}
}

// keep puts the rows into the case.
func (r *importRun) keep() error {
	if err := r.beginReceipts(); err != nil {
		return err
	}
	for _, m := range r.merged {
		relation := *m.relation
		relation.Database = r.target.database
		table, err := r.found.run.Table(casefile.Table{Relation: &relation, Encoding: "UTF8"})
		if err != nil {
			return libraryError(err)
		}
		progress := r.terminal.ProgressOf(0, "rows", "into the case: "+m.relation.Name)
		n := int64(0)
		for row, err := range m.rows(r.rowHeard) {
			if err != nil {
				progress.End()
				return importError(err)
			}
			row.Relation = &relation
			if err := table.Put(row); err != nil {
				progress.End()
				return libraryError(err)
			}
			n++
			progress.Set(n)
		}
		progress.End()
		r.out.Tables = append(r.out.Tables, importTable{Table: m.relation.String()})
	}
	r.out.Did = importers.OutcomeCase
	return nil
}

// rejected writes the records whose rows the target refused into the files of rejects, as they
// stand in the source: the list is read once more for them.
func (r *importRun) rejected(ctx context.Context) error {
	var failures []error
	for _, made := range r.made {
		trouble := made.trouble
		trouble.muted = true
		if trouble.writer == nil {
			continue
		}
		if len(made.refusals) > 0 {
			failures = append(failures, made.writeRefusals(ctx))
		}
		failures = append(failures, importError(trouble.writer.Close()))
	}
	r.rejects = nil
	return errors.Join(failures...)
}

// discardRejects removes the files of rejects of a run that did nothing.
func (r *importRun) discardRejects() {
	for _, writer := range r.rejects {
		writer.Discard()
	}
	r.rejects = nil
}

func (m *importMade) writeRefusals(ctx context.Context) error {
	byLine := make(map[int64][]importRefusal, len(m.refusals))
	for _, refusal := range m.refusals {
		byLine[refusal.line] = append(byLine[refusal.line], refusal)
	}
	for record, err := range m.watch.Records(ctx, m.trouble.put) {
		if err != nil {
			return importError(err)
		}
		for _, refusal := range byLine[record.Line] {
			if err := m.trouble.writer.Put(record.Reject(refusal.column, refusal.table+": "+refusal.reason)); err != nil {
				return importError(err)
			}
		}
	}
	return nil
}

// caseFile is the case; nil: there is none.
func (r *importRun) caseFile() *casefile.Case {
	if r.found == nil {
		return nil
	}
	return r.found.file
}

// rowHeard remembers which list the rows of a source are of.
func (r *importRun) rowHeard(made *importMade, row *evidence.Row) {
	if r.lastHeard != made || r.lastSource != row.Source {
		r.lastHeard, r.lastSource = made, row.Source
		r.bySource[row.Source] = made
	}
}
