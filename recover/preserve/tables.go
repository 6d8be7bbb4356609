package preserve

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// hurtTable is a table that lost rows, a partition of it or one that inherits from it.
type hurtTable struct {
	database     string
	oid, toast   pg.OID // toast: 0 where it has none
	name         string // schema and name, quoted where SQL needs it
	quoted       string // as the server quotes it
	kind         string // relkind
	owned        bool   // by the role of the session
	options      []string
	toastOptions []string
	files        []string // in the data directory
}

// takesOptions reports whether it has rows of its own, and so options of autovacuum.
func (t *hurtTable) takesOptions() bool { return t.kind == "r" || t.kind == "m" }

// findHurtSQL finds a table by its schema and name, or by its name in the search path, and what is
// below it. A schema is looked up as a row: to_regclass fails where the role has no right on it. The
// files are asked for by functions that take no lock.
const findHurtSQL = `WITH RECURSIVE tree AS (
	SELECT r.oid FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace s ON s.oid = r.relnamespace WHERE s.nspname = $1 AND r.relname = $2
	UNION SELECT pg_catalog.to_regclass($3::text)::pg_catalog.oid
	UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid)
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.to_json(c.reloptions), coalesce(t.oid, 0), pg_catalog.to_json(t.reloptions),
	pg_catalog.format('%I.%I', n.nspname, c.relname), coalesce(pg_catalog.pg_relation_filepath(c.oid), ''), coalesce(pg_catalog.pg_relation_filepath(t.oid), ''),
	pg_catalog.pg_has_role(c.relowner, 'USAGE')
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid AND c.reltoastrelid <> 0 WHERE c.relkind IN ('r', 'p', 'm') ORDER BY 1`

// findHurt finds the tables of a name. A name that the database does not know gives none.
func findHurt(ctx context.Context, conn *live.Conn, name []string) (list []hurtTable, err error) {
	schema, table, inPath := "", name[len(name)-1], ""
	if len(name) == 2 {
		schema = name[0]
	} else {
		inPath = pg.QuoteIdentAlways(table)
	}
	parameters := live.Parameters(schema, table, inPath)
	if inPath == "" {
		parameters[2] = nil
	}
	err = conn.Query(ctx, "look for "+strings.Join(name, ".")+" at", findHurtSQL, parameters, func(row [][]byte) error {
		t := hurtTable{
			database: conn.Database(), oid: oidOf(row[0]), toast: oidOf(row[5]), kind: string(row[3]), quoted: string(row[7]), owned: string(row[10]) == "t",
			name: evidence.RelationName{Schema: string(row[1]), Name: string(row[2])}.String(),
		}
		for _, file := range [][]byte{row[8], row[9]} {
			if len(file) > 0 {
				t.files = append(t.files, string(file))
			}
		}
		var err error
		if t.options, err = optionsOf(row[4]); err == nil {
			t.toastOptions, err = optionsOf(row[6])
		}
		list = append(list, t)
		return err
	})
	return list, err
}

func oidOf(text []byte) pg.OID {
	n, _ := strconv.ParseUint(string(text), 10, 32) // the server wrote it
	return pg.OID(n)
}

// optionsOf reads reloptions as JSON; NULL is nil.
func optionsOf(text []byte) (options []string, err error) {
	if text == nil {
		return nil, nil
	}
	if err = json.Unmarshal(text, &options); err != nil {
		return nil, fmt.Errorf("reloptions: %w", err)
	}
	return options, nil
}

// autovacuumOption is the option that a freeze sets.
const autovacuumOption = "autovacuum_enabled"

// frozenOption is what it sets it to, as reloptions then have it.
const frozenOption = autovacuumOption + "=off"

// optionValue finds an option among reloptions.
func optionValue(options []string, name string) (string, bool) {
	for _, option := range options {
		if key, value, _ := strings.Cut(option, "="); key == name {
			return value, true
		}
	}
	return "", false
}

// without is a list without one option.
func without(options []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(option string) bool {
		key, _, _ := strings.Cut(option, "=")
		return key == name
	})
}

// sameOptions compares two lists in whatever order.
func sameOptions(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// setSQL writes the option as ALTER TABLE sets it; prefix is "toast." for the TOAST table.
func setSQL(prefix, option string) string {
	key, value, _ := strings.Cut(option, "=")
	return prefix + pg.QuoteIdent(key) + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
}

// thawSQL is what ALTER TABLE has to do so that a table with the options now has those of before again, in
// their order; "": nothing. changed reports that somebody else set the option since the freeze.
func thawSQL(prefix string, before, now []string) (sql string, changed bool) {
	if slices.Equal(before, now) {
		return "", false
	}
	if value, set := optionValue(now, autovacuumOption); !set || value != "off" {
		return "", true
	}
	was, had := optionValue(before, autovacuumOption)
	after := without(now, autovacuumOption)
	if had {
		after = append(after, autovacuumOption+"="+was)
	}
	switch {
	case !sameOptions(after, before) || slices.Equal(after, before):
		// Somebody set another option meanwhile, which stays; or nothing else is to be done.
		if had {
			return "SET (" + setSQL(prefix, autovacuumOption+"="+was) + ")", false
		}
		return "RESET (" + prefix + autovacuumOption + ")", false
	}
	// SET puts an option last. Only all of them anew have the order of before.
	var reset, set []string
	for _, option := range now {
		key, _, _ := strings.Cut(option, "=")
		reset = append(reset, prefix+pg.QuoteIdent(key))
	}
	for _, option := range before {
		set = append(set, setSQL(prefix, option))
	}
	return "RESET (" + strings.Join(reset, ", ") + "), SET (" + strings.Join(set, ", ") + ")", false
}
