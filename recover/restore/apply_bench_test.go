package restore

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/evidence"
)

const benchSQL = `CREATE TABLE item (id bigint PRIMARY KEY, tenant int NOT NULL, name text NOT NULL, amount numeric(12,2), made timestamptz, detail jsonb, active boolean);
CREATE INDEX ON item (tenant)`

// applyRows is how many rows BenchmarkApply gives back.
func applyRows(b *testing.B) int {
	rows := 1_000_000
	if text := os.Getenv("PGRESCUE_BENCH_ROWS"); text != "" {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	return rows
}

// BenchmarkApply measures apply, in a process of its own, against psql that loads the same
// rows with COPY into a temporary table and moves them with INSERT … SELECT.
func BenchmarkApply(b *testing.B) {
	count := applyRows(b)
	g := newTarget(b, "15", benchSQL)
	plan, file := g.benchPlan(b, count)
	if err := plan.Write(filepath.Join(g.dir, "plan.json")); err != nil {
		b.Fatal(err)
	}
	if err := g.file.Close(); err != nil {
		b.Fatal(err)
	}
	var ours, psql, undone time.Duration
	var memory int64
	for b.Loop() {
		psql += timed(b, exec.Command("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", g.c.LibpqDSN(g.db), "-c", "BEGIN", "-c", "CREATE TEMPORARY TABLE load ON COMMIT DROP AS SELECT * FROM item WITH NO DATA",
			"-c", `\copy load FROM '`+file+`'`, "-c", "INSERT INTO item SELECT * FROM load", "-c", "COMMIT"))
		g.exec("TRUNCATE item", "CHECKPOINT")
		for _, work := range []string{"apply", "undo"} {
			cmd := g.child(work, 0, "")
			took := timed(b, cmd)
			if work == "undo" {
				undone += took
				continue
			}
			ours += took
			memory = max(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss*1024)
			if n := g.value("SELECT count(*) FROM item"); n != strconv.Itoa(count) {
				b.Fatalf("the table has %s rows, want %d", n, count)
			}
		}
		g.exec("TRUNCATE item", "CHECKPOINT")
	}
	b.ReportMetric(float64(ours)/float64(psql), "times-psql")
	b.ReportMetric(float64(count)*float64(b.N)/ours.Seconds(), "rows/s")
	b.ReportMetric(float64(count)*float64(b.N)/undone.Seconds(), "undone-rows/s")
	b.ReportMetric(float64(memory)/(1<<20), "peak-MiB")
}

func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v", cmd, err)
	}
	return time.Since(begun)
}

// benchPlan plans rows, and writes the same rows into a file for COPY.
func (g *target) benchPlan(b *testing.B, count int) (*Plan, string) {
	path := filepath.Join(b.TempDir(), "rows.copy")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(file)
	var line []byte
	plan := g.planOf(true, []tableRows{{name: "item", key: []string{"id"}}}, func(_ int, put func(row planRow)) {
		for i := range count {
			row := planRow{Action: string(Insert), Data: benchRow(i), From: []int64{int64(i + 1)}}
			put(row)
			line = appendCopyLine(line[:0], row.Data)
			if _, err := out.Write(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	return plan, path
}

func benchRow(i int) []evidence.Value {
	return values(strconv.Itoa(i), strconv.Itoa(i%1000), fmt.Sprintf("item number %d of the great list", i), fmt.Sprintf("%d.%02d", i, i%100),
		"2025-10-08 07:59:00.123456+00", fmt.Sprintf(`{"kind": "server", "tags": ["a", "b"], "number": %d}`, i), "t")
}
