package statement

import (
	"errors"
	"sort"
	"strings"
)

// ErrTooDeep tells that a statement nests deeper or is longer than the grammar's module can take.
var ErrTooDeep = errors.New("the statement is too deep or too long to be parsed")

// What the grammar takes: its module has a small stack of its own, which these are far from exhausting.
const (
	maxNesting  = 60  // brackets and CASE
	maxHeight   = 200 // of the tree: operators that follow each other nest too
	maxTemplate = 256 << 10
)

// form is a statement without its constants, and the constants.
type form struct {
	sql      string
	template string
	offsets  []int     // of the constants' places in the template
	literals []literal // one for each of offsets
	// more are further rows of VALUES, which look as the first one: what stands in the places from first on.
	first int
	more  [][]literal
	cut   bool
}

// literal is a constant: a token, with a sign before it.
type literal struct {
	token
	negative bool
}

// normaliser builds a form.
type normaliser struct {
	form
	list   []token
	out    strings.Builder
	levels []level // of the brackets that are open, the statement itself first
}

// level is how high the tree is that one pair of brackets holds, as far as it was read.
type level struct {
	highest int // of the expressions that have ended
	operand int // the highest operand of this expression
	chain   int // operators of this expression
}

func (l level) height() int { return max(l.highest, l.operand+l.chain) }

// normalise finds the template of a statement. Constants become ”, 1 or 1.0: what the grammar takes in their place.
// Rows of VALUES that look alike become one.
func normalise(sql string) (*form, error) {
	list, err := tokens(sql)
	n := &normaliser{form: form{sql: sql}, list: list, levels: make([]level, 1, 8)}
	n.cut = err != nil
	if strings.IndexByte(sql, 0) >= 0 {
		return &n.form, errors.New("a NUL byte stands in it")
	}
	values := n.onlyValues()
	for i := 0; i < len(n.list); {
		if n.text(i) == ";" && n.list[i].kind == tokenPunct {
			break
		}
		if !n.fits() {
			return &n.form, ErrTooDeep
		}
		if i == values {
			n.emit(i)
			next, ok := n.rows(i + 1)
			if !ok {
				return &n.form, ErrCut
			}
			i = next
			continue
		}
		i = n.take(i, false)
	}
	n.template = n.out.String()
	if n.cut && (values < 0 || len(n.levels) > 1) {
		return &n.form, ErrCut
	}
	return &n.form, nil
}

func (n *normaliser) fits() bool {
	return len(n.levels) <= maxNesting && n.levels[len(n.levels)-1].height() <= maxHeight && n.out.Len() <= maxTemplate
}

func (n *normaliser) text(i int) string {
	if i < 0 || i >= len(n.list) {
		return ""
	}
	return n.sql[n.list[i].start:n.list[i].end]
}

func (n *normaliser) said(i int, word string) bool {
	return i >= 0 && i < len(n.list) && n.list[i].kind == tokenWord && strings.EqualFold(n.text(i), word)
}

// onlyValues finds the word VALUES if it stands there once, before a row; or -1.
func (n *normaliser) onlyValues() int {
	found := -1
	for i := range n.list {
		if n.said(i, "VALUES") {
			if found >= 0 || n.text(i+1) != "(" {
				return -1
			}
			found = i
		}
	}
	return found
}

// emit writes a token as it stands.
func (n *normaliser) emit(i int) { n.write(n.text(i)) }

func (n *normaliser) write(text string) {
	if n.out.Len() > 0 {
		n.out.WriteByte(' ')
	}
	n.out.WriteString(text)
}

// place writes what stands for a constant.
func (n *normaliser) place(text string, constant literal) {
	if n.out.Len() > 0 {
		n.out.WriteByte(' ')
	}
	n.offsets = append(n.offsets, n.out.Len())
	n.literals = append(n.literals, constant)
	n.out.WriteString(text)
}

// take writes the token at i, or what stands for it, and gives the index of the next. item tells that it begins
// an item of a row of VALUES.
func (n *normaliser) take(i int, item bool) int {
	if item {
		if next, ok := n.item(i); ok {
			return next
		}
	}
	t := n.list[i]
	if n.said(0, "COPY") { // its options are no constants of the tree
		n.count(i)
		n.emit(i)
		return i + 1
	}
	switch t.kind {
	case tokenString:
		n.place("''", literal{token: t})
	case tokenBits:
		n.place("B''", literal{token: t})
	case tokenNumber:
		if strings.Trim(n.text(i), "0123456789") == "" {
			n.place("1", literal{token: t})
		} else {
			n.place("1.0", literal{token: t})
		}
	default:
		n.count(i)
		n.emit(i)
	}
	return i + 1
}

