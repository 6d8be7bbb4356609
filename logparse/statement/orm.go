package statement

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pgrescue/pgrescue/logparse/pyrepr"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// ReadDjango reads a message of Django's logger django.db.backends: "(0.001) INSERT …; args=(…); alias=default". The
// statement has its values in it where the driver tells what it sent; else they are those of args. It reports false
// if the message is none.
func ReadDjango(message string) (Execution, bool) {
	message = strings.TrimSpace(message)
	seconds, rest, ok := strings.Cut(strings.TrimPrefix(message, "("), ") ")
	if _, err := strconv.ParseFloat(seconds, 64); !ok || err != nil || !strings.HasPrefix(message, "(") {
		return Execution{}, false
	}
	if count, after, ok := strings.Cut(rest, " times: "); ok {
		if _, err := strconv.Atoi(count); err == nil {
			rest = after
		}
	}
	sql, arguments := rest, ""
	for at := 0; ; {
		t, ok, err := next(rest, at)
		if !ok || err != nil {
			break
		}
		if after, found := strings.CutPrefix(rest[t.end:], " args="); found && rest[t.start] == ';' {
			sql, arguments = rest[:t.start], after
			break
		}
		at = t.end
	}
	value, _, err := pyrepr.Parse(arguments)
	if err != nil || value.Kind == pyrepr.None || !strings.Contains(sql, "%") || !hasPlaceholder(sql) {
		return Execution{SQL: sql}, sql != ""
	}
	return bind(sql, &value), true
}

// hasPlaceholder reports whether %s or %(name)s stands outside of strings.
func hasPlaceholder(sql string) bool {
	for at := 0; ; {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			return false
		}
		after := sql[t.end:]
		if t.kind == tokenOperator && strings.HasSuffix(sql[t.start:t.end], "%") && (strings.HasPrefix(after, "s") || strings.HasPrefix(after, "(")) {
			return true
		}
		at = t.end
	}
}

// ReadActiveRecord reads a message of ActiveRecord: "User Create (0.5ms)  INSERT …  [["name", "x"]]". What its cache
// answered did not reach the database and is none.
func ReadActiveRecord(message string) (Execution, bool) {
	message = uncoloured(message)
	title, sql, ok := strings.Cut(message, "ms)")
	open := strings.LastIndexByte(title, '(')
	if !ok || open < 0 || strings.Contains(title[:open], "CACHE") {
		return Execution{}, false
	}
	if _, err := strconv.ParseFloat(title[open+1:], 64); err != nil {
		return Execution{}, false
	}
	sql = strings.TrimSpace(sql)
	for at := 0; ; {
		t, ok, err := next(sql, at)
		if !ok || err != nil {
			return Execution{SQL: sql}, sql != ""
		}
		if strings.HasPrefix(sql[t.start:], "[[") && strings.HasSuffix(sql[:t.start], "  ") {
			values := ruby{text: sql[t.start:]}.binds()
			return Execution{SQL: strings.TrimSpace(sql[:t.start]), Sets: []Parameters{values}}, true
		}
		at = t.end
	}
}

// uncoloured takes the colours of a terminal away.
func uncoloured(text string) string {
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		end := strings.IndexByte(after, 'm')
		if !found || end < 0 {
			return text
		}
		text = before + after[end+1:]
	}
}

// ruby reads what Ruby's inspect prints of ActiveRecord's binds.
type ruby struct {
	text string
	at   int
}

// binds reads [["name", "x"], ["age", nil]]. What does not end is unknown.
func (r ruby) binds() Parameters {
	var values Parameters
	r.at++
	for r.at < len(r.text) && r.text[r.at] == '[' {
		r.at++
		r.value() // the column's name
		if !strings.HasPrefix(r.text[r.at:], ", ") {
			return values
		}
		r.at += len(", ")
		values = append(values, r.value())
		if r.at >= len(r.text) || r.text[r.at] != ']' {
			return values
		}
		r.at++
		for r.at < len(r.text) && (r.text[r.at] == ',' || r.text[r.at] == ' ') {
			r.at++
		}
	}
	return values
}

func (r *ruby) value() evidence.Value {
	if r.at < len(r.text) && r.text[r.at] == '"' {
		return r.str()
	}
	end := strings.IndexAny(r.text[r.at:], ",]")
	if end < 0 {
		raw := r.text[r.at:]
		r.at = len(r.text)
		return evidence.Value{State: evidence.Unknown, Reason: "the log is cut within the value", Raw: []byte(raw)}
	}
	word := r.text[r.at : r.at+end]
	r.at += end
	switch word {
	case "nil":
		return evidence.Value{State: evidence.Null}
	case "true", "false":
		return evidence.Value{Text: []byte(word[:1])}
	}
	if _, err := strconv.ParseFloat(word, 64); err != nil {
		return evidence.Value{State: evidence.Unknown, Reason: "the log shows an object of Ruby and not its value", Raw: []byte(word)}
	}
	return evidence.Value{Text: []byte(word)}
}

// str reads a string in double quotes.
func (r *ruby) str() evidence.Value {
	var b strings.Builder
	for r.at++; r.at < len(r.text); {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return shownString(b.String())
		case c == '\\' && r.at+1 < len(r.text):
			r.escape(&b)
		default:
			b.WriteByte(c)
			r.at++
		}
	}
	return evidence.Value{State: evidence.Unknown, Reason: "the log is cut within the value", Raw: []byte(b.String())}
}

// shownString tells a value from what Rails shows in its place.
func shownString(text string) evidence.Value {
	if text == "[FILTERED]" {
		return evidence.Value{State: evidence.Unknown, Reason: "Rails filtered the value out of its log"}
	}
	if strings.HasPrefix(text, "<") && strings.HasSuffix(text, " bytes of binary data>") {
		return evidence.Value{State: evidence.Unknown, Reason: "the log says only: " + text[1:len(text)-1]}
	}
	return evidence.Value{Text: []byte(text)}
}

func (r *ruby) escape(b *strings.Builder) {
	c := r.text[r.at+1]
	r.at += 2
	if at := strings.IndexByte("abefnrtv", c); at >= 0 {
		b.WriteByte("\a\b\x1b\f\n\r\t\v"[at])
		return
	}
	digits, most := "", 0
	switch c {
	case 'x':
		most = 2
	case 'u':
		most = 4
		if rest, ok := strings.CutPrefix(r.text[r.at:], "{"); ok {
			digits, _, _ = strings.Cut(rest, "}")
			r.at += min(len(digits)+2, len(r.text)-r.at)
		}
	default:
		b.WriteByte(c)
		return
	}
	if digits == "" {
		digits = r.text[r.at:min(r.at+most, len(r.text))]
		r.at += len(digits)
	}
	code, err := strconv.ParseUint(digits, 16, 32)
	switch {
	case err != nil || code > utf8.MaxRune:
		b.WriteRune(utf8.RuneError)
	case c == 'x':
		b.WriteByte(byte(code))
	default:
		b.WriteRune(rune(code))
	}
}
