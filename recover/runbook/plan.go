package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Verdict says what a step would do. There are three: what was not looked at is
// never called harmless.
type Verdict string

// The verdicts.
const (
	WouldChange  Verdict = "would change"
	WouldNot     Verdict = "would not change"
	NotPreviewed Verdict = "not previewed"
)

// Plan is what running a book would do.
type Plan struct {
	Book    string            `json:"book"`
	SHA256  string            `json:"sha256"` // of the book
	Version string            `json:"version"`
	Dir     string            `json:"dir"`
	Values  map[string]string `json:"values"`
	Steps   []Preview         `json:"steps"`
	// Hash is what somebody approves: the book, the values and the version of the tool.
	Hash string `json:"hash"`
}

// Preview is what one step would do.
type Preview struct {
	Step     string        `json:"step"`
	Title    string        `json:"title"`
	Line     int           `json:"line"`
	Verdict  Verdict       `json:"verdict"`
	Why      string        `json:"why"`
	Assumes  []string      `json:"assumes,omitempty"` // steps that would have run before
	Checks   []CheckResult `json:"checks,omitempty"`
	Runs     []PlannedRun  `json:"runs,omitempty"`
	Missing  []string      `json:"missing,omitempty"` // inputs without a value, which no step gives
	Severe   bool          `json:"severe,omitempty"`
	Approval bool          `json:"approval,omitempty"`
	Branches []*Branch     `json:"branches,omitempty"`
}

// CheckResult is what a check block said while the plan was made.
type CheckResult struct {
	Line    int           `json:"line"`
	Ran     bool          `json:"ran"`
	Code    int           `json:"exit_code"`
	Took    time.Duration `json:"took_ns,omitempty"`
	Output  string        `json:"output,omitempty"` // its beginning
	Problem string        `json:"problem,omitempty"`
}

// PlannedRun is a block that would run.
type PlannedRun struct {
	Line     int    `json:"line"`
	Language string `json:"language"`
	Text     string `json:"text"`
	Apart    string `json:"apart,omitempty"` // why its statements are not one transaction
}

// Options is how a book is planned and run.
type Options struct {
	Tools   Tools
	Inputs  map[string]string // values of inputs
	Env     []string          // the environment; inputs are looked for in it, too
	Dir     string            // the folder that blocks run in; "": the present one
	Version string            // of pgrescue
	Who     string
	Host    string
}

// MakePlan says what each step would do. It runs check blocks, up to the first step
// that would change something: what comes behind it would be another world.
func MakePlan(ctx context.Context, b *Book, options Options) (*Plan, error) {
	if err := refuseBroken(b, "plan"); err != nil {
		return nil, err
	}
	values, err := b.gather(options.Inputs, options.Env)
	if err != nil {
		return nil, err
	}
	if options.Dir, err = filepath.Abs(options.Dir); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "pgrescue-plan-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	p := &planner{book: b, options: options, values: values, scratch: scratch}
	plan := &Plan{Book: b.Path, SHA256: b.SHA256, Version: options.Version, Dir: options.Dir, Values: b.shown(values), Hash: b.hash(values, options)}
	for _, step := range b.Steps {
		preview, err := p.step(ctx, step)
		if err != nil {
			return nil, err
		}
		plan.Steps = append(plan.Steps, preview)
	}
	return plan, nil
}

// refuseBroken refuses a book that has errors.
func refuseBroken(b *Book, op string) error {
	findings := Lint(b)
	if n := Errors(findings); n > 0 {
		for _, f := range findings {
			if f.Level == LevelError {
				return failure(op, b.place(f.Line), ErrBroken, "`pgrescue runbook lint` lists all of them", "%s: %s (%d errors in all)", f.Rule, f.Text, n)
			}
		}
	}
	return nil
}

