package triage

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/recover/catalog"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Asker is a session of a server, which asks and changes nothing.
type Asker interface {
	Query(ctx context.Context, op, sql string, parameters [][]byte, each func(row [][]byte) error) error
}

// Server is what a running server says of itself.
type Server struct {
	Place      string
	Database   string
	Version    string
	Identifier uint64
	Standby    bool
	Superuser  bool
	Started    time.Time
	StatsReset time.Time
	RolledBack int64 // transactions of the database
	Deleted    int64 // rows of the database, rolled back or not
	LSN        pg.LSN
	Redo       pg.LSN
	Checkpoint time.Time
	OldestWAL  string // the first file in pg_wal; "": the role may not look
	Settings   map[string]string
	Slots      []Slot
	Databases  []OtherDatabase
	// ForeignKeys are those of the database.
	ForeignKeys []ForeignKey
	// Snapshot is since when the oldest transaction runs, which keeps dead rows from VACUUM; zero: none does.
	Snapshot time.Time
	// Elsewhere are databases that have tables which were asked for, and this one has not.
	Elsewhere []string
}

// Slot is a replication slot.
type Slot struct {
	Name    string `json:"name"`
	Plugin  string `json:"plugin,omitempty"` // "": a physical one
	Active  bool   `json:"active"`
	Restart pg.LSN `json:"restart_lsn"`
	Flushed pg.LSN `json:"confirmed_flush_lsn"`
	Status  string `json:"wal_status,omitempty"`
}

// OtherDatabase is a database of the server.
type OtherDatabase struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // -1: the role may not ask
}

// settingsAsked are the settings that say when a route ends.
const settingsAsked = `{autovacuum,autovacuum_naptime,autovacuum_vacuum_threshold,autovacuum_vacuum_scale_factor,autovacuum_vacuum_max_threshold,autovacuum_vacuum_insert_threshold,autovacuum_vacuum_insert_scale_factor,track_counts,` +
	`max_wal_size,min_wal_size,wal_keep_size,wal_keep_segments,max_slot_wal_keep_size,checkpoint_timeout,wal_level,full_page_writes,wal_segment_size,wal_recycle,` +
	`archive_mode,archive_command,archive_library,log_directory,log_filename,log_rotation_age,log_rotation_size,log_truncate_on_rotation,logging_collector,log_destination,` +
	`log_statement,log_min_duration_statement,data_directory,track_commit_timestamp,fsync}`

// question is one thing that a server is asked.
type question struct {
	what string
	sql  string
	row  func(row [][]byte) error
}

// ReadServer asks a server for its settings, its catalogs and its statistics. None of these
// statements reads a table of a user, and what the role may not ask is a gap.
func ReadServer(ctx context.Context, conn Asker, card *live.Card) (*Server, []Table, []evidence.Gap, error) {
	s := &Server{
		Place: card.Place(), Database: card.Database, Version: card.Version, Identifier: card.SystemIdentifier, Standby: card.InRecovery, Superuser: card.Superuser,
		Settings: make(map[string]string),
	}
	r := &serverReader{server: s, byOID: make(map[string]int)}
	var gaps []evidence.Gap
	for _, q := range r.questions(card.Major()) {
		err := conn.Query(ctx, "ask for "+q.what, q.sql, nil, q.row)
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, live.ErrLost):
			return nil, nil, nil, err
		default:
			gaps = append(gaps, evidence.Gap{Where: card.Place(), What: q.what, Why: live.Message(err), Consequence: "what depends on it cannot be told"})
		}
	}
	return s, r.tables, gaps, nil
}

// serverReader puts the answers together.
type serverReader struct {
	server *Server
	tables []Table
	byOID  map[string]int
}

// mostTables bounds how many tables of a database are looked at.
const mostTables = "20000"

