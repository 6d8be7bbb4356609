package discovery_test

import (
	"context"
	"iter"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
)

// list is a List in memory. Its fields are texts; one that begins with = is a number, and ~ is missing.
type list struct {
	head importers.Head
	rows [][]string
}

func newList(name, header string, rows ...string) *list {
	l := &list{head: importers.Head{
		Source: &importers.Source{Path: name, Name: name, Format: importers.FormatCSV, SHA256: [32]byte{1}},
		Header: strings.Split(header, "|"), Line: 1,
	}}
	for _, r := range rows {
		l.rows = append(l.rows, strings.Split(r, "|"))
	}
	return l
}

func (l *list) Head() *importers.Head { return &l.head }

func (l *list) Records(context.Context, importers.Rejects) iter.Seq2[*importers.Record, error] {
	return func(yield func(*importers.Record, error) bool) {
		for i, row := range l.rows {
			r := importers.Record{Number: int64(i + 1), Line: int64(i + 2), Offset: -1}
			for _, text := range row {
				f := importers.Field{Text: []byte(text)}
				switch {
				case text == "~":
					f = importers.Field{Kind: importers.Missing}
				case strings.HasPrefix(text, "="):
					f = importers.Field{Kind: importers.Number, Text: []byte(text[1:])}
				}
				r.Fields = append(r.Fields, f)
			}
			if !yield(&r, nil) {
				return
			}
		}
	}
}
