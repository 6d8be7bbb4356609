package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// preserving is a server on which autovacuum comes every second, a loss, and a case.
type preserving struct {
	t      *testing.T
	c      *cluster.Cluster
	kase   string
	xid    string
	truth  map[string]string // the rows that are lost, by table
	before string            // options of tables, and settings
}

const preservedSchema = `CREATE TABLE plain (id int PRIMARY KEY, name text) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
CREATE TABLE odd (id int PRIMARY KEY, big text) WITH (autovacuum_enabled = true, fillfactor = 70, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,
	toast.autovacuum_vacuum_threshold = 1);
ALTER TABLE odd ALTER big SET STORAGE EXTERNAL;
CREATE TABLE parted (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (1000) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
CREATE TABLE bait (id int) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
INSERT INTO plain SELECT i, 'row ' || i FROM generate_series(1, 200) i;
INSERT INTO odd SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 60) i;
INSERT INTO parted SELECT i, 'part ' || i FROM generate_series(1, 199) i`

func newPreserving(t *testing.T, version string) *preserving {
	t.Helper()
	p := &preserving{t: t, kase: filepath.Join(t.TempDir(), "case"), truth: make(map[string]string)}
	p.c = clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"autovacuum": "on", "autovacuum_naptime": "1s", "wal_level": "replica"}})
	clustertest.Exec(t, p.c, "postgres", "CREATE DATABASE shop")
	clustertest.Exec(t, p.c, "shop", strings.Split(preservedSchema, ";\n")...)
	clustertest.Exec(t, p.c, "shop", "CHECKPOINT")
	p.before = p.state()
	return p
}

// lose deletes rows. Until the session that is given back ends, no VACUUM can take them.
func (p *preserving) lose() *cluster.Session {
	p.t.Helper()
	session, err := p.c.Session(p.t.Context(), "shop")
	if err == nil {
		err = session.Exec(p.t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT 1")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for table, where := range map[string]string{"plain": "id % 2 = 0", "odd": "true", "parted_low": "true", "parted_high": "true"} {
		p.truth[table] = clustertest.CopyOut(p.t, p.c, "shop", "SELECT * FROM "+table+" WHERE "+where)
	}
	p.xid = clustertest.Value(p.t, p.c, "shop", `WITH a AS (DELETE FROM plain WHERE id % 2 = 0), b AS (DELETE FROM odd), c AS (DELETE FROM parted) SELECT txid_current()`)
	return session
}

// state is what a freeze changes: options of all tables, and settings.
func (p *preserving) state() string {
	p.t.Helper()
	return clustertest.Value(p.t, p.c, "shop", `SELECT concat_ws(E'\n',
		(SELECT string_agg(oid || ' ' || coalesce(reloptions::text, 'NULL'), E'\n' ORDER BY oid) FROM pg_class WHERE relkind IN ('r', 'p', 't')),
		(SELECT string_agg(name || ' = ' || setting, E'\n' ORDER BY seqno) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'),
		(SELECT string_agg(name || ' = ' || setting, E'\n' ORDER BY name) FROM pg_settings WHERE name IN ('autovacuum', 'max_slot_wal_keep_size')),
		(SELECT string_agg(slot_name, ' ' ORDER BY 1) FROM pg_replication_slots))`)
}

func (p *preserving) run(code exitcode.Code, says string, args ...string) string {
	p.t.Helper()
	args = append(args, "--case", p.kase)
	got, stdout, stderr := execute(p.t.Context(), args...)
	if got != code || !strings.Contains(stdout+stderr, says) {
		p.t.Fatalf("pgrescue %s: code %d (%s), want %d, and %q\n%s%s", strings.Join(args, " "), got, got, code, says, stdout, stderr)
	}
	return stdout
}

func (p *preserving) preserve(more ...string) []string {
	return append([]string{"preserve", "--dsn", p.c.LibpqDSN("shop"), "--table", "plain", "--table", "odd", "--table", "public.parted"}, more...)
}

// untouched fails when anything vacuumed the hurt tables although autovacuum came to the bait.
func (p *preserving) untouched() {
	p.t.Helper()
	count := func(where string) int {
		n, err := strconv.Atoi(clustertest.Value(p.t, p.c, "shop", "SELECT sum(autovacuum_count) FROM pg_stat_all_tables WHERE "+where))
		if err != nil {
			p.t.Fatal(err)
		}
		return n
	}
	const hurt = `relname IN ('plain', 'odd', 'parted_low', 'parted_high') OR relid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'odd')`
	before := 0
	for turn := range 3 {
		seen := count("relname = 'bait'")
		clustertest.Exec(p.t, p.c, "shop", "INSERT INTO bait SELECT generate_series(1, 1000)", "DELETE FROM bait")
		for count("relname = 'bait'") == seen {
			clustertest.Exec(p.t, p.c, "shop", "SELECT pg_sleep(0.05)")
		}
		if turn == 0 { // what came before the freeze is counted by now
			before = count(hurt)
		}
	}
	if n := count(hurt); n != before {
		p.t.Errorf("autovacuum came %d times to a frozen table", n-before)
	}
}

// rescued fails unless the case alone gives all rows.
func (p *preserving) rescued() {
	p.t.Helper()
	out := filepath.Join(p.t.TempDir(), "rows")
	p.run(exitcode.Done, "evidence of the case: ", "undelete", "--xid", p.xid, "-o", out)
	for table, want := range p.truth {
		got, err := os.ReadFile(filepath.Join(out, "public."+table+".copy"))
		if err != nil || sortedLines(string(got)) != sortedLines(want) {
			p.t.Errorf("%s: %v; %d bytes came back of %d", table, err, len(got), len(want))
		}
	}
}

// TestPreserve freezes and captures on a server where autovacuum comes every second, gets all rows out of the case
// alone, and thaws: through the files and over SQL.
func TestPreserve(t *testing.T) {
	t.Parallel()
	versions := []string{"13", "15", "18"}
	if testing.Short() { // no version has goroutines of its own
		versions = []string{clustertest.DefaultVersion}
	}
	for _, version := range versions {
		for _, way := range [][]string{nil, {"--over-sql"}} {
			t.Run(version+strings.Join(way, ""), func(t *testing.T) {
				t.Parallel()
				p := newPreserving(t, version)
				snapshot := p.lose()
				p.run(exitcode.Done, "autovacuum off for public.parted_low of shop", p.preserve(way...)...)
				if p.state() != p.before {
					t.Error("the plan changed something")
				}
				p.run(exitcode.Usage, "--yes says", p.preserve("--apply")...)
				p.run(exitcode.Done, "slot pgrescue_", p.preserve(append(way, "--apply", "--yes")...)...)
				frozen := p.state()
				if err := snapshot.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				p.untouched()
				p.run(exitcode.Done, "kept from an earlier capture", p.preserve(append(way, "--apply", "--yes")...)...)
				if got := p.state(); got != frozen {
					t.Errorf("a second freeze made of\n%s\nthis:\n%s", frozen, got)
				}
				p.run(exitcode.Done, "thawed  public.odd", "preserve", "--undo", "--yes", "--dsn", p.c.LibpqDSN("shop"))
				if got := p.state(); got != p.before {
					t.Errorf("before:\n%s\nafter the thaw:\n%s", p.before, got)
				}
				p.run(exitcode.Done, "Nothing is frozen", "preserve", "--undo", "--yes")
				p.rescued()
				p.run(exitcode.Done, "", "case", "verify")
			})
		}
	}
}
