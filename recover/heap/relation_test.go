package heap_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pgrescue/pgrescue/recover/heap"
	"github.com/pgrescue/pgrescue/recover/pg"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster"
	"github.com/pgrescue/pgrescue/recover/pitr/cluster/clustertest"
)

const gibibyte = int64(1) << 30

// relationFile makes a sparse segment file whose first and last page carry
// their block number in the first word.
func relationFile(t *testing.T, path string, number int, size int64) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if size < pg.BlockSize {
		return
	}
	for _, within := range []int64{0, size/pg.BlockSize - 1} {
		word := binary.LittleEndian.AppendUint32(nil, uint32(int64(number)*pg.SegmentBlocks+within))
		if _, err := f.WriteAt(word, within*pg.BlockSize); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRelationSegments(t *testing.T) {
	t.Parallel()
	loc := pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: 16384}
	for _, test := range []struct {
		name   string
		sizes  map[string]int64 // suffix to bytes
		blocks pg.BlockNumber
		gaps   []string // parts of the gaps, in order
	}{
		{"one page", map[string]int64{"": 8192}, 1, nil},
		{"empty", map[string]int64{"": 0}, 0, nil},
		{"torn last page", map[string]int64{"": 3*8192 + 100}, 3, []string{"block 3: file ends after 100"}},
		{"other forks do not count", map[string]int64{"": 8192, "_fsm": 8192, "_vm": 8192, "9": 8192, ".x": 8192, ".01": 1}, 1, nil},
		{"two segments", map[string]int64{"": gibibyte, ".1": 16384}, pg.SegmentBlocks + 2, nil},
		{"missing middle", map[string]int64{"": gibibyte, ".2": 8192}, 2*pg.SegmentBlocks + 1, []string{"16384.1: segment of 1 GiB: file is missing; blocks 131072 to 262143"}},
		{"missing first", map[string]int64{".1": 8192}, pg.SegmentBlocks + 1, []string{"16384: segment of 1 GiB: file is missing; blocks 0 to 131071"}},
		{"short middle", map[string]int64{"": 8192, ".1": 8192}, pg.SegmentBlocks + 1, []string{"131071 pages at its end: file is shorter"}},
		{"truncated with empty segments behind", map[string]int64{"": 16384, ".1": 0, ".2": 0}, 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base := filepath.Join(dir, "base", "5", "16384")
			for suffix, size := range test.sizes {
				number := 0
				if strings.HasPrefix(suffix, ".") {
					number = int(suffix[1] - '0')
				}
				relationFile(t, base+suffix, number, size)
			}
			rel, err := heap.OpenRelation(dir, loc)
			if err != nil {
				t.Fatal(err)
			}
			defer rel.Close()
			if rel.Blocks() != test.blocks {
				t.Errorf("blocks: got %d, want %d", rel.Blocks(), test.blocks)
			}
			gaps := rel.Gaps()
			if len(gaps) != len(test.gaps) {
				t.Fatalf("gaps: got %v, want %d", gaps, len(test.gaps))
			}
			for i, want := range test.gaps {
				if !strings.Contains(gaps[i].String(), want) {
					t.Errorf("gap %d: got %q, want %q in it", i, gaps[i], want)
				}
			}
			checkLastPage(t, rel)
		})
	}
}

