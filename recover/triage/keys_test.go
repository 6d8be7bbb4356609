package triage

import (
	"slices"
	"testing"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// TestCascadeAgainstSeveralDeletes: a foreign key does not make a cascade of what the logs say was deleted by itself.
func TestCascadeAgainstSeveralDeletes(t *testing.T) {
	t.Parallel()
	parent, child := evidence.RelationName{Schema: "public", Name: "customers"}, evidence.RelationName{Schema: "public", Name: "bills"}
	tables := []Table{{Name: parent, ParentsKnown: true}, {Name: child, ParentsKnown: true, Parents: []evidence.RelationName{parent}}}
	of := func(deletes ...evidence.RelationName) Hypothesis {
		loss := Loss{Way: ByDelete, XID: 7, Tables: []LostTable{{Name: parent, Rows: 60, Left: -1}, {Name: child, Rows: 600, Left: -1}}}
		for _, name := range deletes {
			loss.Statements = append(loss.Statements, &Statement{Verb: "DELETE", Table: name, Fate: Committed})
		}
		w := &weigher{Facts: &Facts{Tables: tables}, losses: []Loss{loss}}
		return w.cascade()
	}
	if h := of(); h.Standing != Proven {
		t.Errorf("without logs: %+v", h)
	}
	if h := of(parent); h.Standing != Proven {
		t.Errorf("only the parent's DELETE in the logs: %+v", h)
	}
	if h := of(child, parent); h.Standing != Contradicted || len(h.Against) == 0 || slices.ContainsFunc(h.For, func(p Point) bool { return p.Source == "wal" }) {
		t.Errorf("both tables have a DELETE in the logs: %+v", h)
	}
}
