package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/pgrescue/pgrescue/logparse"
	"github.com/pgrescue/pgrescue/logparse/events"
	"github.com/pgrescue/pgrescue/logparse/secrets"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/triage"
)

// mostStatements bounds how many statements of logs are kept.
const mostStatements = 100_000

// readLogs reads the statements that destroy, and what logs tell of the server.
func (r *triageRun) readLogs(ctx context.Context, facts *triage.Facts) error {
	options := r.options.logsOptions
	options.paths = r.options.logs
	reading, err := openLogs(ctx, r.terminal, r.found, &options)
	if err != nil {
		return err
	}
	l := &logFacts{facts: facts, reading: reading, logs: make(map[*logparse.Source]*triage.Log)}
	if err := reading.events(ctx, events.New(events.Options{}), l.take); err != nil {
		return err
	}
	if l.left > 0 {
		r.gaps = append(r.gaps, evidence.Gap{
			Where: shortList(options.paths), What: fmt.Sprintf("%d statements", l.left), Why: "there are more than a triage keeps",
			Consequence: "--since and --until narrow it down",
		})
	}
	for _, source := range reading.sources {
		if log := l.logs[source]; log != nil {
			facts.Logs = append(facts.Logs, *log)
		}
	}
	if _, err := reading.finish(); err != nil {
		return err
	}
	for _, source := range reading.sources {
		r.told = append(r.told, source.Gaps()...)
	}
	r.told = append(r.told, reading.unread...)
	return nil
}

// logFacts makes facts of events.
type logFacts struct {
	facts   *triage.Facts
	reading *logReading
	logs    map[*logparse.Source]*triage.Log
	left    int64
}

func (l *logFacts) take(e *logparse.Event) error {
	log := l.logs[e.Source]
	if log == nil {
		log = &triage.Log{
			Name: e.Source.Name, Format: describeLog(e.Source), Server: logparse.OfServer(e.Source.Format),
			Container: strings.Contains(e.Source.Wrapper, "Docker") || strings.Contains(e.Source.Wrapper, "Kubernetes"), Payloads: make(map[string]int64),
		}
		l.logs[e.Source] = log
	}
	if !e.Time.IsZero() {
		if log.First.IsZero() || e.Time.Before(log.First) {
			log.First = e.Time
		}
		if e.Time.After(log.Last) {
			log.Last = e.Time
		}
	}
	if !l.reading.within(e.Stamp) {
		return nil
	}
	if kind := signOf(e); kind != "" {
		l.facts.Signs = append(l.facts.Signs, triage.Sign{Kind: kind, Time: e.Time, Text: cmp.Or(secrets.Text(e.Text), shownStatement(e)), Where: e.Place.String()})
	}
	if e.Statement == "" {
		return nil
	}
	switch e.Verb {
	case "INSERT", "COPY":
		if e.Kind != logparse.Failed && e.Kind != logparse.RolledBack && e.Table.Name != "" && (len(e.Sets) > 0 || e.Parameters != "" || strings.Contains(strings.ToUpper(e.Statement), "VALUES")) {
			log.Payloads[e.Table.Schema+"."+e.Table.Name] += int64(max(len(e.Sets), 1))
		}
	case "DELETE", "UPDATE", "TRUNCATE", "DROP", "MERGE", "ALTER":
		if e.Verb == "ALTER" && !dropsColumn(e.Statement) {
			return nil
		}
		if len(l.facts.Statements) == mostStatements {
			l.left++
			return nil
		}
		s := statementOf(e)
		s.Text, s.Where = shownStatement(e), e.Place.String()
		l.facts.Statements = append(l.facts.Statements, s)
	}
	return nil
}

// dropsColumn reports whether an ALTER TABLE drops a column.
func dropsColumn(statement string) bool {
	text := strings.ToUpper(statement)
	return strings.Contains(text, "ALTER TABLE") && strings.Contains(text, "DROP COLUMN")
}

// signOf tells what an event says of the server. The texts are those of xlogrecovery.c, xlog.c and postmaster.c.
func signOf(e *logparse.Event) triage.SignKind {
	switch e.Kind {
	case logparse.Server, logparse.Message:
		switch {
		case strings.Contains(e.Text, "database system was not properly shut down"), strings.Contains(e.Text, "database system was interrupted"),
			strings.Contains(e.Text, "all server processes terminated; reinitializing"):
			return triage.SignCrash
		case noFile(e):
			return triage.SignNoFile
		case strings.Contains(e.Text, "starting archive recovery"), strings.Contains(e.Text, "selected new timeline ID"), strings.Contains(e.Text, "starting point-in-time recovery"),
			strings.Contains(e.Text, "starting backup recovery"), strings.Contains(e.Text, "archive recovery complete"):
			return triage.SignRecovery
		case loadsDump(e):
			return triage.SignRestore
		}
	case logparse.Failed:
		if e.SQLState == "42P01" || strings.Contains(e.Text, "relation \"") && strings.Contains(e.Text, "does not exist") {
			return triage.SignRefused
		}
		if noFile(e) {
			return triage.SignNoFile
		}
		if loadsDump(e) {
			return triage.SignRestore
		}
	default:
		if loadsDump(e) {
			return triage.SignRestore
		}
	}
	return ""
}

// noFile reports whether the server did not find the file of a relation (md.c).
func noFile(e *logparse.Event) bool {
	return strings.Contains(e.Text, "could not open file \"base/") && strings.Contains(e.Text, "No such file or directory")
}

// noFileAnswer reports whether a server that was asked for a session does not find its own files.
func noFileAnswer(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "could not open file") || strings.Contains(text, "could not open directory") || strings.Contains(text, "The database subdirectory")
}

// loadsDump reports whether an event is of the loading of a dump: what pg_dump writes first into it (pg_backup_archiver.c), and
// nobody else sends.
func loadsDump(e *logparse.Event) bool {
	return strings.HasPrefix(e.Statement, "SET check_function_bodies = false") || strings.Contains(e.Text, "SET check_function_bodies = false")
}
