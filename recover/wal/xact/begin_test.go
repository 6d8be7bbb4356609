package xact_test

import (
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
)

// TestBeginIsBeforeTheTransaction asks where each transaction of a log of many
// segments may have begun, and compares with its first change.
func TestBeginIsBeforeTheTransaction(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{
		Initdb: []string{"--wal-segsize=1"}, Settings: map[string]string{"wal_keep_size": "1GB", "checkpoint_timeout": "1h"},
	})
	clustertest.Exec(t, c, "postgres", "CREATE TABLE t (id int, pad text)")
	for range 12 {
		clustertest.Exec(t, c, "postgres",
			"INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 2500) i", "CHECKPOINT", "UPDATE t SET id = id + 1 WHERE id % 10 = 0", "DELETE FROM t WHERE id % 7 = 0")
	}
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	archive, err := wal.OpenArchive([]string{c.DataDir()}, wal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	all, err := xact.Collect(t.Context(), archive, xact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for i := range all.Transactions {
		tx := &all.Transactions[i]
		begin, err := xact.Begin(t.Context(), archive, tx.XID)
		if err != nil {
			t.Fatal(err)
		}
		if begin.LSN == 0 {
			continue // older than the first checkpoint
		}
		if begin.LSN > tx.First || tx.XID.Precedes(begin.NextXID) {
			t.Errorf("transaction %d begins at %s, not behind %s with next id %d", tx.XID, tx.First, begin.LSN, begin.NextXID)
		}
		for _, cp := range all.Checkpoints {
			if cp.Redo > begin.LSN && cp.Redo <= tx.First && !tx.XID.Precedes(cp.NextXID.XID()) && cp.Redo-begin.LSN > 4<<20 {
				t.Errorf("transaction %d: the checkpoint at %s is much nearer than %s", tx.XID, cp.Redo, begin.LSN)
			}
		}
		if begin.LSN-archive.Start() > (archive.End()-archive.Start())/2 {
			late++
		}
	}
	if late < 10 {
		t.Errorf("only %d transactions were found in the second half of the log", late)
	}
}
