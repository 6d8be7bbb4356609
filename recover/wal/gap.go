package wal

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Gap is a stretch of the log, or a file of it, that could not be read.
type Gap struct {
	From    pg.LSN `json:"from"` // first byte that is lost; From and To are 0 when a file has no place in the log
	To      pg.LSN `json:"to"`   // first byte behind it that was read again
	Segment string `json:"segment"`
	What    string `json:"what"` // what could not be read
	Why     string `json:"why"`
	Records int    `json:"records"` // 1: exactly one record with known bounds; 0: an unknown number
	// Doubt: the records there were read, but they may not be those that the server wrote.
	Doubt bool `json:"doubt,omitempty"`
	// Recycled: it lies before Archive.Start, among segments that are there only because
	// the server keeps old ones for later use. That is no damage.
	Recycled bool `json:"recycled,omitempty"`
}

// Damage counts the gaps but for those that recycled segments have by nature.
func Damage(gaps []Gap) int {
	n := 0
	for i := range gaps {
		if !gaps[i].Recycled {
			n++
		}
	}
	return n
}

// Evidence turns the gap into the form that all routes share.
func (g Gap) Evidence() evidence.Gap {
	where := "segment " + g.Segment
	switch {
	case g.To == 0 && g.Segment == "":
		where = "the log"
	case g.To != 0 && g.Segment != "":
		where = fmt.Sprintf("%s to %s (segment %s)", g.From, g.To, g.Segment)
	case g.To != 0:
		where = fmt.Sprintf("%s to %s", g.From, g.To)
	}
	consequence := ""
	switch {
	case g.Doubt:
		consequence = "its records were read, but may not be those that the server wrote"
	case g.Records == 1:
		consequence = "one record is lost"
	case g.To != 0:
		consequence = "an unknown number of records is lost"
	}
	return evidence.Gap{Where: where, What: g.What, Why: g.Why, Consequence: consequence}
}
