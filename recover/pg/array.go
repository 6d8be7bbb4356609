package pg

import "strings"

// AppendArrayItem writes an item of an array in double quotes, which array_in takes around any text.
func AppendArrayItem(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// ArrayItem writes an item of an array as array_out does: in quotes only where it needs them.
func ArrayItem(text string) string {
	if text != "" && !strings.EqualFold(text, "null") && !strings.ContainsAny(text, "{},\"\\ \t\n\r\v\f") {
		return text
	}
	return string(AppendArrayItem(nil, []byte(text)))
}

// Item is an item of an array.
type Item struct {
	Text string
	Null bool
}

// ArrayItems takes an array of one dimension apart, as array_in does.
func ArrayItems(text string) ([]Item, bool) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return nil, false
	}
	text = text[1 : len(text)-1]
	if strings.TrimSpace(text) == "" {
		return nil, true
	}
	var items []Item
	for {
		item, rest, ok := arrayElement(text)
		if !ok {
			return nil, false
		}
		items = append(items, item)
		if rest == "" {
			return items, true
		}
		text = rest[1:]
	}
}

// arrayElement reads one element; what is left begins with a comma, or is empty.
func arrayElement(text string) (Item, string, bool) {
	text = strings.TrimLeft(text, " \t\n\r\v\f")
	var out strings.Builder
	inside, wasQuoted, escaped, bare := false, false, false, 0
	at := 0
	for ; at < len(text) && (inside || text[at] != ','); at++ {
		switch c := text[at]; {
		case c == '\\' && (inside || !wasQuoted):
			at++
			if at == len(text) {
				return Item{}, "", false
			}
			out.WriteByte(text[at])
			escaped, bare = true, out.Len()
		case c == '"':
			if !inside && (wasQuoted || out.Len() > 0) {
				return Item{}, "", false
			}
			inside, wasQuoted, bare = !inside, true, out.Len()
		case !inside && (c == '{' || c == '}'):
			return Item{}, "", false
		case inside || !isBlank(c):
			if !inside && wasQuoted {
				return Item{}, "", false
			}
			out.WriteByte(c)
			bare = out.Len()
		default:
			out.WriteByte(c)
		}
	}
	item := out.String()[:bare]
	switch {
	case inside || (item == "" && !wasQuoted):
		return Item{}, "", false
	case !wasQuoted && !escaped && strings.EqualFold(item, "null"):
		return Item{Null: true}, text[at:], true
	}
	return Item{Text: item}, text[at:], true
}

// isBlank is what array_in takes for white space.
func isBlank(c byte) bool { return c == ' ' || c-'\t' < 5 }