func (r *serverReader) questions(version pg.Version) []question {
	position := "pg_catalog.pg_current_wal_insert_lsn()"
	if r.server.Standby {
		position = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	status, since := "''", "NULL::bigint"
	if version >= 13 { // which vacuums for inserted rows too
		status, since = "coalesce(wal_status, '')", "s.n_ins_since_vacuum"
	}
	return []question{
		{"settings", "SELECT name, setting, coalesce(unit, '') FROM pg_catalog.pg_settings WHERE name = ANY ('" + settingsAsked + "')", r.setting},
		{"the place in the WAL", "SELECT " + position + ", redo_lsn, " + micros("checkpoint_time") + " FROM pg_catalog.pg_control_checkpoint()", r.position},
		{"when the server started", "SELECT " + micros("pg_catalog.pg_postmaster_start_time()"), func(row [][]byte) error {
			r.server.Started = timeOf(row[0])
			return nil
		}},
		{"the statistics of the database", "SELECT xact_rollback, tup_deleted, " + micros("stats_reset") + " FROM pg_catalog.pg_stat_database WHERE datname = current_database()", r.database},
		{"the tables and their statistics", `SELECT c.oid, n.nspname, c.relname, c.reltuples, c.relpersistence, pg_catalog.pg_relation_size(c.oid), c.relreplident,
			s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.n_live_tup, s.n_dead_tup, ` + micros("greatest(s.last_vacuum, s.last_autovacuum)") + `,
			coalesce(array_to_string(c.reloptions, ','), ''), c.relkind, ` + since + `
			FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
			WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
			ORDER BY s.n_dead_tup DESC NULLS LAST LIMIT ` + mostTables, r.table},
		{"the columns", `SELECT c.oid, a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%' AND a.attnum > 0 AND NOT a.attisdropped
			ORDER BY c.oid, a.attnum LIMIT 200000`, func(row [][]byte) error {
			if at, known := r.byOID[string(row[0])]; known {
				r.tables[at].Columns = append(r.tables[at].Columns, string(row[1]))
			}
			return nil
		}},
		{"the foreign keys", `SELECT conrelid, confrelid, conname, confdeltype,
			(SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) FROM pg_catalog.unnest(conkey) WITH ORDINALITY k(at, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.at),
			(SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) FROM pg_catalog.unnest(confkey) WITH ORDINALITY k(at, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = confrelid AND a.attnum = k.at)
			FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 LIMIT ` + mostTables, r.foreignKey},
		{"the running VACUUMs", "SELECT relid FROM pg_catalog.pg_stat_progress_vacuum WHERE datname = current_database()", func(row [][]byte) error {
			if at, known := r.byOID[string(row[0])]; known && r.tables[at].Stats != nil {
				r.tables[at].Stats.Busy = true
			}
			return nil
		}},
		{"the replication slots", "SELECT slot_name, coalesce(plugin, ''), active, restart_lsn, confirmed_flush_lsn, " + status + " FROM pg_catalog.pg_replication_slots", r.slot},
		{"the databases", `SELECT datname, CASE WHEN pg_catalog.has_database_privilege(oid, 'CONNECT') THEN pg_catalog.pg_database_size(oid) ELSE -1 END
			FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1 LIMIT 200`, func(row [][]byte) error {
			r.server.Databases = append(r.server.Databases, OtherDatabase{Name: string(row[0]), Bytes: number(row[1])})
			return nil
		}},
		{"the oldest transaction", "SELECT " + micros("min(xact_start)") + " FROM pg_catalog.pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()", func(row [][]byte) error {
			r.server.Snapshot = timeOf(row[0])
			return nil
		}},
		{"the files of pg_wal", `SELECT min(name) FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'`, func(row [][]byte) error {
			r.server.OldestWAL = string(row[0])
			return nil
		}},
	}
}

// micros asks for a time as microseconds, which every DateStyle prints alike.
func micros(expression string) string {
	return "(extract(epoch FROM " + expression + ") * 1000000)::bigint"
}

func timeOf(text []byte) time.Time {
	if text == nil {
		return time.Time{}
	}
	return time.UnixMicro(number(text)).UTC()
}

// number reads a count; -1: there is none.
func number(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func lsnOf(text []byte) pg.LSN {
	lsn, err := pg.ParseLSN(string(text))
	if err != nil {
		return 0
	}
	return lsn
}

func (r *serverReader) setting(row [][]byte) error {
	r.server.Settings[string(row[0])] = string(row[1])
	r.server.Settings[string(row[0])+" unit"] = string(row[2])
	return nil
}

func (r *serverReader) position(row [][]byte) error {
	r.server.LSN, r.server.Redo, r.server.Checkpoint = lsnOf(row[0]), lsnOf(row[1]), timeOf(row[2])
	return nil
}

func (r *serverReader) database(row [][]byte) error {
	r.server.RolledBack, r.server.Deleted, r.server.StatsReset = number(row[0]), number(row[1]), timeOf(row[2])
	return nil
}

func (r *serverReader) table(row [][]byte) error {
	rows, err := strconv.ParseFloat(string(row[3]), 64)
	if err != nil {
		rows = -1
	}
	t := Table{
		Name: evidence.RelationName{Database: r.server.Database, Schema: string(row[1]), Name: string(row[2])}, OID: pg.OID(number(row[0])), Rows: rows,
		Unlogged: string(row[4]) == "u", Bytes: number(row[5]), ReplicaIdentity: string(row[6]), ParentsKnown: true,
	}
	if string(row[14]) == "p" { // it has no file, and counts the rows of its partitions
		t.Bytes = -1
	} else if row[7] != nil {
		t.Stats = &Stats{
			InsertedSince: number(row[15]), Inserted: number(row[7]), Updated: number(row[8]), Deleted: number(row[9]), Live: number(row[10]), Dead: number(row[11]), LastVacuum: timeOf(row[12]),
		}
		r.server.plan(t.Stats, rows, string(row[13]))
	}
	r.byOID[string(row[0])] = len(r.tables)
	r.tables = append(r.tables, t)
	return nil
}

func (r *serverReader) foreignKey(row [][]byte) error {
	child, known := r.byOID[string(row[0])]
	parent, knownToo := r.byOID[string(row[1])]
	if !known || !knownToo {
		return nil
	}
	key := ForeignKey{Name: string(row[2]), Child: r.tables[child].Name, Parent: r.tables[parent].Name, OnDelete: catalog.OnDeleteText(string(row[3]))}
	if string(row[3]) == "c" {
		r.tables[child].Parents = append(r.tables[child].Parents, key.Parent)
	}
	err := errors.Join(json.Unmarshal(row[4], &key.Columns), json.Unmarshal(row[5], &key.ParentColumns))
	r.server.ForeignKeys = append(r.server.ForeignKeys, key)
	return err
}

func (r *serverReader) slot(row [][]byte) error {
	r.server.Slots = append(r.server.Slots, Slot{
		Name: string(row[0]), Plugin: string(row[1]), Active: string(row[2]) == "t", Restart: lsnOf(row[3]), Flushed: lsnOf(row[4]), Status: string(row[5]),
	})
	return nil
}
