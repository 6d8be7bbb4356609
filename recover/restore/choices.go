package restore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

const (
	opChoice     = "restore: read the choice"
	hintChoice   = "write it as TABLE=keep, TABLE.COLUMN=overwrite or, for every table, fill; names as in SQL"
	hintNameCase = "`pgrescue case show` lists the tables of the case"
)

// ParseChoice reads what a person chose for conflicts: TABLE=keep,
// TABLE.COLUMN=overwrite, or a word alone for every table. tables are those that
// the name may be of; the table of a choice is printed as they are.
func ParseChoice(text string, tables []evidence.RelationName) (Choice, error) {
	at := strings.LastIndexByte(text, '=')
	choice := Choice{Resolution: Resolution(text[at+1:])}
	switch choice.Resolution {
	case TakeTarget, TakeCase, FillNulls:
	default:
		return choice, failure(opChoice, text, ErrChoice, fmt.Errorf("%q is not one of keep, overwrite and fill", text[at+1:]), hintChoice)
	}
	if at < 0 {
		return choice, nil
	}
	folded, exact, err := pg.SplitName(text[:at])
	if err == nil && len(folded) > 3 {
		err = errors.New("the name has more parts than schema, table and column")
	}
	if err != nil {
		return choice, failure(opChoice, text, ErrChoice, err, hintChoice)
	}
	// A name of two parts may be schema and table, or table and column.
	for _, columns := range []int{0, 1} {
		for _, parts := range [][]string{folded, exact} {
			found := tablesNamed(tables, parts[:len(parts)-columns])
			if len(found) > 1 {
				return choice, failure(opChoice, text, ErrChoice, fmt.Errorf("it can be %s or %s", found[0], found[1]), "write the schema too")
			}
			if len(found) == 1 {
				choice.Table = found[0].String()
				if columns == 1 {
					choice.Column = parts[len(parts)-1]
				}
				return choice, nil
			}
		}
	}
	return choice, failure(opChoice, text, ErrNoTable, errors.New("the case has no such table"), hintNameCase)
}

// tablesNamed lists the tables with a name of one or two parts. One in public hides
// others of its name.
func tablesNamed(tables []evidence.RelationName, parts []string) []evidence.RelationName {
	var found []evidence.RelationName
	for _, table := range tables {
		switch {
		case len(parts) == 0 || len(parts) > 2 || table.Name != parts[len(parts)-1]:
		case len(parts) == 2 && table.Schema != parts[0]:
		case len(parts) == 1 && table.Schema == "public":
			return []evidence.RelationName{table}
		default:
			found = append(found, table)
		}
	}
	return found
}
