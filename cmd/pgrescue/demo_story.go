package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
	"github.com/pgrescue/pgrescue/recover/wal/xact"
	"github.com/pgrescue/pgrescue/testdata"
)

// tellEvidence unpacks the incident.
func (d *demo) tellEvidence(ctx context.Context) error {
	files, size, err := testdata.UnpackIncident(ctx, d.folder)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.printf(`A cleanup script ran on a database with several tenants. The tenant that it
wiped was called a demo, and held real data. There is no backup, and nobody had
set up logical decoding. What is left is a copy of the data directory, taken when
the server was stopped, and the logs: %s, %s.

`, term.Plural(int64(files), "file", "files"), term.Bytes(size)); err != nil {
		return err
	}
	return d.command(ctx, "wal", "summary", filepath.Join(d.dataDir(), "pg_wal"))
}

// tellTransactions lists the biggest destroyers, and takes the biggest for the culprit.
func (d *demo) tellTransactions(ctx context.Context) error {
	if err := d.printf(`The log names every tuple that every transaction destroyed. What was rolled back
destroyed nothing; the list says so, and nobody blames it.

`); err != nil {
		return err
	}
	if err := d.command(ctx, "wal", "transactions", filepath.Join(d.dataDir(), "pg_wal"), "--pgdata", d.dataDir(), "--min-deletes", "2", "--limit", "6"); err != nil {
		return err
	}
	archive, err := wal.OpenArchive([]string{d.dataDir()}, wal.OpenOptions{})
	if err != nil {
		return err
	}
	defer archive.Close()
	result, err := xact.Collect(ctx, archive, xact.Options{
		Limit:  1,
		Counts: func(rel pg.RelFileLocator) bool { return rel.Relation >= pg.RelFileNumber(pg.FirstNormalOID) },
	})
	if err != nil {
		return err
	}
	if len(result.Transactions) == 0 {
		return exitcode.With(exitcode.Insufficient, errors.New("demo: the WAL names no transaction"))
	}
	d.xid = result.Transactions[0].XID
	return d.printf("\nIt was transaction %d.\n", d.xid)
}

func (d *demo) tellTarget(ctx context.Context) error {
	return d.command(ctx, "wal", "target", filepath.Join(d.dataDir(), "pg_wal"), "--xid", strconv.Itoa(int(d.xid)))
}

func (d *demo) tellUndelete(ctx context.Context) error {
	if err := d.printf(`Some of the dead tuples were vacuumed since, some pages were never written. What
the relation files do not hold comes out of the WAL.

`); err != nil {
		return err
	}
	return d.command(ctx, "undelete", "--pgdata", d.dataDir(), "--xid", strconv.Itoa(int(d.xid)), "-o", d.rescued())
}

// proofLine is what `demo --json` prints of one table's proof.
type proofLine struct {
	Type   string `json:"type"` // proof
	Table  string `json:"table"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
	Equal  bool   `json:"equal"`
}

// tellProof compares the rescued rows with what COPY gave before the loss.
func (d *demo) tellProof(context.Context) error {
	if err := d.printf(`Before the loss, the program that made this incident wrote down what COPY gave for
the doomed rows. The rescued files, sorted by id, have to be the same bytes.

`); err != nil {
		return err
	}
	at := slices.IndexFunc(d.truth.Transactions, func(t testdata.Transaction) bool { return t.XID == d.xid })
	if at < 0 {
		return exitcode.With(exitcode.VerifyFailed, fmt.Errorf("demo: the maker of the incident knows of no transaction %d", d.xid))
	}
	table := term.NewTable("TABLE", ">ROWS", "SHA-256", "")
	failed := 0
	for _, destroyed := range d.truth.Transactions[at].Destroyed {
		line, err := d.prove(&destroyed)
		if err != nil {
			return err
		}
		if d.terminal.JSON() {
			if err := d.terminal.WriteLine(line); err != nil {
				return err
			}
		}
		verdict := "equal to the byte"
		if !line.Equal {
			verdict = "DIFFERENT"
			failed++
		}
		table.Add(line.Table, term.Count(int64(line.Rows)), line.SHA256[:16]+"…", verdict)
	}
	if !d.terminal.JSON() {
		if err := table.Write(d.terminal.Out, ""); err != nil {
			return err
		}
	}
	if failed > 0 {
		return exitcode.With(exitcode.VerifyFailed, fmt.Errorf("demo: %s not what they were", term.Plural(int64(failed), "table is", "tables are")))
	}
	return nil
}

func (d *demo) prove(destroyed *testdata.Destroyed) (proofLine, error) {
	line := proofLine{Type: "proof", Table: destroyed.Table, Rows: destroyed.Rows}
	text, err := os.ReadFile(filepath.Join(d.rescued(), destroyed.Table+".copy"))
	if err != nil {
		return line, fmt.Errorf("demo: read the rescued rows: %w", err)
	}
	rows := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(rows, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(rows, nil))
	line.SHA256 = hex.EncodeToString(sum[:])
	line.Equal = line.SHA256 == destroyed.SHA256
	return line, nil
}
