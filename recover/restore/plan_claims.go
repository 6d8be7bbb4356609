package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// settle asks the server about versions whose texts differ: the same value may be written in
// several ways, as 2025-1-2 and 2025-01-02.
func (b *batch) settle(ctx context.Context, items []*item) error {
	var rows [][]evidence.Value
	for _, it := range items {
		for i := range it.rivals {
			rows = append(rows, it.rivals[i].version.values)
		}
	}
	answers, err := b.table.ask.evaluate(ctx, b.m.Conn, rows)
	if err != nil {
		return err
	}
	for _, it := range items {
		if len(it.rivals) > 0 && it.answer.refused == "" {
			b.judge(it, answers)
		}
		answers = answers[len(it.rivals):]
	}
	return nil
}

// judge decides anew whether there is a dispute, now that the server has read all values.
func (b *batch) judge(it *item, answers []answer) {
	opened := false
	for i := range it.rivals {
		opened = opened || it.rivals[i].opens
	}
	if opened {
		it.dispute = ""
	}
	for n := range it.rivals {
		r, a := &it.rivals[n], &answers[n]
		if a.refused != "" {
			it.note("what %s (%s) has does not fit, and does not count: %s", r.version.Route, whereFound(&r.version), a.refused)
			continue
		}
		at := b.other(it, r, a)
		if at < 0 {
			it.from = append(it.from, r.version.id)
			it.note("%s (%s) has the same, in other words", r.version.Route, whereFound(&r.version))
			continue
		}
		text := disputed(&r.best, &r.version, b.table.plan.Columns[at].Name, &it.values[at], &r.version.values[at])
		switch {
		case !r.opens:
			it.note("%s", text)
		case it.dispute == "":
			it.dispute = text
		}
	}
}

// other is the first column of which a rival knows another value; -1: none.
func (b *batch) other(it *item, r *rival, a *answer) int {
	for i := range it.values {
		if it.values[i].State == evidence.Unknown || r.version.values[i].State == evidence.Unknown {
			continue
		}
		is, other := []evidence.Value{it.answer.values[i]}, []evidence.Value{a.values[i]}
		if !equalValues(canonical(is), canonical(other)) && !b.sameJSON(i, &is[0], &other[0]) {
			return i
		}
	}
	return -1
}

// sameJSON reports whether two texts of type json, which the server keeps as they were
// written, are the same document.
func (b *batch) sameJSON(column int, a, other *evidence.Value) bool {
	if b.table.plan.Columns[column].Type != "json" || a.State != evidence.Known || other.State != evidence.Known {
		return false
	}
	read := func(text []byte) (document any, err error) {
		in := json.NewDecoder(bytes.NewReader(text))
		in.UseNumber()
		err = in.Decode(&document)
		return document, err
	}
	one, err := read(a.Text)
	if err != nil {
		return false
	}
	two, err := read(other.Text)
	return err == nil && reflect.DeepEqual(one, two)
}
