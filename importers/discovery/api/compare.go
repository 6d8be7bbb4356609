package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errOther: an import has the name and the count, and other rows.
var errOther = errors.New("it is another one")

// maxRows is how many rows of an import the server gives.
const maxRows = 1000

// looksLike tells whether an import of the server has the name, the category and the count.
func (p *part) looksLike(k *known) bool {
	return k.filename == p.filename && (k.total == p.kept || k.total < 0)
}

// compare tells whether the rows of an import are the ones that are to be sent. A note says what
// could not be compared.
func (p *part) compare(k *known) (note string, err error) {
	if !k.rowsKnown {
		return "its rows could not be compared: the server does not give them", nil
	}
	if have := int64(len(k.rows)); have < min(p.kept, maxRows) {
		return "", fmt.Errorf("%w: %d of its %d rows are left", errPartial, have, p.kept)
	}
	ours, err := p.digests()
	if err != nil {
		return "", err
	}
	differ := 0
	for _, row := range k.rows {
		if d := digest(row); ours[d] > 0 {
			ours[d]--
		} else {
			differ++
		}
	}
	if differ > 0 {
		return "", fmt.Errorf("%w: %d of %d rows that the server shows are not in the source", errOther, differ, len(k.rows))
	}
	if p.kept > maxRows {
		note = fmt.Sprintf("of its %d rows the server shows %d, which are equal", p.kept, len(k.rows))
	}
	return note, nil
}

// digests counts the rows by their digests.
func (p *part) digests() (map[[16]byte]int, error) {
	list := p.list()
	defer func() { _ = list.Close() }()
	decoder := json.NewDecoder(list)
	ours := make(map[[16]byte]int, p.sent)
	if _, err := decoder.Token(); err != nil {
		return nil, sourceOr(list, err)
	}
	for decoder.More() {
		var row json.RawMessage
		if err := decoder.Decode(&row); err != nil {
			return nil, sourceOr(list, err)
		}
		ours[digest(row)]++
	}
	return ours, list.source()
}

func sourceOr(list *listReader, err error) error {
	if cause := list.source(); cause != nil {
		return cause
	}
	return err
}

// digest is equal for rows that the application holds for equal: it hides row_index, keeps the
// last of two values of one name, and knows fractions as floating point numbers.
func digest(row []byte) (d [16]byte) {
	decoder := json.NewDecoder(bytes.NewReader(row))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) == nil {
		if object, ok := value.(map[string]any); ok {
			delete(object, "row_index")
		}
		value = plain(value)
		if text, err := json.Marshal(value); err == nil {
			row = text
		}
	}
	sum := sha256.Sum256(row)
	copy(d[:], sum[:])
	return d
}

// plain writes the numbers of a value in one way.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		text := v.String()
		if !strings.ContainsAny(text, ".eE") {
			if text == "-0" {
				return json.Number("0")
			}
			return v
		}
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64) + " as a fraction"
		}
	}
	return value
}
