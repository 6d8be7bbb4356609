// Package statement takes SQL apart, as it stands in logs, and makes rows of it.
//
//   - Token: a piece of SQL as PostgreSQL's scanner sees it.
//   - Word: what a statement does to its session's transaction: BEGIN, COMMIT, ROLLBACK, SAVEPOINT.
//   - Parameters: the values of $1, $2 and so on, which the server logs beside a prepared statement.
//   - Template: a statement without its constants; each is parsed once, by PostgreSQL's own grammar.
//   - Key: a condition that names rows, such as id = 7 or id IN (1, 2).
//   - Cut: a statement or a value of which the log does not have all.
package statement

import (
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Transaction is what a statement does to its session's transaction.
type Transaction uint8

// What there is.
const (
	NoTransaction    Transaction = iota // nothing: it runs in the one that is open, or in its own
	Begin                               // BEGIN, START TRANSACTION
	Commit                              // COMMIT, END
	Rollback                            // ROLLBACK, ABORT
	Savepoint                           // SAVEPOINT name
	Release                             // RELEASE name
	RollbackTo                          // ROLLBACK TO name
	Prepare                             // PREPARE TRANSACTION 'id': it is neither committed nor rolled back yet
	CommitPrepared                      // COMMIT PREPARED 'id', from any session
	RollbackPrepared                    // ROLLBACK PREPARED 'id'
)

// Words are the first words of a statement, which need no grammar.
type Words struct {
	Verb        string // the first word in capitals, such as DELETE
	Transaction Transaction
	Name        string // of a savepoint, or the id of a prepared transaction
	Chain       bool   // COMMIT AND CHAIN: the next transaction begins at once
}

// ReadWords looks at the beginning of one statement.
func ReadWords(sql string) Words {
	list := make([]token, 0, 8)
	for at := 0; len(list) < cap(list); {
		t, ok, err := next(sql, at)
		if !ok || err != nil || (t.kind == tokenPunct && sql[t.start] == ';') {
			break
		}
		if at = t.end; len(list) == 0 && sql[t.start] == '(' { // (SELECT …)
			continue
		}
		list = append(list, t)
	}
	var words Words
	if len(list) == 0 || list[0].kind != tokenWord {
		return words
	}
	words.Verb = strings.ToUpper(sql[list[0].start:list[0].end])
	words.transaction(sql, list[1:])
	return words
}

// Target gives the table that stands in the first words of a statement that changes or destroys rows, without the
// grammar: of several the first. It reports false where it does not stand there: WITH, DROP SCHEMA, a COPY to a file.
func Target(sql string) (evidence.RelationName, bool) {
	h := head{sql: sql}
	switch {
	case h.skip("INSERT"), h.skip("MERGE"):
		if !h.skip("INTO") {
			return evidence.RelationName{}, false
		}
	case h.skip("UPDATE"):
	case h.skip("DELETE"):
		if !h.skip("FROM") {
			return evidence.RelationName{}, false
		}
	case h.skip("TRUNCATE"):
		h.skip("TABLE")
	case h.skip("DROP"), h.skip("ALTER"):
		if !h.skip("TABLE") {
			return evidence.RelationName{}, false
		}
		if h.skip("IF") && !h.skip("EXISTS") {
			return evidence.RelationName{}, false
		}
	case h.skip("COPY"):
		h.skip("BINARY")
		return h.copied()
	default:
		return evidence.RelationName{}, false
	}
	h.skip("ONLY")
	return h.table()
}

// head reads the first words of a statement.
type head struct {
	sql string
	at  int
}

// skip goes over a word if it is the next.
func (h *head) skip(word string) bool {
	t, ok, err := next(h.sql, h.at)
	if !ok || err != nil || t.kind != tokenWord || !strings.EqualFold(h.sql[t.start:t.end], word) {
		return false
	}
	h.at = t.end
	return true
}

// table reads a name with its schema.
func (h *head) table() (evidence.RelationName, bool) {
	var parts []string
	for {
		t, ok, err := next(h.sql, h.at)
		if !ok || err != nil || (t.kind != tokenWord && t.kind != tokenQuoted) {
			return evidence.RelationName{}, false
		}
		parts = append(parts, identifier(h.sql, t))
		h.at = t.end
		dot, ok, err := next(h.sql, h.at)
		if !ok || err != nil || h.sql[dot.start] != '.' || len(parts) == 3 {
			break
		}
		h.at = dot.end
	}
	name := evidence.RelationName{Name: parts[len(parts)-1]}
	if len(parts) > 1 {
		name.Schema = parts[len(parts)-2]
	}
	if len(parts) > 2 {
		name.Database = parts[0]
	}
	return name, true
}

// copied reads the table of a COPY … FROM.
func (h *head) copied() (evidence.RelationName, bool) {
	name, ok := h.table()
	for depth := 0; ok; {
		t, more, err := next(h.sql, h.at)
		if !more || err != nil {
			return name, false
		}
		switch text := h.sql[t.start:t.end]; {
		case text == "(":
			depth++
		case text == ")":
			depth--
		case depth == 0:
			return name, h.skip("FROM")
		}
		h.at = t.end
	}
	return name, false
}

// transaction reads the words behind the verb.
func (w *Words) transaction(sql string, list []token) {
	said := func(i int, what string) bool {
		return i < len(list) && list[i].kind == tokenWord && strings.EqualFold(sql[list[i].start:list[i].end], what)
	}
	at := 0
	if said(0, "WORK") || said(0, "TRANSACTION") {
		at = 1
	}
	switch w.Verb {
	case "BEGIN":
		w.Transaction = Begin
	case "START":
		if said(0, "TRANSACTION") {
			w.Transaction = Begin
		}
	case "COMMIT", "END":
		w.Transaction = Commit
		if said(0, "PREPARED") {
			w.Transaction, at = CommitPrepared, 1
			w.Name = name(sql, list, at)
		}
	case "ROLLBACK", "ABORT":
		w.Transaction = Rollback
		switch {
		case said(0, "PREPARED"):
			w.Transaction, w.Name = RollbackPrepared, name(sql, list, 1)
		case said(at, "TO"):
			at++
			if said(at, "SAVEPOINT") && at+1 < len(list) {
				at++
			}
			w.Transaction, w.Name = RollbackTo, name(sql, list, at)
		}
	case "SAVEPOINT":
		w.Transaction, w.Name = Savepoint, name(sql, list, 0)
	case "RELEASE":
		at = 0
		if said(0, "SAVEPOINT") && len(list) > 1 {
			at = 1
		}
		w.Transaction, w.Name = Release, name(sql, list, at)
	case "PREPARE":
		if said(0, "TRANSACTION") && len(list) > 1 && list[1].kind == tokenString {
			w.Transaction, w.Name = Prepare, name(sql, list, 1)
		}
	}
	w.Chain = said(at, "AND") && said(at+1, "CHAIN")
}

// name gives the name or string at a place of the list, or "".
func name(sql string, list []token, at int) string {
	if at >= len(list) {
		return ""
	}
	switch t := list[at]; t.kind {
	case tokenString:
		return stringText(sql[t.start:t.end])
	case tokenWord, tokenQuoted:
		return identifier(sql, t)
	}
	return ""
}

// Split takes a text apart into its statements, as a client may send several at once. Each is a part of the text
// without its semicolon; what holds comments only is none.
func Split(sql string) []string {
	var statements []string
	start, at, depth, atomic, some := 0, 0, 0, false, false
	previous := ""
	for {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			if ok || some {
				statements = append(statements, strings.TrimSpace(sql[start:]))
			}
			return statements
		}
		at = t.end
		text := sql[t.start:t.end]
		switch {
		case t.kind == tokenPunct && text == "(":
			depth++
		case t.kind == tokenPunct && text == ")":
			depth = max(depth-1, 0)
		case t.kind == tokenPunct && text == ";" && depth == 0 && !atomic:
			if some {
				statements = append(statements, strings.TrimSpace(sql[start:t.start]))
			}
			start, some, previous = t.end, false, ""
			continue
		case strings.EqualFold(text, "ATOMIC") && strings.EqualFold(previous, "BEGIN"):
			atomic = true // the body of a function, up to an END where a statement would begin
		case strings.EqualFold(text, "END") && (previous == ";" || strings.EqualFold(previous, "ATOMIC")):
			atomic = false
		}
		some, previous = true, text
	}
}
