//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// importHeader are the twenty columns of the benchmark's file.
const importHeader = "name,hostname,ip_address,asset_type,operating_system,os_version,cpu_cores,memory_gb,storage_gb,location,environment," +
	"business_owner,department,criticality,application_name,technology_stack,description,datacenter,rack_location,serial_number"

// importTableSQL is a plain table for them.
const importTableSQL = `CREATE TABLE asset (name varchar(255) PRIMARY KEY, hostname varchar(255), ip_address varchar(45), asset_type varchar(50) NOT NULL, operating_system varchar(100),
	os_version varchar(50), cpu_cores int, memory_gb double precision, storage_gb double precision, location varchar(255), environment varchar(50), business_owner varchar(255),
	department varchar(255), criticality varchar(50), application_name varchar(255), technology_stack varchar(255), description text, datacenter varchar(100), rack_location varchar(50), serial_number text)`

// importLine is a line of the file. A bad one has a text where a number belongs.
func importLine(dst []byte, i int, bad bool) []byte {
	cores := strconv.Itoa(1 + i%64)
	if bad {
		cores = "many " + cores
	}
	return fmt.Appendf(dst, "srv-%07d,host-%07d.example.org,10.%d.%d.%d,server,Linux,9.%d,%s,%d,%d.5,Berlin,Production,Platform Team,Engineering,High,\"Shop, front\",Java 21,Web server number %d of the shop,DC-%d,R%d-%d,SN%012d\n",
		i, i, i>>16&255, i>>8&255, i&255, i%8, cores, 8+i%256, 100+i%4000, i, i%4, i%40, i%48, i)
}

