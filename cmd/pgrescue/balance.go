package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// makeFolder makes a folder for rescued rows; one that is there is fine.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for rescued rows: %w", err)
	}
	return nil
}

// fileName makes a file name of a table's name. Two tables whose names differ
// only in what a file name cannot hold get a number.
func fileName(t *undelete.Table, taken []*rescueFile) string {
	safe := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == 0 || unicode.IsControl(r) {
			return '_'
		}
		return r
	}, strings.Join(append([]string{t.Relation.Schema, t.Relation.Name}, t.Columns...), "."))
	safe = strings.TrimLeft(safe, ".-")
	name := safe
	for n := 2; nameTaken(name, taken); n++ {
		name = fmt.Sprintf("%s.%d", safe, n)
	}
	return name
}

func nameTaken(name string, taken []*rescueFile) bool {
	for _, file := range taken {
		if strings.HasPrefix(strings.ToLower(file.name), strings.ToLower(name)+".") {
			return true
		}
	}
	return name == "ledger" || name == "schema"
}

// lineWriter writes JSON Lines.
type lineWriter struct{ encoder *json.Encoder }

func newLineWriter(output *outputFile) *lineWriter {
	encoder := json.NewEncoder(bufioWriter{output})
	encoder.SetEscapeHTML(false)
	return &lineWriter{encoder}
}

// bufioWriter hides what json.Encoder does not need of an outputFile.
type bufioWriter struct{ *outputFile }

func (w bufioWriter) Write(b []byte) (int, error) { return w.outputFile.Writer.Write(b) }

