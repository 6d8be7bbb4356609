package applog

import (
	"fmt"
	"strconv"
	"strings"
)

// State is how much of a value stands in a log.
type State uint8

// The states.
const (
	Whole     State = iota
	Redacted        // a filter put [REDACTED] in the place of a part
	Masked          // only its end is there, behind ***
	Filtered        // only its name is there
	Shortened       // a part is left out
)

// Known is what is known of a value.
type Known struct {
	State   State
	Text    string // as it stands
	Head    string // what it begins and ends with
	Tail    string
	Missing int // characters that are left out; -1: not known
}

const (
	redacted  = "[REDACTED]"
	truncated = " characters truncated) ..."
)

// Read tells what is known of a value.
//
// The application's filter replaces what stands behind a word such as auth or token up to a quote, a brace, a backslash
// or the letter s, which its author had meant to be white space: 'kerberos basic' becomes '[REDACTED]s basic'. So
// the end of such a value is known, and what is missing holds no s.
func Read(text string) Known {
	k := Known{Text: text, Missing: -1}
	switch text {
	case "***PII_FILTERED***", filtered:
		k.State = Filtered
		return k
	}
	if first := strings.Index(text, redacted); first >= 0 {
		last := strings.LastIndex(text, redacted)
		k.State, k.Head, k.Tail = Redacted, text[:first], text[last+len(redacted):]
		return k
	}
	if tail, ok := strings.CutPrefix(text, "***"); ok && tail != "" && strings.Trim(tail, "*") != "" {
		k.State, k.Tail = Masked, tail
		return k
	}
	if head, rest, ok := strings.Cut(text, "... ("); ok {
		if count, tail, ok := strings.Cut(rest, truncated); ok {
			if missing, err := strconv.Atoi(count); err == nil && missing >= 0 {
				k.State, k.Head, k.Tail, k.Missing = Shortened, strings.TrimSuffix(head, " "), strings.TrimPrefix(tail, " "), missing
				return k
			}
		}
	}
	for _, mark := range []string{"...", "…"} {
		if head, ok := strings.CutSuffix(text, mark); ok && head != "" {
			k.State, k.Head = Shortened, head
			return k
		}
	}
	k.Head, k.Missing = text, 0
	return k
}

// Length is how many characters the value has; ok tells whether that is known.
func (k Known) Length() (n int, ok bool) {
	if k.Missing < 0 {
		return 0, false
	}
	return len([]rune(k.Head)) + k.Missing + len([]rune(k.Tail)), true
}

// Fits reports whether a value that came by another route may be this one.
func (k Known) Fits(value string) bool {
	switch {
	case value == k.Text:
		return true
	case k.State == Whole:
		return false
	case k.State == Filtered:
		return true
	case len(value) < len(k.Head)+len(k.Tail) || !strings.HasPrefix(value, k.Head) || !strings.HasSuffix(value, k.Tail):
		return false
	}
	if n, ok := k.Length(); ok {
		return len([]rune(value)) == n
	}
	if k.State == Redacted && strings.Count(k.Text, redacted) == 1 {
		return !strings.ContainsAny(value[len(k.Head):len(value)-len(k.Tail)], `s'"{}\`)
	}
	return true
}

// String tells it to people.
func (k Known) String() string {
	var parts []string
	switch k.State {
	case Whole:
		return k.Text
	case Redacted:
		parts = append(parts, "redacted")
	case Masked:
		parts = append(parts, "masked")
	case Filtered:
		return "filtered: only its name is known"
	case Shortened:
		parts = append(parts, "cut")
	}
	if k.Head != "" {
		parts = append(parts, fmt.Sprintf("begins with %q", k.Head))
	}
	if k.Tail != "" {
		parts = append(parts, fmt.Sprintf("ends with %q", k.Tail))
	}
	if n, ok := k.Length(); ok {
		parts = append(parts, fmt.Sprintf("%d characters", n))
	}
	return strings.Join(parts, ", ")
}
