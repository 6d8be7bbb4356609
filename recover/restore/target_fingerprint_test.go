package restore

import (
	"errors"
	"testing"

	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// readTarget opens a session for reading, in a transaction.
func readTarget(t testing.TB, c *cluster.Cluster) *live.Conn {
	t.Helper()
	conn, err := live.Connect(t.Context(), c.LibpqDSN("postgres"), live.Options{Command: "restore-plan"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// fingerprintNow is the fingerprint of a table as it is now.
func fingerprintNow(t testing.TB, conn *live.Conn, table *TablePlan) string {
	t.Helper()
	var now string
	within(t, conn, func() error {
		oid := ""
		err := conn.Query(t.Context(), "find", placeSQL, live.Parameters(table.Schema, table.Name), func(row [][]byte) error {
			oid = string(row[0])
			return nil
		})
		if err != nil {
			return err
		}
		now, err = fingerprintOf(t.Context(), conn, oid)
		return err
	})
	return now
}

// within runs read in a transaction with names in full.
func within(t testing.TB, conn *live.Conn, read func() error) {
	t.Helper()
	if err := conn.Exec(t.Context(), "begin", "BEGIN"); err != nil {
		t.Fatal(err)
	}
	err := qualified(t.Context(), conn, read)
	if err := errors.Join(err, conn.Exec(t.Context(), "end", "ROLLBACK")); err != nil {
		t.Fatal(err)
	}
}

func TestFingerprintSeesEveryChange(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"12", "15", "18"} {
		t.Run("pg"+version, func(t *testing.T) {
			t.Parallel()
			c := clustertest.Start(t, cluster.Options{Version: version})
			make := []string{
				`CREATE SCHEMA "Схема"`, `CREATE TABLE "Схема"."weird "" name" (id int, v text, w int) PARTITION BY RANGE (id)`,
				`CREATE TABLE part PARTITION OF "Схема"."weird "" name" FOR VALUES FROM (0) TO (10)`,
				`CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
			}
			clustertest.Exec(t, c, "postgres", make...)
			conn := readTarget(t, c)
			table := &TablePlan{Schema: "Схема", Name: `weird " name`}
			table.Fingerprint = fingerprintNow(t, conn, table)
			for _, change := range []string{
				`ALTER TABLE "Схема"."weird "" name" ALTER v TYPE varchar(7)`,
				`ALTER TABLE "Схема"."weird "" name" ALTER v SET NOT NULL`,
				`ALTER TABLE "Схема"."weird "" name" ALTER v SET DEFAULT 'x'`,
				`ALTER TABLE "Схема"."weird "" name" ADD z int`,
				`ALTER TABLE "Схема"."weird "" name" DROP z`,
				`ALTER TABLE "Схема"."weird "" name" RENAME w TO y`,
				`ALTER TABLE "Схема"."weird "" name" ADD CHECK (y > 0)`,
				`ALTER TABLE "Схема"."weird "" name" ADD PRIMARY KEY (id)`,
				`CREATE UNIQUE INDEX ON part (v)`,
				`CREATE TABLE other PARTITION OF "Схема"."weird "" name" FOR VALUES FROM (10) TO (20)`,
				`CREATE TRIGGER tr AFTER INSERT ON "Схема"."weird "" name" FOR EACH ROW EXECUTE FUNCTION f()`,
				`CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'`,
				`ALTER TABLE part DISABLE TRIGGER tr`,
				`CREATE RULE r AS ON DELETE TO "Схема"."weird "" name" DO ALSO NOTHING`,
				`ALTER TABLE "Схема"."weird "" name" ENABLE ROW LEVEL SECURITY`,
				`CREATE POLICY p ON "Схема"."weird "" name" USING (true)`,
			} {
				clustertest.Exec(t, c, "postgres", change)
				var err error
				within(t, conn, func() error {
					_, err = readPlace(t.Context(), conn, 0, table)
					return nil
				})
				if !errors.Is(err, ErrStale) {
					t.Errorf("%s: the error is %v", change, err)
				}
				table.Fingerprint = fingerprintNow(t, conn, table)
			}
			before := table.Fingerprint
			clustertest.Exec(t, c, "postgres", `INSERT INTO "Схема"."weird "" name" VALUES (1, 'a', 1)`, `ANALYZE`, `VACUUM FULL part`)
			if now := fingerprintNow(t, conn, table); now != before {
				t.Error("rows change the fingerprint")
			}
		})
	}
}
