// Package runbook reads runbooks that are plain Markdown, says what is wrong with
// them, and runs them.
//
//   - Book: a Markdown file. A person without a tool can follow it.
//   - Step: a heading of the third level, with all that stands beneath it. Steps with a
//     number, as in "### 3. Find the transaction", make the road: they follow one another.
//     A step without a number is a side road: only a branch leads there, and the
//     run ends behind it.
//   - anchor: the name that GitHub gives to a heading; it identifies the step.
//   - Block: a fenced block. The second word behind the fence is its role: check looks,
//     run acts, verify says whether it worked, undo takes it back, expect is what the
//     block before it prints. A block without a role is an illustration.
//   - Fact: an item "**Key:** text" of a list, such as Changes, Confirm, Time box, Undo.
//   - Task: an item "- [ ] text": a person does it, and says so.
//   - Branch: an item "If condition -> [Step](#anchor)" or "Otherwise -> …".
//   - Input: a line of the table under "You need": a value that blocks use as an
//     environment variable, and SQL blocks as a psql variable too.
package runbook

import (
	"strings"
	"time"
)

// Book is a runbook.
type Book struct {
	Path   string            `json:"path"`
	Title  string            `json:"title"`
	Meta   map[string]string `json:"meta,omitempty"` // the front matter
	Inputs []Input           `json:"inputs,omitempty"`
	Steps  []*Step           `json:"steps"`
	SHA256 string            `json:"sha256"`

	source   []byte
	inFile   bool      // Path names a file
	links    []link    // those that lead to a heading of the book
	headings []heading // all of them
	outside  []Block   // blocks with a role that belong to no step
	findings []Finding // what Parse saw
}

// Input is a value that the book needs.
type Input struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning,omitempty"`
	Example string `json:"example,omitempty"`
	How     string `json:"how,omitempty"` // how to find it
	Line    int    `json:"line"`
}

// Step is a heading of the third level and what stands beneath it.
type Step struct {
	ID     string `json:"id"`               // its anchor
	Number string `json:"number,omitempty"` // "3"; "": a side road
	Title  string `json:"title"`            // without the number
	Line   int    `json:"line"`             // of the heading
	End    int    `json:"end"`              // its last line
	Facts  []Fact `json:"facts,omitempty"`
	Parts  []Part `json:"parts,omitempty"` // in the order of the file
	Text   string `json:"-"`               // all its lines
}

// Part is one thing to do in a step. One of its fields is set.
type Part struct {
	Block  *Block  `json:"block,omitempty"`
	Task   *Task   `json:"task,omitempty"`
	Branch *Branch `json:"branch,omitempty"`
}

// Fact is what a step says of itself.
type Fact struct {
	Key  string `json:"key"`
	Text string `json:"text"`
	Line int    `json:"line"`
}

// Task is something that a person does.
type Task struct {
	Text string `json:"text"`
	Line int    `json:"line"`
}

// Role is the second word behind a fence.
type Role string

// The roles.
const (
	Check  Role = "check"
	Run    Role = "run"
	Verify Role = "verify"
	Undo   Role = "undo"
	Expect Role = "expect"
)

// Block is a fenced block with a role.
type Block struct {
	Language string `json:"language"`
	Role     Role   `json:"role"`
	Line     int    `json:"line"` // of the opening fence
	End      int    `json:"end"`  // of the closing fence
	Text     string `json:"text"`
	// Expect is the text of the expect block behind it, if there is one.
	Expect     string `json:"expect,omitempty"`
	ExpectLine int    `json:"expect_line,omitempty"`
	expectEnd  int
}

// The languages of blocks that can run.
const (
	Shell = "sh"
	SQL   = "sql"
)

// The keys of facts that mean something to the tool, in lower case.
const (
	factChanges  = "changes"
	factConfirm  = "confirm"
	factApproval = "approval"
	factTimeBox  = "time box"
	factUndo     = "undo"
	factSkipIf   = "skip if"
	factNeeds    = "needs"
	factGives    = "gives"
)

// Fact gives the text of the fact with a key, in any case of letters, or "".
func (s *Step) Fact(key string) string {
	for _, fact := range s.Facts {
		if strings.EqualFold(fact.Key, key) {
			return fact.Text
		}
	}
	return ""
}

// Blocks gives the blocks of a step that have one of the roles, in order.
func (s *Step) Blocks(roles ...Role) []*Block {
	var found []*Block
	for _, part := range s.Parts {
		for _, role := range roles {
			if part.Block != nil && part.Block.Role == role {
				found = append(found, part.Block)
			}
		}
	}
	return found
}

// Severe reports whether the step asks for a typed confirmation.
func (s *Step) Severe() bool { return s.Fact(factConfirm) != "" }

// NeedsApproval reports whether somebody else has to approve the step: it has a fact
// "Approval", or it is severe and the front matter of the book says "approval".
func (b *Book) NeedsApproval(s *Step) bool {
	return s.Fact(factApproval) != "" || s.Severe() && b.Meta[factApproval] != ""
}

// Name is how people call the step: its number, or else its anchor.
func (s *Step) Name() string {
	if s.Number != "" {
		return s.Number
	}
	return s.ID
}

// Step finds a step by its number or its anchor, or gives nil.
func (b *Book) Step(name string) *Step {
	name = strings.TrimPrefix(strings.TrimSpace(name), "#")
	for _, step := range b.Steps {
		if name != "" && (step.Number == name || step.ID == name) {
			return step
		}
	}
	return nil
}

// Next is the step that follows on the road, or nil. Nothing follows a side road.
func (b *Book) Next(step *Step) *Step {
	behind := false
	for _, s := range b.Steps {
		if behind && s.Number != "" && step.Number != "" {
			return s
		}
		behind = behind || s == step
	}
	return nil
}

// First is the first step of the road, or nil.
func (b *Book) First() *Step {
	for _, s := range b.Steps {
		if s.Number != "" {
			return s
		}
	}
	return nil
}

// TimeBox is how long the blocks of a step may take together, 0 for any time, and
// the anchor of the step to go to when it is over, or "".
func (s *Step) TimeBox() (time.Duration, string) {
	text := s.Fact(factTimeBox)
	limit, _ := parseDuration(text)
	return limit, firstAnchor(text)
}

// Source is the text of the book.
func (b *Book) Source() []byte { return b.source }
