package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/casefile"
)

// journal is the section of what responders did.
func (b *builder) journal() section {
	s := section{ID: "journal", Title: "What responders did"}
	runs := b.summary.Runs
	if len(runs)+len(b.unkept) == 0 {
		return s
	}
	s.say("Every command that wrote to the case, with its exit code. Each line of journal.jsonl carries the hash of the one before; `pgrescue case verify` checks the chain.")
	g := newGrid("", number("Run"), text("Began (UTC)"), text("Who"), text("Command"), number("Took"), number("Exit code"))
	for i := range runs {
		if i < mostRuns {
			r := &runs[i]
			took := r.Ended.Sub(r.Began).Round(time.Millisecond).String()
			g.addCells(cell{Text: fmt.Sprint(r.ID)}, cell{Text: shortClock(r.Began), Time: true}, cell{Text: b.who(r.Who, r.Host), Mono: true},
				cell{Text: b.typed(r.Command, r.Argv), Mono: true}, cell{Text: took}, cell{Text: fmt.Sprint(r.ExitCode)})
		}
	}
	g.more(int64(len(g.Rows)), int64(len(runs)), "runs", "case show has all of them.")
	s.grid(g)
	s.grid(b.left())
	return s
}

// RunbookRun is a run of a runbook, as its journal has it. Its words are those of runbook.
type RunbookRun struct {
	Folder   string
	Title    string // of the book
	Who      string
	Host     string
	Began    time.Time
	Steps    []RunbookStep
	Problems []string // what is wrong with the journal, or why it cannot be read
}

// RunbookStep is one time that a step was gone through.
type RunbookStep struct {
	Step   string // its number and title
	State  string
	Reason string // that a person gave, or that it failed for
	Who    string
	Began  time.Time
	Ended  time.Time // zero: nobody wrote its end
	Blocks []RunbookBlock
	Gave   []string // NAME=VALUE
	// Answers are what people said: of tasks, branches and confirmations.
	Answers []string
}

// RunbookBlock is a block that ran.
type RunbookBlock struct {
	Role     string
	Line     int  // in the book
	ExitCode *int // nil: nobody wrote its end
	Took     time.Duration
}

// runbooks is the section of the runbooks that responders followed.
func (b *builder) runbooks() section {
	s := section{ID: "runbooks", Title: "The runbook, as it was followed"}
	runs := b.say.opts.Runbooks
	if len(runs) == 0 {
		return s
	}
	s.say("From the journals of the runs: each time that a step was gone through, with the exit codes of its blocks. RUNLOG.md in a run's folder has their outputs.")
	steps := 0
	for i := range runs {
		if i == mostRunbooks {
			s.note("%s not shown.", plural(int64(len(runs)-i), "more run is", "more runs are"))
			break
		}
		r := &runs[i]
		for _, problem := range r.Problems {
			s.note("Of %s: %s", b.say.path(r.Folder), b.say.text(problem))
		}
		if len(r.Steps) > 0 {
			s.grid(b.followed(r, &steps))
		}
	}
	return s
}

// followed lists the steps of a run; steps counts those of all runs.
func (b *builder) followed(r *RunbookRun, steps *int) *grid {
	g := newGrid(fmt.Sprintf("%s, begun %s UTC by %s (%s)", b.say.text(r.Title), shortClock(r.Began), b.who(r.Who, r.Host), b.say.path(r.Folder)),
		text("Began (UTC)"), text("Step"), text("State"), number("Took"), text("Who"), text("Blocks: role, line, exit code"), text("What came of it"))
	shown := 0
	for i := range r.Steps {
		if *steps++; *steps > mostSteps {
			continue
		}
		shown++
		step := &r.Steps[i]
		took := "–"
		if !step.Ended.IsZero() {
			took = step.Ended.Sub(step.Began).Round(100 * time.Millisecond).String()
		}
		var said []string
		for _, gave := range step.Gave {
			said = append(said, b.say.text(gave))
		}
		for _, answer := range step.Answers {
			said = append(said, b.say.quote(answer))
		}
		if step.Reason != "" {
			said = append(said, b.say.quote(step.Reason))
		}
		g.addCells(cell{Text: shortClock(step.Began), Time: true}, cell{Text: b.say.text(step.Step)}, cell{Text: b.say.text(step.State), Badge: stateClass(step.State)},
			cell{Text: took}, cell{Text: b.say.name(step.Who)}, cell{Text: cmp.Or(blocksText(step.Blocks), "–")}, cell{Text: cmp.Or(b.say.plain("", strings.Join(said, "; ")), "–")})
	}
	g.more(int64(shown), int64(len(r.Steps)), "steps", "RUNLOG.md in the folder of the run has all of them.")
	return g
}

func stateClass(state string) string {
	switch state {
	case "done":
		return "committed"
	case "failed", "out of time":
		return "failed"
	case "skipped", "interrupted":
		return "attempted"
	}
	return "other"
}

func blocksText(blocks []RunbookBlock) string {
	var texts []string
	for i := range blocks {
		one := &blocks[i]
		if i == mostArguments {
			texts = append(texts, fmt.Sprintf("and %d more", len(blocks)-i))
			break
		}
		end := "not ended"
		if one.ExitCode != nil {
			end = fmt.Sprint(*one.ExitCode)
		}
		texts = append(texts, fmt.Sprintf("%s (line %d): %s", one.Role, one.Line, end))
	}
	return strings.Join(texts, ", ")
}

// left lists the runs that left nothing.
func (b *builder) left() *grid {
	g := newGrid("Runs that left nothing in the case: interrupted, refused or failed", text("Began (UTC)"), text("Who"), text("Command"), text("Exit code"))
	for i := range b.unkept {
		if i < mostRuns {
			r := &b.unkept[i]
			g.addCells(cell{Text: b.say.text(r.Began), Time: true}, cell{Text: b.who(r.Who, r.Host), Mono: true}, cell{Text: b.typed(r.Command, r.Argv), Mono: true}, cell{Text: ended(r)})
		}
	}
	g.more(int64(len(g.Rows)), int64(len(b.unkept)), "runs", "case show has all of them.")
	return g
}

func ended(r *casefile.UnkeptRun) string {
	if r.ExitCode == nil {
		return "killed, or still running"
	}
	return fmt.Sprint(*r.ExitCode)
}

func (b *builder) who(who, host string) string { return b.say.name(who) + "@" + b.say.name(host) }

// typed is the command line; in a redacted report the command alone.
func (b *builder) typed(command string, argv []string) string {
	if b.say.opts.Redact || len(argv) == 0 {
		return "pgrescue " + b.say.text(command)
	}
	more := ""
	if len(argv) > mostArguments {
		argv, more = argv[:mostArguments], fmt.Sprintf(" … and %d more", len(argv)-mostArguments)
	}
	return b.say.plain("", strings.Join(argv, " ")+more)
}
