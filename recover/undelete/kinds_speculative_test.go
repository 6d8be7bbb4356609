package undelete_test

import (
	"strconv"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// speculative is a table whose index expression can be made to wait, once: between
// the insertion of a tuple and that of its index entry.
const speculative = `CREATE SCHEMA spec; SET search_path = spec; CREATE TABLE t (id int, note text);
CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql SET search_path = spec AS $$ BEGIN
	IF current_setting('spec.calls', true) <> '' THEN
		PERFORM set_config('spec.calls', (current_setting('spec.calls')::int + 1)::text, false);
		IF current_setting('spec.calls') = '2' THEN PERFORM pg_advisory_lock(77); END IF;
	END IF;
	RETURN $1; END $$;
CREATE UNIQUE INDEX ON t (slow(id))`

// playSpeculative lets two sessions insert the same key. The slower one takes its
// tuple back, which is a delete record of its own kind, and updates the other's: one
// version is lost, and the one that was taken back is not.
func playSpeculative(t *testing.T, c *cluster.Cluster) played {
	t.Helper()
	clustertest.Exec(t, c, "postgres", speculative)
	session := func() *cluster.Session {
		s, err := c.Session(t.Context(), "postgres")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(t.Context()) }) //nolint:errcheck // the server may be stopped by then
		return s
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fast, slow := session(), session()
	must(fast.Exec(t.Context(), "SELECT pg_advisory_lock(77)"))
	must(slow.Exec(t.Context(), "SET search_path = spec", "BEGIN"))
	xid, err := slow.Value(t.Context(), "SELECT txid_current()")
	must(err)
	done := make(chan error)
	go func() {
		done <- slow.Exec(t.Context(), "SET spec.calls = 0", "INSERT INTO t VALUES (1, 'slow') ON CONFLICT (slow(id)) DO UPDATE SET note = 'slow'", "COMMIT")
	}()
	for waits := ""; waits != "1"; {
		waits, err = fast.Value(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
		must(err)
	}
	must(fast.Exec(t.Context(), "INSERT INTO spec.t VALUES (1, 'fast')", "SELECT pg_advisory_unlock(77)"))
	must(<-done)
	if at := clustertest.Value(t, c, "postgres", "SELECT ctid FROM spec.t"); at != "(0,3)" { // behind the one that was taken back
		t.Errorf("the row lies at %s: no insertion was taken back", at)
	}
	parsed, err := strconv.ParseUint(xid, 10, 32)
	must(err)
	return played{
		kind: &kind{name: "speculative insertion taken back", updated: 1}, schema: "spec", xid: pg.XID(parsed),
		rows: map[string][]byte{"t": []byte("1\tfast\n")},
	}
}