// checkLastPage reads the last page on both ways, and one behind it.
func checkLastPage(t *testing.T, rel *heap.Relation) {
	t.Helper()
	page := make(heap.Page, pg.BlockSize)
	if err := rel.ReadPage(rel.Blocks(), page); !errors.Is(err, heap.ErrNoPage) {
		t.Errorf("read behind the end: got %v, want ErrNoPage", err)
	}
	if rel.Blocks() == 0 {
		return
	}
	last := rel.Blocks() - 1
	if err := rel.ReadPage(last, page); err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint32(page); got != uint32(last) {
		t.Errorf("ReadPage: block %d has the content of %d", last, got)
	}
	from := last - min(last, 1)
	var seen []pg.BlockNumber
	err := rel.PageRange(t.Context(), from, rel.Blocks()+10, func(block pg.BlockNumber, page heap.Page) error {
		if got := binary.LittleEndian.Uint32(page); block == last && got != uint32(last) {
			t.Errorf("PageRange: block %d has the content of %d", last, got)
		}
		seen = append(seen, block)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || seen[len(seen)-1] != last {
		t.Errorf("PageRange from %d saw %v, want up to %d", from, seen, last)
	}
}

func TestRelationErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	relationFile(t, filepath.Join(dir, "base", "5", "1"), 0, 40*windowPages*8192)
	for _, loc := range []pg.RelFileLocator{
		{Tablespace: pg.DefaultTablespace, Database: 5, Relation: 99},
		{Tablespace: pg.DefaultTablespace, Database: 6, Relation: 1},
		{Tablespace: pg.GlobalTablespace, Relation: 1},
		{Tablespace: 16400, Database: 5, Relation: 1},
	} {
		if _, err := heap.OpenRelation(dir, loc); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want fs.ErrNotExist", loc, err)
		}
	}
	rel, err := heap.OpenRelation(dir, pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer rel.Close()
	if err := rel.ReadPage(0, make(heap.Page, 10)); err == nil {
		t.Error("a short buffer must be an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	visited := 0
	err = rel.Pages(ctx, func(pg.BlockNumber, heap.Page) error {
		visited++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || visited > windowPages {
		t.Errorf("cancelled: got %v after %d pages", err, visited)
	}
	stop := errors.New("stop")
	if err := rel.Pages(t.Context(), func(pg.BlockNumber, heap.Page) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of visit: got %v", err)
	}
}

const windowPages = 32

func TestRelationShrinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "global", "7")
	relationFile(t, path, 0, 100*8192)
	rel, err := heap.OpenRelation(dir, pg.RelFileLocator{Tablespace: pg.GlobalTablespace, Relation: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer rel.Close()
	if err := os.Truncate(path, 50*8192+1); err != nil {
		t.Fatal(err)
	}
	count := 0
	if err := rel.Pages(t.Context(), func(pg.BlockNumber, heap.Page) error { count++; return nil }); err != nil {
		t.Fatal(err)
	}
	if gaps := rel.Gaps(); count != 50 || len(gaps) != 1 || !strings.Contains(gaps[0].String(), "block 50: file became shorter") {
		t.Errorf("got %d pages and the gaps %v", count, gaps)
	}
}

// The server's own pages are the oracle: with data checksums every page of
// every relation that it wrote must verify, in all tablespaces.
func TestChecksumOfServerPages(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, cluster.Options{Initdb: []string{"--data-checksums"}})
	clustertest.Exec(t, c, "postgres",
		"SET allow_in_place_tablespaces = on", "CREATE TABLESPACE inplace LOCATION ''",
		"CREATE TABLE t TABLESPACE inplace AS SELECT i, repeat(i::text, 50) FROM generate_series(1, 20000) i", "CHECKPOINT")
	loc := locate(t, c, "t")
	if err := c.Stop(t.Context(), cluster.Fast); err != nil {
		t.Fatal(err)
	}
	locs := []pg.RelFileLocator{loc, {Tablespace: pg.GlobalTablespace, Relation: 1262}}
	for _, name := range relationNames(t, filepath.Join(c.DataDir(), "base", "5")) {
		locs = append(locs, pg.RelFileLocator{Tablespace: pg.DefaultTablespace, Database: 5, Relation: name})
	}
	pages, wrong := 0, 0
	for _, loc := range locs {
		rel, err := heap.OpenRelation(c.DataDir(), loc)
		if err != nil {
			t.Fatal(err)
		}
		err = rel.Pages(t.Context(), func(block pg.BlockNumber, page heap.Page) error {
			if _, err := page.Header(); errors.Is(err, heap.ErrZeroPage) {
				return nil
			}
			pages++
			if !heap.VerifyChecksum(page, block) {
				wrong++
				t.Errorf("%s block %d does not verify", loc, block)
			}
			if heap.Checksum(page, block) == heap.Checksum(page, block+1) {
				t.Errorf("%s block %d: the block number does not enter", loc, block)
			}
			page[pg.BlockSize-1] ^= 0x40
			if heap.VerifyChecksum(page, block) {
				t.Errorf("%s block %d verifies with a flipped bit", loc, block)
			}
			return nil
		})
		if err = errors.Join(err, rel.Close()); err != nil || len(rel.Gaps()) > 0 {
			t.Fatal(err, rel.Gaps())
		}
		if wrong > 3 {
			break
		}
	}
	if pages < 1000 {
		t.Errorf("only %d pages were checked", pages)
	}
}

// locate asks the server where a table lies.
func locate(t *testing.T, c *cluster.Cluster, table string) pg.RelFileLocator {
	t.Helper()
	text := clustertest.CopyOut(t, c, "postgres", `SELECT coalesce(nullif(reltablespace, 0), dattablespace), d.oid, pg_relation_filenode(c.oid)
		FROM pg_class c, pg_database d WHERE c.relname = '`+table+`' AND datname = current_database()`)
	var n [3]uint32
	for i, field := range strings.Fields(text) {
		n[i] = parseUint32(t, field)
	}
	return pg.RelFileLocator{Tablespace: pg.OID(n[0]), Database: pg.OID(n[1]), Relation: pg.RelFileNumber(n[2])}
}

// relationNames lists the relations that have files in a database's directory.
func relationNames(t *testing.T, dir string) []pg.RelFileNumber {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []pg.RelFileNumber
	for _, entry := range entries {
		if strings.Trim(entry.Name(), "0123456789") == "" {
			names = append(names, pg.RelFileNumber(parseUint32(t, entry.Name())))
		}
	}
	slices.Sort(names)
	if len(names) < 100 {
		t.Fatalf("only %d relations in %s", len(names), dir)
	}
	return names
}

func BenchmarkChecksum(b *testing.B) {
	page := make(heap.Page, pg.BlockSize)
	for i := range page {
		page[i] = byte(i * 7)
	}
	b.SetBytes(pg.BlockSize)
	sum := uint16(0)
	for i := range b.N {
		sum ^= heap.Checksum(page, pg.BlockNumber(i))
	}
	b.ReportMetric(float64(sum&1), "parity")
}
