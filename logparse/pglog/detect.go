package pglog

import (
	"fmt"

	"github.com/pgrescue/pgrescue/logparse"
)

// Detector offers PostgreSQL's forms for lines. It is a logparse.Detector.
type Detector struct {
	// Prefix is the log_line_prefix that was given; nil: it is inferred.
	Prefix *Prefix
}

// maxPrefixes bounds how many log_line_prefix are looked for in one log: it can be changed while the server runs.
const maxPrefixes = 3

// Detect looks at a sample.
func (d Detector) Detect(sample []logparse.Line) []logparse.Candidate {
	var lines [][]byte
	for i := range sample {
		if len(sample[i].Text) > 0 {
			lines = append(lines, sample[i].Text)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	var offered []logparse.Candidate
	offer := func(format string, score float64, framer func() logparse.Framer, begins func([]byte) bool) {
		if score > 0 {
			offered = append(offered, logparse.Candidate{Format: format, Score: score, Framer: framer, Begins: begins})
		}
	}
	offer("PostgreSQL csvlog", shareCSV(lines), func() logparse.Framer { return &csvFramer{} }, beginsCSV)
	offer("PostgreSQL jsonlog", share(lines, beginsJSON, false), func() logparse.Framer { return &jsonFramer{} }, beginsJSON)
	if d.Prefix != nil {
		offer(formatOf(d.Prefix), d.Prefix.share(lines), d.Prefix.framer, d.Prefix.begins())
		return offered
	}
	rest := lines
	for range maxPrefixes {
		prefix := InferPrefix(rest)
		if prefix == nil {
			break
		}
		// What an earlier one took does not count: a word in the place of a time takes it too.
		offer(formatOf(prefix), prefix.share(rest)*float64(len(rest))/float64(len(lines)), prefix.framer, prefix.begins())
		if rest = prefix.without(rest); len(rest) == 0 {
			break
		}
	}
	return offered
}

func formatOf(p *Prefix) string { return fmt.Sprintf("PostgreSQL stderr, log_line_prefix '%s'", p) }

func (p *Prefix) framer() logparse.Framer { return newStderrFramer(p) }

// begins tells whether a message or a part of one begins with a line.
func (p *Prefix) begins() func([]byte) bool {
	m := &matcher{prefix: p}
	return m.match
}

// share is the part of the lines that belong to entries with the prefix.
func (p *Prefix) share(lines [][]byte) float64 { return share(lines, p.begins(), true) }

// share is the part of the lines that entries begin with; and those that go on after a tab, where there are such.
func share(lines [][]byte, begins func([]byte) bool, goOn bool) float64 {
	own, open := 0, false
	for _, line := range lines {
		if line[0] != '\t' {
			open = begins(line)
		}
		if open && (goOn || line[0] != '\t') {
			own++
		}
	}
	return float64(own) / float64(len(lines))
}

// shareCSV counts the lines of records that begin as they should.
func shareCSV(lines [][]byte) float64 {
	own, open, ours := 0, false, false
	for _, line := range lines {
		if !open || beginsCSV(line) {
			ours, open = beginsCSV(line), false
		}
		if quotes(line)%2 == 1 {
			open = !open
		}
		if ours {
			own++
		}
		if !ours {
			open = false
		}
	}
	return float64(own) / float64(len(lines))
}

// without gives the lines that are not the prefix's.
func (p *Prefix) without(lines [][]byte) [][]byte {
	begins := p.begins()
	var rest [][]byte
	open := false
	for _, line := range lines {
		if line[0] != '\t' {
			open = begins(line)
		}
		if !open {
			rest = append(rest, line)
		}
	}
	return rest
}
