package runbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Level says how bad a finding is.
type Level string

// The levels. A book with an error does not run.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
)

// Finding is something that is wrong with a book.
type Finding struct {
	Rule  string `json:"rule"`
	Level Level  `json:"level"`
	Line  int    `json:"line"`
	Text  string `json:"text"`
}

// Rule is one line of the table of rules.
type Rule struct {
	Name    string `json:"name"`
	Level   Level  `json:"level"`
	Meaning string `json:"meaning"`
}

// The names of the rules.
const (
	ruleFrontMatter = "front-matter"
	ruleBlock       = "block"
	ruleInput       = "input"
	ruleBranch      = "branch"
	ruleNoStep      = "no-step"
	ruleNumber      = "number"
	ruleLink        = "dead-anchor"
	ruleVerify      = "run-without-verify"
	ruleUndo        = "run-without-undo"
	ruleOtherwise   = "branch-without-otherwise"
	ruleUnknown     = "unknown-input"
	ruleInteractive = "interactive"
	ruleDestructive = "destructive-without-confirm"
	ruleTimeBox     = "time-box"
	ruleNoTimeBox   = "no-time-box"
	ruleNoChanges   = "no-changes"
	rulePitfall     = "pitfall"
)

// Rules is the table of what Lint looks for.
func Rules() []Rule {
	return []Rule{
		{ruleFrontMatter, LevelError, "the front matter is YAML between two lines of three dashes"},
		{ruleBlock, LevelError, "a block has a role that exists, a language that can run, a step, and an end"},
		{ruleInput, LevelError, "an input has a name that the environment can hold, once"},
		{ruleBranch, LevelError, "a branch leads to a step of this book"},
		{ruleNoStep, LevelError, "a book has a step with a number: ### 1. Title"},
		{ruleNumber, LevelError, "the numbers of steps grow"},
		{ruleLink, LevelError, "a link to a heading leads to one"},
		{ruleVerify, LevelError, "a step that acts says how to see that it worked: a verify block"},
		{ruleUndo, LevelError, "a step that acts has an undo block, or a fact Undo that says why there is none"},
		{ruleOtherwise, LevelError, "a list of branches ends with an Otherwise"},
		{ruleUnknown, LevelError, "a block uses no variable that nothing gives a value"},
		{ruleInteractive, LevelError, "a block asks nobody anything"},
		{ruleDestructive, LevelError, "a step that destroys has a fact Confirm"},
		{ruleTimeBox, LevelError, "a time box begins with a time, such as 10 min"},
		{ruleNoTimeBox, LevelWarning, "a step that acts has a fact Time box"},
		{ruleNoChanges, LevelWarning, "a step that acts has a fact Changes"},
		{rulePitfall, LevelWarning, "a command that destroys evidence where people do not expect it"},
	}
}

// finding makes a finding of a rule, with the level of the table.
func finding(rule string, line int, format string, args ...any) Finding {
	level := LevelError
	for _, r := range Rules() {
		if r.Name == rule {
			level = r.Level
		}
	}
	return Finding{Rule: rule, Level: level, Line: line, Text: fmt.Sprintf(format, args...)}
}

// Lint says what is wrong with a book, in the order of its lines.
func Lint(b *Book) []Finding {
	l := &linter{book: b, findings: slices.Clone(b.findings)}
	l.links()
	l.numbers()
	l.values()
	for _, step := range b.Steps {
		l.acts(step)
		l.branches(step)
		l.timeBox(step)
		for _, block := range step.Blocks(Check, Run, Verify, Undo) {
			l.commands(step, block)
		}
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int { return cmp.Compare(a.Line, b.Line) })
	return l.findings
}

// Errors counts the findings that keep a book from running.
func Errors(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Level == LevelError {
			n++
		}
	}
	return n
}

type linter struct {
	book     *Book
	findings []Finding
}

func (l *linter) add(rule string, line int, format string, args ...any) {
	l.findings = append(l.findings, finding(rule, line, format, args...))
}

func (l *linter) links() {
	for _, link := range l.book.links {
		known := func(h heading) bool { return h.id == link.anchor }
		if !slices.ContainsFunc(l.book.headings, known) {
			l.add(ruleLink, link.line, "no heading has the anchor #%s", link.anchor)
		}
	}
}

