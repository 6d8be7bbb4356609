package events

import (
	"bytes"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/applog"
)

// message takes an entry of a backend.
func (r *Reader) message(e *logparse.Entry) error {
	b := &r.backend
	if by := writerOf(e); by != nobody {
		if taken, err := b.sql(e, by, r.target); taken || err != nil {
			return err
		}
	}
	given, err := b.trouble(e, r.target)
	if given || err != nil {
		return err
	}
	b.event = logparse.Event{Place: e.Place, Stamp: e.Stamp, Rows: -1, Kind: logparse.Message, Text: firstLine(e)}
	event := &b.event
	whose(e, event)
	event.Session = b.keyOf(e).name()
	var match applog.Match
	switch {
	case r.options.Pack != nil && r.options.Pack.Match(e, &match):
		if r.options.Matched != nil {
			r.options.Matched(e, &match)
		}
		b.matched(event, &match)
	case request(e, event):
		event.Kind = logparse.Request
	}
	return r.target(event)
}

// whose takes who is asking out of the fields of an entry.
func whose(e *logparse.Entry, event *logparse.Event) {
	event.Actor, event.Database = e.User, e.Database
	for i := range e.Fields {
		field := &e.Fields[i]
		switch strings.TrimPrefix(field.Name, "context.") {
		case "client_account_id", "tenant_id", "tenant":
			event.Tenant = string(field.Text)
		case "user_id", "user":
			event.Actor = string(field.Text)
		case "engagement_id", "flow_id", "trace_id", "request_id":
			if event.IDs == nil {
				event.IDs = make(map[string]string)
			}
			event.IDs[strings.TrimPrefix(field.Name, "context.")] = string(field.Text)
		}
	}
}

// request tells an access line of a web server.
func request(e *logparse.Entry, event *logparse.Event) bool {
	var method, path, status []byte
	for i := range e.Fields {
		switch field := &e.Fields[i]; field.Name {
		case "method":
			method = field.Text
		case "path":
			path = field.Text
		case "status":
			status = field.Text
		}
	}
	if len(method) == 0 || len(status) != 3 {
		return false
	}
	event.Text = string(method) + " " + string(path) + " " + string(status)
	if event.Actor == "" {
		event.Actor = e.Client
	}
	return true
}

// maxText bounds the text of an event that is a message.
const maxText = 2000

// firstLine gives severity, logger and message without what goes on in further lines.
func firstLine(e *logparse.Entry) string {
	text := bytes.TrimSpace(e.Message)
	more := false
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		text, more = bytes.TrimSpace(text[:i]), true
	}
	if len(text) > maxText {
		text, more = bytes.ToValidUTF8(text[:maxText], nil), true
	}
	var line strings.Builder
	if e.Severity != "" {
		line.WriteString(e.Severity)
		if e.Logger != "" {
			line.WriteByte(' ')
			line.WriteString(e.Logger)
		}
		line.WriteString(": ")
	}
	line.Write(text)
	if more {
		line.WriteString(" …")
	}
	return line.String()
}

// owner is to whom an id belongs.
type owner struct{ tenant, actor string }

// maxOwners bounds the ids whose owners are remembered.
const maxOwners = 100_000

// matched takes what a pattern found.
func (b *backend) matched(event *logparse.Event, match *applog.Match) {
	pattern := match.Pattern
	event.Kind = logparse.Import
	switch pattern.Proves {
	case applog.ProvesRequest, applog.ProvesResponse, applog.ProvesTenant, applog.ProvesClose:
		event.Kind = logparse.Request
	case applog.ProvesBegin:
		if len(match.Values) > 0 {
			event.Kind = logparse.Request
		}
	}
	event.Why = "pattern " + pattern.Name
	switch {
	case pattern.Commit:
		event.Why += ": the transaction was committed"
	case pattern.Void:
		event.Why += ": the transaction was rolled back"
	}
	for i := range match.Values {
		value := &match.Values[i]
		switch value.Kind {
		case applog.KindJSON:
			if pattern.Proves == applog.ProvesFlow {
				ids(event, value.Text)
			}
		case applog.KindRepr, applog.KindNames:
		default:
			identify(event, value.Name, string(value.Text))
		}
	}
	b.owned(event, pattern.Proves != applog.ProvesTenant)
}

// ids takes the texts of a JSON object.
func ids(event *logparse.Event, text []byte) {
	logparse.Members(text, func(name, value []byte) {
		if len(value) > 1 && value[0] == '"' {
			var room []byte
			identify(event, string(name), string(logparse.Unquote(&room, value)))
		}
	})
}

// maxID bounds a value that may be an id.
const maxID = 200

// identify keeps a field that a pattern took.
func identify(event *logparse.Event, name, text string) {
	if text == "" || text == "None" || text == "null" || len(text) > maxID {
		return
	}
	switch name {
	case "client_account_id":
		event.Tenant = text
	case "user_id":
		event.Actor = text
	}
	if event.IDs == nil {
		event.IDs = make(map[string]string)
	}
	event.IDs[name] = text
}

// owned gives an event whose ids belong to somebody their owner, and remembers those that it tells: the context of
// a request may name a flow that its user only looks at.
func (b *backend) owned(event *logparse.Event, tells bool) {
	names := [...]string{"import_id", "flow_id", "discovery_flow_id"}
	who := owner{event.Tenant, event.Actor}
	if strings.HasPrefix(who.tenant, "***") {
		return // its end only
	}
	for _, name := range names {
		if known, ok := b.owners[event.IDs[name]]; ok && who.tenant == "" {
			who = known
		}
	}
	if who.tenant == "" {
		return
	}
	event.Tenant, event.Actor = who.tenant, who.actor
	for _, name := range names {
		if id := event.IDs[name]; tells && id != "" && !strings.HasPrefix(id, "***") && len(b.owners) < maxOwners {
			b.owners[id] = who
		}
	}
}
