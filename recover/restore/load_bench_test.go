package restore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
	"github.com/pgrescue/pgrescue/recover/live"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// loadBenchSQL has a table of raw records and one of twenty columns that refers to it, as
// applications that import files have them.
const loadBenchSQL = `CREATE TABLE import (id uuid PRIMARY KEY);
INSERT INTO import VALUES ('aaaaaaaa-0000-0000-0000-000000000001');
CREATE TABLE raw (id uuid PRIMARY KEY, import uuid NOT NULL REFERENCES import, row_number int, data json NOT NULL);
CREATE TABLE asset (id uuid PRIMARY KEY, raw uuid REFERENCES raw, name text NOT NULL, hostname varchar(255), ip inet, kind varchar(50) NOT NULL, os varchar(100),
	version varchar(50), cpu int, memory numeric(10,2), disk numeric(10,2), location varchar(100), environment varchar(50), owner varchar(255), department varchar(255),
	criticality varchar(20), active boolean, made timestamptz, score double precision, extra jsonb)`

// loadChildVariable makes TestLoadChild load rows: DSN and how many, with a tab between. Without a
// DSN the rows are only made.
const loadChildVariable = "PGRESCUE_TEST_LOAD_CHILD"

// TestLoadChild is a process of its own, for those that measure or kill it.
func TestLoadChild(t *testing.T) {
	text := os.Getenv(loadChildVariable)
	if text == "" {
		return
	}
	dsn, number, _ := strings.Cut(text, "\t")
	count, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	tables := []LoadTable{benchLoad("raw", count), benchLoad("asset", count)}
	if dsn == "" {
		for _, table := range tables {
			for range table.Rows {
			}
		}
		return
	}
	ctx := t.Context()
	conn, err := live.Connect(ctx, dsn, live.Options{Command: "test", Mode: live.Write})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	done, err := Load(ctx, Loading{Conn: conn, Tables: tables, PagesNotNeeded: true, Probe: func(ctx context.Context) (*live.Conn, error) {
		return live.Connect(ctx, dsn, live.Options{Command: "test"})
	}, Progress: func(s LoadStep) { fmt.Println(s.Stage, s.Table, s.Rows) }})
	if err != nil || inserted(done) != int64(2*count) {
		t.Fatal(err, counts(done))
	}
}

func inserted(l *Loaded) (n int64) {
	for i := range l.Tables {
		n += l.Tables[i].Inserted
	}
	return n
}

func refused(l *Loaded) (n int64) {
	for i := range l.Tables {
		n += l.Tables[i].Refused
	}
	return n
}

// benchLoad makes rows for one of the two tables. Each is made in the buffer of the one before.
func benchLoad(name string, count int) LoadTable {
	columns := map[string]string{
		"raw":   "id import row_number data",
		"asset": "id raw name hostname ip kind os version cpu memory disk location environment owner department criticality active made score extra",
	}[name]
	table := given(name, columns)
	table.Rows = benchLoadRows(table.Relation, count)
	return table
}

func benchLoadRows(relation *evidence.Relation, count int) iter.Seq2[*evidence.Row, error] {
	return func(yield func(*evidence.Row, error) bool) {
		row := &evidence.Row{Relation: relation, Values: make([]evidence.Value, len(relation.Columns))}
		row.Provenance = evidence.Provenance{Route: evidence.RouteImport, Confidence: evidence.Derived, Source: "assets.csv"}
		var buf []byte
		for i := range count {
			buf = benchLine(buf[:0], relation.Name, i)
			rest := buf
			for n := range row.Values {
				row.Values[n].Text, rest, _ = bytes.Cut(rest, []byte("|"))
			}
			row.Line = int64(i) + 2
			if !yield(row, nil) {
				return
			}
		}
	}
}

func appendID(dst []byte, kind byte, i int) []byte {
	dst = append(dst, kind, kind, kind, kind, kind, kind, kind, kind, '-', '0', '0', '0', '0', '-', '0', '0', '0', '0', '-', '0', '0', '0', '0', '-')
	for n := 11; n >= 0; n-- {
		dst = append(dst, "0123456789abcdef"[i>>(4*n)&15])
	}
	return dst
}

