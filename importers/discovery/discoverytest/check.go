package discoverytest

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// check is one comparison.
type check struct {
	T      testing.TB
	state  *State
	actual Actual
	names  map[string]string // with its braces -> text
	types  map[string]map[string]string
	found  map[*table][]map[string]*string
}

// read reads a table, and names the ids of its rows.
func (c *check) read(tb *table) {
	c.T.Helper()
	full := c.actual.Schema + "." + tb.name
	var columns []string
	types := map[string]string{}
	for _, line := range lines(c.actual.Copy("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" +
		full + "'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum")) {
		name, typ, _ := strings.Cut(line, "\t")
		columns, types[name] = append(columns, name), typ
	}
	if c.types == nil {
		c.types = map[string]map[string]string{}
	}
	c.types[tb.name] = types
	for _, line := range lines(c.actual.Copy("SELECT * FROM " + full)) {
		values := map[string]*string{}
		for i, text := range strings.Split(line, "\t") {
			if text != `\N` {
				plain := unescape(text)
				values[columns[i]] = &plain
			} else {
				values[columns[i]] = nil
			}
		}
		c.found[tb] = append(c.found[tb], values)
		for _, also := range tb.also {
			if text := values[also[0]]; text != nil {
				c.names["{{"+also[1]+"}}"], c.names["{{"+also[1]+":8}}"] = *text, (*text)[:min(8, len(*text))]
			}
		}
		if key := values[tb.by]; key != nil && values["id"] != nil {
			name := "{{" + tb.as + " " + *key + "}}"
			if other, twice := c.names[name]; twice && other != *values["id"] {
				c.T.Errorf("%s: %s: two rows have %s %q", c.state.path, tb.name, tb.by, *key)
			}
			c.names[name] = *values["id"]
		}
	}
	if want := tb.count; want >= 0 && len(c.found[tb]) != want {
		c.T.Errorf("%s: %s has %d rows, want %d", c.state.path, tb.name, len(c.found[tb]), want)
	}
}

// compare compares the rows of a table.
func (c *check) compare(tb *table) {
	c.T.Helper()
	ids := map[string]bool{}
	for _, values := range c.found[tb] {
		if id := values["id"]; id != nil && ids[*id] {
			c.T.Errorf("%s: %s: two rows have the id %s", c.state.path, tb.name, *id)
		} else if id != nil {
			ids[*id] = true
		}
	}
	for _, values := range c.found[tb] {
		if key := values[tb.by]; key != nil {
			c.compareRow(tb, &row{key: *key, partial: true}, values)
		}
	}
	for _, want := range tb.rows {
		i := slices.IndexFunc(c.found[tb], func(values map[string]*string) bool {
			return values[tb.by] != nil && *values[tb.by] == c.fill(want.key)
		})
		if i < 0 {
			c.T.Errorf("%s: %s has no row with %s %q", c.state.path, tb.name, tb.by, c.fill(want.key))
			continue
		}
		c.compareRow(tb, want, c.found[tb][i])
	}
	if tb.count < 0 && len(tb.rows) != len(c.found[tb]) {
		c.T.Errorf("%s: %s has %d rows, and the state %d", c.state.path, tb.name, len(c.found[tb]), len(tb.rows))
	}
}

func (c *check) compareRow(tb *table, want *row, values map[string]*string) {
	c.T.Helper()
	wrong := func(column, got, expected string) {
		c.T.Errorf("%s: %s, %s %q, column %s:\n got %s\nwant %s", c.state.path, tb.name, tb.by, want.key, column, got, expected)
	}
	for column, got := range values {
		text, stated := want.columns[column]
		if !stated {
			text, stated = tb.every[column]
		}
		if more, ok := c.actual.More[tb.name][column]; ok {
			text, stated = more, true
		}
		switch {
		case !stated && (got == nil || want.partial):
		case !stated:
			wrong(column, *got, "NULL")
		case text == "NULL" && got == nil:
		case got == nil:
			wrong(column, "NULL", text)
		case text == "now" && strings.HasPrefix(c.types[tb.name][column], "timestamp"):
		case c.types[tb.name][column] == "jsonb":
			if !sameJSON(c.still(*got), c.still(c.fill(text))) {
				wrong(column, *got, c.fill(text))
			}
		case c.still(*got) != c.still(c.fill(text)):
			wrong(column, *got, c.fill(text))
		}
	}
	for _, stated := range []map[string]string{want.columns, tb.every} {
		for column := range stated {
			if _, ok := values[column]; !ok {
				c.T.Errorf("%s: %s has no column %s", c.state.path, tb.name, column)
			}
		}
	}
}

var (
	braces = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	clean  = regexp.MustCompile(`\{\{clean (\{(?:[^{}]|\{[^{}]*\})*\})\}\}`)
)

// fill puts ids in for their names.
func (c *check) fill(text string) string {
	text = clean.ReplaceAllStringFunc(text, func(call string) string {
		object := clean.FindStringSubmatch(call)[1]
		return strings.TrimSuffix(object, "}") + `, "cleansing_method": "basic_fallback", "cleansed_at": "` + c.actual.Fixed["time"] + `"}`
	})
	return braces.ReplaceAllStringFunc(text, func(name string) string {
		if id, ok := c.names[name]; ok {
			return id
		}
		return name
	})
}

var moment = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(\+00)?`)

// still takes the times out of a text, if they do not count.
func (c *check) still(text string) string {
	if c.actual.AnyTime {
		return moment.ReplaceAllString(text, "")
	}
	return text
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// unescape takes COPY's backslashes off.
func unescape(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r", `\b`, "\b", `\f`, "\f", `\v`, "\v").Replace(text)
}
