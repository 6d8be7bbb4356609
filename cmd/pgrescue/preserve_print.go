package main

import (
	"fmt"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/preserve"
)

// printPreservePlan prints what --apply would do.
func printPreservePlan(terminal *term.Terminal, plan *preserve.Plan) error {
	facts := term.NewTable("", "")
	if plan.Server != nil {
		facts.Add("server", fmt.Sprintf("PostgreSQL %s, %s", plan.Server.Version, plan.Server.Place()))
	}
	switch {
	case plan.OverSQL:
		facts.Add("data directory", "read by the server: its files are not on this machine")
	case plan.DataDir != "":
		facts.Add("data directory", plan.DataDir)
	}
	to := plan.Evidence
	if to == "" {
		to = "nowhere yet: name a case with --case, best on another disk"
	}
	facts.Add("copies go to", to)
	if err := facts.Write(terminal.Out, ""); err != nil {
		return err
	}
	freeze := term.NewTable("what")
	for _, line := range plan.Freeze {
		freeze.Add(line)
	}
	if err := printSection(terminal, "Freeze", freeze, 100, false); err != nil {
		return err
	}
	steps := term.NewTable("step", "to", ">files", ">bytes", "from")
	for i := range plan.Steps {
		step := &plan.Steps[i]
		files, bytes, from := term.Count(int64(step.Files)), term.Bytes(step.Bytes), step.From
		if step.Does != "" {
			files, bytes, from = "", "", step.Does
		} else if step.Todo < step.Bytes {
			bytes += fmt.Sprintf(" (%s still to copy)", term.Bytes(step.Todo))
		}
		steps.Add(step.Name, step.To, files, bytes, from)
	}
	if err := printSection(terminal, "Capture, in this order", steps, 1000, false); err != nil {
		return err
	}
	if err := printRoom(terminal, &plan.Room); err != nil {
		return err
	}
	return printNotes(terminal, plan.Notes, plan.Missing)
}

func printRoom(terminal *term.Terminal, room *preserve.Room) error {
	free := "nobody knows how much is free"
	if room.Free >= 0 {
		free = term.Bytes(room.Free) + " are free"
	}
	text := fmt.Sprintf("\nRoom: %s are to be copied, %s", term.Bytes(room.Needed), free)
	switch {
	case !room.Enough && room.OnlyHurt > 0:
		text += fmt.Sprintf(": NOT ENOUGH. With --only-hurt it is %s.", term.Bytes(room.OnlyHurt))
	case !room.Enough:
		text += ": NOT ENOUGH. Name a case on another disk, or the hurt tables with --table and --only-hurt."
	default:
		text += "."
	}
	return terminal.Printf("%s\n", text)
}

// printCaptured prints what --apply did.
func printCaptured(terminal *term.Terminal, out *captureOutput) error {
	frozen := term.NewTable("what")
	for i := range out.Frozen {
		line := out.Frozen[i].Label()
		if out.Frozen[i].Set != "" {
			line += ": " + out.Frozen[i].Set
		}
		frozen.Add(line)
	}
	if err := printSection(terminal, "Frozen", frozen, 100, false); err != nil {
		return err
	}
	steps := term.NewTable("step", "to", ">files", ">bytes", "note")
	for _, step := range out.Steps {
		steps.Add(step.Name, step.To, term.Count(int64(step.Files)), term.Bytes(step.Bytes), noteOf(step))
	}
	if err := printSection(terminal, "Captured", steps, 1000, false); err != nil {
		return err
	}
	if err := terminal.Printf("\n%s, %s, in %s\n", term.Plural(int64(out.Files), "file", "files"), term.Bytes(out.Bytes), out.Evidence); err != nil {
		return err
	}
	if err := printNotes(terminal, out.Notes, out.Missing); err != nil {
		return err
	}
	if len(out.Frozen) > 0 {
		return terminal.Printf("\nWhen the rows are back: pgrescue preserve --undo\n")
	}
	return nil
}

func noteOf(step *preserve.Copied) string {
	note := ""
	add := func(n int, what string) {
		if n > 0 {
			if note != "" {
				note += ", "
			}
			note += term.Count(int64(n)) + " " + what
		}
	}
	add(step.Kept, "kept from an earlier capture")
	add(step.VanishedFiles, "vanished before they could be copied")
	add(step.ChangedFiles, "changed while they were copied")
	return note
}
