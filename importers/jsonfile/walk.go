package jsonfile

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pgrescue/pgrescue/importers"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// Limits of what a walk remembers of a document beside its lists.
const (
	walkDepth   = 8    // of the objects that are looked into
	walkScalars = 1000 // texts and numbers that are kept
	walkScalar  = 4096 // of one
	walkLists   = 1000
)

// found is a list of objects within a document, or an object that is named by a path.
type found struct {
	path    string
	offset  int64 // where it begins
	line    int64
	single  bool // an object
	names   names
	count   int64
	lost    int64 // elements that were rejected
	notUTF8 int64 // of them, for bytes that are no UTF-8
	notes   notes
	gaps    []evidence.Gap
}

// walk goes through a document that is an object once, and finds the lists in it.
type walk struct {
	w       *window
	place   string
	began   string   // where the document begins
	want    []string // the path that was asked for; nil: every list
	scan    scan
	lists   []*found
	scalars map[string]string // by path
}

// errCut and errBroken end a walk: the document ends, or it is no JSON from here on.
var (
	errCut    = errors.New("the document ends within it")
	errBroken = errors.New("it is no JSON")
)

// value goes through one value, which path leads to.
func (k *walk) value(path []string) error {
	c, ok := k.w.peek()
	switch {
	case !ok:
		return k.ended()
	case c == '{' && k.asked(path):
		return k.list(path, true)
	case c == '{' && len(path) < max(walkDepth, len(k.want)):
		return k.object(path)
	case c == '[' && k.indexed(path):
		return k.index(path)
	case c == '[' && (k.want == nil || k.asked(path)) && len(k.lists) < walkLists:
		return k.maybeList(path)
	case c == '{' || c == '[':
		return k.pass()
	default:
		return k.scalar(path)
	}
}

// asked tells whether path is the one that was asked for.
func (k *walk) asked(path []string) bool { return k.want != nil && slices.Equal(k.want, path) }

// indexed tells whether the path that was asked for goes on with a number from here.
func (k *walk) indexed(path []string) bool {
	if len(path) >= len(k.want) || !slices.Equal(k.want[:len(path)], path) {
		return false
	}
	_, err := strconv.ParseUint(k.want[len(path)], 10, 31)
	return err == nil
}

// index goes through a list to the element that the path names.
func (k *walk) index(path []string) error {
	k.w.consume(1)
	for n := 0; ; n++ {
		c, ok := k.w.peek()
		if ok && n > 0 && c == ',' {
			k.w.consume(1)
			c, ok = k.w.peek()
		}
		switch {
		case !ok:
			return k.ended()
		case c == ']':
			k.w.consume(1)
			return nil
		}
		if err := k.step(append(path, strconv.Itoa(n))); err != nil {
			return err
		}
	}
}

// step goes into a value, and past a list that the path that was asked for does not lead through.
func (k *walk) step(path []string) error {
	if k.want != nil && (len(path) > len(k.want) || !slices.Equal(k.want[:len(path)], path)) {
		if c, ok := k.w.peek(); ok && c == '[' {
			return k.pass()
		}
	}
	return k.value(path)
}

// object goes through the members of an object.
func (k *walk) object(path []string) error {
	k.w.consume(1)
	for first := true; ; first = false {
		c, ok := k.w.peek()
		if ok && !first && c == ',' {
			k.w.consume(1)
			c, ok = k.w.peek()
		}
		switch {
		case !ok:
			return k.ended()
		case c == '}':
			k.w.consume(1)
			return nil
		case c != '"':
			return errBroken
		}
		text, err := k.token(c)
		if err != nil {
			return err
		}
		name, err := unquoted(nil, text, k.scan.escaped)
		if err != nil {
			return errBroken
		}
		member := append(path, string(name))
		k.w.consume(len(text))
		if c, ok = k.w.peek(); !ok {
			return k.ended()
		} else if c != ':' {
			return errBroken
		}
		k.w.consume(1)
		if err := k.step(member); err != nil {
			return err
		}
	}
}

