package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// The columns of csvlog. Servers up to 12 end with the application's name, 13 with the backend's type.
const (
	csvTime = iota
	csvUser
	csvDatabase
	csvPID
	csvClient
	csvSession
	csvSessionLine
	csvTag
	csvStart
	csvVXID
	csvXID
	csvSeverity
	csvSQLState
	csvMessage
	csvDetail
	csvHint
	csvQuery
	csvQueryAt
	csvContext
	csvStatement
	csvStatementAt
	csvLocation
	csvApplication
	csvBackend
	csvLeader
	csvQueryID
	csvColumns
)

// leastColumns is how many the oldest servers write.
const leastColumns = csvApplication + 1

// csvFramer makes entries of csvlog.
type csvFramer struct {
	fields
	open   bool   // a record has begun and not ended
	record []byte // its lines
	first  logparse.Line
	lines  int
	marks  logparse.Marks
}

// Holds reports whether a line is within a record, whose texts may be of several lines.
func (f *csvFramer) Holds(line *logparse.Line) bool { return f.open && !beginsCSV(line.Text) }

// fields puts an entry together whose fields have names.
type fields struct {
	stamps logparse.Stamps
	entry  pending
	names  [4]logparse.Names
	ids    [4]logparse.Names
}

// beginsCSV reports whether a line begins a record: what stands before the number within the session tells.
func beginsCSV(line []byte) bool {
	if len(line) == 0 || !digit(line[0]) {
		return false
	}
	_, n := logparse.ParseStamp(line)
	if n == 0 || n == len(line) || line[n] != ',' {
		return false
	}
	at := n + 1
	for column := csvUser; column <= csvSessionLine; column++ {
		text, next, ok := csvField(line, at)
		if !ok || next > len(line) {
			return false
		}
		switch column {
		case csvPID, csvSessionLine:
			if _, n := number(text); n == 0 || n != len(text) {
				return false
			}
		case csvSession:
			if n := sessionAt(text); n < 0 || n != len(text) {
				return false
			}
		}
		at = next
	}
	return true
}

// csvField gives the field at a place as it stands, without the quotes around it, and where the next one begins:
// behind the end of the record there is none. ok is false when a quote does not end, or something stands behind it.
func csvField(record []byte, at int) (text []byte, next int, ok bool) {
	if at >= len(record) || record[at] != '"' {
		rest := record[min(at, len(record)):]
		if i := bytes.IndexByte(rest, ','); i >= 0 {
			return rest[:i], at + i + 1, true
		}
		return rest, len(record) + 1, true
	}
	at++
	for end := at; ; {
		i := bytes.IndexByte(record[end:], '"')
		if i < 0 {
			return record[at:], len(record) + 1, false
		}
		end += i
		if end+1 < len(record) && record[end+1] == '"' {
			end += 2
			continue
		}
		if end+1 < len(record) && record[end+1] != ',' {
			return record[at:end], end + 1, false
		}
		return record[at:end], end + 2, true
	}
}

// Frame takes the next line.
func (f *csvFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	if f.open && beginsCSV(line.Text) { // the record before was cut
		if err := f.give(f.record, true, out); err != nil {
			return err
		}
	}
	if !f.open {
		f.first, f.lines, f.marks = *line, 1, line.Marks
		f.first.Text = nil
		if closedCSV(line.Text) {
			return f.give(line.Text, false, out)
		}
		f.open = true
		f.record = append(f.record[:0], line.Text...)
		return nil
	}
	f.lines++
	f.marks |= line.Marks
	closes := quotes(line.Text)%2 == 1
	if len(f.record)+1+len(line.Text) <= 2*maxEntry {
		f.record = append(append(f.record, '\n'), line.Text...)
	} else {
		f.marks |= logparse.Cut
	}
	if closes {
		return f.give(f.record, false, out)
	}
	return nil
}

