package pglog

import (
	"bytes"

	"github.com/pgrescue/pgrescue/logparse"
)

// jsonFramer makes entries of jsonlog, which has a line for each.
type jsonFramer struct {
	fields
	room   []byte
	host   []byte
	port   []byte
	source [3][]byte // function, file, line
}

var jsonStart = []byte(`{"timestamp":"`)

// beginsJSON reports whether a line is a record of jsonlog: its time comes first, and a severity is in it.
func beginsJSON(line []byte) bool {
	return bytes.HasPrefix(line, jsonStart) && bytes.Contains(line, []byte(`"error_severity":"`)) && bytes.Contains(line, []byte(`"pid":`))
}

// Frame takes the next line.
func (f *jsonFramer) Frame(line *logparse.Line, out func(*logparse.Entry) error) error {
	if len(bytes.TrimSpace(line.Text)) == 0 {
		return nil
	}
	p := &f.entry
	p.start(line)
	if !bytes.HasPrefix(line.Text, jsonStart) {
		p.entry.Partial = true
		p.put(message, line.Text)
		return out(p.finish())
	}
	f.host, f.port, f.source = f.host[:0], f.port[:0], [3][]byte{}
	if !logparse.Members(line.Text, f.member) {
		p.entry.Partial = true
	}
	if len(f.host) > 0 && len(f.port) > 0 {
		f.host = append(append(f.host, ':'), f.port...)
	}
	p.entry.Client = f.names[3].Of(f.host)
	if f.source[0] != nil || f.source[1] != nil {
		p.open(location)
		p.add(f.source[0])
		p.add([]byte(", "))
		p.add(f.source[1])
		p.add([]byte{':'})
		p.add(f.source[2])
	}
	return out(p.finish())
}

// member takes a name and a value as it stands.
func (f *jsonFramer) member(name, raw []byte) {
	p := &f.entry
	e := &p.entry
	value := logparse.Unquote(&f.room, raw)
	switch string(name) {
	case "timestamp":
		e.Stamp, _ = f.stamps.Parse(value)
	case "user":
		e.User = f.names[0].Of(value)
	case "dbname":
		e.Database = f.names[1].Of(value)
	case "pid":
		e.PID, _ = number(value)
	case "remote_host":
		f.host = append(f.host, value...)
	case "remote_port":
		f.port = append(f.port, value...)
	case "session_id":
		e.Session = f.ids[0].Of(value)
	case "line_num":
		e.SessionLine, _ = number(value)
	case "ps":
		p.name("command_tag", value)
	case "vxid":
		e.VXID = f.ids[1].Of(value)
	case "txid":
		n, _ := number(value)
		e.XID = transaction(n)
	case "error_severity":
		e.Severity = f.ids[3].Of(value)
	case "state_code":
		e.SQLState = f.ids[2].Of(stateOf(value))
	case "application_name":
		e.Application = f.names[2].Of(value)
	case "session_start", "backend_type", "leader_pid", "query_id":
		p.name(jsonName(name), value)
	case "cursor_position":
		p.name(cursor, value)
	case "func_name":
		f.source[0] = bytes.Clone(value)
	case "file_name":
		f.source[1] = bytes.Clone(value)
	case "file_line_num":
		f.source[2] = bytes.Clone(value)
	default:
		if part := jsonPart(name); part >= 0 {
			p.put(part, value)
		}
	}
}

// jsonName gives a name as a constant.
func jsonName(name []byte) string {
	switch string(name) {
	case "session_start":
		return "session_start"
	case "backend_type":
		return "backend_type"
	case "leader_pid":
		return "leader_pid"
	default:
		return "query_id"
	}
}

// jsonPart gives the part that a member holds; -1: none.
func jsonPart(name []byte) int {
	switch string(name) {
	case "message":
		return message
	case "detail":
		return detail
	case "hint":
		return hint
	case "internal_query":
		return query
	case "context":
		return where
	case "statement":
		return about
	}
	return -1
}

// Flush has nothing to give.
func (f *jsonFramer) Flush(func(*logparse.Entry) error) error { return nil }
