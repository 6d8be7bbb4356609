package mapping

import (
	"github.com/adrg/strutil/metrics"
)

// likeEnough is the Jaro-Winkler similarity from which a column is suggested. Below it are
// accidents: "S/N" and serial_number have 0.65, and "asset" has 0.93 with asset_id and 0.91 with asset_tag, which is
// why a suggestion is for a person to judge.
const likeEnough = 0.85

// suggest finds the column that a header resembles most, by its name and its synonyms. Columns that another header
// has taken are left out.
func (a *assigner) suggest(header string) (Suggestion, bool) {
	metric := metrics.NewJaroWinkler()
	best := Suggestion{Header: header}
	form := Fold(header)
	try := func(column, name string) {
		if like := metric.Compare(form, Fold(name)); like > best.Likeness {
			best.Target, best.Likeness = column, like
		}
	}
	for _, r := range a.Profile.Columns {
		_, usable := a.usable(r.Column, r.Optional)
		if _, taken := a.taken[r.Column]; taken || !usable || r.value != nil {
			continue
		}
		try(r.Column, r.Column)
		for _, s := range r.Synonyms {
			try(r.Column, s.Header)
		}
	}
	return best, best.Likeness >= likeEnough
}
