package applog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// request is what a web server writes of one request.
type request struct {
	client, user                               []byte
	stamp                                      logparse.Stamp
	method, path, status, size, referer, agent []byte
	rest                                       []byte // what a server was told to write besides
}

// fields lists what is known.
func (r *request) fields(dst []logparse.Field) []logparse.Field {
	for _, field := range []logparse.Field{
		{Name: "method", Text: r.method},
		{Name: "path", Text: r.path},
		{Name: "status", Text: r.status},
		{Name: "bytes", Text: r.size},
		{Name: "referer", Text: r.referer},
		{Name: "agent", Text: r.agent},
		{Name: "more", Text: r.rest},
	} {
		if len(field.Text) > 0 && string(field.Text) != "-" {
			dst = append(dst, field)
		}
	}
	return dst
}

// access reads a message of uvicorn's: CLIENT - "METHOD PATH PROTOCOL" STATUS WORDS.
func access(entry *logparse.Entry, message []byte, fields *[]logparse.Field) bool {
	client, rest, found := bytes.Cut(message, []byte(` - "`))
	if !found || len(client) == 0 || len(client) > maxWord || bytes.IndexByte(client, ' ') >= 0 {
		return false
	}
	var r request
	rest, ok := r.line(rest)
	if !ok {
		return false
	}
	if r.status, _ = digits(rest); len(r.status) != 3 {
		return false
	}
	entry.Client = string(client)
	*fields = r.fields(*fields)
	return true
}

// line reads the first line of a request, whose opening quote is gone, and gives what is behind the closing one.
func (r *request) line(text []byte) (rest []byte, ok bool) {
	end := 0
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return nil, false
	}
	method, path, found := bytes.Cut(text[:end], []byte{' '})
	if r.method = method; found {
		r.path = path
		if i := bytes.LastIndexByte(path, ' '); i >= 0 && bytes.HasPrefix(path[i+1:], []byte("HTTP/")) {
			r.path = path[:i]
		}
	}
	return bytes.TrimPrefix(text[end+1:], []byte{' '}), true
}

func digits(text []byte) (number, rest []byte) {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return text[:n], bytes.TrimPrefix(text[n:], []byte{' '})
}

// parseAccess reads the common and combined log formats of web servers: CLIENT IDENT USER [TIME] "REQUEST" STATUS
// SIZE "REFERER" "AGENT", and what stands behind.
func parseAccess(text []byte) (r request, ok bool) {
	const least = len(`- - - [02/Jan/2006:15:04:05 +0000] "" 200 -`)
	if len(text) < least {
		return r, false
	}
	open := bytes.Index(text[:min(len(text), 2*maxWord)], []byte(" ["))
	if open < 0 {
		return r, false
	}
	words := bytes.SplitN(text[:open], []byte{' '}, 3)
	if len(words) != 3 || len(words[0]) == 0 {
		return r, false
	}
	r.client, r.user = words[0], words[2]
	stamp, n := logparse.ParseStamp(text[open+2:])
	rest := text[min(len(text), open+2+n):]
	if n == 0 || !bytes.HasPrefix(rest, []byte(`] "`)) {
		return r, false
	}
	r.stamp = stamp
	if rest, ok = r.line(rest[3:]); !ok {
		return r, false
	}
	if r.status, rest = digits(rest); len(r.status) != 3 {
		return r, false
	}
	if bytes.HasPrefix(rest, []byte("-")) {
		rest = bytes.TrimPrefix(rest[1:], []byte{' '})
	} else {
		r.size, rest = digits(rest)
	}
	if r.referer, rest, ok = quoted(rest); ok {
		r.agent, rest, _ = quoted(rest)
	}
	r.rest = rest
	return r, true
}

// quoted reads a text in quotes.
func quoted(text []byte) (inside, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, text, false
	}
	end := bytes.IndexByte(text[1:], '"')
	if end < 0 {
		return text[1:], nil, true
	}
	return text[1 : 1+end], bytes.TrimPrefix(text[end+2:], []byte{' '}), true
}

func beginsAccess(text []byte) bool {
	_, ok := parseAccess(text)
	return ok
}

func accessLines(sample []logparse.Line) logparse.Candidate {
	return logparse.Candidate{
		Format: "access log in the common or combined format", Score: share(sample, beginsAccess),
		Framer: func() logparse.Framer { return &accessFramer{} }, Begins: beginsAccess,
	}
}

// accessFramer makes an entry of each line.
type accessFramer struct {
	entry  logparse.Entry
	fields []logparse.Field
	unread opened
}

// Frame takes the next line.
func (f *accessFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	r, ok := parseAccess(line.Text)
	if !ok {
		return f.unread.more(line, out)
	}
	if err := f.unread.end(out); err != nil {
		return err
	}
	f.fields = r.fields(f.fields[:0])
	f.entry = logparse.Entry{
		Place: line.Place(1), Stamp: r.stamp, Outer: line.Outer, Marks: line.Marks,
		Client: string(r.client), Message: line.Text, Fields: f.fields,
		Partial: line.Marks.Partial(),
	}
	if string(r.user) != "-" {
		f.entry.User = string(r.user)
	}
	return out(&f.entry)
}

// Flush hands out what the end of the log has completed.
func (f *accessFramer) Flush(out func(*logparse.Entry) error) error { return f.unread.end(out) }
