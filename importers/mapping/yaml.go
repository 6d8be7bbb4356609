package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// MaxProfile is how long a profile may be; the largest at hand has 20 kB.
const MaxProfile = 1 << 20

// document is a profile as it is being read. The first thing that is wrong ends it: what comes after may
// follow from it.
type document struct {
	name string
	err  error
}

// fail keeps the first error, with the line.
func (d *document) fail(line int, hint, format string, args ...any) {
	if d.err != nil {
		return
	}
	place := d.name
	if line > 0 {
		place = fmt.Sprintf("%s:%d", d.name, line)
	}
	d.err = &evidence.Error{
		Op: "profile: parse", Place: place, Hint: hint,
		Err: evidence.OfKind(ErrProfile, fmt.Errorf(format, args...)),
	}
}

// parse returns the document's one node.
func (d *document) parse(text []byte) ast.Node {
	if len(text) > MaxProfile {
		d.fail(0, "", "it has %d bytes, and a profile has at most %d", len(text), MaxProfile)
		return nil
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		line, cause := 0, err.Error()
		var wrong yaml.Error
		if errors.As(err, &wrong) {
			cause = wrong.GetMessage()
			if token := wrong.GetToken(); token != nil && token.Position != nil {
				line = token.Position.Line
			}
		}
		d.fail(line, "", "not YAML: %s", cause)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc == nil || doc.Body == nil {
			continue
		}
		if body != nil {
			d.fail(lineOf(doc.Body), "one file is one profile", "it holds a second document")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		d.fail(0, "see import profile show", "it is empty")
	}
	return body
}

func lineOf(node ast.Node) int {
	if token := node.GetToken(); token != nil && token.Position != nil {
		return token.Position.Line
	}
	return 0
}

// entry is a key of a YAML mapping with its value.
type entry struct {
	key   string
	line  int
	value ast.Node
}

// entries lists the pairs of a mapping in the order of the text. Keys that are there twice are an
// error; known lists those that are allowed, nil: any.
func (d *document) entries(node ast.Node, what string, known []string) []entry {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return nil
	default:
		d.fail(lineOf(node), "", "%s is not a list of keys with values", what)
		return nil
	}
	list := make([]entry, 0, len(pairs))
	for _, pair := range pairs {
		if pair == nil || pair.Key == nil || pair.Value == nil {
			continue
		}
		e := entry{line: lineOf(pair.Key), value: pair.Value}
		key, ok := scalar(pair.Key)
		if !ok {
			d.fail(e.line, "", "a key of %s is no text", what)
			return nil
		}
		e.key = key
		if known != nil && !slices.Contains(known, key) {
			d.fail(e.line, "the keys are: "+strings.Join(known, ", "), "%s has no key %q", what, key)
			return nil
		}
		if slices.ContainsFunc(list, func(o entry) bool { return o.key == key }) {
			d.fail(e.line, "", "%s has the key %q twice", what, key)
			return nil
		}
		list = append(list, e)
	}
	return list
}

// scalar is the text of a node as it stands in the file: 007 stays 007, and no is a word.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value != nil {
			return n.Value.Value, true
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		if token := n.GetToken(); token != nil {
			return token.Value, true
		}
	case *ast.MappingKeyNode:
		return scalar(n.Value)
	}
	return "", false
}

// text reads a scalar.
func (d *document) text(e entry) string {
	text, ok := scalar(e.value)
	if !ok {
		d.fail(lineOf(e.value), "", "%s is no text", e.key)
	}
	return text
}

// word reads one of the words that a key takes.
func (d *document) word(e entry, what string, words ...string) string {
	text := d.text(e)
	if !slices.Contains(words, text) {
		last := len(words) - 1
		d.fail(e.line, "", "%s is %q, want %s or %s", what, text, strings.Join(words[:last], ", "), words[last])
	}
	return text
}

// boolean reads true or false.
func (d *document) boolean(e entry) bool { return d.word(e, e.key, "true", "false") == "true" }

// items lists the nodes of a sequence; a single node is a list of one.
func (d *document) items(e entry) []ast.Node {
	switch n := e.value.(type) {
	case *ast.SequenceNode:
		return n.Values
	case *ast.NullNode:
		return nil
	}
	return []ast.Node{e.value}
}

// texts reads a list of scalars, or one.
func (d *document) texts(e entry) []string {
	list := []string{}
	for _, node := range d.items(e) {
		text, ok := scalar(node)
		if !ok {
			d.fail(lineOf(node), "", "%s holds something that is no text", e.key)
			return nil
		}
		list = append(list, text)
	}
	return list
}
