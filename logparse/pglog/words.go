package pglog

import (
	"strings"

	"github.com/pgrescue/pgrescue/logparse/statement"
)

// sentence is one statement of a query string.
type sentence struct {
	text string
	statement.Words
}

// sentences takes a query string apart at the semicolons between statements. The room is used again.
func sentences(room []sentence, text string) []sentence {
	room = room[:0]
	if strings.IndexByte(text, ';') < 0 { // one, of which only the first words matter, or none
		if one := read(strings.TrimSpace(text)); one.Verb != "" {
			return append(room, one)
		}
	}
	for _, one := range statement.Split(text) {
		room = append(room, read(one))
	}
	return room
}

// read finds the verb of a statement and what it does to its transaction.
func read(text string) sentence {
	if verb := usual(text); verb != "" {
		return sentence{text: text, Words: statement.Words{Verb: verb}}
	}
	return sentence{text: text, Words: statement.ReadWords(text)}
}

// usual gives the verb of the statements that most logs are full of, where nothing stands before it.
func usual(text string) string {
	const length = 6
	if len(text) <= length || letter(text[length]) || digit(text[length]) || text[length] == '$' {
		return ""
	}
	switch text[:length] {
	case "SELECT", "select":
		return "SELECT"
	case "INSERT", "insert":
		return "INSERT"
	case "UPDATE", "update":
		return "UPDATE"
	case "DELETE", "delete":
		return "DELETE"
	}
	return ""
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// tells reports whether a server whose log_statement is less than all would not have logged the statement.
func (one *sentence) tells() bool {
	switch one.Verb {
	case "SHOW", "SET", "RESET", "DISCARD", "FETCH", "DECLARE", "CLOSE", "LISTEN", "DO":
		return true
	case "SELECT":
		return !containsFold(one.text, "INTO")
	}
	return one.Transaction != statement.NoTransaction && one.Transaction != statement.Prepare
}

// blinds reports whether the statement changes what is logged of the ones behind it.
func (one *sentence) blinds() bool {
	return (one.Verb == "SET" || one.Verb == "SELECT" || one.Verb == "RESET" || one.Verb == "DISCARD" || one.Verb == "ALTER") &&
		(containsFold(one.text, "log_statement") || containsFold(one.text, "log_min_"))
}

// containsFold looks for a text, capitals or not.
func containsFold(text, part string) bool {
	for i := 0; i+len(part) <= len(text); i++ {
		if text[i]|0x20 == part[0]|0x20 && strings.EqualFold(text[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