// closedCSV reports whether all quotes of a line are closed in it.
func closedCSV(line []byte) bool { return quotes(line)%2 == 0 }

func quotes(text []byte) int { return bytes.Count(text, []byte{'"'}) }

// give makes an entry of a record. What is no record is what somebody else wrote.
func (f *csvFramer) give(record []byte, cut bool, out func(*logparse.Entry) error) error {
	f.open = false
	p := &f.entry
	f.first.Marks = f.marks
	p.start(&f.first)
	p.entry.Lines = f.lines
	if !beginsCSV(record) {
		text := bytes.TrimSpace(record)
		if len(text) == 0 {
			return nil
		}
		p.entry.Partial = true
		p.put(message, text)
		return out(p.finish())
	}
	at, column, ok := 0, 0, true
	for at <= len(record) && column < csvColumns && ok {
		var text []byte
		quoted := at < len(record) && record[at] == '"'
		text, at, ok = csvField(record, at)
		if len(text) > 0 {
			f.column(column, text, quoted)
		}
		column++
	}
	if cut || !ok || column < leastColumns {
		p.entry.Partial = true
	}
	if cap(f.record) > maxKept {
		f.record = nil
	}
	return out(p.finish())
}

// column takes one field.
func (f *csvFramer) column(column int, text []byte, quoted bool) {
	p := &f.entry
	e := &p.entry
	if quoted {
		text = p.unquote(text)
	}
	switch column {
	case csvTime:
		e.Stamp, _ = f.stamps.Parse(text)
	case csvUser:
		e.User = f.names[0].Of(text)
	case csvDatabase:
		e.Database = f.names[1].Of(text)
	case csvPID:
		e.PID, _ = number(text)
	case csvClient:
		e.Client = f.names[3].Of(text)
	case csvSession:
		e.Session = f.ids[0].Of(text)
	case csvSessionLine:
		e.SessionLine, _ = number(text)
	case csvTag:
		p.name("command_tag", text)
	case csvStart:
		p.name("session_start", text)
	case csvVXID:
		e.VXID = f.ids[1].Of(text)
	case csvXID:
		value, _ := number(text)
		e.XID = transaction(value)
	case csvSeverity:
		e.Severity = f.ids[3].Of(text)
	case csvSQLState:
		e.SQLState = f.ids[2].Of(stateOf(text))
	case csvApplication:
		e.Application = f.names[2].Of(text)
	case csvBackend:
		p.name("backend_type", text)
	case csvLeader:
		p.name("leader_pid", text)
	case csvQueryID:
		p.name("query_id", text)
	case csvStatementAt:
		p.name(cursor, text)
	default:
		if part := csvPart(column); part >= 0 {
			p.put(part, text)
		}
	}
}

// csvPart gives the part that a column holds; -1: none.
func csvPart(column int) int {
	switch column {
	case csvMessage:
		return message
	case csvDetail:
		return detail
	case csvHint:
		return hint
	case csvQuery:
		return query
	case csvContext:
		return where
	case csvStatement:
		return about
	case csvLocation:
		return location
	}
	return -1
}

// put makes text a whole part.
func (p *pending) put(part int, text []byte) {
	p.open(part)
	p.add(text)
}

// unquote makes one quote of two, in place.
func (p *pending) unquote(text []byte) []byte {
	i := bytes.Index(text, doubled)
	if i < 0 {
		return text
	}
	to := i + 1
	for from := i + 2; from < len(text); {
		next := bytes.Index(text[from:], doubled)
		if next < 0 {
			to += copy(text[to:], text[from:])
			break
		}
		to += copy(text[to:], text[from:from+next+1])
		from += next + 2
	}
	return text[:to]
}

var doubled = []byte(`""`)

// Flush gives the record that the log ends within.
func (f *csvFramer) Flush(out func(*logparse.Entry) error) error {
	if !f.open {
		return nil
	}
	return f.give(f.record, true, out)
}
