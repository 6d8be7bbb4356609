package triage

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
)

// Expiry is when a route ends, as far as settings and counters tell.
type Expiry struct {
	At   time.Time `json:"at,omitzero"` // at the latest; zero: no moment can be named
	Text string    `json:"text"`
}

// plan works out when autovacuum comes to a table (relation_needs_vacanalyze in autovacuum.c): from its
// own options, else from the server's settings.
func (s *Server) plan(stats *Stats, rows float64, options string) {
	value := func(name string) string {
		for _, option := range strings.Split(options, ",") {
			if key, text, ok := strings.Cut(option, "="); ok && key == name {
				return text
			}
		}
		return s.Settings[name]
	}
	decimal := func(name string) float64 {
		n, err := strconv.ParseFloat(value(name), 64)
		if err != nil {
			return -1
		}
		return n
	}
	off := func(text string) bool { return text == "off" || text == "false" || text == "no" || text == "0" }
	stats.Autovacuum = !off(s.Settings["autovacuum"]) && !off(s.Settings["track_counts"]) && !off(value("autovacuum_enabled"))
	threshold := max(decimal("autovacuum_vacuum_threshold"), 0) + max(decimal("autovacuum_vacuum_scale_factor"), 0)*max(rows, 0)
	if most := decimal("autovacuum_vacuum_max_threshold"); most >= 0 {
		threshold = min(threshold, most)
	}
	stats.Threshold = int64(threshold)
	stats.InsertThreshold = -1
	if base := decimal("autovacuum_vacuum_insert_threshold"); base >= 0 && stats.InsertedSince >= 0 {
		stats.InsertThreshold = int64(base + max(decimal("autovacuum_vacuum_insert_scale_factor"), 0)*max(rows, 0))
	}
}

// number reads a setting in its own unit; -1: it is not known.
func (s *Server) number(name string) int64 { return number([]byte(s.Settings[name])) }

// megabytes reads a setting of the WAL, whose unit is MB; -1: it is not known.
func (s *Server) megabytes(name string) int64 {
	n := s.number(name)
	if n >= 0 && s.Settings[name+" unit"] == "MB" {
		n <<= 20
	}
	return n
}

// nextVacuum says when the dead rows of a table go.
func (f *Facts) nextVacuum(name string, t *Table) Expiry {
	if f.Server == nil {
		if f.DataDir != nil && !f.DataDir.Running {
			return Expiry{Text: "never, as long as no server is started on this copy"}
		}
		return Expiry{Text: "cannot be told without a connection: autovacuum may come within a minute"}
	}
	naptime := time.Minute
	if n := f.Server.number("autovacuum_naptime"); n > 0 {
		naptime = time.Duration(n) * time.Second
	}
	const prunes = "; every query that reads the table may prune its pages before"
	switch {
	case t == nil || t.Stats == nil:
		return Expiry{Text: "cannot be told: the server has no statistics of " + name + prunes}
	case t.Stats.Busy:
		return Expiry{At: f.Now, Text: "now: VACUUM works on " + name}
	case !t.Stats.Autovacuum:
		return Expiry{Text: "no autovacuum comes to " + name + ": it is switched off" + prunes}
	case t.Stats.Dead > t.Stats.Threshold:
		return Expiry{At: f.Now.Add(naptime), Text: fmt.Sprintf("autovacuum comes to %s within %s: %d dead rows, and it comes beyond %d%s", name, naptime, t.Stats.Dead, t.Stats.Threshold, f.held())}
	case t.Stats.InsertThreshold >= 0 && t.Stats.InsertedSince > t.Stats.InsertThreshold:
		return Expiry{At: f.Now.Add(naptime), Text: fmt.Sprintf("autovacuum comes to %s within %s: %d rows were inserted since the last, and it comes beyond %d%s", name, naptime, t.Stats.InsertedSince, t.Stats.InsertThreshold, f.held())}
	}
	text := fmt.Sprintf("autovacuum comes to %s after %d more dead rows: there are %d, and it comes beyond %d", name, t.Stats.Threshold-t.Stats.Dead+1, t.Stats.Dead, t.Stats.Threshold)
	if t.Stats.InsertThreshold >= 0 {
		text += fmt.Sprintf("; or after %d more inserted ones", t.Stats.InsertThreshold-t.Stats.InsertedSince+1)
	}
	return Expiry{Text: text + prunes}
}

