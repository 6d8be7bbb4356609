package report

import (
	"fmt"
)

// blank is a question that only people can answer. Known is what the case says that
// helps; it is no answer.
type blank struct {
	Question string
	Help     string
	Known    string
	// Columns are those of an empty table; none: a few empty lines.
	Columns []string
}

// questions is the section of what only people can answer.
func (b *builder) questions() section {
	s := section{ID: "questions", Title: "To be filled in"}
	s.say("The case cannot know what follows, so nothing is filled in. Facts only, no culprits: ask how and what, not who.")
	for _, q := range []blank{
		{Question: "State and roles", Help: "Draft, in review, reviewed or closed. Owner, incident commander, scribe."},
		{Question: "Impact", Help: "Who could not do what, for how long. How many people, customers, orders.", Known: b.knownImpact()},
		{Question: "Lead-up", Help: "What changed before the loss: releases, scripts, access, jobs.", Known: b.knownLoss()},
		{Question: "Trigger", Help: "Which action destroyed the rows, and what let it.", Known: b.knownLoss()},
		{Question: "Detection", Help: "When and how was it noticed? How long did that take, and what would have told it sooner?", Known: b.knownDetection()},
		{Question: "Response", Help: "What was decided, when, on what grounds. What was stopped or frozen first.", Known: b.knownResponse()},
		{Question: "Recovery", Help: "When could people work again? What is still not as it was: ids, times, files, counters?", Known: b.knownRecovery()},
		{Question: "Contributing factors", Help: "Several, and none of them a person: safeguards that were missing, or were there and did not hold."},
		{Question: "What went well", Help: "What shortened the incident or made it smaller."},
		{Question: "What went badly", Help: "What cost time, or made it worse."},
		{Question: "Where we were lucky", Help: "What could have gone otherwise, and would have cost rows."},
		{Question: "Data protection", Help: "Were personal data lost, shown or copied? Who has to be told, and until when?"},
		{Question: "Open questions", Help: "What nobody knows yet, and who finds out.", Known: b.knownOpen()},
		{Question: "Actions", Columns: []string{"What", "Prevent, detect or mend", "Owner", "Until", "Ticket"}},
		{Question: "Messages", Help: "What was told to people inside and outside, and when."},
	} {
		s.Blocks = append(s.Blocks, block{Blank: &q})
	}
	return s
}

func (b *builder) knownImpact() string {
	t := &b.totals
	if t.Lost == 0 {
		return ""
	}
	return fmt.Sprintf("%s in %s; %s missing.", plural(t.Lost, "lost row version", "lost row versions"), plural(int64(t.Tables), "table", "tables"), plural(t.Missing, "is", "are"))
}

func (b *builder) knownLoss() string {
	if len(b.story.loss) == 0 {
		return ""
	}
	return upper(b.culprit(b.story.loss[0])) + "."
}

func (b *builder) knownDetection() string {
	if len(b.summary.Runs) == 0 {
		return ""
	}
	text := fmt.Sprintf("The first command of this case began %s UTC", shortClock(b.summary.Runs[0].Began))
	if !b.story.at.IsZero() {
		text += fmt.Sprintf("; the loss was committed %s UTC", clock(b.story.at))
	}
	return text + ". The case does not say when somebody noticed."
}

func (b *builder) knownResponse() string {
	n := int64(len(b.summary.Runs) + len(b.unkept))
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("The journal has %s.", plural(n, "command", "commands"))
}

func (b *builder) knownRecovery() string {
	t := &b.totals
	if t.Restored == 0 {
		return ""
	}
	return fmt.Sprintf("%s in the target again.", plural(t.Restored, "row is", "rows are"))
}

func (b *builder) knownOpen() string {
	t := &b.totals
	var parts []string
	if t.Missing > 0 {
		parts = append(parts, plural(t.Missing, "row version is missing", "row versions are missing"))
	}
	if t.Conflicts > 0 {
		parts = append(parts, plural(t.Conflicts, "conflict", "conflicts"))
	}
	if t.Gaps > 0 {
		parts = append(parts, plural(int64(t.Gaps), "gap", "gaps"))
	}
	if len(parts) == 0 {
		return ""
	}
	return "From the case: " + list(parts) + "."
}

// upper begins a sentence.
func upper(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}
