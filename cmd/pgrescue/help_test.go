package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
)

// testRoot makes the root command with its output in memory.
func testRoot() (*cobra.Command, *bytes.Buffer) {
	var out bytes.Buffer
	root := newRootCommand(&term.Terminal{Out: &out, Err: &out}, nil)
	root.InitDefaultHelpCmd()
	return root, &out
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	root, out := testRoot()
	seen := 0
	for command := range allCommands(root) {
		seen++
		path := command.CommandPath()
		if command.Short == "" || command.Long == "" {
			t.Errorf("%s: no Short or no Long", path)
		}
		examples := 0
		for line := range strings.Lines(command.Example) {
			if strings.HasPrefix(strings.TrimSpace(line), "pgrescue ") {
				examples++
			}
		}
		if examples < 3 {
			t.Errorf("%s: %d examples begin with pgrescue, want 3", path, examples)
		}
		if command.InheritedFlags().Lookup("json") == nil && command.PersistentFlags().Lookup("json") == nil {
			t.Errorf("%s does not take --json", path)
		}
		out.Reset()
		// A shorthand that two flags claim makes this fail here and not at a user's.
		command.InitDefaultHelpFlag()
		if err := command.Help(); err != nil {
			t.Errorf("%s --help: %v", path, err)
		}
		if command.Name() == "exit-codes" {
			continue // it has all of them
		}
		codes := codesOf(command)
		if !codes.Has(exitcode.Done) || !codes.Has(exitcode.Usage) || !strings.HasSuffix(out.String(), codes.Text()) {
			t.Errorf("%s --help does not end with its exit codes:\n%s", path, codes.Text())
		}
	}
	if seen < 4 {
		t.Fatalf("the walk found %d commands", seen)
	}
}

// TestExamplesParse keeps examples from naming commands and flags that do not exist.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	root, _ := testRoot()
	for command := range allCommands(root) {
		for line := range strings.Lines(command.Example) {
			fields := strings.Fields(strings.TrimSpace(line))
			if len(fields) == 0 || fields[0] != "pgrescue" {
				continue
			}
			for i, field := range fields {
				if strings.ContainsAny(field, "|;>&#") {
					// What follows is the shell's.
					fields = append(fields[:i:i], strings.TrimRight(field, "|;>&#"))
					break
				}
			}
			target, rest, err := root.Find(fields[1:])
			if err != nil {
				t.Errorf("%s: example %q: %v", command.CommandPath(), line, err)
				continue
			}
			for _, field := range rest {
				name, _, _ := strings.Cut(strings.TrimPrefix(field, "--"), "=")
				if !strings.HasPrefix(field, "--") || name == "help" {
					continue
				}
				if target.Flags().Lookup(name) == nil && target.InheritedFlags().Lookup(name) == nil {
					t.Errorf("%s: example %q: %s has no flag --%s", command.CommandPath(), line, target.CommandPath(), name)
				}
			}
		}
	}
}

func TestReadmeHoldsTheExitCodes(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(repository + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), exitcode.Markdown()) {
		t.Errorf("README.md does not hold the table of exit codes as it is; paste this:\n%s", exitcode.Markdown())
	}
}

func TestReadmeNamesEveryCommand(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(repository + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, _ := testRoot()
	for command := range allCommands(root) {
		if !command.Runnable() || command.HasSubCommands() && command.Args == nil || command.Name() == "help" {
			continue
		}
		name := strings.TrimPrefix(command.CommandPath(), "pgrescue ")
		if !strings.Contains(string(readme), "`"+name) {
			t.Errorf("README.md does not name the command %q", name)
		}
	}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"json", "json", 0},
		{"json", "jsn", 1},
		{"summary", "sumary", 1},
		{"summary", "sumarry", 2},
		{"xid", "tid", 1},
		{"", "abc", 3},
	}
	for _, test := range tests {
		if got := catalog.EditDistance(test.a, test.b); got != test.want {
			t.Errorf("EditDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
