package report

import "fmt"

// grid is a table of a report.
type grid struct {
	Caption string
	Head    []column
	Rows    [][]cell
	// More says how many lines are not shown, and where they are; "": all are.
	More string
	// Stack holds that a phone shows each line as a card.
	Stack bool
}

// column is the head of a column.
type column struct {
	Title  string
	Number bool
	Mono   bool
}

// cell is a cell; a link is the ID of an element of the report.
type cell struct {
	Text string
	Link string
	// ID is what links to this line name.
	ID string
	// Badge is a class for a word that is told apart by its look.
	Badge string
	Mono  bool
	// Time is a time, which stays on one line; Mark tells the line apart from others.
	Time, Mark bool
}

func newGrid(caption string, head ...column) *grid {
	return &grid{Caption: caption, Head: head, Stack: len(head) > 3}
}

// add adds a line of texts.
func (g *grid) add(texts ...string) {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].Text = text
	}
	g.Rows = append(g.Rows, row)
}

func (g *grid) addCells(cells ...cell) { g.Rows = append(g.Rows, cells) }

// more says that lines are not shown.
func (g *grid) more(shown, all int64, what, where string) {
	if all > shown {
		g.More = fmt.Sprintf("%s of %s %s are shown. %s", count(shown), count(all), what, where)
	}
}

func text(title string) column   { return column{Title: title} }
func number(title string) column { return column{Title: title, Number: true} }
func mono(title string) column   { return column{Title: title, Mono: true} }
