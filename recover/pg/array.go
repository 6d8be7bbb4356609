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
