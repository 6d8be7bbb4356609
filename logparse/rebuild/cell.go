package rebuild

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/logparse/applog"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// cell is a value.
type cell struct {
	text  string // of what is unknown, what there is of it
	why   string // where it stands, or the reason
	by    *deed  // nil: no statement gave it
	state evidence.ValueState
	plain bool // text is as the server prints it
	// from is a column, plus 1, whose value this one is: of the row that there was.
	from int
}

// phrase is what a Why is made of.
type phrase struct {
	verb  string
	param int
	plain bool
}

// cells takes the values of a row. Columns that the table does not have are left out.
func (b *Builder) cells(d *deed, t *table, names []string, row []statement.Value) ([]int, []cell) {
	columns, cells := make([]int, 0, len(names)), make([]cell, 0, len(names))
	for i, name := range names[:min(len(names), len(row))] {
		at := t.column(name)
		if at < 0 {
			b.untold(t, d, "the table has no column "+name, 1)
			continue
		}
		columns, cells = append(columns, at), append(cells, b.cell(d, t, at, row[i]))
	}
	return columns, cells
}

// compared takes a value that a column is compared with, which does not become one of the column's type.
func (b *Builder) compared(d *deed, t *table, column int, v statement.Value) cell {
	typ := t.columns[column].Type
	if bare, _, _ := strings.Cut(typ, "("); bare == "numeric" {
		typ = bare
	}
	if typ == "real" && v.Type != "" && v.Type != "float4" && strings.Contains(string(v.Text), ".") {
		return cell{by: d, state: evidence.Unknown, text: string(v.Text), why: "a real is equal to few numbers that have more digits"}
	}
	return b.typed(d, t, column, typ, v)
}

// cell takes a value for a column, as the server prints it if that is certain.
func (b *Builder) cell(d *deed, t *table, column int, v statement.Value) cell {
	typ := t.columns[column].Type
	if v.State == evidence.Known && changed(v, typ) {
		return cell{by: d, state: evidence.Unknown, text: string(v.Text), why: string(v.Text) + " is cast to " + v.Type + ", and for the column to " + typ + ", which may change it"}
	}
	if v.Type == "numeric" && (typ == "smallint" || typ == "integer" || typ == "bigint") {
		if whole, ok := b.options.Canonical("numeric(131072,0)", v.Text); ok { // it is rounded
			v.Text = whole
		}
	}
	return b.typed(d, t, column, typ, v)
}

// changed reports whether a value of a type that a statement names may be another one in a column of another type.
func changed(v statement.Value, typ string) bool {
	cast := fullName(v.Type)
	if typ == "" || cast == "" || cast == typ {
		return false
	}
	text := typ == "text" || strings.HasPrefix(typ, "character varying")
	switch cast {
	case "real", "double precision":
		return !text
	case "timestamp with time zone", "timestamp without time zone", "time with time zone":
		return !strings.HasPrefix(typ, cast+"(") && (cast != "timestamp without time zone" || typ != "timestamp with time zone" || strings.ContainsAny(string(v.Text), "+Zz"))
	case "date":
		_, iso := pg.Canonical(cast, v.Text)
		return text && !iso
	case "interval", "money", "bytea":
		return text
	}
	return false
}

// typed takes a value as one of a type.
func (b *Builder) typed(d *deed, t *table, column int, typ string, v statement.Value) cell {
	c := cell{by: d, state: v.State}
	switch v.State {
	case evidence.Null:
		c.why, c.plain = b.why(d.verb, v.Param, true), true
		return c
	case evidence.Unknown:
		c.why, c.text = v.Reason, string(v.Raw)
		if v.Column != "" && !v.Excluded {
			c.from = t.column(v.Column) + 1
		}
		return c
	}
	if d.backend {
		if k := applog.Read(string(v.Text)); k.State == applog.Redacted || k.State == applog.Masked || k.State == applog.Filtered {
			return cell{by: d, state: evidence.Unknown, text: k.Text, why: "the log hides it: " + k.String()}
		}
	}
	text, plain := b.canonical(typ, v)
	c.text, c.plain, c.why = text, plain, b.why(d.verb, v.Param, plain)
	return c
}

// canonical gives the text that a column holds of a value.
func (b *Builder) canonical(typ string, v statement.Value) (string, bool) {
	if v.Type == "bool" && (typ == "text" || strings.HasPrefix(typ, "character varying")) {
		return map[string]string{"t": "true", "f": "false"}[string(v.Text)], true
	}
	text := v.Text
	if cast := fullName(v.Type); cast != "" && cast != typ {
		if plain, ok := b.options.Canonical(cast, text); ok {
			text = plain
			if typ == "" {
				return string(text), true
			}
		}
	}
	if typ == "" {
		return string(text), false
	}
	ask := b.options.Canonical
	if ofSession(typ, text) {
		ask = pg.Canonical
	}
	plain, ok := ask(typ, text)
	if !ok {
		return string(text), false
	}
	return string(plain), true
}

// ofSession reports whether the TimeZone or the DateStyle of the session that sent a text may have decided what it means. A
// server that is asked today reads it in a session of its own.
func ofSession(typ string, text []byte) bool {
	zoned := strings.Contains(typ, "with time zone")
	ranges := strings.HasPrefix(typ, "ts") && strings.Contains(typ, "range")
	if !zoned && !ranges && !strings.HasPrefix(typ, "timestamp") && !strings.HasPrefix(typ, "date") {
		return false
	}
	if typ != "date" && !strings.HasPrefix(typ, "timestamp") || strings.HasSuffix(typ, "[]") {
		return true
	}
	date, clock, _ := bytes.Cut(bytes.TrimSpace(bytes.Replace(text, []byte{'T'}, []byte{' '}, 1)), []byte{' '})
	_, iso := pg.Canonical("date", date)
	return !iso || zoned && !bytes.ContainsAny(clock, "+-Zz")
}

// fullName gives the name by which format_type prints a type that a statement calls by its own.
func fullName(name string) string {
	bare, list := strings.CutSuffix(name, "[]")
	switch bare {
	case "int2":
		bare = "smallint"
	case "int4":
		bare = "integer"
	case "int8":
		bare = "bigint"
	case "float4":
		bare = "real"
	case "float8":
		bare = "double precision"
	case "bool":
		bare = "boolean"
	case "varchar":
		bare = "character varying"
	case "timestamp", "time":
		bare += " without time zone"
	case "timestamptz", "timetz":
		bare = strings.TrimSuffix(bare, "tz") + " with time zone"
	case "bpchar":
		return ""
	}
	if list {
		bare += "[]"
	}
	return bare
}

// why says where a value stands.
func (b *Builder) why(verb string, param int, plain bool) string {
	key := phrase{verb, param, plain}
	if text, ok := b.phrases[key]; ok {
		return text
	}
	text := "literal of the " + verb
	if param > 0 {
		text = "parameter $" + strconv.Itoa(param)
	}
	if !plain {
		text += ", as it was written"
	}
	b.phrases[key] = text
	return text
}
