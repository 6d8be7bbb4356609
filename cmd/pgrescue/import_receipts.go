package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/casefile"
)

// receiptSuffix ends the name of every receipt.
const receiptSuffix = ".receipt.json"

// receiptsFolder holds the receipts and rejects of a case.
const receiptsFolder = "receipts"

// importReceipt is a receipt that is being made.
type importReceipt struct {
	made *importMade
	file *outputFile
}

// acting reports whether the run does more than look.
func (r *importRun) acting() bool {
	return r.options.apply || r.intoCase
}

// folderOf is where receipt and rejects of a list go: into the case, or beside the source.
func (r *importRun) folderOf(made *importMade) string {
	if r.found != nil {
		return filepath.Join(r.found.file.Dir(), receiptsFolder)
	}
	return filepath.Dir(made.Head().Source.Path)
}

// rejectsBase is what the names of a list's files of rejects begin with; false: none are wanted.
func (r *importRun) rejectsBase(made *importMade) (string, bool, error) {
	dir := r.options.rejects
	switch {
	case dir == "" && !r.acting():
		return "", false, nil
	case dir == "":
		dir = r.folderOf(made)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("import: make the folder for rejects: %w", err)
	}
	name := strings.TrimSuffix(r.receiptName(made), receiptSuffix)
	base := filepath.Join(dir, name)
	for n := 2; r.taken(base); n++ { // those of an earlier run stay
		base = filepath.Join(dir, fmt.Sprintf("%s.%d", name, n))
	}
	r.bases[base] = true
	return base, true, nil
}

// taken reports whether there are files of rejects under a name, or will be.
func (r *importRun) taken(base string) bool {
	_, err := os.Lstat(base + ".rejects.jsonl")
	return r.bases[base] || err == nil
}

// receiptName is the name of the receipt of a list. In a case, where files of many folders meet,
// it has the beginning of the content's hash.
func (r *importRun) receiptName(made *importMade) string {
	name := receiptName(made.Head())
	if r.found != nil {
		sum := made.Head().Source.SHA256
		name = strings.TrimSuffix(name, receiptSuffix) + "." + hex.EncodeToString(sum[:4]) + receiptSuffix
	}
	return name
}

// receiptPath is where the receipt of a list goes.
func (r *importRun) receiptPath(made *importMade) (string, error) {
	path := r.options.receipt
	if path == "" {
		return filepath.Join(r.folderOf(made), r.receiptName(made)), nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, r.receiptName(made)), nil
	}
	if len(r.made) > 1 {
		return "", exitcode.Usagef("name a folder that is there", "import: --receipt %s is one file, and the run has %d lists", path, len(r.made))
	}
	return path, nil
}

// beginReceipts makes sure, before anything is done, that the receipts can be written.
func (r *importRun) beginReceipts() error {
	if r.found != nil {
		if err := os.MkdirAll(filepath.Join(r.found.file.Dir(), receiptsFolder), 0o700); err != nil {
			return err
		}
	}
	for _, made := range r.made {
		if made.empty != nil {
			continue
		}
		path, err := r.receiptPath(made)
		if err != nil {
			return err
		}
		if r.intoCase {
			if err := r.notOtherwise(made); err != nil {
				return err
			}
		}
		file, err := createOutput(path, r.options.force || r.sameFile(path, made))
		if err != nil {
			return exitcode.Hinted(err, "--receipt names another file or folder; --force replaces it")
		}
		r.receipts = append(r.receipts, &importReceipt{made, file})
	}
	return nil
}

// notOtherwise refuses rows of a file whose rows the case has by other choices: both would have
// the same keys, and which of them is meant nobody could tell.
func (r *importRun) notOtherwise(made *importMade) error {
	paths, err := filepath.Glob(filepath.Join(r.found.file.Dir(), receiptsFolder, "*"+receiptSuffix))
	if err != nil || r.options.force {
		return err
	}
	choices := made.choices()
	for _, path := range paths {
		before, err := importers.ReadReceipt(path)
		if err != nil || before.Outcome != importers.OutcomeCase || !before.Of(made.Head().Source) || before.Source.Part != made.Head().Part {
			continue // whatever lies there is not about these rows
		}
		for _, name := range []string{"as-app", "as-mapped", "table", "map", "until", "schema", "client-account", "engagement", "user"} {
			if !slices.Equal(before.Choices[name], choices[name]) {
				return exitcode.With(exitcode.Refused, exitcode.Hinted(
					fmt.Errorf("import: the case has rows of %s by another choice of --%s, as %s says", made.place(), name, path),
					"use another case; --force puts both into this one"))
			}
		}
	}
	return nil
}

// sameFile reports whether a receipt that is there tells of the same content: then a later one
// may take its place.
func (r *importRun) sameFile(path string, made *importMade) bool {
	before, err := importers.ReadReceipt(path)
	return err == nil && before.Of(made.Head().Source)
}

// discardReceipts removes what was begun of them.
func (r *importRun) discardReceipts() {
	for _, receipt := range r.receipts {
		receipt.file.discard()
	}
	r.receipts = nil
}

