package xlsxfile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// workbook is what the parts beside the sheets say.
type workbook struct {
	sheets      []sheetPart
	from1904    bool
	stylesPart  string
	stringsPart string
	guessed     string // why the sheets had to be looked for
}

// sheetPart is a sheet and where it stands.
type sheetPart struct {
	name   string
	hidden bool
	part   string // "": it is a chart or a dialog
}

// What an archive can lack.
var (
	errNoWorkbook = errors.New("the archive holds no workbook")
	errNoSheets   = errors.New("it names no sheet")
)

// readWorkbook finds the workbook of the archive and the parts that belong to it.
func readWorkbook(c *container) (*workbook, error) {
	main := "xl/workbook.xml"
	if relations, err := readRelations(c, ""); err == nil {
		for _, r := range relations {
			if r.kind == "officeDocument" && c.has(r.target) {
				main = r.target
			}
		}
	}
	b, err := parseWorkbook(c, main)
	if err == nil && len(b.sheets) == 0 {
		err = fmt.Errorf("part %s: %w", main, errNoSheets)
	}
	if err != nil && c.cut != "" {
		return guessWorkbook(c, err)
	}
	return b, err
}

// guessWorkbook makes a workbook of the sheets that are there, under the names of their parts.
func guessWorkbook(c *container, why error) (*workbook, error) {
	b := &workbook{guessed: why.Error(), stylesPart: "xl/styles.xml", stringsPart: "xl/sharedstrings.xml"}
	for _, name := range slices.Sorted(maps.Keys(c.parts)) {
		if path.Dir(name) == "xl/worksheets" && path.Ext(name) == ".xml" {
			b.sheets = append(b.sheets, sheetPart{name: strings.TrimSuffix(path.Base(name), ".xml"), part: name})
		}
	}
	if len(b.sheets) == 0 {
		return nil, why
	}
	return b, nil
}

func parseWorkbook(c *container, main string) (*workbook, error) {
	if !c.has(main) {
		return nil, errNoWorkbook
	}
	relations, err := readRelations(c, main)
	if err != nil {
		return nil, err
	}
	text, err := c.readSmall(main)
	if err != nil {
		return nil, err
	}
	b := &workbook{}
	targets := make(map[string]relation)
	for _, r := range relations {
		targets[r.id] = r
		switch r.kind {
		case "styles":
			b.stylesPart = r.target
		case "sharedStrings":
			b.stringsPart = r.target
		}
	}
	if err := b.parse(text, targets); err != nil {
		return nil, fmt.Errorf("part %s: %w", main, err)
	}
	return b, nil
}

func (b *workbook) parse(text []byte, targets map[string]relation) error {
	s := newScanner(bytes.NewReader(text))
	v, err := readRoot(s)
	if err != nil {
		return err
	}
	for {
		found, err := s.next()
		if err != nil || found == tokenEnd {
			return err
		}
		if found != tokenOpen {
			continue
		}
		switch string(v.local(s.name)) {
		case "workbookPr":
			value, _ := s.attr("date1904")
			b.from1904 = value == "1" || value == "true"
		case "sheet":
			b.addSheet(s, targets)
		}
	}
}

func (b *workbook) addSheet(s *scanner, targets map[string]relation) {
	var sheet sheetPart
	for _, a := range s.attrs {
		switch {
		case string(a.name) == "name":
			sheet.name = s.attrText(a.value)
		case string(a.name) == "state":
			sheet.hidden = string(a.value) == "hidden" || string(a.value) == "veryHidden"
		case bytes.HasSuffix(a.name, []byte(":id")):
			if r := targets[s.attrText(a.value)]; r.kind == "worksheet" {
				sheet.part = r.target
			}
		}
	}
	b.sheets = append(b.sheets, sheet)
}

// relation is how one part refers to another.
type relation struct{ id, kind, target string }

// readRelations reads the relations of a part, or of the archive itself.
func readRelations(c *container, part string) ([]relation, error) {
	folder, name := path.Split(part)
	text, err := c.readSmall(folder + "_rels/" + name + ".rels")
	if err != nil {
		return nil, err
	}
	s := newScanner(bytes.NewReader(text))
	v, err := readRoot(s)
	var relations []relation
	for err == nil {
		var found token
		if found, err = s.next(); err != nil || found == tokenEnd {
			break
		}
		if found == tokenOpen && string(v.local(s.name)) == "Relationship" {
			id, _ := s.attr("Id")
			kind, _ := s.attr("Type")
			target, _ := s.attr("Target")
			if !strings.HasPrefix(target, "/") {
				target = folder + target
			}
			relations = append(relations, relation{id: id, kind: path.Base(kind), target: partName(target)})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("relations of part %s: %w", part, err)
	}
	return relations, nil
}
