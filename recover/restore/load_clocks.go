package restore

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// comparedText lists the columns that make rows different, as text without what a clock said.
func (t *loadTable) comparedText(n int, alias string) string {
	var terms []string
	for _, at := range t.comparedAt(n) {
		term := alias + "." + t.place.columns[at].name
		if pattern := t.Clocks[t.columnName(at)]; pattern != "" {
			term = fmt.Sprintf("pg_catalog.regexp_replace(%s::text, %s, '', 'g')", term, quoteLiteral(pattern))
		}
		terms = append(terms, term)
	}
	return strings.Join(terms, ", ")
}

// columnName is the name of one of place.columns, as it is.
func (t *loadTable) columnName(at int) string { return t.target.columns[t.ask.columns[at]].name }

// sameButClocks reports whether two values of a column differ at most in what a clock said.
func (t *loadTable) sameButClocks(column string, a, b *evidence.Value) bool {
	if equalValue(a, b) {
		return true
	}
	pattern, err := regexp.Compile(t.Clocks[column])
	if err != nil || t.Clocks[column] == "" || a.State != evidence.Known || b.State != evidence.Known {
		return false
	}
	return string(pattern.ReplaceAll(a.Text, nil)) == string(pattern.ReplaceAll(b.Text, nil))
}
