package statement

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Parameters are the values of a statement's $1, $2 and so on, in that order.
type Parameters []evidence.Value

// At gives the value of $number; one that the log does not show is unknown.
func (p Parameters) At(number int) evidence.Value {
	if number < 1 || number > len(p) {
		return evidence.Value{State: evidence.Unknown, Reason: fmt.Sprintf("the log does not show parameter $%d", number)}
	}
	return p[number-1]
}

// ParseParameters reads what the server logs of parameters: "Parameters: $1 = 'a', $2 = NULL" in a DETAIL, which begins
// with a small letter before version 16, and "unnamed portal with parameters: …" in the CONTEXT of an error. Values
// hold commas, quotes and line breaks. It reports false if the text has none.
//
// The server cuts values at log_parameter_max_length bytes and puts … as three dots inside the quotes, which a
// value may end with too. limit is that setting, or 0 if it is not known: then a value that may be cut is
// taken for whole only where a longer one of the same list proves it. A list that ends between two quotes that
// stand for one looks whole: of an entry that is Partial, do not trust the last value.
func ParseParameters(text string, limit int) (Parameters, bool) {
	list, ok := parameterList(text)
	if !ok {
		return nil, false
	}
	var values Parameters
	for rest := list; rest != ""; {
		number, after, ok := parameterNumber(rest)
		if !ok || number != len(values)+1 {
			break // what follows is no parameter: the list is cut, or goes on in words
		}
		value, after := parameterValue(after)
		values = append(values, value)
		rest, ok = strings.CutPrefix(after, ", ")
		if !ok {
			break
		}
	}
	markCut(values, limit)
	return values, len(values) > 0
}

// parameterList finds where the list begins.
func parameterList(text string) (string, bool) {
	const words = "arameters: $1 = "
	at := strings.Index(text, words)
	if at < 1 || text[at-1]|0x20 != 'p' {
		return "", false
	}
	if before := strings.TrimSpace(text[:at-1]); before != "" && !strings.HasSuffix(before, "with") {
		return "", false
	}
	return text[at+len("arameters: "):], true
}

// parameterNumber reads "$1 = ".
func parameterNumber(text string) (int, string, bool) {
	digits, after, ok := strings.Cut(text, " = ")
	if !ok || !strings.HasPrefix(digits, "$") {
		return 0, "", false
	}
	number, err := strconv.Atoi(digits[1:])
	return number, after, err == nil
}

// parameterValue reads NULL or what is quoted.
func parameterValue(text string) (evidence.Value, string) {
	if after, ok := strings.CutPrefix(text, "NULL"); ok {
		return evidence.Value{State: evidence.Null}, after
	}
	if !strings.HasPrefix(text, "'") {
		return evidence.Value{State: evidence.Unknown, Reason: "the log is cut before the value"}, ""
	}
	value, after, whole := Quoted(text)
	if !whole {
		return evidence.Value{State: evidence.Unknown, Reason: "the log is cut within the value", Raw: []byte(value)}, ""
	}
	return evidence.Value{Text: []byte(value)}, after
}

// Quoted gives what stands within the quotes that a text begins with, and what stands behind them. Where the quotes do not
// end it is all the text, and not whole.
func Quoted(text string) (value, after string, whole bool) {
	end := closing(text, 0, false)
	if end < 0 {
		return strings.ReplaceAll(text[1:], "''", "'"), "", false
	}
	return strings.ReplaceAll(text[1:end-1], "''", "'"), text[end:], true
}

const (
	dots = "..."
	// clip is by how many bytes a cut value may be shorter than the limit: no character is cut in two.
	clip = 3
)

// markCut makes values unknown that the server has cut.
func markCut(values Parameters, limit int) {
	longest := 0 // the least that the limit can be
	for i := range values {
		text := string(values[i].Text)
		longest = max(longest, len(strings.TrimSuffix(text, dots)))
	}
	for i := range values {
		value := &values[i]
		kept, ended := strings.CutSuffix(string(value.Text), dots)
		if value.State != evidence.Known || !ended {
			continue
		}
		reason := ""
		switch {
		case limit > 0 && len(kept) <= limit && len(kept)+clip >= limit:
			reason = fmt.Sprintf("cut by log_parameter_max_length = %dB", limit)
		case limit == 0 && len(kept)+clip >= longest:
			reason = fmt.Sprintf("it ends in %s behind %d bytes: the server may have cut it by log_parameter_max_length", dots, len(kept))
		default:
			continue
		}
		*value = evidence.Value{State: evidence.Unknown, Reason: reason, Raw: []byte(kept)}
	}
}

// Inline puts the parameters into the statement, as a person would type it. Those that are not known stay as $1.
func Inline(sql string, parameters Parameters) string {
	if len(parameters) == 0 {
		return sql
	}
	var b strings.Builder
	done := 0
	for at := 0; ; {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			b.WriteString(sql[done:])
			return b.String()
		}
		at = t.end
		if t.kind != tokenParam {
			continue
		}
		number, err := strconv.Atoi(sql[t.start+1 : t.end])
		if err != nil {
			continue
		}
		switch value := parameters.At(number); value.State {
		case evidence.Known:
			b.WriteString(sql[done:t.start] + "'" + strings.ReplaceAll(string(value.Text), "'", "''") + "'")
		case evidence.Null:
			b.WriteString(sql[done:t.start] + "NULL")
		default:
			continue
		}
		done = t.end
	}
}
