package runbook

import (
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	table "github.com/yuin/goldmark/extension/ast"
)

// list reads the items of a list in a step: facts, tasks and branches.
func (p *parser) list(n *ast.List) {
	if p.step == nil {
		return
	}
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		first := item.FirstChild()
		if first == nil || first.Lines().Len() == 0 || first.Kind() != ast.KindTextBlock && first.Kind() != ast.KindParagraph {
			continue
		}
		p.item(joined(first, p.source), p.line(first.Lines().At(0).Start))
	}
}

// joined is the text of a block on one line, with its marks.
func joined(n ast.Node, source []byte) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		segment := n.Lines().At(i)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.TrimSpace(string(segment.Value(source))))
	}
	return b.String()
}

func (p *parser) item(words string, line int) {
	if match := regexp.MustCompile(`^\[[ xX]\]\s+(.+)$`).FindStringSubmatch(words); match != nil {
		p.step.Parts = append(p.step.Parts, Part{Task: &Task{Text: match[1], Line: line}})
		return
	}
	if match := regexp.MustCompile(`^\*\*([^*]+?)(?::\*\*|\*\*:)\s*(.*)$`).FindStringSubmatch(words); match != nil {
		p.step.Facts = append(p.step.Facts, Fact{Key: match[1], Text: match[2], Line: line})
		return
	}
	if branch, ok := parseBranch(words, line); ok {
		p.step.Parts = append(p.step.Parts, Part{Branch: branch})
	} else if branchStart().MatchString(words) && firstAnchor(words) != "" {
		p.note(line, ruleBranch, "this looks like a branch and has no %s", arrow)
	}
}

// block takes a fenced block with a role into its step.
func (p *parser) block(n *ast.FencedCodeBlock) {
	if n.Info == nil {
		return
	}
	words := strings.Fields(string(n.Info.Segment.Value(p.source)))
	if len(words) < 2 {
		return
	}
	b := Block{Language: words[0], Role: Role(words[1]), Line: p.line(n.Info.Segment.Start)}
	var code strings.Builder
	b.End = b.Line + 1
	for i := range n.Lines().Len() {
		segment := n.Lines().At(i)
		code.Write(segment.Value(p.source))
		b.End = p.line(segment.Start) + 1
	}
	b.Text = code.String()
	if !p.closed(b.End) {
		p.note(b.Line, ruleBlock, "the block has no end")
		b.End = min(b.End, len(p.starts))
	}
	switch b.Role {
	case Check, Run, Verify, Undo:
		if b.Language != Shell && b.Language != SQL {
			p.note(b.Line, ruleBlock, "a block of %q cannot run; the languages are %s and %s", b.Language, Shell, SQL)
			return
		}
	case Expect:
		p.expect(b)
		return
	default:
		p.note(b.Line, ruleBlock, "no block has the role %q; the roles are check, run, verify, undo and expect", b.Role)
		return
	}
	if p.step == nil {
		p.book.outside = append(p.book.outside, b)
		p.note(b.Line, ruleBlock, "a %s block stands outside of a step, and will not run: steps are headings of the third level", b.Role)
		return
	}
	p.step.Parts = append(p.step.Parts, Part{Block: &b})
}

// closed reports whether a line of the file is a closing fence.
func (p *parser) closed(line int) bool {
	if line > len(p.starts) {
		return false
	}
	rest := string(p.source[p.starts[line-1]:])
	row, _, _ := strings.Cut(rest, "\n")
	row = strings.TrimLeft(row, " \t>")
	return strings.HasPrefix(row, "```") || strings.HasPrefix(row, "~~~")
}

// expect gives an expect block to the block before it.
func (p *parser) expect(b Block) {
	if p.step != nil {
		for i := len(p.step.Parts) - 1; i >= 0; i-- {
			before := p.step.Parts[i].Block
			if before == nil {
				continue
			}
			if before.ExpectLine == 0 {
				before.Expect, before.ExpectLine, before.expectEnd = b.Text, b.Line, b.End
				return
			}
			break
		}
	}
	p.note(b.Line, ruleBlock, "an expect block has no block before it of which it is the output")
}

// inputs reads the table of inputs. A cell may name several, each in backquotes.
func (p *parser) inputs(n *table.Table) {
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		if row.Kind() != table.KindTableRow {
			continue
		}
		var cells []string
		line := 0
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			if cell.Lines().Len() > 0 && line == 0 {
				line = p.line(cell.Lines().At(0).Start)
			}
			cells = append(cells, joined(cell, p.source))
		}
		p.inputRow(append(cells, "", "", "", ""), line)
	}
}

func (p *parser) inputRow(cells []string, line int) {
	names := splitCell(cells[0])
	examples := splitCell(cells[2])
	for i, name := range names {
		input := Input{Name: name, Meaning: cells[1], How: cells[3], Line: line}
		if len(names) == 1 {
			input.Example = strings.Trim(cells[2], "`")
		} else if i < len(examples) && len(examples) == len(names) {
			input.Example = examples[i]
		}
		if !variableName().MatchString(name) {
			p.note(line, ruleInput, "%q is no name of an environment variable", name)
			continue
		}
		if p.book.input(name) != nil {
			p.note(line, ruleInput, "%s is in the table twice", name)
			continue
		}
		p.book.Inputs = append(p.book.Inputs, input)
	}
}

// splitCell gives what stands between backquotes, or else the whole cell.
func splitCell(cell string) []string {
	var found []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 && strings.TrimSpace(cell) != "" {
		found = []string{strings.TrimSpace(cell)}
	}
	return found
}

func variableName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) }

func (b *Book) input(name string) *Input {
	for i := range b.Inputs {
		if b.Inputs[i].Name == name {
			return &b.Inputs[i]
		}
	}
	return nil
}
