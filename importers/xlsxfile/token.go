package xlsxfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/pgrescue/pgrescue/importers"
)

// token is what a scanner finds.
type token uint8

const (
	tokenEnd     token = iota // the part ends, whole
	tokenOpen                 // of an element; its name and attributes are the scanner's
	tokenClose                // of an element
	tokenText                 // between tags
	tokenNothing              // a comment, an instruction: nothing to tell
)

const (
	scanBuffer = 128 << 10
	// longestToken bounds what is kept of a part at once. A cell holds 32,767 characters.
	longestToken = 8 << 20
	deepest      = 128 // of elements within each other
	mostAttrs    = 64
)

// A scanner splits an XML part into tokens. It is strict where leniency would hide that
// something is missing: every tag that opens must close in order, and the part must end where
// its root does. Within a text it is lenient, for a text that holds what XML forbids can be
// told from its neighbours all the same; it tells the flaw.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int   // of what was not looked at yet
	start    int   // of the token found last
	base     int64 // where buf begins in the part
	readErr  error // how reading ended
	begun    bool

	open  []byte // the names of the open elements, one after the other
	marks []int  // where each begins
	root  bool   // it was seen

	name    []byte // of the tag, with its prefix
	attrs   []attribute
	pending bool // the tag closed itself, and its end is yet to be told
	text    []byte
	flaw    string // what is wrong within the text
	lost    bool   // so that the text cannot be had
	scratch []byte
}

type attribute struct{ name, value []byte }

// syntaxError tells where a part is not well-formed.
type syntaxError struct {
	offset int64
	why    string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("byte %d: %s", e.offset, e.why) }

// errShort tells that a token does not end within the buffer.
var errShort = errors.New("the part ends within a tag")

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, scanBuffer)}
}

// offset is where the next token begins.
func (s *scanner) offset() int64 { return s.base + int64(s.pos) }

// depth counts the open elements. One that closes itself counts until its end is told.
func (s *scanner) depth() int { return len(s.marks) }

func (s *scanner) fail(why string, args ...any) error {
	return &syntaxError{offset: s.offset(), why: fmt.Sprintf(why, args...)}
}

// next finds the next token. What it points to is valid until the call after.
func (s *scanner) next() (token, error) {
	if s.pending {
		s.pending = false
		s.pop()
		return tokenClose, nil
	}
	for {
		if s.pos == s.end {
			if err := s.fill(); err != nil {
				return tokenEnd, err
			}
			if s.pos == s.end {
				return tokenEnd, s.finish()
			}
		}
		found, err := s.find()
		if errors.Is(err, errShort) {
			have := s.end - s.pos
			if err := s.fill(); err != nil {
				return tokenEnd, err
			}
			if s.end-s.pos == have {
				return tokenEnd, s.cut()
			}
			continue
		}
		if err != nil || found != tokenNothing {
			return found, err
		}
	}
}

// find finds the token at pos, which is within the buffer.
func (s *scanner) find() (token, error) {
	s.start = s.pos
	if s.buf[s.pos] == '<' {
		return s.tag()
	}
	n := bytes.IndexByte(s.buf[s.pos:s.end], '<')
	if n < 0 {
		if s.readErr == nil {
			return tokenEnd, errShort
		}
		n = s.end - s.pos
	}
	raw := s.buf[s.pos : s.pos+n]
	if len(s.marks) == 0 {
		if len(bytes.TrimSpace(bytes.TrimPrefix(raw, byteOrderMark))) > 0 {
			return tokenEnd, s.fail("text outside of the root element")
		}
		s.pos += n
		return tokenNothing, nil
	}
	s.setText(raw, true)
	s.pos += n
	return tokenText, nil
}

