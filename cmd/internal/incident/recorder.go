package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/testdata"
)

// recorder plays the cleanup and writes down what is true of it.
type recorder struct {
	cluster *cluster.Cluster
	db      *cluster.Session
	out     string
	truth   *testdata.Truth
	oracles map[string][]testdata.Destroyed // by label of the attempt
}

func newRecorder(c *cluster.Cluster, db *cluster.Session, out string) *recorder {
	return &recorder{cluster: c, db: db, out: out, truth: new(testdata.Truth), oracles: make(map[string][]testdata.Destroyed)}
}

// takeOracles copies the doomed rows of every attempt out, before the first of
// them: later it would be a query that prunes what the earlier ones left.
func (r *recorder) takeOracles(ctx context.Context) error {
	if err := os.RemoveAll(filepath.Join(r.out, "truth")); err != nil {
		return err
	}
	for _, a := range append(firstRun(), retry(), leftovers()) {
		for _, d := range a.dooms {
			taken, err := r.takeOracle(ctx, a.label, d)
			if err != nil {
				return err
			}
			r.oracles[a.label] = append(r.oracles[a.label], taken)
		}
	}
	redo, err := r.db.Value(ctx, "SELECT redo_lsn FROM pg_control_checkpoint()")
	if err != nil {
		return err
	}
	r.truth.Redo, err = pg.ParseLSN(redo)
	return err
}

func (r *recorder) takeOracle(ctx context.Context, label string, d doom) (testdata.Destroyed, error) {
	rows, err := r.cluster.CopyOut(ctx, database, fmt.Sprintf("SELECT * FROM migration.%s WHERE %s ORDER BY id", d.table, d.where))
	if err != nil {
		return testdata.Destroyed{}, err
	}
	count := bytes.Count(rows, []byte("\n")) // a newline within a value is written as \n
	if count == 0 {
		return testdata.Destroyed{}, fmt.Errorf("%s destroys no row of %s", label, d.table)
	}
	file := filepath.Join("truth", label, d.table+".copy")
	path := filepath.Join(r.out, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return testdata.Destroyed{}, err
	}
	sum := sha256.Sum256(rows)
	return testdata.Destroyed{
		Table: "migration." + d.table, Operation: d.operation, Rows: count,
		SHA256: hex.EncodeToString(sum[:]), File: filepath.ToSlash(file),
	}, os.WriteFile(path, rows, 0o644)
}

func (r *recorder) lsn(ctx context.Context) (pg.LSN, error) { return r.cluster.CurrentLSN(ctx) }

// xid takes a transaction id for the transaction that is open.
func (r *recorder) xid(ctx context.Context) (pg.XID, error) {
	text, err := r.db.Value(ctx, "SELECT pg_current_xact_id()::xid")
	if err != nil {
		return 0, err
	}
	xid, err := strconv.ParseUint(text, 10, 32)
	return pg.XID(xid), err
}

// finish writes down what only a running server tells.
func (r *recorder) finish(ctx context.Context) error {
	t := r.truth
	t.Database = database
	for query, place := range map[string]func(string) error{
		"SELECT version()": func(text string) error { t.Server = text; return nil },
		"SELECT oid FROM pg_database WHERE datname = current_database()": func(text string) error {
			oid, err := strconv.ParseUint(text, 10, 32)
			t.DatabaseOID = pg.OID(oid)
			return err
		},
		"SELECT system_identifier FROM pg_control_system()": func(text string) (err error) {
			t.SystemIdentifier, err = strconv.ParseUint(text, 10, 64)
			return err
		},
		"SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'": func(text string) (err error) {
			t.SegmentSize, err = strconv.Atoi(text)
			return err
		},
	} {
		text, err := r.db.Value(ctx, query)
		if err != nil {
			return err
		}
		if err := place(text); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	var err error
	t.End, err = r.lsn(ctx)
	return err
}

// readEnds asks pg_waldump when and where the transactions of the cleanup ended.
func (r *recorder) readEnds(ctx context.Context) error {
	line := regexp.MustCompile(`lsn: ([0-9A-F]+/[0-9A-F]+), .* desc: (COMMIT|ABORT) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC`)
	for i := range r.truth.Transactions {
		t := &r.truth.Transactions[i]
		cmd := exec.CommandContext(ctx, r.cluster.WaldumpPath(), "-p", r.cluster.WALDir(), "-r", "Transaction",
			"-x", fmt.Sprint(t.XID), "-s", t.Before.String(), "-e", t.After.String())
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		match := line.FindSubmatch(out)
		if match == nil || (string(match[2]) == "COMMIT") != t.Committed {
			return fmt.Errorf("%s: pg_waldump does not agree: %s %w", t.Label, out, err)
		}
		if t.EndLSN, err = pg.ParseLSN(string(match[1])); err != nil {
			return err
		}
		if t.EndTime, err = time.ParseInLocation("2006-01-02 15:04:05.999999", string(match[3]), time.UTC); err != nil {
			return err
		}
	}
	return nil
}
