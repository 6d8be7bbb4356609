package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/preserve"
)

// captureOutput is what `preserve --apply --json` prints.
type captureOutput struct {
	Server *live.Card `json:"server,omitempty"`
	*preserve.Captured
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// runCapture shows what is to be preserved, asks, freezes and copies.
func runCapture(ctx context.Context, o *preserveOptions, options preserve.Options, terminal *term.Terminal, found *recorder) error {
	out := captureOutput{}
	if options.Server != nil {
		out.Server = options.Server.Card
		showCard(terminal, options.Server.Card)
	}
	if o.dataDir != "" {
		terminal.Infof("%-18s %s", "data directory", o.dataDir)
	}
	terminal.Infof("%-18s %s", "copies go to", options.Folder)
	question := "freeze and copy"
	if o.noFreeze || options.Server == nil {
		question = "copy"
	}
	if err := confirmYes(terminal, "preserve", o.yes, question); err != nil {
		return err
	}
	memory, err := preserve.ReadMemory(found.file.Dir())
	if err != nil {
		return err
	}
	captured, err := preserve.Capture(ctx, options, memory)
	if err != nil {
		if captured != nil && len(captured.Frozen) > 0 {
			terminal.Warnf("the freeze is done, and the copies are not complete")
		}
		return exitcode.Hinted(err, cmp.Or(exitcode.HintOf(err), "the same command goes on where this one ended; `pgrescue preserve --undo` thaws"))
	}
	out.Captured = captured
	if err := errors.Join(found.captured(ctx, options.Server, captured), found.gaps(gapsOf(captured.Missing))); err != nil {
		return err
	}
	for _, file := range captured.Files {
		out.Files++
		out.Bytes += file.Size
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(out)
	} else {
		err = printCaptured(terminal, &out)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(gapsOf(captured.Missing)))
}

// confirmYes asks before something that can be taken back again.
func confirmYes(terminal *term.Terminal, command string, given bool, question string) error {
	if given {
		return nil
	}
	answer, asked, err := terminal.Ask(question + "? [y/N]")
	switch answer = strings.ToLower(strings.TrimSpace(answer)); {
	case err != nil:
		return err
	case !asked:
		return exitcode.Usagef("look at the target above; --yes says that it is the one", "%s: nobody is here to say yes; nothing was changed", command)
	case answer != "y" && answer != "yes":
		return exitcode.Usagef("nothing was changed", "%s: the answer was not yes", command)
	}
	return nil
}

// captured notes the copies in the case's manifest. Those of an earlier capture are hashed, unless the case knows them.
func (r *recorder) captured(ctx context.Context, server *preserve.Server, captured *preserve.Captured) error {
	if server != nil {
		if err := r.asked(server.Card); err != nil {
			return err
		}
	}
	var earlier []casefile.File
	for i := range captured.Files {
		file := &captured.Files[i]
		how := "copied from " + file.From + ", opened for reading only"
		if file.Note != "" {
			how += "; " + file.Note
		}
		line := casefile.File{Path: file.Path, Kind: string(file.Kind), Size: file.Size, SHA256: file.SHA256, Modified: file.Modified, How: how}
		if file.SHA256 == "" {
			earlier = append(earlier, line)
			continue
		}
		if err := r.run.Evidence(line); err != nil {
			return libraryError(err)
		}
	}
	progress := &stages{terminal: r.terminal}
	defer progress.end()
	return libraryError(r.run.Manifest(ctx, earlier, func(total int64) func(int64) { return progress.begin("hashing earlier copies", total) }))
}

// runThaw puts back what was set before the freeze.
func runThaw(ctx context.Context, o *preserveOptions, terminal *term.Terminal, found *recorder) error {
	if found == nil {
		return exitcode.Usagef("--case DIR names it; what was set before the freeze stands there", "preserve: no case is named")
	}
	memory, err := preserve.ReadMemory(found.file.Dir())
	if err != nil {
		return err
	}
	thawed := &preserve.Thawed{Thawed: []preserve.Frozen{}, Missing: []preserve.Missing{}}
	if frozen := memory.Frozen(); len(frozen) > 0 {
		server, err := o.server(ctx)
		if err != nil {
			return exitcode.Hinted(err, cmp.Or(exitcode.HintOf(err), "--dsn names the server that was frozen"))
		}
		showCard(terminal, server.Card)
		for i := range frozen {
			terminal.Infof("%-18s %s", "frozen", frozen[i].Label())
		}
		if err := confirmYes(terminal, "preserve --undo", o.yes, "thaw"); err != nil {
			return err
		}
		if thawed, err = preserve.Thaw(ctx, server, memory); err != nil {
			return err
		}
	}
	if terminal.JSON() {
		err = terminal.WriteJSON(thawed)
	} else {
		err = printThawed(terminal, thawed)
	}
	if err != nil {
		return err
	}
	return exitcode.PartialIf(len(gapsOf(thawed.Missing)))
}

func printThawed(terminal *term.Terminal, thawed *preserve.Thawed) error {
	if len(thawed.Thawed)+len(thawed.Missing) == 0 {
		return terminal.Printf("Nothing is frozen.\n")
	}
	for i := range thawed.Thawed {
		if err := terminal.Printf("thawed  %s\n", thawed.Thawed[i].Label()); err != nil {
			return err
		}
	}
	return printNotes(terminal, thawed.Notes, thawed.Missing)
}

// printNotes prints what is to be known, and what could not be had.
func printNotes(terminal *term.Terminal, notes []string, missing []preserve.Missing) error {
	var text strings.Builder
	for i, note := range notes {
		if i == 0 {
			text.WriteString("\nTo be known\n")
		}
		fmt.Fprintf(&text, "  %s\n", term.Printable(note))
	}
	for i, m := range missing {
		if i == 0 {
			text.WriteString("\nCould not be had\n")
		}
		fmt.Fprintf(&text, "  %s: %s\n", term.Printable(m.What), term.Printable(m.Why))
	}
	return terminal.Printf("%s", text.String())
}
