package casefile

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// ErrNoColumn tells that no table of the case has a column that was named.
var ErrNoColumn = errors.New("no table of the case has this column")

// metaPseudonymized is the key in meta of a case whose values were replaced.
const metaPseudonymized = "pseudonymized"

// ErrBadColumn tells that a text names no column.
var ErrBadColumn = errors.New("it is not TABLE.COLUMN or SCHEMA.TABLE.COLUMN")

// Personal names a column whose values say something about people: of the table,
// and of its partitions.
type Personal struct {
	Schema string // "": any
	Table  string
	Column string
}

// String prints the name as SQL does.
func (p Personal) String() string {
	name := pg.QuoteIdent(p.Table) + "." + pg.QuoteIdent(p.Column)
	if p.Schema != "" {
		name = pg.QuoteIdent(p.Schema) + "." + name
	}
	return name
}

// ParsePersonal reads a name as SQL does: what is not in double quotes is folded to
// lower case.
func ParsePersonal(text string) (Personal, error) {
	parts, err := splitName(text)
	if err != nil {
		return Personal{}, err
	}
	switch len(parts) {
	case 2:
		return Personal{Table: parts[0], Column: parts[1]}, nil
	case 3:
		return Personal{Schema: parts[0], Table: parts[1], Column: parts[2]}, nil
	}
	return Personal{}, ErrBadColumn
}

// splitName splits a name at its dots.
func splitName(text string) ([]string, error) {
	var parts []string
	for {
		var part strings.Builder
		if rest, quoted := strings.CutPrefix(text, `"`); quoted {
			for {
				at := strings.IndexByte(rest, '"')
				if at < 0 {
					return nil, ErrBadColumn
				}
				part.WriteString(rest[:at])
				rest = rest[at+1:]
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				part.WriteByte('"')
				rest = rest[1:]
			}
			text = rest
		} else {
			at := strings.IndexAny(text, `."`)
			if at < 0 {
				at = len(text)
			}
			part.WriteString(strings.ToLower(text[:at]))
			text = text[at:]
		}
		if part.Len() == 0 {
			return nil, ErrBadColumn
		}
		parts = append(parts, part.String())
		if text == "" {
			return parts, nil
		}
		if text[0] != '.' {
			return nil, ErrBadColumn
		}
		text = text[1:]
	}
}

// of reports whether the column is one of a table with these names.
func (p *Personal) of(schema, table string) bool {
	return p.Table == table && (p.Schema == "" || p.Schema == schema)
}

// pseudonyms replaces the values of columns in a copy of case.db.
type pseudonyms struct {
	c        *Case
	ctx      context.Context
	personal []Personal
	key      []byte
	done     func(int64) // bytes
	replaced int64
	used     []bool // whether a table has the column, by index of personal
	values   []evidence.Value
}

// takenOut stands for a text that may quote values.
const takenOut = "(taken out)"

// columns lists which columns of a table are personal, by their places.
func (p *pseudonyms) columns(rel evidence.RelationName, partitionOf evidence.RelationName, names []string) []int {
	var places []int
	for i, name := range names {
		for j := range p.personal {
			one := &p.personal[j]
			if one.Column == name && (one.of(rel.Schema, rel.Name) || partitionOf.Name != "" && one.of(partitionOf.Schema, partitionOf.Name)) {
				p.used[j] = true
				places = append(places, i)
				break
			}
		}
	}
	return places
}

