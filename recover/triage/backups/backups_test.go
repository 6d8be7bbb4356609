package backups_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
	"github.com/pgrescue/pgrescue/recover/triage/backups"
)

// run runs a program of the server's version against a cluster.
func run(t *testing.T, c *cluster.Cluster, program string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), program), append([]string{"-d", c.LibpqDSN("shop")}, args...)...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// shop makes a database with three tables, one of them empty.
func shop(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Settings: map[string]string{"wal_level": "replica", "max_wal_senders": "4"}})
	clustertest.Exec(t, c, "postgres", "CREATE DATABASE shop")
	clustertest.Exec(t, c, "shop", "CREATE TABLE orders (id int PRIMARY KEY, note text)", `CREATE SCHEMA "o""dd"`, `CREATE TABLE "o""dd"."T.x" (i int)`,
		"CREATE TABLE none (i int)", "INSERT INTO orders SELECT i, E'\\\\.\\n' FROM generate_series(1, 42) i", `INSERT INTO "o""dd"."T.x" SELECT generate_series(1, 7)`)
	return c
}

func find(t *testing.T, paths ...string) []backups.Backup {
	t.Helper()
	found, gaps, err := backups.Find(t.Context(), backups.Options{Paths: paths})
	if err != nil || len(gaps) > 0 {
		t.Fatalf("%v, gaps %v", err, gaps)
	}
	return found
}

// TestDumpsOfServers makes dumps of each form under names that say nothing, and asks what is in them.
func TestDumpsOfServers(t *testing.T) {
	t.Parallel()
	c := shop(t)
	dir := t.TempDir()
	for name, args := range map[string][]string{"a.csv": {"-Fc"}, "b.txt": {"-Ft"}, "c": {"-Fd"}, "d.bin": {"-v"}, "e.log": {"--inserts"}} {
		run(t, c, "pg_dump", append(args, "-f", filepath.Join(dir, name))...)
	}
	pack(t, filepath.Join(dir, "d.bin"))
	loss := time.Now().Add(20 * time.Hour)
	found := find(t, dir)
	if len(found) != 6 {
		t.Fatalf("%d backups were found: %+v", len(found), found)
	}
	for _, b := range found {
		checkDump(t, &b)
		if answer, why := b.Precedes(loss); answer != backups.Yes {
			t.Errorf("%s precedes what is to come: %s, %s", b.Path, answer, why)
		}
		if answer, why := b.Precedes(time.Now().Add(-30 * time.Hour)); answer == backups.Yes {
			t.Errorf("%s precedes yesterday: %s, %s", b.Path, answer, why)
		}
	}
}

func checkDump(t *testing.T, b *backups.Backup) {
	t.Helper()
	if b.Broken != "" || !b.Whole || b.Kind == backups.Archive && b.Database != "shop" {
		t.Errorf("%+v", *b)
	}
	want := []int64{42, 7, 0}
	for i, name := range [][2]string{{"public", "orders"}, {`o"dd`, "T.x"}, {"public", "none"}} {
		table, has, known := b.Has(name[0], name[1])
		if inserts := strings.HasSuffix(b.Path, "e.log") && want[i] == 0; has == inserts || !known || b.Kind == backups.SQL && table.Rows != want[i] {
			t.Errorf("%s: %v: %+v, %v, %v", b.Path, name, table, has, known)
		}
	}
	if _, has, known := b.Has("public", "orders_not_there"); has || !known {
		t.Errorf("%s has a table that was never there", b.Path)
	}
}