// benchImportFile writes the file.
func benchImportFile(b *testing.B, rows, bad int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "assets.csv")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(file)
	_, err = out.WriteString(importHeader + "\n")
	var line []byte
	given := 0
	for i := 0; i < rows && err == nil; i++ {
		wrong := (i+1)*bad/rows > given
		if wrong {
			given++
		}
		line = importLine(line[:0], i, wrong)
		_, err = out.Write(line)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// importBench is a server and what an import needs there.
type importBench struct {
	*commandBench
	c   *cluster.Cluster
	dsn string
}

func newImportBench(b *testing.B) *importBench {
	c := clustertest.Start(b, cluster.Options{Version: "15", Settings: map[string]string{"autovacuum": "off", "max_wal_size": "20GB"}})
	m := &importBench{commandBench: buildCommands(b), c: c, dsn: c.LibpqDSN("postgres")}
	text, err := os.ReadFile(filepath.Join(repository, "testdata", "schema", "discovery_2025_10.sql"))
	if err != nil {
		b.Fatal(err)
	}
	clustertest.Exec(b, c, "postgres", importTableSQL, string(text),
		"INSERT INTO migration.client_accounts (id, name, slug) VALUES ('"+sceneClient+"', 'Acme', 'acme')",
		"INSERT INTO migration.engagements (id, client_account_id, name, slug) VALUES ('"+sceneEngagement+"', '"+sceneClient+"', 'Move', 'move')",
		"INSERT INTO migration.users (id, email) VALUES ('"+sceneUser+"', 'ann@example.org')")
	return m
}

// apply runs an import, and measures it and the sessions that it had.
func (m *importBench) apply(b *testing.B, args ...string) (client usage, server float64) {
	b.Helper()
	before := m.sessionsCPU(b)
	client = m.run(b, io.Discard, append([]string{"import", "--dsn", m.dsn, "--no-case", "--pages-not-needed", "--apply", "--confirm", "postgres"}, args...)...)
	return client, m.sessionsCPU(b) - before
}

// sessionsCPU is the CPU time in seconds of all sessions of the server, of which none is left.
func (m *importBench) sessionsCPU(b *testing.B) float64 {
	b.Helper()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		return string(text)
	}
	postmaster, _, _ := strings.Cut(read(filepath.Join(m.c.DataDir(), "postmaster.pid")), "\n")
	for sessions := 1; sessions > 0; runtime.Gosched() {
		sessions = 0
		for _, child := range strings.Fields(read("/proc/" + postmaster + "/task/" + postmaster + "/children")) {
			// One that has ended and was not waited for yet has no command line any more.
			if name, err := os.ReadFile("/proc/" + child + "/cmdline"); err == nil && (len(name) == 0 || bytes.Contains(name, []byte("[local]"))) {
				sessions++
			}
		}
	}
	stat := read("/proc/" + postmaster + "/stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const clockTicks = 100                  // of USER_HZ, on every Linux
	const waitedUser, waitedSystem = 13, 14 // cutime and cstime
	user, _ := strconv.ParseFloat(fields[waitedUser], 64)
	system, _ := strconv.ParseFloat(fields[waitedSystem], 64)
	return (user + system) / clockTicks
}

// psql puts the rows that an import left into the same tables: COPY into temporary ones, and
// INSERT … SELECT. It returns what that costs the server.
func (m *importBench) psql(b *testing.B, tables []string) float64 {
	b.Helper()
	folder := b.TempDir()
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", m.dsn, "-c", "BEGIN"}
	for i, table := range tables {
		file := filepath.Join(folder, fmt.Sprint(i))
		m.must(b, "psql", "-X", "-q", "-d", m.dsn, "-c", `\copy (SELECT * FROM `+table+`) TO '`+file+`'`)
		args = append(args, "-c", fmt.Sprintf("CREATE TEMPORARY TABLE load_%d ON COMMIT DROP AS SELECT * FROM %s WITH NO DATA", i, table),
			"-c", fmt.Sprintf(`\copy load_%d FROM '%s'`, i, file), "-c", fmt.Sprintf("INSERT INTO %s SELECT * FROM load_%d", table, i))
	}
	m.empty(b, tables)
	before := m.sessionsCPU(b)
	m.must(b, "psql", append(args, "-c", "COMMIT")...)
	return m.sessionsCPU(b) - before
}

func (m *importBench) must(b *testing.B, name string, args ...string) {
	b.Helper()
	if _, err := runProcess(io.Discard, name, args...); err != nil {
		b.Fatal(err)
	}
}

func (m *importBench) empty(b *testing.B, tables []string) {
	b.Helper()
	clustertest.Exec(b, m.c, "postgres", "TRUNCATE "+strings.Join(tables, ", ")+" CASCADE", "CHECKPOINT")
}

// importRows is how many rows BenchmarkImport puts in.
func importRows(b *testing.B) int { return benchNumber(b, "PGRESCUE_BENCH_ROWS", 1_000_000) }

// BenchmarkImport measures an import of a CSV file of twenty columns: into one table, and into all
// tables of the application. The server's cost is that of psql for the same rows, which it has
// as COPY reads them.
//
// Wanted of the client are 3 CPU seconds for a million rows, and less than 64 MiB. One table keeps to both; the
// application's tables to the memory alone. Of each record they take 3.6 kB of COPY's text, seventeen times the line
// of the file. A million took, by the profile on two shared cores: 1.1 s to read the file three times (to count
// the records, and for each of two tables), 0.8 s to map, 1.2 s to print its JSON, 0.6 s for three ids by SHA-1,
// 0.5 s to find assets that are there twice, 1.6 s to check that every value is one that its column takes, 1.1 s of it JSON,
// 0.9 s for COPY's escapes, 0.9 s in write(2), and the rest to go from one of them to the next.
func BenchmarkImport(b *testing.B) {
	for _, way := range []struct {
		name   string
		tables []string
		args   []string
	}{
		{"table", []string{"public.asset"}, []string{"--table", "public.asset"}},
		{
			"application",
			[]string{"migration.crewai_flow_state_extensions", "migration.data_imports", "migration.raw_import_records", "migration.import_field_mappings", "migration.discovery_flows", "migration.assets"},
			[]string{"--as-mapped", "--client-account", sceneClient, "--engagement", sceneEngagement, "--user", sceneUser},
		},
	} {
		b.Run(way.name, func(b *testing.B) {
			m := newImportBench(b)
			rows := importRows(b)
			file := benchImportFile(b, rows, 0)
			var client, server, theirs, peak float64
			for b.Loop() {
				used, cost := m.apply(b, append([]string{file}, way.args...)...)
				last := way.tables[len(way.tables)-1]
				if n := clustertest.Value(b, m.c, "postgres", "SELECT count(*) FROM "+last); n != strconv.Itoa(rows) {
					b.Fatalf("%s has %s rows, want %d", last, n, rows)
				}
				client, server, peak = client+used.cpu, server+cost, max(peak, used.peakMiB)
				theirs += m.psql(b, way.tables)
				m.empty(b, way.tables)
			}
			n := float64(b.N)
			b.ReportMetric(client/n, "client-CPU-s")
			b.ReportMetric(3*float64(rows)/1e6, "wanted-CPU-s")
			b.ReportMetric(theirs/n, "psql-server-CPU-s")
			b.ReportMetric(server/theirs, "server-times-psql")
			b.ReportMetric(peak, "peak-MiB")
		})
	}
}

// BenchmarkImportBadRows measures a file in which 1,012 of 100,000 lines are bad against one
// without a bad line.
func BenchmarkImportBadRows(b *testing.B) {
	m := newImportBench(b)
	const rows, bad = 100_000, 1012
	clean, broken := benchImportFile(b, rows, 0), benchImportFile(b, rows, bad)
	run := func(file string, bad int) time.Duration {
		begin := time.Now()
		var errs bytes.Buffer
		err := m.try(&errs, "import", "--dsn", m.dsn, "--no-case", "--pages-not-needed", "--apply", "--confirm", "postgres", "--table", "public.asset", "--rejects", b.TempDir(), file)
		took := time.Since(begin)
		if n := clustertest.Value(b, m.c, "postgres", "SELECT count(*) FROM asset"); n != strconv.Itoa(rows-bad) {
			b.Fatalf("%s rows are in: %v %s", n, err, errs.Bytes())
		}
		m.empty(b, []string{"asset"})
		return took
	}
	var good, wrong time.Duration
	for b.Loop() {
		good += run(clean, 0)
		wrong += run(broken, bad)
	}
	b.ReportMetric(float64(wrong)/float64(good), "times-clean")
}

// try runs pgrescue, which may end as it likes.
func (m *importBench) try(errs io.Writer, args ...string) error {
	_, err := runProcess(errs, m.binary, args...)
	return err
}
