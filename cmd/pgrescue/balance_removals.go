package main

import (
	"fmt"

	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// keptTable is a table that got another file and kept its rows.
type keptTable struct {
	Table       string           `json:"table"`
	Transaction pg.XID           `json:"xid"`
	How         undelete.Removal `json:"how"` // rewritten or moved
}

// printRemovalNotes says what else went with whole tables, or did not.
func printRemovalNotes(terminal *term.Terminal, report *balanceReport) error {
	for _, s := range report.Sequences {
		if err := terminal.Printf("  sequence %s\n", sequenceText(&s)); err != nil {
			return err
		}
	}
	for _, kept := range report.Kept {
		if err := terminal.Printf("  %s was %s by transaction %d, and lost no row\n", kept.Table, kept.How, kept.Transaction); err != nil {
			return err
		}
	}
	return nil
}

func sequenceText(s *undelete.SequenceState) string {
	how := "dropped"
	if s.Removal == undelete.Truncated {
		how = "restarted"
	}
	switch {
	case !s.Known:
		return fmt.Sprintf("%s was %s; the WAL at hand does not say where it stood", s.Name, how)
	case !s.IsCalled:
		return fmt.Sprintf("%s was %s; it stood at %d, not given out yet", s.Name, how, s.LastValue)
	}
	return fmt.Sprintf("%s was %s; it stood at %d or up to 32 values before that, which a server logs ahead", s.Name, how, s.LastValue)
}
