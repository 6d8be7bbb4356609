package stream

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// startSmall starts a server with segments of 1 MiB that keeps few of them.
func startSmall(t testing.TB, version string, settings map[string]string) *cluster.Cluster {
	t.Helper()
	all := map[string]string{"min_wal_size": "2MB", "checkpoint_timeout": "1h"}
	for name, value := range settings {
		all[name] = value
	}
	return clustertest.Start(t, cluster.Options{Version: version, TCP: true, Initdb: []string{"--wal-segsize=1"}, Settings: all})
}

// write makes a server write about so many MiB of WAL.
func write(t testing.TB, c *cluster.Cluster, mib string) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE IF NOT EXISTS filler (t text)",
		"INSERT INTO filler SELECT repeat(md5(i::text), 30) FROM generate_series(1, "+mib+" * 1000) i")
}

// makeReplicator makes a role that may do nothing but replicate.
func makeReplicator(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'only replication'")
}

// replicatorDSN is that role's DSN; the port is another one after each start.
func replicatorDSN(c *cluster.Cluster) string { return roleDSN(c, "replicator", "only replication") }

// roleDSN is the DSN of a role with a password, over TCP.
func roleDSN(c *cluster.Cluster, role, password string) string {
	var kept []string
	for _, field := range strings.Fields(c.TCPDSN("postgres")) {
		if !strings.HasPrefix(field, "user=") && !strings.HasPrefix(field, "password=") {
			kept = append(kept, field)
		}
	}
	return strings.Join(kept, " ") + " user=" + role + " password='" + password + "'"
}

func connect(t testing.TB, dsn string) *Server {
	t.Helper()
	server, err := Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// fetch runs one whole fetch over a connection of its own, as the command does.
func fetch(ctx context.Context, t testing.TB, dsn, folder string, options Options) (*Plan, *Result, error) {
	t.Helper()
	server := connect(t, dsn)
	defer server.Close()
	plan, err := server.Plan(t.Context(), folder, options)
	if err != nil {
		t.Fatal(err)
	}
	result, err := server.Fetch(ctx, plan, options)
	return plan, result, err
}

// sameAsServer compares every file of a folder with the one in the server's pg_wal, and
// gives the names, sorted. to is where the log was fetched to.
func sameAsServer(t testing.TB, c *cluster.Cluster, folder string, to pg.LSN) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), partialSuffix)
		names = append(names, entry.Name())
		got, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(c.WALDir(), name))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s has %d bytes, the server's %d", entry.Name(), len(got), len(want))
			continue
		}
		if name != entry.Name() {
			id, _ := wal.ParseSegmentName(name, uint32(len(want)))
			end := to
			if at, left := switchPoint(t, folder, id.Timeline); left {
				end = at
			}
			n := int64(end) - int64(id.Number)*int64(len(want))
			if n <= 0 || n > int64(len(want)) || len(bytes.TrimRight(got[n:], "\x00")) > 0 {
				t.Errorf("%s does not end at %s", entry.Name(), end)
				continue
			}
			got, want = got[:n], want[:n]
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from the server's", entry.Name())
		}
	}
	slices.Sort(names)
	return names
}

// switchPoint is where the next timeline leaves one, as the history files in a folder say.
func switchPoint(t testing.TB, folder string, timeline pg.TimelineID) (at pg.LSN, left bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.history"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switches, err := wal.ParseHistory(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range switches {
			if s.Timeline == timeline {
				return s.End, true
			}
		}
	}
	return 0, false
}

// serverOldest is the lowest segment in the server's pg_wal, without its timeline.
func serverOldest(t testing.TB, c *cluster.Cluster) string {
	t.Helper()
	return clustertest.Value(t, c, "postgres", "SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")
}

// holder is a slot of the tests, which keeps the server from removing WAL.
const holder = "holder"

// hold makes that slot.
func hold(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "SELECT pg_create_physical_replication_slot('"+holder+"', true)")
}

// noSlot fails the test when the server has a slot of ours. A connection that was
// closed ends on the server a little later, and its temporary slot with it: as long as
// somebody still has the slot, it is asked for again.
func noSlot(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	const most = 10_000
	for asked := 1; ; asked++ {
		left := clustertest.Value(t, c, "postgres",
			"SELECT string_agg(slot_name || CASE WHEN active THEN ' (in use)' ELSE '' END, ', ') FROM pg_replication_slots WHERE slot_name <> '"+holder+"'")
		if left == "" {
			return
		}
		if !strings.Contains(left, "(in use)") || asked == most {
			t.Errorf("slots are left behind: %s", left)
			return
		}
	}
}

// makeStandby stops the server and starts it as a standby that follows nobody.
func makeStandby(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	signal := filepath.Join(c.DataDir(), "standby.signal")
	if err := os.WriteFile(signal, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	giveToOwner(t, c.DataDir(), signal)
	if err := c.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// promote lets a standby change to a new timeline.
func promote(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	if done := clustertest.Value(t, c, "postgres", "SELECT pg_promote()"); done != "t" {
		t.Fatalf("pg_promote gave %q", done)
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT")
}

func TestFetchOnEveryVersion(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		c := startSmall(t, version, nil)
		makeReplicator(t, c)
		write(t, c, "12")
		clustertest.Exec(t, c, "postgres", "CHECKPOINT")
		write(t, c, "5")

		folder := filepath.Join(t.TempDir(), "new", "wal")
		plan, result, err := fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		noSlot(t, c)
		names := sameAsServer(t, c, folder, result.To)
		if oldest := serverOldest(t, c); len(names) < 5 || names[0][8:] != oldest {
			t.Errorf("the oldest segment is %s of %d, the server's is %s", names[0], len(names), oldest)
		}
		if oldest := serverOldest(t, c); oldest == strings.Repeat("0", 15)+"1" {
			t.Errorf("the server has removed nothing; this test is blind")
		}
		if result.To != plan.Until || int(result.Segments)+1 != len(names) || len(result.Gaps) > 0 || result.Bytes != plan.Bytes {
			t.Errorf("result is %+v, the plan %+v", result, plan)
		}

		hold(t, c)
		write(t, c, "2")
		makeStandby(t, c)
		promote(t, c)
		write(t, c, "2")
		plan, result, err = fetch(t.Context(), t, replicatorDSN(c), folder, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if plan.Whole < 4 || len(result.Gaps) > 0 {
			t.Errorf("the second run has %d whole segments and gaps %v", plan.Whole, result.Gaps)
		}
		names = sameAsServer(t, c, folder, result.To)
		if !slices.Contains(names, "00000002.history") || !strings.HasPrefix(names[len(names)-1], "00000002") {
			t.Errorf("the new timeline is not there: %v", names)
		}
		noSlot(t, c)
	})
}
