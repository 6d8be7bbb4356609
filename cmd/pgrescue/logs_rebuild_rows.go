package main

import (
	"slices"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// rebuiltRows chooses among the rows that were made, takes secrets out of them, and gives them to the case and to
// the files. It is a Sink.
type rebuiltRows struct {
	options  *logsRebuildOptions
	found    *recorder
	within   func(row *evidence.Row) bool // whether what took the row is of the loss
	next     evidence.Sink
	messages bool  // the rows are those of messages
	told     told  // rows of statements, which say more than messages do
	given    int64 // rows, and those that were not asked for
	left     int64
	there    int64            // of all rows, those that nothing removed
	again    int64            // rows of messages that statements tell, too
	secret   map[string]int64 // values that do not come out, by table and column
	byTable  map[string]*rebuiltTable
	tables   []*rebuiltTable // in the order in which they came
	row      evidence.Row
}

// Put takes one row.
func (r *rebuiltRows) Put(row *evidence.Row) error {
	switch {
	case !r.messages:
		r.told.add(row)
	case r.told.has(row):
		r.again++
		return nil
	}
	if row.Operation == "" {
		r.there++
	}
	if r.messages && row.Relation.Database == "" {
		own := *row
		own.Relation = r.told.adopt(row.Relation)
		row = &own
	}
	if len(r.options.tables) > 0 && !r.options.wants(row.Relation.RelationName) || r.options.lost && row.Operation == "" || !r.within(row) {
		r.left++
		return nil
	}
	r.given++
	row = r.withoutSecrets(row)
	r.count(row)
	if err := r.found.rebuilt(row); err != nil {
		return err
	}
	return r.next.Put(row)
}

// lostWithin reports whether a row went between --since and --until. One that is there, or of which nobody knows when it
// went, does.
func (r *logReading) lostWithin(row *evidence.Row) bool {
	return row.Operation == "" || r.within(logparse.Stamp{Time: row.CommitTime})
}

// count adds a row to those of its table.
func (r *rebuiltRows) count(row *evidence.Row) {
	name := row.Relation.Database + " " + row.Relation.RelationName.String()
	table := r.byTable[name]
	if table == nil {
		if r.byTable == nil {
			r.byTable = make(map[string]*rebuiltTable)
		}
		table = &rebuiltTable{Database: row.Relation.Database, Table: row.Relation.RelationName.String(), name: row.Relation.RelationName}
		r.byTable[name] = table
		r.tables = append(r.tables, table)
	}
	switch {
	case row.Operation == "":
		table.There++
	case row.Operation == evidence.OpUpdate:
		table.Replaced++
	default:
		table.Gone++
	}
	if !row.Complete() {
		table.InPart++
	}
	if r.messages {
		table.OfMessages++
	}
}

const (
	whySecret       = "a secret that outputs do not show"
	whyHoldsASecret = "it holds a secret, which outputs do not show"
)

// withoutSecrets gives the row with unknown values in the place of secrets.
func (r *rebuiltRows) withoutSecrets(row *evidence.Row) *evidence.Row {
	own := &r.row
	*own = *row
	own.Values = r.openValues(row, row.Values, true)
	own.Successor = r.openValues(row, row.Successor, false)
	own.Note = secrets.Text(row.Note)
	own.Origins = slices.Clone(row.Origins)
	for i := range own.Origins {
		own.Origins[i].Why = secrets.Text(own.Origins[i].Why)
	}
	return own
}

// openValues gives the values that may be shown.
func (r *rebuiltRows) openValues(row *evidence.Row, values []evidence.Value, count bool) []evidence.Value {
	own := slices.Clone(values)
	for i := range own {
		why := reasonToHide(row.Relation.Columns[i].Name, &own[i])
		if why == "" {
			continue
		}
		own[i] = evidence.Value{State: evidence.Unknown, Reason: why}
		if count {
			if r.secret == nil {
				r.secret = make(map[string]int64)
			}
			r.secret[row.Relation.RelationName.String()+"."+row.Relation.Columns[i].Name]++
		}
	}
	return own
}

// reasonToHide says why a value does not come out; "": it does.
func reasonToHide(column string, v *evidence.Value) string {
	text := string(v.Text)
	if v.State == evidence.Unknown {
		text = v.Reason + "\n" + string(v.Raw)
	}
	switch {
	case v.State == evidence.Null || v.State == evidence.Unknown && len(v.Raw) == 0 && secrets.Text(text) == text && !secrets.Sensitive(column):
		return ""
	case secrets.Sensitive(column):
		return whySecret
	case secrets.Text(text) == text:
		return ""
	case secrets.Text(text) == secrets.Mask:
		return whySecret
	}
	return whyHoldsASecret
}
