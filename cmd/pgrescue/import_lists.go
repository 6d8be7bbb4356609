package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/csvfile"
	"github.com/pgrescue/pgrescue/importers/jsonfile"
	"github.com/pgrescue/pgrescue/importers/xlsxfile"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// importList is one list of a source, and what the command makes of it.
type importList struct {
	importers.List
	options *importOptions // those of the receipt, if there is one
	receipt *importers.Receipt
	request *jsonfile.Request // what a request of the application says beside its records
	gaps    func() []evidence.Gap
	trouble *troubles
}

// place names the list for people.
func (l *importList) place() string { return l.Head().Place() }

// importSources finds the sources, and tells those apart that a receipt is about.
type importSources struct {
	terminal *term.Terminal
	trail    *evidence.Trail
	skipped  []importers.Skipped
	close    []func() error // workbooks
}

func (s *importSources) end() error {
	var failures []error
	for _, end := range s.close {
		failures = append(failures, end())
	}
	return errors.Join(failures...)
}

// lists opens everything that is to be imported.
func (s *importSources) lists(ctx context.Context, options *importOptions, paths []string) ([]*importList, error) {
	var receipts []*importers.Receipt
	for _, path := range options.fromReceipts {
		receipt, err := importers.ReadReceipt(path)
		if err != nil {
			return nil, importError(err)
		}
		receipts = append(receipts, receipt)
		if len(paths) == 0 { // where it lay then
			paths = append(slices.Clone(paths), receipt.Source.Path)
		}
	}
	sources, skipped, err := importers.Find(ctx, importers.FindOptions{Paths: paths, Trail: s.trail})
	if err != nil {
		return nil, importError(err)
	}
	s.skip(skipped)
	sources = s.leaveOutOwn(sources, paths)
	if err := s.hash(ctx, sources); err != nil {
		return nil, err
	}
	if len(receipts) > 0 {
		return s.replay(ctx, options, receipts, sources)
	}
	if len(sources) == 0 {
		return nil, exitcode.With(exitcode.NotFound, exitcode.Hinted(
			fmt.Errorf("import: no source file is in %s", strings.Join(paths, ", ")), "CSV, Excel's .xlsx and JSON are read, also within zip, gzip and zstd"))
	}
	var lists []*importList
	for _, source := range sources {
		more, err := s.open(ctx, options, source)
		if err != nil {
			return nil, err
		}
		lists = append(lists, more...)
	}
	if len(lists) == 0 {
		return nil, exitcode.With(exitcode.Insufficient, errors.New("import: the files hold no list of records"))
	}
	return lists, nil
}

func (s *importSources) skip(skipped []importers.Skipped) {
	s.skipped = append(s.skipped, skipped...)
}

// leaveOutOwn skips receipts that lie in a folder.
func (s *importSources) leaveOutOwn(sources []*importers.Source, named []string) []*importers.Source {
	return slices.DeleteFunc(sources, func(source *importers.Source) bool {
		if !strings.HasSuffix(source.Name, receiptSuffix) || slices.Contains(named, source.Path) {
			return false
		}
		s.skip([]importers.Skipped{{Path: source.Path, Member: source.Member, Why: "the receipt of an import", Hint: "--from-receipt imports again what it tells of"}})
		return true
	})
}

// hash reads every source once, so that what is imported is known by its content.
func (s *importSources) hash(ctx context.Context, sources []*importers.Source) error {
	total := int64(0)
	for _, source := range sources {
		total += source.Size
	}
	progress := s.terminal.Progress(total, "hashing the files")
	defer progress.End()
	for _, source := range sources {
		if err := source.Hash(ctx, s.trail); err != nil {
			return importError(err)
		}
		progress.Add(source.Size)
	}
	return nil
}

// open opens the lists of one source, as its format has them.
func (s *importSources) open(ctx context.Context, options *importOptions, source *importers.Source) ([]*importList, error) {
	var lists []*importList
	var err error
	switch source.Format {
	case importers.FormatCSV:
		lists, err = s.openCSV(ctx, options, source)
	case importers.FormatXLSX:
		lists, err = s.openXLSX(ctx, options, source)
	case importers.FormatJSON:
		lists, err = s.openJSON(ctx, options, source)
	}
	if err != nil {
		return nil, importError(err)
	}
	for _, list := range lists {
		list.options = options
		list.trouble = newTroubles(list.Head())
	}
	return lists, nil
}

