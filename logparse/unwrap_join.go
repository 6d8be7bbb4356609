package logparse

import (
	"bytes"
	"cmp"
	"slices"
)

// joiner puts together lines that a transport had cut.
type joiner struct {
	waiting map[stream]*partial
}

// stream is whose lines follow each other.
type stream struct {
	container, name string
	priority        int8
}

// partial is a line whose end has not come yet.
type partial struct {
	line Line
	text []byte
}

// maxStreams bounds how many lines may wait for their end.
const maxStreams = 256

// add takes a piece of a line, and hands the line on when it is whole.
func (j *joiner) add(line *Line, whole bool, out func(*Line) bool) bool {
	key := stream{line.Outer.Container, line.Outer.Stream, line.Outer.Priority}
	p := j.waiting[key]
	if p == nil || p.line.Source == nil {
		if whole {
			return out(line)
		}
		if p = j.begin(key, line); p == nil {
			return out(line)
		}
		return true
	}
	p.join(line)
	if !whole {
		return true
	}
	return p.end(out)
}

// begin keeps the first piece. Where too many lines wait already it gives nil.
func (j *joiner) begin(key stream, line *Line) *partial {
	p := j.waiting[key]
	if p == nil {
		if len(j.waiting) >= maxStreams {
			return nil
		}
		if j.waiting == nil {
			j.waiting = make(map[stream]*partial)
		}
		p = &partial{}
		j.waiting[key] = p
	}
	p.keep(line)
	return p
}

// flush hands on the lines whose end has not come.
func (j *joiner) flush(out func(*Line) bool) bool {
	var held []*partial
	for _, p := range j.waiting {
		if p.line.Source != nil {
			held = append(held, p)
		}
	}
	return endAll(held, Unended, out)
}

// keep keeps the first piece of a line.
func (p *partial) keep(line *Line) {
	p.line = *line
	p.text = append(p.text[:0], line.Text...)
}

// join adds a piece.
func (p *partial) join(line *Line) {
	p.line.Marks |= line.Marks
	p.line.Length += line.Length
	p.text = append(p.text, line.Text[:min(len(line.Text), MaxLine-len(p.text))]...)
}

// end hands the line on.
func (p *partial) end(out func(*Line) bool) bool {
	p.line.Text = p.text
	if p.line.Length > int64(len(p.text)) {
		p.line.Marks |= Cut
	}
	more := out(&p.line)
	p.line = Line{}
	if cap(p.text) > 1<<20 {
		p.text = nil
	}
	return more
}

// endAll hands lines on in their order.
func endAll(held []*partial, marks Marks, out func(*Line) bool) bool {
	slices.SortFunc(held, func(a, b *partial) int {
		return cmp.Or(cmp.Compare(a.line.File, b.line.File), cmp.Compare(a.line.Number, b.line.Number))
	})
	for _, p := range held {
		p.line.Marks |= marks
		if !p.end(out) {
			return false
		}
	}
	return true
}

// dockerJSON reads what Docker's json-file driver writes: an object a line, of at most 16 KiB of text
// each. The text of a line that was cut there has no newline at its end.
type dockerJSON struct {
	joiner
	stamps  Stamps
	scratch []byte
}

func (d *dockerJSON) unwrap(line *Line, out func(*Line) bool) bool {
	o := newObject(line.Text)
	var text []byte
	found, replaced := false, false
	for name, value, more := o.next(); more; name, value, more = o.next() {
		switch string(name) {
		case "log":
			text, replaced = o.unquote(&d.scratch, value)
			found = true
		case "stream":
			line.Outer.Stream = streamName(value)
		case "time":
			line.Outer.Stamp, _ = d.stamps.Parse(bytes.Trim(value, `"`))
		}
	}
	if !found {
		line.Marks |= Bare
		return out(line)
	}
	if replaced {
		line.Marks |= Replaced
	}
	if !o.whole() {
		line.Marks |= Torn
	}
	whole := bytes.HasSuffix(text, newline)
	if whole {
		text = bytes.TrimSuffix(text[:len(text)-1], []byte{'\r'})
	}
	line.Text, line.Length = text, int64(len(text))
	return d.add(line, whole, out)
}

var newline = []byte{'\n'}

func streamName(value []byte) string {
	if bytes.Contains(value, []byte("stderr")) {
		return "stderr"
	}
	return "stdout"
}

// fitsDockerJSON wants the members that the driver writes, and no other.
func fitsDockerJSON(text []byte) bool {
	o := newObject(text)
	found := 0
	for name, value, more := o.next(); more; name, value, more = o.next() {
		switch string(name) {
		case "log", "time":
			found++
			if value[0] != '"' {
				return false
			}
		case "stream", "attrs":
		default:
			return false
		}
	}
	return found == 2
}

// cri reads what container runtimes of Kubernetes write: stamp, stream, tags and text. The tag P
// tells that the line goes on in the next record of the stream.
type cri struct {
	joiner
	stamps Stamps
}

func (c *cri) unwrap(line *Line, out func(*Line) bool) bool {
	stamp, stream, full, n := cutCRI(&c.stamps, line.Text)
	if n == 0 {
		line.Marks |= Bare
		return out(line)
	}
	line.Outer.Stamp, line.Outer.Stream = stamp, stream
	line.take(n)
	return c.add(line, full, out)
}

// cutCRI finds the parts before the text.
func cutCRI(stamps *Stamps, text []byte) (stamp Stamp, stream string, full bool, n int) {
	stamp, n = cutTimestamp(stamps, text)
	if n == 0 {
		return Stamp{}, "", false, 0
	}
	switch rest := text[n:]; {
	case bytes.HasPrefix(rest, []byte("stdout ")):
		stream = "stdout"
	case bytes.HasPrefix(rest, []byte("stderr ")):
		stream = "stderr"
	default:
		return Stamp{}, "", false, 0
	}
	n += len("stdout ")
	tags := n
	for n < len(text) && text[n] != ' ' {
		n++
	}
	tag, _, _ := bytes.Cut(text[tags:n], []byte(":"))
	if len(tag) != 1 || tag[0] != 'F' && tag[0] != 'P' {
		return Stamp{}, "", false, 0
	}
	return stamp, stream, tag[0] == 'F', min(n+1, len(text))
}

func fitsCRI(text []byte) bool {
	_, _, _, n := cutCRI(&Stamps{}, text)
	return n > 0
}
