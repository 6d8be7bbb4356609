//go:build unix

package wal_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/wal"
)

// seedFile holds the first pages of a real segment of 1 MiB, for the fuzz targets.
const seedFile = "testdata/pages.wal"

// seedPages is how many pages it has.
const seedPages = 12

var updateSeeds = flag.Bool("update-seeds", false, "make the seed of the fuzz targets anew from a server")

// TestSeedPages checks that the seed is WAL that can be read to its end. With
// -update-seeds it makes the seed anew from a server.
func TestSeedPages(t *testing.T) {
	if *updateSeeds {
		f := newFixture(t, manyKinds(), map[string]string{"wal_compression": "pglz"})
		data, err := os.ReadFile(filepath.Join(f.dir, f.names[f.richest()]))
		if err == nil {
			err = os.WriteFile(seedFile, data[:seedPages*pg.BlockSize], 0o644) //nolint:gosec // a public file
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != seedPages*pg.BlockSize {
		t.Fatalf("%d bytes in %s", len(data), seedFile)
	}
	start := pg.LSN(uint64(data[8]) | uint64(data[9])<<8 | uint64(data[10])<<16 | uint64(data[11])<<24)
	name := filepath.Join(t.TempDir(), segmentNameOf(start))
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got := scan(t, []string{name}, wal.OpenOptions{}, wal.ScanOptions{})
	if len(got.records) < 50 {
		t.Errorf("%d records", len(got.records))
	}
	// The seed is the beginning of a segment, and a file that is cut where it holds WAL is told of.
	checkGaps(t, got.gaps, []string{"was cut after 98304 bytes"})
}

// segmentNameOf is the name of the 1 MiB segment of timeline 1 that begins at a place below 4 GiB.
func segmentNameOf(start pg.LSN) string {
	const digits = "0123456789ABCDEF"
	name := []byte("000000010000000000000000")
	for i, n := len(name)-1, start/segmentSize; n > 0; i, n = i-1, n/16 {
		name[i] = digits[n%16]
	}
	return string(name)
}

// richest finds the segment whose first pages hold the most kinds of records.
func (f *fixture) richest() int {
	kinds := make([]map[string]bool, len(f.names))
	first := f.lsns[0] / segmentSize
	for i, lsn := range f.lsns {
		n := lsn/segmentSize - first
		if kinds[n] == nil {
			kinds[n] = map[string]bool{}
		}
		if lsn%segmentSize < seedPages*pg.BlockSize {
			kinds[n][f.describe[i][:18]] = true
		}
	}
	best := 0
	for n := range kinds {
		if len(kinds[n]) > len(kinds[best]) {
			best = n
		}
	}
	return best
}
