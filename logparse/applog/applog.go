// Package applog reads the logs of application backends.
//
//   - Shape: how a program writes the head of its entries, in the words of Python's logging, such as
//     '%(asctime)s - %(name)s - %(levelname)s - %(message)s'.
//   - Head: the first line of an entry. The lines that go on with it have none: of tracebacks, of SQL, of JSON that
//     is printed for people.
//   - Loose line: what a program printed past its logging; it has no head and no time.
//   - Panel: a box of lines drawn with characters, as CrewAI prints them.
//   - Access line: what a web server writes of one request.
//   - Pattern: what a message looks like, and what it proves. A Pack is a set of them, in YAML; Discovery is the application's.
//   - Claim: a value that a message tells, with its place, what is Known of it, and what makes it doubtful.
//   - Chain: the imports that messages tell, whose ids lead to flows and these to assets.
//   - Payload: a message that holds values of rows: the body of a request, or one row as Python shows it.
//   - Table: how what messages tell becomes rows of a table, which a pack says. Rows makes them.
//   - Template: messages that differ in some words only.
//
// The Detector offers text of the shapes that a sample holds, JSON lines, and access lines.
// Entries go through Pack.Match, and what it finds through Chain.Add, or through Rows.Add, which has a Chain; those that no
// pattern takes go into Templates.
package applog

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
)

// Detector offers the formats of backends for lines. It is a logparse.Detector, and comes before that of pglog: what
// uvicorn writes may be taken for the server's, and nothing of the server's is offered here.
type Detector struct {
	// Shapes were given; they come before those that are known.
	Shapes []*Shape
}

// Detect looks at a sample.
func (d Detector) Detect(sample []logparse.Line) []logparse.Candidate {
	var offered []logparse.Candidate
	for _, candidate := range []logparse.Candidate{d.text(sample), jsonLines(sample), accessLines(sample)} {
		if candidate.Score > 0 {
			offered = append(offered, candidate)
		}
	}
	return offered
}

// text offers the shapes that the sample holds, the most frequent first.
func (d Detector) text(sample []logparse.Line) logparse.Candidate {
	heads := mostFrequent(sample, append(append([]*Shape(nil), d.Shapes...), knownShapes()...))
	if len(heads) == 0 {
		return logparse.Candidate{}
	}
	shown := make([]string, len(heads))
	for i, shape := range heads {
		shown[i] = "'" + shape.String() + "'"
	}
	begins := func(text []byte) bool { return headOf(heads, text) != nil }
	return logparse.Candidate{
		Format: "Python logging, " + strings.Join(shown, ", "),
		Score:  share(sample, begins),
		Framer: func() logparse.Framer { return newTextFramer(heads) },
		Begins: begins,
	}
}

// maxShapes bounds how many shapes are read in one log.
const maxShapes = 6

// mostFrequent chooses the shape that takes most lines, then the one that takes most of the others, and so on. A WARNING
// of uvicorn's looks as one of PostgreSQL's without a prefix does, and chooses nothing.
func mostFrequent(sample []logparse.Line, known []*Shape) (heads []*Shape) {
	var takers [][]int // of the lines that are heads: which of known take them
	for i := range sample {
		if bytes.HasPrefix(sample[i].Text, []byte("WARNING:  ")) {
			continue
		}
		var by []int
		for n, shape := range known {
			if shape.matches(sample[i].Text) {
				by = append(by, n)
			}
		}
		if by != nil {
			takers = append(takers, by)
		}
	}
	for len(heads) < maxShapes && len(takers) > 0 {
		counts := make([]int, len(known))
		for _, by := range takers {
			for _, n := range by {
				counts[n]++
			}
		}
		best := slices.Index(counts, slices.Max(counts))
		heads = append(heads, known[best])
		takers = slices.DeleteFunc(takers, func(by []int) bool { return slices.Contains(by, best) })
	}
	return heads
}

// headOf finds the first shape that takes a line for a head.
func headOf(shapes []*Shape, text []byte) *Shape {
	for _, shape := range shapes {
		if shape.matches(text) {
			return shape
		}
	}
	return nil
}

// share is the part of the lines that entries begin with or that go on with them; and of panels and tracebacks
// that are printed between: a backend may write many more of those than heads.
func share(sample []logparse.Line, begins func([]byte) bool) float64 {
	own, lines, open := 0, 0, false
	var rest continuation
	for i := range sample {
		text := sample[i].Text
		if len(text) == 0 {
			rest.blank = true
			continue
		}
		lines++
		switch {
		case begins(text):
			open = true
			rest.begin(text)
			own++
		case open && rest.goesOn(text):
			own++
		default:
			rest = continuation{}
			if rest.note(text); open && (rest.panel || rest.traceback) {
				own++
			}
		}
	}
	if lines == 0 {
		return 0
	}
	return float64(own) / float64(lines)
}
