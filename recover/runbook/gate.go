package runbook

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// allowed asks before a run block acts. Without anybody there, flags must have said
// it before.
func (v *visiting) allowed(ctx context.Context, b *Block) error {
	if v.mayRun {
		return nil
	}
	if err := v.maySevere(ctx, b); err != nil {
		return err
	}
	if v.o.Ask == nil {
		if !v.o.Yes {
			hint := "--yes, or --skip " + v.step.Name() + "=REASON"
			if b.Role == Undo {
				hint = "--yes" // what is undone has run: there is nothing to skip
			}
			return v.refuse(b, hint, "step %s acts, and nobody is there to say yes", v.step.Name())
		}
		v.mayRun = true
		return nil
	}
	if v.o.Yes || v.step.Severe() {
		v.mayRun = true
		return nil
	}
	for {
		answer, err := v.ask(ctx, Question{
			Kind: AskRun, Block: b, Text: "run this block?", Default: AnswerNo,
			Choices: []string{AnswerYes, AnswerNo, AnswerSkip, AnswerWhy, AnswerQuit},
		})
		if err != nil {
			return err
		}
		switch answer {
		case AnswerYes:
			v.mayRun = true
			return v.write(Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, Question: "run this block?", Answer: answer, Block: b.Line})
		case AnswerSkip:
			return v.skipNow(ctx)
		case AnswerWhy:
			v.tell(Event{Kind: Told, Step: v.step, Block: b, Text: v.why()})
		default:
			return v.refuse(b, "`pgrescue runbook resume` asks again", "step %s was not run, as you said", v.step.Name())
		}
	}
}

func (v *visiting) refuse(b *Block, hint, format string, args ...any) error {
	return &troubleError{state: StateFailed, err: failure("run", v.book.place(b.Line), ErrConfirm, hint, format, args...)}
}

// why is what the step says of itself.
func (v *visiting) why() string {
	var text strings.Builder
	for _, fact := range v.step.Facts {
		fmt.Fprintf(&text, "%s: %s\n", fact.Key, fact.Text)
	}
	return text.String()
}

// maySevere has the name of the target typed, where the step asks for it. No yes
// covers that.
func (v *visiting) maySevere(ctx context.Context, b *Block) error {
	if !v.step.Severe() {
		return nil
	}
	phrase, err := v.phrase(ctx)
	if err != nil {
		return err
	}
	line := Line{Event: LineAnswer, Step: v.step.ID, Visit: v.number, Block: b.Line, Question: "type " + phrase, Answer: phrase}
	if slices.Contains(v.o.Confirm, phrase) {
		line.Note = "said with --confirm"
		return v.write(line)
	}
	if v.o.Ask == nil {
		return v.refuse(b, "--confirm "+strconv.Quote(phrase), "step %s has to be confirmed by typing %q, and nobody is there", v.step.Name(), phrase)
	}
	answer, err := v.ask(ctx, Question{Kind: AskConfirm, Block: b, Text: v.step.Fact(factConfirm) + " (" + phrase + ")"})
	if err != nil {
		return err
	}
	if answer != phrase {
		return v.refuse(b, "`pgrescue runbook resume` asks again", "step %s was not confirmed: %q is not %q", v.step.Name(), answer, phrase)
	}
	return v.write(line)
}

// phrase is what has to be typed: the value of the variable that the fact Confirm
// names, or else the name of the database, or else the anchor of the step.
func (v *visiting) phrase(ctx context.Context) (string, error) {
	text := v.step.Fact(factConfirm)
	for _, match := range regexp.MustCompile("`\\$?([A-Za-z_]\\w*)`").FindAllStringSubmatch(text, -1) {
		if value, known := v.value(match[1]); known && value != "" {
			return value, nil
		}
	}
	if !strings.Contains(strings.ToLower(text), "database") {
		return v.step.ID, nil
	}
	if value := v.values["PGDATABASE"]; value != "" {
		return value, nil
	}
	if v.o.Target == nil {
		return v.step.ID, nil
	}
	return v.o.Target(ctx, maps.Clone(v.values))
}

// skipNow leaves a step out that has begun. The reason is part of the record.
func (v *visiting) skipNow(ctx context.Context) error {
	reason, err := v.ask(ctx, Question{Kind: AskReason, Text: "why is it skipped?"})
	if err != nil {
		return err
	}
	if reason == "" {
		return &troubleError{state: StateFailed, err: failure("skip", v.place(), ErrConfirm, "", "a skipped step needs a reason")}
	}
	return &troubleError{state: StateSkipped, err: fmt.Errorf("%s", reason)}
}

// byHand shows a block with its values, and takes down what somebody says of it.
func (v *visiting) byHand(ctx context.Context, s *scene, b *Block) (Outcome, error) {
	if v.o.Ask == nil {
		return Outcome{}, failure("run", v.book.place(b.Line), ErrConfirm, "run it at a terminal", "by hand takes a person, and nobody is there")
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return Outcome{}, err
	}
	text := v.mask(s.forHand(b))
	if err := os.WriteFile(filepath.Join(s.folder, "block."+b.Language), []byte(b.Text), 0o600); err != nil {
		return Outcome{}, err
	}
	v.tell(Event{Kind: ByHand, Step: v.step, Block: b, Text: text})
	for {
		answer, err := v.ask(ctx, Question{Kind: AskExitCode, Block: b, Text: "its exit code?"})
		if err != nil {
			return Outcome{}, err
		}
		code, err := strconv.Atoi(answer)
		if err != nil || code < 0 || code > 255 {
			v.tell(Event{Kind: Told, Step: v.step, Block: b, Text: "an exit code is a number from 0 to 255"})
			continue
		}
		note, err := v.ask(ctx, Question{Kind: AskNote, Block: b, Text: "what it printed, in a line"})
		if err != nil {
			return Outcome{}, err
		}
		outputs, err := readOutputs(filepath.Join(s.folder, outName))
		return Outcome{Code: code, Note: joinNotes("by hand", v.mask(note)), Outputs: outputs}, err
	}
}

// forHand is a block with the values that it uses, to be pasted elsewhere.
func (s *scene) forHand(b *Block) string {
	var text strings.Builder
	quote := func(value string) string { return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'" }
	names := append(mentions(b), "OUT", "EVIDENCE")
	if b.Language == SQL {
		text.WriteString("psql -X -v ON_ERROR_STOP=1")
		for _, name := range uses(b) {
			if value, ok := s.psqlVariables()[name]; ok {
				text.WriteString(" -v " + name + "=" + quote(value))
			}
		}
		text.WriteString("\n\n")
		return text.String() + b.Text
	}
	for _, name := range names {
		if value, known := s.lookup(name); known {
			text.WriteString("export " + name + "=" + quote(value) + "\n")
		}
	}
	return text.String() + b.Text
}
