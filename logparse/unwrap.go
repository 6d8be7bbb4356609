package logparse

import "bytes"

// wrapper is a way in which a transport wraps lines.
type wrapper struct {
	name string
	// share is how much of the lines must fit. Those that are not mistaken for anything else may be few.
	share float64
	// fits reports whether a line is wrapped so.
	fits func(text []byte) bool
	open func(r *reader) unwrapper
}

// unwrapper takes the wrapper off one source's lines.
type unwrapper interface {
	// unwrap takes a line, and hands on what is whole by now. It reports whether more is wanted.
	unwrap(line *Line, out func(*Line) bool) bool
	// flush hands on what still waits for its end.
	flush(out func(*Line) bool) bool
}

// wrappers lists those that are known, those first that are told most surely.
func wrappers() []wrapper {
	return []wrapper{
		{"docker json-file", 0.05, fitsDockerJSON, func(*reader) unwrapper { return &dockerJSON{} }},
		{"journald JSON", 0.05, fitsJournald, func(r *reader) unwrapper { return &journald{reader: r} }},
		{"CRI", 0.05, fitsCRI, func(*reader) unwrapper { return &cri{} }},
		{"Docker Desktop", 0.3, fitsDesktop, func(*reader) unwrapper { return &prefixed{cut: cutDesktop} }},
		{"kubectl --prefix", 0.05, fitsPod, func(*reader) unwrapper { return &named{cut: cutPod} }},
		{"docker compose", 0.5, fitsCompose, func(*reader) unwrapper { return &named{cut: cutCompose} }},
		{"syslog", 0.5, fitsSyslog, func(r *reader) unwrapper { return &syslog{reader: r} }},
		{"timestamps of docker logs -t", 0.5, fitsTimestamps, func(*reader) unwrapper { return &prefixed{cut: cutTimestamp} }},
	}
}

// prefixed takes a stamp off each line.
type prefixed struct {
	cut    func(stamps *Stamps, text []byte) (Stamp, int)
	stamps Stamps
}

func (p *prefixed) unwrap(line *Line, out func(*Line) bool) bool {
	stamp, n := p.cut(&p.stamps, line.Text)
	if n == 0 {
		line.Marks |= Bare
		return out(line)
	}
	line.Outer.Stamp = stamp
	line.take(n)
	return out(line)
}

func (*prefixed) flush(func(*Line) bool) bool { return true }

// cutTimestamp finds the stamp that docker logs -t and kubectl logs --timestamps put before a line.
func cutTimestamp(stamps *Stamps, text []byte) (Stamp, int) {
	stamp, n := stamps.Parse(text)
	if n == 0 || text[10] != 'T' || stamp.Zone != Zoned {
		return Stamp{}, 0
	}
	if n < len(text) {
		if text[n] != ' ' {
			return Stamp{}, 0
		}
		n++
	}
	return stamp, n
}

// fitsTimestamps wants the nanoseconds that Docker writes; programs that write their own time with a
// T between date and time write less of them.
func fitsTimestamps(text []byte) bool {
	_, n := cutTimestamp(&Stamps{}, text)
	if n == 0 || text[19] != '.' {
		return false
	}
	digits := 0
	for _, c := range text[20:n] {
		if !isDigit(c) {
			break
		}
		digits++
	}
	return digits >= 7
}

const desktop = "2006-01-02 15:04:05.000 | "

// cutDesktop finds the prefix of a line that was saved from Docker Desktop: the viewer's local time.
func cutDesktop(stamps *Stamps, text []byte) (Stamp, int) {
	line := bytes.TrimLeft(text, " ")
	if len(line) < len(desktop)-1 || line[10] != ' ' || line[19] != '.' || string(line[23:25]) != " |" {
		return Stamp{}, 0
	}
	stamp, n := stamps.Parse(line)
	if n != 23 {
		return Stamp{}, 0
	}
	n = len(text) - len(line) + len(desktop)
	if len(line) >= len(desktop) && line[25] != ' ' {
		n--
	}
	return stamp, min(n, len(text))
}

// fitsDesktop tells the prefix from loguru's own format, which goes on with a level and another bar.
func fitsDesktop(text []byte) bool {
	_, n := cutDesktop(&Stamps{}, text)
	if n == 0 {
		return false
	}
	level, _, found := bytes.Cut(text[n:], []byte(" | "))
	return !found || !isLevel(bytes.TrimRight(level, " "))
}

// isLevel reports whether a word names a level, and nothing else.
func isLevel(word []byte) bool {
	var upper [8]byte
	if len(word) > len(upper) {
		return false
	}
	for i, c := range word {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	switch string(upper[:len(word)]) {
	case "TRACE", "DEBUG", "INFO", "NOTICE", "SUCCESS", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL", "PANIC", "LOG":
		return true
	}
	return false
}

// named takes a container's name off each line.
type named struct {
	cut   func(text []byte) (name []byte, n int)
	names Names
}

func (c *named) unwrap(line *Line, out func(*Line) bool) bool {
	name, n := c.cut(line.Text)
	if n == 0 {
		line.Marks |= Bare
		return out(line)
	}
	line.Outer.Container = c.names.Of(name)
	line.take(n)
	return out(line)
}

func (*named) flush(func(*Line) bool) bool { return true }

// cutCompose finds the service's name, spaces and a bar that docker compose puts before a line.
func cutCompose(text []byte) (name []byte, n int) {
	for n < len(text) && (isLetter(text[n]) || isDigit(text[n]) || n > 0 && (text[n] == '_' || text[n] == '-' || text[n] == '.')) {
		n++
	}
	name = text[:n]
	for n < len(text) && text[n] == ' ' {
		n++
	}
	if len(name) == 0 || n == len(name) || n >= len(text) || text[n] != '|' {
		return nil, 0
	}
	n++
	if n < len(text) {
		if text[n] != ' ' {
			return nil, 0
		}
		n++
	}
	return name, n
}

func fitsCompose(text []byte) bool {
	name, n := cutCompose(text)
	return n > 0 && !isLevel(name)
}

// cutPod finds what kubectl logs --prefix puts before a line: [pod/NAME/CONTAINER].
func cutPod(text []byte) (name []byte, n int) {
	const open = "[pod/"
	if !bytes.HasPrefix(text, []byte(open)) {
		return nil, 0
	}
	end := bytes.IndexByte(text, ']')
	if end < 0 {
		return nil, 0
	}
	n = end + 1
	if n < len(text) && text[n] == ' ' {
		n++
	}
	return text[len(open):end], n
}

func fitsPod(text []byte) bool {
	_, n := cutPod(text)
	return n > 0
}
