package pg

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// inUTC prints a moment with a zone in UTC. Without one, the session's zone would count.
func inUTC(moment, zone string) ([]byte, bool) {
	layout := "2006-01-02 15:04:05.999999"
	switch len(zone) {
	case 0:
		return nil, false
	case len("+02"):
		layout += "-07"
	case len("+0200"):
		layout += "-0700"
	case len("+02:00"):
		layout += "-07:00"
	case len("Z"):
		layout += "Z07:00"
	}
	at, err := time.Parse(layout, moment+zone)
	if err != nil || at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
		return nil, false
	}
	return []byte(at.UTC().Format("2006-01-02 15:04:05.999999") + "+00"), true
}

// canonicalJSONB prints a text that certainJSON takes as jsonb_out does: members by the length of their names and then by
// their bytes, of two with one name the last, and one space behind each colon and comma.
func canonicalJSONB(text []byte) ([]byte, bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	return appendJSONB(nil, value)
}

func appendJSONB(dst []byte, value any) ([]byte, bool) {
	ok := true
	switch value := value.(type) {
	case nil:
		return append(dst, "null"...), true
	case bool:
		return fmt.Append(dst, value), true
	case string:
		return appendJSONBString(dst, value), true
	case json.Number:
		if bytes.ContainsAny([]byte(value), "eE") {
			return nil, false // numeric has no exponents: how many digits it gives, the server knows
		}
		return append(dst, plainNumber([]byte(value))...), true
	case []any:
		dst = append(dst, '[')
		for i := range value {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, ok = appendJSONB(dst, value[i]); !ok {
				return nil, false
			}
		}
		return append(dst, ']'), true
	case map[string]any:
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendJSONBString(dst, name), ": "...)
			if dst, ok = appendJSONB(dst, value[name]); !ok {
				return nil, false
			}
		}
		return append(dst, '}'), true
	}
	return nil, false
}

// appendJSONBString follows escape_json (json.c).
func appendJSONBString(dst []byte, text string) []byte {
	const letters = "\b\f\n\r\t\"\\"
	dst = append(dst, '"')
	for _, c := range []byte(text) {
		if at := bytes.IndexByte([]byte(letters), c); at >= 0 {
			dst = append(dst, '\\', "bfnrt\"\\"[at])
		} else if c < ' ' {
			dst = fmt.Appendf(dst, "\\u%04x", c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
