package pglog

import (
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
)

// undoes says why a statement that was committed may not have kept what it did: procedures and DO run code, which outside a
// transaction block may end transactions itself, and within one may have an EXCEPTION clause. "": it is none of these.
func undoes(verb, text string, inBlock bool) string {
	switch {
	case verb == "CALL" && !inBlock, verb == "DO" && !inBlock && hasWord(text, "ROLLBACK"):
		return "it ended without an ERROR; what its code rolled back itself is not in the log"
	case verb == "DO" && hasWord(text, "EXCEPTION") && hasWord(text, "WHEN"):
		return "it ended without an ERROR; what an EXCEPTION clause of its code undid is not in the log"
	}
	return ""
}

// keeps says why a query string that an ERROR ended may have changed something all the same: what it had committed before stays.
// "": it cannot have committed anything.
func keeps(words []sentence, inBlock bool) string {
	several := len(words) > 1 && slices.ContainsFunc(words, func(one sentence) bool {
		return one.Transaction == statement.Commit || one.Transaction == statement.Prepare || one.Transaction == statement.CommitPrepared
	})
	if several {
		return " voided a part of its query string, which has several transactions"
	}
	for i := range words {
		if verb := words[i].Verb; !inBlock && (verb == "CALL" || verb == "DO" && hasWord(words[i].text, "COMMIT")) {
			return " ended it, and not what its code had committed itself before"
		}
	}
	return ""
}

// refuse makes an event of a statement that an ERROR ended: it failed, unless it may have committed something before.
func refuse(event *logparse.Event, why, kept string) {
	event.Kind, event.Why = logparse.Failed, why
	if kept != "" {
		event.Kind, event.Why = logparse.Attempted, why+kept
	}
}

// hasWord looks for a word, capitals or not.
func hasWord(text, word string) bool {
	for from := 0; from+len(word) <= len(text); from++ {
		if !strings.EqualFold(text[from:from+len(word)], word) || from > 0 && wordByte(text[from-1]) && text[from-1] != '.' && text[from-1] != '-' {
			continue
		}
		if end := from + len(word); end == len(text) || !wordByte(text[end]) || text[end] == '-' {
			return true
		}
	}
	return false
}
