package jsonfile

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// maxNames is how many different names the objects of a list may have. More is a table of
// something else, whose keys are values.
const maxNames = 1 << 16

var errTooManyNames = errors.New("its objects have more than 65536 different names: their names are values")

// names are those of a list's objects, in the order in which they appear first.
type names struct {
	list    []string
	index   map[string]int
	last    int // where the name before was found; the next is most often the next
	scratch []byte
}

// find looks a name up; -1: it is new.
func (n *names) find(name []byte) int {
	if next := n.last + 1; next < len(n.list) && n.list[next] == string(name) {
		n.last = next
		return next
	}
	if i, ok := n.index[string(name)]; ok {
		n.last = i
		return i
	}
	return -1
}

// add takes the names of the object that was scanned last.
func (n *names) add(s *scan) error {
	n.last = -1
	for i := range s.members {
		m := &s.members[i]
		name := s.buf[m.name:m.nameEnd]
		if m.nameEscaped {
			var err error
			if name, err = unquoted(n.scratch[:0], s.buf[m.name-1:m.nameEnd+1], true); err != nil {
				return err
			}
			n.scratch = name
		}
		if n.find(name) >= 0 {
			continue
		}
		if len(n.list) == maxNames {
			return errTooManyNames
		}
		if n.index == nil {
			n.index = make(map[string]int)
		}
		n.last = len(n.list)
		n.list = append(n.list, string(name))
		n.index[n.list[n.last]] = n.last
	}
	return nil
}

// unquoted appends to dst a text without its quotes and escapes.
func unquoted(dst, quoted []byte, escaped bool) ([]byte, error) {
	if !escaped {
		return append(dst, quoted[1:len(quoted)-1]...), nil
	}
	return jsontext.AppendUnquote(dst, quoted)
}
