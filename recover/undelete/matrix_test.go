package undelete_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// The scenario matrix: every kind of loss, on every version, after everything
// that may happen to the evidence. A cell is whole when every lost row came back
// with every value, or it states in one line why PostgreSQL makes that
// impossible; then what came back is still true, and the rest is told.

// fate is a column of the matrix: what became of the evidence after the loss.
type fate struct {
	name string
	// happen brings the cluster there from the fate before; nil: nothing is to be done.
	happen func(m *matrixRun)
	// evidence makes what pgrescue gets out of the data directory, which may be the folder itself.
	evidence func(m *matrixRun, dir string) undelete.Sources
}

func fates() []fate {
	all := func(_ *matrixRun, dir string) undelete.Sources { return undelete.Sources{DataDir: dir} }
	return []fate{
		{name: "running", evidence: all},
		{name: "crashed", happen: (*matrixRun).crash, evidence: all},
		{name: "checkpointed", happen: (*matrixRun).restart, evidence: all},
		{name: "WAL begins at the last checkpoint before", evidence: (*matrixRun).lateWAL},
		{name: "no WAL", evidence: (*matrixRun).noWAL},
		{name: "pruned", happen: (*matrixRun).prune, evidence: all},
		{name: "vacuumed, space used again", happen: (*matrixRun).vacuum, evidence: all},
		{name: "rewritten by VACUUM FULL", happen: (*matrixRun).rewrite, evidence: all},
	}
}

// matrixServer is a version with the settings that the matrix tries on it: each
// setting meets each kind of loss on some version.
type matrixServer struct {
	version  string
	settings map[string]string
	initdb   []string
	identity string // replica identity of the tables: "": the default
}

func matrixServers() []matrixServer {
	return []matrixServer{
		{version: "12", settings: map[string]string{"wal_compression": "on"}},
		{version: "13", settings: map[string]string{"wal_level": "logical"}, initdb: []string{"--data-checksums"}, identity: "FULL"},
		{version: "14", initdb: []string{"--wal-segsize=1"}},
		{version: "15", settings: map[string]string{"wal_compression": "zstd"}, initdb: []string{"--data-checksums"}},
		{version: "16", settings: map[string]string{"wal_compression": "pglz"}, initdb: []string{"--wal-segsize=64"}},
		{version: "17", settings: map[string]string{"wal_level": "logical"}, identity: "NOTHING"},
		{version: "18", settings: map[string]string{"wal_level": "logical"}, identity: "USING INDEX t_pkey"},
	}
}

// matrixRun is one version's column of clusters and what is known of the losses on it.
type matrixRun struct {
	t       *testing.T
	server  matrixServer
	cluster *cluster.Cluster
	kinds   []lossKind
	losses  []matrixLoss
	redo    string // name of the segment with the last checkpoint before the losses
}

// matrixLoss is one kind of loss after it happened.
type matrixLoss struct {
	xid    pg.XID
	doomed map[string][]byte // COPY's text by table
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	results := &matrixResults{cells: make(map[[2]string]*cellResult)}
	servers := matrixServers()
	if testing.Short() {
		servers = servers[3:4]
	}
	t.Run("servers", func(t *testing.T) {
		for _, server := range servers {
			t.Run("pg"+server.version, func(t *testing.T) {
				t.Parallel()
				m := &matrixRun{t: t, server: server, kinds: kindsOf(server.version)}
				m.start()
				for i := range m.kinds {
					m.lose(&m.kinds[i])
				}
				m.live(results)
			})
		}
	})
	text := results.markdown()
	t.Logf("the scenario matrix:\n%s", text)
	if !testing.Short() && !t.Failed() {
		compareMatrix(t, text)
	}
}

func (m *matrixRun) start() {
	settings := map[string]string{"wal_keep_size": "2GB", "wal_keep_segments": "128", "checkpoint_timeout": "1h"}
	if m.server.version == "12" {
		delete(settings, "wal_keep_size")
	} else {
		delete(settings, "wal_keep_segments")
	}
	for name, value := range m.server.settings {
		settings[name] = value
	}
	m.cluster = clustertest.Start(m.t, cluster.Options{Version: m.server.version, Initdb: m.server.initdb, Settings: settings})
	for i := range m.kinds {
		k := &m.kinds[i]
		clustertest.Exec(m.t, m.cluster, "postgres", append([]string{"CREATE SCHEMA " + k.schema, "SET search_path = " + k.schema}, k.prepare...)...)
		if m.server.identity != "" && k.identity {
			clustertest.Exec(m.t, m.cluster, "postgres", "ALTER TABLE "+k.schema+".t REPLICA IDENTITY "+m.server.identity)
		}
	}
	clustertest.Exec(m.t, m.cluster, "postgres", "SELECT pg_switch_wal()", "CHECKPOINT")
	m.redo = clustertest.Value(m.t, m.cluster, "postgres", "SELECT pg_walfile_name(redo_lsn) FROM pg_control_checkpoint()")
}