func (w *lineWriter) write(line *undelete.Line) error {
	if err := w.encoder.Encode(line); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// balanceReport is what `undelete --json` prints.
type balanceReport struct {
	Transactions []lossTransaction `json:"transactions"`
	Tables       []tableBalance    `json:"tables"`
	// Partitioned sums up the tables of each partitioned table.
	Partitioned []tableBalance   `json:"partitioned_tables,omitempty"`
	Total       undelete.Balance `json:"total"`
	Balanced    bool             `json:"balanced"`
	// RolledBack lists what savepoints of the transaction, or others that ran at the
	// same time, touched and gave back: it is not lost.
	RolledBack []undelete.RolledBack `json:"rolled_back,omitempty"`
	// Sequences tell where those stood that were dropped or restarted.
	Sequences []undelete.SequenceState `json:"sequences,omitempty"`
	// Kept are tables that got another file and kept their rows.
	Kept []keptTable `json:"rewritten_tables,omitempty"`
	// LedgerComplete says whether the WAL proves that no destroyed version is left out of the count.
	LedgerComplete bool   `json:"ledger_complete"`
	WhyIncomplete  string `json:"why_ledger_incomplete,omitempty"`
	// RecycledSegments counts segments of the WAL that were found under names for later use.
	RecycledSegments int            `json:"recycled_segments,omitempty"`
	Files            []string       `json:"files,omitempty"`
	Gaps             []evidence.Gap `json:"gaps"` // of the evidence as it was opened, and of the loss

	folder string // with Files; "": nothing was written
}

type lossTransaction struct {
	XID             pg.XID   `json:"xid"`
	State           string   `json:"state"`
	CommitTime      string   `json:"commit_time,omitempty"`
	CommitLSN       pg.LSN   `json:"commit_lsn"`
	Subtransactions []pg.XID `json:"subtransactions,omitempty"`
}

type tableBalance struct {
	Database string `json:"database,omitempty"`
	Table    string `json:"table"`
	// PartitionOf is the partitioned table at the root.
	PartitionOf string `json:"partition_of,omitempty"`
	undelete.Balance
}

// reportOf sums a loss up. gaps are those that were found when the evidence was opened.
func reportOf(loss *undelete.Loss, folder *rescueFolder, gaps []evidence.Gap) *balanceReport {
	report := &balanceReport{
		Transactions: []lossTransaction{}, Tables: []tableBalance{},
		LedgerComplete: loss.Covered, WhyIncomplete: loss.Uncovered, Gaps: noNil(eachOnce(gaps, loss.Gaps)), RolledBack: loss.RolledBack,
		RecycledSegments: loss.RecycledSegments(),
	}
	for i := range loss.Transactions {
		tx := &loss.Transactions[i]
		line := lossTransaction{XID: tx.XID, State: string(tx.State), CommitLSN: tx.EndLSN, Subtransactions: tx.Subxacts}
		if !tx.End.IsZero() {
			line.CommitTime = pg.FormatTime(tx.End)
		}
		report.Transactions = append(report.Transactions, line)
	}
	for _, t := range loss.Tables() {
		line := tableBalance{Table: t.Name(), Balance: t.Balance}
		if t.Database != nil {
			line.Database = t.Database.Name
		}
		if root := t.Root(); root != nil {
			line.PartitionOf = root.QualifiedName()
			report.addToRoot(&line)
		}
		report.Tables = append(report.Tables, line)
		add(&report.Total, &t.Balance)
	}
	report.Sequences = loss.Sequences
	for _, kept := range loss.Kept {
		report.Kept = append(report.Kept, keptTable{kept.Table.Relation.QualifiedName(), kept.Transaction, kept.Removal})
	}
	report.Balanced = report.Total.Balances()
	if folder.dir != "" {
		report.folder = folder.dir
		for _, file := range folder.files {
			report.Files = append(report.Files, file.name)
		}
		if folder.schema {
			report.Files = append(report.Files, schemaFile)
		}
		report.Files = append(report.Files, ledgerFile)
	}
	return report
}

// eachOnce joins gaps: what the archive lacks is met again by those who read it.
func eachOnce(opening, later []evidence.Gap) []evidence.Gap {
	all := slices.Clone(opening)
	for _, g := range later {
		if !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	return all
}

// addToRoot adds a partition's balance to that of its partitioned table.
func (r *balanceReport) addToRoot(leaf *tableBalance) {
	at := slices.IndexFunc(r.Partitioned, func(b tableBalance) bool {
		return b.Table == leaf.PartitionOf && b.Database == leaf.Database
	})
	if at < 0 {
		at = len(r.Partitioned)
		r.Partitioned = append(r.Partitioned, tableBalance{Database: leaf.Database, Table: leaf.PartitionOf})
	}
	add(&r.Partitioned[at].Balance, &leaf.Balance)
}

// add sums balances up; reasons stay with their tables.
func add(total, b *undelete.Balance) {
	total.Lost += b.Lost
	total.Heap += b.Heap
	total.WAL += b.WAL
	total.InPart += b.InPart
	total.Missing += b.Missing
	total.Deleted += b.Deleted
	total.Updated += b.Updated
	total.Carved += b.Carved
	total.Also += b.Also
	total.Derived += b.Derived
	total.Intermediate += b.Intermediate
	total.Removed += b.Removed
	total.Unsure += b.Unsure
	if b.Unseen != nil && b.Unseen.Why != "" {
		total.Unseen = b.Unseen
	}
	total.Columns += b.Columns
}

// printBalance prints the equation, per table and in all. asked is the
// transaction that the person named, or 0.
func printBalance(terminal *term.Terminal, report *balanceReport, asked pg.XID) error {
	if terminal.JSON() {
		return terminal.WriteJSON(report)
	}
	for _, tx := range report.Transactions[:min(len(report.Transactions), 10)] {
		ended := fmt.Sprintf("%s %s, at %s", tx.State, tx.CommitTime, tx.CommitLSN)
		if tx.CommitLSN == 0 {
			ended = "whose end is not in the WAL at hand"
		}
		if err := terminal.Printf("transaction %d, %s\n", tx.XID, ended); err != nil {
			return err
		}
		if slices.Contains(tx.Subtransactions, asked) {
			if err := terminal.Printf("(%d is a subtransaction of it; this is the loss of the whole transaction)\n", asked); err != nil {
				return err
			}
		}
	}
	if more := len(report.Transactions) - 10; more > 0 {
		if err := terminal.Printf("and %s\n", term.Plural(int64(more), "more transaction", "more transactions")); err != nil {
			return err
		}
	}
	if err := terminal.Printf("\n"); err != nil {
		return err
	}
	if err := balanceTable(report).Write(terminal.Out, ""); err != nil {
		return err
	}
	if err := printReasons(terminal, report); err != nil {
		return err
	}
	if report.folder != "" {
		if err := terminal.Printf("\nwritten to %s: %s\n", report.folder, strings.Join(report.Files, ", ")); err != nil {
			return err
		}
	}
	return terminal.Printf("\n%s\n%s", balanceSentence(&report.Total), rolledBackSentences(report.RolledBack))
}

func balanceTable(report *balanceReport) *term.Table {
	table := term.NewTable("TABLE", ">LOST", ">= HEAP", ">+ WAL", ">+ IN PART", ">+ MISSING")
	several := len(report.databases()) > 1
	line := func(database, name string, b *undelete.Balance) {
		if several && database != "" {
			name = database + ": " + name
		}
		least := ""
		if b.Unseen != nil && b.Unseen.Why != "" {
			least = "≥ " // rows on pages that nobody has seen cannot be counted
		}
		table.Add(name, least+term.Count(b.Lost), term.Count(b.Heap), term.Count(b.WAL), term.Count(b.InPart), least+term.Count(b.Missing))
	}
	for i := range report.Partitioned { // the subtotal, then the partitions that it is made of
		root := &report.Partitioned[i]
		line(root.Database, root.Table+" (all partitions)", &root.Balance)
		for j := range report.Tables {
			if leaf := &report.Tables[j]; leaf.PartitionOf == root.Table && leaf.Database == root.Database {
				line("", "  "+leaf.Table, &leaf.Balance)
			}
		}
	}
	for i := range report.Tables {
		if report.Tables[i].PartitionOf == "" {
			line(report.Tables[i].Database, report.Tables[i].Table, &report.Tables[i].Balance)
		}
	}
	if len(report.Tables) > 1 {
		line("", "all tables", &report.Total)
	}
	return table
}

// databases are the names of those that have tables in the balance.
func (r *balanceReport) databases() []string {
	var names []string
	for i := range r.Tables {
		if name := r.Tables[i].Database; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// tellCopies warns when the dead tuples of one transaction lie in several databases.
func tellCopies(terminal *term.Terminal, report *balanceReport) {
	if names := report.databases(); len(names) > 1 {
		terminal.Warnf("what the transaction destroyed lies in %d databases, %s: it works in one database, and CREATE DATABASE copied the files to the others, which lost nothing",
			len(names), strings.Join(names, ", "))
		terminal.Hintf("--database NAME keeps to the one that lost the rows")
	}
}

func printReasons(terminal *term.Terminal, report *balanceReport) error {
	for i := range report.Tables {
		for _, reason := range report.Tables[i].Reasons {
			if err := terminal.Printf("  %s: %s: %s\n", report.Tables[i].Table, term.Count(reason.Count), reason.Reason); err != nil {
				return err
			}
		}
		if unseen := report.Tables[i].Unseen; unseen != nil && unseen.Why != "" {
			if err := terminal.Printf("  %s: not counted: %s\n", report.Tables[i].Table, unseen.Why); err != nil {
				return err
			}
		}
	}
	return printRemovalNotes(terminal, report)
}

// balanceSentence says the balance in one line.
func balanceSentence(b *undelete.Balance) string {
	text := fmt.Sprintf("%s lost, %s recovered: %s from dead tuples%s, %s from WAL; %s in part, %s missing.",
		term.Count(b.Lost), term.Count(b.Settled()), term.Count(b.Heap), howFound(b), term.Count(b.WAL), term.Count(b.InPart), term.Count(b.Missing))
	if b.Updated > 0 {
		text += fmt.Sprintf(" %s of them were updated, not deleted.", term.Count(b.Updated))
	}
	if b.Columns > 0 {
		text += fmt.Sprintf(" %s of them are rows that lost columns, and are there.", term.Count(b.Columns))
	}
	if b.Unsure > 0 {
		text += fmt.Sprintf(" Of %s the commit state is unknown: they may not be lost.", term.Count(b.Unsure))
	}
	if b.Intermediate > 0 {
		text += fmt.Sprintf(" %s were made by the same transaction.", term.Count(b.Intermediate))
	}
	return text
}

// howFound says which of the dead tuples did not simply lie in the relation files.
func howFound(b *undelete.Balance) string {
	var parts []string
	for _, part := range []struct {
		count int64
		how   string
	}{{b.Carved, "carved from free space"}, {b.Also, "from further copies"}, {b.Derived, "from older pages, and not proven"}} {
		if part.count > 0 {
			parts = append(parts, term.Count(part.count)+" of them "+part.how)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// rolledBackSentences say what was touched, and is not lost.
func rolledBackSentences(parts []undelete.RolledBack) string {
	var own, others, ownVersions, otherVersions int64
	for _, part := range parts {
		if part.Own {
			own++
			ownVersions += part.Deleted + part.Updated
		} else {
			others++
			otherVersions += part.Deleted + part.Updated
		}
	}
	text := ""
	if own > 0 {
		text += fmt.Sprintf("Not lost: %s that %s of it touched, because that part was rolled back.\n",
			term.Plural(ownVersions, "version", "versions"), term.Plural(own, "savepoint or block", "savepoints or blocks"))
	}
	if others > 0 {
		text += fmt.Sprintf("Not lost: %s that %s touched which was rolled back meanwhile: a part of it, or another transaction.\n",
			term.Plural(otherVersions, "version", "versions"), term.Plural(others, "transaction", "transactions"))
	}
	return text
}

// errIncomplete tells that some of the loss did not come back.
var errIncomplete = errors.New("not every destroyed row version came back")

// tellBalance says on stderr what the balance leaves open, and gives the exit code.
func tellBalance(terminal *term.Terminal, command string, loss *undelete.Loss, gaps int) error {
	terminal.Gaps(loss.Gaps, shownGaps)
	var total undelete.Balance
	for _, t := range loss.Tables() {
		add(&total, &t.Balance)
	}
	if !total.Balances() {
		return exitcode.With(exitcode.VerifyFailed, fmt.Errorf("the balance does not hold: %+v", total))
	}
	if !loss.Covered {
		terminal.Warnf("more may be lost than the ledger names: %s", loss.Uncovered)
	}
	if total.Derived > 0 {
		terminal.Warnf("%s from pages older than the loss, and WAL in between is missing: another row may have stood in their place since",
			term.Plural(total.Derived, "row comes", "rows come"))
		terminal.Hintf("ledger.jsonl and --format jsonl name them: derived, not proven")
	}
	switch {
	case total.Lost > 0 && total.Settled() == 0 && total.InPart == 0:
		return exitcode.With(exitcode.Insufficient, fmt.Errorf("%s: %w: none of %s", command, errIncomplete, term.Count(total.Lost)))
	case total.Missing+total.InPart > 0:
		return exitcode.With(exitcode.Partial, fmt.Errorf("%s: %w: %s missing, %s in part", command, errIncomplete, term.Count(total.Missing), term.Count(total.InPart)))
	case total.Unsure > 0:
		return exitcode.With(exitcode.Partial, fmt.Errorf("%s: whether the transaction committed is not known for %s", command, term.Plural(total.Unsure, "row version", "row versions")))
	case total.Derived > 0:
		return exitcode.With(exitcode.Partial, fmt.Errorf("%s: %s not proven", command, term.Plural(total.Derived, "row is", "rows are")))
	case !loss.Covered:
		return exitcode.With(exitcode.Partial, fmt.Errorf("%s: the ledger may not be complete", command))
	}
	return exitcode.PartialIf(gaps + len(loss.Gaps))
}
