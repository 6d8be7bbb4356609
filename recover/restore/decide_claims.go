package restore

import (
	"fmt"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// rival is a version that should be the same as the best one.
type rival struct {
	best, version version
	// opens: other values open a conflict; else they are only told, because the best one is
	// bytes of the database, or what a dump had at another time.
	opens bool
}

// sameClaim tells of two versions from logs whether they should be the same: those of one
// log are different versions of the row; so are those that did not end at the same time.
func sameClaim(best, v *version) bool {
	return v.Source != best.Source && v.CommitTime.Equal(best.CommitTime) && v.Operation == best.Operation
}

// claimBeside is what logs say of a row that others know better; nil: nothing.
func claimBeside(best *version, others []*version) *version {
	if best.Route == evidence.RouteLogs {
		return nil
	}
	for _, v := range others {
		if v.Route == evidence.RouteLogs {
			return v // the newest
		}
	}
	return nil
}

// newestClaim leaves out the versions from logs that a newer one of them replaced: what
// the newer one does not know may have become another value.
func newestClaim(best *version, others []*version) []*version {
	claimed := best.Route == evidence.RouteLogs
	var left []*version
	for _, v := range others {
		if v.Route == evidence.RouteLogs {
			if claimed {
				continue
			}
			claimed = true
		}
		left = append(left, v)
	}
	return left
}

// hears compares what logs claim with what is known better, and reports whether they agree.
func (d *decision) hears(best, claim *version, columns []ColumnPlan) bool {
	at := differs(d.values, claim.values)
	if at < 0 {
		if shared(d.values, claim.values) < 2 {
			return false // the key, or a part of it, and nothing else
		}
		d.from = append(d.from, claim.id)
		return true
	}
	r := rival{best: *best, version: *claim, opens: best.imported()}
	r.best.values = d.values
	d.rivals = append(d.rivals, r)
	if r.opens && d.dispute == "" {
		d.dispute = disputed(best, claim, columns[at].Name, &d.values[at], &claim.values[at])
	}
	return false
}

// shared counts the columns of which both versions know the value.
func shared(a, b []evidence.Value) int {
	n := 0
	for i := range a {
		if a[i].State != evidence.Unknown && b[i].State != evidence.Unknown {
			n++
		}
	}
	return n
}

// disputed says where two versions differ.
func disputed(best, v *version, column string, is, other *evidence.Value) string {
	return fmt.Sprintf("%s (%s) and %s (%s) differ in column %s: %s and %s", best.Route, whereFound(best), v.Route, whereFound(v),
		pg.QuoteIdent(column), valueText(is), valueText(other))
}

// whereStands says where a value stands.
func (v *version) whereStands(i int) string {
	if v.origins != nil && v.origins[i].Line != 0 {
		return fmt.Sprintf("%s line %d", v.origins[i].Source, v.origins[i].Line)
	}
	return whereFound(v)
}
