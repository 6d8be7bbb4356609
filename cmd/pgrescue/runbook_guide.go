package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/runbook"
)

// guide leads a person through a run: it shows what happens on stderr, and asks.
type guide struct {
	terminal *term.Terminal
	shown    *runbook.Block // whose text is on the screen already

	mu    sync.Mutex // stdout and stderr of a block come at the same time
	lines int        // that the block has printed so far
}

// What is shown of a block's output; all of it is saved.
const (
	mostOfBlock  = 200 // lines
	longestShown = 500 // characters of a line
)

// tell shows something that happens.
func (g *guide) tell(e runbook.Event) {
	switch e.Kind {
	case runbook.StepBegins:
		g.shown = nil
		title := e.Step.Title
		if e.Step.Number != "" {
			title = e.Step.Number + ". " + title
		}
		g.terminal.Infof("")
		g.terminal.Infof("== %s", title)
		for _, key := range []string{"Changes", "Confirm", "Time box"} {
			if text := e.Step.Fact(key); text != "" {
				g.terminal.Infof("   %s: %s", key, text)
			}
		}
	case runbook.BlockBegins:
		g.show(e.Block)
		g.shown = nil
		g.mu.Lock()
		g.lines = 0
		g.mu.Unlock()
	case runbook.BlockEnds:
		g.blockEnds(e)
	case runbook.StepEnds:
		g.terminal.Infof("   step %s: %s", e.Step.Name(), e.State)
	case runbook.ByHand:
		g.terminal.Infof("   run this elsewhere, and say how it ended:")
		g.text(e.Text)
	case runbook.Told:
		for line := range strings.Lines(e.Text) {
			g.terminal.Infof("   %s", strings.TrimRight(line, "\n"))
		}
	}
}

func (g *guide) blockEnds(e runbook.Event) {
	g.mu.Lock()
	more := g.lines - mostOfBlock
	g.mu.Unlock()
	if more > 0 {
		g.terminal.Infof("   … and %s, which are saved", term.Plural(int64(more), "more line", "more lines"))
	}
	note := ""
	if e.Outcome.Note != "" {
		note = " (" + e.Outcome.Note + ")"
	}
	g.terminal.Infof("   %s block: exit code %d after %s%s", e.Block.Role, e.Outcome.Code, e.Outcome.Duration.Round(10*time.Millisecond), note)
}

// show prints exactly what is going to run.
func (g *guide) show(b *runbook.Block) {
	if b == nil || g.shown == b {
		return
	}
	g.shown = b
	g.terminal.Infof("   %s block of line %d, %s:", b.Role, b.Line, b.Language)
	g.text(b.Text)
}

func (g *guide) text(text string) {
	for line := range strings.Lines(text) {
		g.terminal.Infof("   | %s", strings.TrimRight(line, "\r\n"))
	}
}

// Write shows what a block prints. It gets whole lines, or pieces of long ones.
func (g *guide) Write(text []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for line := range strings.Lines(string(text)) {
		if g.lines++; g.lines <= mostOfBlock {
			g.terminal.Infof("     %s", shortened(strings.TrimRight(line, "\r\n"), longestShown))
		}
	}
	return len(text), nil
}

// errLeft is what happens when somebody leaves the terminal in the middle of a question.
var errLeft = errors.New("runbook: nobody is there any more to answer")

// Ask puts a question to the person at the terminal, until the answer can be meant.
func (g *guide) Ask(ctx context.Context, q runbook.Question) (string, error) {
	g.show(q.Block)
	text := q.Text
	if len(q.Choices) > 0 {
		text += " [" + strings.Join(q.Choices, "/") + "]"
	}
	if q.Kind == runbook.AskTask {
		text = "done? " + text + " [y/n, and a note]"
	}
	if q.Default != "" {
		text += " (" + q.Default + ")"
	}
	for {
		answer, err := g.terminal.AskUntil(ctx, text, q.Secret)
		switch {
		case errors.Is(err, io.EOF):
			return "", errLeft
		case err != nil:
			return "", err
		}
		answer = meant(q, strings.TrimSpace(answer))
		if answer == "" || len(q.Choices) == 0 || slices.Contains(q.Choices, answer) {
			return answer, nil
		}
		g.terminal.Infof("   answer with one of: %s", strings.Join(q.Choices, ", "))
	}
}

// meant takes yes for y, and no for n, where one of them is asked for.
func meant(q runbook.Question, answer string) string {
	if len(q.Choices) == 0 && q.Kind != runbook.AskTask {
		return answer
	}
	first, rest, _ := strings.Cut(answer, " ")
	switch strings.TrimRight(strings.ToLower(first), ",;:") {
	case "y", "yes":
		first = runbook.AnswerYes
	case "n", "no":
		first = runbook.AnswerNo
	default:
		first = strings.ToLower(first)
	}
	return strings.TrimSpace(first + " " + rest)
}
