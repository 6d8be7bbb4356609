package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

// A hurtCluster is one server's data directory after a loss, copied twice: while
// the dead tuples still lay in the files, and after they were vacuumed, when only
// the WAL has them. Damage is done to copies of these.
type hurtCluster struct {
	xid          string
	heap, vacuum string                       // the two data directories
	files        map[string]string            // relation -> its file below the data directory
	truth        map[string]map[string]string // table -> TID -> COPY's line, just before the loss
	begin, end   pg.LSN                       // of what it took from plain
	commit       pg.LSN                       // before which its commit record lies
}

// The tables of the loss. Rows of hinted get hint bits afterwards, those of the
// others do not; rows of counters carry a multixact, because another session locked them.
const hurtSchema = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE plain (id int PRIMARY KEY, n numeric, note text);
CREATE TABLE wide (id int PRIMARY KEY, body text);
CREATE TABLE moods (id int, feeling mood, meta jsonb);
CREATE TABLE hinted (id int, note text) WITH (fillfactor = 50);
CREATE TABLE counters (id int PRIMARY KEY, n int);
INSERT INTO plain SELECT i, i / 8.0, 'note ' || i FROM generate_series(1, 9000) i;
INSERT INTO wide SELECT i, (SELECT string_agg(md5((i*100+g)::text), '') FROM generate_series(1, 150) g) FROM generate_series(1, 60) i;
INSERT INTO moods SELECT i, (enum_range(NULL::mood))[1 + i%3], jsonb_build_object('i', i, 'list', jsonb_build_array(i, NULL)) FROM generate_series(1, 300) i;
INSERT INTO hinted SELECT i, 'hinted ' || i FROM generate_series(1, 200) i;
ALTER TABLE hinted SET (fillfactor = 100);
INSERT INTO counters SELECT i, i FROM generate_series(1, 100) i;
CHECKPOINT`

// hurtTables are the tables of the loss, in the order in which it goes through them.
func hurtTables() []string { return []string{"plain", "wide", "moods", "hinted", "counters"} }

func newHurtCluster(t *testing.T) *hurtCluster {
	t.Helper()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--data-checksums", "--wal-segsize=1"}, Settings: map[string]string{
		"wal_keep_size": "1GB", "checkpoint_timeout": "1h",
	}})
	h := &hurtCluster{files: map[string]string{}, truth: map[string]map[string]string{}}
	clustertest.Exec(t, c, "postgres", strings.Split(hurtSchema, ";\n")...)
	for _, table := range hurtTables() {
		h.truth[table] = map[string]string{}
		for line := range strings.Lines(clustertest.CopyOut(t, c, "postgres", "SELECT ctid, * FROM "+table)) {
			tid, row, _ := strings.Cut(line, "\t")
			h.truth[table][tid] = row
		}
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT") // so that the loss writes an image of every page
	h.lose(t, c)
	for _, name := range strings.Fields(clustertest.Value(t, c, "postgres", `SELECT string_agg(relname || '=' || pg_relation_filepath(oid), ' ')
		FROM pg_class WHERE relkind IN ('r', 't') AND pg_relation_filepath(oid) IS NOT NULL`)) {
		relation, file, _ := strings.Cut(name, "=")
		h.files[relation] = file
	}
	h.files["toast of wide"] = clustertest.Value(t, c, "postgres", "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'wide'")
	h.heap = h.snapshot(t, c, "heap")
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, table := range hurtTables() {
		clustertest.Exec(t, c, "postgres", "VACUUM "+table)
	}
	h.vacuum = h.snapshot(t, c, "vacuum")
	return h
}

// lose destroys all rows in one transaction, and then reads hinted.
func (h *hurtCluster) lose(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	locker, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(t.Context())
	culprit, err := c.Session(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer culprit.Close(t.Context())
	if err := locker.Exec(t.Context(), "BEGIN", "SELECT FROM counters FOR KEY SHARE"); err != nil {
		t.Fatal(err)
	}
	before, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.begin = before.LSN
	if err := culprit.Exec(t.Context(), "BEGIN", "DELETE FROM plain"); err != nil {
		t.Fatal(err)
	}
	between, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.end = between.LSN
	if err := culprit.Exec(t.Context(), "DELETE FROM wide", "DELETE FROM moods", "DELETE FROM hinted", "UPDATE counters SET n = -n"); err != nil {
		t.Fatal(err)
	}
	if h.xid, err = culprit.Value(t.Context(), "SELECT pg_current_xact_id()::text"); err != nil {
		t.Fatal(err)
	}
	// The commit record comes behind so much else that a cut can take it alone.
	clustertest.Exec(t, c, "postgres", "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 100)")
	if err := culprit.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	committed, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.commit = committed.LSN
	if err := locker.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	clustertest.Exec(t, c, "postgres", "CHECKPOINT", "SELECT count(*) FROM hinted", "CHECKPOINT")
}

// snapshot stops the server and copies its data directory.
func (h *hurtCluster) snapshot(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := c.CopyDataDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// victim is a data directory that may be damaged: a copy whose files are the
// original's until they are changed.
type victim struct {
	*hurtCluster
	t   *testing.T
	dir string
}

// copyOf links every file of a data directory into a new one.
func (h *hurtCluster) copyOf(t *testing.T, original string) *victim {
	t.Helper()
	v := &victim{hurtCluster: h, t: t, dir: filepath.Join(t.TempDir(), "data")}
	err := filepath.WalkDir(original, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(v.dir, strings.TrimPrefix(path, original))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return os.Link(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *victim) path(name string) string { return filepath.Join(v.dir, name) }

// edit gives a file other bytes; the original keeps its own.
func (v *victim) edit(name string, change func(raw []byte) []byte) {
	v.t.Helper()
	raw, err := os.ReadFile(v.path(name))
	if err == nil {
		err = os.Remove(v.path(name))
	}
	if err == nil {
		err = os.WriteFile(v.path(name), change(raw), 0o600)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// page changes one page of a relation in place.
func (v *victim) page(relation string, block int, change func(page []byte)) {
	v.t.Helper()
	v.edit(v.files[relation], func(raw []byte) []byte {
		change(raw[block*pg.BlockSize : (block+1)*pg.BlockSize])
		return raw
	})
}

func (v *victim) remove(names ...string) {
	v.t.Helper()
	for _, name := range names {
		if _, err := os.Lstat(v.path(name)); err != nil {
			v.t.Fatal(err)
		}
		if err := os.RemoveAll(v.path(name)); err != nil {
			v.t.Fatal(err)
		}
	}
}

func (v *victim) move(from, to string) {
	v.t.Helper()
	if err := os.Rename(v.path(from), v.path(to)); err != nil {
		v.t.Fatal(err)
	}
}

func (v *victim) mkdir(name string) {
	v.t.Helper()
	if err := os.Mkdir(v.path(name), 0o700); err != nil {
		v.t.Fatal(err)
	}
}

// commitPage is where the WAL page with the loss's commit record begins in its segment.
func (h *hurtCluster) commitPage() pg.LSN { return (h.commit % (1 << 20)) &^ (pg.BlockSize - 1) }

// rescued is what one run of undelete printed and wrote.
type rescued struct {
	code   exitcode.Code
	report balanceReport
	stderr string
	rows   map[string]map[string]string // table -> TID -> COPY's line, of whole rows
	notes  map[string]map[string]string // table -> TID -> note
}

// undelete runs the command, and checks what must hold whatever the damage.
func (v *victim) undelete(args ...string) *rescued {
	v.t.Helper()
	out := filepath.Join(v.t.TempDir(), "rescued")
	line := append([]string{"undelete", "--pgdata", v.dir, "--xid", v.xid, "--format", "jsonl", "--json", "-o", out}, args...)
	code, stdout, stderr := execute(v.t.Context(), line...)
	r := &rescued{code: code, stderr: stderr, rows: map[string]map[string]string{}, notes: map[string]map[string]string{}}
	if stdout == "" {
		return r
	}
	if err := json.Unmarshal([]byte(stdout), &r.report); err != nil {
		v.t.Fatalf("%v\n%s", err, stdout)
	}
	if !r.report.Balanced {
		v.t.Errorf("the balance does not hold: %+v", r.report.Total)
	}
	whole, inPart := int64(0), int64(0)
	for _, table := range hurtTables() {
		r.rows[table], r.notes[table] = map[string]string{}, map[string]string{}
		raw, err := os.ReadFile(filepath.Join(out, "public."+table+".jsonl"))
		if err != nil {
			continue
		}
		for line := range bytes.Lines(raw) {
			if v.take(r, table, line) {
				whole++
			} else {
				inPart++
			}
		}
	}
	if total := r.report.Total; len(r.report.Tables) <= len(hurtTables()) && (whole != total.Settled() || inPart != total.InPart) {
		v.t.Errorf("%d rows and %d in part were written, the balance is %+v", whole, inPart, total)
	}
	return r
}

// take reads one row, and reports whether it is whole.
func (v *victim) take(r *rescued, table string, line []byte) bool {
	v.t.Helper()
	var row struct {
		TID     string
		Note    string
		Values  map[string]*string
		Unknown map[string]any
	}
	if err := json.Unmarshal(line, &row); err != nil {
		v.t.Fatalf("%v\n%s", err, line)
	}
	r.notes[table][row.TID] = row.Note
	if len(row.Unknown) > 0 {
		return false
	}
	var fields []string
	for _, column := range map[string][]string{
		"plain": {"id", "n", "note"}, "wide": {"id", "body"}, "moods": {"id", "feeling", "meta"}, "hinted": {"id", "note"}, "counters": {"id", "n"},
	}[table] {
		text := `\N`
		if value := row.Values[column]; value != nil {
			text = *value
		}
		fields = append(fields, text)
	}
	r.rows[table][row.TID] = strings.Join(fields, "\t") + "\n"
	return true
}

// compare fails when a row differs from what COPY gave before the loss, and
// when one is lost that the damage did not touch. It returns how many did not come back whole.
func (v *victim) compare(r *rescued, touched func(table string, block int) bool) (lost int) {
	v.t.Helper()
	for _, table := range hurtTables() {
		for tid, row := range r.rows[table] {
			if want, known := v.truth[table][tid]; !known || row != want {
				v.t.Errorf("%s %s: got %.200q, want %.200q", table, tid, row, want)
			}
		}
		for tid := range v.truth[table] {
			if _, back := r.rows[table][tid]; back {
				continue
			}
			lost++
			var block int
			if _, err := fmt.Sscanf(tid, "(%d,", &block); err != nil {
				v.t.Fatal(err)
			}
			if touched == nil || !touched(table, block) {
				v.t.Errorf("%s %s did not come back, and the damage is elsewhere", table, tid)
				touched = func(string, int) bool { return true } // once is enough
			}
		}
	}
	return lost
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
