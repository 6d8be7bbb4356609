package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pgrescue/pgrescue/cmd/internal/exitcode"
	"github.com/pgrescue/pgrescue/cmd/internal/term"
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
	return d.command(ctx, d.terminal, "wal", "summary", filepath.Join(d.dataDir(), "pg_wal"))
}

// tellRunbook runs the built-in book, as far as it goes where no server is.
func (d *demo) tellRunbook(ctx context.Context) error {
	if err := d.printf(`RUNBOOK.md leads through everything else: what is hurt, what is saved first, who did
it, what comes back, and the write-up. What a person would answer is said in advance.

`); err != nil {
		return err
	}
	terminal := d.terminal
	if !terminal.JSON() { // what a person would see beside the result is the story here
		terminal = &term.Terminal{Out: d.terminal.Out, Err: d.terminal.Out}
	}
	return d.command(ctx, terminal, "runbook", "run", "--folder", d.runDir(), "--yes", "--tick", "all", "--set", "SERVER=none",
		"--set", "PGDATA="+d.dataDir(), "--set", "LOGS="+d.logs(), "--set", "ZONE=UTC", "--set", "BACKUPS="+d.logs(), "--set", "PGRESCUE_CASE="+d.caseDir())
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
	rescued, err := d.rescued()
	if err != nil {
		return err
	}
	table := term.NewTable("TABLE", ">ROWS", "SHA-256", "")
	failed := 0
	for _, p := range rescued {
		line, err := p.line()
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

// proof is a table of which one transaction destroyed rows, and the file of its rescued rows.
type proof struct {
	destroyed *testdata.Destroyed
	file      string
}

// rescued are the tables of all transactions that the run has rescued rows of.
func (d *demo) rescued() ([]proof, error) {
	var list []proof
	for i := range d.truth.Transactions {
		t := &d.truth.Transactions[i]
		folder := filepath.Join(d.caseDir(), "rescued", strconv.FormatUint(uint64(t.XID), 10))
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for j := range t.Destroyed {
			list = append(list, proof{&t.Destroyed[j], filepath.Join(folder, t.Destroyed[j].Table+".copy")})
		}
	}
	if len(list) == 0 {
		return nil, exitcode.With(exitcode.VerifyFailed, errors.New("demo: the run rescued no row that the maker of the incident knows of"))
	}
	return list, nil
}

func (p proof) line() (proofLine, error) {
	line := proofLine{Type: "proof", Table: p.destroyed.Table, Rows: p.destroyed.Rows}
	text, err := os.ReadFile(p.file)
	if err != nil {
		return line, fmt.Errorf("demo: read the rescued rows: %w", err)
	}
	rows := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(rows, bytes.Compare)
	sum := sha256.Sum256(bytes.Join(rows, nil))
	line.SHA256 = hex.EncodeToString(sum[:])
	line.Equal = line.SHA256 == p.destroyed.SHA256
	return line, nil
}
