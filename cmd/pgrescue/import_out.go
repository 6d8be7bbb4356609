package main

import (
	"encoding/hex"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/restore"
)

// importOut is what `import --json` prints.
type importOut struct {
	// Did is preview, applied, case or sent.
	Did string `json:"did"`
	// Read is as-app or strict, Store as-app, as-mapped or table; Until how far the flow went.
	Read  string `json:"read"`
	Store string `json:"store"`
	Until string `json:"until,omitempty"`
	// Target is the database that was asked; nil: none was.
	Target *live.Card               `json:"target,omitempty"`
	Tenant *importers.ReceiptTenant `json:"tenant,omitempty"`
	Files  []importFile             `json:"files"`
	// Skipped are files and members that are no sources.
	Skipped []importers.Skipped `json:"skipped"`
	// Tables counts the rows of all files by table, in the order in which they go in.
	Tables []importTable `json:"tables"`
	// Differences are rows that are there with other values, the first of each table; they stay.
	Differences []importDifference `json:"differences,omitempty"`
	Sequences   []restore.Moved    `json:"sequences,omitempty"`
	Next        string             `json:"next"` // what to do next
}

// importFile is one list: a file, a sheet, or the list of a document.
type importFile struct {
	Path        string              `json:"path"`
	Member      string              `json:"member,omitempty"`
	Part        string              `json:"part,omitempty"`
	Format      importers.Format    `json:"format"`
	Compression string              `json:"compression,omitempty"`
	Size        int64               `json:"size"`
	SHA256      string              `json:"sha256"`
	HeaderLine  int64               `json:"header_line"` // 0: there is none
	Settings    []importers.Setting `json:"settings"`
	Notes       []string            `json:"notes,omitempty"`
	Columns     []importColumn      `json:"columns"`
	// Records were read, Rejected are records and values that are not imported, by Reasons; First
	// are the first of these, RejectFiles hold all.
	Records     int64           `json:"records"`
	Rejected    int64           `json:"rejected"`
	Reasons     []importReason  `json:"reasons,omitempty"`
	First       []importTrouble `json:"first_rejects,omitempty"`
	RejectFiles []string        `json:"reject_files,omitempty"`
	Gaps        []evidence.Gap  `json:"gaps,omitempty"`
	// Formulas are values that a spreadsheet would take for a formula. They stay as they are.
	Formulas int64 `json:"formulas,omitempty"`
	// IDs of the import and its flow; Known: they are those of an import that happened.
	IDs   map[string]string `json:"ids,omitempty"`
	Known bool              `json:"ids_known,omitempty"`
	// Duplicates are records whose asset another record of the file made.
	Duplicates int64         `json:"duplicates,omitempty"`
	Tables     []importTable `json:"tables,omitempty"`
	// CannotGiveBack says what of the lost rows the file does not hold.
	CannotGiveBack []string `json:"cannot_give_back,omitempty"`
	Receipt        string   `json:"receipt,omitempty"`
}

// importColumn is a name of the header and where it goes.
type importColumn struct {
	Header     string  `json:"header"`
	Column     string  `json:"column"` // "": none
	How        string  `json:"how,omitempty"`
	Confidence float64 `json:"confidence,omitempty"`
	// Or is another column that the header may mean: the application's own tables disagree.
	Or string `json:"or,omitempty"`
	// TakenBy is the header that has the column which this one means too.
	TakenBy string `json:"taken_by,omitempty"`
	// Suggested is a column that the header resembles; it is not used unless --map names it.
	Suggested string `json:"suggested,omitempty"`
	Skipped   bool   `json:"skipped,omitempty"`
}

// importTable counts rows of one table. Without a target only Rows is known.
type importTable struct {
	Table     string   `json:"table"`
	Rows      int64    `json:"rows"` // that the file makes
	New       int64    `json:"new"`  // or inserted, with --apply
	There     int64    `json:"there"`
	Different int64    `json:"different"`
	Twice     int64    `json:"twice,omitempty"` // came before in the same run
	Refused   int64    `json:"refused"`
	Compared  bool     `json:"compared"`           // with a target
	Defaults  []string `json:"defaults,omitempty"` // columns that take the target's default
	Notes     []string `json:"notes,omitempty"`
	Triggers  []string `json:"triggers,omitempty"` // that fire
}

// importDifference is a value of a row that is there, and another in the file.
type importDifference struct {
	Table  string  `json:"table"`
	Source string  `json:"source"`
	Line   int64   `json:"line"`
	Key    string  `json:"key"`
	Column string  `json:"column"`
	Theirs *string `json:"theirs"` // in the target; null is NULL
	Ours   *string `json:"ours"`
}

// add adds the rows of one list to those of a table.
func (t *importTable) add(more *importTable) {
	t.Rows, t.New, t.There, t.Different = t.Rows+more.Rows, t.New+more.New, t.There+more.There, t.Different+more.Different
	t.Twice, t.Refused = t.Twice+more.Twice, t.Refused+more.Refused
}

// textOf is a value for people and JSON; nil is NULL.
func textOf(v *evidence.Value) *string {
	if v.State == evidence.Null {
		return nil
	}
	text := string(v.Text)
	if v.State == evidence.Unknown {
		text = v.Reason
	}
	return &text
}

// describe is what is known of a list before its records are read.
func (l *importList) describe() importFile {
	head := l.Head()
	source := head.Source
	return importFile{
		Path: source.Path, Member: source.Member, Part: head.Part, Format: source.Format, Compression: source.Compression, Size: source.Size,
		SHA256: hex.EncodeToString(source.SHA256[:]), HeaderLine: head.Line, Settings: noNil(head.Settings), Notes: head.Notes,
	}
}
