package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/catalog"
)

// closeEnough is the number of typing errors up to which a name is suggested.
const closeEnough = 2

// unknownCommand is the error of a name that is no command of parent.
func unknownCommand(parent *cobra.Command, name string) error {
	return exitcode.Usagef(commandHint(parent, name), "unknown command %q for %q", name, parent.CommandPath())
}

// commandHint names the commands of parent that are close to name, or all of them.
func commandHint(parent *cobra.Command, name string) string {
	var all, closest []string
	for _, command := range parent.Commands() {
		if !command.IsAvailableCommand() && command.Name() != "help" {
			continue
		}
		all = append(all, command.Name())
		if name != "" && (catalog.EditDistance(command.Name(), name) <= closeEnough || strings.HasPrefix(command.Name(), name)) {
			closest = append(closest, command.Name())
		}
	}
	if len(closest) > 0 {
		return "did you mean " + strings.Join(closest, " or ") + "?"
	}
	return "the commands are: " + strings.Join(all, ", ")
}

// noArguments is the cobra.PositionalArgs of commands that have flags only.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return exitcode.Usagef("see "+command.CommandPath()+" --help", "%s: %q is no flag, and the command takes nothing else", command.CommandPath(), args[0])
	}
	return nil
}

// atMostOne is the cobra.PositionalArgs of commands that take one thing of a kind, or none.
func atMostOne(kind string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) > 1 {
			return exitcode.Usagef("name one "+kind, "%s: %d %ss are named", command.CommandPath(), len(args), kind)
		}
		return nil
	}
}

// badFlagValue says in plain words that the value of a flag cannot be read.
func badFlagValue(_ *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	if !errors.As(err, &value) {
		return err
	}
	want := value.GetFlag().Value.Type()
	switch want {
	case "uint32":
		want = "a whole number from 0 to 4294967295"
	case "int", "int64":
		want = "a whole number"
	}
	return fmt.Errorf("--%s %q is not %s", value.GetFlag().Name, value.GetValue(), want)
}

// usageHint says what a person can do about a command line that cobra refused.
func usageHint(err error, command *cobra.Command, args []string) string {
	text := err.Error()
	if flag, found := strings.CutPrefix(text, "unknown flag: --"); found {
		if name := closestFlag(command, flag); name != "" {
			return fmt.Sprintf("did you mean --%s?", name)
		}
	}
	if strings.HasPrefix(text, "unknown command") && command.HasAvailableSubCommands() {
		for _, arg := range args {
			if strings.Contains(text, fmt.Sprintf("%q for", arg)) {
				return commandHint(command, arg)
			}
		}
	}
	return fmt.Sprintf("see %s --help", command.CommandPath())
}

// closestFlag returns the flag of command whose name is at most
// closeEnough typing errors away from name, or "".
func closestFlag(command *cobra.Command, name string) string {
	best, distance := "", closeEnough+1
	consider := func(flag *pflag.Flag) {
		if d := catalog.EditDistance(flag.Name, name); d < distance {
			best, distance = flag.Name, d
		}
	}
	command.Flags().VisitAll(consider)
	command.InheritedFlags().VisitAll(consider)
	return best
}
