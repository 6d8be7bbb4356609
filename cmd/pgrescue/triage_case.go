package main

import (
	"github.com/pgrescue/pgrescue/recover/casefile"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// mostHurtTables bounds how many hurt tables of a triage a case keeps.
const mostHurtTables = 1000

// triage gives to the case what a triage says: preserve and report read it there.
func (r *recorder) triage(facts *triage.Facts, said *triage.Report) error {
	if r == nil {
		return nil
	}
	if facts.Server != nil && !facts.OtherCluster {
		for _, key := range facts.Server.ForeignKeys {
			if err := r.run.ForeignKey(casefile.ForeignKey(key)); err != nil {
				return libraryError(err)
			}
		}
	}
	t := &casefile.Triage{Hurt: string(said.Question.Hurt), Why: said.Question.Why, Named: string(said.Named)}
	for i := range said.Losses {
		loss := &said.Losses[i]
		for j := range loss.Tables {
			if len(t.Tables) < mostHurtTables {
				table := &loss.Tables[j]
				t.Tables = append(t.Tables, casefile.TriageTable{RelationName: table.Name, XID: loss.XID, Way: string(table.Way), Rows: table.Rows})
			}
		}
	}
	for i := range said.Spread {
		if spread := &said.Spread[i]; len(t.Tables) < mostHurtTables {
			t.Tables = append(t.Tables, casefile.TriageTable{RelationName: spread.Table, Way: string(triage.ByDelete), Rows: spread.Rows})
		}
	}
	for i := range said.Hypotheses {
		h := &said.Hypotheses[i]
		t.Hypotheses = append(t.Hypotheses, casefile.Hypothesis{
			Name: string(h.Name), Standing: string(h.Standing), Loses: h.Loses, For: pointsOf(h.For), Against: pointsOf(h.Against),
		})
	}
	for i := range said.Routes {
		route := &said.Routes[i]
		t.Coverage = append(t.Coverage, casefile.Coverage{
			Name: route.Name, Covers: string(route.Covers), Why: route.Why, Rows: route.Rows, Lost: route.Of, Expires: route.Expiry.At, Expiry: route.Expiry.Text,
		})
	}
	return libraryError(r.run.Triage(t))
}

func pointsOf(list []triage.Point) (points []casefile.Point) {
	for _, point := range list {
		points = append(points, casefile.Point{Source: point.Source, Text: point.Text})
	}
	return points
}
