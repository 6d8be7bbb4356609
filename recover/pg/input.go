package pg

import (
	"bytes"
	"unicode/utf8"
)

// CertainInput returns a function that tells whether PostgreSQL surely takes a text as a
// value of a type, which is named as format_type prints it. It says true only where every
// version does, under every DateStyle and IntervalStyle, in a database in UTF8. Of what it
// does not know for sure it says false: then the server must be asked.
func CertainInput(typ string) func(text []byte) bool {
	switch typ {
	case "text", "character varying":
		return certainText
	}
	return func([]byte) bool { return false }
}

// certainText: UTF-8 without NUL.
func certainText(text []byte) bool {
	return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0
}
