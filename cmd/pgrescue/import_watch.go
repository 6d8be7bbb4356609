package main

import (
	"context"
	"iter"

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
		for record, err := range w.List.Records(ctx, rejects) {
			if err != nil {
				yield(record, err)
				return
			}
			records++
			if !w.counted {
				formulas += formulasIn(record)
			}
			if records%stepOf == 0 && record.Offset >= 0 {
				progress.Set(record.Offset)
			}
			if !yield(record, nil) {
				return
			}
		}
		if !w.counted {
			w.counted, w.records, w.formulas = true, records, formulas
		}
	}
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
