package xlsxfile

import (
	"bytes"
	"errors"
)

// vocabulary knows the prefixes that a part gives to the names of its own namespace.
type vocabulary struct {
	root     string
	prefixes []string // with their colons
}

// readRoot reads up to the root element and learns the prefixes from it.
func readRoot(s *scanner) (*vocabulary, error) {
	found, err := s.next()
	if err != nil {
		return nil, err
	}
	if found != tokenOpen {
		return nil, s.fail("the part is empty")
	}
	prefix, local := "", s.name
	if n := bytes.IndexByte(s.name, ':'); n >= 0 {
		prefix, local = string(s.name[:n+1]), s.name[n+1:]
	}
	v := &vocabulary{root: string(local), prefixes: []string{prefix}}
	declared := make(map[string]string)
	for _, a := range s.attrs {
		if name, ok := bytes.CutPrefix(a.name, []byte("xmlns")); ok {
			if name = bytes.TrimPrefix(name, []byte(":")); len(name) > 0 {
				name = append(bytes.Clone(name), ':')
			}
			declared[string(name)] = s.attrText(a.value)
		}
	}
	for name, namespace := range declared {
		if own, ok := declared[prefix]; ok && namespace == own && name != prefix {
			v.prefixes = append(v.prefixes, name)
		}
	}
	return v, nil
}

// local is the name without its prefix, or nil if it belongs to another namespace.
func (v *vocabulary) local(name []byte) []byte {
	n := bytes.IndexByte(name, ':') + 1
	for _, prefix := range v.prefixes {
		if string(name[:n]) == prefix {
			return name[n:]
		}
	}
	return nil
}

// structureError tells that the part is well-formed and does not hold what it must.
type structureError struct{ why string }

func (e *structureError) Error() string { return e.why }

// damaged reports whether err is of the text of a part, and not of reading it.
func damaged(err error) bool {
	var syntax *syntaxError
	var structure *structureError
	return errors.As(err, &syntax) || errors.As(err, &structure)
}

// skip goes behind the element whose tag was found last.
func (s *scanner) skip() error {
	for depth := s.depth(); ; {
		found, err := s.next()
		if err != nil {
			return err
		}
		if found == tokenClose && s.depth() < depth {
			return nil
		}
	}
}

// gathered is a text of one or more tokens, and what is wrong with it.
type gathered struct {
	flaw string
	lost bool
}

func (g *gathered) add(s *scanner) {
	if s.flaw != "" && (g.flaw == "" || s.lost && !g.lost) {
		g.flaw = s.flaw
	}
	g.lost = g.lost || s.lost
}

// plain appends the text of the element whose tag was found last, and goes behind it.
func (s *scanner) plain(dst []byte, g *gathered) ([]byte, error) {
	for {
		found, err := s.next()
		switch {
		case err != nil:
			return dst, err
		case found == tokenText:
			g.add(s)
			dst = append(dst, s.text...)
		case found == tokenClose:
			return dst, nil
		default:
			return dst, &structureError{"<" + short(s.name) + "> within a value"}
		}
	}
}

// rich appends the text of an <si> or <is>, whose tag was found last, and goes behind it: that
// of its runs in their order, without the reading aids that stand beside it.
func (s *scanner) rich(v *vocabulary, dst []byte, g *gathered) ([]byte, error) {
	begin, depth := len(dst), s.depth()
	for {
		found, err := s.next()
		if err != nil {
			return dst, err
		}
		switch {
		case found == tokenClose && s.depth() < depth:
			text, ok := unescapeX(dst[begin:])
			if !ok {
				g.flaw, g.lost = "holds the character U+0000", true
			}
			return dst[:begin+len(text)], nil
		case found == tokenText:
			if len(bytes.TrimSpace(s.text)) > 0 {
				return dst, &structureError{"text outside of <t>"}
			}
		case found == tokenOpen:
			switch string(v.local(s.name)) {
			case "t":
				dst, err = s.plain(dst, g)
			case "r":
			case "rPr", "rPh", "phoneticPr", "extLst", "":
				err = s.skip()
			default:
				err = &structureError{"<" + short(s.name) + "> within a text"}
			}
			if err != nil {
				return dst, err
			}
		}
	}
}

func short(name []byte) string { return string(name[:min(len(name), 40)]) }

// resume goes on behind damage: to the next tag of which begins so, with the elements of only
// the given depth open. It reports whether there is one.
func (s *scanner) resume(depth int, opening, closing string) (bool, error) {
	s.pending = false
	if depth < len(s.marks) {
		s.open, s.marks = s.open[:s.marks[depth]], s.marks[:depth]
	}
	for {
		n := bytes.IndexByte(s.buf[s.pos:s.end], '<')
		if n >= 0 {
			s.pos += n
		} else {
			s.pos = s.end
		}
		rest := s.buf[s.pos:s.end]
		if len(rest) <= max(len(opening), len(closing)) && s.readErr == nil {
			if err := s.fill(); err != nil {
				return false, err
			}
			continue
		}
		if len(rest) == 0 {
			return false, nil
		}
		if beginsTag(rest, opening) || beginsTag(rest, closing) {
			return true, nil
		}
		s.pos++
	}
}

// beginsTag reports whether b begins with the tag and the name ends there.
func beginsTag(b []byte, tag string) bool {
	return len(b) > len(tag) && string(b[:len(tag)]) == tag && charClass[b[len(tag)]]&className == 0
}
