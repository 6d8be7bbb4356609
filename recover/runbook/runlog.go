package runbook

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// inlined is how much of an output stands in RUNLOG.md. The rest is in its file.
	inlined      = 16 << 10
	inlinedLines = 200
)

// Runlog is the book of a run as Markdown, with ticks, times, answers and outputs where
// they belong: what is attached to a ticket.
func Runlog(folder string) ([]byte, error) {
	rec, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(filepath.Join(folder, bookName))
	if err != nil {
		return nil, err
	}
	book, err := Parse(rec.Book, source)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(folder)
	if err != nil {
		return nil, err
	}
	l := &runlog{folder: folder, book: book, history: h, behind: make(map[int]*strings.Builder), ticked: make(map[int]bool)}
	l.title(rec)
	for _, visit := range h.visits {
		l.visit(visit)
	}
	return l.text(), nil
}

// runlog collects what is added to the lines of a book.
type runlog struct {
	folder  string
	book    *Book
	history *history
	behind  map[int]*strings.Builder // text behind a line
	ticked  map[int]bool             // lines of tasks that are done
}

func (l *runlog) add(line int, format string, args ...any) {
	if l.behind[line] == nil {
		l.behind[line] = &strings.Builder{}
	}
	fmt.Fprintf(l.behind[line], format, args...)
}

// title says at the top what this file is.
func (l *runlog) title(rec *record) {
	line := 0
	for _, h := range l.book.headings {
		if h.level == 1 {
			line = h.line
			break
		}
	}
	if line == 0 && len(l.book.headings) > 0 {
		line = l.book.headings[0].line - 1
	}
	state := "came to its end"
	if next := l.history.position(l.book); next != "" {
		state = "goes on with step " + next
		if step := l.book.Step(next); step != nil {
			state = "goes on with step " + step.Name()
		}
	}
	l.add(line, "\n> [!NOTE]\n> Log of a run of `%s`, begun at %s by %s on %s, with pgrescue %s. It %s.\n", filepath.Base(rec.Book), rec.Began, rec.Who, rec.Host, rec.Version, state)
	if len(l.history.problems) > 0 {
		l.add(line, "> **Its journal is not what was written:** %s.\n", strings.Join(l.history.problems, "; "))
	}
}

// visit adds one time that a step was gone through.
func (l *runlog) visit(v *Visit) {
	step := l.book.Step(v.Step)
	if step == nil {
		step = &Step{ID: v.Step, Line: len(strings.Split(string(l.book.source), "\n"))}
		l.add(step.Line, "\n### %s\n\nThe book has no such step any more.\n", v.Step)
	}
	l.add(step.Line, "\n> **%s**%s, from %s", v.State, nth(v.Number), v.Began)
	if v.Ended != "" {
		l.add(step.Line, " to %s", v.Ended)
	}
	l.add(step.Line, ", by %s on %s", v.Who, v.Host)
	if v.Reason != "" {
		l.add(step.Line, ": %s", oneLine(v.Reason))
	}
	if next := l.book.Step(v.Next); next != nil && next != l.book.Next(step) {
		l.add(step.Line, " → [%s](#%s)", next.Name(), next.ID)
	}
	l.add(step.Line, "\n")
	for _, answer := range v.Answers {
		l.add(step.Line, "> - %s — **%s**", oneLine(answer.Question), oneLine(answer.Answer))
		if answer.Note != "" {
			l.add(step.Line, ", %s", oneLine(answer.Note))
		}
		l.add(step.Line, " (%s)\n", answer.Time)
		if answer.Answer == AnswerYes && answer.About > 0 {
			l.ticked[answer.About] = true
		}
	}
	for _, line := range v.Blocks {
		l.block(step, v, line)
	}
}

// nth says which visit it is, of more than one.
func nth(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (time %d)", n)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// block adds how a block ended behind it, or behind the step if the block is not
// there as it was.
func (l *runlog) block(step *Step, v *Visit, line Line) {
	at, changed := step.End, " as it was then"
	for _, b := range step.Blocks(Check, Run, Verify, Undo) {
		if hashOf(b.Text) == line.Code && b.Role == line.Role {
			if at, changed = b.End, ""; b.ExpectLine > 0 {
				at = b.expectEnd
			}
		}
	}
	if at == 0 {
		at = step.Line
	}
	l.add(at, "\n> %s%s%s at %s: ", line.Role, changed, nth(v.Number), line.Time)
	switch {
	case line.Event == LineBlock:
		l.add(at, "it began, and nobody wrote its end\n")
		return
	case line.ExitCode == nil:
		l.add(at, "**stopped**")
	default:
		l.add(at, "**exit code %d**", *line.ExitCode)
	}
	if line.DurationMS != nil {
		l.add(at, " after %v", time.Duration(*line.DurationMS)*time.Millisecond)
	}
	if line.Note != "" {
		l.add(at, ", %s", oneLine(line.Note))
	}
	l.add(at, "\n")
	for _, name := range sortedKeys(line.Outputs) {
		l.add(at, "> - `%s` = %s\n", name, oneLine(line.Outputs[name]))
	}
	l.output(at, line, "stdout", line.Stdout)
	l.output(at, line, "stderr", line.Stderr)
}

// output puts what a block printed behind it.
func (l *runlog) output(at int, line Line, name string, saved *Saved) {
	if saved == nil || saved.Bytes == 0 {
		return
	}
	file := filepath.ToSlash(filepath.Join(line.Folder, name))
	text := head(filepath.Join(l.folder, line.Folder, name), inlined)
	whole := int64(len(text)) == saved.Kept
	rows := strings.SplitAfter(text, "\n")
	if len(rows) > inlinedLines {
		text, whole = strings.Join(rows[:inlinedLines], ""), false
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '�' // such a file should be readable anywhere
		}
		return r
	}, text)
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if name == "stderr" {
		l.add(at, "\nIts errors and notes:\n")
	}
	l.add(at, "\n%stext\n%s\n%s\n", fence, strings.TrimSuffix(text, "\n"), fence)
	if whole && !saved.Cut {
		return
	}
	l.add(at, "\nThat is the beginning of %d bytes", saved.Bytes)
	if saved.Cut {
		l.add(at, ", of which %d were kept", saved.Kept)
	}
	l.add(at, ": [`%s`](%s).\n", file, file)
}

// text joins the lines of the book with what was added.
func (l *runlog) text() []byte {
	var out bytes.Buffer
	if l.behind[0] != nil {
		out.WriteString(strings.TrimPrefix(l.behind[0].String(), "\n") + "\n")
	}
	lines := strings.SplitAfter(string(l.book.source), "\n")
	for i, line := range lines {
		if l.ticked[i+1] {
			line = strings.Replace(line, "[ ]", "[x]", 1)
		}
		out.WriteString(line)
		added := l.behind[i+1]
		if added == nil {
			continue
		}
		if !strings.HasSuffix(line, "\n") {
			out.WriteByte('\n')
		}
		out.WriteString(added.String())
		if i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
