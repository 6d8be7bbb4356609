package applog

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Pack is a set of patterns.
type Pack struct {
	Name     string
	Patterns []Pattern
	Tables   []Table
	index    map[[lead]byte][]*compiled // by how the text begins
	floating []*compiled                // those that may stand anywhere in a message
}

// Pattern is a rule of a pack: what a message looks like, and what it proves.
type Pattern struct {
	Name   string   `yaml:"name"`
	Format string   `yaml:"format"` // a part of the format's name as it is shown, such as JSON; "": any
	Logger string   `yaml:"logger"` // how the logger's name ends; "": any
	Match  oneOrAll `yaml:"match"`
	Fields fieldMap `yaml:"fields"` // kinds of the fields, by their names
	Proves Proof    `yaml:"proves"`
	Commit bool     `yaml:"commit"` // the transaction was committed: it tells so, or comes only after that
	Void   bool     `yaml:"void"`   // it was rolled back: what it did is not there
}

type (
	fieldMap map[string]Kind
	oneOrAll []string
)

// UnmarshalYAML reads one text or a list of them.
func (o *oneOrAll) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if err := unmarshal(&one); err == nil {
		*o = oneOrAll{one}
		return nil
	}
	var all []string
	err := unmarshal(&all)
	*o = all
	return err
}

// Proof is what a pattern proves. The chain of links is made of these.
type Proof string

// The proofs.
const (
	ProvesRequest  Proof = "request"  // a request began
	ProvesResponse Proof = "response" // and ended
	ProvesTenant   Proof = "tenant"   // who is asking
	ProvesBegin    Proof = "begin"    // the transaction of an import
	ProvesImport   Proof = "import"   // an import with its id
	ProvesRows     Proof = "rows"     // how many rows it has
	ProvesHeaders  Proof = "headers"  // the names of its fields
	ProvesRow      Proof = "row"      // the values of one row
	ProvesBody     Proof = "body"     // those of all rows
	ProvesFlow     Proof = "flow"     // a flow with its id
	ProvesLink     Proof = "link"     // which flow belongs to which import
	ProvesMapping  Proof = "mapping"  // which header became which column
	ProvesName     Proof = "name"     // the name of the asset that is about to be made, and its keys
	ProvesAsset    Proof = "asset"    // an asset with its id
	ProvesRecord   Proof = "record"   // a row of another table with its id
	ProvesLoss     Proof = "loss"     // a value that was not kept
	ProvesMaking   Proof = "making"   // for which flow an asset is about to be made
	ProvesThere    Proof = "there"    // an asset that was there before
	ProvesFailed   Proof = "failed"   // an asset that was not made, and took those before it along
	ProvesEnd      Proof = "end"      // the transaction's fate: see Commit and Void
	ProvesClose    Proof = "close"    // the request of an import ended
	ProvesStage    Proof = "stage"    // how far it came
)

func proofs() []Proof {
	return []Proof{
		ProvesRequest, ProvesResponse, ProvesTenant, ProvesBegin, ProvesImport, ProvesRows, ProvesHeaders, ProvesRow, ProvesBody, ProvesFlow,
		ProvesLink, ProvesMapping, ProvesName, ProvesAsset, ProvesRecord, ProvesLoss, ProvesMaking,
		ProvesThere, ProvesFailed, ProvesEnd, ProvesClose, ProvesStage,
	}
}

// ErrPack tells that a pack cannot be used.
var ErrPack = errors.New("the pack cannot be used")

const (
	// maxPack is how long a pack may be, and maxPatterns how many patterns it may have.
	maxPack     = 1 << 20
	maxPatterns = 5000
)

//go:embed discovery.yaml
var discovery []byte

// Discovery is the pack of the application whose import path importers/discovery knows.
func Discovery() (*Pack, error) { return ParsePack("discovery.yaml", bytes.NewReader(discovery)) }

// ParsePack reads a pack and checks it. An error says what is wrong with which pattern.
func ParsePack(name string, r io.Reader) (*Pack, error) {
	refuse := func(place string, err error, hint string) (*Pack, error) {
		return nil, &evidence.Error{Op: "patterns: read", Place: place, Err: evidence.OfKind(ErrPack, err), Hint: hint}
	}
	text, err := io.ReadAll(io.LimitReader(r, maxPack+1))
	if err != nil {
		return refuse(name, err, "")
	}
	if len(text) > maxPack {
		return refuse(name, fmt.Errorf("it has more than %d bytes", maxPack), "")
	}
	var document struct {
		Pack     string    `yaml:"pack"`
		Patterns []Pattern `yaml:"patterns"`
		Tables   []Table   `yaml:"tables"`
	}
	if err := yaml.UnmarshalWithOptions(text, &document, yaml.DisallowUnknownField()); err != nil {
		place, cause := name, err.Error()
		var wrong yaml.Error
		if errors.As(err, &wrong) {
			cause = wrong.GetMessage()
			if token := wrong.GetToken(); token != nil && token.Position != nil {
				place = fmt.Sprintf("%s:%d", name, token.Position.Line)
			}
		}
		return refuse(place, errors.New(cause), "a pattern has name, match, fields, proves, and format, logger, commit or void where they are needed")
	}
	if len(document.Patterns) == 0 || len(document.Patterns) > maxPatterns {
		return refuse(name, fmt.Errorf("it has %d patterns", len(document.Patterns)), "")
	}
	pack := &Pack{Name: document.Pack, Patterns: document.Patterns, Tables: document.Tables, index: make(map[[lead]byte][]*compiled)}
	if troubles := append(pack.compile(), pack.checkTables()...); len(troubles) > 0 {
		return refuse(name, joined(text, troubles), "")
	}
	return pack, nil
}