// token scans a text, a number or a word, and leaves it in the window.
func (k *walk) token(c byte) ([]byte, error) {
	for {
		k.scan.begin(k.w.rest(), k.w.err != nil)
		end, _, st := k.scan.any(0)
		switch {
		case st == whole:
			return k.w.rest()[:end], nil
		case st == bad:
			return nil, errBroken
		}
		if !k.w.fill() {
			if k.w.full() {
				return nil, errBroken
			}
			return nil, k.ended()
		}
	}
}

// scalar keeps what is neither a list nor an object.
func (k *walk) scalar(path []string) error {
	c, _ := k.w.peek()
	if c == '"' && len(k.scalars) >= walkScalars {
		return k.pass()
	}
	text, err := k.token(c)
	if err != nil {
		return err
	}
	if len(text) <= walkScalar && len(k.scalars) < walkScalars {
		value := text
		if c == '"' {
			value, err = unquoted(nil, text, k.scan.escaped)
		}
		if err == nil {
			k.scalars[pathText(path)] = string(value)
		}
	}
	k.w.consume(len(text))
	return nil
}

// pass goes past a value without looking into it.
func (k *walk) pass() error {
	l := lost{array: true, match: -1}
	for {
		n, done := l.feed(k.w.rest())
		k.w.consume(n)
		if done {
			return nil
		}
		if !k.w.fill() {
			return k.ended()
		}
	}
}

// maybeList takes a list of objects, and passes another.
func (k *walk) maybeList(path []string) error {
	for i := 1; ; {
		rest := k.w.rest()
		for i < len(rest) && (rest[i] == ' ' || rest[i] == '\n' || rest[i] == '\r' || rest[i] == '\t') {
			i++
		}
		if i < len(rest) {
			if rest[i] == '{' || rest[i] == ']' || k.asked(path) {
				return k.list(path, false)
			}
			return k.pass()
		}
		if !k.w.fill() {
			return k.list(path, false)
		}
	}
}

// list goes through a list of objects for the names in it, and remembers it.
func (k *walk) list(path []string, single bool) error {
	f := &found{path: pathText(path), offset: k.w.offset, line: k.w.line, single: single}
	k.lists = append(k.lists, f)
	return f.scan(k.w, elements{place: k.place, array: !single, single: single})
}

// scan goes through the elements for their names.
func (f *found) scan(w *window, e elements) error {
	e.w = w
	e.object = func(e *elements, _ []byte) error { return f.names.add(&e.scan) }
	e.reject = func(r *importers.Reject) error {
		f.lost++
		if strings.HasPrefix(r.Reason, notUTF8) {
			f.notUTF8++
		}
		return nil
	}
	err := e.run()
	f.count, f.notes, f.gaps = e.count, e.notes, e.gaps
	switch {
	case err != nil:
		return err
	case len(e.gaps) > 0:
		return errCut
	}
	return nil
}

// ended says why there is no more.
func (k *walk) ended() error {
	if err := k.w.stopped(); err != nil {
		return err
	}
	return errCut
}

// pathText writes a path for people, and as --path takes it.
func pathText(path []string) string {
	for _, name := range path {
		if name == "" || strings.ContainsAny(name, "./~") {
			escape := strings.NewReplacer("~", "~0", "/", "~1")
			text := ""
			for _, name := range path {
				text += "/" + escape.Replace(name)
			}
			return text
		}
	}
	return strings.Join(path, ".")
}

// ofDocument stands in the part of a list that is in another document than the first.
const ofDocument = " of document "

// parsePath reads names with dots between them, or a JSON pointer as RFC 6901 has it. Of which
// document the list is does not matter: the lists of all of them are opened.
func parsePath(text string) []string {
	if before, number, found := strings.Cut(text, ofDocument); found {
		if _, err := strconv.ParseUint(number, 10, 31); err == nil {
			text = before
		}
	}
	if text == "" {
		return nil
	}
	if rest, pointer := strings.CutPrefix(text, "/"); pointer {
		path := strings.Split(rest, "/")
		escape := strings.NewReplacer("~1", "/", "~0", "~")
		for i := range path {
			path[i] = escape.Replace(path[i])
		}
		return path
	}
	return strings.Split(text, ".")
}
