package runbook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// longestBook bounds what is parsed: a person has to read it, too.
const longestBook = 2 << 20

// deepest is how far blocks of a book may lie in one another.
const deepest = 100

type link struct {
	anchor string
	line   int
}

type heading struct {
	id, text    string
	level, line int
}

// ErrNoBook: a file is no runbook at all.
var ErrNoBook = errors.New("this is no runbook")

// Open reads the book in a file.
func Open(path string) (*Book, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = evidence.OfKind(ErrNoBook, errors.New("this is a folder"))
	}
	if err == nil && info.Size() > longestBook {
		err = tooLong(info.Size())
	}
	if err != nil {
		return nil, &evidence.Error{Op: "runbook: open", Place: path, Err: err, Hint: "name a Markdown file"}
	}
	source := make([]byte, 0, 64<<10)
	buffer := bytes.NewBuffer(source)
	if _, err := buffer.ReadFrom(file); err != nil {
		return nil, &evidence.Error{Op: "runbook: read", Place: path, Err: err}
	}
	b, err := Parse(path, buffer.Bytes())
	if err == nil {
		b.inFile = true
	}
	return b, err
}

func tooLong(size int64) error {
	return evidence.OfKind(ErrNoBook, fmt.Errorf("it has %d bytes, a runbook has at most %d", size, longestBook))
}

// Parse reads a book. What is wrong inside it is for Lint; what is no text at all
// is an error.
func Parse(path string, source []byte) (*Book, error) {
	fail := func(err error) error {
		return &evidence.Error{Op: "runbook: parse", Place: path, Err: evidence.OfKind(ErrNoBook, err), Hint: "a runbook is Markdown in UTF-8"}
	}
	switch {
	case len(source) > longestBook:
		return nil, fail(tooLong(int64(len(source))))
	case !utf8.Valid(source) || bytes.IndexByte(source, 0) >= 0:
		return nil, fail(errors.New("it is not text in UTF-8"))
	}
	source = bytes.TrimPrefix(source, []byte("\ufeff"))
	source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	sum := sha256.Sum256(source)
	p := &parser{book: &Book{Path: path, SHA256: hex.EncodeToString(sum[:]), source: source}, starts: lineStarts(source), anchors: make(map[string]int)}
	body := p.frontMatter()
	if depth := deepestNesting(body); depth > deepest {
		return nil, fail(fmt.Errorf("blocks lie %d deep in one another", depth))
	}
	// Positions stay those of the file: front matter is blanked, not cut.
	document := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(body))
	p.source = body
	p.walk(document)
	p.finish()
	return p.book, nil
}

// deepestNesting bounds from above how deep quotes and lists lie in one another.
func deepestNesting(source []byte) int {
	most := 0
	for line := range bytes.Lines(source) {
		markers := 0
		for _, c := range line {
			if !strings.ContainsRune(" \t>-*+.)0123456789", rune(c)) {
				break
			}
			if strings.ContainsRune(">-*+.)", rune(c)) {
				markers++
			}
		}
		if bytes.Equal(bytes.Trim(line, " \n-*"), nil) {
			continue // a rule
		}
		most = max(most, markers)
	}
	return most
}

// parser holds what is known while a book is read.
type parser struct {
	book    *Book
	source  []byte
	starts  []int // where lines begin
	anchors map[string]int
	step    *Step
	section string // the last heading of the second level
}

