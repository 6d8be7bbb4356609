package pyrepr

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Known is the value as PostgreSQL prints what a driver would have sent: None is NULL, a list is an array,
// a dict and a list of dicts are JSON. What is cut, and an object, is unknown; Raw holds what there is of it.
func (v *Value) Known() evidence.Value {
	if v.Cut {
		return v.unknown(v.cutReason())
	}
	switch v.Kind {
	case None:
		return evidence.Value{State: evidence.Null}
	case Bool:
		return known(strings.ToLower(v.Text[:1]))
	case Float:
		return known(floatText(v.Text))
	case Int, Decimal, Str, UUID, Date, Time, DateTime, Interval:
		return known(v.Text)
	case Bytes:
		return known(`\x` + hex.EncodeToString([]byte(v.Text)))
	case Enum:
		return v.Items[0].Known()
	case List, Tuple, Set:
		if text, ok := v.array(); ok {
			return known(text)
		}
	}
	if text, ok := v.JSON(); ok {
		return known(text)
	}
	return v.unknown("the log shows an object of Python and not its value: " + excerpt(v.Text))
}

func known(text string) evidence.Value { return evidence.Value{Text: []byte(text)} }

func (v *Value) unknown(reason string) evidence.Value {
	return evidence.Value{State: evidence.Unknown, Reason: reason, Raw: []byte(v.Text)}
}

func (v *Value) cutReason() string {
	switch {
	case v.Kind == Lost && v.Missing > 0:
		return fmt.Sprintf("left out of the log with %d others", v.Missing-1)
	case v.Kind == Lost:
		return "left out of the log"
	case v.Missing > 0:
		return fmt.Sprintf("cut in the log: %d characters are missing", v.Missing)
	}
	return "cut in the log"
}

// floatText spells what Python and PostgreSQL spell differently.
func floatText(text string) string {
	switch strings.TrimLeft(text, "+-") {
	case "inf":
		return strings.Replace(text, "inf", "Infinity", 1)
	case "nan":
		return "NaN"
	}
	return text
}

// array writes a list as an array; false if it holds dicts or what is not known.
func (v *Value) array() (string, bool) {
	var b strings.Builder
	b.WriteByte('{')
	for i := range v.Items {
		if i > 0 {
			b.WriteByte(',')
		}
		item := &v.Items[i]
		switch item.Kind {
		case Dict:
			return "", false
		case List, Tuple, Set:
			text, ok := item.array()
			if !ok {
				return "", false
			}
			b.WriteString(text)
			continue
		}
		value := item.Known()
		switch value.State {
		case evidence.Null:
			b.WriteString("NULL")
		case evidence.Known:
			b.WriteString(pg.ArrayItem(string(value.Text)))
		default:
			return "", false
		}
	}
	b.WriteByte('}')
	return b.String(), true
}

// JSON writes the value as JSON with its keys in their order; false if something in it has no place in JSON.
func (v *Value) JSON() (string, bool) {
	var b strings.Builder
	ok := v.json(&b)
	return b.String(), ok
}

func (v *Value) json(b *strings.Builder) bool {
	if v.Cut {
		return false
	}
	switch v.Kind {
	case None:
		b.WriteString("null")
	case Bool:
		b.WriteString(strings.ToLower(v.Text))
	case Int:
		b.WriteString(v.Text)
	case Float:
		b.WriteString(v.Text)
		return !strings.ContainsAny(v.Text, "ni") // of inf and nan
	case Str:
		jsonString(b, v.Text)
	case List, Tuple:
		b.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			if !v.Items[i].json(b) {
				return false
			}
		}
		b.WriteByte(']')
	case Dict:
		return v.object(b)
	default:
		return false
	}
	return true
}

func (v *Value) object(b *strings.Builder) bool {
	b.WriteByte('{')
	for i := 0; i+1 < len(v.Items); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		if v.Items[i].Kind != Str {
			return false
		}
		jsonString(b, v.Items[i].Text)
		b.WriteString(": ")
		if !v.Items[i+1].json(b) {
			return false
		}
	}
	b.WriteByte('}')
	return true
}

func jsonString(b *strings.Builder, text string) {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(text) == nil {
		b.WriteString(strings.TrimSuffix(line.String(), "\n"))
	}
}
