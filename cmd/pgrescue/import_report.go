package main

import (
	"fmt"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/mapping"
)

// noTenant is the id of nobody.
const noTenant = "00000000-0000-0000-0000-000000000000"

// report gathers what the run found out.
func (r *importRun) report() {
	o := r.options
	r.out.Read, r.out.Store, r.out.Until = "strict", "as-mapped", o.until
	if len(r.made) > 0 {
		o = r.made[0].options
	}
	if o.asApp {
		r.out.Read = "as-app"
	}
	switch {
	case o.table != "":
		r.out.Store, r.out.Until = "table", ""
	case o.storeAsApp():
		r.out.Store = "as-app"
	}
	if r.out.Target == nil && r.target != nil {
		r.out.Target = r.target.card
	}
	r.out.Skipped = noNil(r.sources.skipped)
	if len(r.made) > 0 && r.made[0].whose.ClientAccount != noTenant {
		r.out.Tenant = &r.made[0].whose
	}
	for _, made := range r.made {
		file := made.report()
		for _, receipt := range r.receipts {
			if receipt.made == made {
				file.Receipt = receipt.file.path
			}
		}
		r.out.Files = append(r.out.Files, file)
	}
	for i := range r.out.Tables { // what only the lists know
		t := &r.out.Tables[i]
		if !t.Compared {
			for _, made := range r.made {
				for n := range made.counts {
					if made.counts[n].Table == t.Table {
						t.Rows += made.counts[n].Rows
					}
				}
			}
		}
	}
	r.out.Next = r.next()
}

// report is what is known of one list.
func (m *importMade) report() importFile {
	file := m.describe()
	file.Records, file.Formulas = m.watch.records, m.watch.formulas
	file.Notes = slices.Concat(file.Notes, m.watch.notes.sentences())
	file.Rejected, file.Reasons, file.First = m.trouble.total, m.trouble.counted(), m.trouble.first
	if m.trouble.writer != nil {
		file.RejectFiles = m.trouble.writer.Files()
	}
	if m.gaps != nil {
		file.Gaps = m.gaps()
	}
	file.Columns, file.Tables = noNil(m.columns()), m.counts
	if m.empty != nil {
		file.Notes = append(file.Notes, "nothing can be made of it: "+causeOf(m.empty))
	}
	if m.discovered != nil {
		summary := m.discovered.Summary()
		file.IDs, file.Known, file.Duplicates = summary.IDs.Texts(), summary.Known, summary.Duplicates
		file.CannotGiveBack, file.Notes = summary.Lost, append(file.Notes, summary.Notes...)
		for _, u := range summary.Unresolved[:min(len(summary.Unresolved), mostUnresolved)] {
			file.Notes = append(file.Notes, u.String())
		}
		if more := summary.UnresolvedCount - mostUnresolved; more > 0 {
			file.Notes = append(file.Notes, fmt.Sprintf("and %s more", term.Plural(more, "dependency", "dependencies")))
		}
		if summary.Dropped > 0 {
			file.Notes = append(file.Notes, fmt.Sprintf("%s that the application drops: agents' notes, and no data", term.Plural(summary.Dropped, "record", "records")))
		}
	}
	file.Notes = append(file.Notes, m.notes...)
	file.Notes = append(file.Notes, m.sentNotes()...)
	if m.mapping != nil {
		losses := m.mapping.Losses()
		if m.discovered != nil { // it reads the records more than once
			losses = m.discovered.Summary().Losses
		}
		for _, loss := range losses {
			if loss.Kept {
				file.Notes = append(file.Notes, fmt.Sprintf("column %s does not keep all of %s: %s, such as %s on line %d",
					loss.Column, term.Plural(loss.Count, "value", "values"), loss.Reason, firstBytes([]byte(loss.Text)), loss.Line))
				continue
			}
			file.Notes = append(file.Notes, fmt.Sprintf("%s became NULL in column %s: %s; first on line %d", term.Plural(loss.Count, "value", "values"), loss.Column, loss.Reason, loss.Line))
		}
	}
	return file
}

// mostUnresolved is how many dependencies on nothing are told one by one.
const mostUnresolved = 20

// columns says where each name of the header goes.
func (m *importMade) columns() []importColumn { return columnsOfHeader(m.Head().Header, m.mapping) }

// columnsOfHeader is that for any header; the mapping may be nil.
func columnsOfHeader(header []string, m *mapping.Mapping) []importColumn {
	columns := make([]importColumn, len(header))
	for i, name := range header {
		columns[i].Header = name
	}
	if m == nil {
		return columns
	}
	for _, f := range m.Fields {
		c := &columns[f.Index]
		c.Column, c.How, c.Confidence, c.Or = f.Target, string(f.How), f.Confidence, f.Or
	}
	for _, c := range m.Clashes {
		columns[c.Index].TakenBy = c.Taker
	}
	for _, s := range m.Suggestions {
		columns[s.Index].Suggested = s.Target
	}
	for _, at := range m.Skipped {
		columns[at].Skipped = true
	}
	return columns
}

// next is what to do next, in one line.
func (r *importRun) next() string {
	rejected := int64(0)
	for i := range r.out.Files {
		rejected += r.out.Files[i].Rejected
	}
	var fresh int64
	for i := range r.out.Tables {
		fresh += r.out.Tables[i].New
	}
	switch {
	case r.out.Did == importers.OutcomeSent:
		return "look at the import in the application; the phases that follow are its own"
	case r.out.Did == importers.OutcomeCase:
		return "pgrescue restore plan --case " + r.found.file.Dir() + ", then restore apply"
	case r.out.Did == importers.OutcomeApplied && rejected > 0:
		return "repair the reject files and import them"
	case r.out.Did == importers.OutcomeApplied:
		return "keep the receipts: --from-receipt does the same again"
	case r.target.conn == nil:
		return "compare with the target: --dsn STRING, --client-account UUID --engagement UUID, and --as-app or --as-mapped"
	case fresh == 0:
		return "nothing to put in"
	}
	return "the same with --apply puts the new rows in"
}