func (l *linter) numbers() {
	if l.book.First() == nil {
		l.add(ruleNoStep, 1, "no step has a number: ### 1. Title")
	}
	last := -1
	for _, step := range l.book.Steps {
		if step.Number == "" {
			continue
		}
		// The parser takes at most four digits.
		n := 0
		for _, digit := range step.Number {
			n = 10*n + int(digit-'0')
		}
		if n <= last {
			l.add(ruleNumber, step.Line, "step %s comes behind step %d", step.Number, last)
		}
		last = max(last, n)
	}
}

// acts looks at steps that have a run block.
func (l *linter) acts(step *Step) {
	runs := step.Blocks(Run)
	if len(runs) == 0 {
		return
	}
	line := runs[len(runs)-1].Line
	if !l.verified(step) {
		l.add(ruleVerify, line, "step %s acts and has no verify block behind it, nor an expect block", step.Name())
	}
	undo := step.Fact(factUndo)
	bare := strings.EqualFold(strings.Trim(undo, " ."), "none")
	if len(step.Blocks(Undo)) == 0 && (undo == "" || bare) {
		l.add(ruleUndo, line, "step %s has neither an undo block nor a line **Undo:** none, because …", step.Name())
	}
	if step.Fact(factChanges) == "" {
		l.add(ruleNoChanges, step.Line, "step %s does not say what it changes: a line **Changes:** …", step.Name())
	}
	if step.Fact(factTimeBox) == "" {
		l.add(ruleNoTimeBox, step.Line, "step %s may hang for ever: a line **Time box:** 10 min", step.Name())
	}
}

// verified reports whether a verify block, or an expect block of a run block, says
// whether the last run block worked.
func (l *linter) verified(step *Step) bool {
	good := false
	for _, block := range step.Blocks(Run, Verify) {
		switch {
		case block.Role == Verify, block.Role == Run && block.ExpectLine > 0:
			good = true
		case block.Role == Run:
			good = false
		}
	}
	return good
}

func (l *linter) branches(step *Step) {
	var last *Branch
	otherwise := false
	for _, part := range step.Parts {
		if part.Branch == nil {
			continue
		}
		last = part.Branch
		otherwise = otherwise || last.Otherwise
		if last.Target != "" && l.book.Step(last.Target) == nil {
			known := func(h heading) bool { return h.id == last.Target }
			switch {
			case slices.ContainsFunc(l.book.headings, known):
				l.add(ruleBranch, last.Line, "#%s is a heading, but no step: steps are headings of the third level", last.Target)
			case firstAnchor(last.Text) == "": // else it is a dead link
				l.add(ruleBranch, last.Line, "there is no step %s", last.Target)
			}
		}
	}
	if last != nil && !otherwise {
		l.add(ruleOtherwise, last.Line, "step %s says where to go if, but not otherwise", step.Name())
	}
}

func (l *linter) timeBox(step *Step) {
	for _, fact := range step.Facts {
		if !strings.EqualFold(fact.Key, factTimeBox) {
			continue
		}
		if _, ok := parseDuration(fact.Text); !ok {
			l.add(ruleTimeBox, fact.Line, "step %s has a time box without a time: %q", step.Name(), fact.Text)
		}
		if anchor := firstAnchor(fact.Text); anchor != "" && l.book.Step(anchor) == nil {
			l.add(ruleBranch, fact.Line, "the time box of step %s leads to #%s, which is no step", step.Name(), anchor)
		}
	}
}

// values looks for variables that nothing gives a value.
func (l *linter) values() {
	var given []string
	for _, step := range l.book.Steps {
		given = append(given, gives(step)...)
	}
	known := func(name string) bool {
		return slices.ContainsFunc(given, func(g string) bool { return strings.EqualFold(g, name) }) ||
			slices.ContainsFunc(l.book.Inputs, func(in Input) bool { return strings.EqualFold(in.Name, name) }) || wellKnown(name)
	}
	for _, step := range l.book.Steps {
		for _, block := range step.Blocks(Check, Run, Verify, Undo) {
			for _, name := range uses(block) {
				if !known(name) {
					l.add(ruleUnknown, block.Line, "the block uses %s, which is no input and which no block gives a value", name)
				}
			}
		}
		for _, name := range needs(step) {
			if !known(name) && l.book.Step(name) == nil {
				l.add(ruleUnknown, step.Line, "step %s needs %s, which is no input and which no block gives a value", step.Name(), name)
			}
		}
		for _, part := range step.Parts {
			if part.Branch != nil && part.Branch.decided.name != "" && !known(part.Branch.decided.name) {
				l.add(ruleUnknown, part.Branch.Line, "the branch asks for %s, which is no input and which no block gives a value", part.Branch.decided.name)
			}
		}
	}
}
