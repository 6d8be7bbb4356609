package preserve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pg"
)

// Server is the server that the evidence is of.
type Server struct {
	Card *live.Card
	// Open opens a session in a database; "" is the one of the connection string.
	Open func(ctx context.Context, database string, mode live.Mode) (*live.Conn, error)
}

// LockTimeout is how long a freeze waits for a lock. An autovacuum at work on the table gives
// way after deadlock_timeout, which is a second unless somebody changed it.
const LockTimeout = 5 * time.Second

// freezer changes things, and remembers what was before.
type freezer struct {
	*work
	conn   *live.Conn // in the database of the connection string
	memory *Memory
	done   []Frozen
}

// session opens a session that writes: also where the server, or whoever stopped an application by
// it, made transactions read-only by default. No standby is waited for.
func (w *work) session(ctx context.Context, database string) (*live.Conn, error) {
	conn, err := w.Server.Open(ctx, database, live.Write)
	if err != nil {
		return nil, err
	}
	if err := conn.Exec(ctx, "set up the session at", "SET default_transaction_read_only = off; SET synchronous_commit = local"); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// freeze stops what destroys the evidence. What it cannot stop is missing.
func (w *work) freeze(ctx context.Context, memory *Memory) ([]Frozen, error) {
	conn, err := w.session(ctx, "")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	f := &freezer{work: w, conn: conn, memory: memory}
	if err := f.autovacuum(ctx); err != nil {
		return f.done, err
	}
	return f.done, f.holdWAL(ctx)
}

// noServer says why nothing can be frozen.
func (w *work) noServer() string {
	if w.Silent != "" {
		return "not possible: the server does not answer"
	}
	return "not possible: no server given"
}

const onStandby = "the server is a standby: what its primary vacuums goes here too, and only the primary can be frozen"

// autovacuum stops it for the hurt tables, or for all where nobody knows them.
func (f *freezer) autovacuum(ctx context.Context) error {
	switch {
	case f.Server.Card.InRecovery:
		f.lacks("freeze of tables", onStandby)
		return nil
	case len(f.hurt) == 0 || len(f.gone) > 0: // what a table was that was dropped stands in dead rows of catalogs
		if err := f.everywhere(ctx); err != nil {
			return err
		}
	}
	byDatabase := make(map[string][]hurtTable)
	for _, t := range f.hurt {
		byDatabase[t.database] = append(byDatabase[t.database], t)
	}
	for database, tables := range byDatabase {
		if err := f.tables(ctx, database, tables); err != nil {
			return err
		}
	}
	return nil
}

func (f *freezer) tables(ctx context.Context, database string, tables []hurtTable) error {
	conn := f.conn
	if database != conn.Database() {
		var err error
		if conn, err = f.session(ctx, database); err != nil {
			if lost(ctx, err) {
				return err
			}
			f.lacks("freeze of the tables in database "+database, live.Message(err))
			return nil
		}
		defer conn.Close()
	}
	for i := range tables {
		if !tables[i].takesOptions() {
			continue
		}
		if err := f.table(ctx, conn, &tables[i]); err != nil {
			return err
		}
	}
	return nil
}

// table sets the options of one table and its TOAST table.
func (f *freezer) table(ctx context.Context, conn *live.Conn, t *hurtTable) error {
	things := []Frozen{{Kind: KindTable, Database: t.database, Name: t.name, OID: t.oid, Before: t.options, Set: frozenOption, System: f.Server.Card.SystemIdentifier}}
	options := []string{setSQL("", frozenOption)}
	if t.toast != 0 {
		things = append(things, Frozen{Kind: KindToast, Database: t.database, Name: t.name, OID: t.toast, Before: t.toastOptions, Set: frozenOption, System: f.Server.Card.SystemIdentifier})
		options = append(options, setSQL("toast.", frozenOption))
	}
	for i := range things {
		if err := f.memory.remember(things[i]); err != nil {
			return err
		}
	}
	err := conn.Exec(ctx, "stop autovacuum for "+t.name+" at", "ALTER TABLE "+t.quoted+" SET ("+strings.Join(options, ", ")+")")
	if err != nil {
		if lost(ctx, err) {
			return err
		}
		f.lacks("freeze of "+t.name, f.whyNot(ctx, conn, t, err))
		for i := range things { // the statement changed nothing, unless an earlier freeze had
			if value, _ := optionValue(things[i].Before, autovacuumOption); value != "off" {
				if err := f.memory.write(eventThawed, things[i]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return f.did(things...)
}

// did notes what was changed.
func (f *freezer) did(things ...Frozen) error {
	for i := range things {
		if err := f.memory.write(eventFrozen, things[i]); err != nil {
			return err
		}
		f.done = append(f.done, things[i])
	}
	return nil
}

const whoHoldsSQL = `SELECT a.pid, coalesce(a.backend_type, ''), coalesce(left(a.query, 80), '') FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = $1::oid AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
	AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') LIMIT 1`

// whyNot says who holds the lock, if that is what hinders.
func (f *freezer) whyNot(ctx context.Context, conn *live.Conn, t *hurtTable, err error) string {
	why := live.Message(err)
	if !errors.Is(err, live.ErrLocked) {
		return why
	}
	_ = conn.Query(ctx, "ask for locks at", whoHoldsSQL, live.Parameters(fmt.Sprint(uint32(t.oid))), func(row [][]byte) error {
		why = fmt.Sprintf("process %s, %s, holds a lock on it for more than %s: %s", row[0], row[1], LockTimeout, row[2])
		return nil
	})
	return why
}

func (w *work) noSuperuser() string { return "the role " + w.Server.Card.Role + " is no superuser" }

// everywhere stops autovacuum for the whole server.
func (f *freezer) everywhere(ctx context.Context) error {
	if !f.Server.Card.Superuser {
		f.lacks("autovacuum = off for the whole server", f.noSuperuser()+"; name the hurt tables with --table")
		return nil
	}
	ok, err := f.set(ctx, "autovacuum", "off")
	if err != nil || !ok {
		return err
	}
	// The launcher may begin another worker before it reads the setting, and ends.
	launchers := ""
	for turn := 0; turn < 100 && launchers != "0" && err == nil; turn++ {
		launchers, err = f.conn.Value(ctx, "wait for the autovacuum launcher at", `SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
			WHERE backend_type = 'autovacuum launcher')::text FROM pg_catalog.pg_sleep(0.02)`)
	}
	if err != nil {
		return err
	}
	// A worker goes on to the end of its list. One that prevents the wraparound is left alone.
	err = f.conn.Query(ctx, "end the autovacuum workers at", `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
		WHERE backend_type = 'autovacuum worker' AND query NOT LIKE '%to prevent wraparound%'`, nil, func([][]byte) error { return nil })
	if err != nil && !lost(ctx, err) {
		f.lacks("end of the autovacuum workers that are at work", live.Message(err))
		return nil
	}
	return err
}

// set changes a setting of the server, and waits until it is in force; ok is false where it cannot
// be changed.
func (f *freezer) set(ctx context.Context, name, value string) (ok bool, err error) {
	thing := Frozen{Kind: KindSetting, Name: name, Set: value, System: f.Server.Card.SystemIdentifier}
	now, err := inForce(ctx, f.conn, name)
	if err == nil && now == value {
		return true, nil
	}
	if err == nil {
		thing.Before, err = fileSetting(ctx, f.conn, name)
	}
	if err == nil {
		if err := f.memory.remember(thing); err != nil {
			return false, err
		}
		err = changeSetting(ctx, f.conn, name, []string{value})
	}
	if err != nil {
		if lost(ctx, err) {
			return false, err
		}
		f.lacks("setting "+name+" = "+value, live.Message(err))
		return false, f.unchanged(ctx, thing)
	}
	if err := f.did(thing); err != nil {
		return false, err
	}
	if now, err = inForce(ctx, f.conn, name); err != nil {
		return false, err
	}
	if now != value { // the command line goes before the file
		f.lacks("setting "+name+" = "+value, "it was set, and the server still has "+now+": its command line may set it, and only a start without that changes it")
	}
	return now == value, nil
}

func inForce(ctx context.Context, conn *live.Conn, name string) (string, error) {
	return conn.Value(ctx, "ask for "+name+" at", "SELECT setting FROM pg_catalog.pg_settings WHERE name = $1", name)
}

// unchanged forgets a setting that could not be changed, once it is sure that it is as before.
func (f *freezer) unchanged(ctx context.Context, thing Frozen) error {
	now, err := fileSetting(ctx, f.conn, thing.Name)
	if err != nil || !slices.Equal(now, thing.Before) {
		return nil //nolint:nilerr // then it stays remembered, and thawing looks again
	}
	return f.memory.write(eventThawed, thing)
}

// fileSetting is what ALTER SYSTEM has set; nil: nothing.
func fileSetting(ctx context.Context, conn *live.Conn, name string) (value []string, err error) {
	err = conn.Query(ctx, "ask for the settings' files at", `SELECT setting FROM pg_catalog.pg_file_settings
		WHERE name = $1 AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno`, live.Parameters(name), func(row [][]byte) error {
		value = []string{string(row[0])}
		return nil
	})
	return value, err
}

// changeSetting sets a setting by ALTER SYSTEM, or resets it where value is nil, and waits until the server has read it.
func changeSetting(ctx context.Context, conn *live.Conn, name string, value []string) error {
	sql := "ALTER SYSTEM RESET " + pg.QuoteIdent(name)
	if value != nil {
		sql = "ALTER SYSTEM SET " + pg.QuoteIdent(name) + " = '" + strings.ReplaceAll(value[0], "'", "''") + "'"
	}
	const op = "change a setting of"
	loaded, err := conn.Value(ctx, op, "SELECT pg_catalog.pg_conf_load_time()::text")
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, op, sql); err != nil {
		return err
	}
	if _, err := conn.Value(ctx, op, "SELECT pg_catalog.pg_reload_conf()"); err != nil {
		return err
	}
	for range 100 {
		now, err := conn.Value(ctx, op, "SELECT pg_catalog.pg_conf_load_time()::text FROM pg_catalog.pg_sleep(0.02)")
		if err != nil || now != loaded {
			return err
		}
	}
	return nil
}
