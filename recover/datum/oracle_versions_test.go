package datum_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/datum"
	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/undelete"
)

// serverMade makes tables of types that only the server makes values of.
const serverMade = `
	CREATE TABLE a AS SELECT g % 7 AS x, g % 14 AS y, (g % 70)::text AS z FROM generate_series(1, 1000) g;
	CREATE STATISTICS s ON x, y, z FROM a;
	ANALYZE a;
	ALTER TABLE a ADD d int DEFAULT 7 + 8;
	CREATE TABLE kept AS SELECT stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data;
	CREATE TABLE trees AS SELECT adbin, ARRAY[adrelid::regclass] AS of FROM pg_attrdef;
	CREATE TABLE bytes AS SELECT g::"char" AS c, ARRAY[g::"char"] AS a FROM generate_series(-128, 127) g;`

// acceptsSQL makes a function that tells whether the server takes a text as a
// type's value, and the table of what it is asked.
const acceptsSQL = `
	CREATE TABLE asked (sample int, at int, type text, value text);
	CREATE FUNCTION accepts(value text, type text) RETURNS bool LANGUAGE plpgsql AS $$
	BEGIN EXECUTE format('SELECT %L::%s', value, type); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$;`

// laterSamples are values that came with a version after 15.
func laterSamples(major int) []sample {
	var list []sample
	if major >= 16 {
		list = append(list, sample{name: "jsonpath", fixed: words("0x1F 0o17 0b11 1_000 $[0xFF]")})
	}
	if major >= 17 {
		list = append(list,
			sample{name: "interval", fixed: words("infinity -infinity 0")},
			sample{name: "interval hour to second", fixed: words("infinity -infinity")},
			sample{name: "aclitem", fixed: words("postgres=m*/postgres clerk=arwdDxtXUCTcsAm/postgres")},
			sample{name: "jsonpath", fixed: strings.Split(`$.bigint()
$.boolean()
$.date()
$.decimal()
$.decimal(5)
$.decimal(5,-2)
$.decimal(+5,2).string()
$.integer().number()
$.string()
$.time()
$.time(3)
$.time_tz()
$.time_tz(0)
$.timestamp()
$.timestamp(6).date()
$.timestamp_tz()
$.timestamp_tz(2) ? (@ == $.a)`, "\n")})
	}
	return list
}

// known asks the server, in one query, which values it takes and leaves out the
// others: types and values that came later. 15 and those after it must take all.
// No sample keeps more than the first 300 values; version 15 has all elsewhere.
func known(t *testing.T, c *cluster.Cluster, major int, all []sample) []sample {
	t.Helper()
	var asked strings.Builder
	for i, s := range all {
		all[i].more, all[i].fixed = nil, s.fixed[:min(len(s.fixed), 300)]
		for at, v := range all[i].fixed {
			asked.WriteString(copyLine(fmt.Sprint(i), fmt.Sprint(at), s.name, v))
		}
	}
	if err := c.CopyIn(t.Context(), strings.NewReader(asked.String()), "postgres", "asked"); err != nil {
		t.Fatal(err)
	}
	refused := make(map[string]bool)
	for _, pair := range strings.Split(clustertest.CopyOut(t, c, "postgres", "SELECT sample || ' ' || at FROM asked WHERE NOT accepts(value, type)"), "\n") {
		refused[pair] = true
	}
	var kept []sample
	for i, s := range all {
		var fixed []string
		for at, v := range s.fixed {
			switch {
			case !refused[fmt.Sprintf("%d %d", i, at)]:
				fixed = append(fixed, v)
			case major >= 15:
				t.Errorf("the server does not take %s %.60q", s.name, v)
			}
		}
		if s.fixed = fixed; len(fixed) > 0 {
			kept = append(kept, s)
		}
	}
	if len(kept) < len(all)*4/5 {
		t.Errorf("the server knows only %d of %d types", len(kept), len(all))
	}
	return kept
}

// TestOracleVersions has every version store the extreme values of every type,
// and arrays of them, deletes them all, and compares what comes back from the
// dead tuples with what COPY had printed.
func TestOracleVersions(t *testing.T) {
	t.Parallel()
	clustertest.EachVersion(t, func(t *testing.T, version string) {
		t.Parallel()
		major, err := strconv.Atoi(version)
		if err != nil {
			t.Fatal(err)
		}
		c := clustertest.Start(t, cluster.Options{Version: version, Settings: map[string]string{"wal_keep_size": "1GB", "fsync": "off"}})
		clustertest.Exec(t, c, "postgres", samplePreamble, contribPreamble, acceptsSQL, serverMade)
		everyBuiltin(t, c)
		want := map[string]string{"kept": "", "trees": "", "bytes": ""}
		all := known(t, c, major, slices.Concat(samples(), contribSamples(), laterSamples(major)))
		names := fillTables(t, c, all)
		for name := range names {
			want[name] = ""
		}
		xid := deleteAll(t, c, want)
		if err := c.Stop(t.Context(), cluster.Fast); err != nil {
			t.Fatal(err)
		}
		got := undeleted(t, c.DataDir(), xid)
		for name, copied := range want {
			if got[name] == "" {
				t.Errorf("table %s (%s) is not among those with lost rows", name, names[name])
			}
			t.Run(names[name], func(t *testing.T) { compare(t, sortLines(got[name]), sortLines(copied)) })
		}
	})
}