// joined puts the line of each trouble before it.
func joined(text []byte, troubles []trouble) error {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return err
	}
	errs := make([]error, 0, len(troubles))
	for _, t := range troubles {
		path, err := yaml.PathString(t.path)
		if err != nil {
			return errors.Join(append(errs, t.err)...)
		}
		if node, err := path.FilterFile(file); err == nil && node.GetToken() != nil && node.GetToken().Position != nil {
			t.err = fmt.Errorf("line %d: %w", node.GetToken().Position.Line, t.err)
		}
		errs = append(errs, t.err)
	}
	return errors.Join(errs...)
}

// compile makes the patterns ready, and lists what is wrong with them.
func (p *Pack) compile() (troubles []trouble) {
	seen := make(map[string]bool)
	for i := range p.Patterns {
		pattern := &p.Patterns[i]
		wrong := func(format string, args ...any) {
			err := fmt.Errorf("pattern %d, %q: "+format, append([]any{i + 1, pattern.Name}, args...)...)
			troubles = append(troubles, trouble{fmt.Sprintf("$.patterns[%d]", i), err})
		}
		switch {
		case pattern.Name == "":
			wrong("it has no name")
		case seen[pattern.Name]:
			wrong("another pattern has this name")
		case len(pattern.Match) == 0:
			wrong("it matches nothing")
		case pattern.Commit && pattern.Void:
			wrong("a message proves commit or void, not both")
		case pattern.Proves == ProvesEnd && !pattern.Commit && !pattern.Void:
			wrong("what proves the end of a transaction tells commit or void")
		case pattern.Proves != ProvesEnd && pattern.Void:
			wrong("void is for what proves the end of a transaction, and for nothing else")
		case !slices.Contains(proofs(), pattern.Proves):
			wrong("proves is none of %v", proofs())
		}
		seen[pattern.Name] = true
		for name, kind := range pattern.Fields {
			if !slices.Contains(kinds(), kind) {
				wrong("field %q has a kind %q; the kinds are %v", name, kind, kinds())
			}
		}
		for _, text := range pattern.Match {
			made, err := compilePattern(pattern, text)
			if err != nil {
				wrong("%w", err)
				continue
			}
			p.add(made)
		}
	}
	// The one that says more comes first.
	for _, list := range p.index {
		slices.SortStableFunc(list, func(a, b *compiled) int { return b.literals - a.literals })
	}
	return troubles
}

func (p *Pack) add(made *compiled) {
	if made.floats {
		p.floating = append(p.floating, made)
		return
	}
	key := [lead]byte([]byte(made.parts[0].literal))
	p.index[key] = append(p.index[key], made)
}

// compiled is one text of a pattern, taken apart.
type compiled struct {
	pattern  *Pattern
	floats   bool
	literals int // bytes of them
	parts    []piece
}

// piece is a field, or what stands between two.
type piece struct {
	name    string
	kind    Kind
	literal string
}

// lead is how much of a message's beginning chooses the patterns that are tried.
const lead = 4

// anywhere before a text says that it need not stand at the beginning of the message.
const anywhere = "... "

func compilePattern(pattern *Pattern, text string) (*compiled, error) {
	made := &compiled{pattern: pattern}
	rest, floats := strings.CutPrefix(text, anywhere)
	made.floats = floats
	used := make(map[string]bool)
	for rest != "" {
		literal, behind, found := strings.Cut(rest, "{")
		if literal != "" {
			made.parts = append(made.parts, piece{literal: literal})
			made.literals += len(literal)
		}
		if !found {
			break
		}
		name, after, found := strings.Cut(behind, "}")
		kind, known := pattern.Fields[name]
		switch {
		case !found || !known:
			return nil, fmt.Errorf("%q holds a field %q, of which fields tells no kind", text, name)
		case used[name]:
			return nil, fmt.Errorf("%q holds the field %q twice", text, name)
		case len(made.parts) > 0 && made.parts[len(made.parts)-1].name != "":
			return nil, fmt.Errorf("nothing stands between two fields of %q", text)
		}
		used[name] = true
		made.parts = append(made.parts, piece{name: name, kind: kind})
		rest = after
	}
	if len(made.parts) == 0 || len(made.parts[0].literal) < lead {
		return nil, fmt.Errorf("%q does not begin with %d or more characters that are no field, by which it is found", text, lead)
	}
	if c := made.parts[0].literal[0]; !floats && (c >= 0x80 || c == ' ' || c == '-') {
		return nil, fmt.Errorf("%q begins with a sign or a space; messages are compared without those", text)
	}
	return made, nil
}
