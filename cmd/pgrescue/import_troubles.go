package main

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/importers"
)

// troubles takes what of a list cannot be imported: it counts by reason, keeps the first ones,
// and writes all of them into files where these are wanted.
type troubles struct {
	head    *importers.Head
	total   int64
	reasons map[troubleKind]int64
	first   []importTrouble
	writer  *importers.RejectWriter // nil: none are wanted
	values  *regexp.Regexp          // in reasons: those that differ in them alone are one
	muted   bool                    // the list is read once more, and everything was heard
}

// troubleKind is what troubles of one kind have in common.
type troubleKind struct{ table, column, reason string }

// importTrouble is one record, or a value of it, that is not imported.
type importTrouble struct {
	Line   int64  `json:"line"`
	Record int64  `json:"record,omitempty"`
	Table  string `json:"table,omitempty"` // that refused the row
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
	Text   string `json:"text,omitempty"` // the beginning of the record, or of the value
}

// importReason counts the troubles of one kind.
type importReason struct {
	Table  string `json:"table,omitempty"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

const (
	mostTroubles    = 20  // that are told one by one
	mostTroubleText = 200 // bytes of each
)

func newTroubles(head *importers.Head) *troubles {
	return &troubles{
		head: head, reasons: make(map[troubleKind]int64), values: regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\([^()]*\)=\([^()]*\)`),
	}
}

// put is an importers.Rejects.
func (t *troubles) put(reject *importers.Reject) error {
	if t.muted {
		return nil
	}
	t.note("", reject.Column, reject.Reason, importTrouble{Line: reject.Line, Record: reject.Number, Text: firstBytes(reject.Text)})
	if t.writer == nil {
		return nil
	}
	return importError(t.writer.Put(reject))
}

// note counts one.
func (t *troubles) note(table, column, reason string, trouble importTrouble) {
	t.total++
	kind := troubleKind{table, column, t.values.ReplaceAllString(reason, "…")}
	if t.reasons[kind] == 0 && len(t.reasons) == mostReasons {
		kind = troubleKind{reason: "other reasons"}
	}
	t.reasons[kind]++
	if len(t.first) < mostTroubles {
		trouble.Table, trouble.Column, trouble.Reason = table, column, reason
		t.first = append(t.first, trouble)
	}
}

func firstBytes(text []byte) string {
	return term.Printable(string(text[:min(len(text), mostTroubleText)]))
}

// counted lists the reasons, the one of the most records first.
func (t *troubles) counted() []importReason {
	var list []importReason
	for kind, n := range t.reasons {
		list = append(list, importReason{kind.table, kind.column, kind.reason, n})
	}
	slices.SortFunc(list, func(a, b importReason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Table+a.Column+a.Reason, b.Table+b.Column+b.Reason))
	})
	return list
}