// fill reads more behind what is in the buffer.
func (s *scanner) fill() error {
	if s.readErr != nil {
		return nil
	}
	copy(s.buf, s.buf[s.pos:s.end])
	s.base += int64(s.pos)
	s.pos, s.end = 0, s.end-s.pos
	if s.end == len(s.buf) {
		if s.end >= longestToken {
			return s.fail("no tag ends within %d MiB", longestToken>>20)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	s.read()
	if !s.begun {
		s.begun = true
		return s.widen()
	}
	return nil
}

func (s *scanner) read() {
	for s.end < len(s.buf) && s.readErr == nil {
		var n int
		n, s.readErr = s.r.Read(s.buf[s.end:])
		s.end += n
	}
}

// widen decodes a part that is written in UTF-16, which its first bytes tell.
func (s *scanner) widen() error {
	encoding := importers.MarkedEncoding(s.buf[:s.end])
	if encoding != importers.UTF16LE && encoding != importers.UTF16BE {
		return nil
	}
	behind := s.r
	if s.readErr != nil {
		behind = &failedReader{s.readErr}
	}
	decoded, _, err := importers.DecodeText(io.MultiReader(bytes.NewReader(bytes.Clone(s.buf[:s.end])), behind), encoding)
	if err != nil {
		return err
	}
	s.r, s.end, s.readErr = decoded, 0, nil
	s.read()
	return nil
}

// failedReader ends as the reader before it did.
type failedReader struct{ err error }

func (f *failedReader) Read([]byte) (int, error) { return 0, f.err }

// finish says whether the part may end here.
func (s *scanner) finish() error {
	switch {
	case !errors.Is(s.readErr, io.EOF):
		return s.readErr
	case len(s.marks) > 0 || !s.root:
		return s.cut()
	}
	return nil
}

// cut is how a part ends that is not whole.
func (s *scanner) cut() error {
	if !errors.Is(s.readErr, io.EOF) {
		return s.readErr
	}
	switch {
	case len(s.marks) == 0 && s.pos < s.end:
		return s.fail("the part ends within a tag")
	case len(s.marks) == 0:
		return s.fail("the part is empty")
	}
	return s.fail("the part ends within <%s>", s.top())
}

func (s *scanner) top() []byte {
	return s.open[s.marks[len(s.marks)-1]:]
}

func (s *scanner) pop() {
	last := len(s.marks) - 1
	s.open, s.marks = s.open[:s.marks[last]], s.marks[:last]
}

// tag finds the tag at pos.
func (s *scanner) tag() (token, error) {
	b := s.buf[s.pos:s.end]
	if len(b) < 2 {
		return tokenEnd, errShort
	}
	switch b[1] {
	case '/':
		return s.closing(b)
	case '?':
		return s.instruction(b)
	case '!':
		return s.declaration(b)
	}
	return s.opening(b)
}

func (s *scanner) closing(b []byte) (token, error) {
	n := bytes.IndexByte(b, '>')
	if n < 0 {
		return tokenEnd, errShort
	}
	name := b[2:n]
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	if len(s.marks) == 0 || !bytes.Equal(name, s.top()) {
		if len(s.marks) == 0 {
			return tokenEnd, s.fail("</%.40s> closes nothing", name)
		}
		return tokenEnd, s.fail("</%.40s> stands where </%s> is due", name, s.top())
	}
	s.name = name
	s.pop()
	s.pos += n + 1
	return tokenClose, nil
}

func (s *scanner) opening(b []byte) (token, error) {
	i := 1
	for i < len(b) && charClass[b[i]]&className != 0 {
		i++
	}
	name := b[1:i]
	if i == len(b) {
		return tokenEnd, errShort
	}
	if len(name) == 0 || name[0] == '-' || name[0] == '.' || name[0] >= '0' && name[0] <= '9' {
		return tokenEnd, s.fail("a < that begins no tag")
	}
	i, empty, err := s.attributes(b, i)
	if err != nil {
		return tokenEnd, err
	}
	if len(s.marks) == 0 && s.root {
		return tokenEnd, s.fail("<%.40s> stands behind the root element", name)
	}
	if len(s.marks) == deepest {
		return tokenEnd, s.fail("more than %d elements within each other", deepest)
	}
	s.marks = append(s.marks, len(s.open))
	s.open = append(s.open, name...)
	s.name, s.root, s.pending = name, true, empty
	s.pos += i
	return tokenOpen, nil
}

// attributes reads from behind the name of a tag to behind its end.
func (s *scanner) attributes(b []byte, i int) (end int, empty bool, err error) {
	s.attrs = s.attrs[:0]
	for {
		space := i
		for i < len(b) && isSpace(b[i]) {
			i++
		}
		if i+1 >= len(b) && (i == len(b) || b[i] == '/') {
			return 0, false, errShort
		}
		if b[i] == '>' {
			return i + 1, false, nil
		}
		if b[i] == '/' {
			if b[i+1] != '>' {
				return 0, false, s.fail("a / within a tag")
			}
			return i + 2, true, nil
		}
		if i == space {
			return 0, false, s.fail("no space before an attribute")
		}
		if i, err = s.attribute(b, i); err != nil {
			return 0, false, err
		}
	}
}

func (s *scanner) attribute(b []byte, i int) (int, error) {
	begin := i
	for i < len(b) && charClass[b[i]]&className != 0 {
		i++
	}
	name := b[begin:i]
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	if i == len(b) {
		return 0, errShort
	}
	if len(name) == 0 || b[i] != '=' {
		return 0, s.fail("a tag with something that is no attribute")
	}
	i++
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	if i == len(b) {
		return 0, errShort
	}
	quote := b[i]
	if quote != '"' && quote != '\'' {
		return 0, s.fail("attribute %.40s without quotes", name)
	}
	i++
	begin = i
	for i < len(b) && b[i] != quote {
		if charClass[b[i]]&classBad != 0 || b[i] == '<' {
			return 0, s.fail("attribute %.40s holds the character %U", name, rune(b[i]))
		}
		i++
	}
	if i == len(b) {
		return 0, errShort
	}
	if len(s.attrs) == mostAttrs {
		return 0, s.fail("a tag with more than %d attributes", mostAttrs)
	}
	for _, a := range s.attrs {
		if bytes.Equal(a.name, name) {
			return 0, s.fail("attribute %.40s stands twice", name)
		}
	}
	s.attrs = append(s.attrs, attribute{name, b[begin:i]})
	return i + 1, nil
}

func (s *scanner) instruction(b []byte) (token, error) {
	n := bytes.Index(b, []byte("?>"))
	if n < 0 {
		return tokenEnd, errShort
	}
	s.pos += n + 2
	return tokenNothing, nil
}

func (s *scanner) declaration(b []byte) (token, error) {
	switch {
	case bytes.HasPrefix(b, []byte("<!--")):
		n := bytes.Index(b[4:], []byte("-->"))
		if n < 0 {
			return tokenEnd, errShort
		}
		s.pos += 4 + n + 3
		return tokenNothing, nil
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		n := bytes.Index(b[9:], []byte("]]>"))
		if n < 0 {
			return tokenEnd, errShort
		}
		if len(s.marks) == 0 {
			return tokenEnd, s.fail("text outside of the root element")
		}
		s.setText(b[9:9+n], false)
		s.pos += 9 + n + 3
		return tokenText, nil
	case len(b) < 9 && s.readErr == nil:
		return tokenEnd, errShort
	}
	return tokenEnd, s.fail("a declaration, which this kind of file does not have: <%.20s", b[1:])
}