func (s *importSources) openCSV(ctx context.Context, o *importOptions, source *importers.Source) ([]*importList, error) {
	opts := csvfile.Options{Skip: o.skip, Encoding: o.encoding, AsApp: o.asApp, Trail: s.trail}
	var err error
	if opts.Delimiter, err = oneCharacter("delimiter", o.delimiter); err != nil {
		return nil, err
	}
	if opts.Quote, err = oneCharacter("quote", o.quote); err != nil {
		return nil, err
	}
	if opts.Escape, err = oneCharacter("escape", o.escape); err != nil {
		return nil, err
	}
	if opts.Header, err = o.headerLine(); err != nil {
		return nil, err
	}
	if o.ragged == "pad" {
		opts.Ragged = csvfile.Pad
	}
	list, err := csvfile.Open(ctx, source, opts)
	if err != nil {
		return nil, err
	}
	return []*importList{{List: list, gaps: list.Gaps}}, nil
}

func (s *importSources) openXLSX(ctx context.Context, o *importOptions, source *importers.Source) ([]*importList, error) {
	opts := xlsxfile.Options{Sheets: o.sheets, Trail: s.trail}
	var err error
	if opts.Header, err = o.headerLine(); err != nil {
		return nil, err
	}
	if o.values == "shown" {
		opts.Values = xlsxfile.Shown
	}
	what := "looking through " + source.Name
	progress := s.terminal.Progress(0, what)
	opts.Progress = func(done, total int64) {
		progress.Begin(total, what)
		progress.Set(done)
	}
	book, err := xlsxfile.Open(ctx, source, opts)
	progress.End()
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, book.Close)
	var lists []*importList
	for _, list := range book.Lists() {
		lists = append(lists, &importList{List: list, gaps: list.Gaps})
	}
	if len(o.sheets) == 0 {
		s.leftSheets(source, book)
	}
	return lists, nil
}

// leftSheets tells which sheets of a workbook are not read, and why.
func (s *importSources) leftSheets(source *importers.Source, book *xlsxfile.Book) {
	for _, sheet := range book.Sheets() {
		if sheet.Read || sheet.Damaged { // a damaged one is among the lists, with its gap
			continue
		}
		left := importers.Skipped{Path: source.Path, Member: sheet.Name, Why: sheet.Note}
		switch {
		case sheet.Empty:
			left.Why = "an empty sheet"
		case sheet.Hidden:
			left.Why, left.Hint = "a hidden sheet", "--sheet "+quoteForShell(sheet.Name)+" reads it"
		}
		s.skip([]importers.Skipped{left})
	}
}

func (s *importSources) openJSON(ctx context.Context, o *importOptions, source *importers.Source) ([]*importList, error) {
	found, err := jsonfile.Open(ctx, source, jsonfile.Options{Path: o.path, Encoding: o.encoding, Trail: s.trail})
	if err != nil {
		return nil, err
	}
	var lists []*importList
	for _, list := range found {
		lists = append(lists, &importList{List: list, gaps: list.Gaps, request: list.Request()})
	}
	return lists, nil
}

// replay opens what receipts tell of, each with the choices that it was imported with.
func (s *importSources) replay(ctx context.Context, options *importOptions, receipts []*importers.Receipt, sources []*importers.Source) ([]*importList, error) {
	var lists []*importList
	for _, receipt := range receipts {
		at := slices.IndexFunc(sources, receipt.Of)
		if at < 0 {
			return nil, importError(&evidence.Error{
				Op: "import: find the file of the receipt for", Place: receipt.Source.Name,
				Err:  evidence.OfKind(importers.ErrOtherFile, fmt.Errorf("no file here has the SHA-256 %s", receipt.Source.SHA256)),
				Hint: "name the file, or a folder that holds it; a copy under another name will do, one that was opened and saved will not",
			})
		}
		own, err := options.asReceipt(receipt)
		if err != nil {
			return nil, err
		}
		opened, err := s.open(ctx, own, sources[at])
		if err != nil {
			return nil, err
		}
		part := slices.IndexFunc(opened, func(l *importList) bool { return l.Head().Part == receipt.Source.Part })
		if part < 0 || !slices.Equal(opened[part].Head().Header, receipt.Header) {
			return nil, importError(&evidence.Error{
				Op: "import: read again", Place: sources[at].Path,
				Err:  evidence.OfKind(importers.ErrOtherFile, errors.New("with the settings of the receipt its header is another one than then")),
				Hint: "this pgrescue reads the file otherwise than the one that wrote the receipt; import it without the receipt",
			})
		}
		opened[part].receipt = receipt
		lists = append(lists, opened[part])
	}
	return lists, nil
}

