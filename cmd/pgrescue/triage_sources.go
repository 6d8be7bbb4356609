package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/importers/discovery"
	"github.com/pgrescue/pgrescue/importers/mapping"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// mostCounted bounds how much of a source file is read to count its records.
const mostCounted = 64 << 20

// longestMatched bounds the files whose header is read: of a workbook the header stands in front, and the rest is looked through.
const longestMatched = 64 << 20

// readSources lists the files that rows may have come from.
func (r *triageRun) readSources(ctx context.Context, facts *triage.Facts) error {
	sources, _, err := importers.Find(ctx, importers.FindOptions{Paths: r.options.sources, Trail: r.found.Trail()})
	if err != nil {
		return importError(err)
	}
	facts.SourcesAsked = true
	for _, source := range sources {
		if err := ctx.Err(); err != nil {
			return err
		}
		facts.Sources = append(facts.Sources, triage.Source{Path: source.Place(), Format: string(source.Format), Bytes: source.Size, Records: recordsOf(source)})
		if err := r.match(ctx, facts, source); err != nil {
			return err
		}
	}
	return nil
}

// recordsOf counts the lines behind the header of a CSV file; -1: it is another one, or too long for a triage.
func recordsOf(source *importers.Source) int64 {
	if source.Format != importers.FormatCSV {
		return -1
	}
	file, err := source.Open(nil)
	if err != nil {
		return -1
	}
	defer file.Close()
	reader := bufio.NewReaderSize(io.LimitReader(file, mostCounted), 256<<10)
	lines, total, last := int64(0), 0, byte('\n')
	block := make([]byte, 256<<10)
	for {
		n, err := reader.Read(block)
		lines += int64(bytes.Count(block[:n], []byte{'\n'}))
		if total += n; n > 0 {
			last = block[n-1]
		}
		if err != nil {
			break
		}
	}
	switch {
	case total == mostCounted:
		return -1
	case last != '\n':
		lines++
	}
	return max(0, lines-1)
}

// match says which tables the last source fits, by its headers.
func (r *triageRun) match(ctx context.Context, facts *triage.Facts, source *importers.Source) error {
	if source.Size > longestMatched || !slices.ContainsFunc(facts.Tables, func(t triage.Table) bool { return t.Columns != nil }) {
		return nil
	}
	profile, err := discovery.Profile()
	if err != nil {
		return libraryError(err)
	}
	found := &importSources{terminal: r.terminal, trail: r.found.Trail()}
	lists, err := found.open(ctx, &importOptions{}, source)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return nil // what cannot be opened is told when it is imported; whether it fits is not known
	}
	tables := []string{}
	for _, list := range lists {
		header := list.Head().Header
		application := ofApplication(profile, header)
		for i := range facts.Tables {
			t := &facts.Tables[i]
			if name := t.Name.String(); !t.Dropped && !slices.Contains(tables, name) && (fitsColumns(header, t.Columns) || application && slices.Contains(applicationTables(), t.Name.Name)) {
				tables = append(tables, name)
			}
		}
	}
	facts.Sources[len(facts.Sources)-1].Tables = tables
	return found.end()
}

// foldedName is a header or a column in small letters, and without what people put between words.
func foldedName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-./", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// fitsColumns reports whether two headers of three are columns of a table.
func fitsColumns(header, columns []string) bool {
	same := 0
	for _, name := range header {
		if foldedName(name) != "" && slices.ContainsFunc(columns, func(column string) bool { return foldedName(column) == foldedName(name) }) {
			same++
		}
	}
	return same > 0 && 3*same >= 2*len(header) && (same > 1 || len(header) == 1)
}

// ofApplication reports whether the discovery import would know half of the headers.
func ofApplication(profile *mapping.Profile, header []string) bool {
	m, err := profile.Map(header, mapping.MapOptions{})
	return err == nil && len(m.Fields) > 1 && 2*len(m.Fields) >= len(header)
}

// applicationTables are those that the discovery import fills from a file.
func applicationTables() []string { return []string{"data_imports", "raw_import_records", "assets"} }
