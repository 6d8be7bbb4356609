package rebuild

import (
	"slices"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/statement"
	"github.com/pgrescue/pgrescue/recover/evidence"
)

// sessionKey tells sessions of servers apart.
type sessionKey struct {
	source *logparse.Source
	name   string
}

// settings are what a session has said that the meaning of its later statements depends on.
type settings struct {
	escapes   bool            // a backslash escapes in each string
	path      []string        // search_path; nil: as it was when the session began
	temporary map[string]bool // its temporary tables
	// local holds until the transaction ends, of which all statements end on one line.
	local struct {
		ended     logparse.End
		path      []string
		temporary map[string]bool
	}
}

// learn takes what a statement says of its session. Programs' own logs do not tell sessions.
func (b *Builder) learn(e *logparse.Event) {
	key := sessionKey{e.Source, e.Session}
	if e.Kind == logparse.Connection {
		delete(b.sessions, key)
		return
	}
	if e.Statement == "" || e.Session == "" || e.Kind == logparse.Failed || e.Kind == logparse.RolledBack || e.Source == nil || !server(e.Source) {
		return
	}
	switch e.Verb {
	case "SET", "RESET", "DISCARD":
	case "SELECT":
		if !strings.Contains(e.Statement, "set_config") {
			return
		}
	case "CREATE":
		b.temporary(key, e)
		return
	default:
		return
	}
	if setting, ok := statement.ReadSetting(e.Statement); ok {
		b.session(key).set(&setting, e.Ended)
	}
}

// server reports whether a server wrote a log.
func server(source *logparse.Source) bool {
	return source.Format == "" || logparse.OfServer(source.Format)
}

// session finds or makes what is known of a session.
func (b *Builder) session(key sessionKey) *settings {
	s := b.sessions[key]
	if s == nil {
		s = &settings{}
		b.sessions[key] = s
	}
	return s
}

// temporary takes a CREATE of a temporary table.
func (b *Builder) temporary(key sessionKey, e *logparse.Event) {
	name, dropped, ok := statement.Temporary(e.Statement)
	if !ok {
		return
	}
	s := b.session(key)
	list := &s.temporary
	if dropped {
		s.until(e.Ended)
		list = &s.local.temporary
	}
	if *list == nil {
		*list = make(map[string]bool)
	}
	(*list)[name] = true
}

// until begins the local settings of a transaction, unless they are its own already.
func (s *settings) until(ended logparse.End) {
	if s.local.ended != ended {
		s.local.ended, s.local.path, s.local.temporary = ended, nil, nil
	}
}

// set takes a SET.
func (s *settings) set(setting *statement.Setting, ended logparse.End) {
	switch setting.Name {
	case "standard_conforming_strings":
		s.escapes = len(setting.Values) > 0 && slices.Contains([]string{"off", "false", "no", "0"}, strings.ToLower(setting.Values[0]))
	case "search_path":
		if setting.Local {
			s.until(ended)
			s.local.path = setting.Values
			return
		}
		s.path = setting.Values
	case "all":
		*s = settings{temporary: s.temporary}
	}
}

// known gives what is known of the session of a statement; nil: nothing.
func (b *Builder) known(e *logparse.Event) *settings {
	s := b.sessions[sessionKey{e.Source, e.Session}]
	if s != nil {
		s.until(e.Ended)
	}
	return s
}

// temporaryTable reports whether a name means a temporary table of the session.
func (s *settings) temporaryTable(name evidence.RelationName) bool {
	switch {
	case name.Schema == "pg_temp":
		return true
	case s == nil || name.Schema != "":
		return false
	}
	return s.temporary[name.Name] || s.local.temporary[name.Name]
}

// drop takes a temporary table away.
func (s *settings) drop(name string) {
	if s != nil {
		delete(s.temporary, name)
		delete(s.local.temporary, name)
	}
}

// find gives a name the schema in which the session finds it. Where nobody knows the tables it is the first one of the
// search_path, so that tables of several tenants are not taken for one.
func (b *Builder) find(d *deed, name evidence.RelationName, s *settings) *table {
	var path []string
	if s != nil && name.Schema == "" {
		if path = s.path; s.local.path != nil {
			path = s.local.path
		}
	}
	path = slices.DeleteFunc(slices.Clone(path), func(schema string) bool { return schema == "$user" || schema == "pg_catalog" || schema == "" })
	if len(path) == 0 || path[0] == "public" {
		return b.table(name)
	}
	for _, schema := range path {
		full := name
		full.Schema = schema
		if relation, ok := b.options.Tables(full); ok && relation != nil {
			return b.table(full)
		}
	}
	full := name
	full.Schema = path[0]
	t := b.table(full)
	if len(path) > 1 {
		b.untold(t, d, "it names no schema: of search_path, "+strings.Join(path, ", ")+", the first is taken", 1)
	}
	return t
}
