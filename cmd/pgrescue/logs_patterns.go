package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/logparse/applog"
)

func newLogsPatternsCommand(terminal *term.Terminal, cases *caseOptions) *cobra.Command {
	return newGroup(
		"patterns", "Which messages of a backend prove what",
		`Which messages of a backend prove what. A pattern pack is YAML: of each message that counts, what
it looks like, which fields it has, and what it proves. The pack of the discovery backend ships
inside, under the name discovery.`,
		`  pgrescue logs patterns check mine.yaml
  pgrescue logs patterns test discovery backend.log
  pgrescue logs patterns suggest /copy/logs`,
		newPatternsCheckCommand(terminal),
		newPatternsSuggestCommand(terminal, cases),
		newPatternsTestCommand(terminal, cases),
	)
}

func newPatternsCheckCommand(terminal *term.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "check [PACK]",
		Short: "Check a pattern pack, and say what its patterns prove",
		Long: `Read a pattern pack, by discovery or as a file, and say what is wrong with it, with the line. Of a
pack that can be used, list what its patterns prove. Nothing is written.`,
		Example: `  pgrescue logs patterns check
  pgrescue logs patterns check mine.yaml
  pgrescue logs patterns check mine.yaml --json`,
		Args: atMostOne("pack"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := discoveryPack
			if len(args) > 0 {
				name = args[0]
			}
			pack, err := findPack(name)
			if err != nil {
				return eachTrouble(terminal, name, err)
			}
			return tellPack(terminal, pack)
		},
	}
}

// eachTrouble prints what is wrong with a pack, one thing a line, and gives the error that ends the command.
func eachTrouble(terminal *term.Terminal, name string, err error) error {
	troubles := strings.Split(causeOf(err), "\n")
	if terminal.JSON() || len(troubles) < 2 || !errors.Is(err, applog.ErrPack) {
		return err
	}
	for _, trouble := range troubles {
		if err := terminal.Printf("%s\n", term.Printable(trouble)); err != nil {
			return err
		}
	}
	return exitcode.Usagef(exitcode.HintOf(err), "logs patterns check: %d things are wrong with %s", len(troubles), name)
}

// packResult is what `logs patterns check --json` prints.
type packResult struct {
	Pack     string        `json:"pack"`
	Patterns []packPattern `json:"patterns"`
	Tables   []packTable   `json:"tables"`
}

// packTable is a table whose rows messages tell.
type packTable struct {
	Table   string       `json:"table"`
	Of      applog.Thing `json:"row_of"`
	Columns []string     `json:"columns"`
}

// packPattern is a pattern of it.
type packPattern struct {
	Name   string                 `json:"name"`
	Proves applog.Proof           `json:"proves"`
	Fields map[string]applog.Kind `json:"fields"`
	Match  []string               `json:"match"`
	Format string                 `json:"format,omitempty"`
	Logger string                 `json:"logger,omitempty"`
	Commit bool                   `json:"commit,omitempty"`
	Void   bool                   `json:"void,omitempty"`
}

func tellPack(terminal *term.Terminal, pack *applog.Pack) error {
	result := packResult{Pack: pack.Name, Patterns: []packPattern{}, Tables: []packTable{}}
	for i := range pack.Patterns {
		p := &pack.Patterns[i]
		fields := map[string]applog.Kind{}
		for name, kind := range p.Fields {
			fields[name] = kind
		}
		result.Patterns = append(result.Patterns, packPattern{
			Name: p.Name, Proves: p.Proves, Fields: fields, Match: p.Match, Format: p.Format, Logger: p.Logger, Commit: p.Commit, Void: p.Void,
		})
	}
	for i := range pack.Tables {
		t := &pack.Tables[i]
		table := packTable{Table: t.Table, Of: t.Of, Columns: []string{}}
		for j := range t.Columns {
			table.Columns = append(table.Columns, t.Columns[j].Name)
		}
		result.Tables = append(result.Tables, table)
	}
	if terminal.JSON() {
		return terminal.WriteJSON(result)
	}
	if err := terminal.Printf("pack %s: %s\n", term.Printable(pack.Name), term.Plural(int64(len(pack.Patterns)), "pattern", "patterns")); err != nil {
		return err
	}
	table := term.NewTable("PATTERN", "PROVES", "LOOKS LIKE")
	for _, p := range result.Patterns {
		table.Add(p.Name, string(p.Proves), strings.Join(p.Match, " | "))
	}
	if err := table.Write(terminal.Out, ""); err != nil || len(result.Tables) == 0 {
		return err
	}
	rows := term.NewTable("TABLE", "A ROW OF", "COLUMNS")
	for _, t := range result.Tables {
		rows.Add(t.Table, string(t.Of), strings.Join(t.Columns, ", "))
	}
	if err := terminal.Printf("\n"); err != nil {
		return err
	}
	return rows.Write(terminal.Out, "")
}
