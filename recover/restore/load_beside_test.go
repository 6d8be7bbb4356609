package restore

import (
	"context"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// Rows that somebody else puts in at the same time are there, and no row is lost or doubled over it.
func TestLoadBesideAnother(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{})
	clustertest.Exec(t, c, "postgres", pairSQL)
	for _, commits := range []bool{true, false} {
		other, err := c.Session(t.Context(), "postgres")
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Exec(t.Context(), "BEGIN", "INSERT INTO p VALUES (1, 'a'), (3, 'x')"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		l := &loading{t: t, dsn: c.LibpqDSN("postgres"), change: func(l *Loading) {
			l.Progress = func(s LoadStep) {
				if s.Stage != StageWrite || done == nil {
					return
				}
				ended := done
				done = nil
				go func() {
					// Our INSERT waits for the other's transaction by now, or soon.
					for clustertest.Value(t, c, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgrescue/test' AND wait_event_type = 'Lock'") == "0" {
					}
					end := "ROLLBACK"
					if commits {
						end = "COMMIT"
					}
					ended <- other.Exec(context.Background(), end)
				}()
			}
		}}
		ended := done
		got, err := l.run(given("p", "id v", "1|a", "2|b", "3|c"))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want, state := "p 3/1/1/1/0/0/0", "1\ta\n2\tb\n3\tx\n"
		if !commits {
			want, state = "p 3/3/0/0/0/0/0", "1\ta\n2\tb\n3\tc\n"
		}
		if short(got) != want {
			t.Errorf("commits %v: got %s, want %s", commits, short(got), want)
		}
		if now := clustertest.CopyOut(t, c, "postgres", "SELECT * FROM p ORDER BY id"); now != state {
			t.Errorf("commits %v: the target has\n%s", commits, now)
		}
		_ = other.Close(context.Background())
		clustertest.Exec(t, c, "postgres", "TRUNCATE p, c")
	}
}