// fillTables makes and fills a table for each sample, and returns the types by table.
func fillTables(t *testing.T, c *cluster.Cluster, all []sample) map[string]string {
	t.Helper()
	names := make(map[string]string)
	var create strings.Builder
	for i, s := range all {
		name := fmt.Sprintf("s%d", i)
		names[name] = s.name
		create.WriteString(createSample(s, name))
	}
	clustertest.Exec(t, c, "postgres", create.String())
	for i, s := range all {
		lines := sampleLines(s, rand.New(rand.NewPCG(15, uint64(i))))
		if err := c.CopyIn(t.Context(), strings.NewReader(lines), "postgres", fmt.Sprintf("s%d", i)); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	return names
}

// deleteAll puts what COPY prints for each table into the map, deletes all rows
// of them in one transaction, and returns it.
func deleteAll(t *testing.T, c *cluster.Cluster, tables map[string]string) pg.XID {
	t.Helper()
	conn, err := c.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	run := func(text string) {
		if _, err := conn.PgConn().Exec(t.Context(), text).ReadAll(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	run("BEGIN")
	for name := range tables {
		var out bytes.Buffer
		if _, err := conn.PgConn().CopyTo(t.Context(), &out, "COPY "+name+" TO STDOUT"); err != nil {
			t.Fatal(err)
		}
		tables[name] = out.String()
		run("DELETE FROM " + name)
	}
	var xid int64
	if err := conn.QueryRow(t.Context(), "SELECT txid_current()").Scan(&xid); err != nil {
		t.Fatal(err)
	}
	run("COMMIT")
	return pg.FullXID(xid).XID()
}

// undeleted gives back what a transaction deleted, as COPY text by table.
func undeleted(t *testing.T, dir string, xid pg.XID) map[string]string {
	t.Helper()
	ev, gaps, err := undelete.Open(t.Context(), undelete.Sources{DataDir: dir})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("open: %v, gaps %v", err, gaps)
	}
	defer ev.Close()
	loss, err := undelete.Find(t.Context(), ev, undelete.Request{XID: xid})
	if err != nil {
		t.Fatal(err)
	}
	defer loss.Close()
	if err := loss.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	buffers, writers := make(map[string]*bytes.Buffer), []*evidence.Writer(nil)
	err = loss.Recover(t.Context(), func(table *undelete.Table) (evidence.Sink, error) {
		buffer := new(bytes.Buffer)
		buffers[strings.TrimPrefix(table.Name(), "public.")] = buffer
		w, err := evidence.NewWriter(evidence.FormatCopy, buffer)
		writers = append(writers, w)
		return evidence.SinkFunc(func(row *evidence.Row) error {
			for i, v := range row.Values {
				if v.State == evidence.Unknown {
					t.Errorf("%s, column %s is unknown: %s (%.80x)", table.Name(), row.Relation.Columns[i].Name, v.Reason, v.Raw)
				}
			}
			return w.Put(row)
		}), err
	})
	texts := make(map[string]string)
	for _, w := range writers {
		err = errors.Join(err, w.Flush())
	}
	if err != nil || len(loss.Gaps) > 0 {
		t.Fatalf("recover: %v, gaps %v", err, loss.Gaps)
	}
	for name, buffer := range buffers {
		texts[name] = buffer.String()
	}
	for _, table := range loss.Tables() {
		if b := table.Balance; b.Settled() != b.Lost || !b.Balances() {
			t.Errorf("%s: %+v", table.Name(), b)
		}
	}
	return texts
}

// sortLines puts the lines of COPY text in order.
func sortLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// everyBuiltin asks the server for its types: each one that is not a pseudo-type
// or the row of a catalog must be decoded.
func everyBuiltin(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	types := datum.NewRegistry(snapshot(t, c))
	list := strings.Fields(clustertest.CopyOut(t, c, "postgres",
		"SELECT oid || ':' || typname FROM pg_type WHERE typtype IN ('b', 'r', 'm') AND typnamespace = 'pg_catalog'::regnamespace AND oid < 16384"+
			" AND NOT (typelem <> 0 AND typlen = -1 AND (SELECT typtype FROM pg_type e WHERE e.oid = pg_type.typelem) IN ('c', 'p'))"))
	if len(list) < 130 {
		t.Errorf("the server has only %d types", len(list))
	}
	for _, line := range list {
		number, name, _ := strings.Cut(line, ":")
		oid, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := types.ForType(pg.OID(oid)); err != nil {
			t.Errorf("type %s is not decoded: %v", name, err)
		}
	}
}