// lose copies the doomed rows out and destroys them in one transaction.
func (m *matrixRun) lose(k *lossKind) {
	m.t.Helper()
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			m.t.Helper()
			m.t.Fatalf("%s: %v", k.name, err)
		}
	}
	s, err := m.cluster.Session(ctx, "postgres")
	check(err)
	defer s.Close(ctx)
	check(s.Exec(ctx, "SET search_path = "+k.schema))
	loss := matrixLoss{doomed: make(map[string][]byte)}
	for table, query := range k.doomed {
		loss.doomed[k.schema+"."+table], err = s.CopyOut(ctx, query)
		check(err)
	}
	check(s.Exec(ctx, append([]string{"BEGIN"}, k.loss...)...))
	xid, err := s.Value(ctx, "SELECT txid_current()")
	check(err)
	number, err := strconv.ParseUint(xid, 10, 64)
	check(err)
	loss.xid = pg.FullXID(number).XID()
	if k.end == nil {
		k.end = []string{"COMMIT"}
	}
	check(s.Exec(ctx, k.end...))
	m.losses = append(m.losses, loss)
}

// live leads the evidence through all fates, and rescues every loss in each.
func (m *matrixRun) live(results *matrixResults) {
	for column, f := range fates() {
		if f.happen != nil {
			f.happen(m)
		}
		m.t.Run(f.name, func(t *testing.T) {
			at := &matrixRun{t: t, server: m.server, cluster: m.cluster, redo: m.redo}
			dir := filepath.Join(t.TempDir(), "data")
			if err := m.cluster.CopyDataDir(dir); err != nil {
				t.Fatal(err)
			}
			sources := f.evidence(at, dir)
			for i := range m.kinds {
				if testing.Short() && (i+column)%4 != 0 { // the race detector sees the same goroutines in each
					continue
				}
				k := &m.kinds[i]
				t.Run(k.name, func(t *testing.T) {
					outcome := rescueCell(t, sources, k, &m.losses[i], f.name)
					results.add(k, f.name, m.server.version, outcome)
				})
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
}

func (m *matrixRun) crash() {
	if err := m.cluster.Crash(context.Background()); err != nil {
		m.t.Fatal(err)
	}
}

func (m *matrixRun) restart() {
	if err := m.cluster.Start(context.Background()); err != nil {
		m.t.Fatal(err)
	}
	clustertest.Exec(m.t, m.cluster, "postgres", "CHECKPOINT")
}

// lateWAL leaves the WAL before the last checkpoint out.
func (m *matrixRun) lateWAL(dir string) undelete.Sources {
	entries, err := os.ReadDir(filepath.Join(dir, "pg_wal"))
	if err != nil {
		m.t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); len(name) == len(m.redo) && name < m.redo { // one timeline: the names are in order
			if err := os.Remove(filepath.Join(dir, "pg_wal", name)); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	return undelete.Sources{DataDir: dir}
}

func (m *matrixRun) noWAL(dir string) undelete.Sources {
	if err := os.RemoveAll(filepath.Join(dir, "pg_wal")); err != nil {
		m.t.Fatal(err)
	}
	return undelete.Sources{DataDir: dir}
}

// tables lists the tables that are left in the schemas of the matrix.
func (m *matrixRun) tables() []string {
	list := clustertest.Value(m.t, m.cluster, "postgres", `SELECT string_agg(format('%I.%I', nspname, relname), ' ')
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'k\_%' AND relkind = 'r'`)
	return strings.Fields(list)
}

// each runs statements on every table, and writes everything to the files.
func (m *matrixRun) each(formats ...string) {
	var sql []string
	for _, table := range m.tables() {
		for _, format := range formats {
			sql = append(sql, fmt.Sprintf(format, table))
		}
	}
	clustertest.Exec(m.t, m.cluster, "postgres", append(sql, "CHECKPOINT")...)
}

func (m *matrixRun) prune() { m.each("SELECT count(*) FROM %s", "SELECT count(*) FROM %s") }

// vacuum also fills the space that it finds; the catalogs are vacuumed too.
func (m *matrixRun) vacuum() {
	m.each("VACUUM %s")
	for i := range m.kinds {
		if k := &m.kinds[i]; k.refill != "" {
			clustertest.Exec(m.t, m.cluster, "postgres", "SET search_path = "+k.schema, k.refill)
		}
	}
	clustertest.Exec(m.t, m.cluster, "postgres", "VACUUM", "CHECKPOINT")
}

// rewrite gives every table a new file, and the catalogs too.
func (m *matrixRun) rewrite() {
	m.each("VACUUM FULL %s")
	clustertest.Exec(m.t, m.cluster, "postgres", "VACUUM FULL pg_class", "VACUUM FULL pg_attribute", "VACUUM FULL pg_type", "CHECKPOINT")
}

// rescueCell rescues one loss and says what the cell holds.
func rescueCell(t *testing.T, sources undelete.Sources, k *lossKind, loss *matrixLoss, fate string) cellOutcome {
	t.Helper()
	limit, limited := k.limits[fate]
	if k.notLost {
		return notLostCell(t, sources, loss)
	}
	got, err := tryRun(t, sources, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: loss.xid} }, false)
	if err != nil {
		if limited && limit.nothing {
			return cellOutcome{limit: limit.why}
		}
		t.Fatal(err)
	}
	if limited {
		limitedCell(t, got, loss, &limit)
		return cellOutcome{limit: limit.why}
	}
	for _, table := range got.loss.Tables() {
		if b := table.Balance; b.Missing+b.InPart > 0 {
			t.Errorf("%s: %+v", table.Name(), b)
		}
	}
	if !got.loss.Covered {
		t.Errorf("ledger not covered: %s", got.loss.Uncovered)
	}
	rows := byPlainName(got.rows)
	for table, doomed := range loss.doomed {
		equalRows(t, table, rows[table], doomed)
	}
	return cellOutcome{whole: !t.Failed()}
}

// limitedCell checks a cell that cannot be whole: what came back was lost, and
// the ledger does not pretend to be complete or counts what is missing.
func limitedCell(t *testing.T, got *rescue, loss *matrixLoss, limit *cellLimit) {
	t.Helper()
	rows := byPlainName(got.rows)
	missing, lost := int64(0), 0
	for _, table := range got.loss.Tables() {
		missing += table.Balance.Missing + table.Balance.InPart
	}
	for table, doomed := range loss.doomed {
		lost += len(sorted(doomed)) - len(sorted(rows[table]))
		if limit.all {
			equalRows(t, table, rows[table], doomed)
		} else {
			subsetOf(t, table, rows[table], doomed)
		}
	}
	if lost > 0 && missing == 0 && got.loss.Covered {
		t.Errorf("%d rows did not come back, and the ledger claims to be complete", lost)
	}
	if limit.all && got.loss.Covered {
		t.Error("the cell is whole; take its limit away")
	}
}

// notLostCell checks that what was rolled back is not called lost.
func notLostCell(t *testing.T, sources undelete.Sources, loss *matrixLoss) cellOutcome {
	t.Helper()
	got, err := tryRun(t, sources, func(*undelete.Evidence) undelete.Request { return undelete.Request{XID: loss.xid} }, false)
	switch {
	case errors.Is(err, undelete.ErrRolledBack), errors.Is(err, undelete.ErrNothingDestroyed), errors.Is(err, undelete.ErrUnreadable), errors.Is(err, undelete.ErrUndecided):
	case err != nil:
		t.Error(err)
	case len(got.loss.Tables()) > 0:
		t.Errorf("%d tables have lost something", len(got.loss.Tables()))
	}
	return cellOutcome{notLost: !t.Failed()}
}

// byPlainName takes from table names what they say of former files and drops.
func byPlainName(rows map[string][]byte) map[string][]byte {
	plain := make(map[string][]byte)
	for name, text := range rows {
		name, _, _ = strings.Cut(name, " (")
		plain[name] = append(plain[name], text...)
	}
	return plain
}

// matrixResults collects the cells of all versions.
type matrixResults struct {
	mu    sync.Mutex
	cells map[[2]string]*cellResult
}