// held says what keeps dead rows from autovacuum; "": nothing.
func (f *Facts) held() string {
	if f.Server.Snapshot.IsZero() {
		return ""
	}
	return "; a transaction that is open since " + pg.FormatTime(f.Server.Snapshot) + " keeps what died after it"
}

// walEnds says until when a server keeps its WAL from a place on.
func (f *Facts) walEnds(need pg.LSN) Expiry {
	s := f.Server
	switch {
	case s == nil && f.DataDir != nil && f.DataDir.Running:
		return Expiry{Text: "a server works on this directory: a checkpoint may remove or reuse files of it at any time"}
	case s == nil:
		return Expiry{Text: "never, as long as no server is started on this copy"}
	case s.Redo == 0 || s.LSN == 0:
		return Expiry{Text: "cannot be told: the role may not ask for the last checkpoint"}
	case need == 0:
		return Expiry{Text: "each checkpoint may remove or reuse the oldest files; " + f.nextCheckpoint().Text}
	}
	for _, slot := range s.Slots {
		if slot.Restart != 0 && slot.Restart <= need && slot.Status != "lost" {
			text := "the slot " + slot.Name + " holds it"
			if most := s.megabytes("max_slot_wal_keep_size"); most > 0 {
				text += fmt.Sprintf(", until the WAL has grown by %d MB more", (most-int64(s.LSN-slot.Restart))>>20)
			}
			return Expiry{Text: text}
		}
	}
	keep := s.megabytes("wal_keep_size")
	if segments, size := s.number("wal_keep_segments"), s.number("wal_segment_size"); segments > 0 && size > 0 {
		keep = segments * size
	}
	if back := int64(s.LSN - need); keep > back {
		return Expiry{Text: fmt.Sprintf("wal_keep_size holds it for %d MB more of WAL", (keep-back)>>20)}
	}
	if need < s.Redo {
		return Expiry{At: f.Now, Text: "the server needs it no more: what is still there goes at any checkpoint; a file that was renamed for later use keeps its content until it is written over"}
	}
	return f.nextCheckpoint()
}

// nextCheckpoint says when the next checkpoint comes at the latest.
func (f *Facts) nextCheckpoint() Expiry {
	s := f.Server
	timeout := s.number("checkpoint_timeout")
	if timeout <= 0 || s.Checkpoint.IsZero() {
		return Expiry{Text: "at the next checkpoint"}
	}
	at := s.Checkpoint.Add(time.Duration(timeout) * time.Second)
	if at.Before(f.Now) {
		at = f.Now.Add(time.Duration(timeout) * time.Second)
	}
	text := "at the next checkpoint, at " + pg.FormatTime(at) + " or soon after where anything is written"
	if size := s.megabytes("max_wal_size"); size > 0 {
		text += fmt.Sprintf(", or once about %d MB of WAL came since the last", size>>20)
	}
	if mode := s.Settings["archive_mode"]; mode == "on" || mode == "always" {
		text += "; archive_mode is on, so that the archive may have it for longer"
	}
	return Expiry{At: at, Text: text}
}

// logEnds says until when a log stays.
func (f *Facts) logEnds() Expiry {
	for _, log := range f.Logs {
		if text := f.containerLogs(); log.Container && text != "" {
			return Expiry{Text: text}
		}
		if log.Container {
			return Expiry{Text: "the log of a container goes with it: `docker rm` and `docker compose down` take it along, and restarts may rotate it"}
		}
	}
	if f.Server == nil {
		return Expiry{Text: "cannot be told: who rotates these files is not known"}
	}
	if f.Server.Settings["logging_collector"] != "on" {
		return Expiry{Text: "the server does not rotate it (logging_collector is off): whatever takes its output does, such as the container or journald"}
	}
	name, truncates := f.Server.Settings["log_filename"], f.Server.Settings["log_truncate_on_rotation"] == "on"
	switch {
	case truncates && !strings.Contains(name, "%Y") && strings.Contains(name, "%a"):
		return Expiry{Text: "log_filename is " + name + " and log_truncate_on_rotation is on: a file is written over after a week"}
	case truncates && !strings.Contains(name, "%Y"):
		return Expiry{Text: "log_filename is " + name + " and log_truncate_on_rotation is on: a file is written over when its name comes again"}
	}
	return Expiry{Text: "the server writes new files (log_filename is " + name + ") and removes none; logrotate or a person may"}
}
