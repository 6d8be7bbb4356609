//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pgrescue/pgrescue/testdata"
)

const committed = "../../../testdata/incident"

// A new run makes the same loss as the one that is committed: the same
// transactions and the same rows to the byte. Transaction ids are not compared,
// as another minor version of the server may begin with another one.
func TestIncidentIsReproducible(t *testing.T) {
	t.Parallel()
	want, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	out := t.TempDir()
	if err := run(t.Context(), []string{"-o", out}, &log); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	got, err := os.ReadFile(filepath.Join(out, testdata.IncidentTruth))
	if err != nil {
		t.Fatal(err)
	}
	for _, transaction := range want.Transactions {
		for _, d := range transaction.Destroyed {
			if !bytes.Contains(got, []byte(d.SHA256)) {
				t.Errorf("%s: the rows of %s are not those of the committed incident", transaction.Label, d.Table)
			}
		}
		if label := fmt.Sprintf(`"label": %q`, transaction.Label); !bytes.Contains(got, []byte(label)) {
			t.Errorf("the new truth has no %s", label)
		}
	}
	if _, err := os.Stat(filepath.Join(out, testdata.IncidentArchive)); err != nil {
		t.Error(err)
	}
}

// The story needs a loss of this size and shape; the demo tells its numbers.
func TestTruthIsTheStory(t *testing.T) {
	t.Parallel()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		label     string
		committed bool
		rows      int
		errors    int // statements that the server refused
	}{
		{"rehearsal", false, 0, 0},
		{"users", true, 4, 0},
		{"field-mappings", true, 112, 0},
		{"raw-records-refused", false, 0, 1},
		{"imports-refused", false, 0, 1},
		{"retry", true, 207, 3},
		{"leftovers", true, 2, 0},
	}
	if len(truth.Transactions) != len(tests) {
		t.Fatalf("the truth has %d transactions, want %d", len(truth.Transactions), len(tests))
	}
	for _, test := range tests {
		transaction := truth.Transaction(test.label)
		if transaction == nil {
			t.Errorf("no transaction %s", test.label)
			continue
		}
		refused := 0
		for _, statement := range transaction.Statements {
			if statement.Error != "" {
				refused++
			}
		}
		if transaction.Committed != test.committed || transaction.Rows() != test.rows || refused != test.errors {
			t.Errorf("%s: committed %v, %d rows, %d refused; want %v, %d, %d", test.label, transaction.Committed, transaction.Rows(), refused, test.committed, test.rows, test.errors)
		}
		if transaction.EndLSN < transaction.Before || transaction.EndLSN >= transaction.After || transaction.Before < truth.Redo || transaction.After > truth.End || transaction.EndTime.IsZero() {
			t.Errorf("%s: its place in the WAL does not fit: %+v", test.label, transaction)
		}
	}
}

func TestDoomedRowsMatchTheTruth(t *testing.T) {
	t.Parallel()
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, transaction := range truth.Transactions {
		for _, d := range transaction.Destroyed {
			rows, err := os.ReadFile(filepath.Join(committed, filepath.FromSlash(d.File)))
			if err != nil {
				t.Error(err)
				continue
			}
			files++
			if sum := sha256.Sum256(rows); hex.EncodeToString(sum[:]) != d.SHA256 || bytes.Count(rows, []byte("\n")) != d.Rows {
				t.Errorf("%s does not match the truth; is it checked out byte for byte?", d.File)
			}
		}
	}
	if files != 9 {
		t.Errorf("%d files of doomed rows, want 9", files)
	}
}

// The archive has what recovery reads, is small, and tells nothing of the
// machine that it was made on.
func TestArchive(t *testing.T) {
	t.Parallel()
	packed, err := testdata.Incident()
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 4<<20 {
		t.Errorf("the archive has %d bytes, want at most 4 MiB", len(packed))
	}
	truth, err := testdata.ReadTruth()
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	files := make(map[string]int64)
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if header.Uname != "" || header.Gname != "" || header.Uid != 0 || !strings.HasPrefix(header.Name, "data/") && !strings.HasPrefix(header.Name, "logs/") {
			t.Errorf("%s: header tells of the machine: %+v", header.Name, header)
		}
		if bytes.Contains(content, []byte("pgrescue-cluster-")) {
			t.Errorf("%s holds the path of the throwaway cluster", header.Name)
		}
		files[header.Name] = header.Size
	}
	database := fmt.Sprintf("data/base/%d/", truth.DatabaseOID)
	for name, least := range map[string]int64{
		"data/PG_VERSION": 3, "data/global/pg_control": 8192, "data/global/pg_filenode.map": 512, "data/global/1262": 8192, "data/pg_xact/0000": 8192,
		"logs/postgresql.log": 100_000, "logs/backend.log": 100_000, "data/pg_tblspc/": 0, "data/postgresql.conf": 50, database + "pg_filenode.map": 512, database + "1259": 8192, database + "1249": 8192,
		fmt.Sprintf("data/pg_wal/%08X%08X%08X", 1, 0, uint64(truth.Redo)/uint64(truth.SegmentSize)): int64(truth.SegmentSize),
		fmt.Sprintf("data/pg_wal/%08X%08X%08X", 1, 0, uint64(truth.End)/uint64(truth.SegmentSize)):  int64(truth.SegmentSize),
	} {
		if size, found := files[name]; !found || size < least {
			t.Errorf("%s: found %v with %d bytes, want at least %d", name, found, size, least)
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "data/base/1/") || strings.HasSuffix(name, "_vm") || strings.HasSuffix(name, "postmaster.pid") {
			t.Errorf("%s should not be in the archive", name)
		}
	}
}
