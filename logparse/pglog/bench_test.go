//go:build unix

package pglog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/logparse"
)

// cpuTime is the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// busyLog is a log of a server with log_statement = all: each statement has its parameters and its duration.
func busyLog(size int) []byte {
	var block bytes.Buffer
	for i := 0; block.Len() < size; i++ {
		head := fmt.Sprintf("2025-10-07 18:%02d:%02d.%03d UTC [%d] app@shop ", i/60000%60, i/1000%60, i%1000, 7100+i%20)
		fmt.Fprintf(&block, "%sLOG:  execute <unnamed>: INSERT INTO orders (id, customer, note, created_at)\n\tVALUES ($1, $2, $3, now())\n", head)
		fmt.Fprintf(&block, "%sDETAIL:  parameters: $1 = '%d', $2 = 'c-%d', $3 = 'a, \"b\" and it''s so'\n", head, i, i%97)
		fmt.Fprintf(&block, "%sLOG:  duration: 0.0%d ms\n", head, i%90+10)
	}
	return block.Bytes()
}

// BenchmarkEntries frames a log of a busy server: MB a CPU second.
func BenchmarkEntries(b *testing.B) {
	log := busyLog(64 << 20)
	source := recognised(b, log, Detector{})
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	entries := 0
	start := cpuTime(b)
	for b.Loop() {
		for _, err := range source.Entries(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
			entries++
		}
	}
	used := (cpuTime(b) - start).Seconds()
	b.ReportMetric(float64(b.N)*float64(len(log))/1e6/used, "MB/cpu-s")
	b.ReportMetric(float64(entries)/used, "entries/cpu-s")
}

// TestEntriesAllocateNothing reads many entries of each form. What is allocated must not grow with them.
func TestEntriesAllocateNothing(t *testing.T) {
	const entries, most = 20_000, 400
	for name, entry := range map[string]string{
		"stderr":  "2025-10-07 18:22:49.123 UTC [71] app@shop LOG:  execute a: b\n\tc\n2025-10-07 18:22:49.123 UTC [71] app@shop DETAIL:  parameters: $1 = 'a'\n",
		"csvlog":  "2025-10-07 18:22:49.123 UTC,\"app\",\"shop\",71,\"[local]\",68e55d29.47,1,\"idle\",2025-10-07 18:22:49 UTC,3/17,0,LOG,00000,\"a\n\"\"b\"\"\",,,,,,,,,\"\",\"client backend\",,0\n",
		"jsonlog": `{"timestamp":"2025-10-07 18:22:49.123 UTC","user":"app","dbname":"shop","pid":71,"session_id":"68e55d29.47","line_num":1,"error_severity":"LOG","message":"a\n\"b"}` + "\n",
	} {
		source := recognised(t, []byte(strings.Repeat(entry, entries)), Detector{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		for _, err := range source.Entries(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		runtime.ReadMemStats(&after)
		if allocated := after.Mallocs - before.Mallocs; n != entries || allocated > most {
			t.Errorf("%s: %d entries of %d, %d allocations", name, n, entries, allocated)
		}
	}
}

var _ logparse.Detector = Detector{}

// BenchmarkTimeline makes events of a log of a busy server: MB a CPU second.
func BenchmarkTimeline(b *testing.B) {
	log := busyLog(64 << 20)
	source := recognised(b, log, Detector{})
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	statements := 0
	out := func(e *logparse.Event) error {
		if e.Statement != "" {
			statements++
		}
		return nil
	}
	start := cpuTime(b)
	for b.Loop() {
		timeline := NewTimeline()
		for entry, err := range source.Entries(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
			if err := timeline.Add(entry, out); err != nil {
				b.Fatal(err)
			}
		}
		if err := timeline.Flush(out); err != nil {
			b.Fatal(err)
		}
	}
	used := (cpuTime(b) - start).Seconds()
	b.ReportMetric(float64(b.N)*float64(len(log))/1e6/used, "MB/cpu-s")
	b.ReportMetric(float64(statements)/used, "statements/cpu-s")
	reportPgBadger(b, log, float64(b.N)*float64(len(log))/used)
}

// reportPgBadger measures pgBadger on the first part of the log, where it is installed: how many times as fast this is. Its
// report says more than events do, so that the two are not for the same thing.
func reportPgBadger(b *testing.B, log []byte, speed float64) {
	b.Helper()
	program, err := exec.LookPath("pgbadger")
	if err != nil {
		return
	}
	part := log[:8<<20]
	dir := b.TempDir()
	path := filepath.Join(dir, "postgresql.log")
	if err := os.WriteFile(path, part, 0o600); err != nil {
		b.Fatal(err)
	}
	peer := exec.Command(program, "-q", "-j", "1", "-f", "stderr", "-p", "%m [%p] %u@%d ", "-O", dir, "-o", "out.html", path)
	peer.Dir = dir
	if out, err := peer.CombinedOutput(); err != nil {
		b.Fatalf("pgbadger: %v: %s", err, out)
	}
	used := (peer.ProcessState.UserTime() + peer.ProcessState.SystemTime()).Seconds()
	b.ReportMetric(speed/(float64(len(part))/used), "x-pgbadger")
}
