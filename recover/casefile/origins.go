package casefile

import (
	"encoding/json"
	"hash/fnv"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// identity is what makes two finds of a version the same: where it lay, or in a
// text its source and line. Several rows may come from one line.
type identity struct{ place, origin, nth int64 }

// textRows counts the rows of a text that come from one line.
type textRows struct {
	source, line, nth int64            // of the last row
	logged            map[logged]int64 // how many rows of logs came with a key, or without one
}

// logged is a row of a log: a line, and the sum of its key; 0: not known.
type logged struct{ source, line, key int64 }

func (t *RunTable) identify(row *evidence.Row, source int64, key []int) identity {
	if row.TID.Offset != 0 || row.LSN != 0 {
		return identity{place: int64(row.TID.Block)<<16 | int64(row.TID.Offset)}
	}
	nth := t.texts.next(row, source, key)
	if source == 0 {
		source = -1 // of no known source; 0 would make place a TID
	}
	return identity{place: row.Line, origin: source, nth: nth}
}

// next numbers a row among those of its line. Rows of files come in the order of the
// lines. Rows of logs come in any order, and not always all of them: they are told
// apart by their key where it is known.
func (t *textRows) next(row *evidence.Row, source int64, key []int) int64 {
	if row.Route == evidence.RouteLogs {
		if t.logged == nil {
			t.logged = make(map[logged]int64)
		}
		place := logged{source, row.Line, keySum(row, key)}
		t.logged[place]++
		return place.key + t.logged[place]
	}
	if source != t.source || row.Line != t.line {
		t.source, t.line, t.nth = source, row.Line, 0
	}
	t.nth++
	return t.nth
}

// keySum is a number for the key of a row, with room behind it; 0: not known.
func keySum(row *evidence.Row, key []int) int64 {
	if len(key) == 0 {
		return 0
	}
	sum := fnv.New64a()
	for _, i := range key {
		v := &row.Values[i]
		if v.State == evidence.Unknown {
			return 0
		}
		_, _ = sum.Write(appendValue(nil, v)) // a hash takes everything
	}
	return int64(sum.Sum64() >> 1 &^ 0xffff)
}

// originText is an Origin in row.origins.
type originText struct {
	Confidence evidence.Confidence `json:"confidence"`
	Source     columnName          `json:"source"`
	Line       int64               `json:"line"`
	Why        columnName          `json:"why"`
}

// encodeOrigins appends where the values of a row stand, behind its other texts.
func (rec *record) encodeOrigins(b *pipeBatch, row *evidence.Row) {
	known := false
	for i := range row.Origins {
		known = known || row.Origins[i] != evidence.Origin{}
	}
	if !known {
		return
	}
	from := len(b.text)
	b.text = append(b.text, '[')
	for i := range row.Origins {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		b.text = appendOrigin(b.text, row.Origins[i], &row.Provenance)
	}
	b.text = append(b.text, ']')
	rec.origins = len(b.text) - from
}

// appendOrigin appends what the row's provenance does not say.
func appendOrigin(dst []byte, o evidence.Origin, of *evidence.Provenance) []byte {
	if o == (evidence.Origin{}) {
		return append(dst, "null"...)
	}
	if o.Confidence == of.Confidence {
		o.Confidence = ""
	}
	if o.Source == of.Source && o.Line != 0 {
		o.Source = ""
	}
	comma := byte('{')
	field := func(name, text string) {
		if text != "" {
			dst = appendBytes(append(append(append(dst, comma, '"'), name...), '"', ':'), text)
			comma = ','
		}
	}
	field("confidence", string(o.Confidence))
	field("source", o.Source)
	if o.Line != 0 {
		dst = strconv.AppendInt(append(append(dst, comma), `"line":`...), o.Line, 10)
		comma = ','
	}
	field("why", o.Why)
	if comma == '{' {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// parseOrigins is the way back; row says what was left out.
func parseOrigins(dst []evidence.Origin, text []byte, row *evidence.Row) ([]evidence.Origin, error) {
	var list []*originText
	if err := json.Unmarshal(text, &list); err != nil {
		return dst, err
	}
	for _, o := range list {
		if o == nil {
			dst = append(dst, evidence.Origin{})
			continue
		}
		origin := evidence.Origin{Confidence: o.Confidence, Source: string(o.Source), Line: o.Line, Why: string(o.Why)}
		if origin.Confidence == "" {
			origin.Confidence = row.Confidence
		}
		if origin.Source == "" && origin.Line != 0 {
			origin.Source = row.Source
		}
		dst = append(dst, origin)
	}
	return dst, nil
}

// withoutWhy is row.origins without what may quote values.
func withoutWhy(text []byte) ([]byte, error) {
	var list []*originText
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	out := []byte{'['}
	for i, o := range list {
		if i > 0 {
			out = append(out, ',')
		}
		var origin evidence.Origin
		if o != nil {
			origin = evidence.Origin{Confidence: o.Confidence, Source: string(o.Source), Line: o.Line}
		}
		if o != nil && o.Why != "" {
			origin.Why = takenOut
		}
		out = appendOrigin(out, origin, &evidence.Provenance{})
	}
	return append(out, ']'), nil
}
