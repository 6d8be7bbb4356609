package term

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Column is a column of a Table.
type Column struct {
	Title string
	Right bool // numbers stand on the right
}

// Table is aligned text for people. Programs read the JSON instead.
type Table struct {
	Columns []Column
	rows    [][]string
}

// NewTable makes a Table. A title that begins with ">" makes its column stand on the right.
func NewTable(titles ...string) *Table {
	table := &Table{}
	for _, title := range titles {
		text, right := strings.CutPrefix(title, ">")
		table.Columns = append(table.Columns, Column{Title: text, Right: right})
	}
	return table
}

// Add adds a row. Missing cells are empty; cells beyond the last column are left out.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.Columns))
	for i := range row {
		if i < len(cells) {
			row[i] = Printable(cells[i])
		}
	}
	t.rows = append(t.rows, row)
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Keep leaves only the first n rows, or the last.
func (t *Table) Keep(n int, last bool) {
	if n >= len(t.rows) {
		return
	}
	if last {
		t.rows = t.rows[len(t.rows)-n:]
		return
	}
	t.rows = t.rows[:n]
}

// Write prints the table, each line behind indent. Without any title there is no head line.
func (t *Table) Write(w io.Writer, indent string) error {
	titles := make([]string, len(t.Columns))
	titled := false
	for i, column := range t.Columns {
		titles[i] = column.Title
		titled = titled || column.Title != ""
	}
	lines := t.rows
	if titled {
		lines = append([][]string{titles}, t.rows...)
	}
	widths := make([]int, len(t.Columns))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(indent+t.join(line, widths), " ") + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// join puts the cells of one line side by side.
func (t *Table) join(line []string, widths []int) string {
	var b strings.Builder
	for i, cell := range line {
		if i > 0 {
			b.WriteString("  ")
		}
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.Columns[i].Right {
			b.WriteString(padding + cell)
		} else {
			b.WriteString(cell + padding)
		}
	}
	return b.String()
}

// Count prints a number with commas between thousands: 2,116,718.
func Count(n int64) string {
	text := fmt.Sprintf("%d", n)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// Bytes prints a number of bytes in decimal units: 512 B, 1.2 GB.
func Bytes(n int64) string {
	if n < 1000 && n > -1000 {
		return fmt.Sprintf("%d B", n)
	}
	value := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB"} {
		value /= 1000
		// 999.95 would print as 1000.0 of this unit; the next one says it shorter.
		if value < 999.95 && value > -999.95 {
			return fmt.Sprintf("%.1f %s", value, unit)
		}
	}
	return fmt.Sprintf("%.1f EB", value/1000)
}

// Plural counts things: Plural(1, "gap", "gaps") is "1 gap".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}