func benchLine(dst []byte, table string, i int) []byte {
	if table == "raw" {
		dst = append(appendID(dst, 'b', i), '|')
		dst = append(append(appendID(dst, 'a', 1), '|'), strconv.Itoa(i+1)...)
		dst = append(dst, `|{"Name": "web-server-`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		return append(dst, `", "Hostname": "host.example.org", "IP": "10.20.30.40", "Type": "Server", "OS": "Linux", "Version": "9.2", "CPU": "16", "RAM": "64", "Disk": "500", `+
			`"Location": "Datacenter 1", "Environment": "Production", "Owner": "Platform Team", "Department": "Engineering", "Criticality": "High", "Active": "yes"}`...)
	}
	dst = append(appendID(dst, 'c', i), '|')
	dst = append(appendID(dst, 'b', i), `|web-server-`...)
	dst = strconv.AppendInt(dst, int64(i), 10)
	dst = append(dst, `|host.example.org|10.20.30.`...)
	dst = strconv.AppendInt(dst, int64(i%256), 10)
	return append(dst, `|Server|Linux|9.2|16|64.00|500.00|Datacenter 1|Production|Platform Team|Engineering|High|true|2025-10-08 07:59:00+00|0.75|{"source": "import", "tags": ["a", "b"]}`...)
}

func loadChild(b testing.TB, dsn string, count int) *exec.Cmd {
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestLoadChild$")
	cmd.Env = append(os.Environ(), loadChildVariable+"="+dsn+"\t"+strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	return cmd
}

// backendsCPU is the CPU time of all sessions of a server, of which none is left.
func backendsCPU(b testing.TB, c *cluster.Cluster) time.Duration {
	b.Helper()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		return string(text)
	}
	postmaster, _, _ := strings.Cut(read(filepath.Join(c.DataDir(), "postmaster.pid")), "\n")
	for sessions := 1; sessions > 0; {
		sessions = 0
		for _, child := range strings.Fields(read("/proc/" + postmaster + "/task/" + postmaster + "/children")) {
			// One that has ended and was not waited for yet has no command line any more.
			if name, err := os.ReadFile("/proc/" + child + "/cmdline"); err == nil && (len(name) == 0 || strings.Contains(string(name), "[local]")) {
				sessions++
			}
		}
		runtime.Gosched()
	}
	stat := read("/proc/" + postmaster + "/stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	ticks := 0
	for _, at := range []int{13, 14} { // cutime and cstime
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkLoad measures Load, in a process of its own, against psql that loads the same rows with
// COPY into temporary tables and moves them with INSERT … SELECT. What it takes to make the
// rows is not counted.
func BenchmarkLoad(b *testing.B) {
	count := applyRows(b)
	c := clustertest.Start(b, cluster.Options{Version: "15", Settings: map[string]string{"autovacuum": "off", "max_wal_size": "20GB"}})
	clustertest.Exec(b, c, "postgres", loadBenchSQL)
	dsn := c.LibpqDSN("postgres")
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", "BEGIN"}
	for _, name := range []string{"raw", "asset"} {
		args = append(args, "-c", "CREATE TEMPORARY TABLE load_"+name+" ON COMMIT DROP AS SELECT * FROM "+name+" WITH NO DATA",
			"-c", `\copy load_`+name+` FROM '`+loadFile(b, name, count)+`'`, "-c", "INSERT INTO "+name+" SELECT * FROM load_"+name)
	}
	args = append(args, "-c", "COMMIT")
	var theirs, ours, theirTime, ourTime, client, made time.Duration
	memory := int64(0)
	for b.Loop() {
		before := backendsCPU(b, c)
		theirTime += timed(b, exec.Command("psql", args...))
		between := backendsCPU(b, c)
		theirs += between - before
		clustertest.Exec(b, c, "postgres", "TRUNCATE raw, asset", "CHECKPOINT")
		between = backendsCPU(b, c)
		cmd := loadChild(b, dsn, count)
		ourTime += timed(b, cmd)
		ours += backendsCPU(b, c) - between
		client += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		memory = max(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss*1024)
		cmd = loadChild(b, "", count)
		timed(b, cmd)
		made += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		clustertest.Exec(b, c, "postgres", "TRUNCATE raw, asset", "CHECKPOINT")
	}
	b.ReportMetric(float64(ours)/float64(theirs), "server-times-psql")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "psql-server-CPU-s")
	b.ReportMetric(float64(ourTime)/float64(theirTime), "times-psql")
	b.ReportMetric((client-made).Seconds()/float64(b.N), "client-CPU-s")
	b.ReportMetric(float64(memory)/(1<<20), "peak-MiB")
}

// loadFile writes the rows for a table as COPY reads them.
func loadFile(b *testing.B, name string, count int) string {
	path := filepath.Join(b.TempDir(), name+".copy")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(file)
	var line []byte
	for row := range benchLoad(name, count).Rows {
		line = appendCopyLine(line[:0], row.Values)
		if _, err := out.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkLoadBadRows measures a load in which 1,012 of 100,000 rows are bad against one
// without a bad row.
func BenchmarkLoadBadRows(b *testing.B) {
	const rows, bad = 100_000, 1012
	c := clustertest.Start(b, cluster.Options{Version: "15", Settings: map[string]string{"autovacuum": "off", "max_wal_size": "20GB"}})
	clustertest.Exec(b, c, "postgres", loadBenchSQL)
	l := &loading{t: b, dsn: c.LibpqDSN("postgres")}
	var clean, broken time.Duration
	run := func(bad int64) time.Duration {
		begun := time.Now()
		done, err := l.run(thousandBad(rows, int(bad)))
		took := time.Since(begun)
		if err != nil || refused(done) != bad || inserted(done) != rows-bad {
			b.Fatal(err, counts(done))
		}
		clustertest.Exec(b, c, "postgres", "TRUNCATE asset", "CHECKPOINT")
		return took
	}
	for b.Loop() {
		clean += run(0)
		broken += run(bad)
	}
	b.ReportMetric(float64(broken)/float64(clean), "times-clean")
	b.ReportMetric(clean.Seconds()/float64(b.N), "clean-s")
}
