package report

import (
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