// hash is what a plan stands for. Secret values are not in it.
func (b *Book) hash(values map[string]string, options Options) string {
	text, err := json.Marshal(struct {
		Format  int
		Book    string
		Version string
		Dir     string
		Values  map[string]string
	}{1, b.SHA256, options.Version, options.Dir, b.shown(values)})
	if err != nil {
		return "" // texts always have a JSON form
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

type planner struct {
	book    *Book
	options Options
	values  map[string]string
	scratch string
	changed []string // steps that would have run before
	blocks  int
}

func (p *planner) step(ctx context.Context, step *Step) (Preview, error) {
	preview := Preview{Step: step.Name(), Title: step.Title, Line: step.Line, Severe: step.Severe(), Approval: p.book.NeedsApproval(step)}
	for _, name := range p.book.lacking(step.Blocks(Check, Run, Verify), p.values) {
		if p.book.giver(name) == nil {
			preview.Missing = append(preview.Missing, name)
		}
	}
	for _, part := range step.Parts {
		if part.Branch != nil {
			preview.Branches = append(preview.Branches, part.Branch)
		}
	}
	for _, block := range step.Blocks(Run) {
		reason := ""
		if block.Language == SQL {
			reason, _ = apartReason(block.Text)
		}
		preview.Runs = append(preview.Runs, PlannedRun{Line: block.Line, Language: block.Language, Text: block.Text, Apart: reason})
	}
	if step.Number != "" { // a run comes to a side road from anywhere, and to few of them
		preview.Assumes = append(preview.Assumes, p.changed...)
	}
	for _, block := range step.Blocks(Check) {
		result, err := p.check(ctx, step, block)
		if err != nil {
			return preview, err
		}
		preview.Checks = append(preview.Checks, result)
	}
	preview.Verdict, preview.Why = p.verdict(step, preview)
	if preview.Verdict != WouldNot && step.Number != "" {
		p.changed = append(p.changed, step.Name())
	}
	return preview, nil
}

// verdict judges by what the step says and what its checks said.
func (p *planner) verdict(step *Step, preview Preview) (Verdict, string) {
	changes := step.Fact(factChanges)
	tasks := 0
	for _, part := range step.Parts {
		if part.Task != nil {
			tasks++
		}
	}
	for _, check := range preview.Checks {
		switch {
		case check.Problem != "":
			return NotPreviewed, check.Problem
		case check.Code == 1 && len(preview.Branches) == 0:
			return WouldNot, fmt.Sprintf("the check of line %d stops the step", check.Line)
		}
	}
	switch {
	case len(preview.Runs) > 0 && changes == "":
		return NotPreviewed, "the book does not say what the step changes"
	case len(preview.Runs) > 0 && changesNothing(changes):
		return WouldNot, "it acts, and the book says that it changes nothing"
	case len(preview.Runs) > 0:
		return WouldChange, changes
	case tasks > 0:
		return NotPreviewed, "a person does it"
	case len(step.Blocks(Verify)) > 0:
		return WouldNot, "it only verifies"
	}
	return WouldNot, "it only looks"
}

// changesNothing reads the fact Changes. "nothing but a file" is a change.
func changesNothing(text string) bool {
	first, _, _ := strings.Cut(strings.ToLower(text), ".")
	first = strings.TrimSpace(first)
	return first == "nothing" || first == "none" || first == "no"
}

// previewOutput is how much of a check's output a plan shows.
const previewOutput = 2 << 10

// check runs a check block, unless it would look at a world that is still to come.
func (p *planner) check(ctx context.Context, step *Step, block *Block) (CheckResult, error) {
	result := CheckResult{Line: block.Line}
	if missing := p.book.lacking([]*Block{block}, p.values); len(missing) > 0 {
		for i, name := range missing {
			if giver := p.book.giver(name); giver != nil {
				missing[i] = fmt.Sprintf("%s, which step %s gives", name, giver.Name())
			}
		}
		result.Problem = "no value yet: " + strings.Join(missing, ", ")
		return result, nil
	}
	if step.Number == "" {
		result.Problem = "only a branch leads here"
		return result, nil
	}
	if len(p.changed) > 0 {
		result.Problem = "it assumes that this is done: step " + strings.Join(p.changed, ", ")
		return result, nil
	}
	limit, _ := step.TimeBox()
	boxed, cancel := withTimeBox(ctx, limit)
	defer cancel()
	p.blocks++
	s := scene{
		tools: &p.options.Tools, dir: p.options.Dir, folder: filepath.Join(p.scratch, fmt.Sprint(p.blocks)),
		evidence: p.scratch, values: p.values, env: p.options.Env,
	}
	outcome, err := s.run(boxed, block)
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case boxed.Err() != nil:
		result.Problem = fmt.Sprintf("its time box of %v ran out", limit)
		return result, nil
	case err != nil:
		result.Problem = "it could not run: " + err.Error()
		return result, nil
	}
	result.Ran, result.Code, result.Took = true, outcome.Code, outcome.Duration
	result.Output = head(filepath.Join(s.folder, outcome.Stdout.File), previewOutput)
	if outcome.Code > 2 || outcome.Code == 1 && outcome.Note != "" {
		result.Problem = fmt.Sprintf("the check of line %d ended with exit code %d: %s", block.Line, outcome.Code,
			complaint(head(filepath.Join(s.folder, outcome.Stderr.File), longestExpected), outcome.Note))
	}
	// What a check finds out is known to the steps behind it.
	for name, value := range outcome.Outputs {
		p.values[name] = value
	}
	return result, nil
}

// withTimeBox ends a context after a time; 0 is any time.
func withTimeBox(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// errorLine is how pgrescue and psql mark an error; notes, warnings and hints stand around it.
var errorLine = regexp.MustCompile(`(?m)^(?:error: |.*\b(?:ERROR|FATAL|PANIC): +).*$`)

// complaint is what a block says went wrong: the last error, which ended the block; errors
// before it were borne. A block that marks none is told by its first line.
func complaint(stderr, otherwise string) string {
	if marked := errorLine.FindAllString(stderr, -1); len(marked) > 0 {
		return strings.TrimPrefix(marked[len(marked)-1], "error: ")
	}
	return firstLine(stderr, otherwise)
}

func firstLine(texts ...string) string {
	for _, text := range texts {
		if line, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); line != "" {
			return line
		}
	}
	return "it printed no error"
}

// head reads the beginning of a file; "" when there is none.
func head(path string, most int64) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text := make([]byte, most)
	n, err := file.ReadAt(text, 0)
	if err != nil && n == 0 {
		return ""
	}
	return strings.ToValidUTF8(string(text[:n]), "�")
}