// Pseudonym is what stands for a value: the same one for the same key and value.
func Pseudonym(key, value []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

// pseudonym replaces a value: the same value has the same pseudonym everywhere. Of
// one that is not known the bytes go, and the reason, which may quote a part of it.
func (p *pseudonyms) pseudonym(v *evidence.Value) {
	switch v.State {
	case evidence.Known:
		v.Text = []byte(Pseudonym(p.key, v.Text))
		p.replaced++
	case evidence.Unknown:
		v.Raw, v.Reason = nil, takenOut
	}
}

// replace gives the JSON array of values with those at the places replaced; nil stays nil.
func (p *pseudonyms) replace(text []byte, places []int) ([]byte, error) {
	if text == nil || len(places) == 0 {
		return text, nil
	}
	var err error
	if p.values, err = ParseValues(p.values[:0], text); err != nil {
		return nil, err
	}
	for _, at := range places {
		if at < len(p.values) {
			p.pseudonym(&p.values[at])
		}
	}
	return AppendValues(nil, p.values), nil
}

// run replaces everything, in one transaction.
func (p *pseudonyms) run() error { return p.c.atomic(p.replaceAll) }

func (p *pseudonyms) replaceAll() error {
	list, _, err := p.c.readShapes()
	if err != nil {
		return err
	}
	for _, rel := range list {
		if err := p.relation(rel); err != nil {
			return err
		}
	}
	if err := p.plans(); err != nil {
		return err
	}
	for i, used := range p.used {
		if !used {
			return failure("pseudonymize", p.personal[i].String(), ErrNoColumn, ErrNoColumn, "`pgrescue case show` lists the tables; a partition goes with its table")
		}
	}
	for _, statement := range []string{
		// Statements and messages of logs quote values.
		"UPDATE event SET statement = '', message = '(taken out)', detail = NULL WHERE source <> 'wal'",
		"UPDATE plan_batch SET detail = NULL",
	} {
		if err := sqlitex.ExecuteTransient(p.c.conn, statement, nil); err != nil {
			return err
		}
	}
	if p.c.version >= versionOrigins { // what a count rests on quotes a line of a log
		if err := sqlitex.ExecuteTransient(p.c.conn, "UPDATE logged_count SET why = ? WHERE why <> ''", &sqlitex.ExecOptions{Args: []any{takenOut}}); err != nil {
			return err
		}
	}
	if p.c.version >= versionTriage { // what a log says quotes values
		if err := sqlitex.ExecuteTransient(p.c.conn, "UPDATE point SET text = ? WHERE source = 'log'", &sqlitex.ExecOptions{Args: []any{takenOut}}); err != nil {
			return err
		}
	}
	if err := p.c.setMeta(metaPseudonymized, "yes"); err != nil {
		return err
	}
	return p.c.digest(append(runTables(), planTables()...))
}

// relation replaces values in the rows of a table.
func (p *pseudonyms) relation(rel *Relation) error {
	shapes, err := p.shapesOf(rel)
	if err != nil {
		return err
	}
	for id, s := range shapes {
		if len(s.places) == 0 && p.c.version < versionOrigins {
			continue
		}
		if err := p.rows(id, s); err != nil {
			return err
		}
	}
	return nil
}

// personalShape says where a shape has personal columns: in its values, and in its key.
type personalShape struct{ places, inKey []int }

func (p *pseudonyms) shapesOf(rel *Relation) (map[int64]personalShape, error) {
	shapes := make(map[int64]personalShape)
	err := sqlitex.Execute(p.c.conn, "SELECT id, columns FROM shape WHERE relation_id = ?", &sqlitex.ExecOptions{
		Args: []any{rel.ID},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			columns, err := parseShape([]byte(stmt.ColumnText(1)))
			var names []string
			for _, c := range columns {
				names = append(names, c.Name)
			}
			s := personalShape{places: p.columns(rel.RelationName, rel.PartitionOf, names)}
			nth := 0
			for i, c := range columns {
				if !c.Key {
					continue
				}
				if slices.Contains(s.places, i) {
					s.inKey = append(s.inKey, nth)
				}
				nth++
			}
			shapes[stmt.ColumnInt64(0)] = s
			return err
		},
	})
	return shapes, err
}

// planHeader is what has to be known of a plan: which columns its tables have.
type planHeader struct {
	Tables []struct {
		Schema  string `json:"schema"`
		Name    string `json:"name"`
		Columns []struct {
			Name string `json:"name"`
		} `json:"columns"`
		Key []string `json:"key"`
	} `json:"tables"`
}

// plans replaces values in the rows of plans. Such a plan must not be applied any
// more, and its state says so.
func (p *pseudonyms) plans() error {
	headers := make(map[int64]string)
	err := p.c.each("SELECT id, header FROM plan", func(stmt *sqlite.Stmt) error {
		headers[stmt.ColumnInt64(0)] = stmt.ColumnText(1)
		return nil
	})
	if err != nil {
		return err
	}
	for id, text := range headers {
		var header planHeader
		if err := json.Unmarshal([]byte(text), &header); err != nil {
			return failure("pseudonymize", fmt.Sprintf("plan %d", id), ErrDamaged, err, hintDamaged)
		}
		for n, table := range header.Tables {
			var names []string
			for _, column := range table.Columns {
				names = append(names, column.Name)
			}
			rel := evidence.RelationName{Schema: table.Schema, Name: table.Name}
			places, inKey := p.columns(rel, evidence.RelationName{}, names), p.columns(rel, evidence.RelationName{}, table.Key)
			if err := p.planRows(id, int64(n), places, inKey); err != nil {
				return err
			}
		}
		// Notes quote values, also those of rows that only the target has.
		if err := sqlitex.Execute(p.c.conn, "UPDATE plan_row SET note = '(taken out)' WHERE plan_id = ? AND note <> ''", &sqlitex.ExecOptions{Args: []any{id}}); err != nil {
			return err
		}
		if err := p.sealPlan(id); err != nil {
			return err
		}
	}
	return nil
}
