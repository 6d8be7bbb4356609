package evidence

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// jsonEncoder prints one object a row, its fields always in this order:
//
//   - relation (schema and name, quoted where SQL needs it), database;
//   - tid, xmin, xmax, lsn, operation, commit_time (UTC), route, confidence,
//     source, line, intermediate, note: the provenance; what is not known, or not
//     true, is left out;
//   - values: by column, in the table's order, each value's text as PostgreSQL
//     prints it, or null for NULL. Numbers and booleans are texts too, so that no
//     reader rounds them. A value that is not known has no entry here;
//   - unknown: by column, the reason and, as hex, the bytes. A text that is not
//     UTF-8 stands here too, since JSON cannot hold it;
//   - successor: as values, of the version that replaced an updated one;
//   - origins: by column, where the value stands and what it rests on (confidence,
//     source, line, why), of rows that were put together from several places.
type jsonEncoder struct{}

func (jsonEncoder) appendRow(dst []byte, row *Row) []byte {
	dst = append(dst, `{"relation":`...)
	dst = appendJSONText(dst, row.Relation.String())
	dst = appendJSONField(dst, "database", row.Relation.Database)
	dst = appendProvenance(dst, &row.Provenance)
	dst = append(dst, `,"values":`...)
	dst = appendJSONValues(dst, row.Relation, row.Values)
	dst = appendJSONUnknown(dst, row)
	if row.Successor != nil {
		dst = append(dst, `,"successor":`...)
		dst = appendJSONValues(dst, row.Relation, row.Successor)
	}
	dst = appendJSONOrigins(dst, row)
	return append(dst, "}\n"...)
}

// appendProvenance appends what is known of where the row comes from.
func appendProvenance(dst []byte, p *Provenance) []byte {
	if p.TID != (pg.TID{}) {
		dst = append(dst, `,"tid":"(`...)
		dst = strconv.AppendUint(dst, uint64(p.TID.Block), 10)
		dst = append(dst, ',')
		dst = strconv.AppendUint(dst, uint64(p.TID.Offset), 10)
		dst = append(dst, `)"`...)
	}
	if p.Xmin != pg.InvalidXID {
		dst = append(dst, `,"xmin":`...)
		dst = strconv.AppendUint(dst, uint64(p.Xmin), 10)
	}
	if p.Xmax != pg.InvalidXID {
		dst = append(dst, `,"xmax":`...)
		dst = strconv.AppendUint(dst, uint64(p.Xmax), 10)
	}
	if p.LSN != 0 {
		dst = appendJSONField(dst, "lsn", p.LSN.String())
	}
	dst = appendJSONField(dst, "operation", string(p.Operation))
	if !p.CommitTime.IsZero() {
		dst = appendJSONField(dst, "commit_time", pg.FormatTime(p.CommitTime))
	}
	dst = appendJSONField(dst, "route", string(p.Route))
	dst = appendJSONField(dst, "confidence", string(p.Confidence))
	dst = appendJSONField(dst, "source", p.Source)
	if p.Line != 0 {
		dst = append(dst, `,"line":`...)
		dst = strconv.AppendInt(dst, p.Line, 10)
	}
	if p.Intermediate {
		dst = append(dst, `,"intermediate":true`...)
	}
	return appendJSONField(dst, "note", p.Note)
}

// appendJSONValues appends the values that have a text, or are NULL, by column.
func appendJSONValues(dst []byte, rel *Relation, values []Value) []byte {
	dst = append(dst, '{')
	comma := false
	for i := range values {
		v := &values[i]
		if v.unprintable() || !v.utf8() {
			continue
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = appendJSONText(dst, rel.Columns[i].Name)
		dst = append(dst, ':')
		if v.State == Null {
			dst = append(dst, "null"...)
			continue
		}
		dst = appendJSONText(dst, v.Text)
	}
	return append(dst, '}')
}

// appendJSONUnknown appends the reasons and bytes of the other values, if there are any.
func appendJSONUnknown(dst []byte, row *Row) []byte {
	none := true
	for i := range row.Values {
		v := &row.Values[i]
		if !v.unprintable() && v.utf8() {
			continue
		}
		reason, raw := "the text is not UTF-8", v.Text
		if v.unprintable() {
			reason, raw = v.why()
		}
		if none {
			dst = append(dst, `,"unknown":{`...)
		} else {
			dst = append(dst, ',')
		}
		none = false
		dst = appendJSONText(dst, row.Relation.Columns[i].Name)
		dst = append(dst, `:{"reason":`...)
		dst = appendJSONText(dst, reason)
		dst = append(dst, `,"hex":"`...)
		dst = hex.AppendEncode(dst, raw)
		dst = append(dst, `"}`...)
	}
	if none {
		return dst
	}
	return append(dst, '}')
}

// appendJSONOrigins appends what is known of where each value stands, if anything is.
func appendJSONOrigins(dst []byte, row *Row) []byte {
	begun := false
	for i, o := range row.Origins {
		if o == (Origin{}) || i >= len(row.Relation.Columns) {
			continue
		}
		if begun {
			dst = append(dst, ',')
		} else {
			dst = append(dst, `,"origins":{`...)
		}
		begun = true
		dst = appendJSONText(dst, row.Relation.Columns[i].Name)
		dst = append(dst, ':', '{')
		start := len(dst)
		dst = appendJSONField(dst, "confidence", string(o.Confidence))
		dst = appendJSONField(dst, "source", o.Source)
		if o.Line != 0 {
			dst = append(dst, `,"line":`...)
			dst = strconv.AppendInt(dst, o.Line, 10)
		}
		dst = appendJSONField(dst, "why", o.Why)
		dst = append(slices.Delete(dst, start, start+1), '}') // without the first comma
	}
	if begun {
		dst = append(dst, '}')
	}
	return dst
}

// utf8 reports whether JSON can hold the value's text.
func (v *Value) utf8() bool { return v.State != Known || utf8.Valid(v.Text) }

// appendJSONField appends a comma, the name and the text, or nothing for an empty text.
func appendJSONField(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return appendJSONText(dst, text)
}

// appendJSONText appends text as a JSON string. Bytes that are not UTF-8, which
// only names can hold here, become U+FFFD.
func appendJSONText[T string | []byte](dst []byte, text T) []byte {
	if s, ok := any(text).(string); ok && !utf8.ValidString(s) {
		text = T(strings.ToValidUTF8(s, "\uFFFD"))
	}
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(text) {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
