package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// rowsOptions are the flags of commands that print rows.
type rowsOptions struct {
	format string
}

func (o *rowsOptions) addFlags(command *cobra.Command, standard string) {
	command.Flags().StringVarP(&o.format, "format", "f", standard, "copy, csv, jsonl or sql; --json means jsonl")
}

// resolve reads the flag; --json wins.
func (o *rowsOptions) resolve(terminal *term.Terminal) (evidence.Format, error) {
	if terminal.JSON() {
		return evidence.FormatJSONL, nil
	}
	return formatOf(o.format)
}

// rowPrinter prints the rows of one or more tables on stdout.
type rowPrinter struct {
	*evidence.Writer
	format evidence.Format
}

func newRowPrinter(terminal *term.Terminal, format evidence.Format) (*rowPrinter, error) {
	w, err := evidence.NewWriter(format, terminal.Out)
	if err != nil {
		return nil, err
	}
	return &rowPrinter{Writer: w, format: format}, nil
}

// close writes out what is buffered, and warns of values that the format cannot show.
func (p *rowPrinter) close(terminal *term.Terminal) error {
	if err := p.Flush(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	warnUnknown(terminal, p.UnknownValues(), p.format)
	warnUnstated(terminal, p.Unstated())
	return nil
}

// warnUnstated tells of rows that a script of SQL only tells of.
func warnUnstated(terminal *term.Terminal, n int64) {
	if n > 0 {
		terminal.Warnf("%s given back by no statement; a comment in the script holds each of them, and says why", term.Plural(n, "row is", "rows are"))
	}
}

func warnUnknown(terminal *term.Terminal, n int64, format evidence.Format) {
	if n > 0 && format != evidence.FormatJSONL && format != evidence.FormatSQL {
		terminal.Warnf("%s could not be had and stand as NULL in this output", term.Plural(n, "value", "values"))
		terminal.Hintf("--format jsonl says which ones and why")
	}
}

// oneShape makes a sink that gives rows of several tables to one printer. A format
// that cannot tell tables apart takes those of one partitioned table, with the
// columns in its order, and refuses others.
func oneShape(printer evidence.Sink, tables []undelete.Target, format evidence.Format) (evidence.Sink, error) {
	if len(tables) < 2 || format == evidence.FormatJSONL || format == evidence.FormatSQL {
		return printer, nil
	}
	var names []string
	var root *catalog.Relation
	for i, t := range tables {
		name, of := "unknown relation", (*catalog.Relation)(nil)
		if t.Relation != nil {
			name, of = t.Relation.QualifiedName(), t.Database.Root(t.Relation)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if i == 0 {
			root = of
		}
		if of != root {
			root = nil
		}
	}
	if len(names) == 1 { // its present file and former ones
		return printer, nil
	}
	if root != nil {
		return evidence.Reshape(datum.NewRowDecoder(tables[0].Database, root).Relation(), printer), nil
	}
	return nil, exitcode.Usagef("choose one with --table, or use --format jsonl or sql, or write files with `pgrescue undelete -o DIR`",
		"format %s holds one table, and the rows are in %d: %s", format, len(names), strings.Join(names, ", "))
}
