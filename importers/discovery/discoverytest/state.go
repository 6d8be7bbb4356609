// Package discoverytest compares the application's tables with a state that a person worked out.
//
//   - State: a text that says what every column of every table holds after an import.
//   - Row: named by the value of a column; what it does not mention is NULL.
//   - Name: {{raw 3}} stands for the id of a row, whatever it is, the same everywhere.
package discoverytest

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// State is what a text says:
//
//	# a comment: mostly the sentence of the fact sheet that a value rests on
//	let NAME = TEXT          <NAME> stands for TEXT from here on
//	table TABLE by COLUMN as NAME   rows are named by COLUMN, and their ids {{NAME VALUE}}
//	count N                  how many rows the table has
//	also COLUMN as NAME      {{NAME}} is what the column holds, and {{NAME:8}} its first eight characters
//	every                    what follows holds for each row of the table
//	row VALUE                what follows holds for this row
//	some VALUE               as row, but columns that are not mentioned may hold anything
//	  COLUMN = TEXT
//
// The text now is any time, and an empty text is an empty text. {{clean X}} is the object X as the application's
// cleansing left it. A column of type jsonb is compared by value, any other by its text.
type State struct {
	path   string
	tables []*table
	lets   map[string]string
}

type table struct {
	name, by, as string
	also         [][2]string // column, name
	count        int
	every        map[string]string
	rows         []*row
}

type row struct {
	key     string
	columns map[string]string
	partial bool
}

// Read reads a state.
func Read(t testing.TB, path string) *State {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &State{path: path, lets: map[string]string{}}
	var current *table
	var columns map[string]string
	for i, line := range strings.Split(string(text), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "" || strings.HasPrefix(word, "#"):
		case word == "let":
			name, value, _ := strings.Cut(rest, " = ")
			s.lets[name] = s.expand(value)
		case word == "table":
			current = &table{every: map[string]string{}, count: -1}
			if _, err := fmt.Sscanf(rest, "%s by %s as %s", &current.name, &current.by, &current.as); err != nil {
				t.Fatalf("%s:%d: %v", path, i+1, err)
			}
			s.tables = append(s.tables, current)
			columns = nil
		case word == "count":
			if _, err := fmt.Sscan(rest, &current.count); err != nil {
				t.Fatalf("%s:%d: %v", path, i+1, err)
			}
		case word == "every":
			columns = current.every
		case word == "also":
			column, name, _ := strings.Cut(rest, " as ")
			current.also = append(current.also, [2]string{column, name})
		case word == "row" || word == "some":
			r := &row{key: s.expand(rest), columns: map[string]string{}, partial: word == "some"}
			current.rows, columns = append(current.rows, r), r.columns
		default:
			name, value, found := strings.Cut(strings.TrimSpace(line), " =")
			if !found || columns == nil {
				t.Fatalf("%s:%d: not understood: %s", path, i+1, line)
			}
			columns[name] = s.expand(strings.TrimPrefix(value, " "))
		}
	}
	return s
}

var letName = regexp.MustCompile(`<[a-z0-9-]+>`)

// expand puts the texts of names in.
func (s *State) expand(text string) string {
	return letName.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := s.lets[strings.Trim(name, "<>")]; ok {
			return value
		}
		return name
	})
}

// Set gives a name a text.
func (s *State) Set(name, text string) { s.lets[name] = text }

// Actual is what a database holds.
type Actual struct {
	// Schema is that of the tables.
	Schema string
	// Copy gives the rows of a query in COPY's text format.
	Copy func(query string) string
	// Fixed are texts for names in braces, such as client.
	Fixed map[string]string
	// More are columns that the state does not know, with what they hold in every row: a schema
	// that has others than the state was written for. By table and column.
	More map[string]map[string]string
	// Without are tables that are not compared.
	Without []string
	// AnyTime takes all times for the same: of a loss, parts are of other moments.
	AnyTime bool
}

// Check compares the database with the state.
func (s *State) Check(t testing.TB, a Actual) {
	t.Helper()
	c := check{T: t, state: s, actual: a, names: map[string]string{}, found: map[*table][]map[string]*string{}}
	for name, text := range a.Fixed {
		c.names["{{"+name+"}}"] = text
	}
	for _, tb := range s.tables {
		if !slices.Contains(a.Without, tb.name) {
			c.read(tb)
		}
	}
	for _, tb := range s.tables {
		if !slices.Contains(a.Without, tb.name) {
			c.compare(tb)
		}
	}
}
