package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// A server describes its own catalogs in pg_attribute: the tables of each
// version must agree with it, column by column.
func TestLayoutAgreesWithServer(t *testing.T) {
	t.Parallel()
	for _, l := range layouts() {
		t.Run(fmt.Sprint(l.version), func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: fmt.Sprint(l.version)})
			for _, table := range slices.Concat(l.tables(), l.lookupTables(), []table{l.database, authidTable()}) {
				checkLayout(t, c, table)
			}
			compareControl(t, c)
			if got := clustertest.Value(t, c, "postgres", "SELECT catalog_version_no FROM pg_control_system()"); got != fmt.Sprint(l.catalogVersion) {
				t.Errorf("catalog version: got %d, the server says %s", l.catalogVersion, got)
			}
			if found, ok := layoutOfCatalogVersion(l.catalogVersion); !ok || found.version != l.version {
				t.Errorf("catalog version %d is not found", l.catalogVersion)
			}
		})
	}
}

// compareControl compares pg_control with the server's own functions, which all versions have.
func compareControl(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (i int)", "CHECKPOINT")
	want := clustertest.CopyOut(t, c, "postgres", `SELECT pg_control_version, system_identifier, checkpoint_lsn, redo_lsn, timeline_id, full_page_writes,
		next_xid, next_oid, next_multixact_id, oldest_xid, extract(epoch FROM checkpoint_time)::bigint, bytes_per_wal_segment,
		data_page_checksum_version <> 0 FROM pg_control_system(), pg_control_checkpoint(), pg_control_init()`)
	got, err := ReadControl(heap.DataDir{Path: c.DataDir()})
	if err != nil {
		t.Fatal(err)
	}
	text := map[bool]string{true: "t", false: "f"}
	have := fmt.Sprintf("%d\t%d\t%s\t%s\t%d\t%s\t%d:%d\t%d\t%d\t%d\t%d\t%d\t%s\n", got.ControlVersion, got.SystemIdentifier, got.Checkpoint, got.Redo,
		got.Timeline, text[got.FullPageWrite], got.NextXID>>32, got.NextXID.XID(), got.NextOID, got.NextMultiXact, got.OldestXID,
		got.CheckpointTime.Unix(), got.SegmentSize, text[got.Checksums])
	if have != want {
		t.Errorf("pg_control\n got %swant %s", have, want)
	}
	if got.State != "in production" || got.CleanShutdown {
		t.Errorf("state %s, clean %v", got.State, got.CleanShutdown)
	}
}

func checkLayout(t *testing.T, c *cluster.Cluster, table table) {
	t.Helper()
	text := clustertest.CopyOut(t, c, "postgres", fmt.Sprintf(
		"SELECT attname, attlen, attalign FROM pg_attribute WHERE attrelid = %d AND attnum > 0 ORDER BY attnum", table.oid))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) < len(table.columns) {
		t.Fatalf("%s: %d columns, the server has %d", table.name, len(table.columns), len(lines))
	}
	aligns := map[uint8]string{1: "c", 2: "s", 4: "i", 8: "d"}
	for i, column := range table.columns {
		got := fmt.Sprintf("%s\t%d\t%s", column.name, column.attr.Len, aligns[column.attr.Align])
		if got != lines[i] {
			t.Errorf("%s column %d: got %q, the server says %q", table.name, i+1, got, lines[i])
		}
	}
	if name := clustertest.Value(t, c, "postgres", fmt.Sprintf("SELECT relname FROM pg_class WHERE oid = %d", table.oid)); name != table.name {
		t.Errorf("%d is %s, not %s", table.oid, name, table.name)
	}
}

func TestEncodingNames(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	for number := int32(0); number < 35; number++ {
		want := clustertest.Value(t, c, "postgres", fmt.Sprintf("SELECT pg_encoding_to_char(%d)", number))
		if got := encodingName(number); got != want {
			t.Errorf("encoding %d: got %s, want %s", number, got, want)
		}
	}
	for number, want := range map[int32]string{-1: "", 35: "encoding 35"} {
		if got := encodingName(number); got != want {
			t.Errorf("encoding %d: got %q, want %q", number, got, want)
		}
	}
	if name, changed := readableName("a\xE9b"); name != `a\xE9b` || !changed {
		t.Errorf("got %q, %v", name, changed)
	}
}
