package discovery

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/pgrescue/pgrescue/importers/mapping"
)

// Summary is what is known of an Import. What its rows tell, such as Duplicates, is known once
// they were read.
type Summary struct {
	IDs      ImportIDs
	Known    bool // the ids are those of an import that happened
	Filename string
	Category string
	Records  int64 // that are kept: data_imports.total_records
	Dropped  int64 // records that the application drops
	FileSize int64 // data_imports.file_size
	State    bool  // the states of the flows hold copies of all rows
	// Duplicates are records whose name another record of the file has: it is the asset of both.
	Duplicates int64
	// Refused are records whose asset a mapping refused.
	Refused int64
	// Losses are values that a lossy conversion made NULL.
	Losses []mapping.Loss
	// Unresolved are dependencies on something that is neither in the file nor in the target, or on
	// the asset itself: the first hundred. UnresolvedCount counts all.
	Unresolved      []Unresolved
	UnresolvedCount int64
	// Lost is what the file cannot give back, in sentences.
	Lost []string
	// Notes are what a person should know, in sentences.
	Notes []string
}

// Unresolved is a dependency on something that is not known.
type Unresolved struct {
	Line   int64
	From   string // name of the asset
	On     string // as the source names it
	Itself bool   // it is the asset itself
}

// String is the dependency in one sentence.
func (u Unresolved) String() string {
	if u.Itself {
		return fmt.Sprintf("line %d: %s depends on itself; that is left out", u.Line, u.From)
	}
	return fmt.Sprintf("line %d: %s depends on %s, which is neither in the file nor in the target", u.Line, u.From, u.On)
}

// Summary tells what is known of the import.
func (im *Import) Summary() Summary {
	s := im.summary
	s.Filename, s.Category = im.content.Filename, im.opts.Category
	s.Records, s.FileSize, s.State = im.content.Records, im.content.Size, im.stateful
	s.Lost = append(slices.Clone(s.Lost), im.lost()...)
	return s
}

// IDs are those of the import and its flow.
func (im *Import) IDs() ImportIDs { return im.ids }

// userText is the user as flows name it: "system" when the request named nobody (fact sheet 1.5).
func (im *Import) userText() string {
	if im.opts.Tenant.User == uuid.Nil {
		return "system"
	}
	return im.opts.Tenant.User.String()
}