// count keeps how high the tree is.
func (n *normaliser) count(i int) {
	top := &n.levels[len(n.levels)-1]
	text := n.text(i)
	if n.list[i].kind == tokenWord {
		text = strings.ToUpper(text)
	} else if n.list[i].kind == tokenOperator {
		text = "+"
	}
	switch text {
	case "+", "OPERATOR", "NOT", "JOIN", "UNION", "EXCEPT", "INTERSECT", "IS", "COLLATE", "AT":
		top.chain++
	case ",", "AND", "OR", "WHEN", "THEN", "ELSE":
		*top = level{highest: top.height()}
	case "(", "[", "CASE":
		if text == "[" {
			top.chain++ // a subscript of what stands before it
		}
		n.levels = append(n.levels, level{})
	case ")", "]", "END":
		if len(n.levels) > 1 {
			n.levels = n.levels[:len(n.levels)-1]
			below := &n.levels[len(n.levels)-1]
			below.operand = max(below.operand, top.height()+1)
		}
	}
}

// item writes a constant that is an item of a row, of whatever kind: rows with NULL and rows with a string in the
// same place are one template then.
func (n *normaliser) item(i int) (int, bool) {
	constant := literal{token: n.list[i]}
	at := i
	if n.text(i) == "-" && n.list[i].kind == tokenOperator && i+1 < len(n.list) && n.list[i+1].kind == tokenNumber {
		at++
		constant = literal{token: n.list[at], negative: true}
	}
	switch kind := n.list[at].kind; {
	case kind == tokenString || kind == tokenNumber || kind == tokenParam:
	case n.said(at, "NULL") || n.said(at, "TRUE") || n.said(at, "FALSE") || n.said(at, "DEFAULT"):
	default:
		return i, false
	}
	switch after := n.text(at + 1); {
	case after == "," || after == ")":
	case after == "::" && !constant.negative:
	default:
		return i, false
	}
	n.place("''", constant)
	return at + 1, true
}

// rows writes the rows of VALUES from i on, and gives the index behind them. It reports false if the first one is
// not whole.
func (n *normaliser) rows(i int) (int, bool) {
	n.first = len(n.literals)
	before, depth := n.out.String(), len(n.levels)
	var shape string
	alike, end, count := true, i, 0
	var rows [][]literal
	for at := i; ; at = end + 1 {
		next, ok := n.row(at)
		written, row := n.out.String()[len(before):], n.literals[n.first:]
		n.out.Reset()
		n.out.WriteString(before)
		n.literals, n.offsets = n.literals[:n.first:n.first], n.offsets[:n.first]
		n.levels = n.levels[:depth]
		if !ok { // the log ends in this row: it is not one
			n.cut = true
			break
		}
		end = next
		rows = append(rows, row)
		count++
		if count == 1 {
			shape = written
		}
		alike = alike && written == shape
		if n.text(end) == "," && end+1 == len(n.list) {
			n.cut = true
			break
		}
		if n.text(end) != "," || n.text(end+1) != "(" {
			break
		}
	}
	if count == 0 {
		return i, false
	}
	if alike {
		n.row(i)
		n.more = rows[1:]
	} else {
		for at, done := i, 0; done < count; done++ {
			if done > 0 {
				n.write(",")
			}
			at, _ = n.row(at)
			at++
		}
	}
	if n.cut {
		n.list = n.list[:end]
	}
	return end, true
}

// row writes one row in parentheses, and gives the index behind it; false if it does not end.
func (n *normaliser) row(i int) (int, bool) {
	if n.text(i) != "(" {
		return i, false
	}
	depth, item := 0, false
	for i < len(n.list) && n.fits() {
		text := n.text(i)
		punct := n.list[i].kind == tokenPunct
		i = n.take(i, item && depth == 1)
		if !punct {
			item = false
			continue
		}
		switch text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
			if depth == 0 {
				return i, true
			}
		}
		item = depth == 1 && (text == "(" || text == ",")
	}
	return i, false
}

// constant finds the constant that the grammar saw at an offset of the template: there, or behind minus signs and
// parentheses, which it counts.
func (f *form) constant(offset int) (int, bool, bool) {
	index := sort.SearchInts(f.offsets, offset)
	if offset < 0 || index == len(f.offsets) {
		return 0, false, false
	}
	negative := false
	for _, c := range []byte(f.template[offset:f.offsets[index]]) {
		switch c {
		case '-':
			negative = !negative
		case ' ', '(':
		default:
			return 0, false, false
		}
	}
	return index, negative, true
}
