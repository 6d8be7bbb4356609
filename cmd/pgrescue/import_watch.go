package main

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
)

// watched is a list whose first reading is counted, and shown while it takes its time.
type watched struct {
	importers.List
	terminal *term.Terminal
	show     bool
	counted  bool  // it was read to its end once
	records  int64 // that were read
	formulas int64
	notes    recordNotes
}

// stepOf is how many records are read between two looks at the clock.
const stepOf = 512

// Records yields what the list yields.
func (w *watched) Records(ctx context.Context, rejects importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		source := w.Head().Source
		var progress *term.Progress
		if w.show {
			progress = w.terminal.Progress(source.Length, "reading "+source.Name)
			defer progress.End()
		}
		var records, formulas int64
		var notes recordNotes
		for record, err := range w.List.Records(ctx, rejects) {
			if err != nil {
				yield(record, err)
				return
			}
			records++
			if !w.counted {
				formulas += formulasIn(record)
				notes.add(record)
			}
			if records%stepOf == 0 && record.Offset >= 0 {
				progress.Set(record.Offset)
			}
			if !yield(record, nil) {
				return
			}
		}
		if !w.counted {
			w.counted, w.records, w.formulas, w.notes = true, records, formulas, notes
		}
	}
}

// recordNotes gathers what a reader says of single records, such as values that it had to leave out.
type recordNotes struct {
	list   []recordNote
	more   int64 // records whose note is not in the list any more
	latest int   // where the last one was found: it is mostly the next one, too
}

type recordNote struct {
	text    string
	records int64
	line    int64 // of the first one
}

const mostRecordNotes = 20 // that differ

func (n *recordNotes) add(record *importers.Record) {
	if record.Note == "" {
		return
	}
	if n.latest >= len(n.list) || n.list[n.latest].text != record.Note {
		n.latest = slices.IndexFunc(n.list, func(known recordNote) bool { return known.text == record.Note })
	}
	switch {
	case n.latest >= 0:
		n.list[n.latest].records++
	case len(n.list) < mostRecordNotes:
		n.latest = len(n.list)
		n.list = append(n.list, recordNote{text: record.Note, records: 1, line: record.Line})
	default:
		n.latest = len(n.list)
		n.more++
	}
}

// sentences says it for people.
func (n *recordNotes) sentences() []string {
	var list []string
	for _, note := range n.list {
		if note.records == 1 {
			list = append(list, fmt.Sprintf("line %d: %s", note.line, note.text))
			continue
		}
		list = append(list, fmt.Sprintf("%s, the first on line %d: %s", term.Plural(note.records, "record", "records"), note.line, note.text))
	}
	if n.more > 0 {
		list = append(list, fmt.Sprintf("%s more that the reader says something of", term.Plural(n.more, "record", "records")))
	}
	return list
}

// formulasIn counts the texts of a record that a spreadsheet would run as a formula.
func formulasIn(record *importers.Record) int64 {
	n := int64(0)
	for i := range record.Fields {
		if f := &record.Fields[i]; f.Kind == importers.Text && len(f.Text) > 1 && isFormula(f.Text) {
			n++
		}
	}
	return n
}

// isFormula reports whether a text begins like a formula. A number with a sign does not, nor a
// telephone number, nor a name behind an at sign alone.
func isFormula(text []byte) bool {
	switch text[0] {
	case '=', '@', '\t', '\r':
		return true
	case '+', '-':
		for _, c := range text[1:] {
			if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '(' || c == '!' {
				return text[1] != ' ' && text[1] != '-'
			}
		}
	}
	return false
}
