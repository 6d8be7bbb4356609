package main

import (
	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
)

// codesAnnotation is where the root's usage template finds a command's exit codes.
const codesAnnotation = "exit-codes"

// readingCodes are those of every command that reads evidence.
func readingCodes(more ...exitcode.Code) exitcode.Set {
	return append(exitcode.Set{
		exitcode.Done, exitcode.Usage, exitcode.Partial, exitcode.Permission, exitcode.Insufficient,
		exitcode.Failed, exitcode.NotFound, exitcode.Interrupted,
		exitcode.Refused, exitcode.Locked, // by the case
	}, more...)
}

// codesOf lists the exit codes that a command can end with. The scripts in
// testdata/script fail on one that is not listed here.
func codesOf(command *cobra.Command) exitcode.Set {
	switch command.CommandPath() {
	case "pgrescue version":
		return exitcode.Set{exitcode.Done, exitcode.Usage, exitcode.Failed}
	case "pgrescue demo":
		return exitcode.Set{
			exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Refused, exitcode.VerifyFailed,
			exitcode.Failed, exitcode.Interrupted,
		}
	case "pgrescue catalog dump", "pgrescue heap rows", "pgrescue heap scan", "pgrescue wal summary", "pgrescue wal transactions", "pgrescue logs timeline", "pgrescue preserve", "pgrescue triage":
		return readingCodes()
	case "pgrescue case show":
		return exitcode.Set{
			exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Refused, exitcode.Failed, exitcode.NotFound,
			exitcode.Locked, exitcode.Interrupted,
		}
	case "pgrescue report":
		return exitcode.Set{
			exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Refused, exitcode.VerifyFailed, exitcode.Failed, exitcode.NotFound,
			exitcode.Locked, exitcode.Interrupted,
		}
	case "pgrescue case export":
		return exitcode.Set{
			exitcode.Done, exitcode.Usage, exitcode.Partial, exitcode.Permission, exitcode.Refused, exitcode.Insufficient, exitcode.Failed, exitcode.NotFound,
			exitcode.Locked, exitcode.Interrupted,
		}
	case "pgrescue case verify":
		return exitcode.Set{
			exitcode.Done, exitcode.Findings, exitcode.Usage, exitcode.Permission, exitcode.Refused, exitcode.Failed, exitcode.NotFound,
			exitcode.Locked, exitcode.Interrupted,
		}
	case "pgrescue runbook show", "pgrescue runbook lint", "pgrescue runbook plan", "pgrescue runbook approve", "pgrescue runbook run",
		"pgrescue runbook resume", "pgrescue runbook undo", "pgrescue runbook status", "pgrescue runbook export", "pgrescue runbook drill":
		return runbookCodes(command.Name())
	case "pgrescue import":
		return readingCodes(exitcode.Findings)
	case "pgrescue restore plan", "pgrescue restore apply", "pgrescue restore verify", "pgrescue restore undo":
		return restoringCodes(command.Name())
	case "pgrescue import profile check", "pgrescue import profile new":
		return readingCodes(exitcode.Findings)
	case "pgrescue logs rebuild":
		return readingCodes()
	case "pgrescue logs patterns test", "pgrescue logs patterns suggest":
		return readingCodes(exitcode.Findings)
	case "pgrescue logs patterns check":
		return exitcode.Set{exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Failed, exitcode.NotFound}
	case "pgrescue import profile show":
		return exitcode.Set{exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Failed, exitcode.NotFound}
	case "pgrescue wal target":
		return readingCodes(exitcode.Findings)
	case "pgrescue wal rows", "pgrescue undelete":
		return readingCodes(exitcode.Findings, exitcode.VerifyFailed)
	case "pgrescue wal fetch":
		return exitcode.Set{
			exitcode.Done, exitcode.Usage, exitcode.Partial, exitcode.Permission, exitcode.Refused,
			exitcode.Insufficient, exitcode.Failed, exitcode.Locked, exitcode.Interrupted,
		}
	}
	if command.HasSubCommands() || command.Name() == "help" { // they only explain
		return exitcode.Set{exitcode.Done, exitcode.Usage}
	}
	return nil
}

// restoringCodes are those of the commands below restore.
func restoringCodes(verb string) exitcode.Set {
	codes := exitcode.Set{
		exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Refused, exitcode.Stale, exitcode.Failed, exitcode.NotFound,
		exitcode.Locked, exitcode.Interrupted,
	}
	switch verb {
	case "plan":
		return append(codes, exitcode.Findings, exitcode.Insufficient)
	case "verify":
		return append(codes, exitcode.VerifyFailed)
	case "undo":
		return append(codes, exitcode.Findings)
	}
	return codes
}

// runbookCodes are those of the commands below runbook.
func runbookCodes(verb string) exitcode.Set {
	codes := exitcode.Set{
		exitcode.Done, exitcode.Usage, exitcode.Permission, exitcode.Insufficient, exitcode.Failed, exitcode.NotFound, exitcode.Interrupted,
	}
	switch verb {
	case "lint", "status":
		return append(codes, exitcode.Findings)
	case "plan", "export":
		return append(codes, exitcode.Refused)
	case "drill":
		return append(codes, exitcode.Findings, exitcode.Refused)
	case "approve":
		return append(codes, exitcode.Refused, exitcode.Stale)
	case "run", "resume", "undo":
		return append(codes, exitcode.Refused, exitcode.VerifyFailed, exitcode.Stale, exitcode.Locked, exitcode.TimeBox)
	}
	return codes
}

// addExitCodes puts its exit codes at the end of every command's help page.
func addExitCodes(root *cobra.Command) {
	root.SetUsageTemplate(root.UsageTemplate() + "{{with index .Annotations \"" + codesAnnotation + "\"}}\n{{.}}{{end}}")
	for command := range allCommands(root) {
		if codes := codesOf(command); len(codes) > 0 {
			command.Annotations = map[string]string{codesAnnotation: codes.Text()}
		}
	}
}