// writeReceipts ends the receipts. With a case they wait for its commit.
func (r *importRun) writeReceipts() error {
	var failures []error
	for _, receipt := range r.receipts {
		content := r.receiptOf(receipt.made)
		content.Outcome = r.out.Did
		failures = append(failures, content.Encode(receipt.file))
		if r.found != nil {
			content.Known = nil // as many as the file has records
			failures = append(failures, libraryError(r.found.run.Event(casefile.Event{
				Time: r.now, Source: receipt.made.place(), Certainty: content.Outcome, Actor: userName(), Message: "import: " + content.Outcome + " " + receipt.made.place(), Detail: jsonOf(content),
			})))
		}
	}
	if r.found == nil || r.options.apply {
		return errors.Join(append(failures, r.placeReceipts(true))...)
	}
	r.found.settle = r.placeReceipts
	return errors.Join(failures...)
}

// placeReceipts gives the receipts their names, or removes them.
func (r *importRun) placeReceipts(kept bool) error {
	var failures []error
	for _, receipt := range r.receipts {
		if !kept {
			receipt.file.discard()
			continue
		}
		err := r.place(receipt)
		if err != nil { // it is cut, or has no place
			receipt.file.discard()
			receipt.file.path = ""
			failures = append(failures, err)
		}
		for i := range r.out.Files {
			if r.made[i] == receipt.made {
				r.out.Files[i].Receipt = receipt.file.path
			}
		}
	}
	return errors.Join(failures...)
}

// mostReceiptNames is how many names are tried for a receipt.
const mostReceiptNames = 100

// place gives a receipt its name. What it tells of has happened: when somebody took the name since the run began,
// it gets another one.
func (r *importRun) place(receipt *importReceipt) error {
	file, wanted := receipt.file, receipt.file.path
	err := file.commit()
	for n := 1; exitcode.Of(err) == exitcode.Refused && n <= mostReceiptNames; n++ {
		file.path, file.force = receipt.made.otherName(wanted, n), false
		if err = file.commit(); err == nil {
			r.terminal.Warnf("%s is there since this import began, and was left as it is; the receipt is %s", wanted, file.path)
		}
	}
	if exitcode.Of(err) == exitcode.Refused {
		return exitcode.With(exitcode.Failed, err)
	}
	return err
}

// otherName is a name for a receipt whose own one is taken: with the beginning of the import's id, or of the
// content's hash.
func (m *importMade) otherName(path string, n int) string {
	id := hex.EncodeToString(m.Head().Source.SHA256[:4])
	if m.discovered != nil {
		id = m.discovered.IDs().Import.String()[:8]
	}
	if n > 1 {
		id += fmt.Sprintf("-%d", n)
	}
	ending := filepath.Ext(path)
	if strings.HasSuffix(path, receiptSuffix) {
		ending = receiptSuffix
	}
	return strings.TrimSuffix(path, ending) + "." + id + ending
}

// receiptOf tells what a list was made into.
func (r *importRun) receiptOf(made *importMade) *importers.Receipt {
	head := made.Head()
	source := head.Source
	path := source.Path
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	receipt := &importers.Receipt{
		Tool: toolName(), Made: r.now, Header: noNil(head.Header), Settings: noNil(head.Settings), Choices: made.choices(), Records: made.watch.records,
		Rejected: made.trouble.total,
		Source: importers.ReceiptSource{
			Path: path, Member: source.Member, Name: source.Name, Part: head.Part, Format: source.Format, Size: source.Size, SHA256: hex.EncodeToString(source.SHA256[:]),
		},
	}
	for _, column := range made.columns() {
		receipt.Columns = append(receipt.Columns, importers.ReceiptColumn{Header: column.Header, Column: column.Column, How: column.How})
	}
	if made.profile != nil {
		sum := sha256.Sum256(made.profile.Text)
		receipt.Profile = importers.ReceiptProfile{Name: made.profile.Name, SHA256: hex.EncodeToString(sum[:]), Text: string(made.profile.Text)}
	}
	if made.discovered != nil {
		receipt.Tenant, receipt.Source.Imported = made.whose, made.discovered.Summary().Filename
		receipt.IDs, receipt.Known = made.discovered.IDs().Texts(), made.known.Rows()
	}
	if card := r.target.card; card != nil {
		receipt.Target = importers.ReceiptTarget{Place: card.Place(), Database: card.Database, SystemIdentifier: card.SystemIdentifier, Version: card.Version}
	}
	receipt.Tables, receipt.Run = []importers.ReceiptTable{}, []importers.ReceiptTable{}
	if len(made.sent) > 0 {
		r.sentReceipt(receipt, made)
		return receipt
	}
	for i := range made.counts {
		receipt.Tables = append(receipt.Tables, importers.ReceiptTable{Table: made.counts[i].Table, Given: made.counts[i].Rows, Refused: made.counts[i].Refused})
	}
	for i := range r.out.Tables {
		t := &r.out.Tables[i]
		receipt.Run = append(receipt.Run, importers.ReceiptTable{Table: t.Table, Given: t.Rows, Inserted: t.New, There: t.There, Different: t.Different, Refused: t.Refused})
	}
	return receipt
}
