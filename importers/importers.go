// Package importers reads the source files that rows of a database once came from.
//
//   - Source: a file, or a member of an archive, with its format and the hash of its content.
//   - List: the records under one header: a CSV file, a sheet, the list of a JSON document.
//   - Record: one of them, with the place where it stands in the source.
//   - Field: what a record has under one name of the header: text, number, JSON, or nothing.
//   - Reject: what could not be read or taken, as it stands in the source, with the reason.
//   - Setting: how a source is read, and whether that was found or asked for.
//
// The readers are rooms of their own: csvfile, xlsxfile and jsonfile. mapping gives fields to
// columns, and discovery is the import path of an application.
package importers

import (
	"context"
	"iter"
)

// Kind says what a Field holds.
type Kind uint8

// The kinds of fields.
const (
	Text    Kind = iota // a text; CSV has nothing else
	Number              // the digits as they stand in the source, never through a float64
	Bool                // true or false
	JSON                // an object or a list, as it stands in the source
	Null                // JSON's null
	Missing             // the record has nothing under this name
	Unknown             // there was something and it cannot be had, such as #N/A; Reason says why
)

// Field is what a record has under one name of the header.
type Field struct {
	Kind   Kind
	Quoted bool   // it stands in quotes: there is a text, even an empty one
	Text   []byte // of Text, Number, Bool and JSON; of Unknown what stands there instead, for people alone
	Reason string // of Unknown
}

// Record is one record of a List. It is valid until the next one is asked for.
type Record struct {
	Number int64   // from 1, among the records of the list that were kept
	Line   int64   // from 1: the line on which it begins, or the row of the sheet
	Offset int64   // in bytes of the uncompressed source, in its own encoding; -1: not known
	Fields []Field // one for each name of the header
	Raw    []byte  // the record as it stands in the source, in UTF-8; nil when it has no text of its own, as in a sheet
	Note   string  // anything that a reader must know, such as "hidden row"
}

// Reject is a record, or a part of one, that was not taken.
type Reject struct {
	Number int64  // of the record; 0: it never became one
	Line   int64  // from 1
	Offset int64  // in bytes; -1: not known
	Column string // name in the header, or of the target; "": the whole record
	Reason string
	Text   []byte  // the record as it stands in the source, in UTF-8
	Fields []Field // of sources whose records have no text of their own
}

// Reject is the record as one that is not taken: because of a column, or as a whole.
func (r *Record) Reject(column, reason string) *Reject {
	return &Reject{Number: r.Number, Line: r.Line, Offset: r.Offset, Column: column, Reason: reason, Text: r.Raw, Fields: r.Fields}
}

// Rejects takes what is not taken. The Reject is the caller's again when it returns.
type Rejects func(*Reject) error

// Setting is how a source is read.
type Setting struct {
	Name  string `json:"name"`  // such as delimiter, encoding, header line
	Value string `json:"value"` // printable
	Found bool   `json:"found"` // sniffed; otherwise asked for
}

// Head is what is known of a List before its records are read.
type Head struct {
	Source   *Source
	Part     string   // sheet, or path of the list within a JSON document; "": the whole source
	Header   []string // the names, in order, each once
	Line     int64    // of the header, from 1; 0: there is none
	Raw      []byte   // the header as it stands in the source, in UTF-8; nil when it has no text of its own
	Settings []Setting
	Notes    []string // what a person should know: duplicate names, hidden rows, merged cells
}

// Place names the list for people: its source, and the part behind it.
func (h *Head) Place() string {
	if h.Part == "" {
		return h.Source.Place()
	}
	return h.Source.Place() + ":" + h.Part
}

// List is the records under one header. Every call of Records reads them anew.
type List interface {
	// Head says what is known before reading.
	Head() *Head
	// Records yields what can be read, in order, and gives the rest to rejects. An error ends
	// it. What is damaged beyond a record is a Gap: see Gaps of the reader's own type.
	Records(ctx context.Context, rejects Rejects) iter.Seq2[*Record, error]
}
