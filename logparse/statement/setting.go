package statement

import (
	"strings"
)

// Setting is what a SET, a RESET, a DISCARD or set_config() says of a parameter of its session.
type Setting struct {
	Name   string // in small letters; "all" of RESET ALL and DISCARD ALL
	Values []string
	Local  bool // for the rest of the transaction
	Reset  bool // to what it was when the session began
}

// ReadSetting reads the first words of a statement. It reports false where it sets nothing.
func ReadSetting(sql string) (Setting, bool) {
	h := head{sql: sql}
	switch {
	case h.skip("SET"):
		local := h.skip("LOCAL")
		if !local {
			h.skip("SESSION")
		}
		return h.setting(local)
	case h.skip("RESET"):
		name, ok := h.table()
		return Setting{Name: lower(name.Name), Reset: true}, ok
	case h.skip("DISCARD"):
		return Setting{Name: "all", Reset: true}, h.skip("ALL")
	case h.skip("SELECT"):
		return h.setConfig()
	}
	return Setting{}, false
}

// setting reads name = value, … and SCHEMA value.
func (h *head) setting(local bool) (Setting, bool) {
	s := Setting{Name: "search_path", Local: local}
	if !h.skip("SCHEMA") {
		name, ok := h.table()
		if !ok || !h.skip("TO") && !h.mark("=") {
			return s, false
		}
		s.Name = lower(name.Name)
	}
	if h.skip("DEFAULT") {
		s.Reset = true
		return s, true
	}
	for {
		value, ok := h.value()
		if !ok {
			return s, len(s.Values) > 0
		}
		s.Values = append(s.Values, value)
		if !h.mark(",") {
			return s, true
		}
	}
}

// setConfig reads set_config('name', 'value', is_local).
func (h *head) setConfig() (Setting, bool) {
	name, ok := h.table()
	if !ok || name.Name != "set_config" || !h.mark("(") {
		return Setting{}, false
	}
	setting, isText := h.value()
	value, isValue := h.comma()
	local, isLocal := h.comma()
	if !isText || !isValue || !isLocal {
		return Setting{}, false
	}
	s := Setting{Name: lower(setting), Local: strings.HasPrefix(lower(local), "t"), Values: []string{value}}
	if s.Name == "search_path" {
		s.Values = listed(value)
	}
	return s, true
}

// comma reads a comma and the value behind it.
func (h *head) comma() (string, bool) {
	if !h.mark(",") {
		return "", false
	}
	return h.value()
}

// listed takes a list of names apart, as search_path has it.
func listed(text string) []string {
	var names []string
	for h := (head{sql: text}); ; {
		name, ok := h.value()
		if !ok {
			return names
		}
		names = append(names, name)
		if !h.mark(",") {
			return names
		}
	}
}

// mark goes over a character if it is the next token.
func (h *head) mark(text string) bool {
	t, ok, err := next(h.sql, h.at)
	if !ok || err != nil || h.sql[t.start:t.end] != text {
		return false
	}
	h.at = t.end
	return true
}

// value reads a name, a string or a number.
func (h *head) value() (string, bool) {
	t, ok, err := next(h.sql, h.at)
	if !ok || err != nil {
		return "", false
	}
	h.at = t.end
	switch t.kind {
	case tokenWord, tokenQuoted:
		return identifier(h.sql, t), true
	case tokenString:
		return stringText(h.sql[t.start:t.end]), true
	case tokenNumber:
		return h.sql[t.start:t.end], true
	}
	return "", false
}

// Temporary gives the name of the temporary table that a CREATE makes, and whether it is gone when its transaction ends.
func Temporary(sql string) (name string, dropped, ok bool) {
	h := head{sql: sql}
	if !h.skip("CREATE") {
		return "", false, false
	}
	if !h.skip("LOCAL") {
		h.skip("GLOBAL")
	}
	temporary := h.skip("TEMP") || h.skip("TEMPORARY")
	h.skip("UNLOGGED")
	if !h.skip("TABLE") {
		return "", false, false
	}
	if h.skip("IF") {
		h.skip("NOT")
		h.skip("EXISTS")
	}
	table, ok := h.table()
	if !ok || !temporary && table.Schema != "pg_temp" {
		return "", false, false
	}
	for {
		switch {
		case h.skip("ON"):
			dropped = dropped || h.skip("COMMIT") && h.skip("DROP")
		default:
			t, more, err := next(sql, h.at)
			if !more || err != nil {
				return table.Name, dropped, true
			}
			h.at = t.end
		}
	}
}

// WithEscapes writes a statement of a session whose standard_conforming_strings is off as one of a session where it is on:
// a backslash escapes in each string.
func WithEscapes(sql string) string {
	var b strings.Builder
	done := 0
	for at := 0; ; {
		start, err := skipSpace(sql, at)
		if err != nil || start >= len(sql) {
			break
		}
		t, ok, err := next(sql, start)
		if sql[start] == '\'' {
			b.WriteString(sql[done:start] + "E")
			done = start
			t, ok, err = quoted(sql, tokenString, start, start, true)
		}
		if !ok || err != nil {
			break
		}
		at = t.end
	}
	b.WriteString(sql[done:])
	return b.String()
}