func lineStarts(source []byte) []int {
	starts := []int{0}
	for i, c := range source {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// line is the number of the line that holds a byte.
func (p *parser) line(at int) int {
	n, found := slices.BinarySearch(p.starts, at)
	if found {
		return n + 1
	}
	return n
}

func (p *parser) note(line int, rule, format string, args ...any) {
	p.book.findings = append(p.book.findings, finding(rule, line, format, args...))
}

// frontMatter reads what stands between two lines of three dashes at the start, and
// gives the source with spaces in its place.
func (p *parser) frontMatter() []byte {
	source := p.book.source
	if !bytes.HasPrefix(source, []byte("---\n")) {
		return source
	}
	end := bytes.Index(source[3:], []byte("\n---\n"))
	if end < 0 {
		p.note(1, ruleFrontMatter, "the front matter has no end: a line of three dashes")
		return source
	}
	end += 3
	var values map[string]any
	if err := yaml.Unmarshal(source[4:end+1], &values); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		p.note(1, ruleFrontMatter, "the front matter is no YAML: %s", first)
	}
	p.book.Meta = make(map[string]string)
	for key, value := range values {
		if value != nil {
			p.book.Meta[strings.ToLower(key)] = fmt.Sprint(value)
		}
	}
	blank := bytes.Clone(source)
	for i := range end + len("\n---\n") {
		if blank[i] != '\n' {
			blank[i] = ' '
		}
	}
	return blank
}

// walk reads the blocks at the top of the document, which make steps, and what lies
// in them.
func (p *parser) walk(document ast.Node) {
	for node := document.FirstChild(); node != nil; node = node.NextSibling() {
		switch n := node.(type) {
		case *ast.Heading:
			p.heading(n)
		case *ast.List:
			p.list(n)
		case *table.Table:
			if strings.EqualFold(p.section, "you need") && p.step == nil {
				p.inputs(n)
			}
		}
		p.inside(node)
	}
}

// inside finds fenced blocks and links at any depth.
func (p *parser) inside(node ast.Node) {
	line := 0 // of the block that a link stands in
	visit := func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			line = p.line(n.Lines().At(0).Start)
		}
		switch n := n.(type) {
		case *ast.FencedCodeBlock:
			p.block(n)
		case *ast.Text:
			line = p.line(n.Segment.Start)
		case *ast.Link:
			if first, ok := n.FirstChild().(*ast.Text); ok {
				line = p.line(first.Segment.Start)
			}
			if anchor, local := strings.CutPrefix(string(n.Destination), "#"); local {
				p.book.links = append(p.book.links, link{anchor, line})
			}
		}
		return ast.WalkContinue, nil
	}
	// The visitor gives no error.
	_ = ast.Walk(node, visit)
}

func (p *parser) heading(n *ast.Heading) {
	if n.Lines().Len() == 0 {
		return
	}
	words := plainText(n, p.source)
	line := p.line(n.Lines().At(0).Start)
	h := heading{id: p.anchor(words), text: words, level: n.Level, line: line}
	p.book.headings = append(p.book.headings, h)
	switch {
	case n.Level == 1 && p.book.Title == "":
		p.book.Title = words
	case n.Level == 2:
		p.section = words
	}
	if n.Level <= 3 {
		p.step = nil
	}
	if n.Level != 3 {
		return
	}
	p.step = &Step{ID: h.id, Title: words, Line: line}
	if match := regexp.MustCompile(`^(\d{1,4})\.\s+(.+)$`).FindStringSubmatch(words); match != nil {
		p.step.Number, p.step.Title = match[1], match[2]
	}
	p.book.Steps = append(p.book.Steps, p.step)
}

// anchor is the name that GitHub gives to a heading. One that is taken gets a number.
func (p *parser) anchor(words string) string {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_' || r == '-' || unicode.Is(unicode.Mn, r):
			return r
		}
		return -1
	}, strings.ToLower(words))
	n, taken := p.anchors[slug]
	p.anchors[slug] = n + 1
	if !taken {
		return slug
	}
	return fmt.Sprintf("%s-%d", slug, n)
}

// plainText is the text of a node without its marks.
func plainText(node ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() || t.HardLineBreak() {
				b.WriteByte(' ')
			}
		}
		if t, ok := n.(*ast.String); ok && entering {
			b.Write(t.Value)
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}

// finish cuts the text of the steps out of the source.
func (p *parser) finish() {
	lines := strings.SplitAfter(string(p.book.source), "\n")
	for _, step := range p.book.Steps {
		step.End = len(lines)
		if last := lines[len(lines)-1]; last == "" {
			step.End--
		}
		for _, h := range p.book.headings {
			if h.line > step.Line && h.level <= 3 {
				step.End = h.line - 1
				break
			}
		}
		if step.Line <= step.End {
			step.Text = strings.Join(lines[step.Line-1:step.End], "")
		}
	}
}
