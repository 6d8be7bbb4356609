package runbook

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Branch is where to go next, and when.
type Branch struct {
	Condition string `json:"condition,omitempty"` // as written; "" of an otherwise
	Otherwise bool   `json:"otherwise,omitempty"`
	Target    string `json:"target,omitempty"` // the anchor or the number of a step; "": the run goes on, or stops
	Stop      bool   `json:"stop,omitempty"`
	Text      string `json:"text"` // what stands behind the arrow
	Line      int    `json:"line"`

	decided condition
}

// condition is a condition that a program can decide. A zero one is for a person.
type condition struct {
	codes          []int // of the last block that ran
	name, op, want string
}

// arrow stands between a condition and where it leads.
const arrow = "->"

func branchStart() *regexp.Regexp { return regexp.MustCompile(`(?i)^(if|otherwise)\b`) }

// parseBranch reads the text of a list item. An item without an arrow is none, and
// one that begins like a branch but leads nowhere is a mistake of the book.
func parseBranch(text string, line int) (*Branch, bool) {
	start := branchStart().FindString(text)
	head, tail, found := strings.Cut(strings.ReplaceAll(text, "→", arrow), arrow)
	if start == "" || !found {
		return nil, false
	}
	branch := &Branch{Line: line, Text: strings.TrimSpace(tail), Otherwise: strings.EqualFold(start, "otherwise")}
	if !branch.Otherwise {
		branch.Condition = strings.TrimSpace(head[len(start):])
		branch.decided = parseCondition(branch.Condition)
	}
	branch.Target = firstAnchor(tail)
	if match := regexp.MustCompile(`(?i)^(?:go on with |go to )?step (\d{1,4})\b`).FindStringSubmatch(branch.Text); match != nil && branch.Target == "" {
		branch.Target = match[1]
	}
	branch.Stop = branch.Target == "" && regexp.MustCompile(`(?i)^stop\b`).MatchString(branch.Text)
	return branch, true
}

// firstAnchor gives the anchor of the first link to a heading of the same file.
func firstAnchor(text string) string {
	match := regexp.MustCompile(`\]\(#([^)\s]+)\)`).FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	return match[1]
}

// parseCondition reads `name = value`, with =, !=, <, <=, > or >=, and "exit code 3",
// also as "the exit code is 3, 6 or 10".
func parseCondition(text string) condition {
	plain := strings.TrimSpace(strings.ReplaceAll(text, "`", ""))
	if match := regexp.MustCompile(`(?i)^(?:the )?exit code(?: is)?((?:\s|,|or|\d)+)$`).FindStringSubmatch(plain); match != nil {
		var c condition
		for _, number := range regexp.MustCompile(`\d+`).FindAllString(match[1], -1) {
			code, err := strconv.Atoi(number)
			if err != nil {
				return condition{}
			}
			c.codes = append(c.codes, code)
		}
		return c
	}
	want := `(\S+|"[^"]*")`
	if inner := strings.Trim(strings.TrimSpace(text), "`"); "`"+inner+"`" == strings.TrimSpace(text) {
		want = `(\S.*)` // between backquotes, a value may have spaces
	}
	match := regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)\s*(!=|<=|>=|=|<|>)\s*` + want + `$`).FindStringSubmatch(plain)
	if match == nil {
		return condition{}
	}
	return condition{name: match[1], op: match[2], want: strings.Trim(match[3], `"`)}
}

// byPerson reports that no program can decide the condition.
func (c condition) byPerson() bool { return len(c.codes) == 0 && c.name == "" }

// ByPerson reports that a person has to decide the condition of the branch.
func (b *Branch) ByPerson() bool { return !b.Otherwise && b.decided.byPerson() }

var errNoNumber = errors.New("is no number")

// holds decides a condition. A name without a value fails, because a guess would
// lead the run somewhere.
func (c condition) holds(code int, value func(name string) (string, bool)) (bool, error) {
	if len(c.codes) > 0 {
		return slices.Contains(c.codes, code), nil
	}
	got, known := value(c.name)
	if !known {
		return false, fmt.Errorf("%s has no value: no block before has written it to $OUT", c.name)
	}
	switch c.op {
	case "=":
		return got == c.want, nil
	case "!=":
		return got != c.want, nil
	}
	left, err := strconv.ParseFloat(got, 64)
	if err != nil {
		return false, fmt.Errorf("%s: %q %w", c.name, got, errNoNumber)
	}
	right, err := strconv.ParseFloat(c.want, 64)
	if err != nil {
		return false, fmt.Errorf("%q %w", c.want, errNoNumber)
	}
	switch c.op {
	case "<":
		return left < right, nil
	case "<=":
		return left <= right, nil
	case ">":
		return left > right, nil
	}
	return left >= right, nil
}

// parseDuration reads the first duration of a text, such as "2 min" or "1 h 30 min".
func parseDuration(text string) (time.Duration, bool) {
	const part = `(\d{1,6})\s*(seconds|second|sec|s|minutes|minute|min|m|hours|hour|h|days|day|d)\b`
	first := regexp.MustCompile(`(?i)` + part + `(?:\s*` + part + `)?`).FindStringSubmatch(text)
	if first == nil {
		return 0, false
	}
	var sum time.Duration
	for i := 1; i+1 < len(first) && first[i] != ""; i += 2 {
		n, err := strconv.Atoi(first[i])
		if err != nil {
			return 0, false
		}
		unit := time.Second
		switch strings.ToLower(first[i+1])[0] {
		case 'm':
			unit = time.Minute
		case 'h':
			unit = time.Hour
		case 'd':
			unit = 24 * time.Hour
		}
		sum += time.Duration(n) * unit
	}
	return sum, sum > 0
}