// asReceipt is the options with the choices of a receipt in the place of those that it decides.
func (o *importOptions) asReceipt(receipt *importers.Receipt) (*importOptions, error) {
	own := *o
	fresh := importOptions{}
	command := &cobra.Command{}
	fresh.addFlags(command)
	for _, name := range decided() {
		for _, value := range receipt.Choices[name] {
			if err := command.Flags().Set(name, value); err != nil {
				return nil, importError(evidence.OfKind(importers.ErrNoReceipt, fmt.Errorf("import: the receipt of %s: --%s: %w", receipt.Source.Name, name, err)))
			}
		}
	}
	tenant := own.importTenant
	own.importReading, own.importTenant = fresh.importReading, fresh.importTenant
	own.create, own.clientName, own.engagementName, own.userEmail = tenant.create, tenant.clientName, tenant.engagementName, tenant.userEmail
	own.profile, own.named, own.table = fresh.profile, fresh.named, fresh.table
	own.asApp, own.asMapped, own.until, own.schema = fresh.asApp, fresh.asMapped, fresh.until, fresh.schema
	own.category, own.importID = fresh.category, fresh.importID
	return &own, nil
}

// choices are the flags that make an import of this list again exactly: those that were given,
// and what was found about the source.
func (l *importList) choices() map[string][]string {
	command := &cobra.Command{}
	var fresh importOptions
	fresh.addFlags(command)
	choices := make(map[string][]string)
	add := func(name string, values ...string) {
		for _, value := range values {
			if flag := command.Flags().Lookup(name); value != "" && value != flag.DefValue {
				choices[name] = append(choices[name], value)
			}
		}
	}
	o := l.options
	add("delimiter", o.delimiter)
	add("quote", o.quote)
	add("escape", o.escape)
	add("header", o.header)
	add("skip", fmt.Sprint(o.skip))
	add("encoding", o.encoding)
	add("sheet", o.sheets...)
	add("values", o.values)
	add("path", o.path)
	add("ragged", o.ragged)
	add("map", o.named...)
	add("table", o.table)
	add("as-app", fmt.Sprint(o.asApp))
	add("as-mapped", fmt.Sprint(o.asMapped))
	add("until", o.until)
	add("schema", o.schema)
	add("category", o.category)
	add("import-id", o.importID)
	add("client-account", o.client)
	add("engagement", o.engagement)
	add("user", o.user)
	l.pin(choices)
	return choices
}

// pin adds what was found about the source, so that nothing has to be found again.
func (l *importList) pin(choices map[string][]string) {
	var names map[string]string // of flags, by those of settings
	part := ""
	switch l.Head().Source.Format {
	case importers.FormatCSV:
		names = map[string]string{"delimiter": "delimiter", "quote": "quote", "escape": "escape", "encoding": "encoding", "header line": "header"}
	case importers.FormatXLSX:
		names, part = map[string]string{"header row": "header"}, "sheet"
	case importers.FormatJSON:
		part = "path"
	}
	pinned := func(flag, value string) {
		if flag != "" && value != "" && len(choices[flag]) == 0 {
			choices[flag] = []string{value}
		}
	}
	quote := ""
	for _, setting := range l.Head().Settings {
		value := setting.Value
		if setting.Name == "quote" {
			quote = value
		}
		if setting.Name == "escape" && len(value) > 1 { // the quote is doubled
			value = quote
		}
		if setting.Found {
			pinned(names[setting.Name], value)
		}
	}
	pinned(part, l.Head().Part)
}

// receiptName is the name of the receipt of a list.
func receiptName(head *importers.Head) string {
	name := head.Source.Name
	if head.Part != "" && head.Source.Format == importers.FormatXLSX {
		name += "." + strings.Map(func(r rune) rune {
			if r == filepath.Separator || r < ' ' {
				return '_'
			}
			return r
		}, head.Part)
	}
	return name + receiptSuffix
}
