package applog

import "github.com/pgrescue/pgrescue/logparse/pyrepr"

// FitsJSON reports whether an object that came by another route may be the one of which a log has a part: the Raw of a
// value that is unknown. All that the log has must be in the other; what it has redacted, masked or cut must fit there.
func FitsJSON(claimed, other string) bool {
	log, n := readJSON(claimed)
	if n < 0 {
		return false
	}
	whole, n := readJSON(other)
	return n >= 0 && !whole.Cut && fits(&log, &whole)
}

func fits(log, other *pyrepr.Value) bool {
	switch log.Kind {
	case pyrepr.Str:
		known := Read(log.Text)
		return known.State == Filtered || other.Kind == pyrepr.Str && known.Fits(other.Text) || known.State == Redacted && other.Kind != pyrepr.Str
	case pyrepr.Dict:
		for i := 0; i+1 < len(log.Items); i += 2 {
			theirs, ok := lastOf(other, log.Items[i].Text)
			if !ok || !fits(&log.Items[i+1], theirs) {
				return false
			}
		}
		return other.Kind == pyrepr.Dict
	case pyrepr.List:
		if other.Kind != pyrepr.List || len(log.Items) > len(other.Items) || len(log.Items) < len(other.Items) && !log.Cut {
			return false
		}
		for i := range log.Items {
			if !fits(&log.Items[i], &other.Items[i]) {
				return false
			}
		}
		return true
	}
	return log.Kind == other.Kind && log.Text == other.Text
}