// pack writes a compressed copy beside a file.
func pack(t *testing.T, path string) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(path + "2")
	if err != nil {
		t.Fatal(err)
	}
	w := gzip.NewWriter(out)
	if _, err := io.Copy(w, in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCutDumps cuts dumps at many places: none is called whole, and none panics.
func TestCutDumps(t *testing.T) {
	t.Parallel()
	c := shop(t)
	dir := t.TempDir()
	for name, form := range map[string]string{"custom": "-Fc", "sql": "-Fp", "tar": "-Ft"} {
		path := filepath.Join(dir, name)
		run(t, c, "pg_dump", form, "-f", path)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for cut := 1; cut < len(raw) && cut < 4000; cut += 97 {
			if err := os.WriteFile(path, raw[:cut], 0o600); err != nil {
				t.Fatal(err)
			}
			for _, b := range find(t, path) {
				seen++
				if b.Broken == "" && b.Format != "tar" && cut < 1500 {
					t.Errorf("%s cut at %d of %d is whole: %+v", name, cut, len(raw), b)
				}
			}
		}
		if seen == 0 {
			t.Errorf("%s: no cut one was found at all", name)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBaseBackups finds base backups of a server, as folder and as tar file, and its data directory.
func TestBaseBackups(t *testing.T) {
	t.Parallel()
	c := shop(t)
	dir := t.TempDir()
	began := time.Now()
	run(t, c, "pg_basebackup", "-D", filepath.Join(dir, "x"), "-c", "fast", "-X", "none")
	run(t, c, "pg_basebackup", "-D", filepath.Join(dir, "y"), "-c", "fast", "-Ft", "-z", "-X", "none")
	if err := c.CopyDataDir(filepath.Join(dir, "z")); err != nil {
		t.Fatal(err)
	}
	found := find(t, dir)
	if len(found) != 3 {
		t.Fatalf("%+v", found)
	}
	for i, kind := range []backups.Kind{backups.Base, backups.Base, backups.DataDir} {
		b := found[i]
		if b.Kind != kind || b.Broken != "" || b.LSN == 0 {
			t.Errorf("%+v is no %s", b, kind)
		}
		if answer, why := b.Precedes(began.Add(time.Hour)); answer != backups.Yes {
			t.Errorf("%s: %s, %s", b.Path, answer, why)
		}
		if answer, _ := b.Precedes(began.Add(-time.Hour)); answer == backups.Yes {
			t.Errorf("%s precedes what was before it", b.Path)
		}
	}
}

// TestRepositories reads the lists that the backup tools keep.
func TestRepositories(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rest/archive/main/archive.info", "x")
	write("rest/backup/main/backup.info", "[backrest]\nbackrest-format=5\n\n[backup:current]\n"+
		`20261120-010000F={"backrest-format":5,"backup-info-size":1000,"backup-lsn-start":"0/2000028","backup-timestamp-start":1795136400,"backup-timestamp-stop":1795136460,"backup-type":"full","db-id":1,"backup-error":false}`+
		"\n\n[db:history]\n"+`1={"db-system-id":7301234567890123456,"db-version":"15"}`+"\n")
	write("man/wals/x", "")
	write("man/base/20261121T010000/backup.info", "begin_time=2026-11-21 01:00:00.000000+00:00\nbegin_xlog=0/5000028\nend_time=2026-11-21 01:00:09+00:00\nstatus=FAILED\nsystemid=7301234567890123456\nversion=150004\n")
	write("g/basebackups_005/base_000000010000000000000007_backup_stop_sentinel.json", `{"LSN":117440552,"PgVersion":150004,"SystemIdentifier":7301234567890123456,"CompressedSize":5}`)
	write("g/basebackups_005/base_000000010000000000000007/metadata.json", `{"start_time":"2026-11-22T01:00:00Z","finish_time":"2026-11-22T01:00:05Z"}`)
	found := find(t, dir)
	if len(found) != 3 {
		t.Fatalf("%+v", found)
	}
	loss := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for i, want := range []struct {
		kind   backups.Kind
		answer backups.Answer
		broken bool
	}{{backups.WALG, backups.No, false}, {backups.Barman, backups.Yes, true}, {backups.PgBackRest, backups.Yes, false}} {
		b := found[i]
		answer, why := b.Precedes(loss)
		if b.Kind != want.kind || answer != want.answer || (b.Broken != "") != want.broken || b.SystemIdentifier != 7301234567890123456 || b.LSN == 0 {
			t.Errorf("%+v: %s, %s", b, answer, why)
		}
	}
}

// TestWhatIsNoBackup: files with names of backups, and folders without any.
func TestWhatIsNoBackup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"backup.dump": "", "all.sql": "SELECT 1;\n", "base.tar": "x", "d/backup.tar.gz": "\x1f\x8b\x08x", "e/base": "", "f/base/x": "", "g/global": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found := find(t, dir); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
